"""Loads pictures for mmdet's and mmseg's pipelines."""

from typing import Any

import numpy as np
from mmengine.registry import TRANSFORMS
from PIL import Image

from .decoding import (
    UnreadableImage,
    printable,
    read_image,
    read_labelled,
    read_size,
)

__all__ = ['LoadLabelledImage', 'blank_size']

#: Side of a blank picture that no label gives a size.
_BLANK = 64


@TRANSFORMS.register_module()
class LoadLabelledImage:
    """Load a picture as its labels lie.

    mmcv's ``LoadImageFromFile`` turns a picture as its EXIF says, while
    boxes and masks stay. This one turns it only if its labels fit then, has
    one reader with pre-finetuning and regions (16 bits, transparency,
    damage), and names a file that cannot be read. Without labels pictures
    are upright.

    Required keys: ``img_path``. Read if there: ``height`` and ``width``, or
    ``seg_map_path``, for the size of the labels; ``blank`` for a black
    picture in the place of a damaged one. Adds ``img`` (H, W, 3) BGR uint8,
    ``img_shape``, ``ori_shape`` and ``fits_labels``.

    Args:
        max_ratio: Of the long to the short side; longer pictures have no
            pixel left when a pipeline shrinks them, and are refused.
            None allows all.
    """

    def __init__(self, max_ratio: float | None = 100) -> None:
        if max_ratio is not None and not max_ratio >= 1:
            raise ValueError(
                f'max_ratio must be 1 or more, or None, got {max_ratio!r}.'
            )
        self.max_ratio = max_ratio

    def __call__(self, results: dict) -> dict:
        """See the class; as mmcv's transforms are called."""
        return self.transform(results)

    def transform(self, results: dict) -> dict:
        """Fill in the picture.

        Raises:
            UnreadableImage: Names the file and why it is of no use.
        """
        # Copied by transforms that mix pictures, if it stayed.
        readings = results.pop('readings', None)
        if results.get('blank'):
            size = blank_size(_label_size(results), self.max_ratio)
            pixels = np.zeros((*size, 3), np.uint8)
        else:
            pixels = _bgr(self._read(results, readings))
        results['img'] = pixels
        results['img_shape'] = results['ori_shape'] = pixels.shape[:2]
        results['fits_labels'] = True
        return results

    def _read(self, results: dict, readings: Any) -> Image.Image:
        path = results['img_path']
        size = _label_size(results)
        if size is None:
            image = read_image(path)
        else:
            source = results.get('seg_map_path') or 'its annotation'
            if readings is None:
                image = read_labelled(path, size, source).image
            else:
                if 'seg_map_path' not in results:
                    source = readings.source
                index = results['sample_idx']
                image = readings.read(index, path, size, source)
        short, long = sorted(image.size)
        if self.max_ratio is not None and long > self.max_ratio * short:
            raise UnreadableImage(
                f'{printable(path)} is {image.height} x {image.width} '
                f'(height x width); a side may be {self.max_ratio:g} times '
                'the other. Cut it, leave it out, or set max_ratio of '
                'LoadLabelledImage.'
            )
        return image

    def __repr__(self) -> str:
        return f'{type(self).__name__}(max_ratio={self.max_ratio})'


def _bgr(image: Image.Image) -> np.ndarray:
    """(H, W, 3) BGR; by channels, three times as fast as all at once."""
    rgb = np.asarray(image)
    bgr = np.empty_like(rgb)
    for channel in range(3):
        bgr[..., channel] = rgb[..., 2 - channel]
    return bgr


def _label_size(results: dict) -> tuple[int, int] | None:
    """(height, width) of the labels, None where nothing says it."""
    size = results.get('height'), results.get('width')
    if None not in size:
        return size
    path = results.get('seg_map_path')
    try:
        # class maps are not turned, whatever a tool wrote into their EXIF
        return read_size(path, orient=False) if path else None
    except UnreadableImage:
        if results.get('blank'):
            return None
        raise


def blank_size(
    size: tuple[int, int] | None, max_ratio: float | None = None
) -> tuple[int, int]:
    """(height, width) of a blank picture for labels of a size."""
    if size is None:
        return _BLANK, _BLANK
    least = 1 if max_ratio is None else -(-max(size) // int(max_ratio))
    return tuple(max(side, least) for side in size)
