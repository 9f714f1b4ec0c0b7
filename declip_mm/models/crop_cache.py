"""Embeddings of all grid cells of all images, kept on disk."""

import numpy as np
from mmengine.registry import MODELS
from torch import Tensor

from .cache_file import CachedTeacher

__all__ = ['CropCache']


@MODELS.register_module()
class CropCache(CachedTeacher):
    """A :class:`CLIPCropTeacher` that looks at every grid cell once.

    The cells that :class:`DeCLIPViews` may draw of an image are a finite set
    (86 for grids up to 4, 361 up to 6), so the embeddings of an image are one
    (cells, C) array of half precision: 44 KiB an image at C = 512 and 86
    cells. Swaps in for the teacher in a config with no other change; once it
    is full, the views may leave the crops out (``crop_size=None``). A cache
    of another CLIP, another crop or other images is refused, and a missing
    row is named.

    Args:
        path: Array file (``.npy``); ``.json`` and ``.filled.npy`` beside it.
        teacher: Config of the teacher. None reads an existing cache only.
        num_images: Length of the whole list of pictures, also where a part
            of it is trained on. None takes an existing cache's.
        num_cells: ``grid.count_cells(max_split)`` to create a cache. None
            takes an existing cache's. A cache of a larger ``max_split``
            serves a smaller one, too.
    """

    keys = 2
    what = 'crops'

    def __init__(
        self,
        path: str,
        teacher: dict | None = None,
        num_images: int | None = None,
        num_cells: int | None = None,
    ) -> None:
        built = None if teacher is None else MODELS.build(teacher)
        super().__init__(path, built, num_images)
        self.num_cells = num_cells
        if built is not None:
            self.out_dim = built.out_dim
        else:
            self.out_dim = int(self.file.fingerprint['out_dim'])

    def forward(self, crops: Tensor | None, data_samples: list) -> Tensor:
        """(K, 3, c, c) or None -> (K, C), unit length up to rounding.

        Every sample's ``img_id`` and ``cell_ids`` (K_i,) say which rows.

        Raises:
            KeyError: A row is missing, and so is the teacher or the crop.
            ValueError: The cache is of something else, or the boxes are no
                grid cells.
        """
        if any('cell_ids' not in sample for sample in data_samples):
            raise ValueError(
                f'crop cache {self.path}: the boxes of these samples are no '
                'grid cells (proposals?), so they cannot be looked up. Use '
                'CLIPCropTeacher itself.'
            )
        mark = dict(
            size=None if crops is None else int(crops.shape[-1]),
            scale=(data_samples[0].get('crop_view') or {}).get('scale'),
        )
        ids = self._rows(data_samples, **mark)
        parts = [sample.cell_ids.cpu().numpy() for sample in data_samples]
        rows = np.repeat(ids, [len(part) for part in parts])
        cells = np.concatenate(parts)
        if self.file.is_open:
            self._check_range(cells, self.file.array.shape[1])
        elif self.num_cells:
            self._check_range(cells, self.num_cells)
        mark['out_dim'] = self.out_dim
        return self._look_up((rows, cells), crops, data_samples, **mark)

    def _shape(self, found: Tensor) -> tuple[int, int]:
        if not self.num_cells:
            raise ValueError(
                'num_cells must be the number of cells of all grids '
                '(declip_mm.datasets.grid.count_cells(max_split)) to create a '
                f'crop cache, got {self.num_cells!r}.'
            )
        return self.num_cells, self.out_dim

    def _check_range(self, cells: np.ndarray, stored: int) -> None:
        if len(cells) and cells.max() >= stored:
            raise ValueError(
                f'crop cache {self.path} has {stored} cells an image, this '
                f'run draws cell {cells.max()}. Lower max_split of the views, '
                'or make a cache with theirs.'
            )
