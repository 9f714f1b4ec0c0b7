"""Detect free class names in pictures.

    python tools/demo_det.py CONFIG CHECKPOINT picture.jpg --names cat,dog

Writes OUT/vis/<picture> and OUT/preds/<picture>.json; a second picture of one
name gets a folder of its own, OUT/<name>_2. Pictures may be folders; --names
may be a file (.txt: a name a line; .json) instead of a list.
"""

import argparse
import sys
from pathlib import Path

CLONE = Path(__file__).resolve().parents[1]
if (CLONE / 'declip_mm' / '__init__.py').is_file():
    # works from a clone that was never installed
    sys.path.insert(0, str(CLONE))

from declip_mm import apis
from declip_mm.apis.pictures import find_pictures


def parse_args(args: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Detect free class names')
    parser.add_argument('config', help='F-ViT config')
    parser.add_argument('checkpoint', help='detector checkpoint')
    parser.add_argument('pictures', nargs='+', help='pictures or folders')
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
    parser.add_argument('--device', help='cuda:0, cpu ...')
    return parser.parse_args(args)


def detect(args: argparse.Namespace) -> None:
    pictures = find_pictures(args.pictures)
    if not Path(args.config).is_file():
        raise apis.OptionError(f'no config file {args.config}')
    detector = apis.DeCLIPDetInferencer(
        args.config,
        apis.check_checkpoint(args.checkpoint),
        args.names,
        device=args.device,
        show_progress=False,
    )
    head = detector.model.roi_head
    head.set_fusion(
        head.fusion_alpha if args.alpha is None else args.alpha,
        head.fusion_beta if args.beta is None else args.beta,
        head.tau_vlm if args.tau is None else args.tau,
    )
    for name, picture in pictures:
        # mmdet names files after pictures, and would write over its own
        own_folder = '' if name == Path(picture).stem else name
        found = detector(
            picture,
            out_dir=str(Path(args.out) / own_folder),
            pred_score_thr=args.score_thr,
            no_save_pred=False,
        )
        own = found['predictions'][0]
        rows = zip(own['names'], own['scores'], own['bboxes'])
        shown = [row for row in rows if row[1] >= args.score_thr]
        print(f'{picture}: {len(shown)} objects')
        for name, score, box in shown:
            corners = ' '.join(f'{v:.0f}' for v in box)
            print(f'  {score:.2f}  {name}  ({corners})')
    print(f'pictures and json files in {args.out}')


def main() -> None:
    args = parse_args()
    try:
        detect(args)
    except (apis.OptionError, FileNotFoundError, ValueError) as error:
        sys.exit(f'demo_det.py: {error}')


if __name__ == '__main__':
    main()
