"""What the command lines and other programs call."""

import importlib

from ..engine import use_safe_storage
from .arguments import add_shared_options, parse
from .backbones import WEIGHT_WORDS, load_backbone, load_vfm, read_lines
from .check_config import check_config
from .kept import figure_key
from .launch import (
    build_runner,
    check_checkpoint,
    init_distributed,
    leave_distributed,
    load_config,
    run_test,
    switch_amp,
)
from .options import OptionError, check_options
from .resume import find_resume_point

__all__ = [
    'WEIGHT_WORDS',
    'DeCLIPDetInferencer',  # noqa: F822  (see __getattr__)
    'DeCLIPSegInferencer',  # noqa: F822
    'OptionError',
    'add_shared_options',
    'build_runner',
    'check_checkpoint',
    'check_config',
    'check_options',
    'figure_key',
    'find_resume_point',
    'init_distributed',
    'leave_distributed',
    'load_backbone',
    'load_config',
    'load_vfm',
    'parse',
    'read_lines',
    'run_test',
    'switch_amp',
    'use_safe_storage',
]

#: What needs mmdet or mmseg is imported when it is asked for.
_LATE = {
    'DeCLIPDetInferencer': 'det_inferencer',
    'DeCLIPSegInferencer': 'seg_inferencer',
}


def __getattr__(name: str) -> object:
    if name not in _LATE:
        raise AttributeError(f'module {__name__!r} has no {name!r}')
    module = importlib.import_module(f'.{_LATE[name]}', __name__)
    return getattr(module, name)
