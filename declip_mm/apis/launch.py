"""From a config file and a command line to a Runner."""

import gc
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from .options import OptionError, check_options

AMP = 'AmpOptimWrapper'
DDP = 'MMDistributedDataParallel'


def load_config(
    path: str,
    options: Mapping[str, Any] | None = None,
    work_dir: str | None = None,
    allow_new_options: bool = False,
) -> Config:
    """Reads a config and merges the options of the command line into it.

    Args:
        path: Config file.
        options: Dotted key to value.
        work_dir: Where to write; otherwise what the config says, otherwise
            ``work_dirs/<name of the config>``.
        allow_new_options: Merge keys, too, that nobody is known to read.

    Raises:
        OptionError: No such file, or an option that the config does not know.
    """
    if not Path(path).is_file():
        raise OptionError(_no_file('config', Path(path), '*.py'))
    cfg = Config.fromfile(path)
    if options:
        if not allow_new_options:
            check_options(cfg, options)
        cfg.merge_from_dict(dict(options))
    if work_dir is not None:
        cfg.work_dir = work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs') / Path(path).stem)
    return cfg


def check_checkpoint(path: str) -> str:
    """Returns ``path``; a local file has to exist (``s3://...`` may not).

    Raises:
        OptionError: Names the checkpoints that lie beside it.
    """
    if '://' not in path and not Path(path).is_file():
        raise OptionError(_no_file('checkpoint', Path(path), '*.pth'))
    return path


def _no_file(what: str, path: Path, pattern: str) -> str:
    beside = sorted(p.name for p in path.parent.glob(pattern))[:8]
    there = (
        f'{path.parent} has {", ".join(beside)}'
        if beside
        else f'{path.parent} has no {pattern} either'
        if path.parent.is_dir()
        else f'the folder {path.parent} does not exist either'
    )
    return f'no {what} file {path}: {there}'


def accelerator_available() -> bool:
    """True where mmengine trains in mixed precision: CUDA, NPU, MLU, MUSA."""
    return get_device() not in ('cpu', 'mps')


def switch_amp(cfg: Config, amp: bool | None) -> None:
    """Turns automatic mixed precision on or off, in place.

    Args:
        cfg: Config with an ``optim_wrapper``.
        amp: ``True`` on, ``False`` off, ``None`` as the config has it.

    Raises:
        OptionError: No accelerator, or an optim wrapper that has no
            mixed-precision twin.
    """
    wrapper = cfg.get('optim_wrapper') or {}
    kind = wrapper.get('type', 'OptimWrapper')
    if amp is False and kind == AMP:
        wrapper.type = 'OptimWrapper'
        for key in ('loss_scale', 'dtype', 'use_fsdp'):
            wrapper.pop(key, None)
        return
    if amp and kind not in ('OptimWrapper', AMP):
        raise OptionError(
            f'--amp turns OptimWrapper into {AMP}, got optim_wrapper.type='
            f'{kind!r}; set its precision in the config instead'
        )
    if (amp or (amp is None and kind == AMP)) and not accelerator_available():
        raise OptionError(
            f'mixed precision ({AMP}) needs a GPU, and torch sees none here; '
            'on CPU train in float32: '
            + ('drop --amp' if amp else 'add --no-amp')
        )
    if amp and kind == 'OptimWrapper':
        wrapper.type = AMP
        wrapper.setdefault('loss_scale', 'dynamic')


def init_distributed(cfg: Config, launcher: str) -> None:
    """Prepares what mmengine's launcher assumes to be CUDA.

    On GPUs nothing is done: the Runner initialises. Without one,
    ``launcher='pytorch'`` would call ``torch.cuda.set_device`` and hand
    device numbers to DDP, so the gloo group is made here and DDP told to
    take the model where it is.

    Raises:
        OptionError: The launcher's environment is missing, or the launcher
            cannot work without a GPU.
    """
    cfg.launcher = launcher
    if launcher == 'none':
        return
    if launcher == 'pytorch' and 'RANK' not in os.environ:
        raise OptionError(
            '--launcher pytorch is for processes started by torchrun, and '
            'RANK is not set; use bash tools/dist_train.sh CONFIG GPUS'
        )
    if accelerator_available():
        return
    if launcher != 'pytorch':
        raise OptionError(
            f'--launcher {launcher} needs a GPU in every process; without '
            'one use bash tools/dist_train.sh CONFIG PROCESSES'
        )
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group('gloo')
    wrapper = dict(cfg.get('model_wrapper_cfg') or {})
    if wrapper.setdefault('type', DDP) == DDP:
        unused = cfg.get('find_unused_parameters', False)
        wrapper.setdefault('device_ids', None)
        wrapper.setdefault('broadcast_buffers', False)
        wrapper.setdefault('find_unused_parameters', unused)
        cfg.model_wrapper_cfg = wrapper


def leave_distributed() -> None:
    """Closes the process group, if there is one, and ends its threads.

    torch only drops its own reference; DDP and the Runner, which hang in
    reference cycles, hold others. A gloo thread that is alive when the
    interpreter ends may abort the process (SIGABRT, "terminate called
    without an active exception"), so the cycles are collected here. Call it
    when no variable holds the Runner any more.
    """
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
        gc.collect()


def find_resume_point(work_dir: str) -> str | None:
    """Path of the newest checkpoint in ``work_dir``, or ``None``.

    A work folder that was moved still names its old place; the file beside
    the note is taken then.

    Raises:
        OptionError: The note names a checkpoint that is gone.
    """
    note = Path(work_dir) / 'last_checkpoint'
    if not note.is_file():
        return None
    named = Path(note.read_text().strip())
    for path in (named, Path(work_dir) / named.name):
        if path.exists():
            return str(path)
    raise OptionError(
        f'{note} names {named}, which is gone; name another checkpoint: '
        '--resume FILE, or train anew without --resume'
    )


def build_runner(cfg: Config) -> Runner:
    """The Runner of a config, a registered one where it has runner_type."""
    if 'runner_type' in cfg:
        return RUNNERS.build(cfg)
    return Runner.from_cfg(cfg)
