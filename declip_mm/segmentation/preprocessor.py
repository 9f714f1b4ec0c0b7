"""Pictures of any sizes for a segmentor that cuts windows itself."""

from typing import Any, Optional, Sequence

import torch
from mmengine.model import BaseDataPreprocessor
from mmseg.registry import MODELS
from torch import Tensor

from .resizing import resize

__all__ = ['DenseSegPreprocessor']


@MODELS.register_module()
class DenseSegPreprocessor(BaseDataPreprocessor):
    """Resize by the short side and normalise; sizes in a batch may differ.

    Resizing is that of mmseg's ``Resize(scale=(long_side, short_side),
    keep_ratio=True)``: bilinear without antialiasing.

    Args:
        short_side: Pixels of the short side; None leaves the size alone.
        long_side: The long side gets no longer than this.
        mean, std: Pixel statistics of RGB in 0 to 255; None takes the
            backbone's (:meth:`adopt`).
        bgr_to_rgb: Whether pictures come as mmcv loads them.
    """

    def __init__(
        self,
        short_side: Optional[int] = 448,
        long_side: int = 2048,
        mean: Optional[Sequence[float]] = None,
        std: Optional[Sequence[float]] = None,
        bgr_to_rgb: bool = True,
        non_blocking: bool = False,
    ) -> None:
        super().__init__(non_blocking)
        if short_side is not None and not 0 < short_side <= long_side:
            raise ValueError(
                f'short_side={short_side} must be positive and at most '
                f'long_side={long_side}, or None.'
            )
        self.short_side, self.long_side = short_side, long_side
        self.bgr_to_rgb = bgr_to_rgb
        self._given = dict(mean=mean, std=std)
        for name, value in self._given.items():
            value = torch.tensor(value or (0.0,) * 3).view(3, 1, 1)
            self.register_buffer(name, value, persistent=False)

    def adopt(self, backbone: Any) -> None:
        """Take the pixel statistics of a backbone that were not given."""
        for name, given in self._given.items():
            if given is None:
                theirs = getattr(backbone, f'pixel_{name}')
                value = torch.tensor([255 * v for v in theirs])
                getattr(self, name).copy_(value.view(3, 1, 1))

    def forward(self, data: dict, training: bool = False) -> dict:
        """``inputs`` becomes a list of (3, h, w) float pictures."""
        data = self.cast_data(data)
        inputs = [self._prepare(image) for image in data['inputs']]
        return dict(inputs=inputs, data_samples=data.get('data_samples'))

    def _prepare(self, image: Tensor) -> Tensor:
        if image.ndim != 3 or image.shape[0] != 3:
            raise ValueError(
                f'a picture must be (3, H, W), got {tuple(image.shape)}.'
            )
        size = self.target_size(*image.shape[-2:])
        # a channel at a time: floats of a large picture are four times it
        image = torch.cat([resize(one[None].float(), size) for one in image])
        if self.bgr_to_rgb:
            image = image.flip(0)
        return (image - self.mean) / self.std

    def target_size(self, height: int, width: int) -> tuple:
        """(H, W) that a picture is resized to."""
        if self.short_side is None:
            return height, width
        short, long = sorted((height, width))
        factor = min(self.short_side / short, self.long_side / long)
        return tuple(
            max(1, int(side * factor + 0.5)) for side in (height, width)
        )
