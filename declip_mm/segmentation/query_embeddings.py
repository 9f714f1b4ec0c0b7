"""Embeddings of the texts of a vocabulary.

Q queries (texts), C joint dimension.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..models.predictor import OpenVocabPredictor
from ..models.text import each_once
from .vocabulary import SegVocabulary

__all__ = ['QueryEmbeddings']


class QueryEmbeddings:
    """The text side of a segmentor; holds no weight of it.

    Args:
        text_encoder: Config of the backbone's own ``DeCLIPTextEncoder``.
        prompts: Prompt set or own templates.
        cache_dir: Folder for embeddings, kept between runs.
    """

    def __init__(
        self,
        text_encoder: dict,
        prompts: str | Sequence[str] = 'openai',
        cache_dir: str | None = None,
    ) -> None:
        self.predictor = OpenVocabPredictor(
            text_encoder, prompts=prompts, regions=(), cache_dir=cache_dir
        )
        self.vocabulary: SegVocabulary | None = None
        self._rows = torch.zeros(0, dtype=torch.long)

    def use(
        self,
        vocabulary: SegVocabulary,
        prompts: str | Sequence[str] | None = None,
    ) -> None:
        """Embed other texts from now on, or the same in other prompts."""
        if prompts is not None and prompts != self.predictor.prompts:
            self.predictor.prompts = prompts
            self.predictor.forget_names()
        # A text that several classes share is embedded once.
        unique, rows = each_once(vocabulary.queries)
        self.predictor.set_vocabulary({text: [text] for text in unique})
        self._rows = torch.tensor(rows)
        self.vocabulary = vocabulary

    def matrix(self, like: Tensor) -> Tensor:
        """(Q, C) unit rows for features ``like`` (C, ...), on its device.

        Raises:
            ValueError: There are no classes, or of another CLIP.
        """
        if self.vocabulary is None:
            raise ValueError(
                'the segmentor has no classes: call set_vocabulary, give '
                "vocabulary=[...], or add dict(type='SegVocabularyHook') to "
                'custom_hooks to take those of the data set.'
            )
        matrix = self.predictor.class_matrix(like)
        if matrix.shape[1] != like.shape[0]:
            raise ValueError(
                f'image features have {like.shape[0]} dimensions, texts '
                f'{matrix.shape[1]}: the text tower belongs to another CLIP '
                'model.'
            )
        return matrix[self._rows.to(matrix.device)]
