"""From window features of a picture to a name for every pixel.

C joint dimension, H W picture, K classes, Q texts.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from ..text.embedder import TextEmbedder
from ..text.vocabulary import Source, Vocabulary
from .arg_max import best_query, labels_of
from .windows import ImageFeatures

__all__ = ['Segmented', 'name_pixels', 'text_rows_of']


class Segmented(NamedTuple):
    """A picture by names.

    Attributes:
        labels: (H, W) int32, positions in ``names``; -1 is no class.
        scores: (H, W) float32, softmax probability of that class, to some
            thousandths of itself; None where it was not asked for.
        names: K class names.
    """

    labels: Tensor
    scores: Tensor | None
    names: tuple[str, ...]


def text_rows_of(
    vocabulary: Vocabulary, embedder: TextEmbedder, device: torch.device
) -> tuple[Tensor, Tensor]:
    """(Q, C) rows of the texts, (Q,) their classes.

    A class is as probable as its best text.
    """
    return (
        embedder.text_rows(vocabulary, device),
        torch.tensor(vocabulary.owner, device=device),
    )


@torch.no_grad()
def name_pixels(
    features: ImageFeatures,
    size: tuple[int, int],
    names: Source,
    embedder: TextEmbedder,
    *,
    logit_scale: float,
    threshold: float = 0.0,
    with_scores: bool = True,
    memory: int = 256,
) -> Segmented:
    """Name every pixel.

    Args:
        features: Of the picture.
        size: (H, W) of the picture.
        names: What :meth:`Vocabulary.of` reads.
        embedder: Text side of the CLIP that the features are of.
        logit_scale: Factor before the softmax over names.
        threshold: Probability below which a pixel has no class.
        with_scores: Whether probabilities are wanted; labels alone take
            about half the time.
        memory: MiB of working space for scores.
    """
    if not 0 <= threshold <= 1:
        raise ValueError(f'threshold={threshold} is no probability: 0 to 1.')
    vocabulary = Vocabulary.of(names)
    device = features.maps[0].device
    rows, owner = text_rows_of(vocabulary, embedder, device)
    wanted = with_scores or threshold > 0
    best = best_query(features, rows, size, logit_scale, wanted, memory)
    labels = labels_of(best, owner, threshold)
    scores = best.score if with_scores else None
    return Segmented(labels, scores, vocabulary.classes)
