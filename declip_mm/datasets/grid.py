"""The grid of crops: which cells of a picture the crop teacher looks at.

Pure functions of a numpy generator. Boxes are x0 y0 x1 y1 in whole pixels of
the original picture, so that a crop and its region of interest agree exactly.
"""

import numpy as np

__all__ = [
    'enlarge',
    'grid_cells',
    'grid_shapes',
    'rng_for',
    'sample_cells',
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


def grid_cells(height: int, width: int, rows: int, columns: int) -> np.ndarray:
    """Cells of a grid that covers the picture, row by row.

    Edges are rounded to whole pixels. Cells that a tiny picture has no pixel
    for are left out; the others still cover all of it.

    Args:
        height, width: Of the picture, in pixels, at least 1.
        rows, columns: Of the grid.

    Returns:
        (cells, 4) int64, x0 y0 x1 y1; at least one cell.
    """
    y = np.rint(np.linspace(0, height, rows + 1)).astype(np.int64)
    x = np.rint(np.linspace(0, width, columns + 1)).astype(np.int64)
    y0, x0 = np.meshgrid(y[:-1], x[:-1], indexing='ij')
    y1, x1 = np.meshgrid(y[1:], x[1:], indexing='ij')
    cells = np.stack([x0, y0, x1, y1], axis=-1).reshape(-1, 4)
    return cells[(x1 > x0).ravel() & (y1 > y0).ravel()]


def sample_cells(
    height: int,
    width: int,
    rng: np.random.Generator,
    max_split: int = 6,
    max_boxes: int = 20,
) -> np.ndarray:
    """One grid shape drawn uniformly, at most ``max_boxes`` of its cells.

    Args:
        height, width: Of the picture, in pixels.
        rng: Of this image and epoch, see :func:`rng_for`.
        max_split: Most rows and most columns.
        max_boxes: Most cells; which ones is drawn without replacement.

    Returns:
        (cells, 4) int64, x0 y0 x1 y1, row by row.
    """
    shapes = grid_shapes(max_split)
    rows, columns = shapes[rng.integers(len(shapes))]
    return some_boxes(grid_cells(height, width, rows, columns), rng, max_boxes)


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
