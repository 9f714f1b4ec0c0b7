"""Trains with a config.

python tools/train.py configs/declip/pretune_dinov2.py [--work-dir DIR]
    [--resume] [--no-amp] [--compile]
    [--cfg-options train_dataloader.batch_size=4 ...]
"""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the clone

from declip_mm import apis


def parse_args(args: list[str] | None = None) -> argparse.Namespace:
    parser = apis.runner_parser(__doc__, 'logs and checkpoints')
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='go on from this checkpoint, without a value from the newest '
        'whole one in the work directory',
    )
    parser.add_argument(
        '--amp',
        action=argparse.BooleanOptionalAction,
        default=None,
        help='automatic mixed precision on or off (default: as configured; '
        'a CPU trains in float32)',
    )
    parser.add_argument(
        '--compile',
        action=argparse.BooleanOptionalAction,
        default=None,
        help='compile transformer blocks and replay CUDA graphs (default: '
        'as configured)',
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate by batch size / base_batch_size',
    )
    return apis.parse(parser, args)


def scale_lr(cfg) -> None:
    """Switches on the config's ``auto_scale_lr``."""
    if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
        raise apis.OptionError(
            '--auto-scale-lr needs auto_scale_lr=dict(base_batch_size=N) in '
            'the config, N being the total batch its learning rate is for'
        )
    cfg.auto_scale_lr.enable = True


def resume(cfg, wanted: str | None) -> None:
    """Points the Runner at the checkpoint to go on from, if there is one."""
    if wanted is None:
        return
    if wanted != 'auto':
        found = apis.check_checkpoint(wanted, folders='strategy' in cfg)
    else:
        found = apis.find_resume_point(cfg.work_dir)
    cfg.resume = found is not None
    if cfg.resume:
        cfg.load_from = found
    elif os.environ.get('RANK', '0') == '0':
        print(
            f'--resume: no checkpoint in {cfg.work_dir}, training starts '
            'from the beginning',
            file=sys.stderr,
        )


def prepare(args: argparse.Namespace):
    """The final config of a command line."""
    cfg = apis.load_config(
        args.config, args.cfg_options, args.work_dir, args.allow_new_options
    )
    apis.check_parts(
        cfg,
        args.config,
        ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper'),
        'there is nothing to train; take a config of configs/declip, '
        'configs/f_vit or configs/cat_seg. python tools/test.py '
        f'{args.config} CHECKPOINT measures with it',
    )
    apis.switch_amp(cfg, args.amp)
    apis.switch_compile(cfg, args.compile)
    if args.auto_scale_lr:
        scale_lr(cfg)
    resume(cfg, args.resume)
    return cfg


@apis.command
def main() -> None:
    args = parse_args()
    cfg = prepare(args)
    apis.check_config(cfg)
    apis.use_safe_storage(args.trust_pickle)
    apis.init_distributed(cfg, args.launcher)
    with apis.say_what_is_kept(lambda: apis.how_to_go_on(cfg.work_dir)):
        apis.build_runner(cfg).train()
    apis.leave_distributed()


if __name__ == '__main__':
    main()
