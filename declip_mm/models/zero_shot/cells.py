"""The best of many queries at full size, from what cells of four tell.

Between four neighbouring points of a score map a bilinear resize mixes their
scores. Where one query wins at all four it wins between them; where not, only
few queries can. So all queries are compared at the points of the map alone,
and a few at pixels. Q queries (texts); h w points of the map, H W pixels.
"""

from collections.abc import Iterator
from math import isqrt, log2
from typing import NamedTuple

import torch
from torch import Tensor

from .log_sums import log_sums
from .resizing import Pixels, Places
from .windows import ImageFeatures

__all__ = ['Grid', 'best_by_cells', 'choose_grid']

#: How many tensors of the size of a tile exist at once, at most.
_COPIES = 6
#: Numbers that are kept for a pixel of a tile.
_NUMBERS = 12
#: Pixels for each point from which on this is the faster way.
_RATIO = 4
#: Pixels of the map from one point to the next, at most.
_GAP = 4
#: Pixels of the side of a cell in which pixels are looked at, about.
_SIDE = 4
#: Strips get no lower than this; the row that two of them share costs.
_ROWS = 8
#: Candidates of a cell are padded to the largest count up to one of these.
_COUNTS = (2, 4, 8, 16, 32, 128)


class Grid(NamedTuple):
    """Points of a map that are looked at; scores are linear in between.

    Attributes:
        rows, columns: (r,) and (c,) int64, in order, first and last of the
            map among them.
        halvings: How often cells are cut in four before pixels are looked at.
    """

    rows: Tensor
    columns: Tensor
    halvings: int


def choose_grid(
    features: ImageFeatures, size: tuple[int, int], probability: bool
) -> Grid | None:
    """The points to look at, or None if that saves too little.

    A sum of exponentials bends everywhere, so that probabilities want all
    points.

    Args:
        features: Of the picture.
        size: Wanted (H, W).
        probability: Whether probabilities are wanted.
    """
    (h, w), pixels = features.size, size[0] * size[1]
    gap = 1 if probability else _GAP
    rows, columns = features.knots(gap)
    side = gap * (pixels / (h * w)) ** 0.5
    halvings = max(0, round(log2(side / _SIDE)))
    enough = pixels >= _RATIO * len(rows) * len(columns)
    if enough and min(len(rows), len(columns)) > 1:
        return Grid(rows, columns, halvings)
    return None


class _Part(NamedTuple):
    """Some rows and columns of a grid; the last ones are not in it."""

    top: int
    bottom: int
    left: int
    right: int


class _Candidates(NamedTuple):
    """Queries that may win in the cells of a tile; m pairs.

    Those of a cell stand together, in the order of the queries.

    Attributes:
        cell: (m,) int64, counted along rows.
        query: (m,) int64.
        corners: (m, 4) their scores, upper row first.
        shape: Cells of the tile, down and across.
    """

    cell: Tensor
    query: Tensor
    corners: Tensor
    shape: tuple[int, int]

    def halved(self) -> '_Candidates':
        """In cells of half the side, of which each has fewer candidates."""
        down, across = self.shape
        a, b, c, d = self.corners.unbind(1)
        top, bottom = (a + b) / 2, (c + d) / 2
        left, right = (a + c) / 2, (b + d) / 2
        middle = (top + bottom) / 2
        fours = (
            (a, top, left, middle),
            (top, b, middle, right),
            (left, middle, c, bottom),
            (middle, right, bottom, d),
        )
        corners = torch.cat([torch.stack(four, dim=1) for four in fours])
        first = self.cell // across * 4 * across + self.cell % across * 2
        cell = torch.cat(
            [first + more for more in (0, 1, 2 * across, 2 * across + 1)]
        )
        floor = corners.new_full((4 * down * across,), -torch.inf)
        floor.scatter_reduce_(0, cell, corners.amin(dim=1), 'amax')
        able = corners.amax(dim=1) >= floor[cell]
        cell, query = cell[able], self.query.repeat(4)[able]
        order = cell.argsort(stable=True)
        return _Candidates(
            cell[order],
            query[order],
            corners[able][order],
            (2 * down, 2 * across),
        )

    def counted(self) -> tuple[Tensor, Tensor]:
        """First pair of every cell, and how many it has, in its shape."""
        number = torch.zeros(
            self.shape, dtype=torch.int64, device=self.cell.device
        )
        start = number.clone()
        begins = torch.ones_like(self.cell, dtype=torch.bool)
        begins[1:] = self.cell[1:] != self.cell[:-1]
        first = begins.nonzero()[:, 0]
        start.view(-1)[self.cell[first]] = first
        number.view(-1).scatter_add_(0, self.cell, torch.ones_like(self.cell))
        return start, number


def best_by_cells(
    features: ImageFeatures,
    texts: Tensor,
    size: tuple[int, int],
    scale: float,
    probability: bool,
    memory: int,
    grid: Grid,
) -> tuple[Tensor, Tensor]:
    """Index and score of the best query in every pixel.

    The index is that of a comparison at every pixel, to rounding. A
    probability is exact at the points and half-way between them;
    elsewhere the logarithm of its denominator is a parabola, of which the
    error is a few thousandths where neighbouring points are alike.

    Args:
        features, texts, size, scale, probability, memory: See
            :func:`~declip_mm.models.zero_shot.arg_max.best_query`.
        grid: Of :func:`choose_grid`.

    Returns:
        (H, W) int32 and (H, W) float32.
    """
    room = memory * 2**20 // (4 * _COPIES)
    device = texts.device
    index = torch.zeros(size, dtype=torch.int32, device=device)
    score = torch.zeros(size, device=device)
    rows, columns = (
        Places.among(points, source, target)
        for points, source, target in zip(grid[:2], features.size, size)
    )
    shape = len(grid.rows), len(grid.columns)
    # a point has its queries, and its pixels some numbers each
    near = 1 + size[0] * size[1] // (shape[0] * shape[1])
    for part in _tiles(shape, room // (len(texts) + _NUMBERS * near)):
        down = rows.between(part.top, part.bottom - 1)
        across = columns.between(part.left, part.right - 1)
        if down.start == down.stop or across.start == across.stop:
            continue
        scores = features.scores(
            texts,
            grid.rows[part.top : part.bottom],
            grid.columns[part.left : part.right],
        ).mul_(scale)
        pixels = Pixels(
            rows.cut(down, part.top, device),
            columns.cut(across, part.left, device),
        )
        found, value = _tile(scores, pixels, probability, room, grid.halvings)
        index[down, across] = found
        score[down, across] = value
    return index, score


def _tiles(size: tuple[int, int], points: int) -> Iterator[_Part]:
    """Parts of so many points that cover all cells; neighbours share points.

    At least two by two points.
    """
    height, width = size
    across = width
    if points < _ROWS * width:
        across = min(width, max(2, isqrt(points)))
    down = min(height, max(2, points // across))
    for top in range(0, height - 1, down - 1):
        for left in range(0, width - 1, across - 1):
            yield _Part(
                top,
                min(top + down, height),
                left,
                min(left + across, width),
            )


def _tile(
    scores: Tensor,
    pixels: Pixels,
    probability: bool,
    room: int,
    halvings: int,
) -> tuple[Tensor, Tensor]:
    """Best query and its score or probability in the pixels of a tile.

    Args:
        scores: (Q, r, c).
        pixels: Of the tile.
        probability: Whether softmax probabilities are wanted.
        room: Numbers that working space may have.
        halvings: Of :class:`Grid`.
    """
    whole = pixels
    value, winner = scores.max(dim=0)
    index = pixels.of_cells(winner)
    score = pixels.mix(value)
    candidates = _candidates(scores, winner, room, halvings)
    if candidates is not None:
        for _ in range(halvings):
            pixels = pixels.halved()
        _settle(candidates, pixels, index, score, room)
    if probability:
        score.sub_(log_sums(scores, whole, room)).exp_()
    return index.int(), score


def _candidates(
    scores: Tensor, winner: Tensor, room: int, halvings: int
) -> _Candidates | None:
    """What may win in cells whose corners disagree; None if all agree.

    Whoever wins somewhere in a cell has at one corner at least what another
    has at all four: a mixture of four is no more than the largest of them,
    and no less than the smallest.
    """
    one = winner[:-1, :-1]
    mixed = one != winner[1:, 1:]
    mixed |= one != winner[1:, :-1]
    mixed |= one != winner[:-1, 1:]
    cells = mixed.flatten().nonzero()[:, 0]
    if not len(cells):
        return None
    down, across = mixed.shape
    wide = across + 1
    flat, found = scores.flatten(1), []
    share = 24 if halvings else 6
    for some in cells.split(max(1, room // (share * len(flat)))):
        point = some // across * wide + some % across
        four = torch.cat((point, point + 1, point + wide, point + wide + 1))
        corners = flat[:, four].unflatten(1, (4, -1))
        floor = corners.amin(dim=1).amax(dim=0)
        able = corners.amax(dim=1) >= floor
        cell, query = able.t().nonzero().unbind(1)
        values = corners[query, :, cell]
        few = _Candidates(some[cell], query, values, (down, across))
        for _ in range(halvings):
            few = few.halved()
        found.append(few)
    cell, query, values = map(torch.cat, list(zip(*found))[:3])
    return _Candidates(cell, query, values, found[0].shape)


def _settle(
    candidates: _Candidates,
    pixels: Pixels,
    index: Tensor,
    score: Tensor,
    room: int,
) -> None:
    """Compare the candidates of every pixel; writes index and score."""
    start, count = map(pixels.of_cells, candidates.counted())
    low, most = 0, int(count.max())
    if not most:  # no pixel lies in a cell that has candidates
        return
    for high in (*_COUNTS, most):
        wanted = ((count > low) & (count <= high)).nonzero()
        low = max(low, high)
        for some in wanted.split(max(1, room // (5 * min(high, most)))):
            if not len(some):
                continue
            y, x = some.unbind(1)
            own = count[y, x][:, None]
            # short lists repeat their last
            turn = torch.arange(int(own.max()), device=own.device)
            pair = start[y, x][:, None] + torch.minimum(turn, own - 1)
            four = candidates.corners[pair]  # (P, K, 4)
            left, right = torch.lerp(
                four[..., :2], four[..., 2:], pixels.rows.share[y, None, None]
            ).unbind(-1)
            mixed = torch.lerp(left, right, pixels.columns.share[x, None])
            best, place = mixed.max(dim=1)
            index[y, x] = candidates.query[
                pair.gather(1, place[:, None])[:, 0]
            ]
            score[y, x] = best
