"""How lists of names differ, and which texts are one."""

from collections.abc import Sequence

from .names import name_key

__all__ = ['each_once', 'name_difference']


def name_difference(
    theirs: Sequence[str], ours: Sequence[str], they: str, we: str
) -> str:
    """In words, how two lists of names differ; empty if they do not.

    Args:
        theirs, ours: Class names.
        they, we: Whose they are: ``'the file'``.
    """
    theirs, ours = list(theirs), list(ours)
    known, wanted = set(theirs), set(ours)
    lacking = [name for name in ours if name not in known]
    extra = [name for name in theirs if name not in wanted]
    if lacking or extra or len(theirs) != len(ours):
        return (
            f'{they} has {len(theirs)}, {we} has {len(ours)}; only in '
            f'{they}: {_first(extra)}; only in {we}: {_first(lacking)}'
        )
    pairs = enumerate(zip(theirs, ours, strict=True))
    index = next((i for i, (a, b) in pairs if a != b), None)
    if index is None:
        return ''
    return (
        f'same {len(ours)} names in another order; at position {index} '
        f'{they} has {theirs[index]!r}, {we} has {ours[index]!r}'
    )


def _first(names: list[str], limit: int = 8) -> str:
    rest = len(names) - limit
    shown = ', '.join(repr(name) for name in names[:limit]) or 'none'
    return shown + (f' and {rest} more' if rest > 0 else '')


def each_once(texts: Sequence[str]) -> tuple[list[str], list[int]]:
    """Texts that differ to a text tower, and the place of each among them.

    Args:
        texts: Of all classes; several classes may share one.

    Returns:
        The first of those that read the same, and for each text its position
        there.
    """
    keys = [name_key(text) for text in texts]
    unique = dict(zip(reversed(keys), reversed(texts)))
    place = {key: row for row, key in enumerate(unique)}
    return list(unique.values()), [place[key] for key in keys]
