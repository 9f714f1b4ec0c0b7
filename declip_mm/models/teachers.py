"""Frozen teachers: the original CLIP for content, a VFM for context."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F
from mmengine.logging import print_log
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import Tensor

from ..checkpoint import read_checkpoint
from .vfm import open_source

__all__ = ['CLIPCropTeacher', 'FrozenTeacher', 'VFMTeacher']


class FrozenTeacher(BaseModule):
    """A network that is only looked at.

    Four promises: it takes no gradient, stays in eval mode for ever, brings
    its own pixel statistics, and is absent from checkpoints.

    Attributes:
        pixel_mean, pixel_std: Of RGB in 0 to 1, as its weights want them.
        absent: Whether a state dict leaves it out.
    """

    pixel_mean: tuple
    pixel_std: tuple
    absent: bool = True
    _is_init: bool  # mmengine's

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
        module: nn.Module, state: dict[str, Any], prefix: str, *_: Any
    ) -> None:
        if not module.absent:
            return
        for key in [k for k in state if k.startswith(prefix)]:
            del state[key]

    def _keep_own(self, state: dict[str, Any], prefix: str, *_: Any) -> None:
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
        batch: Most crops at a time, whatever a step brings: it bounds the
            memory of activations.
    """

    def __init__(self, backbone: dict, batch: int = 256) -> None:
        super().__init__()
        if not isinstance(batch, int) or batch < 1:
            raise ValueError(
                f'batch must be a whole number of 1 or more, got {batch!r}: '
                'it is how many crops the teacher looks at at a time.'
            )
        self.batch = batch
        self.backbone = MODELS.build(backbone)
        self.pixel_mean = self.backbone.pixel_mean
        self.pixel_std = self.backbone.pixel_std
        self.out_dim = self.backbone.visual.out_dim
        self.freeze()

    @property
    def fingerprint(self) -> dict:
        """What decides the embeddings beside the weights."""
        own = dict(self.backbone.fingerprint)
        for immaterial in ('affinity', 'scale', 'decoupling'):
            own.pop(immaterial)
        return own

    @torch.no_grad()
    def forward(
        self, crops: Tensor, data_samples: list | None = None
    ) -> Tensor:
        """(K, 3, c, c) -> (K, C), L2-normalised."""
        if crops is None:
            raise ValueError(
                'the crop teacher got no crops: set crop_size of the views, '
                'or use a filled CropCache.'
            )
        if not len(crops):  # a batch without a single valid box
            return crops.new_zeros(0, self.out_dim)
        found = [
            self.backbone.forward_image(part).float()
            for part in crops.split(self.batch)
        ]
        return F.normalize(torch.cat(found), dim=-1)


@MODELS.register_module()
class VFMTeacher(FrozenTeacher):
    """Patch features of a vision foundation model.

    Any network of timm or mmpretrain that gives a dense map: DINO, DINOv2
    (with and without registers), DINOv3, SAM, SAM 2, RADIO and others, see
    :class:`~declip_mm.models.vfm.TimmSource`.

    Args:
        model: timm model name; ``'mmpretrain:NAME'``; or the config of a
            backbone of mmpretrain.
        pretrained: Weight file, with the library's or the publisher's keys
            (strict), or True for the library's own weights, which
            :meth:`init_weights` may download.
        layer: Index of the feature level that is taken. None is the last of
            a plain network and that of stride 16 of a hierarchical one.
        norm: ``'model'``: the model's final norm, where the level has one;
            ``'plain'``: a LayerNorm without weights; ``'none'``.
        timm_kwargs: Further arguments of ``timm.create_model``.
        pixel_mean, pixel_std: Of RGB in 0 to 1, where they are not those
            that the library has for the model.

    Attributes:
        stride: Pixels per cell of the map.
    """

    def __init__(
        self,
        model: str | dict[str, Any],
        pretrained: Any = None,
        layer: int | None = None,
        norm: str = 'model',
        timm_kwargs: dict | None = None,
        pixel_mean: Sequence[float] | None = None,
        pixel_std: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        if norm not in ('model', 'plain', 'none'):
            raise ValueError(
                f"norm={norm!r} is unknown; allowed: 'model', 'plain', 'none'."
            )
        self.model, self.pretrained, self.norm = model, pretrained, norm
        self.timm_kwargs = dict(timm_kwargs or {})
        source = open_source(model, layer, norm == 'model', timm_kwargs)
        self.source, self.trunk = source, source.trunk
        self.layer, self.stride = source.layer, source.stride
        self.pixel_mean = tuple(pixel_mean or source.pixel_mean)
        self.pixel_std = tuple(pixel_std or source.pixel_std)
        self.freeze()

    def init_weights(self) -> None:
        """Load ``pretrained``; says so where there is none."""
        if self._is_init:
            return
        self._is_init = True
        if self.pretrained is True:
            self.source.load(self.source.published(), 'the published file')
        elif self.pretrained:
            weights, _ = read_checkpoint(self.pretrained)
            self.source.load(weights, str(self.pretrained))
        else:
            print_log(
                f'VFMTeacher({self.source.name}) has random weights: '
                'pretrained is not set.',
                logger='current',
                level=30,
            )

    @property
    def fingerprint(self) -> dict:
        """What decides the features (plain values)."""
        own = dict(
            model=self.model,
            pretrained=str(self.pretrained),
            layer=self.layer,
            norm=self.norm,
        )
        if self.timm_kwargs:
            own['timm_kwargs'] = self.timm_kwargs
        return own

    @torch.no_grad()
    def forward(
        self, image: Tensor, data_samples: list | None = None
    ) -> Tensor:
        """(B, 3, V, V) -> dense map (B, D', h, w)."""
        if image is None:
            raise ValueError(
                'the VFM teacher got no view: set vfm_size of the views, or '
                'use a filled VFMCache.'
            )
        features = self.source.features(image)
        if self.norm == 'plain':
            channels = features.shape[1:2]
            features = features.movedim(1, -1)
            features = F.layer_norm(features, channels).movedim(-1, 1)
        return features
