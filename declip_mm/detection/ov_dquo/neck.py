"""From maps of a plain ViT, all of one stride, to those of a DETR."""

from collections.abc import Sequence

from mmdet.models import ChannelMapper
from mmdet.registry import MODELS
from torch import Tensor

from ..neck import adapters_for

__all__ = ['OVDQUONeck']


@MODELS.register_module()
class OVDQUONeck(ChannelMapper):
    """Maps of several resolutions, each projected to d channels.

    Args:
        in_channels: Width of each map.
        out_channels: d.
        scales: By how much each map's resolution is changed first.
        norm_cfg: Norm behind the 1x1 convolutions.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int,
        scales: Sequence[float] = (2, 1, 0.5),
        norm_cfg: dict | None = None,
    ) -> None:
        super().__init__(
            list(in_channels),
            out_channels,
            kernel_size=1,
            norm_cfg=norm_cfg or dict(type='GN', num_groups=32),
            act_cfg=None,
            bias=True,
        )
        self.adapters = adapters_for(in_channels, scales)

    def forward(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """(B, D, h, w) maps of one size -> (B, d, h_i, w_i), fine first."""
        maps = [adapt(x) for adapt, x in zip(self.adapters, inputs)]
        return super().forward(tuple(maps))
