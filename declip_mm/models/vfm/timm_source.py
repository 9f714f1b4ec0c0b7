"""Backbones of timm: DINO, DINOv2, DINOv3, SAM, SAM 2, RADIO and others."""

import inspect
import sys
from typing import Any

import timm
from torch import Tensor

from ..download import fetch_from_hub, fetch_url
from .source import VFMSource

__all__ = ['TimmSource', 'fetch_timm']

#: Coarsest useful level of a hierarchical network.
_STRIDE = 16

#: What lets a network take any picture size, most specific first.
_ANY_SIZE: tuple[dict[str, bool], ...] = (
    dict(dynamic_img_size=True),
    dict(strict_img_size=False),
    {},
)

#: How timm calls weights on the hub, best first.
_HUB_NAMES = ('model.safetensors', 'pytorch_model.bin')

#: Where published files put the network that a teacher needs.
_PREFIXES = ('image_encoder.trunk.', 'backbone.', 'trunk.')


class TimmSource(VFMSource):
    """A network of timm, prefix tokens dropped.

    A plain ViT (DINO, DINOv2, DINOv3, RADIO) gives its patch tokens after the
    final norm, SAM the output of its neck, a hierarchical network (SAM 2's
    Hiera, ConvNeXt, ResNet...) its level of stride 16. SAM's position tables
    and Hiera's are resized to the picture.

    Args:
        name: timm model name, with or without a tag.
        layer: Feature level; None is the last of a plain network, that of
            stride 16 of a hierarchical one.
        final_norm: Apply a plain network's final norm (SAM: its neck).
        options: Further arguments of ``timm.create_model``.
    """

    def __init__(
        self,
        name: str,
        layer: int | None,
        final_norm: bool,
        options: dict[str, Any],
    ) -> None:
        self.name = name
        self.options = dict(num_classes=0, **options)
        self.trunk = self._create()
        self._check_dense()
        strides = [
            _number(info['reduction']) for info in self.trunk.feature_info
        ]
        self.layer = self._level(strides, layer)
        self.stride = strides[self.layer]
        hierarchical = len(set(strides)) > 1
        # A level in the middle of a hierarchy has no norm of its own.
        self.final_norm = final_norm and not hierarchical
        # Hiera tiles a table of 8 x 8 cells over its level of stride 4.
        self.divisor = max(32, *strides) if hierarchical else self.stride
        config = self.trunk.pretrained_cfg
        self.pixel_mean = tuple(config['mean'])
        self.pixel_std = tuple(config['std'])

    def _create(self) -> Any:
        if not timm.is_model(self.name.split('.')[0]):
            close = ', '.join(timm.list_models(f'*{self.name[:8]}*')[:5])
            raise ValueError(
                f'timm knows no model {self.name!r}. Names like it: '
                f'{close or "none"}; timm.list_models() has all, and '
                "'mmpretrain:NAME' or a config dict name one of mmpretrain."
            )
        for any_size in _ANY_SIZE:
            arguments = {**any_size, **self.options}
            try:
                return timm.create_model(self.name, **arguments)
            except TypeError as error:
                refused = error
        raise ValueError(
            f'timm cannot build {self.name!r} with {self.options}: {refused}.'
        ) from refused

    def _check_dense(self) -> None:
        kind = type(self.trunk)
        method = getattr(kind, 'forward_intermediates', None)
        if method is None or not getattr(self.trunk, 'feature_info', None):
            raise ValueError(
                f'{self.name!r} gives no dense map: timm has no intermediate '
                f'features of a {kind.__name__}. Take a network with '
                'forward_intermediates, such as a ViT, Hiera or ConvNeXt.'
            )
        if 'output_fmt' not in inspect.signature(method).parameters:
            raise ValueError(
                f'{self.name!r} gives no dense map: the features of a '
                f'{kind.__name__} have no picture layout.'
            )

    def _level(self, strides: list, layer: int | None) -> int:
        depth = len(strides)
        if layer is None:
            fine = [i for i, s in enumerate(strides) if s <= _STRIDE]
            return fine[-1] if fine else depth - 1
        if not 0 <= layer < depth:
            raise ValueError(
                f'layer={layer} is out of range: {self.name} has {depth} '
                f'feature levels, allowed are 0 to {depth - 1}.'
            )
        return layer

    def dense(self, image: Tensor) -> Tensor:
        try:
            (features,) = self.trunk.forward_intermediates(
                image,
                indices=[self.layer],
                norm=self.final_norm,
                intermediates_only=True,
                output_fmt='NCHW',
            )
        except AssertionError as error:  # how timm refuses a size
            raise ValueError(
                f'{self.name} takes no pictures of {tuple(image.shape[2:])} '
                f'px: {error} Set vfm_size to its size, or its size to yours '
                'with timm_kwargs=dict(img_size=...).'
            ) from error
        return features

    def own_layout(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        for prefix in _PREFIXES:
            inner = {
                k[len(prefix) :]: v
                for k, v in weights.items()
                if k.startswith(prefix)
            }
            if inner:
                weights = inner
                break
        # timm knows how its own names differ from the publishers'.
        library = sys.modules[type(self.trunk).__module__]
        convert = getattr(library, 'checkpoint_filter_fn', None)
        if convert is None:
            return weights
        key = 'patch_embed.proj.weight'
        patches = weights.get(key)
        own = convert(weights, self.trunk)
        if patches is not None and patches.ndim == 4:
            own[key] = patches  # timm would resize those of another network
        return own

    def published(self) -> dict[str, Tensor]:
        source = timm.create_model(
            self.name,
            pretrained=True,
            pretrained_cfg_overlay=dict(file=fetch_timm(self.name)),
            **self.options,
        )
        return source.state_dict()

    def classifier(self) -> tuple[str, ...]:
        named = self.trunk.pretrained_cfg.get('classifier') or ()
        named = (named,) if isinstance(named, str) else tuple(named)
        return ('head.', *(f'{name}.' for name in named))


def _number(reduction: Any) -> int:
    """timm writes a stride as a number or as one per side."""
    if isinstance(reduction, (tuple, list)):
        return int(max(reduction))
    return int(reduction)


def fetch_timm(name: str) -> str:
    """File of timm's own weights of a model.

    Raises:
        DownloadError: It is not here and cannot be fetched.
        ValueError: There are none.
    """
    config = timm.get_pretrained_cfg(name)
    wanted_by = f'VFMTeacher({name})'
    if config is not None and config.hf_hub_id:
        repository, _, revision = config.hf_hub_id.partition('@')
        own = config.hf_hub_filename
        names = (own,) if own else _HUB_NAMES
        return fetch_from_hub(repository, names, wanted_by, revision or None)
    if config is not None and config.url:
        return fetch_url(str(config.url), wanted_by)
    raise ValueError(
        f'timm has no published weights of {name!r}; set pretrained to a '
        'file, or take a name with a tag: timm.list_pretrained() has them.'
    )
