"""Which config goes into which tool."""

from collections.abc import Sequence
from typing import Any

from mmengine.config import Config

from .options import OptionError

__all__ = ['check_kind', 'model_type']

#: What takes the model of a config.
_TAKEN_BY = {
    'DecoupledDistiller': 'tools/train.py',
    'ZeroShotModel': 'tools/test.py',
    'DenseCLIPSegmentor': 'tools/demo_seg.py (DeCLIPSegInferencer)',
    'OVCATSegmentor': 'tools/demo_seg.py (DeCLIPSegInferencer)',
    'FViT': 'tools/demo_det.py (DeCLIPDetInferencer)',
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
