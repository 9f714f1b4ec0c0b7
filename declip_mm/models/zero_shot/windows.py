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
    'Part',
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


class Part(NamedTuple):
    """Some rows and columns of a picture; the last ones are not in it."""

    top: int
    bottom: int
    left: int
    right: int

    def within(self, window: Window) -> 'Part | None':
        """What of it a window sees, counted from the window's corner."""
        y, x, height, width = window
        seen = Part(
            max(self.top - y, 0),
            min(self.bottom - y, height),
            max(self.left - x, 0),
            min(self.right - x, width),
        )
        empty = seen.top >= seen.bottom or seen.left >= seen.right
        return None if empty else seen


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

    def scores(self, texts: Tensor, part: Part | None = None) -> Tensor:
        """Mean cosine over the windows that see a pixel.

        Args:
            texts: (Q, C) unit rows.
            part: The pixels that are wanted; all of them.

        Returns:
            (Q, rows, columns).
        """
        whole = part or Part(0, self.size[0], 0, self.size[1])
        height, width = whole.bottom - whole.top, whole.right - whole.left
        total = texts.new_zeros(len(texts), height, width)
        cover = texts.new_zeros(height, width)
        for window, padded, unit in zip(self.windows, self.padded, self.maps):
            seen = whole.within(window)
            if seen is None:
                continue
            down, across = window.y - whole.top, window.x - whole.left
            here = (
                ...,
                slice(seen.top + down, seen.bottom + down),
                slice(seen.left + across, seen.right + across),
            )
            total[here] += _window_scores(unit, texts, padded, seen)
            cover[here] += 1
        return total.div_(cover)


def _window_scores(
    unit: Tensor, texts: Tensor, padded: tuple[int, int], part: Part
) -> Tensor:
    """Cosines (Q, rows, columns) in a part of a window.

    Resized by products with the few weights of each pixel: a part needs no
    more than the cells around it, and one pass over its scores.

    Args:
        unit: (C, h, w) features of the window.
        texts: (Q, C).
        padded: (H, W) that the features cover.
        part: Pixels of the window.
    """
    if tuple(unit.shape[-2:]) == tuple(padded):
        top, bottom, left, right = part
        unit = unit[:, top:bottom, left:right]
        return torch.einsum('chw,qc->qhw', unit, texts)
    down, high = Places.of(
        unit.shape[1], padded[0], unit.device, part.top, part.bottom
    ).matrix(unit.shape[1])
    across, wide = Places.of(
        unit.shape[2], padded[1], unit.device, part.left, part.right
    ).matrix(unit.shape[2])
    score = torch.einsum('chw,qc->qhw', unit[:, down, across], texts)
    return high @ (score @ wide.t())


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
