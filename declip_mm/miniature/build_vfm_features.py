"""Store the VFM's features of the first training scenes.

    python tools/miniature/build_vfm_features.py

About a minute. Features are those after block ``--layer`` of the ViT-S/14
(``miniature.vfm``), normalised per token without affine, at 168 px, and
projected on their leading uncentred components, which keeps cosines.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import timm
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file

CLONE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CLONE))

from declip_mm.apis import at_least, command
from declip_mm.datasets.miniature import build_world
from declip_mm.datasets.miniature.features import FEATURES, thumbnail
from declip_mm.datasets.miniature.vfm import (
    ONNX_SHA256,
    PACKAGE,
    TIMM_NAME,
    fetch_vit_s,
)

VIEW = 168
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


def read_view(path: Path) -> torch.Tensor:
    """A scene as the VFM sees it: (3, 168, 168), normalised."""
    image = Image.open(path).convert('RGB')
    image = image.resize((VIEW, VIEW), Image.BICUBIC)
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1) / 255
    return (pixels - MEAN) / STD


@torch.no_grad()
def extract(paths: list[Path], layer: int) -> torch.Tensor:
    """Features (N, h * w, 384)."""
    model = timm.create_model(
        TIMM_NAME, pretrained=False, num_classes=0, dynamic_img_size=True
    ).eval()
    state = {k: v.float() for k, v in load_file(fetch_vit_s()).items()}
    model.load_state_dict(state, strict=True)
    out = []
    for start in range(0, len(paths), 8):
        views = torch.stack([read_view(p) for p in paths[start : start + 8]])
        (tokens,) = model.get_intermediate_layers(views, [layer - 1])
        out.append(F.layer_norm(tokens, tokens.shape[-1:]))
        print(f'features {start + len(views)}/{len(paths)}', flush=True)
    return torch.cat(out)


def compress(tokens: torch.Tensor, width: int) -> tuple[np.ndarray, ...]:
    """int8 tokens (N, h * w, width) and the scale of each column."""
    flat = tokens.flatten(0, 1).double()
    _, basis = torch.linalg.eigh(flat.T @ flat)
    columns = flat @ basis.flip(1)[:, :width]
    scales = (columns.abs().amax(0) / 127).half().clamp_min(6e-5)
    codes = (columns / scales.double()).round().clamp(-127, 127).char()
    return codes.view(*tokens.shape[:2], width).numpy(), scales.numpy()


def cosine_error(full: torch.Tensor, small: torch.Tensor) -> dict:
    """Mean and 99th percentile of the change of cosines within a scene."""
    full, small = (F.normalize(x, dim=-1) for x in (full, small))
    change = (full @ full.mT - small @ small.mT).abs().flatten()
    worst = change[torch.randperm(len(change))[:1_000_000]].quantile(0.99)
    return dict(
        mean=round(float(change.mean()), 4), p99=round(float(worst), 4)
    )


@command
def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument('--scenes', type=at_least(1), default=200)
    parser.add_argument('--layer', type=at_least(1), default=10)
    parser.add_argument('--width', type=at_least(1), default=72)
    parser.add_argument('--out', type=Path, default=FEATURES)
    args = parser.parse_args()
    folder = build_world() / 'train' / 'images'
    paths = sorted(folder.glob('*.jpg'))[: args.scenes]
    full = extract(paths, args.layer)
    codes, scales = compress(full, args.width)
    small = torch.from_numpy(codes.astype(np.float32) * scales)
    info = dict(
        package=PACKAGE,
        onnx_sha256=ONNX_SHA256,
        layer=args.layer,
        view=VIEW,
        norm='layer norm per token, no affine',
        split='train',
        seed=0,
        cosine_error=cosine_error(full, small),
    )
    np.savez_compressed(
        args.out,
        tokens=codes,
        scales=scales,
        grid=np.array([VIEW // 14] * 2),
        thumbnails=np.stack([thumbnail(Image.open(p)) for p in paths]),
        info=json.dumps(info),
    )
    print(f'{args.out}: {args.out.stat().st_size / 2**20:.2f} MiB, {info}')


if __name__ == '__main__':
    main()
