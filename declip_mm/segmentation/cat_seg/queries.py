"""From a vocabulary to what the text tower is asked.

Classes, the texts that stand for them and the prompts around the texts are
three things: labels, metric and palette are about classes; a class may have
several texts, and a text several words and prompts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mmengine.logging import print_log

from ...models.text import TokenBatch, name_key, tokens_alike
from ..vocabulary import SegVocabulary

__all__ = ['SYNONYMS', 'TEMPLATE', 'TextQueries', 'build_queries']

#: The one prompt of all released CAT-Seg models; no full stop.
TEMPLATE = 'A photo of a {} in the scene'

#: What becomes of the words of a text like 'bag, purse': the first alone
#: (CAT-Seg), the mean of their embeddings, or a query each.
SYNONYMS = ('first', 'average', 'all')


@dataclass(frozen=True)
class TextQueries:
    """What is asked of the text tower, and for which class.

    Attributes:
        classes: T class names.
        queries: Q tuples of words; a query's embedding is the mean over its
            words and templates.
        owner: Class index of each query; a class may have several.
        templates: Prompts with one ``{}`` each.
    """

    classes: tuple[str, ...]
    queries: tuple[tuple[str, ...], ...]
    owner: tuple[int, ...]
    templates: tuple[str, ...] = (TEMPLATE,)

    def __post_init__(self) -> None:
        wrong = [t for t in self.templates if t.count('{}') != 1]
        if wrong or not self.templates:
            raise ValueError(
                'a template must have exactly one {} for the name; wrong: '
                f'{wrong or "none is given"}.'
            )

    @property
    def texts(self) -> tuple[str, ...]:
        """Every prompt of every word of every query, in that order."""
        return tuple(
            template.replace('{}', word)
            for words in self.queries
            for word in words
            for template in self.templates
        )

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many of :attr:`texts` belong to each query."""
        return tuple(len(w) * len(self.templates) for w in self.queries)

    def alike(self, tokens: TokenBatch) -> list[tuple[str, ...]]:
        """Classes with different words that give the same tokens.

        Args:
            tokens: Of :attr:`texts`.
        """
        labels = [str(i) for i, n in enumerate(self.sizes) for _ in range(n)]
        groups = []
        for group in tokens_alike(labels, tokens):
            # equal words are warned of: ADE20K's own list has some
            words = {
                tuple(map(name_key, self.queries[int(i)])): self.owner[int(i)]
                for i in group
            }
            if len(set(words.values())) > 1:
                groups.append(tuple(self.classes[o] for o in words.values()))
        return groups

    @property
    def one_to_one(self) -> bool:
        """Whether query and class are the same thing."""
        return self.owner == tuple(range(len(self.classes)))


def build_queries(
    vocabulary: SegVocabulary,
    synonyms: str = 'first',
    separator: str = ', ',
    templates: str | Sequence[str] = TEMPLATE,
) -> TextQueries:
    """Make the queries of a vocabulary.

    Args:
        vocabulary: Classes and their texts.
        synonyms: How a text with ``separator`` is read: see
            :data:`SYNONYMS`.
        separator: Between the synonyms of one text.
        templates: One prompt or several, whose embeddings are averaged.
    """
    if synonyms not in SYNONYMS:
        raise ValueError(
            f'synonyms={synonyms!r} is unknown; allowed: {SYNONYMS}.'
        )
    queries, owner = [], []
    for index, text in zip(vocabulary.owner, vocabulary.queries):
        words = tuple(w.strip() for w in text.split(separator) if w.strip())
        parts = [words]
        if synonyms == 'first':
            parts = [words[:1]]
        elif synonyms == 'all':
            parts = [(word,) for word in words]
        queries += parts
        owner += [index] * len(parts)
    if isinstance(templates, str):
        templates = (templates,)
    made = TextQueries(
        vocabulary.classes, tuple(queries), tuple(owner), tuple(templates)
    )
    _warn_of_equal_queries(made)
    return made


def _warn_of_equal_queries(made: TextQueries) -> None:
    """Classes with one query get one map; argmax takes the first of them."""
    groups: dict = {}
    for words, owner in zip(made.queries, made.owner):
        groups.setdefault(words, []).append(made.classes[owner])
    same = [names for names in groups.values() if len(set(names)) > 1]
    if same:
        print_log(
            f'{len(same)} texts stand for several classes, of which only the '
            f'first can be predicted: {same[:5]}'
            f'{" and more" if len(same) > 5 else ""}.',
            logger='current',
            level=30,
        )
