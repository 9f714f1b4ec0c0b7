"""Backbones of mmpretrain; the package is imported when one is asked for."""

import importlib
import inspect
from typing import Any

import torch
from mmengine.registry import DefaultScope
from torch import Tensor

from ..download import fetch_url
from .source import VFMSource

__all__ = ['MMPretrainSource', 'fetch_mmpretrain']

_MEAN, _STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
_PROBE = 224


class MMPretrainSource(VFMSource):
    """A backbone of mmpretrain and its last dense map.

    Args:
        model: Name of a model (``'vit-base-p14_dinov2-pre_3rdparty'``) or
            config of a backbone. Its ``type`` needs no scope.
        layer: What ``out_indices`` is set to; None leaves the backbone's.
    """

    def __init__(self, model: str | dict[str, Any], layer: int | None) -> None:
        package = _import()
        pixels: dict[str, Any] = {}
        self.published_name = model if isinstance(model, str) else None
        if isinstance(model, str):
            config, pixels = _read_named(package, model)
        else:
            config = dict(model)
        kind = package.registry.MODELS.get(config['type'])
        if kind is None:
            raise ValueError(
                f'mmpretrain has no backbone {config["type"]!r}. '
                "mmpretrain.list_models() has the names for 'mmpretrain:...'."
            )
        self.name = f'mmpretrain {self.published_name or config["type"]}'
        _ask_for_map(config, kind, self.name)
        if layer is not None:
            config['out_indices'] = (layer,)
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            self.trunk = package.registry.MODELS.build(config)
        self.layer = -1 if layer is None else layer
        self.stride = self._measure_stride()
        # ViTs of mmpretrain refuse what is no whole number of patches.
        patch = getattr(self.trunk, 'patch_size', None)
        self.divisor = self.stride if patch else max(32, self.stride)
        self.pixel_mean = _shares(pixels.get('mean') or _MEAN)
        self.pixel_std = _shares(pixels.get('std') or _STD)

    @torch.no_grad()
    def _measure_stride(self) -> int:
        """From one small picture; refuses what gives no map."""
        self.trunk.eval()
        found = self.dense(torch.zeros(1, 3, _PROBE, _PROBE))
        return round(_PROBE / found.shape[-1])

    def dense(self, image: Tensor) -> Tensor:
        found = self.trunk(image)
        found = found[-1] if isinstance(found, (tuple, list)) else found
        if not isinstance(found, Tensor) or found.ndim != 4:
            form = getattr(found, 'shape', type(found).__name__)
            raise ValueError(
                f'{self.name} gives no dense map: its output is {form}, '
                'expected (B, D, h, w). ViTs of mmpretrain need out_type='
                "'featmap'; choose a backbone whose out_indices are maps."
            )
        return found

    def own_layout(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        prefix = 'backbone.'
        inner = {
            k[len(prefix) :]: v
            for k, v in weights.items()
            if k.startswith(prefix)
        }
        return inner or weights

    def published(self) -> dict[str, Tensor]:
        if self.published_name is None:
            raise ValueError(
                f'{self.name} is given as a config, which has no published '
                'weights: set pretrained to a file.'
            )
        path = fetch_mmpretrain(self.published_name)
        whole = _import().get_model(self.published_name, pretrained=path)
        return whole.backbone.state_dict()


def fetch_mmpretrain(name: str) -> str:
    """File of mmpretrain's own weights of a model.

    Raises:
        DownloadError: It is not here and cannot be fetched.
        ValueError: There are none.
    """
    url = _known(_import(), name).weights
    if not url:
        raise ValueError(
            f'mmpretrain has no published weights of {name!r}; set '
            'pretrained to a file.'
        )
    return fetch_url(url, f'VFMTeacher(mmpretrain:{name})')


def _import() -> Any:
    try:
        package = importlib.import_module('mmpretrain')
        importlib.import_module('mmpretrain.models')
    except ImportError as error:
        raise ImportError(
            f'a backbone of mmpretrain is asked for, but it cannot be '
            f'imported ({error}). pip install onedl-mmpretrain, or name a '
            'model of timm.'
        ) from error
    return package


def _known(package: Any, name: str) -> Any:
    try:
        return package.ModelHub.get(name)
    except ValueError as error:
        raise ValueError(
            f'mmpretrain knows no model {name!r}; mmpretrain.list_models() '
            'has the names.'
        ) from error


def _read_named(package: Any, name: str) -> tuple:
    config = _known(package, name).config
    pixels = config.model.get('data_preprocessor')
    pixels = pixels or config.get('data_preprocessor') or {}
    return config.model.backbone.to_dict(), pixels


def _ask_for_map(config: dict[str, Any], kind: type, name: str) -> None:
    """ViTs choose between class token, tokens and map by ``out_type``."""
    if 'out_type' not in inspect.signature(kind).parameters:
        return
    given = config.setdefault('out_type', 'featmap')
    if given != 'featmap':
        raise ValueError(
            f'{name} gives no dense map with out_type={given!r}; set it to '
            "'featmap' or leave it out."
        )


def _shares(values: Any) -> tuple:
    return tuple(float(v) / 255 for v in values)
