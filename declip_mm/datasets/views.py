"""What student, crop teacher and VFM teacher see of one picture.

S side of the student view, c of the crops, V of the VFM view, K cells.
"""

from typing import Any

import numpy as np
import torch
from mmengine.registry import TRANSFORMS
from PIL import Image
from torch import Tensor

from .grid import all_cells, draw_cells, enlarge, some_boxes

__all__ = [
    'DeCLIPViews',
    'SquareView',
    'boxes_in_square',
    'crop_views',
    'fit_size',
]


def fit_size(height: int, width: int, side: int) -> tuple[int, int]:
    """(height, width) with the longest side at ``side``; 1 px at least."""
    scale = side / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


class SquareView:
    """A picture with its longest side at ``side``, black elsewhere.

    Bicubic with antialiasing (Pillow's), enlarging where it must. The black
    is put in before anything is normalised.

    Args:
        side: Of the square, in pixels.
        centred: Padding on both sides, as the crop teacher has it, instead of
            right and bottom.
    """

    def __init__(self, side: int, centred: bool = False) -> None:
        self.side, self.centred = side, centred

    def __call__(self, image: Image.Image) -> Tensor:
        """RGB picture -> (3, side, side) uint8."""
        height, width = fit_size(image.height, image.width, self.side)
        if image.size != (width, height):
            image = image.resize((width, height), Image.Resampling.BICUBIC)
        top = (self.side - height) // 2 if self.centred else 0
        left = (self.side - width) // 2 if self.centred else 0
        square = np.zeros((self.side, self.side, 3), np.uint8)
        square[top : top + height, left : left + width] = np.asarray(image)
        # (side, side, 3) -> (3, side, side)
        return torch.from_numpy(square).permute(2, 0, 1).contiguous()


def crop_views(image: Image.Image, boxes: np.ndarray, side: int) -> Tensor:
    """Cut boxes from the original pixels, fit each into a centred square.

    Args:
        image: RGB picture.
        boxes: (K, 4) x0 y0 x1 y1 in whole pixels.
        side: Of the squares.

    Returns:
        (K, 3, side, side) uint8.
    """
    view = SquareView(side, centred=True)
    crops = torch.zeros(len(boxes), 3, side, side, dtype=torch.uint8)
    for index, box in enumerate(boxes.tolist()):
        crops[index] = view(image.crop(box))
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
    valid = np.array(fit_size(height, width, side)) / side
    # The rounded size of the view decides, so that boxes sit on its pixels.
    unit = np.array([valid[1] / width, valid[0] / height] * 2)
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

    Attributes:
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
    ) -> None:
        sizes = dict(
            image_size=image_size,
            crop_size=1 if crop_size is None else crop_size,
            vfm_size=1 if vfm_size is None else vfm_size,
            max_split=max_split,
            max_boxes=max_boxes,
            grids=grids,
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
        self.image_size, self.crop_size = image_size, crop_size
        self.max_split, self.max_boxes = max_split, max_boxes
        self.crop_scale, self.grids = crop_scale, grids
        self.student = SquareView(image_size)
        self.vfm = None if vfm_size is None else SquareView(vfm_size)

    def __call__(
        self,
        image: Image.Image,
        rng: np.random.Generator,
        boxes: Any = None,
    ) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Make the views.

        Args:
            image: RGB picture.
            rng: Generator of this image and epoch.
            boxes: (n, 4) x0 y0 x1 y1 in pixels, to draw from instead of a
                grid.

        Returns:
            ``inputs`` with uint8 ``image`` (3, S, S) and, where wanted,
            ``crops`` (K, 3, c, c) and ``vfm`` (3, V, V); ``fields`` with
            ``boxes`` (K, 4) in [0, 1] of the square student view,
            ``valid_hw`` (2,) and, of a grid, ``cell_ids`` (K,), an int64
            array.
        """
        height, width = image.height, image.width
        fields = {}
        if boxes is None:
            cells, ids = self.cells(height, width, rng)
            fields['cell_ids'] = ids  # an array stays on the host
        else:
            boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
            cells = some_boxes(boxes, rng, self.max_boxes)
        inputs = dict(image=self.student(image))
        if self.crop_size is not None:
            inputs['crops'] = self.crops(image, cells)
        if self.vfm is not None:
            inputs['vfm'] = self.vfm(image)
        boxes, valid = boxes_in_square(cells, height, width, self.image_size)
        return inputs, dict(boxes=boxes, valid_hw=valid, **fields)

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

    def crops(self, image: Image.Image, cells: np.ndarray) -> Tensor:
        """What the crop teacher sees of (K, 4) cells: (K, 3, c, c) uint8."""
        boxes = enlarge(cells, self.crop_scale, image.height, image.width)
        return crop_views(image, boxes, self.crop_size)

    @property
    def crop_view(self) -> dict[str, Any]:
        """What decides a crop beside its cell; size None is unknown."""
        return dict(size=self.crop_size, scale=float(self.crop_scale))
