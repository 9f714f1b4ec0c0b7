"""How well each class is named, and which others it is taken for."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

__all__ = [
    'check_image_file',
    'class_table',
    'count_confusions',
    'draw_confusion',
]

#: Mistakes that are spelt out beside the matrix.
_LISTED = 18

#: Heading of the column of names that no region has.
OTHER = '(any other name)'


def check_image_file(path: str | None) -> str | None:
    """Raise ValueError unless the name ends in ``.png``."""
    if path is not None and Path(path).suffix != '.png':
        raise ValueError(f'a picture is written to *.png, got {path!r}.')
    return path


def class_table(
    merged: Mapping[str, np.ndarray],
    features: Sequence[str],
    classes: Sequence[str],
) -> tuple[tuple[str, ...], list[tuple]]:
    """Header and a row for each class that occurs, in their order.

    Args:
        merged: ``labels`` (n,) and by feature the rank (n,) of the right
            class, 0 being first.
        features: Names of the features.
        classes: Class names.
    """
    labels, rows = merged['labels'], []
    for index in np.unique(labels):
        own = labels == index
        right = [100.0 * float((merged[f][own] == 0).mean()) for f in features]
        rows.append((classes[index], int(own.sum()), *right))
    header = ('class', 'regions', *(f'{f} top-1' for f in features))
    return header, rows


def count_confusions(
    merged: Mapping[str, np.ndarray], classes: Sequence[str]
) -> tuple[list[str], np.ndarray]:
    """Count regions by true and by predicted class.

    Args:
        merged: Class indices ``labels`` and ``first``, both (n,).
        classes: Class names.

    Returns:
        Names of the K classes that occur, and counts (K, K + 1): rows are
        true classes; the last column counts predictions of a class that does
        not occur.
    """
    labels = merged['labels']
    occurring = np.unique(labels)
    width = len(occurring) + 1
    column = np.full(len(classes), width - 1)
    column[occurring] = np.arange(width - 1)
    rows = np.searchsorted(occurring, labels)
    flat = np.bincount(
        rows * width + column[merged['first']], minlength=(width - 1) * width
    )
    return [classes[i] for i in occurring], flat.reshape(width - 1, width)


def draw_confusion(
    path: Path, title: str, names: Sequence[str], counts: np.ndarray
) -> None:
    """Draw the matrix, rows in percent, and spell the worst mistakes out.

    Args:
        path: ``.png`` to write.
        title: Above the matrix.
        names, counts: As :func:`count_confusions` gives them, K >= 1.
    """
    share = 100 * counts / counts.sum(axis=1, keepdims=True)
    columns = [*names, OTHER]
    side = max(4.5, 0.135 * len(columns) + 1.6)
    # half a second, which who draws nothing does not pay
    from matplotlib.figure import Figure

    figure = Figure(figsize=(side + 3.4, side), dpi=110)
    grid = figure.add_gridspec(1, 2, width_ratios=(side, 2.6), wspace=0.12)
    axis = figure.add_subplot(grid[0])
    picture = axis.imshow(share, cmap='magma_r', vmin=0, vmax=100)
    size = 8 if len(columns) <= 30 else 6.5
    axis.set_xticks(range(len(columns)), columns, rotation=90, fontsize=size)
    axis.set_yticks(range(len(names)), names, fontsize=size)
    axis.set_xlabel('predicted', fontsize=9)
    axis.set_ylabel('true', fontsize=9)
    axis.set_title(title, fontsize=10)
    bar = figure.colorbar(picture, ax=axis, fraction=0.03, pad=0.015)
    bar.set_label('% of the true class', fontsize=8)
    bar.ax.tick_params(labelsize=7)
    words = figure.add_subplot(grid[1])
    words.axis('off')
    words.text(0.16, 1, worst_mistakes(counts, columns), fontsize=8, va='top')
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, bbox_inches='tight')


def worst_mistakes(counts: np.ndarray, columns: Sequence[str]) -> str:
    """The most frequent confusions, a line each."""
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind='stable')[:_LISTED]
    lines = [
        'most frequent mistakes',
        '(of all regions with the first name)',
        '',
    ]
    for row, column in zip(*np.unravel_index(order, wrong.shape)):
        if wrong[row, column]:
            lines.append(
                f'{columns[row]} \u2192 {columns[column]}: '
                f'{wrong[row, column]} of {counts[row].sum()}'
            )
    return '\n'.join(lines)
