"""What the command lines and other programs call."""

import importlib
from typing import TYPE_CHECKING

# A module and a function share a name here: what is imported later would put
# the module in the function's place.
from .command import DEBUG, Stopped, command, say_what_is_kept
from .figure_key import figure_key
from .options import (
    ConfigOptions,
    OptionError,
    add_shared,
    at_least,
    check_options,
    help_first,
    parse,
    runner_parser,
    tool_parser,
)

if TYPE_CHECKING:  # the same as _LATE below
    from ..engine import use_safe_storage
    from .backbones import (
        WEIGHT_WORDS,
        list_models,
        load_backbone,
        load_vfm,
        read_lines,
    )
    from .config_check import check_config
    from .det_inferencer import DeCLIPDetInferencer
    from .devices import check_device
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
    from .results import (
        writable_file,
        writable_folder,
        write_json,
        write_text,
    )
    from .resume import find_resume_point, how_to_go_on
    from .seg_inferencer import DeCLIPSegInferencer

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
    'help_first',
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

#: What needs torch, or mmdet or mmseg, is imported when it is asked for: a
#: tool that prints its help needs none of them. Module -> its names.
_LATE = {
    name: module
    for module, names in {
        '..engine': 'use_safe_storage',
        '.backbones': 'WEIGHT_WORDS list_models load_backbone load_vfm '
        'read_lines',
        '.config_check': 'check_config',
        '.det_inferencer': 'DeCLIPDetInferencer',
        '.devices': 'check_device',
        '.kinds': 'check_kind',
        '.launch': 'build_runner check_checkpoint check_parts '
        'init_distributed leave_distributed left_out_of_test load_config '
        'loaded_runner measure_or_keep run_test switch_amp '
        'switch_compile',
        '.results': 'writable_file writable_folder write_json write_text',
        '.resume': 'find_resume_point how_to_go_on',
        '.seg_inferencer': 'DeCLIPSegInferencer',
    }.items()
    for name in names.split()
}


def __getattr__(name: str) -> object:
    if name not in _LATE:
        raise AttributeError(f'module {__name__!r} has no {name!r}')
    module = importlib.import_module(_LATE[name], __name__)
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
