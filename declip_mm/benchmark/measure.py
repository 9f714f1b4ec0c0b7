"""The cells of a benchmark: what is measured at a size and a batch."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

from .clock import interleaved, matmul_rate, peak_bytes
from .operations import operations
from .parts import step_parts
from .passes import BarePasses, precision
from .reference import ReferenceStep, reference_dense
from .subject import Subject, plain_config

__all__ = ['Bench']

#: Tokens up to which attention that is counted fits in memory.
_COUNTABLE = 4200
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
        compiled: Whether the blocks are compiled, the bare ones too.
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
        compiled: bool = False,
    ) -> None:
        self.cfg, self.photos, self.folder = cfg, photos, folder
        self.device, self.crops = device, crops
        self.repeats, self.warm_up = repeats, warm_up
        self.compiled = compiled
        self._rates: dict[torch.dtype, float] = {}

    def _subject(self, size: int, batch: int, cached: bool) -> Subject:
        cfg = plain_config(self.cfg, size, self.photos)
        folder = self.folder / f'{size}' if cached else None
        return Subject(cfg, batch, self.crops, self.device, folder)

    def _time(self, work: dict[str, Callable]) -> dict[str, list[float]]:
        return interleaved(work, self.device, self.repeats, self.warm_up)

    def step(self, size: int, batch: int) -> dict[str, Any]:
        """A step of the reference, ours with and without caches, the floor.

        Returns:
            ``seconds`` of each, ``bytes`` at the peak, ``parts`` of our step
            without caches, ``operations`` and the ``rate`` of the device.
        """
        first = self._subject(size, batch, cached=False)
        cached = self._subject(size, batch, cached=True)
        options = {n: first.optim.optimizer.defaults[n] for n in _OPTIONS}
        reference = ReferenceStep(first.model, options)
        passes = BarePasses(first)
        dtype = precision(first.optim, self.device)
        cell: dict[str, Any] = dict(
            tokens=first.tokens,
            crops=[len(s['data_samples'].boxes) for s in first.samples],
            precision=str(dtype).removeprefix('torch.'),
        )
        if first.tokens <= _COUNTABLE:
            cell['operations'] = dict(
                first=operations(first.step),
                cached=operations(cached.step),
                floor=operations(passes.student_pass),
            )
            cell['rate'] = self._rate(dtype)
        data = first.data
        work = dict(
            reference=lambda: reference(data),
            first=first.step,
            cached=cached.step,
            floor=passes.student_pass,
            passes=passes.all_passes,
        )
        cell['seconds'] = self._time(work)
        cell['bytes'] = {
            name: peak_bytes(work[name], self.device)
            for name in ('reference', 'first', 'cached', 'floor')
        }
        cell['parts'] = step_parts(first)
        return cell

    def _rate(self, dtype: torch.dtype) -> float:
        if dtype not in self._rates:
            self._rates[dtype] = matmul_rate(self.device, dtype)
        return self._rates[dtype]

    def dense(self, size: int) -> dict[str, Any]:
        """The dense map of one picture, in inference."""
        subject = self._subject(size, 1, cached=False)
        model, block = subject.model, subject.model.backbone.last_block
        dtype = precision(subject.optim, self.device)
        image = model.data_preprocessor(subject.data)['inputs']['image']
        model.eval()

        @torch.inference_mode()
        def within(function: Callable) -> Any:
            with torch.autocast(
                self.device.type, dtype, enabled=dtype != torch.float32
            ):
                return function()

        work = dict(
            reference=lambda: within(
                lambda: reference_dense(
                    model.backbone.visual, image, block.affinity, block.scale
                )
            ),
            ours=lambda: within(lambda: model.backbone.forward_dense(image)),
        )
        return dict(
            tokens=subject.tokens,
            precision=str(dtype).removeprefix('torch.'),
            seconds=self._time(work),
            bytes={n: peak_bytes(w, self.device) for n, w in work.items()},
        )
