"""Crops that are cut and resized where the networks are.

K boxes, c side of the crops.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ['cut_crops']


def cut_crops(picture: Tensor, boxes: Tensor, side: int) -> Tensor:
    """Cut boxes, fit each into a centred black square.

    The same filter as Pillow's (bicubic, antialiased, of the box's pixels
    alone), with float32 weights. Boxes of one size share a call: the cells
    of a grid have four sizes at most.

    Args:
        picture: (3, H, W) uint8, on any device.
        boxes: (K, 4) x0 y0 x1 y1 in whole pixels, on the CPU.
        side: c.

    Returns:
        (K, 3, c, c) uint8 on the picture's device.
    """
    crops = picture.new_zeros(len(boxes), 3, side, side)
    groups: dict[tuple[int, int], list[int]] = {}
    corners = boxes.tolist()
    for index, (x0, y0, x1, y1) in enumerate(corners):
        groups.setdefault((y1 - y0, x1 - x0), []).append(index)
    for (height, width), members in groups.items():
        parts = torch.stack(
            [
                picture[:, y0 : y0 + height, x0 : x0 + width]
                for x0, y0, *_ in (corners[i] for i in members)
            ]
        )
        scale = side / max(height, width)
        high, wide = (max(1, round(n * scale)) for n in (height, width))
        top, left = (side - high) // 2, (side - wide) // 2
        placed = crops[:, :, top : top + high, left : left + wide]
        for index, part in zip(members, _resized(parts, high, wide)):
            placed[index] = part
    return crops


def _resized(parts: Tensor, height: int, width: int) -> Tensor:
    """(k, 3, h, w) uint8 -> (k, 3, height, width) uint8."""
    if parts.shape[-2:] == (height, width):
        return parts
    on_cpu = parts.device.type == 'cpu'  # whose kernel takes bytes
    if on_cpu:
        parts = parts.contiguous(memory_format=torch.channels_last)
    found = F.interpolate(
        parts if on_cpu else parts.float(),
        size=(height, width),
        mode='bicubic',
        align_corners=False,
        antialias=True,
    )
    if on_cpu:
        return found
    return found.round().clamp(0, 255).to(torch.uint8)
