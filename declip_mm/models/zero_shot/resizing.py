"""Bilinear resizing, at once or in strips of the result."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    'check_sides',
    'resize',
    'resize_image',
    'resize_rows',
    'short_side_size',
]


def resize(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """(T, h, w) or (B, T, h, w) -> (..., H, W), bilinear.

    ``align_corners`` is False.
    """
    if tuple(maps.shape[-2:]) == tuple(size):
        return maps
    batch = maps if maps.ndim == 4 else maps[None]
    found = F.interpolate(
        batch, size=tuple(size), mode='bilinear', align_corners=False
    )
    return found if maps.ndim == 4 else found[0]


def resize_image(image: Tensor, size: tuple[int, int]) -> Tensor:
    """A picture (C, H, W) of any type -> (C, *size) float32.

    A channel at a time: floats of a large picture are four times its bytes.
    """
    return torch.cat([resize(one[None].float(), size) for one in image])


def resize_rows(
    maps: Tensor, size: tuple[int, int], rows: int
) -> Iterator[tuple[int, Tensor]]:
    """Equal to :func:`resize`, in strips of the result.

    Args:
        maps: (T, h, w).
        size: Wanted (H, W).
        rows: Rows of a strip.

    Yields:
        First row, and the strip (T, <= rows, W).
    """
    height, width = size
    source = maps.shape[1]
    for first in range(0, height, rows):
        wanted = torch.arange(
            first, min(first + rows, height), device=maps.device
        )
        place = ((wanted + 0.5) * (source / height) - 0.5).clamp(min=0)
        low = place.floor().long().clamp(max=source - 1)
        high = (low + 1).clamp(max=source - 1)
        share = (place - low).to(maps.dtype)[None, :, None]
        strip = torch.lerp(maps[:, low], maps[:, high], share)
        # the height stays, so that this is interpolation along rows alone
        yield first, resize(strip, (len(wanted), width))


def check_sides(short_side: int | None, long_side: int) -> None:
    """Refuse sides that no picture can be resized to; None leaves them."""
    if short_side is not None and not 0 < short_side <= long_side:
        raise ValueError(
            f'short_side={short_side} must be positive and at most '
            f'long_side={long_side}, or None.'
        )


def short_side_size(
    height: int, width: int, short_side: int, long_side: int
) -> tuple[int, int]:
    """(H, W) with the short side resized to ``short_side``.

    That of mmseg's ``Resize(scale=(long_side, short_side),
    keep_ratio=True)``: the long side gets no longer than ``long_side``.
    """
    short, long = sorted((height, width))
    factor = min(short_side / short, long_side / long)
    high, wide = (max(1, int(s * factor + 0.5)) for s in (height, width))
    return high, wide
