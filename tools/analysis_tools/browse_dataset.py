"""Draw what a config's data set gives: pictures, boxes, masks, names, crops.

    python tools/analysis_tools/browse_dataset.py \\
        configs/f_vit/f-vit_eva02-b16_declip_ov-coco.py --split train
    python tools/analysis_tools/browse_dataset.py \\
        configs/region_cls/declip_eva02-b16_coco-panoptic.py --count 4 \\
        --cfg-options test_dataloader.dataset.data_root=MY_COCO

Pictures have gone through the pipeline, so augmentation, padding and labels
are what the network gets. Writes OUT/SPLIT_000.png, SPLIT_001.png ... with
--per-sheet pictures each. Look at them before a long run: labels that are
shifted, turned or renamed are seen at once.
"""

import argparse
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the clone

from declip_mm import apis


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = apis.tool_parser(__doc__)
    apis.add_shared(parser, 'config', '--cfg-options')
    parser.add_argument(
        '--split',
        choices=('train', 'val', 'test'),
        help='default: the first of test, train and val that the config has',
    )
    for name, default, least in (
        ('count', 12, 1),
        ('per-sheet', 12, 1),
        ('columns', 4, 1),
        ('start', 0, 0),
    ):
        said = dict(default=default, help='default: %(default)s')
        parser.add_argument(f'--{name}', type=apis.at_least(least), **said)
    parser.add_argument('--out', type=Path, default='work_dirs/browse')
    return parser.parse_args(argv)


apis.help_first(__name__, parse_args)

from tqdm import tqdm

from declip_mm.apis.browsing import browse, build_split, splits_of
from declip_mm.visualization import draw_samples


@apis.command
def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    cfg = apis.load_config(args.config, args.cfg_options)
    split = args.split or next(iter(splits_of(cfg)), 'test')
    apis.writable_folder(args.out)
    dataset = build_split(cfg, split)
    samples = browse(dataset, args.count, args.start)
    classes = list((dataset.metainfo or {}).get('classes') or ())
    total = min(args.count, len(dataset) - args.start)
    samples, sheets = tqdm(samples, total=total), 0
    while part := list(islice(samples, args.per_sheet)):
        path = args.out / f'{split}_{sheets:03d}.png'
        title = f'{Path(args.config).name}, {split}, {len(dataset)} pictures'
        draw_samples(path, part, classes, args.columns, title)
        sheets += 1
    print(f'{sheets} sheets in {args.out}')


if __name__ == '__main__':
    main()
