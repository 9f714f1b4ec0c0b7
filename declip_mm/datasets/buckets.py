"""Views that keep the aspect, in a handful of shapes.

The longest side of every view is the same, the other one of a few; a picture
takes the shape that is nearest to its own, so that no token is padding and
compiled code sees few shapes. A picture that would be stretched too much for
the nearest one is padded in it, as in a square.
"""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

__all__ = ['MOST_STRETCH', 'SHARES', 'Buckets']

#: Shorter over longer side. Neighbours are 12 to 19 % apart.
SHARES = (1.0, 0.875, 0.75, 0.667, 0.5625, 0.5)
#: Most by which a picture's aspect is changed.
MOST_STRETCH = 1.12


class Buckets:
    """Shapes of views on a patch grid.

    Args:
        side: Longest side of the views, in pixels; a multiple of the patch.
        patch: Side of a patch.

    Attributes:
        grids: (rows, columns) of tokens, the square first; lying and
            standing ones in turn.

    Raises:
        ValueError: The side is no multiple of the patch.
    """

    def __init__(self, side: int, patch: int) -> None:
        if patch < 1 or side % patch:
            raise ValueError(
                f'image_size={side} is no multiple of patch_size={patch}; '
                'views of whole patches are needed: take '
                f'{max(1, round(side / max(1, patch))) * max(1, patch)}.'
            )
        self.side, self.patch = side, patch
        longest = side // patch
        self.grids: list[tuple[int, int]] = []
        for share in SHARES:
            short = max(1, round(share * longest))
            for grid in ((short, longest), (longest, short)):
                if grid not in self.grids:
                    self.grids.append(grid)
        self._logs = np.log([rows / columns for rows, columns in self.grids])

    def __len__(self) -> int:
        return len(self.grids)

    def nearest(self, height: int, width: int) -> int:
        """Position in :attr:`grids` of the shape for a picture."""
        return int(np.abs(self._logs - math.log(height / width)).argmin())

    def stretch(self, bucket: int, height: int, width: int) -> float:
        """By what a picture's aspect is changed in a shape; 1 if padded."""
        ratio = self._ratio(bucket, height, width)
        most = max(ratio, 1 / ratio)
        return most if most <= MOST_STRETCH else 1.0

    def shown(
        self, bucket: int, height: int, width: int
    ) -> tuple[float, float]:
        """Shares of a view's height and width that show a picture."""
        ratio = self._ratio(bucket, height, width)
        if max(ratio, 1 / ratio) <= MOST_STRETCH:
            return 1.0, 1.0
        return min(1.0, ratio), min(1.0, 1 / ratio)

    def describe(
        self, buckets: Sequence[int], sizes: Sequence[tuple[int, int]]
    ) -> str:
        """One line about pictures (height, width) in their shapes."""
        count = max(1, len(sizes))
        pairs = list(zip(buckets, sizes))
        stretches = [self.stretch(b, *size) for b, size in pairs]
        padded = sum(self.shown(b, *size) != (1, 1) for b, size in pairs)
        tokens = [math.prod(self.grids[b]) for b in buckets]
        shapes = Counter(buckets).most_common()
        listed = ', '.join(
            f'{self.grids[b][0]} x {self.grids[b][1]}: {n}' for b, n in shapes
        )
        share = sum(tokens) / count / math.prod(self.grids[0])
        return (
            f'{len(sizes)} pictures keep their aspect to '
            f'{sum(stretches) / count - 1:.1%} on average and '
            f'{max(stretches, default=1) - 1:.1%} at most, {padded} are '
            f'padded, with {share:.1%} of the tokens of a square. Tokens high '
            f'x wide: {listed}.'
        )

    def _ratio(self, bucket: int, height: int, width: int) -> float:
        """Above 1 the picture is taller than the view."""
        rows, columns = self.grids[bucket]
        return height / width * columns / rows
