"""Measures a checkpoint with a config.

python tools/test.py CONFIG CHECKPOINT [--work-dir DIR] [--out results.pkl]
    [--show-dir DIR] [--cfg-options test_dataloader.batch_size=1 ...]
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the clone

from declip_mm import apis


def parse_args(args: list[str] | None = None) -> argparse.Namespace:
    parser = apis.runner_parser(__doc__, 'the log and the figures')
    parser.add_argument(
        'checkpoint', help="checkpoint file; 'none': as the config builds it"
    )
    parser.add_argument(
        '--out', metavar='FILE.pkl', help='write the predictions to this file'
    )
    parser.add_argument(
        '--show', action='store_true', help='show the predictions in a window'
    )
    parser.add_argument(
        '--show-dir', metavar='DIR', help='write painted predictions here'
    )
    parser.add_argument(
        '--wait-time',
        type=float,
        default=2,
        help='seconds that --show leaves a picture (default: 2)',
    )
    parser.add_argument(
        '--tta', action='store_true', help='test-time augmentation'
    )
    return apis.parse(parser, args)


apis.help_first(__name__, parse_args)

from declip_mm.datasets.decoding import printable


def draw(cfg, args: argparse.Namespace) -> None:
    """Switches on the visualisation hook that the config has."""
    hook = cfg.get('default_hooks', {}).get('visualization')
    if hook is None:
        raise apis.OptionError(
            '--show and --show-dir need default_hooks.visualization in the '
            'config, and it has none'
        )
    # mmdet's and mmseg's hooks say `draw`, mmpretrain's says `enable`
    hook['enable' if 'enable' in hook else 'draw'] = True
    if args.show:
        hook.show, hook.wait_time = True, args.wait_time
    if args.show_dir and hook.type.startswith('Det'):
        # mmdet puts a relative folder below work_dir/<time>
        hook.test_out_dir = str(Path(args.show_dir).resolve())
    elif args.show_dir:
        visualizer = dict(cfg.get('visualizer') or dict(type='Visualizer'))
        visualizer.setdefault('vis_backends', [dict(type='LocalVisBackend')])
        cfg.visualizer = dict(visualizer, save_dir=args.show_dir)


def dump_results(cfg, path: str) -> None:
    """Adds a metric that writes the predictions down."""
    if not path.endswith(('.pkl', '.pickle')):
        raise apis.OptionError(f'--out writes *.pkl or *.pickle, got {path}')
    given = cfg.test_evaluator
    given = given if isinstance(given, (list, tuple)) else [given]
    apis.writable_folder(Path(path).parent)
    # the first, so that no failing metric costs the predictions
    own = dict(type='PredictionsFile', out_file_path=path)
    cfg.test_evaluator = [own, *given]


def augment(cfg) -> None:
    """Swaps the test-time augmentation of the config in."""
    missing = [k for k in ('tta_model', 'tta_pipeline') if k not in cfg]
    if missing:
        raise apis.OptionError(
            f'--tta needs {" and ".join(missing)} in the config'
        )
    cfg.tta_model.module = cfg.model
    cfg.model = cfg.tta_model
    dataset = cfg.test_dataloader.dataset
    while 'dataset' in dataset:
        dataset = dataset.dataset
    dataset.pipeline = cfg.tta_pipeline


def prepare(args: argparse.Namespace):
    """The final config of a command line."""
    cfg = apis.load_config(
        args.config, args.cfg_options, args.work_dir, args.allow_new_options
    )
    apis.check_parts(
        cfg,
        args.config,
        ('model', 'test_dataloader', 'test_evaluator', 'test_cfg'),
        'there is nothing to measure; take a config of configs/region_cls, '
        'configs/dense_seg, configs/f_vit or configs/cat_seg',
    )
    cfg.load_from = None
    if args.checkpoint != 'none':
        cfg.load_from = apis.check_checkpoint(
            args.checkpoint, folders='strategy' in cfg
        )
    cfg.resume = False
    # an optimizer is not built for testing, but its checks run where it is
    apis.switch_amp(cfg, False)
    if args.show or args.show_dir:
        draw(cfg, args)
    if args.tta:
        augment(cfg)
    if args.out:
        dump_results(cfg, args.out)
    return cfg


@apis.command
def main() -> None:
    args = parse_args()
    cfg = prepare(args)
    apis.check_config(cfg)
    apis.use_safe_storage(args.trust_pickle)
    apis.init_distributed(cfg, args.launcher)
    apis.run_test(cfg)
    apis.leave_distributed()
    left_out = apis.left_out_of_test()
    if left_out:
        sys.exit(
            f'test.py: {len(left_out)} damaged pictures could not be '
            f'measured, such as {printable(left_out[0])}; the log names them.'
        )


if __name__ == '__main__':
    main()
