"""Rows of texts from a tower that trains.

Q texts, C joint dimension.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...models.text import TokenBatch, name_key, tokens_alike
from ...models.text.embedder import TextEmbedder
from ...models.text.names import synonyms_of
from ...models.text.prompts import Prompts, get_prompts
from ...models.text.vocabulary import Vocabulary
from .text import TrainableTextEncoder

__all__ = ['TEMPLATE', 'TrainableTextEmbedder']

#: The one prompt of all released CAT-Seg models; no full stop.
TEMPLATE = 'A photo of a {} in the scene'


class TrainableTextEmbedder(TextEmbedder):
    """Rows that follow a text tower which is a part of the model.

    Names go into the prompts as they are, as CAT-Seg has them.

    Args:
        text_encoder: The model's own tower.
        prompts: Templates around each text.
    """

    #: Weights that train are no one's to be compared with.
    has_weights = False

    def __init__(
        self, text_encoder: TrainableTextEncoder, prompts: Prompts = TEMPLATE
    ) -> None:
        super().__init__(text_encoder, prompts=prompts)
        #: Texts, in their prompts, whose tokens were compared.
        self._told_apart: tuple[str, ...] = ()
        self.use_prompts(prompts)

    def follow(self, text_encoder: TrainableTextEncoder) -> None:
        """Take the model's tower, which FSDP and others may wrap later."""
        self._encoder = text_encoder

    def use_prompts(self, prompts: Prompts) -> None:
        """See :meth:`TextEmbedder.use_prompts`."""
        found = get_prompts(prompts)
        if found.sentences:
            raise ValueError(
                f'CAT-Seg has no article and no sentence around its texts, '
                f'which the prompt set {found.name!r} makes. Give templates '
                'with one {} each.'
            )
        super().use_prompts(prompts)

    @property
    def templates(self) -> tuple[str, ...]:
        return get_prompts(self.prompts).templates

    def check(self, backbone: nn.Module) -> None:
        """The model compares its towers while it is built and filled."""

    def with_gradient(self, vocabulary: Vocabulary) -> Tensor:
        """(Q, C) unit rows of the tower as it is now, differentiable."""
        words = [synonyms_of(text) for text in vocabulary.queries]
        templates = self.templates
        texts = tuple(
            template.replace('{}', word)
            for own in words
            for word in own
            for template in templates
        )
        sizes = [len(own) * len(templates) for own in words]
        if self._told_apart != texts:
            tokens = self.encoder.tokenize(texts)
            groups = _alike(vocabulary, sizes, tokens)
            self.encoder.refuse_alike(groups, tokens)
            self._told_apart = texts
        rows = self.encoder(texts)  # of all prompts
        if len(rows) != len(sizes):
            means = [part.mean(dim=0) for part in rows.split(sizes)]
            rows = F.normalize(torch.stack(means), dim=-1)
        return rows

    def text_rows(
        self,
        vocabulary: Vocabulary,
        device: str | torch.device = 'cpu',
        width: int | None = None,
    ) -> Tensor:
        """(Q, C) unit rows, kept as long as texts and weights stay."""
        key = vocabulary.texts, self.templates, self.encoder.weights_mark()
        rows = self._rows.get(key)
        if rows is None:
            with torch.no_grad():
                rows = self.with_gradient(vocabulary)
        rows = rows.to(device)
        self._rows = {key: rows}
        return rows

    def forget(self) -> None:
        """Let go of rows that are kept."""
        self._rows.clear()


def _alike(
    vocabulary: Vocabulary, sizes: list[int], tokens: TokenBatch
) -> list[tuple[str, ...]]:
    """Classes with different texts that give the same tokens.

    Equal texts of two classes are warned of elsewhere: ADE20K's own list has
    some.
    """
    labels = [str(i) for i, n in enumerate(sizes) for _ in range(n)]
    queries, owner = vocabulary.queries, vocabulary.owner
    groups = []
    for group in tokens_alike(labels, tokens):
        texts = {name_key(queries[int(i)]): owner[int(i)] for i in group}
        if len(set(texts.values())) > 1:
            groups.append(tuple(vocabulary.classes[o] for o in texts.values()))
    return groups
