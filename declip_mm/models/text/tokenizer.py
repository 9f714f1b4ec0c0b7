"""CLIP's byte-pair tokenizer, with nothing lost in silence."""

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from open_clip.tokenizer import SimpleTokenizer
from torch import Tensor

__all__ = ['TextTokenizer', 'TokenBatch', 'tokens_alike']

#: Position of the unknown token in a compact table.
_UNKNOWN = 1


class TokenBatch(NamedTuple):
    """Tokens of N texts.

    Attributes:
        ids: (N, T) int64, padded with 0 to the context length T.
        lengths: (N,) int64, tokens of each text with start and end.
        overlong: Indices of texts that had more than T tokens and were cut.
        unknown: Words that a compact table lacks, in order of appearance.
    """

    ids: Tensor
    lengths: Tensor
    overlong: tuple[int, ...]
    unknown: tuple[str, ...]


@lru_cache(maxsize=4)
def _byte_pairs(clean: str) -> SimpleTokenizer:
    return SimpleTokenizer(clean=clean)


class TextTokenizer:
    """open_clip's ``SimpleTokenizer`` with a context length and a table.

    Args:
        context_length: Most tokens of a text, start and end included.
        token_ids: Compact table of a text tower with a cut vocabulary:
            position -> original id. Position 0 pads, position 1 (holding -1)
            stands for every id that the table lacks, the last two are start
            and end of text. None keeps the whole vocabulary.
        clean: ``'lower'`` (CLIP), ``'whitespace'`` or ``'canonicalize'``.

    Raises:
        ValueError: The table breaks one of these rules.
    """

    def __init__(
        self,
        context_length: int = 77,
        token_ids: Sequence[int] | None = None,
        clean: str = 'lower',
    ) -> None:
        self.context_length = context_length
        self._bpe = _byte_pairs(clean)
        self._table = None
        if token_ids is not None:
            self._table = self._compact_table(list(token_ids))

    def _compact_table(self, token_ids: list[int]) -> dict[int, int]:
        ends = [self._bpe.sot_token_id, self._bpe.eot_token_id]
        body = token_ids[2:]
        reasons = []
        if len(token_ids) < 4 or token_ids[1] != -1:
            reasons.append('position 1 must hold -1 (unknown)')
        if token_ids[-2:] != ends:
            reasons.append(f'the last two must be {ends} (start and end)')
        if len(set(body)) != len(body):
            reasons.append('ids must not repeat')
        if any(not 0 <= i < self._bpe.vocab_size for i in body):
            reasons.append(f'ids must lie in [0, {self._bpe.vocab_size})')
        if reasons:
            raise ValueError(
                f'token_ids with {len(token_ids)} entries is no compact '
                f'token table: {"; ".join(reasons)}.'
            )
        return {old: new for new, old in enumerate(body, start=2)}

    def _unknown_words(self, text: str, table: dict[int, int]) -> list[str]:
        words = self._bpe.pat.findall(self._bpe.clean_fn(text))
        return [
            word
            for word in words
            if any(i not in table for i in self._bpe.encode(word))
        ]

    def __call__(self, texts: Sequence[str]) -> TokenBatch:
        """Tokenize texts; what is cut or unknown comes back by name."""
        limit = self.context_length
        ids = torch.zeros(len(texts), limit, dtype=torch.long)
        lengths = torch.zeros(len(texts), dtype=torch.long)
        overlong, unknown = [], {}
        ends = self._bpe.sot_token_id, self._bpe.eot_token_id
        for index, text in enumerate(texts):
            tokens = [ends[0], *self._bpe.encode(text), ends[1]]
            if self._table is not None:
                if any(i not in self._table for i in tokens):
                    words = self._unknown_words(text, self._table)
                    unknown.update(dict.fromkeys(words))
                tokens = [self._table.get(i, _UNKNOWN) for i in tokens]
            if len(tokens) > limit:
                overlong.append(index)
                # The embedding is read at the end token: it must stay.
                tokens = [*tokens[: limit - 1], tokens[-1]]
            ids[index, : len(tokens)] = torch.tensor(tokens)
            lengths[index] = len(tokens)
        return TokenBatch(ids, lengths, tuple(overlong), tuple(unknown))


def tokens_alike(
    owners: Sequence[str], tokens: TokenBatch
) -> list[tuple[str, ...]]:
    """Classes that a text tower cannot tell apart.

    Args:
        owners: Class of each of the N texts.
        tokens: Of these texts.

    Returns:
        Groups of classes whose texts give the same sets of tokens.
    """
    rows: dict[str, set[bytes]] = defaultdict(set)
    for owner, row in zip(owners, tokens.ids.numpy(), strict=True):
        rows[owner].add(row.tobytes())
    groups = defaultdict(list)
    for owner, own in rows.items():
        groups[frozenset(own)].append(owner)
    return [tuple(names) for names in groups.values() if len(names) > 1]
