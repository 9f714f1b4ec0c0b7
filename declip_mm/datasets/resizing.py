"""Bicubic resizing with antialiasing, by Pillow or by torch.

The kind of a picture says who resizes it: an ``Image`` Pillow, a uint8 tensor
torch, whose kernel works on all three channels at once. Both compute the same
filter; torch's weights have fewer bits, so that one value in 300 differs by
one level of 255.
"""

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

__all__ = ['RESIZERS', 'Picture', 'cut', 'resized', 'size_of', 'to_picture']

#: An RGB picture of Pillow's, or (3, H, W) uint8.
Picture = Image.Image | Tensor
RESIZERS = ('pillow', 'torch')


def to_picture(image: Image.Image, resize: str) -> Picture:
    """The kind of picture that a resizer takes."""
    if resize == 'pillow':
        return image
    # (H, W, 3) in memory, which torch's quick kernel asks for
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def size_of(picture: Picture) -> tuple[int, int]:
    """(height, width)."""
    if isinstance(picture, Tensor):
        return picture.shape[-2], picture.shape[-1]
    return picture.height, picture.width


def cut(picture: Picture, box: tuple[int, int, int, int]) -> Picture:
    """The pixels of a box x0 y0 x1 y1 alone.

    They are copied: what lies outside a box has no part in what its edge
    becomes.
    """
    if not isinstance(picture, Tensor):
        return picture.crop(box)
    x0, y0, x1, y1 = box
    part = picture[None, :, y0:y1, x0:x1]
    return part.contiguous(memory_format=torch.channels_last)[0]


def resized(picture: Picture, height: int, width: int) -> Tensor:
    """(3, height, width) uint8, a view of interleaved memory."""
    if isinstance(picture, Tensor):
        if picture.shape[-2:] == (height, width):
            return picture
        return F.interpolate(
            picture[None],
            size=(height, width),
            mode='bicubic',
            align_corners=False,
            antialias=True,
        )[0]
    if picture.size != (width, height):
        picture = picture.resize((width, height), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)
