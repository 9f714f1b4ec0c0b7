"""Region classification over resolutions, several checkpoints on one plot.

    python tools/analysis_tools/region_sweep.py \\
        configs/region_cls/declip_eva02-b16_coco-panoptic.py \\
        original none DeCLIP=work_dirs/pretune_dinov2/epoch_6.pth \\
        --sizes 336 448 560 672 784 896 1024 --out work_dirs/sweep

A checkpoint is a file, or `none`: the weights that the config names, or
`original`: the same, with the last block of plain CLIP (affinity vanilla).
LABEL=... names its line. Where a line needs a config of its own, such as
CLIPSelf's, give --config-of LABEL=CONFIG.

Sizes are cut to a multiple of the patch: 1024 becomes 1022 for patches of 14.
Every point is measured as tools/test.py would, and kept in OUT/points: an
interrupted sweep goes on where it was; a changed config or file that it names
is measured anew. Writes sweep.png, sweep.json and sweep.md.
"""

import argparse
import json
import sys
import time
from functools import partial
from pathlib import Path

import torch
from mmengine.dist import is_main_process
from mmengine.registry import MODELS

CLONE = Path(__file__).resolve().parents[2]
if (CLONE / 'declip_mm' / '__init__.py').is_file():
    # works from a clone that was never installed
    sys.path.insert(0, str(CLONE))

from declip_mm import apis
from declip_mm.checkpoint import atomically
from declip_mm.evaluation.table import markdown_table
from declip_mm.visualization import SWEEP_PANELS, draw_sweep, sweep_table

SIZES = (336, 448, 560, 672, 784, 896, 1024)


def parse_args(args: list[str] | None = None) -> argparse.Namespace:
    parser = apis.tool_parser(__doc__)
    parser.add_argument('config', help='config of region classification')
    parser.add_argument(
        'checkpoints', nargs='+', metavar='[LABEL=]CHECKPOINT|none|original'
    )
    parser.add_argument(
        '--sizes', nargs='+', type=apis.at_least(1), default=SIZES
    )
    parser.add_argument('--out', default='work_dirs/region_sweep')
    parser.add_argument(
        '--config-of',
        action='append',
        default=[],
        metavar='LABEL=CONFIG',
        help='another config for one line (may be given several times)',
    )
    parser.add_argument(
        '--limit',
        type=apis.at_least(1),
        help='only the first images of the data set',
    )
    parser.add_argument('--title', default='')
    parser.add_argument('--cfg-options', nargs='+', action=apis.ConfigOptions)
    parser.add_argument(
        '--launcher', choices=['none', 'pytorch', 'slurm'], default='none'
    )
    return parser.parse_args(args)


def line_config(args: argparse.Namespace, config: str, checkpoint: str):
    """Config of one line, still without its size."""
    cfg = apis.load_config(config, args.cfg_options)
    apis.check_kind(cfg, config, ('ZeroShotModel',))
    if cfg.get('test_dataloader') is None:
        raise apis.OptionError(f'{config} has no test_dataloader')
    if checkpoint == 'original':
        cfg.model.backbone.affinity = 'vanilla'
    cfg.load_from = None if checkpoint in apis.WEIGHT_WORDS else checkpoint
    cfg.resume = False
    if cfg.model.predictor.get('cache_dir') is None:
        # the same names for every size; verified by fingerprint
        cfg.model.predictor.cache_dir = str(Path(args.out) / 'classes')
    if args.limit:
        cfg.test_dataloader.dataset.indices = args.limit
    apis.switch_amp(cfg, False)
    apis.check_config(cfg)
    return cfg


def patch_size(cfg) -> int:
    with torch.device('meta'):  # only the shapes are wanted
        return MODELS.build(cfg.model.backbone).visual.patch_size


def measure_point(cfg, size: int, path: Path, told: str, launcher: str):
    """Metrics of one point: those kept from an earlier run, else new ones.

    Returns:
        Metrics, and the seconds they took; 0 if they were kept.
    """
    if path.is_file():
        kept = json.loads(path.read_text('utf-8'))
        if kept.get('identity') == told:
            return kept['metrics'], 0.0
    start = time.time()
    cfg.work_dir = str(path.parent / path.stem)
    apis.init_distributed(cfg, launcher)
    metrics = {k: float(v) for k, v in apis.run_test(cfg).items()}
    seconds = time.time() - start
    # without damaged pictures; a mended one is measured anew
    if is_main_process() and not apis.left_out_of_test():
        content = dict(
            identity=told, size=size, metrics=metrics, seconds=seconds
        )
        with atomically(path) as part:
            part.write_text(json.dumps(content, indent=1), 'utf-8')
    return metrics, seconds


def sweep(args: argparse.Namespace) -> dict:
    """Label -> size -> metrics, with a line of progress a point."""
    curves = {}
    lines = apis.read_lines(args.config, args.checkpoints, args.config_of)
    points = Path(args.out) / 'points'
    apis.writable_folder(points)
    apis.use_safe_storage()
    total, done = len(lines) * len(args.sizes), 0
    for label, (config, checkpoint) in lines.items():
        curves[label] = {}
        for wanted in args.sizes:
            cfg = line_config(args, config, checkpoint)
            patch = patch_size(cfg)
            if wanted < patch:
                raise apis.OptionError(
                    f'--sizes {wanted}: a picture of {label} has one patch '
                    f'of {patch} pixels at least'
                )
            size = wanted - wanted % patch
            cfg.test_dataloader.dataset.image_size = size
            safe = ''.join(c if c.isalnum() else '_' for c in label)
            path = points / f'{safe}_{size}.json'
            told = apis.figure_key(cfg)
            with apis.say_what_is_kept(partial(kept, done, total, points)):
                metrics, seconds = measure_point(
                    cfg, size, path, told, args.launcher
                )
            curves[label][size] = metrics
            done += 1
            shown = ', '.join(
                f'{title} {metrics[key]:.1f}'
                for key, title in SWEEP_PANELS.items()
                if key in metrics
            )
            took = f'{seconds:.0f} s' if seconds else 'kept'
            print(f'[{done}/{total}] {label} at {size} px: {shown} ({took})')
            sys.stdout.flush()
    return curves


def kept(done: int, total: int, points: Path) -> str:
    return (
        f'{done} of {total} points are kept in {points}; the same command '
        'goes on.'
    )


def write(curves: dict, out: Path, title: str) -> None:
    draw_sweep(curves, str(out / 'sweep.png'), title)
    table = markdown_table(*sweep_table(curves))
    with atomically(out / 'sweep.md') as part:
        part.write_text(table + '\n', 'utf-8')
    apis.write_json(out / 'sweep.json', curves)
    print(f'{table}\n\n{out / "sweep.png"}')


@apis.command
def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    curves = sweep(args)
    if is_main_process():
        write(curves, Path(args.out), args.title)
    apis.leave_distributed()


if __name__ == '__main__':
    main()
