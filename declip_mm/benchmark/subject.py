"""What is measured: a config's model with random weights, and its batches.

Weights decide neither time nor memory, so nothing is downloaded.
"""

import copy
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.registry import DATASETS, MODELS
from PIL import Image
from torch import Tensor

from ..apis.cached_config import use_caches
from ..datasets.grid import count_cells
from ..engine import CompileHook, GraphHook
from ..models import DecoupledDistiller
from ..models.cache_file import CacheFile
from ..models.vfm_cache import write_cache

__all__ = ['Subject', 'make_photos', 'plain_config']


def make_photos(folder: Path, count: int, size: tuple[int, int]) -> Path:
    """Pictures with structure of all scales, as JPEG.

    Noise alone would take a decoder longer than any photograph.
    """
    folder.mkdir(parents=True, exist_ok=True)
    height, width = size
    for number in range(count):
        path = folder / f'{number:04}.jpg'
        if path.is_file():
            continue
        random = np.random.default_rng(number)
        total = np.zeros((height, width, 3))
        for cells in (3, 12, 48, 192):
            small = random.integers(0, 255, (cells, cells, 3), np.uint8)
            part = Image.fromarray(small).resize((width, height))
            total += np.asarray(part) / cells**0.5
        total *= 255 / total.max()
        Image.fromarray(total.astype(np.uint8)).save(path, quality=90)
    return folder


def plain_config(cfg: Config, image_size: int, photos: Path) -> Config:
    """A pre-finetuning config with random weights, its size and pictures.

    The VFM view keeps the ratio to the student's.
    """
    cfg = copy.deepcopy(cfg)
    views = cfg.train_dataloader.dataset.views
    if views.get('vfm_size'):
        views.vfm_size = views.vfm_size * image_size // views.image_size
    views.image_size = image_size
    cfg.train_dataloader.dataset.update(
        data_root=str(photos), img_dir='', ann_file=''
    )
    _forget_weights(cfg.model)
    cfg.model.pop('predictor', None)
    return cfg


def _forget_weights(part: Any) -> None:
    """Take every ``pretrained`` out of a config."""
    if isinstance(part, dict):
        if 'pretrained' in part:
            part['pretrained'] = None
        for value in part.values():
            _forget_weights(value)


class Subject:
    """A distiller, its optimiser and a batch, as the runner has them.

    Args:
        cfg: From :func:`plain_config`.
        device: Where it computes.
        cached: A folder: both teachers' outputs come from caches there.
    """

    def __init__(
        self, cfg: Config, device: torch.device, cached: Path | None = None
    ) -> None:
        self.device, self.cached = device, cached
        cfg = self._settle(cfg)
        self.model: DecoupledDistiller = MODELS.build(cfg.model)
        self.model.to(device).train()
        self.optim: OptimWrapper = build_optim_wrapper(
            self.model, cfg.optim_wrapper
        )
        self.samples: list[dict] = []

    def _settle(self, cfg: Config) -> Config:
        cfg = copy.deepcopy(cfg)
        if self.cached is not None:
            _fill_with_noise(cfg, self.cached)
        return cfg

    def take(self, cfg: Config, batch: int, crops: int) -> None:
        """Have another batch from now on.

        Args:
            cfg: The same, with another size or other pictures.
            batch: Pictures a step.
            crops: Of each; grids are drawn until one has that many.
        """
        cfg = self._settle(cfg)
        if self.cached is not None:
            for name in ('context_teacher', 'content_teacher'):
                cache = MODELS.build(cfg.model[name]).to(self.device)
                setattr(self.model, name, cache)
        self.views = cfg.train_dataloader.dataset.views
        self.dataset = DATASETS.build(cfg.train_dataloader.dataset)
        self.samples = [self._sample(i, crops) for i in range(batch)]

    def _sample(self, index: int, crops: int) -> dict:
        """A picture with that many crops; as many as there are, at most."""
        best: dict = {}
        most = -1
        for epoch in range(200):
            self.dataset.set_epoch(epoch)
            sample = self.dataset[index % len(self.dataset)]
            found = len(sample['data_samples'].boxes)
            if most < found <= crops:
                best, most = sample, found
            if found == crops:
                break
        if self.device.type == 'cuda':  # as a loader hands it out
            best['inputs'] = {
                name: view.pin_memory()
                for name, view in best['inputs'].items()
            }
        return best

    def hurry(self) -> None:
        """What ``tools/train.py --compile`` does."""
        runner = SimpleNamespace(model=self.model, optim_wrapper=self.optim)
        CompileHook().before_train(runner)
        GraphHook().before_train(runner)

    @property
    def crops(self) -> list[int]:
        """Crops of each picture."""
        return [len(s['data_samples'].boxes) for s in self.samples]

    @property
    def data(self) -> dict:
        """A collated batch, as the loader hands it out."""
        return pseudo_collate([copy.copy(s) for s in self.samples])

    def inputs(self) -> dict[str, Tensor]:
        """The batch as the networks get it."""
        return self.model.data_preprocessor(self.data, True)['inputs']

    def step(self) -> None:
        """What mmengine's loop does with a batch."""
        self.model.train_step(self.data, self.optim)

    @property
    def tokens(self) -> int:
        """Patches of a picture in the student."""
        side = self.views.image_size // self.model.backbone.visual.patch_size
        return side**2


def _fill_with_noise(cfg: Config, folder: Path) -> None:
    """Caches full of random rows, of the shapes that teachers give.

    Making the real ones takes longer than all that is measured.
    """
    views = cfg.train_dataloader.dataset.views
    pictures = len(DATASETS.build(cfg.train_dataloader.dataset))
    size = views.vfm_size
    folder.mkdir(parents=True, exist_ok=True)
    # a cache alone is not compared with a teacher: the name tells them apart
    model = cfg.model.context_teacher, cfg.model.content_teacher
    of = zlib.crc32(repr((model, views.max_split, pictures)).encode())
    vfm = folder / f'vfm_{size}_{of:08x}.npy'
    crops = folder / f'crops_{of:08x}.npy'
    if not vfm.is_file():
        with torch.device('meta'):
            teacher = MODELS.build(cfg.model.context_teacher)
        side, width = size // teacher.stride, teacher.trunk.num_features
        rows = torch.randn(pictures, width, side, side)
        write_cache(str(vfm), rows, (size, size))
    if not crops.is_file():
        _write_crops(crops, cfg, pictures)
    use_caches(cfg, vfm=str(vfm), crops=str(crops))
    for name in ('context_teacher', 'content_teacher'):
        for teacher in ('teacher', 'keep_teacher'):  # a cache alone
            cfg.model[name].pop(teacher, None)


def _write_crops(path: Path, cfg: Config, pictures: int) -> None:
    with torch.device('meta'):
        teacher = MODELS.build(cfg.model.content_teacher)
    views = cfg.train_dataloader.dataset.views
    shape = (pictures, count_cells(views.max_split), teacher.out_dim)
    mark = dict(
        teacher=None,
        num_images=pictures,
        out_dim=teacher.out_dim,
        pixel_mean=teacher.pixel_mean,
        pixel_std=teacher.pixel_std,
    )
    file = CacheFile(path)
    file.create(shape, mark, axes=2)
    rows = F.normalize(torch.randn(shape), dim=-1).flatten(0, 1)
    file.write(np.arange(len(rows)), rows.half())
    file.flush()
