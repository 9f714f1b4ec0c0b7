"""Compare the product with recordings of the authors' code.

    python tools/analysis_tools/check_golden.py FILE.npz ...

Prints, per file, the worst array and its error relative to that array's
largest absolute value; exits with 1 where any error exceeds the tolerance.
Recordings of CAT-Seg's head need mmseg, those of OV-DQUO mmdet, the others
the core alone. Those of a whole OV-DQUO lie side by side in a folder.
"""

import argparse
import sys
from math import isnan
from pathlib import Path
from zipfile import BadZipFile

HERE = Path(__file__).resolve().parent
for folder in (HERE, HERE.parents[1]):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from declip_mm.apis import command, help_first, tool_parser


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = tool_parser(__doc__)
    parser.add_argument('files', nargs='+', metavar='FILE.npz')
    parser.add_argument('--tolerance', type=float, default=1e-5)
    return parser.parse_args(arguments)


help_first(__name__, parse_args)

import numpy as np
from golden_towers import (
    Errors,
    check_distill,
    check_forward,
    distilled_affinity,
)

import declip_mm  # noqa: F401  (registers the models)

#: A key of a recording -> what it is of.
_OV_DQUO = {
    'pseudo_override_mask': 'assignment',
    'decoder_image0_cost': 'matching',
    'mixed.n_real': 'losses',
    'mixed.draw_box_sign_01': 'denoising',
    'roundtrip_probe_in': 'inference',
}


def check(data: dict[str, np.ndarray], path: Path) -> Errors:
    """Run the check that the recording's keys ask for."""
    if 'out/loss_content' in data:
        return check_distill(data, distilled_affinity(data))
    if 'weight/visual.cls_token' in data:
        return check_forward(data, openai=False)
    if 'weight/visual.class_embedding' in data:
        return check_forward(data, openai=True)
    if 'weight/text_guidance_projection.0.weight' in data:
        from golden_cat_seg import check_aggregator

        return check_aggregator(data, path.name)
    if path.name.startswith('full_forward'):
        from golden_ov_dquo_model import check_model

        return check_model(data, path)
    for key, kind in _OV_DQUO.items():
        if key in data:
            import golden_ov_dquo

            return getattr(golden_ov_dquo, f'check_{kind}')(data)
    raise ValueError(
        'no recording of a tower, a distillation step, an aggregation head '
        'or a part of OV-DQUO'
    )


def read(path: str) -> dict[str, np.ndarray]:
    """The arrays of a recording."""
    try:
        return dict(np.load(path))
    # numpy and zip each say in their own way that it is none
    except (ValueError, TypeError, BadZipFile) as error:
        raise ValueError(
            f'{path} is no recording (*.npz of arrays): {error}'
        ) from error


@command
def main(arguments: list[str] | None = None) -> int:
    options = parse_args(arguments)
    failed = False
    for file in options.files:
        errors = check(read(file), Path(file))
        # NaN compares as smaller than nothing, and is the worst there is.
        worst = max(errors, key=lambda k: (isnan(errors[k]), errors[k]))
        good = errors[worst] <= options.tolerance
        failed |= not good
        print(
            f'{"ok  " if good else "FAIL"} {file}: {len(errors)} arrays, '
            f'worst {worst} {errors[worst]:.1e}'
        )
    return int(failed)


if __name__ == '__main__':
    sys.exit(main())
