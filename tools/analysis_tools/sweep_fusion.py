"""Sweep the fusion of detector and CLIP scores after training.

    python tools/analysis_tools/sweep_fusion.py dump CONFIG CHECKPOINT \\
        scores.npz [--num-images 500] [--half]
    python tools/analysis_tools/sweep_fusion.py sweep scores.npz \\
        --alpha 0.1 0.2 0.3 --beta 0.4 0.6 0.8 --tau 30 45 60 75 --out DIR

The first command runs the network once over the test set and keeps what both
classifiers say of every proposal. The second fuses, suppresses and measures
any number of settings without the network; it writes DIR/sweep.md,
DIR/sweep.json and a heat map of alpha and beta for every temperature. Choose
on a split that you do not report.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the clone

from declip_mm import apis

NAMES = ('alpha', 'beta', 'tau')


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = apis.tool_parser(__doc__)
    commands = parser.add_subparsers(dest='command', required=True)
    dump = commands.add_parser('dump', help='run the network once')
    apis.add_shared(dump, 'config', '--cfg-options')
    dump.add_argument('checkpoint')
    dump.add_argument('out', help='*.npz')
    dump.add_argument(
        '--num-images', type=apis.at_least(0), default=0, help='0: all'
    )
    dump.add_argument(
        '--half', action='store_true', help='float16: half the size'
    )
    sweep = commands.add_parser('sweep', help='measure settings')
    sweep.add_argument('scores', help='file of the dump')
    for name in NAMES:
        sweep.add_argument(f'--{name}', type=float, nargs='+')
    sweep.add_argument('--ann-file', help='default: that of the dump')
    sweep.add_argument('--out', type=Path, default='work_dirs/sweep_fusion')
    return parser.parse_args(argv)


apis.help_first(__name__, parse_args)

import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from declip_mm.evaluation.table import markdown_table


def truth_of(evaluator: object) -> str:
    """The annotation file of a config's metric, or of the first with one."""
    metrics = [evaluator] if isinstance(evaluator, dict) else evaluator or []
    for path in filter(None, (m.get('ann_file') for m in metrics)):
        return os.path.abspath(path)
    raise apis.OptionError(
        'no metric of test_evaluator has an ann_file, against which a sweep '
        f'would measure; got {metrics}'
    )


def dump(args: argparse.Namespace) -> None:
    from declip_mm.detection.scores import collect_scores
    from declip_mm.engine.vocabulary import hand_over_names

    if not args.out.endswith('.npz'):
        raise apis.OptionError(f'scores go into *.npz, got {args.out}')
    cfg = apis.load_config(args.config, args.cfg_options)
    apis.check_kind(cfg, args.config, ('FViT',))
    apis.writable_file(args.out)
    truth = truth_of(cfg.get('test_evaluator'))  # before the long pass
    runner = apis.loaded_runner(cfg, args.checkpoint)
    model, loader = runner.model.eval(), runner.test_loop.dataloader
    hand_over_names(model, loader.dataset)
    total = len(loader.dataset)
    total = min(total, args.num_images) if args.num_images else total
    proposals = model.test_cfg.rpn.max_per_img
    size = total * proposals * (len(model.names) + 1) * 2
    size *= 2 if args.half else 4
    print(f'{total} images, at most {size / 2**30:.2f} GiB', flush=True)
    try:
        with tqdm(total=total) as bar:
            scores = collect_scores(
                model,
                loader,
                args.num_images,
                args.half,
                lambda done: bar.update(done - bar.n),
            )
    except KeyboardInterrupt as stop:
        stop.kept = rescue(stop, args.out, truth)
        raise
    scores.about['ann_file'] = truth
    scores.save(args.out)
    print(f'{len(scores.boxes)} proposals in {args.out}')


def rescue(stop: KeyboardInterrupt, out: str, truth: str) -> str:
    """Write what a stopped dump has, under a name that says so."""
    scores = getattr(stop, 'scores', None)
    if scores is None:
        return 'No picture was done yet.'
    scores.about['ann_file'] = truth
    path = str(Path(out).with_suffix('.partial.npz'))
    scores.save(path)
    return f'{len(scores.img_ids)} pictures are in {path}.'


def heat_map(rows: list[dict], metric: str, path: Path) -> None:
    """One panel a temperature: alpha down, beta to the right."""
    axes_of = {k: sorted({r[k] for r in rows}) for k in ('alpha', 'beta')}
    taus = sorted({r['tau'] for r in rows})
    low, high = (f(r.get(metric, 0) for r in rows) for f in (min, max))
    figure = Figure(figsize=(3.4 * len(taus) + 0.6, 3.6))
    axes = figure.subplots(1, len(taus), squeeze=False)
    for axis, tau in zip(axes[0], taus):
        cells = np.full([len(axes_of[k]) for k in ('alpha', 'beta')], np.nan)
        for row in rows:
            if row['tau'] == tau:
                place = tuple(axes_of[k].index(row[k]) for k in axes_of)
                cells[place] = row.get(metric, 0)
        axis.imshow(cells, vmin=low, vmax=high, cmap='viridis')
        for (i, j), value in np.ndenumerate(cells):
            colour = 'white' if value < (low + high) / 2 else 'black'
            text = dict(ha='center', va='center', fontsize=8, color=colour)
            axis.text(j, i, f'{value:.1f}', **text)
        axis.set(
            title=f'{metric.replace("_", " ")}, tau {tau:g}',
            xlabel='beta (novel)',
        )
        axis.set_xticks(range(len(axes_of['beta'])), axes_of['beta'])
        axis.set_yticks(range(len(axes_of['alpha'])), axes_of['alpha'])
    axes[0][0].set_ylabel('alpha (base)')
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def _allowed(name: str, value: float) -> bool:
    return 0 < value < float('inf') if name == 'tau' else 0 <= value <= 1


def sweep(args: argparse.Namespace) -> None:
    from declip_mm.detection.scores import DumpedScores
    from declip_mm.detection.sweep import grid
    from declip_mm.detection.sweep import sweep as measure

    scores = DumpedScores.load(args.scores)
    about = scores.about
    for name in NAMES:
        wrong = [v for v in getattr(args, name) or () if not _allowed(name, v)]
        if wrong:
            raise apis.OptionError(
                f'--{name} {wrong}: allowed are '
                + ('numbers above 0' if name == 'tau' else '0 to 1')
            )
    settings = grid(*(getattr(args, n) or [about[n]] for n in NAMES))
    rows, start = [], time.time()
    apis.writable_folder(args.out)
    partial = args.out / 'sweep.partial.json'
    with apis.say_what_is_kept(
        lambda: f'{len(rows)} of {len(settings)} settings are in {partial}.'
    ):
        truth = args.ann_file or about['ann_file']
        for row in measure(scores, truth, settings):
            rows.append(row)
            apis.write_json(partial, dict(rows=rows))
            print(f'[{len(rows)}/{len(settings)}] {row}', flush=True)
    metrics = [k for k in max(rows, key=len) if k not in NAMES]
    if not metrics:
        sys.exit('sweep_fusion.py: no detection at any setting')
    rows.sort(key=lambda r: -r.get(metrics[0], 0))
    header = [*NAMES, *metrics]
    table = markdown_table(header, [[r.get(k) for k in header] for r in rows])
    apis.write_text(args.out / 'sweep.md', table)
    apis.write_json(args.out / 'sweep.json', dict(rows=rows))
    partial.unlink(missing_ok=True)
    heat_map(rows, metrics[0], args.out / 'sweep.png')
    seconds = time.time() - start
    print(
        f'{len(rows)} settings in {seconds:.1f} s '
        f'({seconds / len(rows):.2f} s each); best by {metrics[0]}: {rows[0]}'
        f'\n{args.out / "sweep.md"}, {args.out / "sweep.png"}'
    )


@apis.command
def main() -> None:
    args = parse_args()
    (dump if args.command == 'dump' else sweep)(args)


if __name__ == '__main__':
    main()
