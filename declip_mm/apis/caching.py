"""Filling the caches of both teachers for any pre-finetuning config."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Any

import numpy as np
import torch
from mmengine import dist
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
from ..models.cached_teacher import CachedTeacher
from ..models.pixels import fit_pixels
from .cached_config import check_components, plain_teacher, use_caches
from .devices import check_device
from .drawn_cells import DrawnCells
from .options import OptionError

__all__ = [
    'CacheFiller',
    'fill_caches',
    'join_group',
    'plain_teacher',
    'use_caches',
]


class CacheFiller:
    """Both teachers of a config, each with the cache that it fills.

    Pictures come from the config's own data set, whose views give all cells
    instead of one grid; with ``drawn`` they give what the config's seed draws
    in each epoch, and the crop cache has rows for that alone.

    Args:
        cfg: A pre-finetuning config with its real teachers.
        vfm, crops: Array files; None leaves that teacher out.
        device: Where the teachers compute.
        components, max_gib: As of :class:`VFMCache`; ``max_gib`` is of each
            file.
        drawn: See above.
        amp: Whether the teachers compute in bfloat16.

    Raises:
        ValueError: The config or the device does not fit.
    """

    def __init__(
        self,
        cfg: Config,
        vfm: str | None = None,
        crops: str | None = None,
        device: str = 'cpu',
        components: int | None = None,
        max_gib: float | None = None,
        drawn: bool = False,
        amp: bool = False,
    ) -> None:
        self.device = torch.device(check_device(device))
        self.amp = amp
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
        # Rows count in the whole list, also where a part is trained on.
        self.rows = int(self.dataset.source.split()[0])
        self.cells = count_cells(self.views.max_split)
        self.preprocess = MODELS.build(cfg.model.data_preprocessor).to(device)
        self.vfm: Any = None
        self.crops: Any = None
        if vfm:
            check_components(cfg.model, components)
            teacher = cfg.model.context_teacher
            more = dict(components=components, max_gib=max_gib)
            self.vfm = self._build('vfm', teacher, vfm, more)
        else:
            self.views.vfm = None
        if crops:
            teacher = cfg.model.content_teacher
            more = dict(num_cells=self.cells, max_gib=max_gib)
            self.crops = self._build('crops', teacher, crops, more)
        else:
            self.views.crop_size = None
        self.drawn: DrawnCells | None = None
        if crops and drawn:
            self.drawn = DrawnCells(cfg, self.dataset)
            self.crops.keep_only(self.drawn.all(), self.drawn.origin)
        self.views.every_cell = not drawn

    def _build(
        self, name: str, teacher: dict | None, path: str, more: dict
    ) -> CachedTeacher:
        if teacher is None:
            raise ValueError(f'the config has no teacher for the {name}.')
        size = dict(vfm=self.views.vfm, crops=self.views.crop_size)[name]
        if size is None:
            raise ValueError(
                f'the views make no {name}: give the config as it is before '
                f'caching, with {name.removesuffix("s")}_size.'
            )
        kind = dict(vfm='VFMCache', crops='CropCache')[name]
        inner = plain_teacher(teacher)
        more = dict(more, teacher=inner, num_images=self.rows)
        cache = MODELS.build(dict(more, type=kind, path=str(path)))
        # Not BaseModule's own, which lists every parameter in the log.
        getattr(cache.teacher, 'backbone', cache.teacher).init_weights()
        fit_pixels(self.preprocess, cache, 'vfm_' if name == 'vfm' else '')
        if self.device.type == 'cpu':
            cache.file.patience = 0  # workers end without a word
        return cache.to(self.device)

    # sizes ------------------------------------------------------------------
    @torch.no_grad()
    def size(self) -> dict[str, int]:
        """Bytes of each cache; looks at the first picture."""
        numbers = {}
        if self.vfm is not None:
            batch = self.preprocess(pseudo_collate([self.dataset[0]]))
            channels, *grid = self.vfm.teacher(batch['inputs']['vfm'])[0].shape
            channels = self.vfm.components or channels
            picture = 2 * channels * int(np.prod(grid))
            numbers['vfm'] = picture * self.vfm.kept_images(picture)
        if self.crops is not None:
            numbers['crops'] = self.crops.size
        return numbers

    def check_room(self) -> Iterator[str]:
        """A line for each cache; one that has no room is refused."""
        for name, size in self.size().items():
            file = getattr(self, name).file
            if not file.exists:
                file.check_room(size)
            yield f'{name}: {size / 2**30:.3f} GiB at {file.path}'

    # filling ----------------------------------------------------------------
    def missing(self) -> list[int]:
        """Positions in the data set with a row that is not filled."""
        found = []
        for index in range(len(self.dataset)):
            row = self.dataset.get_data_info(index)['img_id']
            if any(c.file.lacks(*c.keys_of(row)) for c in self._caches()):
                found.append(index)
        return found

    def _caches(self) -> list[CachedTeacher]:
        return [c for c in (self.vfm, self.crops) if c is not None]

    def _precision(self) -> AbstractContextManager:
        if not self.amp:
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    @torch.no_grad()
    def ask(self, items: list[dict]) -> int:
        """Store what the teachers say of some pictures; how many these are.

        Collates the samples of the data set. Of a damaged picture the data
        set shows another, which then has its own row filled, or again.
        """
        data = self.preprocess(pseudo_collate(items))
        inputs, samples = data['inputs'], data['data_samples']
        with self._precision():
            if self.vfm is not None:
                self.vfm(inputs['vfm'], samples)
            if self.crops is not None:
                self.crops(inputs['crops'], samples)
                self._settle(samples)
        return len(items)

    def _settle(self, samples: list) -> None:
        """Tiny pictures have not all the cells."""
        if self.drawn is not None:
            self.drawn.check(self.crops, samples)
            return
        for sample in samples:
            self.crops.file.mark(*self.crops.keys_of(sample.img_id))

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
            pin_memory=self.device.type == 'cuda' and workers > 0,
        )
        try:
            with (
                tqdm(
                    desc='pictures',
                    total=len(indices),
                    disable=dist.get_rank() > 0,
                ) as bar,
                logging_redirect_tqdm([MMLogger.get_current_instance()]),
            ):
                for done in loader:
                    bar.update(self.ask(done) if here else done)
        finally:
            for cache in self._caches():
                cache.file.flush()
        return list(self.dataset.damaged)

    def fill_all(self, batch: int, workers: int) -> list[str]:
        """Compute this process's share of what is missing.

        Returns:
            Damaged pictures, whose rows stay empty.
        """
        damaged = {}
        for epoch in range(self.drawn.epochs if self.drawn else 1):
            self.dataset.set_epoch(epoch)
            self.ask([self.dataset[0]])  # makes the files, which workers open
            self._check_opened()
            if self.drawn is None:
                left = self.missing()
            else:
                left = self.drawn.missing(self.crops, epoch)
            if share := self.share(left):
                damaged.update(dict.fromkeys(self.fill(share, batch, workers)))
        dist.barrier()
        return list(damaged)

    @staticmethod
    def share(indices: list[int]) -> list[int]:
        """Those of this rank, whatever others have filled meanwhile."""
        rank, ranks = dist.get_rank(), dist.get_world_size()
        return [index for index in indices if index % ranks == rank]

    def _check_opened(self) -> None:
        """Refuse to fill all cells of a cache that has not got them."""
        drawn = self.crops is not None and self.crops.file.fields.get('drawn')
        if drawn and self.views.every_cell:
            raise ValueError(
                f'crop cache {self.crops.path} holds only what is drawn with '
                f'{drawn}. Name another path, or fill it as it was made '
                '(drawn=True, --drawn).'
            )

    def tell_moved(self) -> str:
        """How far components moved the cosines, noted in the cache, too."""
        found = self.vfm.moved() if self.vfm is not None else None
        if found is None:
            return ''
        if dist.get_rank() == 0:
            self.vfm.file.note(moved=found)
        return (
            f'vfm: {self.vfm.components} components moved the cosines of '
            f'{found["images"]} pictures by {found["mean"]:.4f} on average, '
            f'{found["max"]:.4f} at most'
        )


def fill_caches(
    cfg: Config,
    vfm: str | None = None,
    crops: str | None = None,
    processes: int = 1,
    batch: int = 2,
    device: str = 'cpu',
    components: int | None = None,
    max_gib: float | None = None,
    drawn: bool = False,
    amp: bool = False,
) -> list[str]:
    """Fill what is missing, with a bar of progress.

    In a process group each rank fills its share.

    Args:
        cfg: A pre-finetuning config with its real teachers.
        vfm, crops: Array files; None leaves that teacher out.
        processes: Worker processes of one thread each; 1 works here.
        batch: Pictures at a time; few, for each brings all its cells.
        device: Where the teachers compute.
        components: Directions that are kept of a map, see
            :class:`VFMCache`; None keeps all.
        max_gib: Most GiB of each file; the first pictures that fit are kept.
        drawn: Keep only the cells that the config's seed draws in its
            epochs.
        amp: Whether the teachers compute in bfloat16.

    Returns:
        Damaged pictures, whose rows stay empty.
    """
    options = dict(device=device, max_gib=max_gib, amp=amp)
    if vfm and crops and drawn:  # views of one epoch do for the maps
        parts = [(vfm, None), (None, crops)]
    else:
        parts = [(vfm, crops)]
    damaged = {}
    for maps, cells in parts:
        filler = CacheFiller(
            cfg, maps, cells, components=components, drawn=drawn, **options
        )
        for line in filler.check_room():
            say(line)
        workers = processes if processes > 1 else 0
        damaged.update(dict.fromkeys(filler.fill_all(batch, workers)))
        if line := filler.tell_moved():
            say(line)
    for path in damaged:
        print(f'damaged picture left out: {printable(path)}', flush=True)
    return list(damaged)


def join_group(launcher: str, device: str) -> str:
    """Join the processes that fill caches together.

    Args:
        launcher: ``'none'`` or, of processes that torchrun started,
            ``'pytorch'``.
        device: As typed; ``'cuda'`` is the process's own.

    Returns:
        The device of this process.
    """
    if launcher == 'none':
        return device
    if 'RANK' not in os.environ:
        raise OptionError(
            '--launcher pytorch is for processes started by torchrun, and '
            'RANK is not set; use bash tools/dist_launch.sh GPUS '
            'misc/cache_teachers.py CONFIG'
        )
    # They only wait for each other; the shares may differ by hours.
    torch.distributed.init_process_group('gloo', timeout=timedelta(days=7))
    if device == 'cuda':
        device = f'cuda:{os.environ.get("LOCAL_RANK", "0")}'
    return device


def say(line: str) -> None:
    """Print, once for all ranks."""
    if dist.get_rank() == 0:
        print(line, flush=True)
