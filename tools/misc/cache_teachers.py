"""Store what the frozen teachers of a pre-finetuning config say.

    python tools/misc/cache_teachers.py CONFIG --crops data/crops.npy \\
        [--vfm data/vfm.npy] [--processes 2] [--device cuda] [--size-only]

Neither teacher trains, so their outputs can be computed once for all epochs
and runs: embeddings of all grid cells of each picture (CLIP), and the feature
map of each picture (VFM). Prints the size first; an interrupted run goes on
where it stopped. In the end it prints a config that trains with the caches
(--write-config FILE stores it).
"""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault('OMP_NUM_THREADS', '1')

from declip_mm.apis import (
    OptionError,
    add_shared,
    at_least,
    command,
    help_first,
    say_what_is_kept,
    tool_parser,
)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = tool_parser(__doc__)
    add_shared(parser, 'config', '--cfg-options')
    add_shared(parser, '--device', default='cpu')
    parser.add_argument('--crops', help='.npy file for the crop teacher')
    parser.add_argument('--vfm', help='.npy file for the VFM')
    parser.add_argument(
        '--processes',
        type=at_least(1),
        default=1,
        help='workers of one thread; with a GPU they make its inputs',
    )
    parser.add_argument('--batch', type=at_least(1), default=2)
    parser.add_argument(
        '--size-only', action='store_true', help='print the sizes and stop'
    )
    parser.add_argument('--write-config', metavar='FILE.py')
    args = parser.parse_args(argv)
    if not (args.crops or args.vfm):
        parser.error('nothing to do: give --crops FILE, --vfm FILE or both')
    return args


help_first(__name__, parse_args)

from declip_mm.apis import check_kind, load_config, writable_file
from declip_mm.apis.caching import CacheFiller, fill_caches
from declip_mm.checkpoint import atomically


def config_text(args: argparse.Namespace) -> str:
    """A config on top of the given one, with the caches in it."""
    base = load_config(args.config, args.cfg_options).model
    model, views = [], []
    for name, path, kind, size in (
        ('content', args.crops, 'CropCache', 'crop_size'),
        ('context', args.vfm, 'VFMCache', 'vfm_size'),
    ):
        if path:
            old = f'_base_.model.{name}_teacher'
            if base[f'{name}_teacher']['type'] == kind:
                old += '.teacher'
            model.append(
                f'    {name}_teacher=dict(\n'
                f'        _delete_=True,\n        type={kind!r},\n'
                f'        path={path!r},\n'
                f'        teacher={{{{{old}}}}},\n'
                '    ),\n'
            )
            views.append(f'{size}=None')
    inner = f'dataset=dict(views=dict({", ".join(views)}))'
    return (
        f'_base_ = {str(Path(args.config).resolve())!r}\n'
        f'model = dict(\n{"".join(model)})\n'
        f'train_dataloader = dict({inner})\n'
    )


@command
def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    cfg = load_config(args.config, args.cfg_options)
    check_kind(cfg, args.config, ('DecoupledDistiller',))
    for path in (args.vfm, args.crops, args.write_config):
        if path and not args.size_only:
            writable_file(path)
    for path in (args.vfm, args.crops):
        if path and not path.endswith('.npy'):
            raise OptionError(f'a cache is a *.npy file, got {path}')
    options = (args.vfm, args.crops)
    if args.size_only:
        sizes = CacheFiller(cfg, *options).size()
        for name, size in sizes.items():
            print(f'{name}: {size / 2**30:.3f} GiB')
        return 0
    with say_what_is_kept(
        lambda: 'What is filled is kept; the same command goes on.'
    ):
        damaged = fill_caches(
            cfg, *options, args.processes, args.batch, args.device
        )
    text = config_text(args)
    if args.write_config:
        with atomically(args.write_config) as part:
            part.write_text(text, 'utf-8')
        print(f'Filled. Train with {args.write_config}.')
    else:
        print(f'Filled. A config that uses it:\n\n{text}')
    return 1 if damaged else 0


if __name__ == '__main__':
    sys.exit(main())
