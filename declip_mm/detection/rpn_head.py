"""RPN for mixed precision, with a norm in its convolutions on LVIS."""

import torch.nn as nn
from mmcv.cnn import ConvModule
from mmdet.models import RPNHead
from mmdet.registry import MODELS
from torch import Tensor

__all__ = ['FViTRPNHead']


@MODELS.register_module()
class FViTRPNHead(RPNHead):
    """:class:`mmdet.models.RPNHead` with ``norm_cfg`` and float32 outputs.

    Args:
        norm_cfg: Norm after every shared convolution; None is mmdet's own.
        Others: Of :class:`mmdet.models.RPNHead`.
    """

    def __init__(self, *args, norm_cfg: dict | None = None, **kwargs) -> None:
        self.norm_cfg = norm_cfg
        super().__init__(*args, **kwargs)

    def _init_layers(self) -> None:
        super()._init_layers()
        if self.norm_cfg is None:
            return
        widths = [self.in_channels] + [self.feat_channels] * self.num_convs
        self.rpn_conv = nn.Sequential(
            *(
                ConvModule(
                    before,
                    after,
                    3,
                    padding=1,
                    norm_cfg=self.norm_cfg,
                    inplace=False,
                )
                for before, after in zip(widths, widths[1:])
            )
        )

    def forward_single(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """mmdet's, in float32: boxes and NMS have none of half precision."""
        scores, deltas = super().forward_single(x)
        return scores.float(), deltas.float()
