"""Where a backbone's architecture, activation and weights come from."""

import json
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from mmengine.logging import print_log

from ..assets import resolve_asset
from ..checkpoint import load_image_tower
from .download import fetch_tag
from .towers import (
    Activation,
    ModelConfig,
    Tower,
    read_model_config,
    say_unchecked,
    settle_activation,
    tag_settings,
)

if TYPE_CHECKING:
    from .declip_vit import DeCLIPViT

__all__ = ['Origin', 'fill_backbone', 'resolve_origin']


class Origin(NamedTuple):
    """What the options ``model`` and ``pretrained`` amount to.

    Attributes:
        config: open_clip-style configuration.
        pretrained: Weight file or tag; None for random weights.
        tag: What open_clip records of the tag; empty for a file.
        activation: Of an OpenAI-type ViT, and what says so.
    """

    config: dict[str, Any]
    pretrained: str | None
    tag: dict[str, Any]
    activation: Activation

    def architecture(self, model: ModelConfig) -> dict[str, Any]:
        """What a fingerprint adds of a model that has no name."""
        if isinstance(model, str) and not model.endswith('.json'):
            return {}
        text = ('text_cfg', 'token_ids', 'name')
        kept = {k: v for k, v in self.config.items() if k not in text}
        # Plain values: a ConfigDict would need code to be read back.
        return dict(architecture=json.loads(json.dumps(kept)))

    def pixels(self, kind: str, tower: Tower) -> tuple:
        """Pixel ``'mean'`` or ``'std'``: the config's, tag's or tower's."""
        return tuple(
            self.config.get(f'pixel_{kind}')
            or self.tag.get(kind)
            or getattr(tower, f'pixel_{kind}')
        )


def resolve_origin(
    model: ModelConfig,
    pretrained: str | None,
    quick_gelu: bool | None,
    init_cfg: dict | None = None,
) -> Origin:
    """Read the configuration and the tag, and what a file says of itself.

    Downloads nothing. The file of ``init_cfg`` need not be there yet.
    """
    config, tag = read_model_config(model), {}
    pretrained = pretrained and resolve_asset(pretrained)
    if pretrained is not None and not os.path.isfile(pretrained):
        tag = tag_settings(model, pretrained)
    source = pretrained
    if init_cfg and os.path.isfile(init_cfg.get('checkpoint') or ''):
        source = init_cfg['checkpoint']
    activation = settle_activation(model, source, quick_gelu)
    return Origin(config, pretrained, tag, activation)


def fill_backbone(backbone: 'DeCLIPViT', init_cfg: dict | None) -> None:
    """Load a DeCLIPViT from its ``pretrained`` or ``init_cfg``, strictly."""
    init = init_cfg or {}
    if init and init.get('type') != 'Pretrained':
        raise ValueError(
            f'init_cfg type {init.get("type")!r} is not supported; use '
            "dict(type='Pretrained', checkpoint=..., prefix=...)."
        )
    if init and not init.get('checkpoint'):
        raise ValueError(
            f'init_cfg={dict(init)} names no file; use '
            "dict(type='Pretrained', checkpoint=..., prefix=...)."
        )
    path, prefix = backbone.pretrained, None
    if backbone.tag:
        wanted_by = f'DeCLIPViT({backbone.model}, {backbone.pretrained})'
        path = fetch_tag(backbone.tag, wanted_by)
    if init:
        path, prefix = init['checkpoint'], init.get('prefix')
    if path is None:
        print_log(
            f'DeCLIPViT({backbone.model}) has random weights: neither '
            'pretrained nor init_cfg is set.',
            logger='current',
            level=30,
        )
        return
    trunk = backbone.visual.trunk
    backbone.file_says = load_image_tower(
        trunk, path, backbone.fingerprint, prefix
    )
    chosen = backbone.visual.activation in ('gelu', 'quick_gelu')
    if chosen and not (backbone.tag or backbone.activation_by):
        say_unchecked(path, 'image tower')
    print_log(
        f'DeCLIPViT({backbone.model}): {path}. Decoupled: '
        f'{backbone.visual.decoupling}.',
        logger='current',
    )
