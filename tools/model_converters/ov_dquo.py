"""Convert a published OV-DQUO checkpoint for a config of ours.

    python tools/model_converters/ov_dquo.py \\
        configs/ov_dquo/ov-dquo_eva02-b16_clipself_ov-lvis.py DQUO.pth OUT.pth

Takes the averaged weights (ema_model), which are those the authors measured;
the file holds its options as pickled code, so that --trust-pickle is needed.
Every tensor has to fit the config's model, name and shape; otherwise nothing
is written. The result is measured with tools/test.py and the same config,
which validates the port without any training. The config's backbone says the
affinity, which goes into the fingerprint as declared.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the clone

from declip_mm import apis


def parse_args(args: list[str] | None = None) -> argparse.Namespace:
    parser = apis.tool_parser(__doc__)
    apis.add_shared(parser, 'config', '--trust-pickle')
    parser.add_argument('checkpoint', help="*.pth of the authors' code")
    parser.add_argument('out')
    return parser.parse_args(args)


apis.help_first(__name__, parse_args)

import torch
from mmengine.registry import MODELS, init_default_scope

from declip_mm.checkpoint import check_fit, read_content, save_weights
from declip_mm.checkpoint.reader import weights_and_meta


def convert(
    config: str, source: str, out: str, trust_pickle: str | None = None
) -> int:
    """Write the converted checkpoint; returns the number of its tensors."""
    from declip_mm.detection.ov_dquo.convert import (
        averaged_weights,
        from_official,
    )

    cfg = apis.load_config(config)
    apis.check_kind(cfg, config, ('OVDQUO',))
    init_default_scope('mmdet')
    with torch.device('meta'):  # names and shapes alone
        model = MODELS.build(cfg.model)
    content = averaged_weights(read_content(source, trust_pickle))
    weights, _ = weights_and_meta(content, source)
    found = from_official(weights, source)
    check_fit(model, found, source, 'detector')
    fingerprint = dict(
        model.backbone.fingerprint,
        declared=['affinity', 'scale'],
        source=Path(source).name,
        source_layout='ov_dquo',
    )
    save_weights(found, out, fingerprint)
    return len(found)


@apis.command
def main() -> None:
    args = parse_args()
    count = convert(args.config, args.checkpoint, args.out, args.trust_pickle)
    print(f'wrote {args.out}: {count} tensors')


if __name__ == '__main__':
    main()
