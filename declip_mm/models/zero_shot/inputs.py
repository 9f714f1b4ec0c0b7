"""Pictures and regions as programs hand them in."""

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

__all__ = ['ImageLike', 'as_tensor', 'checked_boxes', 'checked_masks']

#: A picture as people have it: (H, W, 3) uint8 RGB, a Pillow picture, or a
#: tensor (3, H, W), uint8 or float in [0, 1].
ImageLike = np.ndarray | Image.Image | Tensor


def as_tensor(image: ImageLike) -> Tensor:
    """(3, H, W) with values from 0 to 255.

    Raises:
        ValueError: It is no picture; says what it is.
    """
    if isinstance(image, Image.Image):
        image = np.asarray(image.convert('RGB'))
    if isinstance(image, np.ndarray):
        if image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8:
            # Pillow's memory is not to be written to; torch would warn
            own = image if image.flags.writeable else image.copy()
            return torch.from_numpy(np.ascontiguousarray(own)).permute(2, 0, 1)
    elif isinstance(image, Tensor) and image.ndim == 3 and len(image) == 3:
        if image.dtype == torch.uint8:
            return image
        low, high = float(image.min()), float(image.max())
        if image.is_floating_point() and low >= 0 and high <= 1:
            return image * 255
        raise ValueError(
            f'a tensor of {image.dtype} has values from {low:.3g} to '
            f'{high:.3g}; a picture is uint8, or float from 0 to 1 and not '
            'yet normalised.'
        )
    kind = getattr(image, 'dtype', type(image).__name__)
    raise ValueError(
        f'a picture is an RGB array (H, W, 3) of uint8, a Pillow picture or '
        f'a tensor (3, H, W); got {tuple(getattr(image, "shape", ()))} of '
        f'{kind}.'
    )


def _here(values: Any) -> Tensor:
    """On the CPU, without a graph, whatever has made them."""
    if isinstance(values, Tensor):
        return values.detach().cpu()
    return torch.as_tensor(np.asarray(values))


def checked_boxes(boxes: Any) -> Tensor:
    """(R, 4) float32, x0 y0 x1 y1 with an area.

    Raises:
        ValueError: Names the first that has none.
    """
    boxes = _here(boxes).float()
    if boxes.numel() == 0:
        boxes = boxes.reshape(0, 4)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(
            f'boxes must be (R, 4), x0 y0 x1 y1 in pixels; got '
            f'{tuple(boxes.shape)}.'
        )
    wrong = ~(
        boxes.isfinite().all(dim=1)
        & (boxes[:, 2] > boxes[:, 0])
        & (boxes[:, 3] > boxes[:, 1])
    )
    if wrong.any():
        first = int(wrong.nonzero()[0])
        raise ValueError(
            f'boxes are x0 y0 x1 y1 with x0 < x1 and y0 < y1; '
            f'{int(wrong.sum())} of {len(boxes)} are not, such as number '
            f'{first}: {boxes[first].tolist()}.'
        )
    return boxes


def checked_masks(masks: Any, size: tuple[int, int]) -> Tensor:
    """(R, H, W) bool of the picture's size, none of them empty.

    Raises:
        ValueError: Names shapes, or the masks without a pixel.
    """
    masks = _here(masks)
    if not bool(((masks == 0) | (masks == 1)).all()):
        raise ValueError(
            f'masks of {masks.dtype} have values other than 0 and 1; compare '
            'probabilities with a threshold first.'
        )
    masks = masks.bool()
    if masks.ndim != 3 or tuple(masks.shape[1:]) != size:
        raise ValueError(
            f'masks must be (R, {size[0]}, {size[1]}) as the picture is, got '
            f'{tuple(masks.shape)}.'
        )
    empty = (~masks.flatten(1).any(dim=1)).nonzero()[:, 0].tolist()
    if empty:
        raise ValueError(
            f'masks {empty[:8]} have no pixel, so that nothing can be named. '
            'Leave them out.'
        )
    return masks
