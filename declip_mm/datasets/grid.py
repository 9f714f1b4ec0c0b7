"""The grid of crops: which cells of a picture the crop teacher looks at.

Pure functions of a numpy generator. Boxes are x0 y0 x1 y1 in whole pixels of
the original picture, so that a crop and its region of interest agree exactly.
"""

import numpy as np

__all__ = [
    'all_cells',
    'count_cells',
    'draw_cells',
    'enlarge',
    'grid_cells',
    'grid_shapes',
    'rng_for',
    'some_boxes',
]


def rng_for(seed: int, epoch: int, image_id: int) -> np.random.Generator:
    """Generator of every draw that concerns one image in one epoch.

    Workers, their order and an interrupted run have no influence on it.

    Raises:
        ValueError: A negative number.
    """
    entropy = [int(seed), int(epoch), int(image_id)]
    if min(entropy) < 0:
        raise ValueError(
            'seed, epoch and image_id must not be negative, got '
            f'{tuple(entropy)}.'
        )
    return np.random.default_rng(np.random.SeedSequence(entropy))


def grid_shapes(max_split: int) -> list[tuple[int, int]]:
    """All (m, n) with m, n <= max_split and a ratio of at most 2.

    24 for the paper's ``max_split=6``.

    Raises:
        ValueError: ``max_split`` below 1.
    """
    if max_split < 1:
        raise ValueError(
            f'max_split must be 1 or more, got {max_split}; 1 takes the '
            'whole picture as the only crop.'
        )
    return [
        (m, n)
        for m in range(1, max_split + 1)
        for n in range((m + 1) // 2, min(2 * m, max_split) + 1)
    ]


def grid_cells(
    height: int, width: int, rows: int, columns: int
) -> tuple[np.ndarray, np.ndarray]:
    """Cells of a grid that covers the picture, row by row.

    Edges are rounded to whole pixels. Cells that a tiny picture has no pixel
    for are left out; the others still cover all of it.

    Args:
        height, width: Of the picture, in pixels, at least 1.
        rows, columns: Of the grid.

    Returns:
        (cells, 4) int64, x0 y0 x1 y1, at least one cell; and which of the
        rows x columns they are, (cells,).
    """
    y = np.rint(np.linspace(0, height, rows + 1)).astype(np.int64)
    x = np.rint(np.linspace(0, width, columns + 1)).astype(np.int64)
    y0, x0 = np.meshgrid(y[:-1], x[:-1], indexing='ij')
    y1, x1 = np.meshgrid(y[1:], x[1:], indexing='ij')
    cells = np.stack([x0, y0, x1, y1], axis=-1).reshape(-1, 4)
    number = np.flatnonzero((x1 > x0).ravel() & (y1 > y0).ravel())
    return cells[number], number


def _first_ids(max_split: int) -> dict[tuple[int, int], int]:
    """Shape -> id of its first cell.

    Ordered by the longer side, so the ids of a small ``max_split`` are those
    of a larger one.
    """
    shapes = sorted(grid_shapes(max_split), key=lambda s: (max(s), s))
    ends = np.cumsum([m * n for m, n in shapes])
    return {s: int(e) - s[0] * s[1] for s, e in zip(shapes, ends)}


def count_cells(max_split: int) -> int:
    """How many cells all grid shapes have together: 86 for 4, 361 for 6."""
    return sum(m * n for m, n in grid_shapes(max_split))


def all_cells(
    height: int, width: int, max_split: int
) -> tuple[np.ndarray, np.ndarray]:
    """Every cell that :func:`draw_cells` may draw of a picture.

    Returns:
        (cells, 4) int64, x0 y0 x1 y1, and their ids (cells,) int64, below
        :func:`count_cells`; a tiny picture lacks some.
    """
    boxes, ids = [], []
    for (rows, columns), first in _first_ids(max_split).items():
        cells, number = grid_cells(height, width, rows, columns)
        boxes.append(cells)
        ids.append(first + number)
    return np.concatenate(boxes), np.concatenate(ids)


def draw_cells(
    height: int,
    width: int,
    rng: np.random.Generator,
    max_split: int = 6,
    max_boxes: int = 20,
) -> tuple[np.ndarray, np.ndarray]:
    """One grid shape drawn uniformly, at most ``max_boxes`` of its cells.

    Args:
        height, width: Of the picture, in pixels.
        rng: Of this image and epoch, see :func:`rng_for`.
        max_split: Most rows and most columns.
        max_boxes: Most cells; which ones is drawn without replacement.

    Returns:
        (cells, 4) int64, x0 y0 x1 y1, row by row, and their ids (cells,)
        int64, by which caches find them.
    """
    shapes = grid_shapes(max_split)
    shape = shapes[rng.integers(len(shapes))]
    cells, number = grid_cells(height, width, *shape)
    ids = _first_ids(max_split)[shape] + number
    table = some_boxes(np.column_stack([cells, ids]), rng, max_boxes)
    return table[:, :4], table[:, 4]


def some_boxes(
    boxes: np.ndarray, rng: np.random.Generator, max_boxes: int
) -> np.ndarray:
    """At most ``max_boxes``, drawn without replacement, in their order."""
    if len(boxes) <= max_boxes:
        return boxes
    chosen = rng.choice(len(boxes), max_boxes, replace=False)
    return boxes[np.sort(chosen)]


def enlarge(
    boxes: np.ndarray, scale: float, height: int, width: int
) -> np.ndarray:
    """Boxes grown about their centres, clipped to the picture.

    Args:
        boxes: (n, 4) x0 y0 x1 y1 in pixels.
        scale: Factor of both sides.
        height, width: Of the picture.

    Returns:
        (n, 4) int64; every box covers a pixel at least.
    """
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]) / 2 * scale
    limit = np.array([width, height])
    low = np.rint(centre - half).clip(0, limit - 1)
    high = np.rint(centre + half).clip(low + 1, limit)
    return np.concatenate([low, high], axis=1).astype(np.int64)
