"""From a config file and a command line to a Runner."""

import gc
import json
import os
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import is_main_process
from mmengine.logging import MessageHub
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from ..checkpoint import DamagedFileError, check_whole, take_whole_only
from ..deprecation import take_new_names
from ..engine import PredictionsFile, use_safe_storage
from ..engine.unwrap import unwrap
from ..registration import import_classes
from .command import DEBUG, say_what_is_kept
from .fetching import fetch_weights
from .figure_key import figure_key
from .options import OptionError, check_options
from .results import write_json

AMP = 'AmpOptimWrapper'
MIXED = 'MixedOptimWrapper'
COMPILERS = ('CompileHook', 'GraphHook')
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
    _check_file('config', Path(path), '*.py')
    cfg = _read(path)
    import_classes()  # they say what was called otherwise
    take_new_names(cfg._cfg_dict)
    if options:
        if not allow_new_options:
            check_options(cfg, options)
        cfg.merge_from_dict(dict(options))
        take_new_names(cfg._cfg_dict)
    if work_dir is not None:
        cfg.work_dir = work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs') / Path(path).stem)
    return cfg


def _read(path: str) -> Config:
    """mmengine's reading, which says nothing of the file that fails."""
    try:
        return Config.fromfile(path)
    # configs are programs: anything may go wrong in them
    except Exception as error:
        if os.environ.get(DEBUG, '') not in ('', '0'):
            raise
        raise OptionError(
            f'config {path} cannot be read: {type(error).__name__}: {error}. '
            f'{DEBUG}=1 shows where'
        ) from error


def check_parts(
    cfg: Config, path: str, wanted: Sequence[str], so: str
) -> None:
    """Refuse a config that lacks a part; ``so`` says what to do."""
    missing = [key for key in wanted if cfg.get(key) is None]
    if missing:
        raise OptionError(f'{path} has no {" and no ".join(missing)}, so {so}')


def check_checkpoint(path: str, folders: bool = True) -> str:
    """Returns ``path``; a local file has to be whole (``s3://...`` may not).

    Args:
        path: Of the checkpoint.
        folders: Whether it may be a folder, as DeepSpeed writes them.

    Raises:
        OptionError: Names the checkpoints that lie beside it, or says that
            it was cut short.
    """
    if '://' in path or (folders and Path(path).is_dir()):
        return path
    _check_file('checkpoint', Path(path), '*.pth')
    try:
        check_whole(path)
    except DamagedFileError as error:
        raise OptionError(str(error)) from error
    return path


def _check_file(what: str, path: Path, pattern: str) -> None:
    """Refuse what is no file, naming those that are there."""
    if path.is_file():
        return
    inside = path if path.is_dir() else path.parent
    there = ', '.join(sorted(p.name for p in inside.glob(pattern))[:8])
    if path.is_dir():
        raise OptionError(
            f'{what} {path} is a folder; name one of its files: '
            f'{there or f"it has no {pattern}"}'
        )
    state = f'has {there}' if there else f'has no {pattern} either'
    if not inside.is_dir():
        inside, state = f'the folder {inside}', 'does not exist either'
    raise OptionError(f'no {what} file {path}: {inside} {state}')


def accelerator_available() -> bool:
    """True where mmengine trains in mixed precision: CUDA, NPU, MLU, MUSA."""
    return get_device() not in ('cpu', 'mps')


def switch_amp(cfg: Config, amp: bool | None) -> None:
    """Turns automatic mixed precision on or off, in place.

    ``MixedOptimWrapper`` finds out by itself what the device can do. That of
    mmengine needs a GPU; without one it is turned off, which is said.

    Args:
        cfg: Config with an ``optim_wrapper``.
        amp: ``True`` on, ``False`` off, ``None`` as the config has it.

    Raises:
        OptionError: Mixed precision is asked for without an accelerator, or
            of an optim wrapper that has no mixed-precision twin.
    """
    wrapper = cfg.get('optim_wrapper') or {}
    kind = wrapper.get('type', 'OptimWrapper')
    if amp and kind not in ('OptimWrapper', AMP, MIXED):
        raise OptionError(
            f'--amp turns OptimWrapper into {MIXED}, got optim_wrapper.type='
            f'{kind!r}; set its precision in the config instead'
        )
    if amp and not accelerator_available():
        raise OptionError(
            '--amp needs a GPU, and torch sees none here. On a CPU training '
            'is in float32: drop --amp. A CPU with units for bfloat16 uses '
            'them with optim_wrapper.type=MixedOptimWrapper and '
            'optim_wrapper.dtype=bfloat16'
        )
    if amp and kind == 'OptimWrapper':
        wrapper.type = MIXED
    if amp is None and kind == AMP and not accelerator_available():
        print(f'no GPU: {AMP} is left out, training is in float32')
        amp = False
    if amp is False and kind in (AMP, MIXED):
        wrapper.type = 'OptimWrapper'
        for key in ('loss_scale', 'dtype', 'use_fsdp'):
            wrapper.pop(key, None)


def switch_compile(cfg: Config, wanted: bool | None) -> None:
    """Turns compiled blocks and CUDA graphs on or off, in place.

    Args:
        cfg: Training config.
        wanted: ``True`` on, ``False`` off, ``None`` as the config has it.
    """
    hooks = list(cfg.get('custom_hooks') or ())
    there = {hook.get('type') for hook in hooks} & set(COMPILERS)
    if wanted is None:
        return
    if wanted:
        hooks += [dict(type=t) for t in COMPILERS if t not in there]
    else:
        hooks = [hook for hook in hooks if hook.get('type') not in COMPILERS]
    if wanted or there:
        cfg.custom_hooks = hooks


def check_strategy(cfg: Config, launcher: str) -> None:
    """Look for what a sharding strategy needs, before anything is built.

    FSDP counts GPUs by the local rank; without one it is told to shard where
    the model is.

    Raises:
        OptionError: Its package, a GPU or the launcher is missing.
    """
    strategy = cfg.get('strategy') or {}
    kind = strategy.get('type', '')
    if kind not in ('DeepSpeedStrategy', 'FSDPStrategy'):
        return
    if kind == 'DeepSpeedStrategy' and find_spec('deepspeed') is None:
        raise OptionError(
            f'strategy {kind} needs the package deepspeed: pip install '
            'deepspeed, or take the config without it'
        )
    if launcher == 'none':
        raise OptionError(
            f'strategy {kind} shards over processes: bash '
            'tools/dist_train.sh CONFIG GPUS starts them'
        )
    if kind == 'FSDPStrategy' and not accelerator_available():
        strategy.setdefault('model_wrapper', {}).setdefault('device_id', 'cpu')


def init_distributed(cfg: Config, launcher: str) -> None:
    """Prepares what mmengine's launcher assumes to be CUDA.

    On GPUs nothing is done: the Runner initialises. Without one,
    ``launcher='pytorch'`` would call ``torch.cuda.set_device`` and hand
    device numbers to DDP, so the gloo group is made here and DDP told to
    take the model where it is.

    Raises:
        OptionError: The launcher's environment is missing, the launcher
            cannot work without a GPU, or the strategy misses something.
    """
    cfg.launcher = launcher
    check_strategy(cfg, launcher)
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

    A gloo thread that drops a tensor while the interpreter ends aborts the
    process (SIGABRT, "terminate called without an active exception"), so
    the group must go first. The Runner and DDP, which hold it too, hang in
    reference cycles and are collected before: torch's own reference has to
    be the last, because only it gives up the GIL while it joins the threads;
    DDP's would wait for ever for a thread that wants the GIL. Call this when
    no variable holds the Runner any more.
    """
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        gc.collect()
        torch.distributed.destroy_process_group()


def build_runner(cfg: Config, filled: bool = False) -> Runner:
    """The Runner of a config, a registered one where it has runner_type.

    Args:
        cfg: Published weights that its model names are fetched first.
        filled: A checkpoint fills what trains, so its own are not needed;
            a whole model takes no other than its own, and all of it.
    """
    fetch_weights(cfg.get('model'), filled)
    if 'runner_type' in cfg:
        return RUNNERS.build(cfg)
    runner = Runner.from_cfg(cfg)
    if filled:
        take_whole_only(unwrap(runner))
    return runner


def loaded_runner(cfg: Config, checkpoint: str) -> Runner:
    """The Runner of a test config, its model filled from plain weights."""
    cfg.load_from = check_checkpoint(checkpoint)
    switch_amp(cfg, False)
    use_safe_storage()
    runner = build_runner(cfg, filled=True)
    runner.load_or_resume()
    return runner


def run_test(cfg: Config) -> dict[str, float]:
    """Measures the weights of ``load_from``, else those the config names.

    mmengine fills a model from its own ``pretrained`` or ``init_cfg`` for
    training only, and would measure random weights here.
    """
    runner = build_runner(cfg, filled=bool(cfg.get('load_from')))
    if not cfg.get('load_from'):
        runner._init_model_weights()
    with say_what_is_kept(lambda: _rescue(runner)):
        metrics = runner.test()
    problems = [file.problem for file in _prediction_files(runner)]
    if any(problems):
        raise OptionError(
            f'{" ".join(filter(None, problems))} The metrics are in the log; '
            'free some space, or write elsewhere, and test again'
        )
    return metrics


def measure_or_keep(
    cfg: Config, path: Path, launcher: str = 'none', **note: Any
) -> dict[str, Any]:
    """The figures of a test config; those of an earlier run where they hold.

    Args:
        cfg: Test config.
        path: Json file of its figures, kept from run to run. Those that lack
            damaged pictures are not: a mended one is measured anew.
        launcher: See :func:`init_distributed`.
        note: What else the file is to say.

    Returns:
        ``metrics``, ``seconds``, ``key`` (:func:`figure_key`), and ``kept``
        where they are an earlier run's.
    """
    key = figure_key(cfg)
    if path.is_file():
        found = json.loads(path.read_text('utf-8'))
        if found.get('key') == key:
            return dict(found, kept=True)
    start = time.time()
    init_distributed(cfg, launcher)
    metrics = {name: float(value) for name, value in run_test(cfg).items()}
    seconds = time.time() - start
    found = dict(note, key=key, metrics=metrics, seconds=seconds)
    if is_main_process() and not left_out_of_test():
        write_json(path, found)
    return found


def left_out_of_test() -> list[str]:
    """Damaged pictures of the last test, whose figures lack them."""
    hub = MessageHub.get_current_instance()
    return list(hub.get_info('left_out', None) or ())


def _prediction_files(runner: Runner) -> list[PredictionsFile]:
    evaluator = getattr(runner._test_loop, 'evaluator', None)
    metrics = getattr(evaluator, 'metrics', ())
    return [m for m in metrics if isinstance(m, PredictionsFile)]


def _rescue(runner: Runner) -> str:
    """Write the predictions of a stopped test, where any were asked for."""
    return ' '.join(file.rescue() for file in _prediction_files(runner))
