"""Content and context losses (DeCLIP, eq. 7-10), pure functions.

B batch, N patch tokens, K boxes, C joint dimension, D width.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

__all__ = ['content_loss', 'context_loss', 'in_float32']


def in_float32(loss: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Autocast would compute the cosines in half precision."""

    @functools.wraps(loss)
    def run(*args: Any, **kwargs: Any) -> Tensor:
        with (
            torch.autocast('cuda', enabled=False),
            torch.autocast('cpu', enabled=False),
        ):
            return loss(*args, **kwargs)

    return run


@in_float32
def content_loss(
    regions: Tensor, targets: Tensor, count: float | Tensor | None = None
) -> Tensor:
    """One minus the cosine of region feature and crop embedding (eq. 7).

    Args:
        regions: (K, C) pooled content features of the student.
        targets: (K, C) embeddings of the same crops by the frozen CLIP.
        count: What the sum is divided by; None is K. Data-parallel training
            passes the global number of boxes over the number of ranks, so
            that averaged gradients are those of the global mean.

    Returns:
        Scalar; zero (with a gradient path) where no rank has a box.
    """
    cosine = F.cosine_similarity(regions.float(), targets.float(), dim=-1)
    total = (1 - cosine).sum()
    count = len(cosine) if count is None else count
    return total / count if count else total


@in_float32
def context_loss(
    context: Sequence[Tensor],
    teacher: Tensor,
    valid: Tensor | None = None,
    chunk: int = 1024,
) -> Tensor:
    """Distance of the student's and the VFM's patch correlations (eq. 8-9).

    The mean over images and rows of the L2 norm of the row difference of the
    two cosine matrices. Several context tensors (q and k for csa) average
    their matrices first. Rows are worked off in chunks and recomputed in the
    backward pass, so the memory grows with N and not with its square.

    Args:
        context: Tensors (B, N, D) of the student.
        teacher: (B, N, D') tokens of the VFM on the same grid.
        valid: (B, N) bool; other tokens (padding) are left out as rows and
            as columns. Every image needs a valid token.
        chunk: Rows at a time.

    Returns:
        Scalar.
    """
    shapes = {tuple(t.shape[:2]) for t in (*context, teacher)}
    if len(shapes) != 1:
        raise ValueError(
            'student and VFM tokens must agree in (B, N), got '
            f'{sorted(shapes)}. Choose image sizes with the same patch grid.'
        )
    students = [F.normalize(t.float(), dim=-1) for t in context]
    teacher = F.normalize(teacher.float(), dim=-1)
    count = teacher.shape[1]
    if valid is None:
        valid = torch.ones(
            teacher.shape[:2], dtype=torch.bool, device=teacher.device
        )
    rows = []
    for start in range(0, count, chunk):
        part = slice(start, start + chunk)
        rows_of = functools.partial(_row_distance, part, teacher, valid)
        if count > chunk and torch.is_grad_enabled():
            rows.append(checkpoint(rows_of, *students, use_reentrant=False))
        else:
            rows.append(rows_of(*students))
    distance = torch.cat(rows, dim=1) * valid  # (B, N)
    per_image = distance.sum(dim=1) / valid.sum(dim=1)
    return per_image.mean()


def _row_distance(
    part: slice, teacher: Tensor, valid: Tensor, *students: Tensor
) -> Tensor:
    """L2 norm of the difference of some rows, (B, rows)."""
    ours = sum(s[:, part] @ s.transpose(1, 2) for s in students)
    theirs = teacher[:, part] @ teacher.transpose(1, 2)
    difference = ours / len(students) - theirs
    difference = difference * valid[:, None]
    return torch.linalg.vector_norm(difference, dim=-1)
