"""Embeddings of the grid cells of all images, kept on disk."""

from typing import Any

import numpy as np
from mmengine.registry import MODELS
from torch import Tensor

from .cached_teacher import CachedTeacher

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

    What one seed draws in some epochs is known beforehand, and is less:
    :meth:`keep_only` makes a cache of that alone.

    Args:
        path: Array file (``.npy``); ``.json`` and ``.filled.npy`` beside it.
        teacher: Config of the teacher. None reads an existing cache only.
        num_images: Length of the whole list of pictures, also where a part
            of it is trained on. None takes an existing cache's.
        num_cells: ``grid.count_cells(max_split)`` to create a cache. None
            takes an existing cache's. A cache of a larger ``max_split``
            serves a smaller one, too.
        max_gib: Most GiB of a cache that is created: it keeps the first
            pictures of the list that fit, crops of the others are looked at
            in every epoch, so the views have to bring them.
        keep_teacher: False lets the teacher go, with its memory, as soon as
            its weights were compared and the views bring it nothing to see.
            ``image_weight`` of the distiller needs it.
    """

    axes = 2
    what = 'crops'

    def __init__(
        self,
        path: str,
        teacher: dict | None = None,
        num_images: int | None = None,
        num_cells: int | None = None,
        max_gib: float | None = None,
        keep_teacher: bool = True,
    ) -> None:
        built = None if teacher is None else MODELS.build(teacher)
        super().__init__(path, built, num_images, max_gib, keep_teacher)
        self.num_cells = num_cells
        self._only: np.ndarray | None = None
        self._drawn: dict[str, Any] = {}
        if built is not None:
            self.out_dim = built.out_dim
        else:
            self.out_dim = int(self.file.fingerprint['out_dim'])

    def keep_only(self, cells: np.ndarray, drawn: dict[str, Any]) -> None:
        """Give a cache that is created rows for some cells alone.

        Args:
            cells: (n, 2) int64, numbers of images and of their cells.
            drawn: Where they come from, plain values, for messages.

        Raises:
            ValueError: ``max_gib`` has no room for the first picture.
        """
        keys = np.unique(cells[:, 0] * self._cells + cells[:, 1])
        self._drawn = dict(drawn)
        if self.max_gib is not None:
            most = int(self.max_gib * 2**30 / (2 * self.out_dim))
            if most < len(keys):  # whole pictures alone
                first, _ = self.keys_of(int(keys[most] // self._cells))
                self._drawn['kept_images'] = first // self._cells
                keys = keys[keys < first]
        if not len(keys):
            raise ValueError(
                f'crop cache {self.path}: max_gib={self.max_gib} has no room '
                'for a picture. Raise it, or train without a cache.'
            )
        self._only = keys

    @property
    def size(self) -> int:
        """Bytes of a cache that would be created."""
        if self._only is not None:
            return 2 * self.out_dim * len(self._only)
        picture = 2 * self.out_dim * self._cells
        return picture * self.kept_images(picture)

    @property
    def _cells(self) -> int:
        """Keys of an image."""
        if self.file.is_open:
            if self.file.filled.ndim == 2:
                return self.file.filled.shape[1]
            return int(self.file.fields['num_cells'])
        if not self.num_cells:
            raise ValueError(
                'num_cells must be the number of cells of all grids '
                '(declip_mm.datasets.grid.count_cells(max_split)) to create a '
                f'crop cache, got {self.num_cells!r}.'
            )
        return self.num_cells

    def keys_of(self, img_id: int) -> tuple[int, int]:
        return img_id * self._cells, (img_id + 1) * self._cells

    def _images(self, keys: np.ndarray) -> np.ndarray:
        return keys // self._cells

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
        ids = self._ids(data_samples, crops, **mark)
        keys = self.keys(ids, data_samples)
        mark['out_dim'] = self.out_dim
        return self._look_up(keys, crops, data_samples, **mark)

    def keys(self, ids: np.ndarray, data_samples: list) -> np.ndarray:
        """(K,) int64: of each cell of each picture.

        Raises:
            ValueError: The cache is of smaller grids.
        """
        parts = [_on_host(sample.cell_ids) for sample in data_samples]
        rows = np.repeat(ids, [len(part) for part in parts])
        cells = np.concatenate(parts)
        self._check_range(cells)
        return rows * self._cells + cells

    def _open(self, seen: dict[str, Any]) -> None:
        super()._open(dict(seen, drawn=self._drawn or None))

    def row_shape(self, found: Tensor) -> tuple[int, ...]:
        return self._cells, self.out_dim

    def _fields(self) -> dict[str, Any]:
        return dict(num_cells=self._cells, drawn=self._drawn or None)

    def _make_file(
        self,
        row: tuple[int, ...],
        mark: dict[str, Any],
        notes: dict[str, tuple[int, ...]],
    ) -> None:
        if self._only is None:
            return super()._make_file(row, mark, notes)
        shape = len(self._only), self.out_dim
        if kept := self._drawn.get('kept_images'):
            mark['kept_images'] = kept
        self.file.create(shape, mark, keys=self._only)

    def _check_range(self, cells: np.ndarray) -> None:
        stored = self._cells
        if len(cells) and cells.max() >= stored:
            raise ValueError(
                f'crop cache {self.path} has {stored} cells an image, this '
                f'run draws cell {cells.max()}. Lower max_split of the views, '
                'or make a cache with theirs.'
            )

    def _scope(self) -> str:
        drawn = self.file.is_open and self.file.fields.get('drawn')
        if not drawn:
            return super()._scope()
        words = ', '.join(f'{name} {value}' for name, value in drawn.items())
        return f' (it holds only what is drawn with {words})'


def _on_host(ids: Any) -> np.ndarray:
    """Views give an array; a tensor on a GPU would have to be waited for."""
    return ids.cpu().numpy() if isinstance(ids, Tensor) else np.asarray(ids)
