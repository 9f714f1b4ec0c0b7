"""Filling the caches of both teachers for any pre-finetuning config."""

from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.logging import MMLogger
from mmengine.registry import DATASETS, MODELS
from torch.utils.data import DataLoader, Subset
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from ..datasets.decoding import printable
from ..datasets.grid import count_cells
from ..datasets.views import DeCLIPViews
from ..models.cache_file import CachedTeacher
from ..models.pixels import fit_pixels
from .cached_config import plain_teacher, use_caches
from .devices import check_device

__all__ = ['CacheFiller', 'fill_caches', 'plain_teacher', 'use_caches']


class CacheFiller:
    """Both teachers of a config, each with the cache that it fills.

    Pictures come from the config's own data set, whose views give all cells
    instead of one grid.

    Args:
        cfg: A pre-finetuning config with its real teachers.
        vfm, crops: Array files; None leaves that teacher out.
        device: Where the teachers compute.

    Raises:
        ValueError: The config or the device does not fit.
    """

    def __init__(
        self,
        cfg: Config,
        vfm: str | None = None,
        crops: str | None = None,
        device: str = 'cpu',
    ) -> None:
        self.device = torch.device(check_device(device))
        self.dataset = DATASETS.build(cfg.train_dataloader.dataset)
        self.views = self.dataset.views
        if crops and self.dataset.proposals:
            raise ValueError(
                'crops of proposals cannot be cached: they are no grid cells.'
            )
        if not isinstance(self.views, DeCLIPViews):
            raise TypeError(
                f'views are {type(self.views).__name__}; only DeCLIPViews '
                'has a finite set of cells.'
            )
        self.views.every_cell = True
        self.views.pad_to_squares()  # crops are the same
        # Rows count in the whole list, also where a part is trained on.
        self.rows = int(self.dataset.source.split()[0])
        self.cells = count_cells(self.views.max_split)
        self.preprocess = MODELS.build(cfg.model.data_preprocessor).to(device)
        self.vfm = self.crops = None
        if vfm:
            self.vfm = self._build('vfm', cfg.model.context_teacher, vfm)
        else:
            self.views.vfm = None
        if crops:
            self.crops = self._build('crops', cfg.model.content_teacher, crops)
        else:
            self.views.crop_size = None

    def _build(
        self, name: str, teacher: dict | None, path: str
    ) -> CachedTeacher:
        if teacher is None:
            raise ValueError(f'the config has no teacher for the {name}.')
        size = dict(vfm=self.views.vfm, crops=self.views.crop_size)[name]
        if size is None:
            raise ValueError(
                f'the views make no {name}: give the config as it is before '
                f'caching, with {name.removesuffix("s")}_size.'
            )
        kind = dict(type='VFMCache')
        if name == 'crops':
            kind = dict(type='CropCache', num_cells=self.cells)
        inner = plain_teacher(teacher)
        cache = MODELS.build(
            dict(kind, path=str(path), teacher=inner, num_images=self.rows)
        )
        # Not BaseModule's own, which lists every parameter in the log.
        getattr(cache.teacher, 'backbone', cache.teacher).init_weights()
        fit_pixels(self.preprocess, cache, 'vfm_' if name == 'vfm' else '')
        return cache.to(self.device)

    @torch.no_grad()
    def size(self) -> dict[str, int]:
        """Bytes of each cache; looks at the first picture."""
        numbers = {}
        if self.vfm is not None:
            batch = self.preprocess(pseudo_collate([self.dataset[0]]))
            numbers['vfm'] = self.vfm.teacher(batch['inputs']['vfm']).numel()
        if self.crops is not None:
            numbers['crops'] = self.cells * self.crops.out_dim
        return {name: 2 * self.rows * n for name, n in numbers.items()}

    def missing(self) -> list[int]:
        """Positions in the data set with a row that is not filled."""
        found = []
        for index in range(len(self.dataset)):
            row = self.dataset.get_data_info(index)['img_id']
            if not all(c.file.filled[row].all() for c in self._caches()):
                found.append(index)
        return found

    def _caches(self) -> list[CachedTeacher]:
        return [c for c in (self.vfm, self.crops) if c is not None]

    @torch.no_grad()
    def ask(self, items: list[dict]) -> int:
        """Store what the teachers say of some pictures; how many these are.

        Collates the samples of the data set. Of a damaged picture the data
        set shows another, which then has its own row filled, or again.
        """
        data = self.preprocess(pseudo_collate(items))
        inputs, samples = data['inputs'], data['data_samples']
        if self.vfm is not None:
            self.vfm(inputs['vfm'], samples)
        if self.crops is not None:
            self.crops(inputs['crops'], samples)
            for sample in samples:  # cells that a tiny picture lacks
                self.crops.file.filled[sample.img_id] = True
        return len(items)

    def fill(self, indices: list[int], batch: int, workers: int) -> list[str]:
        """Compute the rows of some pictures.

        Args:
            indices: Positions in the data set.
            batch: Pictures at a time.
            workers: Processes; on a CPU each asks the teachers itself, with
                one thread, else they make the views for this one. 0 has none.

        Returns:
            Damaged pictures, whose rows stay empty.
        """
        here = self.device.type != 'cpu'
        loader = DataLoader(
            Subset(self.dataset, indices),
            batch,
            num_workers=workers,
            collate_fn=list if here else self.ask,
        )
        try:
            with (
                tqdm(desc='pictures', total=len(indices)) as bar,
                logging_redirect_tqdm([MMLogger.get_current_instance()]),
            ):
                for done in loader:
                    bar.update(self.ask(done) if here else done)
        finally:
            for cache in self._caches():
                cache.file.flush()
        for path in self.dataset.damaged:
            print(f'damaged picture left out: {printable(path)}', flush=True)
        return list(self.dataset.damaged)


def fill_caches(
    cfg: Config,
    vfm: str | None = None,
    crops: str | None = None,
    processes: int = 1,
    batch: int = 2,
    device: str = 'cpu',
) -> list[str]:
    """Fill what is missing, with a bar of progress.

    Args:
        cfg: A pre-finetuning config with its real teachers.
        vfm, crops: Array files; None leaves that teacher out.
        processes: Worker processes of one thread each; 1 works here.
        batch: Pictures at a time; few, for each brings all its cells.
        device: Where the teachers compute.

    Returns:
        Damaged pictures, whose rows stay empty.
    """
    filler = CacheFiller(cfg, vfm, crops, device)
    for name, size in filler.size().items():
        path = Path(vfm if name == 'vfm' else crops)
        print(f'{name}: {size / 2**30:.3f} GiB at {path}', flush=True)
    filler.ask([filler.dataset[0]])  # makes the files, which workers open
    if left := filler.missing():
        return filler.fill(left, batch, processes if processes > 1 else 0)
    return []
