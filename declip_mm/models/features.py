"""The one feature contract of all consumers."""

from typing import NamedTuple

from torch import Tensor

__all__ = ['DenseFeatures', 'check_image', 'to_map']


class DenseFeatures(NamedTuple):
    """Dense output of one pass.

    Attributes:
        content: (B, C, h, w) vision-language features, never normalised.
        context: One to three (B, N, D) tensors whose affinity the context
            loss sees: q, k or v of the patches, heads concatenated. For an
            affinity that is not decoupled, the content tokens (B, N, C).
        taps: (B, D, h, w) outputs of the stages that were asked for.
    """

    content: Tensor
    context: tuple[Tensor, ...]
    taps: tuple[Tensor, ...]


def to_map(tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    """(B, N, D) -> (B, D, h, w)."""
    return tokens.transpose(1, 2).unflatten(-1, grid)


def check_image(image: Tensor, patch: int, model: str) -> None:
    """Refuse what is no (B, 3, H, W) with sides of whole patches."""
    if image.ndim != 4 or image.shape[1] != 3:
        raise ValueError(
            f'images must be (B, 3, H, W), got {tuple(image.shape)}.'
        )
    h, w = image.shape[-2:]
    if h % patch or w % patch or not h or not w:
        raise ValueError(
            f'image size {h}x{w} is no multiple of the patch size {patch} '
            f'of {model}. Pad to {-(-h // patch) * patch}x'
            f'{-(-w // patch) * patch} or resize.'
        )
