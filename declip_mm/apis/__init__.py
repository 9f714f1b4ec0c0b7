"""What the command lines and other programs call."""

import importlib

from ..engine import use_safe_storage
from .backbones import (
    WEIGHT_WORDS,
    list_models,
    load_backbone,
    load_vfm,
    read_lines,
)
from .check_config import check_config
from .command import DEBUG, Stopped, command, say_what_is_kept
from .devices import check_device
from .figure_key import figure_key
from .kinds import check_kind
from .launch import (
    build_runner,
    check_checkpoint,
    check_parts,
    init_distributed,
    leave_distributed,
    left_out_of_test,
    load_config,
    loaded_runner,
    measure_or_keep,
    run_test,
    switch_amp,
    switch_compile,
)
from .options import (
    ConfigOptions,
    OptionError,
    add_shared,
    at_least,
    check_options,
    parse,
    runner_parser,
    tool_parser,
)
from .results import writable_file, writable_folder, write_json, write_text
from .resume import find_resume_point, how_to_go_on

__all__ = [
    'DEBUG',
    'WEIGHT_WORDS',
    'ConfigOptions',
    'DeCLIPDetInferencer',
    'DeCLIPSegInferencer',
    'OptionError',
    'Stopped',
    'add_shared',
    'at_least',
    'build_runner',
    'check_checkpoint',
    'check_config',
    'check_device',
    'check_kind',
    'check_options',
    'check_parts',
    'command',
    'figure_key',
    'find_resume_point',
    'how_to_go_on',
    'init_distributed',
    'leave_distributed',
    'left_out_of_test',
    'list_models',
    'load_backbone',
    'load_config',
    'load_vfm',
    'loaded_runner',
    'measure_or_keep',
    'parse',
    'read_lines',
    'run_test',
    'runner_parser',
    'say_what_is_kept',
    'switch_amp',
    'switch_compile',
    'tool_parser',
    'use_safe_storage',
    'writable_file',
    'writable_folder',
    'write_json',
    'write_text',
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
