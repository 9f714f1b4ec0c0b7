"""Which affinity and scale a file was trained with, told from pictures.

Distillation makes the dense feature at a box look like CLIP's embedding of
the crop. So for each candidate the dense map of every picture is pooled over
the cells of a fixed grid and compared with the image embedding of the cell's
crop, both from the file's own weights: no labels, no text, no second file.

The mean cosine decides. How often a cell's own crop is the nearest is shown
beside it, and decides nothing: a sharper affinity (scale 1) raises it whatever
the training was. For a CLIP that was never distilled the answer means nothing.
"""

from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..datasets.decoding import read_image
from ..datasets.views import SquareView, boxes_in_square, crop_views
from ..models import DeCLIPViT
from ..models.pixels import match_pixels, normalise
from ..models.regions import box_features

__all__ = ['Candidate', 'Verdict', 'judge', 'probe']

#: Rows and columns of the grid of cells.
GRID = 3


class Candidate(NamedTuple):
    """One way to read the weights.

    Attributes:
        affinity, scale: Of the last stage; scale as a number.
        cosine: (P,) per picture, mean cosine of cells and their crops.
        found: (P,) per picture, share of cells whose own crop, of all crops
            of the picture, is the nearest.
    """

    affinity: str
    scale: float
    cosine: Tensor
    found: Tensor

    @property
    def label(self) -> str:
        return f'{self.affinity}, scale {self.scale:g}'


class Verdict(NamedTuple):
    """What a probe can say of one option.

    Attributes:
        by: ``'affinity'`` or ``'scale'``.
        best: The candidate with the highest mean cosine.
        second: The runner-up.
        gap: Mean of the paired differences of their cosines over pictures.
        error: Standard error of that mean.
    """

    by: str
    best: Candidate
    second: Candidate
    gap: float
    error: float

    @property
    def certain(self) -> bool:
        """Whether the gap is more than three standard errors."""
        return self.gap > 3 * self.error

    def __str__(self) -> str:
        ours, theirs = (getattr(c, self.by) for c in (self.best, self.second))
        if self.by == 'scale':
            ours, theirs = f'{ours:.4g}', f'{theirs:.4g}'
        said = f'{self.by}: gap {self.gap:.4f}, standard error '
        said += f'{self.error:.4f}: {ours} '
        if self.certain:
            return f'{said}fits, {theirs} does not'
        return f'{said}and {theirs} cannot be told apart'


def _normalised(image: Tensor, model: DeCLIPViT) -> Tensor:
    mean, std = (
        torch.tensor(match_pixels(name, None, model))[:, None, None]
        for name in ('mean', 'std')
    )
    return normalise(image, mean, std)


def _cells(height: int, width: int) -> np.ndarray:
    """(K, 4) x0 y0 x1 y1 in whole pixels."""
    xs, ys = (
        np.linspace(0, side, GRID + 1).round().astype(int)
        for side in (width, height)
    )
    corners = product(zip(ys, ys[1:]), zip(xs, xs[1:]))
    return np.array([(x0, y0, x1, y1) for (y0, y1), (x0, x1) in corners])


@torch.no_grad()
def probe(
    source: str,
    pictures: Sequence[str | Path],
    affinities: Iterable[str] = ('qq', 'csa'),
    scales: Iterable[float | str] = (1.0, 'rsqrt'),
    image_size: int | None = None,
    **options: Any,
) -> list[Candidate]:
    """Measure every pair of affinity and scale on a few pictures.

    Args:
        source: See :meth:`DeCLIPViT.from_pretrained`; its fingerprint, if it
            has one, is not looked at.
        pictures: Files; 200 told the scale of four miniature models, 20 did
            not tell it of two of them.
        affinities, scales: Candidates.
        image_size: Side of the square view in pixels; twice the native side
            if not given.
        options: Of the constructor, such as ``model``.

    Returns:
        The candidates, best first.
    """
    affinities, scales = list(affinities), list(scales)
    model = _open(source, options)
    tower = model.visual
    side = image_size or 2 * tower.native_size
    view, cosines = SquareView(side), {}
    for path in pictures:
        image = read_image(path)
        cells = _cells(image.height, image.width)
        crops = crop_views(image, cells, tower.native_size)
        target = F.normalize(model.forward_image(_normalised(crops, model)))
        boxes, _ = boxes_in_square(cells, image.height, image.width, side)
        square = _normalised(view(image), model)[None]
        for affinity, scale in product(affinities, scales):
            block = type(model.last_block)(
                tower, affinity, scale, None, None, 'decoupled'
            )
            model.last_block = block
            content = model.forward_dense(square).content
            found = F.normalize(box_features(content, [boxes]))
            pair = cosines.setdefault((affinity, block.scale), [])
            pair.append(_agreement(found, target))
    candidates = [
        Candidate(*key, *torch.tensor(values).unbind(1))
        for key, values in cosines.items()
    ]
    return sorted(candidates, key=lambda c: -float(c.cosine.mean()))


def _open(source: str, options: dict) -> DeCLIPViT:
    """The backbone, whatever the file says of its affinity."""
    try:
        return DeCLIPViT.from_pretrained(source, **options)
    except ValueError as error:
        if 'does not say with which' not in str(error):
            raise
    return DeCLIPViT.from_pretrained(
        source, affinity='qq', scale='rsqrt', **options
    )


def _agreement(found: Tensor, target: Tensor) -> tuple[float, float]:
    """(K, C) unit rows each: mean cosine, share of nearest that are own."""
    cosine = found @ target.T
    own = torch.arange(len(found))
    nearest = (cosine.argmax(dim=1) == own).float().mean()
    return float(cosine.diagonal().mean()), float(nearest)


def judge(candidates: Sequence[Candidate], by: str) -> Verdict:
    """Compare the two best values of one option, picture by picture.

    Args:
        candidates: As :func:`probe` returns them, best first.
        by: ``'affinity'`` or ``'scale'``; of each value the best candidate
            stands for it, whatever its other option.

    Raises:
        ValueError: Fewer than two values or pictures.
    """
    best: dict[Any, Candidate] = {}
    for candidate in candidates:
        best.setdefault(getattr(candidate, by), candidate)
    pictures = len(candidates[0].cosine) if candidates else 0
    if len(best) < 2 or pictures < 2:
        raise ValueError(
            f'{len(best)} values of {by} on {pictures} pictures: a '
            'comparison needs two of each. Give more candidates or pictures.'
        )
    first, second = list(best.values())[:2]
    gaps = first.cosine - second.cosine
    error = float(gaps.std() / len(gaps) ** 0.5)
    return Verdict(by, first, second, float(gaps.mean()), error)
