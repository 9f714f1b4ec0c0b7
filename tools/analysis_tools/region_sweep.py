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
import sys
from itertools import product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the clone

from declip_mm import apis

SIZES = (336, 448, 560, 672, 784, 896, 1024)


def parse_args(args: list[str] | None = None) -> argparse.Namespace:
    parser = apis.tool_parser(__doc__)
    apis.add_shared(
        parser,
        'config',
        'checkpoints',
        '--config-of',
        '--limit',
        '--cfg-options',
    )
    parser.add_argument(
        '--sizes', nargs='+', type=apis.at_least(1), default=SIZES
    )
    parser.add_argument('--out', default='work_dirs/region_sweep')
    parser.add_argument('--title', default='')
    parser.add_argument(
        '--launcher', choices=['none', 'pytorch', 'slurm'], default='none'
    )
    return parser.parse_args(args)


apis.help_first(__name__, parse_args)

import torch
from mmengine.dist import is_main_process
from mmengine.registry import MODELS

from declip_mm.evaluation.table import markdown_table
from declip_mm.visualization import SWEEP_PANELS, draw_sweep, sweep_table


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


def sized(args: argparse.Namespace, label: str, line: tuple, wanted: int):
    """Config of a point, and its size: whole patches of ``wanted``."""
    cfg = line_config(args, *line)
    with torch.device('meta'):  # only the shapes are wanted
        patch = MODELS.build(cfg.model.backbone).visual.patch_size
    if wanted < patch:
        raise apis.OptionError(
            f'--sizes {wanted}: a picture of {label} has one patch of {patch} '
            'pixels at least'
        )
    size = cfg.test_dataloader.dataset.image_size = wanted - wanted % patch
    return cfg, size


def sweep(args: argparse.Namespace) -> dict:
    """Label -> size -> metrics, with a line of progress a point."""
    lines = apis.read_lines(args.config, args.checkpoints, args.config_of)
    folder = Path(args.out) / 'points'
    apis.writable_folder(folder)
    apis.use_safe_storage()
    curves: dict = {label: {} for label in lines}
    points = list(product(lines, args.sizes))
    for done, (label, wanted) in enumerate(points):
        cfg, size = sized(args, label, lines[label], wanted)
        safe = ''.join(c if c.isalnum() else '_' for c in label)
        path = folder / f'{safe}_{size}.json'
        cfg.work_dir = str(path.with_suffix(''))
        kept = (
            f'{done} of {len(points)} points are kept in {folder}; the same '
            'command goes on.'
        )
        with apis.say_what_is_kept(lambda kept=kept: kept):
            found = apis.measure_or_keep(cfg, path, args.launcher, size=size)
        metrics = curves[label][size] = found['metrics']
        shown = ', '.join(
            f'{title} {metrics[key]:.1f}'
            for key, title in SWEEP_PANELS.items()
            if key in metrics
        )
        took = 'kept' if 'kept' in found else f'{found["seconds"]:.0f} s'
        place = f'[{done + 1}/{len(points)}] {label} at {size} px'
        print(f'{place}: {shown} ({took})', flush=True)
    return curves


def write(curves: dict, out: Path, title: str) -> None:
    draw_sweep(curves, str(out / 'sweep.png'), title)
    table = markdown_table(*sweep_table(curves))
    apis.write_text(out / 'sweep.md', table)
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
