"""Scores of a region: the detector's and CLIP's, fused in log space."""

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ['fuse_scores', 'unit']


def unit(x: Tensor) -> Tensor:
    """L2-normalise the last dimension in float32.

    In half precision the usual eps of 1e-12 underflows to 0, and a vector of
    zeros (all units cut off by a ReLU) would become NaN.
    """
    return F.normalize(x.float(), dim=-1, eps=1e-6)


def fuse_scores(
    det_logits: Tensor, vlm_logits: Tensor, weight: Tensor
) -> Tensor:
    """Log of the geometric mean of two class distributions.

    ``s_c = softmax(det)_c ^ (1 - w_c) * softmax(vlm)_c ^ w_c`` (F-VLM, Kuo et
    al., ICLR 2023; F-ViT in CLIPSelf, Wu et al., ICLR 2024). The rows do not
    sum to 1, and must not be made to.

    Args:
        det_logits: (R, K + 1) of the detector, background last.
        vlm_logits: (R, K + 1) of CLIP.
        weight: (K + 1,) in [0, 1], share of CLIP in each class.

    Returns:
        (R, K + 1) float32 log scores.
    """
    det = F.log_softmax(det_logits.float(), dim=-1)
    vlm = F.log_softmax(vlm_logits.float(), dim=-1)
    return torch.lerp(det, vlm, weight)
