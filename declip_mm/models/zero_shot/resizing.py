"""Bilinear resizing, at once or in strips of the result."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    'Pixels',
    'Places',
    'check_sides',
    'resize',
    'resize_image',
    'resize_rows',
    'short_side_size',
]


class Places(NamedTuple):
    """Where pixels of a side are between the points that they mix.

    Attributes:
        low: (n,) int64, the point before; ``low + 1`` is the one after it,
            unless there is one point alone.
        share: (n,) float32, part of the one after.
    """

    low: Tensor
    share: Tensor

    @classmethod
    def of(
        cls, source: int, target: int, wanted: Tensor | None = None
    ) -> 'Places':
        """Of a resize of a side, bilinear, ``align_corners`` False.

        Args:
            source, target: Points and pixels of the side.
            wanted: (n,) pixels; None is all of them.
        """
        place = _place(source, target, wanted)
        low = place.floor().long().clamp(max=max(source - 2, 0))
        return cls(low, place - low)

    @classmethod
    def among(cls, points: Tensor, source: int, target: int) -> 'Places':
        """The same where some points are left out, linear between the rest.

        Args:
            points: (m,) int64, m > 1, in order; the first and the last of
                ``source`` are among them.
            source, target: As above.
        """
        place = _place(source, target, None)
        low = torch.searchsorted(points.float(), place, right=True) - 1
        low = low.clamp(max=len(points) - 2)
        first, last = points[low], points[low + 1]
        return cls(low, (place - first) / (last - first))

    def between(self, first: int, last: int) -> slice:
        """The pixels whose point before is from ``first`` to ``last - 1``."""
        ends = torch.searchsorted(self.low, torch.tensor((first, last)))
        return slice(*ends.tolist())

    def cut(self, wanted: slice, first: int, device: torch.device) -> 'Places':
        """Of these pixels alone, points counted from ``first``."""
        low, share = self.low[wanted] - first, self.share[wanted]
        return Places(low.to(device), share.to(device))

    def halved(self) -> 'Places':
        """The same with one more point half-way between any two."""
        second = self.share >= 0.5
        return Places(2 * self.low + second, 2 * self.share - second.float())

    def matrix(self, source: int) -> tuple[slice, Tensor]:
        """The points of ``source`` that matter, and (n, those) weights."""
        begin = int(self.low[0])
        end = min(int(self.low[-1]) + 2, source)
        weights = self.share.new_zeros(len(self.low), end - begin + 1)
        near = (self.low - begin)[:, None]
        weights.scatter_(1, near, 1 - self.share[:, None])
        weights.scatter_(1, near + 1, self.share[:, None])
        return slice(begin, end), weights[:, : end - begin]


class Pixels(NamedTuple):
    """Where the pixels of a map are between its points.

    r c points, H' W' pixels.

    Attributes:
        rows, columns: Of the H' rows and the W' columns of pixels.
    """

    rows: Places
    columns: Places

    def of_cells(self, values: Tensor) -> Tensor:
        """(r, c) -> (H', W'), the value of the cell, its upper left point."""
        return values[self.rows.low][:, self.columns.low]

    def mix(self, values: Tensor) -> Tensor:
        """(r, c) -> (H', W'), bilinear."""
        high, wide = self.rows, self.columns
        rows = torch.lerp(
            values[high.low], values[high.low + 1], high.share[:, None]
        )
        return torch.lerp(rows[:, wide.low], rows[:, wide.low + 1], wide.share)

    def halved(self) -> 'Pixels':
        """The same among cells of half the side."""
        return Pixels(self.rows.halved(), self.columns.halved())


def _place(source: int, target: int, wanted: Tensor | None) -> Tensor:
    """(n,) where pixels are on the axis of the points."""
    if wanted is None:
        wanted = torch.arange(target)
    place = (wanted + 0.5) * (source / target) - 0.5
    return place.clamp(min=0, max=source - 1)


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
        last = min(first + rows, height)
        places = Places.of(source, height, torch.arange(first, last))
        low, share = (one.to(maps.device) for one in places)
        high = (low + 1).clamp(max=source - 1)
        part = share.to(maps.dtype)[None, :, None]
        strip = torch.lerp(maps[:, low], maps[:, high], part)
        # the height stays, so that this is interpolation along rows alone
        yield first, resize(strip, (last - first, width))


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
