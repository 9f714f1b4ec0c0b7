"""Which cells a run is going to draw, known before it begins."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from mmengine.config import Config

from ..datasets.decoding import printable
from ..datasets.grid import rng_for

__all__ = ['DrawnCells']

#: Side of a picture that has a cell for every id.
_LARGE = 4096


class DrawnCells:
    """The draws of a config: a function of seed, epoch and picture.

    Pictures of fewer pixels than a grid has rows or columns draw others, and
    are refused (:meth:`check`).

    Args:
        cfg: A pre-finetuning config.
        dataset: Its data set.

    Attributes:
        epochs: How many there are.

    Raises:
        ValueError: The config fixes no seed.
    """

    def __init__(self, cfg: Config, dataset: Any) -> None:
        seed = cfg.train_dataloader.dataset.get('seed')
        if seed is None:
            seed = (cfg.get('randomness') or {}).get('seed')
        if seed is None:
            raise ValueError(
                'the config fixes no seed, so nobody knows what will be '
                'drawn. Set randomness=dict(seed=0), or store all cells.'
            )
        self.epochs = int(cfg.train_cfg.max_epochs)
        self.dataset = dataset
        dataset.set_epoch(0, seed)

    @property
    def origin(self) -> dict[str, Any]:
        """What decides the draws, plain values."""
        views = self.dataset.views
        return dict(
            seed=self.dataset.seed,
            epochs=self.epochs,
            max_split=views.max_split,
            max_boxes=views.max_boxes,
            grids=views.grids,
        )

    def images(self) -> Iterator[tuple[int, int]]:
        """Position in the data set and ``img_id`` of each picture."""
        for index in range(len(self.dataset)):
            yield index, self.dataset.get_data_info(index)['img_id']

    def of(self, index: int, epoch: int) -> np.ndarray:
        """Ids of the cells that the picture of a position shows."""
        rng = rng_for(self.dataset.seed, epoch, index)
        return np.unique(self.dataset.views.cells(_LARGE, _LARGE, rng)[1])

    def all(self) -> np.ndarray:
        """(n, 2) int64: ``img_id`` and cell, of all epochs."""
        found = []
        for index, row in self.images():
            ids = [self.of(index, epoch) for epoch in range(self.epochs)]
            cells = np.unique(np.concatenate(ids))
            found.append(np.column_stack([np.full(len(cells), row), cells]))
        return np.concatenate(found)

    def missing(self, cache: Any, epoch: int) -> list[int]:
        """Positions with a cell of an epoch that a crop cache lacks."""
        found = []
        for index, row in self.images():
            keys = cache.keys_of(row)[0] + self.of(index, epoch)
            if (cache.file.keeps(keys) & ~cache.file.has(keys)).any():
                found.append(index)
        return found

    def check(self, cache: Any, samples: list) -> None:
        """Refuse a picture that drew what nobody planned.

        Raises:
            ValueError: Names it.
        """
        for sample in samples:
            keys = cache.keys_of(sample.img_id)[0] + sample.cell_ids
            kept = cache.file.keeps(keys)
            if kept.any() and not kept.all():
                raise ValueError(
                    f'{printable(sample.img_path)} has a side below '
                    f'{self.dataset.views.max_split} px, too few for the '
                    'cells of a grid, so that it draws others than were '
                    'planned. Leave it out, or store all cells.'
                )
