"""Train the miniature world's CLIP from scratch, on CPU.

    python tools/miniature/train_tiny_clip.py

Only packed public-domain pictures are seen, so the weights can be shipped.
What makes it quick: whitened patches and distinct names at the start, tight
crops first, 56 px (4x4 patches) before the native 84 px, and Muon.

Two processes with one thread each; about 30 minutes on two free cores after
four minutes of rendering.  It resumes from ``--work-dir`` by itself; the
model so far is written to ``--out`` every ``--save-every`` seconds.
"""

import argparse
from pathlib import Path

from ...apis import at_least, command, help_first, tool_parser
from ..paths import ASSETS

#: Where the shipped CLIP was; written command lines name it.
OLD_ASSETS = Path('declip_mm/assets/miniature')
#: Option -> type, default, help.
OPTIONS = {
    'steps': (at_least(1), 1600, 'steps of every worker'),
    'low-share': (float, 0.4, 'share of the steps at 56 px'),
    'workers': (at_least(1), 2, None),
    'batch': (int, 96, 'pictures in one step of one worker'),
    'width': (at_least(1), 192, None),
    'layers': (at_least(1), 6, 'image blocks'),
    'grow-from': (Path, None, 'folder of a trained CLIP with fewer blocks'),
    'easy-share': (float, 0.3, 'share of the steps with mostly tight crops'),
    'lr': (float, 1e-3, None),
    'patch-weight': (float, 1.0, "weight of the loss on the patches' mean"),
    'decay': (float, 0.05, None),
    'pool': (int, 48000, 'a multiple of 64'),
    'tight': (int, 16384, 'further, tight crops'),
    'seed': (int, 0, None),
    'save-every': (float, 240, None),
    'work-dir': (Path, Path('work_dirs/tiny_clip'), None),
    'out': (Path, ASSETS, None),
}


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = tool_parser(__doc__)
    for name, (kind, default, text) in OPTIONS.items():
        parser.add_argument(f'--{name}', type=kind, default=default, help=text)
    args = parser.parse_args()
    if args.grow_from == OLD_ASSETS:
        args.grow_from = ASSETS
    if args.grow_from:
        try:  # before the minutes of rendering
            count_copies(args.grow_from, args.layers)
        except (OSError, ValueError) as error:
            parser.error(f'--grow-from: {error}')
    return args


help_first(__name__, parse_args, 'train_tiny_clip.py')

import numpy as np
import torch
import torch.multiprocessing as mp

from .growth import count_copies
from .pool import render_pool
from .trainer import Trainer


def work(
    rank: int, args: argparse.Namespace, shared: torch.Tensor, barrier
) -> None:
    """The body of one worker process."""
    torch.set_num_threads(1)
    Trainer(args, rank, shared, barrier).run()


@command(tool='train_tiny_clip.py')
def main() -> None:
    """Render the pool, then train."""
    args = parse_args()
    args.work_dir.mkdir(parents=True, exist_ok=True)
    if not (args.work_dir / 'targets.npy').exists():
        images, targets = render_pool(args.pool, args.tight, args.seed)
        np.save(args.work_dir / 'images.npy', images)
        np.save(args.work_dir / 'targets.npy', targets)
        del images
    context = mp.get_context('spawn')
    torch.set_num_threads(1)
    probe = Trainer(args, 1, torch.empty(1, 0), None)
    count = sum(p.numel() for p in probe.model.parameters())
    print(
        f'{count / 1e6:.2f} M parameters, {len(probe.token_ids)} tokens, '
        f'{len(probe.names.choices)} names',
        flush=True,
    )
    del probe
    shared = torch.zeros(args.workers, 3 * count).share_memory_()
    barrier = context.Barrier(args.workers)
    mp.spawn(work, (args, shared, barrier), args.workers)


if __name__ == '__main__':
    main()
