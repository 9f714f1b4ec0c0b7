"""Where a CLIP model's architecture comes from: a name, a dict or a json."""

import copy
import difflib
import json
import os
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import open_clip
from mmengine.logging import print_log

from ...assets import resolve_asset
from ...checkpoint import told_activation

__all__ = [
    'Activation',
    'ModelConfig',
    'read_model_config',
    'say_unchecked',
    'settle_activation',
    'tag_settings',
]

#: Anything that names a CLIP architecture.
ModelConfig = str | dict[str, Any]

_REQUIRED = ('embed_dim', 'vision_cfg')
_KNOWN = {
    'embed_dim',
    'vision_cfg',
    'text_cfg',
    'quick_gelu',
    'custom_text',
    'multimodal_cfg',
    'init_logit_scale',
    'init_logit_bias',
    'nonscalar_logit_scale',
    'token_ids',
    'pixel_mean',
    'pixel_std',
    'name',
}


def read_model_config(model: ModelConfig) -> dict[str, Any]:
    """Read an open_clip-style model configuration.

    Args:
        model: An open_clip model name (``'EVA02-B-16'``), the path of a
            ``.json`` file (also in open_clip's hub layout, with
            ``model_cfg`` and ``preprocess_cfg``), or the configuration:
            ``embed_dim``, ``vision_cfg``, optionally ``text_cfg``,
            ``quick_gelu``, ``pixel_mean``, ``pixel_std`` (0 to 1) and
            ``token_ids``. A timm trunk takes further arguments in
            ``vision_cfg.timm_kwargs``.

    Returns:
        A copy that the caller may change.
    """
    if isinstance(model, dict):
        config, origin = copy.deepcopy(dict(model)), 'the given dict'
    elif isinstance(model, (str, Path)) and str(model).endswith('.json'):
        path = Path(resolve_asset(model))
        if not path.is_file():
            raise FileNotFoundError(
                f'model config {path} does not exist. Give the path of a '
                '.json file, an open_clip name or a dict.'
            )
        config, origin = _read_json(path), str(path)
        if 'model_cfg' in config:
            config = _from_hub_layout(config)
    elif isinstance(model, str):
        config, origin = open_clip.get_model_config(model), model
        if config is None:
            names = open_clip.list_models()
            close = difflib.get_close_matches(model, names, n=5, cutoff=0.4)
            raise ValueError(
                f'open_clip knows no model {model!r}. Close names: '
                f'{", ".join(close) or "none"}; open_clip.list_models() has '
                f'all {len(names)}, and a config dict is allowed too.'
            )
    else:
        raise TypeError(
            'model must be an open_clip name, a .json path or a dict, got '
            f'{type(model).__name__}.'
        )
    missing = [key for key in _REQUIRED if key not in config]
    unknown = sorted(set(config) - _KNOWN)
    if missing or unknown:
        raise ValueError(
            f'model config from {origin}: missing keys {missing}, unknown '
            f'keys {unknown}. Allowed: {sorted(_KNOWN)}.'
        )
    return config


def _read_json(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text('utf-8'))
    except ValueError as error:
        config = error
    if not isinstance(config, dict):
        raise ValueError(
            f'model config {path} holds no JSON object ({config!r:.80}). '
            f'Expected one with {", ".join(_REQUIRED)}, as open_clip has it.'
        )
    return config


def _from_hub_layout(content: dict[str, Any]) -> dict[str, Any]:
    """``open_clip_config.json`` of a hub repository -> one flat dict.

    It says all of its model: without ``quick_gelu`` it means GELU.
    """
    pixels = content.get('preprocess_cfg', {})
    config = dict(
        {'quick_gelu': False, **content['model_cfg']},
        pixel_mean=pixels.get('mean'),
        pixel_std=pixels.get('std'),
        token_ids=content.get('token_ids'),
    )
    return {key: value for key, value in config.items() if value is not None}


def tag_settings(model: ModelConfig, tag: str) -> dict[str, Any]:
    """What open_clip records of a pretrained tag (activation, pixels).

    Raises:
        ValueError: The tag does not exist; lists those that do.
    """
    tags = (
        open_clip.list_pretrained_tags_by_model(model)
        if isinstance(model, str)
        else []
    )
    if tag not in tags:
        raise ValueError(
            f'pretrained={tag!r} is neither an existing file nor an open_clip '
            f'tag of model {model!r}. Tags: {", ".join(tags) or "none"}.'
        )
    return open_clip.get_pretrained_cfg(model, tag)


class Activation(NamedTuple):
    """Which activation an OpenAI-type tower gets, and why.

    Attributes:
        quick_gelu: None where there is nothing to choose, as in EVA-02, or
            nothing that tells: GELU.
        by: ``'quick_gelu'`` or ``'the model config'`` where it was given, the
            tag, what tells it of the file, or ``''``.
    """

    quick_gelu: bool | None
    by: str

    @property
    def name(self) -> str:
        return 'quick_gelu' if self.quick_gelu else 'gelu'


def settle_activation(
    model: ModelConfig,
    pretrained: str | None = None,
    quick_gelu: bool | None = None,
) -> Activation:
    """The activation that a model's weights want, for either tower.

    Args:
        model: As :func:`read_model_config` takes it.
        pretrained: Weight file or open_clip tag.
        quick_gelu: As the user has it.

    Raises:
        ValueError: What is given contradicts what the file says.
    """
    config = read_model_config(model)
    if config['vision_cfg'].get('timm_model_name'):
        return Activation(quick_gelu, 'quick_gelu' * (quick_gelu is not None))
    given = Activation(quick_gelu, 'quick_gelu')
    if quick_gelu is None:
        given = Activation(config.get('quick_gelu'), 'the model config')
    name = model if isinstance(model, str) else None
    if not pretrained or not os.path.isfile(pretrained):
        tag = tag_settings(model, pretrained) if pretrained else {}
        if given.quick_gelu is None and 'quick_gelu' in tag:
            return Activation(tag['quick_gelu'], f'tag {pretrained}')
        return given if given.quick_gelu is not None else Activation(None, '')
    told = told_activation(pretrained, name)
    if given.quick_gelu is None:
        return Activation(*told) if told else Activation(None, '')
    if told and told.quick_gelu != given.quick_gelu:
        raise ValueError(
            f'{pretrained} wants {told.activation} ({told.by}), {given.by} '
            f'says {given.name}. Every layer would be off without any error: '
            f'leave quick_gelu out, or set it to {told.quick_gelu}'
            f'{told.unless}.'
        )
    return given


@cache
def say_unchecked(path: str, tower: str) -> None:
    """Warn, once a file, that nothing tells its activation."""
    print_log(
        f'{tower}: nothing in {path} or its name tells whether it wants GELU '
        'or QuickGELU, and no error would show; GELU is taken, unchecked. '
        'Weights of OpenAI, DFN and MetaCLIP want quick_gelu=True; setting '
        'quick_gelu to either silences this.',
        logger='current',
        level=30,
    )
