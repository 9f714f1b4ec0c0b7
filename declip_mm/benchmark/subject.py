"""What is measured: a config's model with random weights, and its batches.

Weights decide neither time nor memory, so nothing is downloaded.
"""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.registry import DATASETS, MODELS
from PIL import Image

from ..apis.cached_config import use_caches
from ..datasets.grid import count_cells
from ..models import DecoupledDistiller
from ..models.cache_file import CacheFile
from ..models.vfm_cache import write_cache

__all__ = ['Subject', 'make_photos', 'plain_config']

#: Pictures of COCO's usual size.
_PHOTO = (480, 640)


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
    """A distiller, its optimiser and its batches, as the runner has them.

    Args:
        cfg: From :func:`plain_config`.
        batch: Pictures a step.
        crops: Of each picture; grids are drawn until one has that many.
        device: Where it computes.
        cached: A folder: both teachers' outputs come from caches there.
    """

    def __init__(
        self,
        cfg: Config,
        batch: int,
        crops: int,
        device: torch.device,
        cached: Path | None = None,
    ) -> None:
        cfg = copy.deepcopy(cfg)
        self.device = device
        if cached is not None:
            _fill_with_noise(cfg, cached)
        self.cfg = cfg
        self.model: DecoupledDistiller = MODELS.build(cfg.model)
        self.model.to(device).train()
        self.optim: OptimWrapper = build_optim_wrapper(
            self.model, cfg.optim_wrapper
        )
        self.dataset = DATASETS.build(cfg.train_dataloader.dataset)
        self.samples = [self._sample(i, crops) for i in range(batch)]

    def _sample(self, index: int, crops: int) -> dict:
        """A picture with that many crops; as many as there are, at most."""
        best: dict | None = None
        for epoch in range(200):
            self.dataset.set_epoch(epoch)
            sample = self.dataset[index % len(self.dataset)]
            found = len(sample['data_samples'].boxes)
            if found == crops:
                return sample
            if best is None or found > len(best['data_samples'].boxes):
                best = sample
        assert best is not None
        return best

    @property
    def data(self) -> dict:
        """A collated batch, as the loader hands it out."""
        return pseudo_collate([copy.copy(s) for s in self.samples])

    def step(self) -> None:
        """What mmengine's loop does with a batch."""
        self.model.train_step(self.data, self.optim)

    @property
    def tokens(self) -> int:
        """Patches of a picture in the student."""
        size = self.cfg.train_dataloader.dataset.views.image_size
        return (size // self.model.backbone.visual.patch_size) ** 2


def _fill_with_noise(cfg: Config, folder: Path) -> None:
    """Caches full of random unit rows, of the shapes that teachers give.

    Making the real ones takes longer than all that is measured.
    """
    views = cfg.train_dataloader.dataset.views
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    pictures = len(dataset)
    size = views.vfm_size
    folder.mkdir(parents=True, exist_ok=True)
    vfm, crops = folder / f'vfm_{size}.npy', folder / 'crops.npy'
    with torch.device('meta'):
        teacher = MODELS.build(cfg.model.context_teacher)
        content = MODELS.build(cfg.model.content_teacher)
    if not vfm.is_file():
        side = size // teacher.stride
        width = teacher.trunk.num_features
        write_cache(
            str(vfm), torch.randn(pictures, width, side, side), (size, size)
        )
    if not crops.is_file():
        cells, dim = count_cells(views.max_split), content.out_dim
        rows = torch.nn.functional.normalize(
            torch.randn(pictures, cells, dim), dim=-1
        )
        file = CacheFile(crops)
        mark = dict(
            teacher=None,
            num_images=pictures,
            out_dim=dim,
            pixel_mean=content.pixel_mean,
            pixel_std=content.pixel_std,
        )
        file.create((pictures, cells, dim), mark, keys=2)
        file.array[:], file.filled[:] = rows.half().numpy(), True
        file.flush()
    use_caches(cfg, vfm=str(vfm), crops=str(crops))
    for name in ('context_teacher', 'content_teacher'):
        cfg.model[name].pop('teacher')
