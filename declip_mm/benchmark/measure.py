"""The cells of a benchmark: what is measured at a size and a batch."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

from .clock import interleaved, matmul_rate, peak_bytes
from .loaders import compare, cutting
from .parts import step_parts
from .passes import BarePasses, precision
from .reference import ReferenceStep, reference_dense
from .subject import Subject, plain_config
from .windows import time_windows

__all__ = ['Bench']

_OPTIONS = ('lr', 'betas', 'eps', 'weight_decay')


class Bench:
    """Measures on one device.

    Args:
        cfg: A pre-finetuning config.
        photos: Folder of pictures.
        folder: For caches of random rows.
        device: Where it computes.
        crops: Of each picture.
        repeats, warm_up: Turns, see :func:`interleaved`.
        quick: Compile and capture ours, and the bare student.
    """

    def __init__(
        self,
        cfg: Config,
        photos: Path,
        folder: Path,
        device: torch.device,
        crops: int = 20,
        repeats: int = 5,
        warm_up: int = 1,
        quick: bool = False,
    ) -> None:
        self.cfg, self.photos, self.folder = cfg, photos, folder
        self.device, self.crops = device, crops
        self.repeats, self.warm_up = repeats, warm_up
        self.quick = quick
        self._rates: dict[torch.dtype, float] = {}
        start = self._config(cfg.train_dataloader.dataset.views.image_size)
        self.first = Subject(start, device)
        self.cached = Subject(start, device, folder)
        defaults = self.first.optim.optimizer.defaults
        # these copy the networks, before anything is compiled
        self.reference = ReferenceStep(
            self.first.model, {name: defaults[name] for name in _OPTIONS}
        )
        self.passes = BarePasses(self.first)
        self.dtype = precision(self.first.optim, device)
        if quick:
            for part in (self.first, self.cached, self.passes):
                part.hurry()

    def _config(self, size: int) -> Config:
        return plain_config(self.cfg, size, self.photos)

    def _time(self, work: dict[str, Callable]) -> dict[str, list[float]]:
        return interleaved(work, self.device, self.repeats, self.warm_up)

    @property
    def precision(self) -> str:
        """Of a step of ours, in words."""
        return str(self.dtype).removeprefix('torch.')

    def step(self, size: int, batch: int) -> dict[str, Any]:
        """A step of the reference, ours with and without caches, the floor.

        Returns:
            ``seconds`` of each, ``bytes`` at the peak, ``parts`` of our step
            without caches, ``operations`` and the ``rate`` of the device.
        """
        cfg = self._config(size)
        for subject in (self.first, self.cached):
            subject.take(cfg, batch, self.crops)
        self.passes.take(self.first)
        if self.quick:
            self.passes.capture()
        data = self.first.data
        work: dict[str, Callable] = dict(
            reference=lambda: self.reference(data),
            first=self.first.step,
            cached=self.cached.step,
            floor=self.passes.student_pass,
            passes=self.passes.all_passes,
        )
        seconds = self._time(work)
        return dict(
            tokens=self.first.tokens,
            crops=self.first.crops,
            precision=self.precision,
            seconds=seconds,
            bytes=self._peaks(work),
            parts=step_parts(self.first),
            operations=self.passes.operations(),
            rate=self._rate(self.dtype),
        )

    def _peaks(self, work: dict[str, Callable]) -> dict[str, int]:
        # a CUDA graph holds its memory all the time, in a pool of its own
        if self.quick and self.device.type == 'cuda':
            return {}
        names = ('reference', 'first', 'cached', 'floor')
        return {n: peak_bytes(work[n], self.device) for n in names}

    def _rate(self, dtype: torch.dtype) -> float:
        if dtype not in self._rates:
            self._rates[dtype] = matmul_rate(self.device, dtype)
        return self._rates[dtype]

    def dense(self, size: int) -> dict[str, Any]:
        """The dense map of one picture, in inference."""
        self.first.take(self._config(size), 1, 1)
        image, backbone = self.first.inputs()['image'], self.reference.student
        block = self.first.model.backbone.last_block
        ours = self.first.model.backbone.eval()

        @torch.inference_mode()
        def within(function: Callable) -> Any:
            with torch.autocast(
                self.device.type,
                self.dtype,
                enabled=self.dtype != torch.float32,
            ):
                return function()

        work = dict(
            reference=lambda: within(
                lambda: reference_dense(
                    backbone, image, block.affinity, block.scale
                )
            ),
            ours=lambda: within(lambda: ours.forward_dense(image)),
        )
        cell = dict(
            tokens=self.first.tokens,
            precision=self.precision,
            seconds=self._time(work),
            bytes={n: peak_bytes(w, self.device) for n, w in work.items()},
        )
        ours.train()
        return cell

    def data(self, size: int) -> dict[str, Any]:
        """Loading: ours over a loader that works as the authors' does.

        On a GPU also what cutting the crops there takes.
        """
        views = self._config(size).train_dataloader.dataset.views
        sizes = {
            name: views[name]
            for name in ('image_size', 'vfm_size', 'crop_size')
        }
        cell = compare(self.photos, self.repeats, sizes)
        cell['ratio'] = cell['ratios']['data']
        if self.device.type == 'cuda':
            cell['cutting'] = cutting(
                self.photos, 'cuda', self.repeats, crop_size=views.crop_size
            )
        return cell

    def windows(self) -> dict[str, Any]:
        """Windows in batches and one pass over windows one by one."""
        backbone = self.first.model.backbone.eval()
        cell = time_windows(backbone, self.device, self.repeats)
        backbone.train()
        return cell
