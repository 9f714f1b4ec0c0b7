"""What student, crop teacher and VFM teacher see of one picture.

S side of the student view, c of the crops, V of the VFM view, K cells.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.registry import TRANSFORMS
from PIL import Image
from torch import Tensor

from .buckets import Buckets
from .grid import all_cells, draw_cells, enlarge, some_boxes
from .resizing import RESIZERS, Picture, cut, resized, size_of, to_picture

__all__ = [
    'BucketView',
    'DeCLIPViews',
    'SquareView',
    'boxes_in_square',
    'boxes_in_view',
    'crop_views',
    'fit_size',
]

Size = tuple[int, int]
#: A picture that is cut on the device is not sent with a longer side.
_SENT_SIDE = 2048


def fit_size(height: int, width: int, side: int) -> tuple[int, int]:
    """(height, width) with the longest side at ``side``; 1 px at least."""
    scale = side / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


class SquareView:
    """A picture with its longest side at ``side``, black elsewhere.

    Bicubic with antialiasing, enlarging where it must. The black is put in
    before anything is normalised.

    Args:
        side: Of the square, in pixels.
        centred: Padding on both sides, as the crop teacher has it, instead of
            right and bottom.
    """

    def __init__(self, side: int, centred: bool = False) -> None:
        self.side, self.centred = side, centred

    def layout(
        self, height: int, width: int, bucket: int | None = None
    ) -> tuple[Size, Size]:
        """(height, width) of the picture in the view, and of the view."""
        return fit_size(height, width, self.side), (self.side, self.side)

    def __call__(self, picture: Picture, bucket: int | None = None) -> Tensor:
        """RGB picture -> (3, side, side) uint8."""
        inside, whole = self.layout(*size_of(picture), bucket)
        return _placed(picture, inside, whole, self.centred)


class BucketView:
    """A picture in one of the shapes of :class:`Buckets`.

    Args:
        buckets: Shapes in tokens.
        patch: Side of a token in pixels of this view.
    """

    def __init__(self, buckets: Buckets, patch: int) -> None:
        self.buckets, self.patch = buckets, patch

    def layout(
        self, height: int, width: int, bucket: int | None = None
    ) -> tuple[Size, Size]:
        """As of :class:`SquareView`; without a bucket the nearest."""
        if bucket is None:
            bucket = self.buckets.nearest(height, width)
        rows, columns = (n * self.patch for n in self.buckets.grids[bucket])
        high, wide = self.buckets.shown(bucket, height, width)
        inside = max(1, round(high * rows)), max(1, round(wide * columns))
        return inside, (rows, columns)

    def __call__(self, picture: Picture, bucket: int | None = None) -> Tensor:
        """RGB picture -> (3, rows * patch, columns * patch) uint8."""
        return _placed(picture, *self.layout(*size_of(picture), bucket))


def _placed(
    picture: Picture, inside: Size, whole: Size, centred: bool = False
) -> Tensor:
    """(3, *whole) uint8, black around a picture that was resized."""
    top, left = (
        (outer - inner) // 2 if centred else 0
        for outer, inner in zip(whole, inside)
    )
    view = torch.zeros(3, *whole, dtype=torch.uint8)
    part = view[:, top : top + inside[0], left : left + inside[1]]
    part.copy_(resized(picture, *inside))
    return view


def crop_views(picture: Picture, boxes: np.ndarray, side: int) -> Tensor:
    """Cut boxes from the original pixels, fit each into a centred square.

    Args:
        picture: RGB.
        boxes: (K, 4) x0 y0 x1 y1 in whole pixels.
        side: Of the squares.

    Returns:
        (K, 3, side, side) uint8.
    """
    view = SquareView(side, centred=True)
    crops = torch.zeros(len(boxes), 3, side, side, dtype=torch.uint8)
    for index, box in enumerate(boxes.tolist()):
        crops[index] = view(cut(picture, box))
    return crops


def boxes_in_square(
    boxes: np.ndarray, height: int, width: int, side: int
) -> tuple[Tensor, Tensor]:
    """Boxes of a picture in its right/bottom padded square view.

    Args:
        boxes: (K, 4) x0 y0 x1 y1 in pixels of the picture.
        height, width: Of the picture.
        side: Of the view.

    Returns:
        (K, 4) float32 in [0, 1] of the square, and (2,) float32: the share
        of the square's height and width that shows the picture.
    """
    inside = fit_size(height, width, side)
    return boxes_in_view(boxes, (height, width), inside, (side, side))


def boxes_in_view(
    boxes: np.ndarray, size: Size, inside: Size, whole: Size
) -> tuple[Tensor, Tensor]:
    """Boxes of a picture in a view that is padded right and bottom, if at all.

    Args:
        boxes: (K, 4) x0 y0 x1 y1 in pixels of the picture.
        size: (height, width) of the picture.
        inside: Of the picture in the view.
        whole: Of the view.

    Returns:
        As :func:`boxes_in_square`, of this view.
    """
    valid = np.array(inside) / np.array(whole)
    # The rounded size of the view decides, so that boxes sit on its pixels.
    unit = np.array([valid[1] / size[1], valid[0] / size[0]] * 2)
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4) * unit
    return (
        torch.from_numpy(boxes.astype(np.float32)),
        torch.from_numpy(valid.astype(np.float32)),
    )


@TRANSFORMS.register_module()
class DeCLIPViews:
    """All views of one decoded picture, and the boxes of its crops.

    The student sees the whole picture, the crop teacher some cells of a
    random grid at its native size (cut from the original pixels), the VFM
    teacher the picture at a size that gives it the student's token grid:
    ``vfm_size = image_size / patch * patch_of_the_vfm``, 560 px at patch 16
    are 490 px at patch 14.

    Args:
        image_size: S.
        crop_size: c, the native size of the crop teacher; None makes no
            crops, for a :class:`CropCache` that has all of them.
        vfm_size: V; None makes no VFM view, for no VFM or a cache of it.
        max_split: Most rows and columns of the grid.
        max_boxes: Most cells of a grid, or boxes of a picture.
        grids: How many grids are drawn for a picture; the paper has one. More
            of them cost crops, or next to nothing with a filled
            :class:`CropCache`. The same cell may be drawn twice.
        crop_scale: Factor by which a crop is larger than its cell, about its
            centre and clipped; the box stays the cell. 1 for cells, 1.5 for
            proposals.
        resize: ``'pillow'``, or ``'torch'``, which is three times as fast
            and differs by one level of 255 in one value of 300.
        crops_on: ``'worker'``, or ``'device'``: the decoded picture travels
            (longest side 2048 px at most) and the preprocessor cuts it.
        native_patch: Side of the student's patches. Given, views keep the
            aspect in shapes of whole patches (:class:`Buckets`; longest side
            S and V) instead of padded squares, and the loader needs a
            :class:`BucketBatchSampler`.

    Attributes:
        buckets: The shapes, of ``native_patch``, else None.
        every_cell: Take all cells that could be drawn, to fill a cache.
    """

    every_cell = False

    def __init__(
        self,
        image_size: int = 560,
        crop_size: int | None = 224,
        vfm_size: int | None = None,
        max_split: int = 6,
        max_boxes: int = 20,
        crop_scale: float = 1.0,
        grids: int = 1,
        resize: str = 'pillow',
        crops_on: str = 'worker',
        native_patch: int | None = None,
    ) -> None:
        sizes = dict(
            image_size=image_size,
            crop_size=1 if crop_size is None else crop_size,
            vfm_size=1 if vfm_size is None else vfm_size,
            max_split=max_split,
            max_boxes=max_boxes,
            grids=grids,
            native_patch=1 if native_patch is None else native_patch,
        )
        for name, value in sizes.items():
            if not isinstance(value, int) or value < 1:
                raise ValueError(
                    f'{name} must be a whole number of 1 or more, got '
                    f'{value!r}.'
                )
        if not crop_scale >= 1:
            raise ValueError(
                f'crop_scale must be 1 or more, got {crop_scale!r}: a crop '
                'smaller than its box would hide what the box shows.'
            )
        _check_choice('resize', resize, RESIZERS)
        _check_choice('crops_on', crops_on, ('worker', 'device'))
        self.image_size, self.crop_size = image_size, crop_size
        self.resize, self.crops_on = resize, crops_on
        self.max_split, self.max_boxes = max_split, max_boxes
        self.crop_scale, self.grids = crop_scale, grids
        self.buckets = native_patch and Buckets(image_size, native_patch)
        self.student = self._view(image_size, 'image_size')
        self.vfm = vfm_size and self._view(vfm_size, 'vfm_size')

    def pad_to_squares(self) -> None:
        """Give up ``native_patch``; crops do not depend on it."""
        self.buckets = None
        self.student = SquareView(self.image_size)

    def _view(self, side: int, name: str) -> Any:
        if not self.buckets:
            return SquareView(side)
        longest = max(self.buckets.grids[0])
        if side % longest:
            raise ValueError(
                f'{name}={side} gives no whole patches on the grid of '
                f'{longest} tokens that image_size={self.image_size} has at '
                f'native_patch={self.buckets.patch}. Take {longest} times '
                "the VFM's patch."
            )
        return BucketView(self.buckets, side // longest)

    def __call__(
        self,
        image: Image.Image,
        rng: np.random.Generator,
        boxes: Any = None,
        bucket: int | None = None,
    ) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Make the views.

        Args:
            image: RGB picture.
            rng: Generator of this image and epoch.
            boxes: (n, 4) x0 y0 x1 y1 in pixels, to draw from instead of a
                grid.
            bucket: Shape of the views, of ``native_patch``; None takes the
                nearest.

        Returns:
            ``inputs`` with uint8 ``image`` (3, S, S) and, where wanted,
            ``crops`` (K, 3, c, c) and ``vfm`` (3, V, V); ``fields`` with
            ``boxes`` (K, 4) in [0, 1] of the student view, ``valid_hw`` (2,)
            and, of a grid, ``cell_ids`` (K,), an int64 array. To cut on the
            device, ``picture`` (3, H, W) uint8 instead of ``crops``, and its
            boxes ``cuts`` (K, 4) int64 among the fields.
        """
        size = image.height, image.width
        fields = {}
        if boxes is None:
            cells, ids = self.cells(*size, rng)
            fields['cell_ids'] = ids  # an array stays on the host
        else:
            boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
            cells = some_boxes(boxes, rng, self.max_boxes)
        picture = to_picture(image, self.resize)
        inputs = dict(image=self.student(picture, bucket))
        if self.crop_size is not None and self.crops_on == 'worker':
            inputs['crops'] = self.crops(picture, cells)
        elif self.crop_size is not None:
            cuts = enlarge(cells, self.crop_scale, *size)
            inputs['picture'], fields['cuts'] = _to_send(picture, cuts)
        if self.vfm is not None:
            inputs['vfm'] = self.vfm(picture, bucket)
        layout = self.student.layout(*size, bucket)
        fields['boxes'], fields['valid_hw'] = boxes_in_view(
            cells, size, *layout
        )
        return inputs, fields

    def cells(
        self, height: int, width: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Which cells a picture gets: (K, 4) in pixels, and (K,) their ids."""
        if self.every_cell:
            return all_cells(height, width, self.max_split)
        limits = self.max_split, self.max_boxes
        drawn = [
            draw_cells(height, width, rng, *limits) for _ in range(self.grids)
        ]
        cells, ids = (np.concatenate(part) for part in zip(*drawn))
        return cells, ids

    def crops(self, picture: Picture, cells: np.ndarray) -> Tensor:
        """What the crop teacher sees of (K, 4) cells: (K, 3, c, c) uint8."""
        boxes = enlarge(cells, self.crop_scale, *size_of(picture))
        return crop_views(picture, boxes, self.crop_size)

    @property
    def crop_view(self) -> dict[str, Any]:
        """What decides a crop beside its cell; size None is unknown."""
        return dict(size=self.crop_size, scale=float(self.crop_scale))


def _to_send(picture: Picture, boxes: np.ndarray) -> tuple[Tensor, Tensor]:
    """(3, H, W) uint8 of bounded size, and the boxes (K, 4) in its pixels."""
    height, width = size_of(picture)
    if max(height, width) > _SENT_SIDE:
        size = fit_size(height, width, _SENT_SIDE)
        scale = np.array([size[1] / width, size[0] / height] * 2)
        boxes = enlarge(boxes * scale, 1, *size)
        height, width = size
    pixels = resized(picture, height, width).contiguous()
    return pixels, torch.from_numpy(np.asarray(boxes, np.int64))


def _check_choice(name: str, value: Any, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise ValueError(
            f'{name}={value!r} is unknown; allowed: {", ".join(allowed)}.'
        )
