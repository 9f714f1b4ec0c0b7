"""Store what the frozen teachers of a pre-finetuning config say.

    python tools/misc/cache_teachers.py CONFIG --crops data/crops.npy \\
        [--vfm data/vfm.npy] [--processes 2] [--device cuda] [--size-only]

Neither teacher trains, so their outputs can be computed once for all epochs
and runs: embeddings of all grid cells of each picture (CLIP), and the feature
map of each picture (VFM). Prints the size first, and refuses what the disk
has no room for; --max-gib, --components and --drawn make it smaller. An
interrupted run goes on where it stopped. In the end it prints a config that
trains with the caches (--write-config FILE stores it). On several GPUs:

    bash tools/dist_launch.sh GPUS misc/cache_teachers.py CONFIG \\
        --crops data/crops.npy --device cuda
"""

import argparse
import os
import sys
from pathlib import Path

from mmengine.dist import is_main_process

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault('OMP_NUM_THREADS', '1')


from declip_mm.apis import (
    OptionError,
    add_shared,
    at_least,
    check_kind,
    command,
    leave_distributed,
    load_config,
    say_what_is_kept,
    tool_parser,
    writable_file,
)
from declip_mm.apis.cached_config import PLACES, cache_fields, needs_views
from declip_mm.apis.caching import CacheFiller, fill_caches, join_group
from declip_mm.checkpoint import atomically


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
        '--max-gib',
        type=float,
        metavar='GIB',
        help='most of each file: keeps the first pictures that fit, the '
        'others are computed in every epoch',
    )
    parser.add_argument(
        '--components',
        type=at_least(1),
        metavar='K',
        help='of each map keep the K directions that hold most of its '
        'cosines, 64 for a tenth of the size; the error is measured',
    )
    parser.add_argument(
        '--drawn',
        action='store_true',
        help="keep only the crops that the config's seed draws in its epochs",
    )
    parser.add_argument(
        '--amp', action='store_true', help='compute in bfloat16'
    )
    parser.add_argument(
        '--launcher', choices=['none', 'pytorch'], default='none'
    )
    parser.add_argument(
        '--size-only', action='store_true', help='print the sizes and stop'
    )
    parser.add_argument('--write-config', metavar='FILE.py')
    args = parser.parse_args(argv)
    if not (args.crops or args.vfm):
        parser.error('nothing to do: give --crops FILE, --vfm FILE or both')
    return args


def config_text(args: argparse.Namespace) -> str:
    """A config on top of the given one, with the caches in it."""
    base = load_config(args.config, args.cfg_options).model
    model, views = [], []
    for name, path in dict(crops=args.crops, vfm=args.vfm).items():
        if path:
            part, size, kind = PLACES[name]
            old = f'_base_.model.{part}'
            if base[part]['type'] == kind:
                old += '.teacher'
            fields = ''.join(
                f'        {key}={value!r},\n'
                for key, value in cache_fields(base, name, path).items()
            )
            model.append(
                f'    {part}=dict(\n        _delete_=True,\n{fields}'
                f'        teacher={{{{{old}}}}},\n    ),\n'
            )
            if not needs_views(path):
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
    options = dict(
        vfm=args.vfm,
        crops=args.crops,
        components=args.components,
        max_gib=args.max_gib,
        drawn=args.drawn,
    )
    if args.size_only:
        sizes = CacheFiller(cfg, **options).size()
        for name, size in sizes.items():
            print(f'{name}: {size / 2**30:.3f} GiB')
        return 0
    device = join_group(args.launcher, args.device)
    with say_what_is_kept(
        lambda: 'What is filled is kept; the same command goes on.'
    ):
        damaged = fill_caches(
            cfg,
            **options,
            processes=args.processes,
            batch=args.batch,
            device=device,
            amp=args.amp,
        )
    if is_main_process():
        tell_config(args)
    leave_distributed()
    return 1 if damaged else 0


def tell_config(args: argparse.Namespace) -> None:
    text = config_text(args)
    if args.write_config:
        with atomically(args.write_config) as part:
            part.write_text(text, 'utf-8')
        print(f'Filled. Train with {args.write_config}.')
    else:
        print(f'Filled. A config that uses it:\n\n{text}')


if __name__ == '__main__':
    sys.exit(main())
