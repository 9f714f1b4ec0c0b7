"""Detect free class names in pictures.

    python tools/demo_det.py CONFIG CHECKPOINT picture.jpg --names cat,dog

Pictures are files, folders or patterns; --names may be a file (.txt: a name a
line; .json) instead of a list. Writes OUT/vis/NAME.png, OUT/preds/NAME.json
and OUT/results.json, NAME being that of the picture (NAME_2 for the second of
one name). A picture that cannot be used is named, the others are done, and
the exit code is 1.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the clone

from declip_mm import apis
from declip_mm.apis.options import check_share


def parse_args(args: list[str] | None = None) -> argparse.Namespace:
    parser = apis.tool_parser(__doc__)
    parser.add_argument('config', help='F-ViT or OV-DQUO config')
    parser.add_argument('checkpoint', help='detector checkpoint')
    apis.add_shared(parser, 'images', '--max-side', '--device')
    parser.add_argument(
        '--names', help='cat,dog or a file (default: those of the training)'
    )
    parser.add_argument('--out', default='work_dirs/demo_det')
    parser.add_argument('--score-thr', type=float, default=0.3)
    parser.add_argument(
        '--alpha', type=float, help='exponent of CLIP, base classes'
    )
    parser.add_argument(
        '--beta', type=float, help='exponent of CLIP, other classes'
    )
    parser.add_argument('--tau', type=float, help='temperature of CLIP')
    return parser.parse_args(args)


apis.help_first(__name__, parse_args)

from declip_mm.apis.results import check_image_run, tell_failed


def check(args: argparse.Namespace) -> None:
    """All that can be refused before the model is loaded."""
    apis.load_config(args.config)
    check_share('score-thr', args.score_thr, 'score')
    check_share('alpha', args.alpha, 'exponent of CLIP')
    check_share('beta', args.beta, 'exponent of CLIP')
    if args.tau is not None and args.tau <= 0:
        raise apis.OptionError(
            f'--tau {args.tau} is no temperature: it is above 0'
        )
    check_image_run(args.images, args.out, args.device, args.max_side)


def tune(model: Any, args: argparse.Namespace) -> None:
    """Change how CLIP's scores enter, as far as a detector has that."""
    head = getattr(model, 'roi_head', None)
    if head is not None:
        head.set_fusion(
            head.fusion_alpha if args.alpha is None else args.alpha,
            head.fusion_beta if args.beta is None else args.beta,
            head.tau_vlm if args.tau is None else args.tau,
        )
        return
    if args.alpha is not None or args.beta is not None:
        raise apis.OptionError(
            f'{args.config} builds an {type(model).__name__}, whose scores '
            "are CLIP's alone: --alpha and --beta are of F-ViT. Leave them "
            'out.'
        )
    model.tau_vlm = model.tau_vlm if args.tau is None else args.tau


def detect(args: argparse.Namespace) -> int:
    """Exit code: 1 if a picture could not be used, which was named."""
    check(args)
    detector = apis.DeCLIPDetInferencer(
        args.config,
        apis.check_checkpoint(args.checkpoint, folders=False),
        args.names,
        device=args.device,
    )
    tune(detector.model, args)
    found = detector(
        args.images,
        out_dir=args.out,
        pred_score_thr=args.score_thr,
        no_save_pred=False,
        max_side=args.max_side,
    )
    for own in found['predictions']:
        rows = zip(own['names'], own['scores'], own['bboxes'])
        shown = [row for row in rows if row[1] >= args.score_thr]
        print(f'{own["path"]}: {len(shown)} objects')
        for name, score, box in shown:
            corners = ' '.join(f'{v:.0f}' for v in box)
            print(f'  {score:.2f}  {name}  ({corners})')
    print(f'pictures, json files and results.json in {args.out}')
    return tell_failed('demo_det.py', found)


@apis.command
def main() -> int:
    return detect(parse_args())


if __name__ == '__main__':
    sys.exit(main())
