"""Runs a training-free segmentation method on the eight benchmarks.

    python tools/dense_seg_benchmarks.py \\
        configs/dense_seg/methods/clearclip_openai-b16.py none
    python tools/dense_seg_benchmarks.py \\
        configs/dense_seg/methods/declip_eva02-b16.py CHECKPOINT \\
        --sets voc20 ade20k --out declip.json

Data, classes and texts come from configs/dense_seg/SET.py. Backbone and text
tower come from the method; so do window, short side, scale and threshold if
the method has ``per_set``, else (DeCLIP) they are those of the set's config.
Prints a table with the average. Finished sets are kept in --work-dir by the
hash of what they were made of, so an interrupted run goes on.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the clone

from declip_mm import apis

#: In the order of the paper's Table 5.
SETS = {
    'voc21': 'VOC21',
    'context60': 'Context60',
    'coco_object': 'Object',
    'voc20': 'VOC20',
    'cityscapes': 'City',
    'context59': 'Context59',
    'ade20k': 'ADE',
    'coco_stuff': 'Stuff',
}


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = apis.tool_parser(__doc__)
    parser.add_argument('method', help='file of configs/dense_seg/methods')
    parser.add_argument(
        'checkpoint', help="checkpoint; 'none': the weights the method names"
    )
    parser.add_argument('--sets', nargs='+', choices=list(SETS))
    parser.add_argument('--out', type=Path, help='json file')
    parser.add_argument(
        '--data',
        nargs='+',
        default=[],
        metavar='SET=FOLDER',
        help='data_root of a set, where it is not the one of its config',
    )
    apis.add_shared(parser, '--cfg-options')
    apis.add_shared(
        parser, '--limit', help='only the first pictures of each set'
    )
    parser.add_argument(
        '--work-dir', type=Path, default='work_dirs/dense_seg_benchmarks'
    )
    args = parser.parse_args(argv)
    args.roots = dict(entry.partition('=')[::2] for entry in args.data)
    unknown = [name for name in args.roots if name not in SETS]
    if unknown or not all(args.roots.values()):
        parser.error(
            f'--data takes SET=FOLDER with one of {list(SETS)}, got '
            f'{args.data}'
        )
    return args


apis.help_first(__name__, parse_args)

from mmengine.config import Config

from declip_mm.evaluation.table import markdown_table

CONFIGS = Path(__file__).resolve().parents[1] / 'configs' / 'dense_seg'


def compose(name: str, method: Config) -> Config:
    """The config of a set, with the model of a method.

    Args:
        name: One of :data:`SETS`.
        method: Config with ``model`` and perhaps ``per_set``: set -> what
            differs there (``short_side``, ``texts``, keys of ``test_cfg``).
    """
    cfg = Config.fromfile(CONFIGS / f'{name}.py')
    ours = method.model.to_dict()
    for part in ('backbone', 'text_encoder', 'prompts', 'cache_dir'):
        if part in ours:
            cfg.model[part] = ours[part]
    if 'per_set' not in method:
        return cfg
    changes = dict(method.per_set.get(name) or {})
    cfg.model.data_preprocessor = ours['data_preprocessor']
    for key, place in (
        ('short_side', cfg.model.data_preprocessor),
        ('texts', cfg.test_dataloader.dataset),
    ):
        if key in changes:
            place[key] = changes.pop(key)
    cfg.model.test_cfg = {**ours['test_cfg'], **changes}
    return cfg


def prepare(args: argparse.Namespace, name: str, method: Config) -> Config:
    """The composed config with the options of the command line in it."""
    cfg = compose(name, method)
    if args.cfg_options:
        apis.check_options(cfg, args.cfg_options)
        cfg.merge_from_dict(dict(args.cfg_options))
    data = cfg.test_dataloader.dataset
    if name in args.roots:
        data.data_root = args.roots[name]
    if args.limit:
        data.indices = args.limit
    cfg.work_dir = str(args.work_dir / Path(args.method).stem / name)
    cfg.load_from = None
    if args.checkpoint != 'none':
        cfg.load_from = apis.check_checkpoint(args.checkpoint)
    return cfg


def average(found: dict[str, dict]) -> float:
    return fmean(result['metrics']['mIoU'] for result in found.values())


def table(label: str, found: dict[str, dict]) -> str:
    """One row of the paper's Table 5, in markdown."""
    cells = {SETS[n]: r['metrics']['mIoU'] for n, r in found.items()}
    cells['average'] = average(found)
    shown = [f'{value:.1f}' for value in cells.values()]
    return markdown_table(['mIoU', *cells], [[label, *shown]])


def write(
    args: argparse.Namespace, found: dict[str, dict], wanted: dict
) -> None:
    """What is measured so far, to ``--out``."""
    content = dict(
        method=Path(args.method).stem,
        checkpoint=args.checkpoint,
        limit=args.limit,
        average=average(found),
        sets={n: dict(r['metrics']) for n, r in found.items()},
        missing=[name for name in wanted if name not in found],
    )
    apis.write_json(args.out, content, indent=2)


def told(args: argparse.Namespace, found: dict, wanted: dict) -> str:
    left = [name for name in wanted if name not in found]
    return (
        f'{len(found)} of {len(wanted)} sets are kept in {args.work_dir}, '
        f'not measured: {", ".join(left)}; the same command goes on.'
    )


@apis.command
def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    found: dict[str, dict] = {}
    apis.use_safe_storage()
    method = apis.load_config(args.method)
    if args.out:
        apis.writable_file(args.out)
    names = [n for n in SETS if n in (args.sets or SETS)]
    configs = {name: prepare(args, name, method) for name in names}
    for number, (name, cfg) in enumerate(configs.items(), 1):
        with apis.say_what_is_kept(lambda: told(args, found, configs)):
            path = Path(cfg.work_dir) / 'result.json'
            found[name] = apis.measure_or_keep(cfg, path)
            if args.out:
                write(args, found, configs)
        kept = ' (kept)' * found[name].get('kept', False)
        print(
            f'[{number}/{len(configs)}] {SETS[name]}: mIoU '
            f'{found[name]["metrics"]["mIoU"]:.2f}, '
            f'{found[name]["seconds"]:.0f} s{kept}',
            flush=True,
        )
    label = Path(args.method).stem
    print(f'\n{table(label, found)}')
    if args.limit:
        print(f'\nOnly the first {args.limit} pictures of each set.')


if __name__ == '__main__':
    main()
