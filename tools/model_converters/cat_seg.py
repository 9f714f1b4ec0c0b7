"""Convert released CAT-Seg weights, strictly.

    python tools/model_converters/cat_seg.py CONFIG SOURCE OUT.pth

SOURCE is the official CAT-Seg file, the DeCLIP authors' CATSeg_DeCLIP file,
or a DeCLIP or CLIP file without a head (then --towers-only is needed: OUT
starts a training as --cfg-options load_from=OUT.pth, its head is random).
Affinity and scale are those of CONFIG; the file does not say which it was
trained with, so OUT records them as declared.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the clone

from declip_mm import apis


def parse_args(args: list[str] | None = None) -> argparse.Namespace:
    parser = apis.tool_parser(__doc__)
    apis.add_shared(parser, 'config', '--license', '--trust-pickle')
    parser.add_argument('source', help='released file')
    parser.add_argument('out', help='.pth or .safetensors to write')
    parser.add_argument('--text', help='file with the text tower')
    parser.add_argument('--towers-only', action='store_true')
    return parser.parse_args(args)


apis.help_first(__name__, parse_args)

from mmseg.registry import MODELS

from declip_mm.checkpoint import save_weights
from declip_mm.segmentation.cat_seg import load_released
from declip_mm.version import __version__

WEIGHTS = ('.pt', '.pth', '.bin', '.safetensors')


def build(path: str):
    """The model of a config, with random weights and nothing loaded."""
    config = apis.load_config(path)
    apis.check_kind(config, path, ('OVCATSegmentor',))
    cfg = config.model
    for encoder in (cfg.backbone, cfg.text_encoder):
        encoder.pop('init_cfg', None)
        # A tag also tells the activation; a file, which need not be here,
        # tells nothing that is wanted.
        if Path(encoder.get('pretrained') or '').suffix in WEIGHTS:
            encoder.pretrained = None
    return MODELS.build(cfg)


@apis.command
def main(args: list[str] | None = None) -> None:
    options = parse_args(args)
    model = build(options.config)
    counts = load_released(
        model, options.source, options.text, options.trust_pickle
    )
    if ('head' in counts) == options.towers_only:
        sys.exit(
            f'cat_seg.py: {options.source} has '
            + (
                'a head; drop --towers-only'
                if options.towers_only
                else 'no head, which would be random; if that is meant, add '
                '--towers-only'
            )
        )
    image = model.backbone
    fingerprint = dict(
        image.fingerprint,
        declared=['affinity', 'scale'],
        recipe=f'released: {Path(options.source).name}',
        license=options.license,
        declip_mm=__version__,
    )
    save_weights(model.state_dict(), options.out, fingerprint)
    for part, count in counts.items():
        print(f'{part}: {count} tensors, all of them')
    if options.towers_only:
        print('head: random')
    print(
        f'{options.out}: affinity {fingerprint["affinity"]}, scale '
        f'{fingerprint["scale"]:.4g}, both declared'
    )


if __name__ == '__main__':
    main()
