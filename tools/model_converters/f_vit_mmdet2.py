"""Convert a published F-ViT checkpoint (mmdet 2) for a config of ours.

    python tools/model_converters/f_vit_mmdet2.py \\
        configs/f_vit/f-vit_eva02-b16_clipself_ov-coco.py FVIT.pth OUT.pth

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


def parse_args() -> argparse.Namespace:
    parser = apis.tool_parser(__doc__)
    apis.add_shared(parser, 'config', '--trust-pickle')
    parser.add_argument('checkpoint', help='*.pth of mmdet 2')
    parser.add_argument('out')
    return parser.parse_args()


apis.help_first(__name__, parse_args)

import torch
from mmengine.registry import MODELS, init_default_scope

from declip_mm.checkpoint import check_fit, read_checkpoint, save_weights


def convert(
    config: str, source: str, out: str, trust_pickle: str | None = None
) -> list[str]:
    """Write the converted checkpoint; returns what was left out."""
    from declip_mm.detection.convert import from_mmdet2

    cfg = apis.load_config(config)
    apis.check_kind(cfg, config, ('FViT',))
    init_default_scope('mmdet')
    with torch.device('meta'):  # names and shapes alone
        model = MODELS.build(cfg.model)
    weights, _ = read_checkpoint(source, trust_pickle)
    found, dropped = from_mmdet2(weights, source)
    for key, value in model.state_dict().items():
        # counters that no result depends on, and old norms did not keep
        if key.endswith('num_batches_tracked'):
            found.setdefault(key, torch.zeros(value.shape, dtype=value.dtype))
    check_fit(model, found, source, 'detector')
    fingerprint = dict(
        model.backbone.fingerprint,
        declared=['affinity', 'scale'],
        source=Path(source).name,
        source_layout='f_vit',
    )
    save_weights(found, out, fingerprint)
    return dropped


@apis.command
def main() -> None:
    args = parse_args()
    dropped = convert(
        args.config, args.checkpoint, args.out, args.trust_pickle
    )
    print(f'wrote {args.out}; left out on purpose: {", ".join(dropped)}')


if __name__ == '__main__':
    main()
