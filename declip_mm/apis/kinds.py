"""Which config goes into which tool."""

from collections.abc import Sequence
from typing import Any

from mmengine.config import Config

from .launch import load_config
from .options import OptionError

__all__ = ['check_kind', 'inference_config', 'model_type']

#: What takes the model of a config.
_TAKEN_BY = {
    'DecoupledDistiller': 'tools/train.py',
    'ZeroShotModel': 'tools/test.py',
    'DenseCLIPSegmentor': 'tools/demo_seg.py (DeCLIPSegInferencer)',
    'OVCATSegmentor': 'tools/demo_seg.py (DeCLIPSegInferencer)',
    'FViT': 'tools/demo_det.py (DeCLIPDetInferencer)',
    'OVDQUO': 'tools/demo_det.py (DeCLIPDetInferencer)',
    'ObjectProposer': 'tools/dataset_converters/proposals.py',
}


def model_type(cfg: Config) -> str | None:
    """Name of the class that a config builds; None if it builds nothing."""
    model: Any = cfg.get('model')
    kind = model.get('type') if isinstance(model, dict) else None
    return kind and str(getattr(kind, '__name__', kind)).split('.')[-1]


def check_kind(cfg: Config, source: Any, allowed: Sequence[str]) -> None:
    """Refuse a config of another task.

    Args:
        cfg: The config.
        source: Its file, or the config itself, for the message.
        allowed: Names of model classes.

    Raises:
        OptionError: Says what takes it.
    """
    kind = model_type(cfg)
    if kind in allowed:
        return
    name = source if isinstance(source, str) else 'the config'
    what = f'builds a {kind}' if kind else 'has no model with a type'
    other = f' {kind} is for {_TAKEN_BY[kind]}.' if kind in _TAKEN_BY else ''
    raise OptionError(
        f'{name} {what}; here a config of {" or ".join(allowed)} is '
        f'wanted.{other}'
    )


def inference_config(
    model: str | Config, allowed: Sequence[str], home: str
) -> Config:
    """The config of an inferencer, refused if it cannot be one.

    Args:
        model: Config, or its file.
        allowed: Names of model classes.
        home: Folders with such configs, for the message.

    Raises:
        OptionError: Of another task, or without a test pipeline.
    """
    cfg = load_config(model) if isinstance(model, str) else model
    check_kind(cfg, model, allowed)
    data = (cfg.get('test_dataloader') or {}).get('dataset') or {}
    if 'pipeline' not in data:
        raise OptionError(
            f'{model if isinstance(model, str) else "the config"} has no '
            'test_dataloader.dataset.pipeline, which pictures go through; '
            f'take a config of {home}.'
        )
    return cfg
