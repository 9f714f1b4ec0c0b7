"""A page on which pointing at a patch shows what it correlates with."""

import base64
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from ..assets import resolve_asset

__all__ = ['PageImage', 'pack_features', 'write_page']

#: Longest side in pixels of a picture in the page.
_SIDE = 420

#: Directions that are kept of the features.
_RANK = 96


class PageImage(NamedTuple):
    """A picture and what every backbone makes of its patches.

    Attributes:
        name: Heading.
        image: uint8 (H, W, 3).
        anchor: (x, y) in [0, 1] that is shown first.
        features: Backbone -> unit rows (N, D), and the grid (h, w).
    """

    name: str
    image: np.ndarray
    anchor: tuple[float, float]
    features: dict[str, tuple[Tensor, tuple[int, int]]]


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode('ascii')


def pack_features(
    features: Tensor, rank: int = _RANK
) -> tuple[np.ndarray, np.ndarray, float]:
    """Features small enough for a page.

    Args:
        features: (N, D) unit rows.
        rank: Principal directions (of the rows, not centred) to keep.

    Returns:
        (N, r) int8; (r,) scales by which its columns are to be multiplied;
        the largest error of an inner product of two rows.
    """
    values = features.double()
    left, sizes, _ = torch.linalg.svd(values, full_matrices=False)
    rank = min(rank, len(sizes))
    kept = left[:, :rank] * sizes[:rank]
    scales = (kept.abs().amax(dim=0) / 127).clamp(min=1e-12)
    packed = (kept / scales).round()
    restored = packed * scales
    error = (restored @ restored.T - values @ values.T).abs().max()
    return packed.to(torch.int8).numpy(), scales.numpy(), float(error)


def _pack_picture(picture: PageImage) -> tuple[dict, float]:
    image = Image.fromarray(picture.image)
    image = ImageOps.contain(image, (_SIDE, _SIDE), Image.Resampling.BICUBIC)
    stream = io.BytesIO()
    image.save(stream, 'JPEG', quality=88)
    maps, worst = [], 0.0
    for name, (features, (h, w)) in picture.features.items():
        packed, scales, error = pack_features(features)
        worst = max(worst, error)
        maps.append(
            dict(
                name=name,
                h=h,
                w=w,
                scales=[float(f'{scale:.6g}') for scale in scales],
                features=_text(packed.tobytes()),
            )
        )
    content = dict(
        name=picture.name,
        width=image.width,
        height=image.height,
        anchor=list(picture.anchor),
        image=_text(stream.getvalue()),
        maps=maps,
    )
    return content, worst


def write_page(path: str, pictures: Sequence[PageImage]) -> float:
    """Write one file of HTML that needs nothing beside it.

    Args:
        path: ``.html`` to write.
        pictures: At least one.

    Returns:
        The largest error of a cosine in the page, which says so, too.
    """
    packed = [_pack_picture(picture) for picture in pictures]
    error = max(worst for _, worst in packed)
    table = matplotlib.colormaps['inferno'](np.arange(256))[:, :3]
    data = dict(
        title='Patch correlation',
        note=f'Cosines in this page are off by {error:.3f} at most.',
        colours=_text((255 * table).round().astype(np.uint8).tobytes()),
        pictures=[content for content, _ in packed],
    )
    asset = resolve_asset('declip_mm://visualization/correlation.html')
    template = Path(asset).read_text('utf-8')
    # A name with "</script>" in it must not end the data.
    text = json.dumps(data).replace('</', '<\\/')
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(template.replace('@DATA@', text), 'utf-8')
    return error
