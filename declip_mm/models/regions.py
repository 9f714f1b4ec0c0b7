"""Features of regions, from a dense map.

B batch, C channels, h w patch grid, R regions.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import roi_align

__all__ = ['box_features', 'mask_features']


def box_features(
    content: Tensor,
    boxes: Sequence[Tensor],
    valid: Sequence[tuple[int, int]] | None = None,
) -> Tensor:
    """RoIAlign every box to 1 x 1 (aligned, adaptive sampling).

    Args:
        content: (B, C, h, w) dense map.
        boxes: B tensors (R_i, 4), x0 y0 x1 y1 in [0, 1] of the image that
            the map covers.
        valid: Cells (width, height) of each map that the image covers, the
            rest is padding; None: all of them.

    Returns:
        (sum R_i, C) in the boxes' order, not normalised.
    """
    h, w = content.shape[-2:]
    sizes = [(w, h)] * len(boxes) if valid is None else valid
    rois = [_in_cells(b.float(), *size) for b, size in zip(boxes, sizes)]
    # torchvision's kernel has no bfloat16 path on every device.
    pooled = roi_align(
        content.float(), rois, output_size=1, sampling_ratio=-1, aligned=True
    )
    return pooled.flatten(1)


def _in_cells(boxes: Tensor, w: int, h: int) -> Tensor:
    # numbers, not a tensor of them: copying it to a GPU waits for the GPU
    x0, y0, x1, y1 = boxes.unbind(dim=1)
    return torch.stack((x0 * w, y0 * h, x1 * w, y1 * h), dim=1)


def mask_features(content: Tensor, masks: Sequence[Tensor]) -> Tensor:
    """Mean of the dense map under every mask.

    A mask is resized to the grid (bicubic); cells with a value above zero
    count. A mask too thin for any cell takes the cell it covers most.

    Args:
        content: (B, C, h, w) dense map.
        masks: B bool tensors (R_i, H_i, W_i) over the image that the whole
            map covers.

    Returns:
        (sum R_i, C) in the masks' order, not normalised.
    """
    return torch.cat(
        [_pool_masks(c.float(), m) for c, m in zip(content, masks)]
    )


def _pool_masks(content: Tensor, masks: Tensor) -> Tensor:
    h, w = content.shape[-2:]
    if not len(masks):
        return content.new_zeros(0, len(content))
    soft = masks.float()[:, None]
    if soft.shape[-2:] != (h, w):
        resized = F.interpolate(
            soft, size=(h, w), mode='bicubic', align_corners=False
        )
    else:
        resized = soft
    cells = (resized[:, 0] > 0).flatten(1)  # (R, h * w)
    lost = ~cells.any(dim=1)
    if lost.any():
        share = F.adaptive_avg_pool2d(soft[lost], (h, w)).flatten(1)
        best = share.argmax(dim=1)
        cells[lost] = F.one_hot(best, cells.shape[1]).bool()
    weights = cells.float()
    weights = weights / weights.sum(dim=1, keepdim=True)
    return weights @ content.flatten(1).t()  # (R, C)
