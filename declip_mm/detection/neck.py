"""From the maps of a plain ViT, all of one stride, to a feature pyramid."""

from collections.abc import Sequence

import torch.nn as nn
from mmcv.cnn import build_norm_layer
from mmdet.models import FPN
from mmdet.registry import MODELS
from torch import Tensor

__all__ = ['FViTNeck', 'adapters_for']


def _adapter(scale: float, width: int, norm_cfg: dict | None) -> nn.Module:
    """What changes a map's resolution by ``scale``."""

    def double() -> nn.Module:
        return nn.ConvTranspose2d(width, width, kernel_size=2, stride=2)

    if scale == 4:
        norm = nn.Identity()
        if norm_cfg is not None:
            norm = build_norm_layer(norm_cfg, width)[1]
        return nn.Sequential(double(), norm, nn.GELU(), double())
    if scale == 2:
        return nn.Sequential(double())
    if scale == 1:
        return nn.Identity()
    if scale == 0.5:
        return nn.MaxPool2d(kernel_size=2, stride=2)
    raise ValueError(f'scale {scale} of a map: allowed are 4, 2, 1 and 0.5.')


def adapters_for(
    widths: Sequence[int],
    scales: Sequence[float],
    norm_cfg: dict | None = None,
) -> nn.ModuleList:
    """What changes the resolution of maps of a ViT, each by its scale.

    Args:
        widths: Of the maps.
        scales: 4, 2, 1 or 0.5 each.
        norm_cfg: Norm between the two steps of scale 4.
    """
    if len(scales) != len(widths):
        raise ValueError(
            f'{len(scales)} scales for {len(widths)} maps; give one each.'
        )
    return nn.ModuleList(
        _adapter(scale, width, norm_cfg)
        for scale, width in zip(scales, widths)
    )


@MODELS.register_module()
class FViTNeck(FPN):
    """Adapters of F-ViT (CLIPSelf, ICLR 2024), then an FPN.

    Args:
        in_channels: Width of each map.
        scales: By how much each map's resolution is changed first.
        norm_cfg: Norm of adapters and FPN.
        Others: Of :class:`mmdet.models.FPN`.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        *args,
        scales: Sequence[float] = (4, 2, 1, 0.5),
        norm_cfg: dict | None = None,
        **kwargs,
    ) -> None:
        super().__init__(in_channels, *args, norm_cfg=norm_cfg, **kwargs)
        self.adapters = adapters_for(in_channels, scales, norm_cfg)

    def forward(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """(B, D, h, w) maps of one size -> (B, C, h_i, w_i) pyramid."""
        maps = [adapt(x) for adapt, x in zip(self.adapters, inputs)]
        return super().forward(tuple(maps))
