"""Content and context losses (DeCLIP, eq. 7-10), pure functions.

B batch, N patch tokens, K boxes, C joint dimension, D width.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ['content_loss', 'context_loss', 'in_float32', 'mean_over']

#: Tokens above which one context tensor is quicker without rows at all.
_CLOSED_FORM = 3000
#: Products of the context loss on a GPU: ``'tf32'`` or ``'float32'``.
_ON_GPU = 'tf32'
_TINY = 1e-12


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
    return mean_over(
        (1 - cosine).sum(), len(cosine) if count is None else count
    )


def mean_over(total: Tensor, count: float | Tensor) -> Tensor:
    """A sum over a count; zero where that is, with a gradient path.

    A count on the device stays there: asking whether it is zero would wait
    for all that was launched before.
    """
    if isinstance(count, Tensor):
        return total / torch.where(count > 0, count, 1)
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
    their matrices first. Beyond ``chunk`` tokens no N x N matrix is held, so
    that memory grows with N. On a GPU the matrices are products in TF32 of
    unit rows that were rounded to it.

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
    if valid is None:
        rows = teacher.new_full(teacher.shape[:1], teacher.shape[1])
    else:
        # zero vectors: their rows and columns are zero in both matrices
        rows = valid.sum(dim=1)
        students = [s * valid[..., None] for s in students]
        teacher = teacher * valid[..., None]
    count = teacher.shape[1]
    if _by_tf32(teacher):
        distance = _RowDistance.apply(teacher, chunk, *students)
    elif count <= chunk:
        distance = _at_once(students, teacher)
    elif len(students) == 1 and count > _CLOSED_FORM:
        distance = _closed_form(students[0], teacher)
    else:
        distance = _RowDistance.apply(teacher, chunk, *students)
    return (distance / rows).mean()


def _by_tf32(rows: Tensor) -> bool:
    return rows.is_cuda and _ON_GPU == 'tf32'


@contextmanager
def _in_tf32() -> Iterator[None]:
    """Matrix products of float32 in TF32; afterwards as before."""
    matmul = torch.backends.cuda.matmul
    # torch before 2.9 has the one switch alone, and a later one refuses
    # products where the two contradict each other: the old one sets both
    before = getattr(matmul, 'fp32_precision', None)
    if before == 'tf32' or (before is None and matmul.allow_tf32):
        yield
        return
    matmul.allow_tf32 = True
    try:
        yield
    finally:
        matmul.allow_tf32 = False
        if before is not None:
            matmul.fp32_precision = before


def _rounded(x: Tensor) -> Tensor:
    """The nearest numbers with the 10 bits of TF32 (Veltkamp's splitting).

    Tensor cores may cut the other bits off instead: unit rows would all be
    too short, and so would every distance, by 7e-4.
    """
    scaled = x * 8193  # 2 ** 13 + 1
    return scaled - (scaled - x)


def _at_once(students: Sequence[Tensor], teacher: Tensor) -> Tensor:
    """Sum over rows of the norm of their difference, (B,), by autograd."""
    # [:, :]: the gradients of both sides are added in the order in which the
    # recorded figures were made, to the bit
    ours = sum(s[:, :] @ s.transpose(1, 2) for s in students)
    difference = ours / len(students) - teacher @ teacher.transpose(1, 2)
    return torch.linalg.vector_norm(difference, dim=-1).sum(dim=1)


class _RowDistance(torch.autograd.Function):
    """The same sum, some rows at a time.

    The gradient of a chunk of rows is made while the chunk is there, so that
    nothing is computed twice and no matrix is kept for the backward pass.
    """

    @staticmethod
    def forward(
        ctx: Any, teacher: Tensor, chunk: int, *students: Tensor
    ) -> Tensor:
        if not _by_tf32(teacher):
            return _RowDistance._sum(ctx, teacher, chunk, students)
        students = tuple(_rounded(s) for s in students)
        with _in_tf32():
            return _RowDistance._sum(ctx, _rounded(teacher), chunk, students)

    @staticmethod
    def _sum(
        ctx: Any, teacher: Tensor, chunk: int, students: tuple[Tensor, ...]
    ) -> Tensor:
        share = 1 / len(students)
        gradients = [
            torch.zeros_like(s) if need else None
            for s, need in zip(students, ctx.needs_input_grad[2:])
        ]
        total = teacher.new_zeros(len(teacher))
        for start in range(0, teacher.shape[1], chunk):
            part = slice(start, start + chunk)
            difference = -teacher[:, part] @ teacher.transpose(1, 2)
            for s in students:
                difference.baddbmm_(s[:, part], s.transpose(1, 2), alpha=share)
            norm = torch.linalg.vector_norm(difference, dim=-1)
            total += norm.sum(dim=1)
            # the gradient of a norm: its direction, and zero at zero
            direction = difference.div_(norm.clamp_min(_TINY)[..., None])
            for s, gradient in zip(students, gradients):
                if gradient is not None:  # the matrix holds s twice
                    gradient[:, part].baddbmm_(direction, s, alpha=share)
                    gradient.baddbmm_(
                        direction.transpose(1, 2), s[:, part], alpha=share
                    )
        ctx.save_for_backward(*gradients)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        made = ctx.saved_tensors
        weight = grad[:, None, None]
        return (None, None, *(g if g is None else weight * g for g in made))


def _closed_form(student: Tensor, teacher: Tensor) -> Tensor:
    """The same sum for one student tensor, from channel x channel matrices.

    With unit rows f of the teacher and g of the student a row's squared
    distance is f A f - 2 f B g + g D g, where A, B and D are the products of
    all f and g with each other.
    """
    f, g = teacher, student
    own = ((f @ (f.transpose(1, 2) @ f)) * f).sum(dim=-1)
    cross = ((f @ (f.transpose(1, 2) @ g)) * g).sum(dim=-1)
    theirs = ((g @ (g.transpose(1, 2) @ g)) * g).sum(dim=-1)
    squared = own - 2 * cross + theirs
    # what rounding leaves of equal rows has a root, and a slope without end
    noise = 1e-6 * own
    far = squared > noise
    return torch.where(far, squared, 1.0).sqrt().mul(far).sum(dim=1)
