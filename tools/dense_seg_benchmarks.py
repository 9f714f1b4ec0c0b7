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

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

CLONE = Path(__file__).resolve().parents[1]
if (CLONE / 'declip_mm' / '__init__.py').is_file():
    # works from a clone that was never installed
    sys.path.insert(0, str(CLONE))

from declip_mm import apis
from declip_mm.checkpoint import atomically

CONFIGS = CLONE / 'configs' / 'dense_seg'

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
    parser.add_argument(
        '--limit',
        type=apis.at_least(1),
        help='only the first pictures of each set',
    )
    parser.add_argument(
        '--work-dir', type=Path, default='work_dirs/dense_seg_benchmarks'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=apis.ConfigOptions,
        metavar='KEY=VALUE',
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
    if 'short_side' in changes:
        short_side = changes.pop('short_side')
        cfg.model.data_preprocessor.short_side = short_side
    texts = changes.pop('texts', None)
    if texts is not None:
        cfg.test_dataloader.dataset.texts = texts
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


def measure(cfg: Config) -> dict[str, Any]:
    """Metrics in percent and seconds; read back where they are known."""
    key, path = apis.figure_key(cfg), Path(cfg.work_dir) / 'result.json'
    if path.is_file():
        kept = json.loads(path.read_text('utf-8'))
        if kept.get('key') == key:
            return dict(kept, kept=True)
    start = time.time()
    metrics = apis.run_test(cfg)
    found = dict(key=key, metrics=metrics, seconds=time.time() - start)
    if apis.left_out_of_test():
        return found  # named in the log; a mended picture is measured anew
    with atomically(path) as part:
        part.write_text(json.dumps(found, indent=2) + '\n', 'utf-8')
    return found


def table(label: str, found: dict[str, dict]) -> str:
    """One row of the paper's Table 5, in markdown."""
    head, cells = ['mIoU'], [label]
    for name, result in found.items():
        head.append(SETS[name])
        cells.append(f'{result["metrics"]["mIoU"]:.1f}')
    head.append('average')
    cells.append(f'{average(found):.1f}')
    lines = [head, ['---'] * len(head), cells]
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


def average(found: dict[str, dict]) -> float:
    values = [result['metrics']['mIoU'] for result in found.values()]
    return sum(values) / len(values)


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
            found[name] = measure(cfg)
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
