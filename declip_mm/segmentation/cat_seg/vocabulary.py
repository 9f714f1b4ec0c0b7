"""The open vocabulary of a segmentor: classes, texts, their embeddings.

Q queries (texts), C joint dimension.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from ..vocabulary import Source, build_vocabulary
from .queries import TextQueries, build_queries

__all__ = ['TextQueriesMixin']


class TextQueriesMixin:
    """What a model with a ``text_encoder`` knows of its classes."""

    def _init_vocabulary(
        self,
        vocabulary: dict | None,
        templates: str | Sequence[str],
    ) -> None:
        self.templates = templates
        self.queries: TextQueries | None = None
        #: Queries whose tokens were compared.
        self._told_apart: TextQueries | None = None
        self.dataset_meta: dict = {}
        self._text_cache: tuple[tuple | None, Tensor | None]
        self.forget_texts()
        if vocabulary is not None:
            self.set_vocabulary(**vocabulary)

    def set_vocabulary(
        self,
        source: Source,
        texts: Mapping[str, Sequence[str]] | None = None,
        palette: Sequence[Sequence[int]] | None = None,
        background: str | Sequence[str] | None = None,
        synonyms: str = 'first',
        separator: str = ', ',
        templates: str | Sequence[str] | None = None,
    ) -> None:
        """Segment into other classes from now on.

        Works before and after loading weights, between training and
        evaluation; labels, ``dataset_meta`` and embeddings follow.

        Args:
            source, texts, palette, background: See
                :func:`~declip_mm.segmentation.build_vocabulary`.
            synonyms, separator: See :func:`build_queries`.
            templates: Prompts; None keeps those of the constructor.
        """
        made = build_vocabulary(source, texts, palette, background)
        self.queries = build_queries(
            made, synonyms, separator, templates or self.templates
        )
        self.dataset_meta = made.metainfo
        self.forget_texts()

    def forget_texts(self) -> None:
        """Drop the cached embeddings."""
        self._text_cache = None, None

    def known_queries(self) -> TextQueries:
        if self.queries is None:
            raise ValueError(
                'OVCATSegmentor has no classes: give a vocabulary, call '
                "set_vocabulary(names), or add dict(type='"
                "CATSegVocabularyHook') to custom_hooks to take those of the "
                'data set.'
            )
        return self.queries

    def text_embeddings(self) -> Tensor:
        """(Q, 1, C) unit embeddings of the queries.

        In training they are computed at every step, with gradient. At test
        time they are kept as long as queries, weights and device stay.
        """
        queries = self.known_queries()
        if self.training:
            return self._embed(queries)
        place = self.text_encoder.tower.positional_embedding.device
        key = queries, self.text_encoder.weights_mark(), place
        if self._text_cache[0] != key:
            with torch.no_grad():
                self._text_cache = key, self._embed(queries)
        return self._text_cache[1]

    def _embed(self, queries: TextQueries) -> Tensor:
        if self._told_apart is not queries:
            tokens = self.text_encoder.tokenize(queries.texts)
            self.text_encoder.refuse_alike(queries.alike(tokens), tokens)
            self._told_apart = queries
        rows = self.text_encoder(queries.texts)  # (all prompts, C)
        if len(rows) != len(queries.queries):
            means = [part.mean(dim=0) for part in rows.split(queries.sizes)]
            rows = F.normalize(torch.stack(means), dim=-1)
        return rows[:, None]

    def train(self, mode: bool = True) -> nn.Module:
        self.forget_texts()
        return super().train(mode)
