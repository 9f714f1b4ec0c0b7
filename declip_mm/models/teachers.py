"""Frozen teachers: the original CLIP for content, a VFM for context."""

from typing import Any, Dict, List, Optional

import timm
import torch
import torch.nn as nn
import torch.nn.functional as F
from mmengine.logging import print_log
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import Tensor

from ..checkpoint import read_checkpoint

__all__ = ['CLIPCropTeacher', 'FrozenTeacher', 'VFMTeacher']


class FrozenTeacher(BaseModule):
    """A network that is only looked at.

    Four promises: it takes no gradient, stays in eval mode for ever, brings
    its own pixel statistics, and is absent from checkpoints.

    Attributes:
        pixel_mean, pixel_std: Of RGB in 0 to 1, as its weights want them.
    """

    pixel_mean: tuple
    pixel_std: tuple

    def __init__(self) -> None:
        super().__init__()
        self._register_state_dict_hook(self._leave_out)
        self._register_load_state_dict_pre_hook(self._keep_own)

    def freeze(self) -> None:
        """Call once, when all sub-modules exist."""
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> 'FrozenTeacher':
        return super().train(False)

    @staticmethod
    def _leave_out(
        module: nn.Module, state: Dict[str, Any], prefix: str, *_
    ) -> None:
        for key in [k for k in state if k.startswith(prefix)]:
            del state[key]

    def _keep_own(self, state: Dict[str, Any], prefix: str, *_) -> None:
        # A student's checkpoint has none of the teacher's keys; strict
        # loading finds the teacher's own weights instead.
        for name, child in self.named_children():
            for key, own in child.state_dict(prefix=f'{name}.').items():
                state.setdefault(prefix + key, own)


@MODELS.register_module()
class CLIPCropTeacher(FrozenTeacher):
    """The original CLIP, looking at every crop on its own (eq. 7).

    Args:
        backbone: Config of a :class:`DeCLIPViT` with the original weights;
            its image embedding is used, so affinity and scale are immaterial.
    """

    def __init__(self, backbone: dict) -> None:
        super().__init__()
        self.backbone = MODELS.build(backbone)
        self.pixel_mean = self.backbone.pixel_mean
        self.pixel_std = self.backbone.pixel_std
        self.out_dim = self.backbone.visual.out_dim
        self.freeze()

    @torch.no_grad()
    def forward(
        self, crops: Tensor, data_samples: Optional[List] = None
    ) -> Tensor:
        """(K, 3, c, c) -> (K, C), L2-normalised."""
        if not len(crops):  # a batch without a single valid box
            return crops.new_zeros(0, self.out_dim)
        return F.normalize(self.backbone.forward_image(crops).float(), dim=-1)


@MODELS.register_module()
class VFMTeacher(FrozenTeacher):
    """Patch features of a vision foundation model of timm.

    Args:
        model: timm model name (DINO, DINOv2, SAM, ...).
        pretrained: Weight file with timm's keys (strict), or True for timm's
            own weights, which :meth:`init_weights` may download.
        layer: Index of the block whose output is taken; None is the last.
        norm: ``'model'``: the model's final norm; ``'plain'``: a LayerNorm
            without weights; ``'none'``.
        timm_kwargs: Further arguments of ``timm.create_model``.
    """

    def __init__(
        self,
        model: str,
        pretrained: Any = None,
        layer: Optional[int] = None,
        norm: str = 'model',
        timm_kwargs: Optional[dict] = None,
    ) -> None:
        super().__init__()
        if norm not in ('model', 'plain', 'none'):
            raise ValueError(
                f"norm={norm!r} is unknown; allowed: 'model', 'plain', 'none'."
            )
        self.model, self.pretrained, self.norm = model, pretrained, norm
        options = dict(num_classes=0, **(timm_kwargs or {}))
        self.trunk = self._create(model, options)
        depth = len(self.trunk.feature_info)
        self.layer = depth - 1 if layer is None else layer
        if not 0 <= self.layer < depth:
            raise ValueError(
                f'layer={layer} is out of range: {model} has {depth} feature '
                f'levels, allowed are 0 to {depth - 1}.'
            )
        config = self.trunk.pretrained_cfg
        self.pixel_mean = tuple(config['mean'])
        self.pixel_std = tuple(config['std'])
        self.freeze()

    @staticmethod
    def _create(model: str, options: dict) -> nn.Module:
        if not timm.is_model(model.split('.')[0]):
            close = ', '.join(timm.list_models(f'*{model[:8]}*')[:5])
            raise ValueError(
                f'timm knows no model {model!r}. Names like it: '
                f'{close or "none"}; timm.list_models() has all.'
            )
        try:
            return timm.create_model(model, dynamic_img_size=True, **options)
        except (
            TypeError
        ):  # convolutional and hierarchical models take any size
            return timm.create_model(model, **options)

    def init_weights(self) -> None:
        """Load ``pretrained``; says so where there is none."""
        if self._is_init:
            return
        self._is_init = True
        if self.pretrained is True:
            source = timm.create_model(
                self.model, pretrained=True, num_classes=0
            )
            self.trunk.load_state_dict(source.state_dict())
        elif self.pretrained:
            weights, _ = read_checkpoint(self.pretrained)
            self.trunk.load_state_dict(weights)
        else:
            print_log(
                f'VFMTeacher({self.model}) has random weights: pretrained is '
                'not set.',
                logger='current',
                level=30,
            )

    @property
    def fingerprint(self) -> dict:
        """What decides the features (plain values)."""
        return dict(
            model=self.model,
            pretrained=str(self.pretrained),
            layer=self.layer,
            norm=self.norm,
        )

    @torch.no_grad()
    def forward(
        self, image: Tensor, data_samples: Optional[List] = None
    ) -> Tensor:
        """(B, 3, V, V) -> dense map (B, D', h, w)."""
        (features,) = self.trunk.forward_intermediates(
            image,
            indices=[self.layer],
            norm=self.norm == 'model',
            intermediates_only=True,
            output_fmt='NCHW',
        )
        if self.norm == 'plain':
            channels = features.shape[1:2]
            features = features.movedim(1, -1)
            features = F.layer_norm(features, channels).movedim(-1, 1)
        return features
