"""Stored VFM features of the first training scenes, for machines offline.

    python tools/miniature/build_vfm_features.py

makes them anew in about a minute: features after block ``--layer`` of the
ViT-S/14 (``miniature.vfm``), normalised per token without affine, at 168 px,
and projected on their leading uncentred components, which keeps cosines.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

from ..apis import help_first, tool_parser
from .paths import ASSETS
from .world import build_world

FEATURES = ASSETS / 'vfm_features.npz'


def parse_args() -> argparse.Namespace:
    parser = tool_parser(__doc__)
    parser.add_argument('--scenes', type=int, default=200)
    parser.add_argument('--layer', type=int, default=10)
    parser.add_argument('--width', type=int, default=72)
    parser.add_argument('--out', type=Path, default=FEATURES)
    return parser.parse_args()


help_first(__name__, parse_args, 'build_vfm_features.py')

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from tqdm import trange

from ..models import VFMTeacher
from .vfm import ONNX_SHA256, PACKAGE, TIMM_NAME, fetch_vit_s

THUMBNAIL = 8  # side in pixels of the picture that identifies a scene
TOLERANCE = 4.0  # mean grey levels; JPEG costs about 0.3, another scene 30


@dataclass(frozen=True)
class StoredFeatures:
    """VFM tokens of scenes ``0 .. N - 1`` of split ``train`` at seed 0.

    Attributes:
        tokens: (N, h * w, C) float32, row by row; only their directions
            mean something. Cosines between tokens of a scene are those of
            the full features up to ``info['cosine_error']``.
        grid: (h, w).
        thumbnails: (N, 8, 8, 3) uint8, what the scenes look like.
        info: Layer, view, package, seed and the measured error.
    """

    tokens: torch.Tensor
    grid: tuple[int, int]
    thumbnails: np.ndarray
    info: dict

    def check(self, index: int, image: Image.Image) -> None:
        """Raise unless ``image`` is the stored scene number ``index``.

        Raises:
            IndexError: No features are stored for that number.
            ValueError: The picture is another one.
        """
        if not 0 <= index < len(self.tokens):
            raise IndexError(
                f'features are stored for scenes 0 to {len(self.tokens) - 1}'
                f', got {index}; use fewer scenes or the ViT-S/14 itself '
                '(miniature.vfm.fetch_vit_s)'
            )
        seen = thumbnail(image).astype(float)
        error = np.abs(seen - self.thumbnails[index]).mean()
        if error > TOLERANCE:
            raise ValueError(
                f'scene {index} differs from the stored one by {error:.1f} '
                f'grey levels, allowed: {TOLERANCE}; the features belong to '
                f'split train at seed {self.info["seed"]}: rebuild that '
                'world, or use the ViT-S/14 itself'
            )


def thumbnail(image: Image.Image) -> np.ndarray:
    """(8, 8, 3) uint8: what identifies a scene."""
    small = image.convert('RGB').resize((THUMBNAIL, THUMBNAIL), Image.BOX)
    return np.asarray(small)


def load_vfm_features() -> StoredFeatures:
    """Read the shipped features.

    The file holds ``tokens`` int8 (N, h * w, C) with ``scales`` float16
    (C,), ``grid``, ``thumbnails`` and ``info`` (JSON).
    """
    with np.load(FEATURES) as stored:
        tokens = stored['tokens'].astype(np.float32)
        tokens *= stored['scales'].astype(np.float32)
        return StoredFeatures(
            torch.from_numpy(tokens),
            tuple(int(side) for side in stored['grid']),
            stored['thumbnails'],
            json.loads(str(stored['info'])),
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
    teacher = VFMTeacher(TIMM_NAME, str(fetch_vit_s()), layer - 1, 'plain')
    teacher.init_weights()
    out = []
    for start in trange(0, len(paths), 8, desc='features'):
        views = torch.stack([read_view(p) for p in paths[start : start + 8]])
        # (B, D', h, w) -> (B, h * w, D')
        out.append(teacher(views).flatten(2).mT)
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


def main() -> None:
    """Command line."""
    args = parse_args()
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
