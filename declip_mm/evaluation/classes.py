"""Class names as a metric sees them."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ['check_subsets', 'class_columns', 'dataset_classes', 'image_of']

#: Endings that the columns of the metrics have already.
_TAKEN = ('thing', 'stuff', 'all')


def dataset_classes(meta: Mapping[str, Any] | None, metric: str) -> list[str]:
    """Class names of ``dataset_meta``.

    Raises:
        ValueError: The data set names no classes, or one string.
    """
    classes = (meta or {}).get('classes')
    if not classes:
        raise ValueError(
            f'{metric} needs the class names of the data set: there are no '
            f"class names in its metainfo['classes'] (metainfo: "
            f'{dict(meta or {})!r:.200}). Set metainfo=dict(classes=(...)) '
            "in the data set's config."
        )
    if isinstance(classes, str):
        raise ValueError(
            f'{metric} needs the class names of the data set and got the one '
            f'string {classes!r}, which would become letters. Set '
            'metainfo=dict(classes='
            f'{tuple(c.strip() for c in classes.split(","))}); a tuple of '
            'one name needs its comma.'
        )
    return list(classes)


def check_subsets(subsets: Mapping[str, Sequence[str]] | None) -> dict:
    """Names of class subsets, which become parts of column names.

    Raises:
        ValueError: A name is no identifier, or is taken, or a subset empty.
    """
    subsets = {key: list(value) for key, value in (subsets or {}).items()}
    bad = [k for k in subsets if not k.isidentifier() or k in _TAKEN]
    empty = [k for k, names in subsets.items() if not names]
    if bad or empty:
        raise ValueError(
            f'subset names {bad} are not allowed (identifiers other than '
            f'{", ".join(_TAKEN)}), subsets {empty} are empty.'
        )
    return subsets


def subset_indices(
    names: Sequence[str], classes: Sequence[str], what: str
) -> list[int]:
    """Indices of some class names.

    Raises:
        ValueError: Names that the data set does not have, with close ones.
    """
    index = {name: i for i, name in enumerate(classes)}
    unknown = [name for name in names if name not in index]
    if unknown:
        close = difflib.get_close_matches(str(unknown[0]), classes)
        raise ValueError(
            f'{what} names {unknown}, which the data set does not have among '
            f'its {len(classes)} classes; close to {unknown[0]!r}: '
            f'{", ".join(close) or "none"}.'
        )
    return [index[name] for name in names]


def class_columns(
    classes: Sequence[str],
    exclude: Sequence[str],
    subsets: Mapping[str, Sequence[str]],
) -> dict[str, list[int]]:
    """Class indices behind each group of columns.

    Returns:
        ``''`` -> classes of the main columns (all but ``exclude``), and
        subset name -> its classes.
    """
    left_out = set(subset_indices(exclude, classes, 'exclude'))
    columns = {'': [i for i in range(len(classes)) if i not in left_out]}
    if not columns['']:
        raise ValueError(
            f'exclude leaves none of the {len(classes)} classes for the main '
            'columns.'
        )
    for name, members in subsets.items():
        columns[name] = subset_indices(members, classes, f'subset {name!r}')
    return columns


def image_of(sample: Mapping[str, Any]) -> str:
    """What to call an image in an error message."""
    name = sample.get('img_path', sample.get('img_id'))
    return 'an image without img_path' if name is None else f'image {name}'
