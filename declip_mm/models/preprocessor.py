"""Batches the views of a picture and normalises each as its network wants.

B batch, K_i boxes of picture i, S student view, c crops, V VFM view.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model import BaseDataPreprocessor
from mmengine.registry import MODELS
from torch import Tensor

from .cropping import cut_crops
from .pixels import (
    CLIP,
    IMAGENET,
    check_reason,
    check_statistics,
    match_pixels,
    normalise,
)

__all__ = ['DeCLIPPreprocessor']

# Where no network says anything.
_USUAL = dict(
    mean=CLIP[0], std=CLIP[1], vfm_mean=IMAGENET[0], vfm_std=IMAGENET[1]
)
_RANKS = dict(image=3, crops=4, picture=3, vfm=3)


@MODELS.register_module()
class DeCLIPPreprocessor(BaseDataPreprocessor):
    """From lists of uint8 RGB views to normalised batches on the device.

    ``image`` and ``vfm`` are stacked, the ``crops`` of all pictures are put
    one after the other. Pictures of several sizes are padded at the right and
    at the bottom, with black and before anything is normalised; with boxes or
    masks, which are shares of one square, they are refused instead.

    Args:
        mean, std: Of the CLIP, RGB in 0 to 255. None takes the model's own
            (:meth:`adopt`), OpenAI's where no model says anything.
        vfm_mean, vfm_std: Of the VFM teacher, likewise; ImageNet's where no
            teacher says anything.
        foreign_pixels: Why given statistics are not the model's own; without
            it such are refused.
        size_divisor: Sides of the batch are multiples of it, e.g. the patch.
        non_blocking: Copy to the device without waiting.
    """

    def __init__(
        self,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        vfm_mean: Sequence[float] | None = None,
        vfm_std: Sequence[float] | None = None,
        foreign_pixels: str | None = None,
        size_divisor: int = 1,
        non_blocking: bool = True,
    ) -> None:
        super().__init__(non_blocking)
        given = dict(mean=mean, std=std, vfm_mean=vfm_mean, vfm_std=vfm_std)
        self._given = {k: v for k, v in given.items() if v is not None}
        self.foreign_pixels = check_reason(foreign_pixels)
        for name, usual in _USUAL.items():
            values = self._given.get(name, usual)
            check_statistics(name, values)
            self.register_buffer(name, _channels(values), persistent=False)
        if size_divisor < 1:
            raise ValueError(
                f'size_divisor must be 1 or more, got {size_divisor}.'
            )
        self.size_divisor = size_divisor

    def adopt(self, network: Any, prefix: str = '') -> None:
        """Take a network's pixel statistics, or refuse others.

        Args:
            network: Has ``pixel_mean`` and ``pixel_std`` of RGB in 0 to 1.
            prefix: ``''`` for a CLIP, ``'vfm_'`` for a VFM teacher.

        Raises:
            ValueError: This preprocessor was given, or has from another
                network, statistics that differ.
        """
        for name in (f'{prefix}mean', f'{prefix}std'):
            values = match_pixels(
                name, self._given.get(name), network, self.foreign_pixels
            )
            self._given[name] = values
            setattr(self, name, _channels(values).to(getattr(self, name)))

    def forward(self, data: Any, training: bool = False) -> dict:
        """Move, batch, normalise.

        Args:
            data: What ``pseudo_collate`` gives: ``inputs`` with lists
                ``image`` of (3, H, W), on request ``crops`` of (K_i, 3, c, c)
                and ``vfm`` of (3, V, V), all uint8; ``data_samples``, a list.
                ``picture`` of (3, H_i, W_i) may take the place of ``crops``:
                these are cut from it on the device, at the ``cuts`` of the
                samples. ``inputs`` may also be a list with an element per
                picture.
            training: Changes nothing.

        Returns:
            ``inputs`` with float32 ``image`` (B, 3, H, W), ``crops`` (sum
            K_i, 3, c, c) and ``vfm`` (B, 3, V, V); ``data_samples``.

        Raises:
            TypeError, ValueError: A view of another type, rank or size.
        """
        inputs = _lists(data)
        samples = data.get('data_samples')
        count = len(inputs['image'])
        for name, views in [*inputs.items(), ('data_samples', samples)]:
            if views is not None and len(views) != count:
                raise ValueError(
                    f'{len(views)} {name} for {count} pictures; every picture '
                    'has to bring one.'
                )
        cuts = _cuts(samples) if 'picture' in inputs else []
        inputs = self.cast_data(inputs)
        samples = samples and self.cast_data(list(samples))
        batch = dict(
            image=self._normalise(self._stack(inputs['image'], samples), '')
        )
        if cuts:
            inputs['crops'] = [
                cut_crops(picture, *cut)
                for picture, cut in zip(inputs['picture'], cuts)
            ]
        if 'crops' in inputs:
            _check_equal('crops', [c.shape[1:] for c in inputs['crops']])
            crops = torch.cat(list(inputs['crops']))
            batch['crops'] = self._normalise(crops, '')
        if 'vfm' in inputs:
            _check_equal('vfm', [v.shape for v in inputs['vfm']])
            vfm = torch.stack(list(inputs['vfm']))
            batch['vfm'] = self._normalise(vfm, 'vfm_')
        return dict(inputs=batch, data_samples=samples)

    def _normalise(self, views: Tensor, prefix: str) -> Tensor:
        mean = getattr(self, f'{prefix}mean')
        return normalise(views, mean, getattr(self, f'{prefix}std'))

    def _stack(self, images: Sequence[Tensor], samples: Any) -> Tensor:
        """(B, 3, H, W) uint8, padded to the largest and to the divisor."""
        sizes = [tuple(image.shape[-2:]) for image in images]
        height, width = (
            math.ceil(max(side) / self.size_divisor) * self.size_divisor
            for side in zip(*sizes)
        )
        if set(sizes) == {(height, width)}:
            return torch.stack(list(images))
        for sample, (h, w) in zip(samples or (), sizes):
            if 'boxes' in sample or 'masks' in sample:
                raise ValueError(
                    f'pictures of {sorted(set(sizes))} would be padded to '
                    f'{(height, width)}, and their boxes or masks would no '
                    'longer fit. Give all views one size, a multiple of '
                    f'{self.size_divisor}; views that keep the aspect need '
                    "batch_sampler=dict(type='BucketBatchSampler')."
                )
            share = torch.tensor([h / height, w / width], device=self.device)
            sample.valid_hw = sample.get('valid_hw', 1.0) * share
        return torch.stack(
            [
                F.pad(image, (0, width - w, 0, height - h))
                for image, (h, w) in zip(images, sizes)
            ]
        )


def _channels(values: Sequence[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).view(3, 1, 1)


def _cuts(samples: Any) -> list[tuple[Tensor, int]]:
    """Boxes (K, 4) in pixels of each picture, and the side of their crops.

    Read before they are moved: asking the device for them would wait for it.
    """
    for sample in samples or [{}]:
        if 'cuts' not in sample or 'crop_view' not in sample:
            raise ValueError(
                'a picture to be cut here needs a sample with cuts, its boxes '
                'in pixels, and crop_view with the size of the crops, as '
                "DeCLIPImageDataset gives them for crops_on='device'."
            )
    return [(s.cuts.cpu(), int(s.crop_view['size'])) for s in samples]


def _lists(data: Any) -> dict[str, Sequence[Tensor]]:
    """View name -> one tensor per picture, of the right type and rank."""
    inputs = data.get('inputs') if isinstance(data, Mapping) else None
    if isinstance(inputs, Sequence) and inputs:
        if not all(isinstance(views, Mapping) for views in inputs):
            raise TypeError(
                'inputs is a list of '
                f'{", ".join(sorted({type(v).__name__ for v in inputs}))}; '
                "expected a dict per picture with 'image'."
            )
        names = dict.fromkeys(name for views in inputs for name in views)
        inputs = {n: [v[n] for v in inputs if n in v] for n in names}
    if not isinstance(inputs, Mapping) or not len(inputs.get('image', ())):
        raise TypeError(
            "expected a dict whose inputs have 'image', as pseudo_collate "
            f'makes it from the samples, got {type(data).__name__} with '
            f'inputs {type(inputs).__name__}.'
        )
    unknown = set(inputs) - set(_RANKS)
    if unknown:
        raise ValueError(
            f'unknown views {sorted(unknown)}; allowed: {sorted(_RANKS)}.'
        )
    for name, views in inputs.items():
        for view in views:
            _check_view(name, view)
    return dict(inputs)


def _check_view(name: str, view: Any) -> None:
    rank = _RANKS[name]
    form = '(3, H, W)' if rank == 3 else '(K, 3, c, c)'
    if not isinstance(view, Tensor) or view.dtype != torch.uint8:
        kind = view.dtype if isinstance(view, Tensor) else type(view).__name__
        raise TypeError(
            f'{name} must be uint8 tensors {form} of RGB in 0 to 255, got '
            f'{kind}; normalising is done here.'
        )
    if view.ndim != rank or view.shape[-3] != 3:
        raise ValueError(
            f'{name} must be {form} each, got {tuple(view.shape)}.'
        )


def _check_equal(name: str, shapes: list) -> None:
    found = sorted({tuple(shape) for shape in shapes})
    if len(found) > 1:
        raise ValueError(
            f'{name} of one batch must have one size, got {found}.'
        )
