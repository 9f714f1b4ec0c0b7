"""Pseudo labels of unknown objects for OV-DQUO, from base annotations alone.

    python tools/dataset_converters/pseudo_labels.py base CONFIG BASE.json
    python tools/dataset_converters/pseudo_labels.py rounds \\
        PROPOSER_CONFIG BASE.json WORK_DIR [--rounds 2] [--weight rew]

``base`` writes the annotations of base classes in the train data set of
CONFIG (F-ViT's or OV-DQUO's); everything after it reads no other annotations
and refuses a file with novel ones. ``rounds`` trains the proposer of
configs/ov_dquo on them, proposes, filters and weighs, and begins again with
the labels of the round before; stopped, the same command goes on. The result
is WORK_DIR/round_N/pseudo.json, for
--cfg-options train_dataloader.dataset.pseudo_file=FILE.

The steps of a round one by one, as for training on several GPUs:

    bash tools/dist_train.sh PROPOSER_CONFIG 8 --cfg-options \\
        train_dataloader.dataset.ann_file=BASE.json
    python tools/dataset_converters/proposals.py PROPOSER_CONFIG CHECKPOINT \\
        PROPOSALS.json --max-per-image 100 --min-score 0 --cfg-options \\
        train_dataloader.dataset.ann_file=BASE.json
    python tools/dataset_converters/pseudo_labels.py filter PROPOSALS.json \\
        BASE.json LABELS.json
    python tools/dataset_converters/pseudo_labels.py weigh LABELS.json \\
        PSEUDO.json --config PROPOSER_CONFIG --checkpoint CHECKPOINT \\
        --base BASE.json
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the clone

from declip_mm import apis

#: Of declip_mm.apis.weighing, which imports torch.
WEIGHTS = ('rew', 'score', 'const')
#: Option -> default and help; names are those of FilterRules.
RULES: dict[str, tuple[float, str]] = {
    'min_area': (2000.0, 'square pixels of a box, at least'),
    'max_cover': (0.98, 'share of the picture, at most'),
    'max_aspect': (4.0, 'longer side to shorter, at most'),
    'nms': (0.3, 'IoU above which the lower score goes'),
    'max_iou_base': (0.3, 'IoU with a base object, at most'),
    'per_image': (10, 'boxes of a picture'),
    'keep': (0.3, 'share of all boxes left, the best ones'),
}


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = apis.tool_parser(__doc__)
    commands = parser.add_subparsers(dest='command', required=True)
    base = commands.add_parser('base', help='write base annotations')
    apis.add_shared(base, 'config', '--cfg-options')
    base.add_argument('out', type=Path)
    some = commands.add_parser('filter', help='proposals to pseudo labels')
    some.add_argument('proposals', type=Path)
    some.add_argument('base', type=Path)
    some.add_argument('out', type=Path)
    weigh = commands.add_parser('weigh', help='give them weights')
    weigh.add_argument('labels', type=Path)
    weigh.add_argument('out', type=Path)
    weigh.add_argument('--config', help="the proposer's, for rew")
    weigh.add_argument('--checkpoint', help='of the proposer, for rew')
    weigh.add_argument('--base', type=Path, help='base file, for rew')
    apis.add_shared(weigh, '--cfg-options')
    rounds = commands.add_parser('rounds', help='all of it, several times')
    apis.add_shared(rounds, 'config', '--cfg-options')
    rounds.add_argument('base', type=Path)
    rounds.add_argument('work_dir', type=Path)
    rounds.add_argument('--rounds', type=apis.at_least(1), default=2)
    rounds.add_argument(
        '--amp',
        action=argparse.BooleanOptionalAction,
        default=None,
        help='automatic mixed precision on or off (default: as configured)',
    )
    for command in (weigh, rounds):
        command.add_argument(
            '--weight',
            choices=WEIGHTS,
            default='rew',
            help='reconstruction error, score, or 1 (default: %(default)s)',
        )
    for command in (some, rounds):
        add_rules(command)
    return parser.parse_args(argv)


def add_rules(parser: argparse.ArgumentParser) -> None:
    for name, (default, about) in RULES.items():
        parser.add_argument(
            f'--{name.replace("_", "-")}',
            type=type(default),
            default=default,
            help=f'{about} (default: %(default)s)',
        )


apis.help_first(__name__, parse_args)

from declip_mm.apis import pseudo_labels


def rules_of(args: argparse.Namespace) -> Any:
    """The filter's rules, refused if out of range."""
    from declip_mm.detection.pseudo.filters import FilterRules

    names = [field.name for field in fields(FilterRules)]
    return FilterRules(**{name: getattr(args, name) for name in names})


def base(args: argparse.Namespace) -> None:
    cfg = apis.load_config(args.config, args.cfg_options)
    apis.check_parts(
        cfg,
        args.config,
        ('train_dataloader',),
        'there are no annotations; take a config of configs/f_vit',
    )
    counts = pseudo_labels.write_base_file(cfg, args.out)
    print(
        f'wrote {args.out}: {counts["objects"]} objects of {counts["base"]} '
        f'base classes in {counts["pictures"]} pictures; {counts["novel"]} '
        'novel classes have none'
    )


def filter_labels(args: argparse.Namespace) -> None:
    counts = pseudo_labels.filter_file(
        args.proposals, args.base, args.out, rules_of(args)
    )
    print(f'wrote {args.out}: {counts}')


def weigh(args: argparse.Namespace) -> None:
    cfg = None
    if args.weight == 'rew':
        missing = [
            f'--{name}'
            for name in ('config', 'checkpoint', 'base')
            if getattr(args, name) is None
        ]
        if missing:
            raise apis.OptionError(
                f'--weight rew needs {" and ".join(missing)} of the proposer; '
                '--weight score or const does without'
            )
        cfg = apis.load_config(args.config, args.cfg_options)
        pseudo_labels.use_base_file(cfg, args.base)
    told = pseudo_labels.weigh_file(
        *(args.labels, args.out, args.weight, cfg),
        *(args.config or '', args.checkpoint or ''),
    )
    note = '' if told is None else f', AUC on known objects {told:.3f}'
    print(f'wrote {args.out}: weights by {args.weight}{note}')


def rounds(args: argparse.Namespace) -> None:
    found = pseudo_labels.label_rounds(
        args.config,
        args.base,
        args.work_dir,
        args.rounds,
        rules_of(args),
        args.weight,
        args.cfg_options,
        args.amp,
    )
    print(f'pseudo labels of round {args.rounds}: {found}')


@apis.command
def main() -> None:
    args = parse_args()
    {
        'base': base,
        'filter': filter_labels,
        'weigh': weigh,
        'rounds': rounds,
    }[args.command](args)


if __name__ == '__main__':
    main()
