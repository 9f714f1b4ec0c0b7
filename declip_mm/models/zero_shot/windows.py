"""Sliding windows over pictures of any size, and their features.

B pictures, n windows of one, C joint dimension, Q queries.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .resizing import Places

__all__ = [
    'ImageFeatures',
    'Window',
    'check_windows',
    'encode_windows',
    'place_windows',
]


class Window(NamedTuple):
    """A window of a picture: top left corner and size in pixels."""

    y: int
    x: int
    height: int
    width: int


class ImageFeatures(NamedTuple):
    """What the windows of one picture show.

    Attributes:
        size: (H, W) of the picture.
        windows: n windows that cover it.
        padded: (H', W') that each window was padded to.
        maps: Per window (C, h, w) unit features of the padded window.
    """

    size: tuple[int, int]
    windows: list[Window]
    padded: list[tuple[int, int]]
    maps: list[Tensor]

    @property
    def told(self) -> str:
        """How the picture was seen, in words."""
        if len(self.maps) == 1:
            height, width = self.maps[0].shape[-2:]
            return f'one pass over {height} x {width} patches'
        tokens = sum(one.shape[1] * one.shape[2] for one in self.maps)
        return f'{len(self.maps)} windows, {tokens} patches in all'

    def synchronise(self) -> None:
        """Wait until the features are there; a GPU answers before."""
        for device in {one.device for one in self.maps}:
            if device.type == 'cuda':
                torch.cuda.synchronize(device)

    @classmethod
    def of_map(cls, content: Tensor) -> 'ImageFeatures':
        """Of one dense map (C, h, w), with the grid as its own picture."""
        height, width = content.shape[-2:]
        size = height, width
        unit = F.normalize(content.float(), dim=0)
        return cls(size, place_windows(size, None, 1), [size], [unit])

    @classmethod
    def of_whole(
        cls, unit: Tensor, size: tuple[int, int], patch: int
    ) -> 'ImageFeatures':
        """Of a picture (H, W) that one pass saw, padded to whole patches.

        Args:
            unit: (C, h, w) unit features of the padded picture.
            size: (H, W).
            patch: Side of a patch.
        """
        windows = place_windows(size, None, 1)
        return cls(size, windows, [_padded(size, patch)], [unit])

    def scores(
        self,
        texts: Tensor,
        rows: Tensor | None = None,
        columns: Tensor | None = None,
    ) -> Tensor:
        """Mean cosine over the windows that see a pixel.

        Args:
            texts: (Q, C) unit rows.
            rows, columns: (r,) and (c,) int64 on the CPU, in order, of the
                pixels that are wanted; None is all of them.

        Returns:
            (Q, r, c).
        """
        rows = torch.arange(self.size[0]) if rows is None else rows
        columns = torch.arange(self.size[1]) if columns is None else columns
        total = texts.new_zeros(len(texts), len(rows), len(columns))
        cover = texts.new_zeros(len(rows), len(columns))
        for window, padded, unit in zip(self.windows, self.padded, self.maps):
            down = _inside(rows, window.y, window.height)
            across = _inside(columns, window.x, window.width)
            if down.start < down.stop and across.start < across.stop:
                total[:, down, across] += _window_scores(
                    unit,
                    texts,
                    padded,
                    rows[down] - window.y,
                    columns[across] - window.x,
                )
                cover[down, across] += 1
        return total.div_(cover)

    def knots(self, gap: int) -> tuple[Tensor, Tensor]:
        """Rows and columns between which scores are linear.

        A window's scores bend at the middles of its patches, and jump where
        it ends; the pixels on both sides are knots.

        Args:
            gap: Pixels from one knot to the next, at most.

        Returns:
            (r,) and (c,) int64, in order, the first and the last among them.
        """
        height, width = self.size
        down, across = {0, height - 1}, {0, width - 1}
        for window, padded, unit in zip(self.windows, self.padded, self.maps):
            y, x, h, w = window
            down |= _bends(y, h, padded[0], unit.shape[1])
            across |= _bends(x, w, padded[1], unit.shape[2])
        return _fill(down, height, gap), _fill(across, width, gap)


def _inside(wanted: Tensor, first: int, length: int) -> slice:
    """Which of some pixels, in order, a window sees."""
    ends = torch.searchsorted(wanted, torch.tensor((first, first + length)))
    return slice(*ends.tolist())


def _bends(first: int, length: int, side: int, points: int) -> set[int]:
    """Pixels beside the middles of patches and the ends of a window."""
    middles = ((k + 0.5) * side / points - 0.5 for k in range(points))
    near = {int(one) + more for one in middles for more in (0, 1)}
    ends = {first - 1, first, first + length - 1, first + length}
    return ends | {first + one for one in near if one < length}


def _fill(knots: set[int], length: int, gap: int) -> Tensor:
    """Knots within a side, and as many between as the gap wants."""
    found = sorted(one for one in knots if 0 <= one < length)
    every = {found[-1]}
    for first, last in zip(found, found[1:]):
        steps = -(-(last - first) // gap)
        every |= {first + (last - first) * i // steps for i in range(steps)}
    return torch.tensor(sorted(every))


def _window_scores(
    unit: Tensor,
    texts: Tensor,
    padded: tuple[int, int],
    rows: Tensor,
    columns: Tensor,
) -> Tensor:
    """Cosines (Q, r, c) in some rows and columns of a window.

    Resized by products with the few weights of each pixel: no more than the
    patches around them are compared, and the scores are passed over once.

    Args:
        unit: (C, h, w) features of the window.
        texts: (Q, C).
        padded: (H, W) that the features cover.
        rows, columns: (r,) and (c,) pixels of the window, in order.
    """
    height, width = unit.shape[-2:]
    down, high = Places.of(height, padded[0], rows).matrix(height)
    across, wide = Places.of(width, padded[1], columns).matrix(width)
    score = torch.einsum('chw,qc->qhw', unit[:, down, across], texts)
    return high.to(unit) @ (score @ wide.t().to(unit))


def check_windows(
    window: int | None, stride: int | None, patch: int = 1
) -> None:
    """Refuse windows that leave gaps, or cut patches.

    Args:
        window: Side in pixels; None is the whole picture.
        stride: Step between windows; None is one that fits.
        patch: What a side has to be a multiple of.
    """
    if window is not None and (window < patch or window % patch):
        near = max(round(window / patch), 1) * patch
        raise ValueError(
            f'window={window} is no multiple of the patch size {patch}; '
            f'take {near}, or None for the whole picture.'
        )
    if stride is not None and not (window and 1 <= stride <= window):
        raise ValueError(
            f'stride={stride} leaves gaps between windows of {window}: it '
            'must be between 1 and the window.'
        )


def place_windows(
    size: tuple[int, int], window: int | None, stride: int
) -> list[Window]:
    """Windows as mmseg's ``slide`` mode places them.

    The last of a row and of a column is moved back to the border; a picture
    that is smaller than the window along a side has one window along it.

    Args:
        size: (H, W) of the picture.
        window: Side of a window; None is one window, the picture.
        stride: Step between windows.
    """
    height, width = size
    if window is None:
        return [Window(0, 0, height, width)]
    return [
        Window(y, x, min(window, height), min(window, width))
        for y in _starts(height, window, stride)
        for x in _starts(width, window, stride)
    ]


def _starts(length: int, window: int, stride: int) -> list[int]:
    room = max(length - window, 0)
    return [min(i * stride, room) for i in range(-(-room // stride) + 1)]


def encode_windows(
    images: Sequence[Tensor],
    encode: Callable[[Tensor], Tensor],
    window: int | None,
    stride: int,
    patch: int,
    batch: int,
) -> list[ImageFeatures]:
    """Features of all windows of all pictures.

    Windows of one size go through the network together, whichever picture
    they belong to. Sides that are no multiple of the patch are padded with
    zeros, the mean colour, at the right and below.

    Args:
        images: B pictures (3, H, W), normalised, of any sizes.
        encode: (b, 3, H', W') -> (b, C, h, w).
        window, stride: See :func:`place_windows`.
        patch: Side of a patch.
        batch: Windows at a time.
    """
    sizes = [(image.shape[-2], image.shape[-1]) for image in images]
    placed = [place_windows(size, window, stride) for size in sizes]
    groups: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    for picture, windows in enumerate(placed):
        for number, place in enumerate(windows):
            groups[place.height, place.width].append((picture, number))
    found: dict[tuple[int, int], Tensor] = {}
    for size, members in groups.items():
        for first in range(0, len(members), batch):
            part = members[first : first + batch]
            crops = [_cut(images[p], placed[p][n]) for p, n in part]
            padded = F.pad(torch.stack(crops), _padding(size, patch))
            units = F.normalize(encode(padded).float(), dim=1)
            found.update(zip(part, units))
    return [
        ImageFeatures(
            size,
            windows,
            [_padded((w.height, w.width), patch) for w in windows],
            [found[picture, number] for number in range(len(windows))],
        )
        for picture, (size, windows) in enumerate(zip(sizes, placed))
    ]


def _cut(image: Tensor, place: Window) -> Tensor:
    y, x, height, width = place
    return image[:, y : y + height, x : x + width]


def _padded(size: tuple[int, int], patch: int) -> tuple[int, int]:
    height, width = (-(-side // patch) * patch for side in size)
    return height, width


def _padding(size: tuple[int, int], patch: int) -> tuple[int, int, int, int]:
    height, width = _padded(size, patch)
    return 0, width - size[1], 0, height - size[0]
