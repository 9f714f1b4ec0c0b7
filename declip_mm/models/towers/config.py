"""Where a CLIP model's architecture comes from: a name, a dict or a json."""

import copy
import difflib
import json
from pathlib import Path
from typing import Any, Dict, Union

import open_clip

from ...assets import resolve_asset

__all__ = ['ModelConfig', 'read_model_config', 'tag_settings']

#: Anything that names a CLIP architecture.
ModelConfig = Union[str, Dict[str, Any]]

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


def read_model_config(model: ModelConfig) -> Dict[str, Any]:
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


def _read_json(path: Path) -> Dict[str, Any]:
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


def _from_hub_layout(content: Dict[str, Any]) -> Dict[str, Any]:
    """``open_clip_config.json`` of a hub repository -> one flat dict."""
    pixels = content.get('preprocess_cfg', {})
    config = dict(
        content['model_cfg'],
        pixel_mean=pixels.get('mean'),
        pixel_std=pixels.get('std'),
        token_ids=content.get('token_ids'),
    )
    return {key: value for key, value in config.items() if value is not None}


def tag_settings(model: ModelConfig, tag: str) -> Dict[str, Any]:
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
