"""What the command lines and other programs call."""

from .launch import (
    build_runner,
    check_checkpoint,
    find_resume_point,
    init_distributed,
    leave_distributed,
    load_config,
    switch_amp,
)
from .options import OptionError, check_options

__all__ = [
    'OptionError',
    'build_runner',
    'check_checkpoint',
    'check_options',
    'find_resume_point',
    'init_distributed',
    'leave_distributed',
    'load_config',
    'switch_amp',
]
