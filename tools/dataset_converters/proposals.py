"""Boxes of any object, found by a detector of base classes, as a COCO file.

    python tools/dataset_converters/proposals.py CONFIG CHECKPOINT OUT.json \\
        [--split train] [--max-per-image 20] [--min-score 0.5]

CONFIG is an F-ViT config, whose RPN saw base classes only, or that of a
proposer (configs/ov_dquo), CHECKPOINT a detector trained with it. The
pictures are those of the config's train (default), val or test loader.
OUT.json has one class, ``object``, and a score with each box; files are named
as below the loader's folder of pictures. A command that was stopped goes on
where it was.

For distillation: pre-finetuning takes the boxes in the place of grid cells
with --cfg-options train_dataloader.dataset.ann_file=OUT.json
train_dataloader.dataset.proposals=True. For OV-DQUO: pseudo_labels.py makes
pseudo labels of them; give it many (--max-per-image 100 --min-score 0).
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the clone

from declip_mm import apis


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = apis.tool_parser(__doc__)
    apis.add_shared(parser, 'config', '--cfg-options')
    parser.add_argument('checkpoint')
    parser.add_argument('out', type=Path)
    parser.add_argument(
        '--split', choices=('train', 'val', 'test'), default='train'
    )
    parser.add_argument('--max-per-image', type=apis.at_least(1), default=20)
    parser.add_argument('--min-score', type=float, default=0.5)
    return parser.parse_args(argv)


apis.help_first(__name__, parse_args)

from declip_mm.apis.proposals import write_proposals


@apis.command
def main() -> None:
    args = parse_args()
    count = write_proposals(
        apis.load_config(args.config, args.cfg_options),
        args.config,
        args.checkpoint,
        args.out,
        args.split,
        args.max_per_image,
        args.min_score,
    )
    print(f'wrote {args.out}: {count} boxes')


if __name__ == '__main__':
    main()
