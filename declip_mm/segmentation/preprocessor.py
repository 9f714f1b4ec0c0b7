"""Pictures of any sizes for a segmentor that cuts windows itself."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseDataPreprocessor
from mmseg.registry import MODELS
from torch import Tensor

from ..models.pixels import (
    CLIP,
    check_order,
    check_reason,
    check_statistics,
    match_pixels,
    normalise,
)
from ..models.zero_shot.resizing import (
    check_sides,
    resize_image,
    short_side_size,
)

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
            backbone's (:meth:`adopt`), OpenAI's where there is none.
        bgr_to_rgb: Whether pictures come as mmcv loads them.
        foreign_pixels: Why statistics or channels are not the backbone's;
            without it such are refused.
    """

    def __init__(
        self,
        short_side: int | None = 448,
        long_side: int = 2048,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        bgr_to_rgb: bool = True,
        foreign_pixels: str | None = None,
        non_blocking: bool = False,
    ) -> None:
        super().__init__(non_blocking)
        check_sides(short_side, long_side)
        self.short_side, self.long_side = short_side, long_side
        self.foreign_pixels = check_reason(foreign_pixels)
        check_order(bgr_to_rgb, None, self.foreign_pixels)
        self.bgr_to_rgb = bgr_to_rgb
        self._given = dict(mean=mean, std=std)
        for (name, given), usual in zip(self._given.items(), CLIP):
            if given is not None:
                check_statistics(name, given)
            value = torch.tensor(usual if given is None else given)
            self.register_buffer(name, value.view(3, 1, 1), persistent=False)

    def adopt(self, backbone: Any, prefix: str = '') -> None:
        """Take the backbone's pixel statistics, or refuse others.

        Raises:
            ValueError: Others were given, and no ``foreign_pixels``.
        """
        for name, given in self._given.items():
            why = self.foreign_pixels
            value = match_pixels(name, given, backbone, why)
            getattr(self, name).copy_(torch.tensor(value).view(3, 1, 1))

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
        image = resize_image(image, size)
        if self.bgr_to_rgb:
            image = image.flip(0)
        return normalise(image, self.mean, self.std)

    def target_size(self, height: int, width: int) -> tuple:
        """(H, W) that a picture is resized to."""
        if self.short_side is None:
            return height, width
        return short_side_size(height, width, self.short_side, self.long_side)
