"""Draw attention, patch correlation, principal colours and clusters.

    python tools/analysis_tools/vis_affinity.py \\
        configs/region_cls/declip_eva02-b16_coco-panoptic.py \\
        CLIP=original DeCLIP=declip.pth \\
        --vfm vit_base_patch14_dinov2.lvd142m --images a.jpg b.jpg \\
        --size 560 --out work_dirs/affinity
    python tools/analysis_tools/vis_affinity.py ViT-B-16 CLIP=openai \\
        --images a.jpg --points 0.3,0.4 0.8,0.7 --affinity vanilla

The first argument is a config, or the open_clip name of a model; then come
[LABEL=]WEIGHTS as for region_sweep.py. Without --points one anchor is chosen
in each of --anchors clusters of the features of the VFM (or of the last
backbone). Writes to OUT, for each picture P:

    P_correlation.png     cosine of each anchor with all patches (Fig. 7)
    P_attention_LABEL.png where CLS and the anchors look, by layer (Fig. 3)
    P_parts.png           principal directions as colours, and k-means

and correlation.html, one page without other files, on which pointing at a
patch shows its correlation in all backbones.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the clone

from declip_mm import apis


def parse_args(args: list[str] | None = None) -> argparse.Namespace:
    parser = apis.tool_parser(__doc__)
    apis.add_shared(parser, 'config', help='config, or open_clip model name')
    apis.add_shared(parser, 'checkpoints', '--config-of')
    parser.add_argument('--images', nargs='+', required=True)
    parser.add_argument(
        '--affinity', help="instead of the config's (model names: qq, csa ...)"
    )
    apis.add_shared(parser, '--scale', help="instead of the config's (rsqrt)")
    parser.add_argument(
        '--vfm',
        help="timm name of a VFM, or 'miniature': the ViT-S of the "
        'miniature world with the layer its config takes',
    )
    parser.add_argument(
        '--vfm-weights', help="file (default: timm's own, downloaded)"
    )
    parser.add_argument('--vfm-layer', type=int, help='default: the last')
    parser.add_argument(
        '--vfm-norm', default='model', choices=['model', 'plain', 'none']
    )
    parser.add_argument('--points', nargs='+', type=read_point, default=[])
    for name, count in (('--anchors', 4), ('--clusters', 6)):
        what = 'default: %(default)s'
        parser.add_argument(
            name, type=apis.at_least(1), default=count, help=what
        )
    parser.add_argument('--layers', nargs='+', type=int, help='from 1')
    parser.add_argument(
        '--size',
        type=apis.at_least(16),
        default=560,
        help='longest side (default: 560)',
    )
    parser.add_argument('--out', default='work_dirs/affinity')
    apis.add_shared(parser, '--device', default='cpu')
    return parser.parse_args(args)


def read_point(text: str) -> tuple[float, float]:
    try:
        x, y = (float(part) for part in text.split(','))
    except ValueError:
        x = y = -1
    if not (0 <= x <= 1 and 0 <= y <= 1):
        raise argparse.ArgumentTypeError(
            f'{text!r} is no point: x,y in [0, 1] of the picture, such as '
            '0.25,0.5'
        )
    return x, y


apis.help_first(__name__, parse_args)

import numpy as np
import torch
from PIL import Image

import declip_mm.miniature  # noqa: F401  (adds its VFM)
from declip_mm import visualization as vis
from declip_mm.apis.images import find_images
from declip_mm.datasets.decoding import UnreadableImage, read_image


def view_of(image: Image.Image, model, args):
    """A picture as a backbone or VFM takes it, and its grid (h, w)."""
    is_backbone = hasattr(model, 'forward_dense')
    patch = model.visual.patch_size if is_backbone else model.stride
    view = vis.patch_view(
        image, args.size, patch, model.pixel_mean, model.pixel_std
    )
    return view.to(args.device), tuple(s // patch for s in view.shape[2:])


@torch.no_grad()
def features_of(image: Image.Image, model, args):
    """Unit features (N, D) of a backbone or VFM, and their grid."""
    view, grid = view_of(image, model, args)
    if hasattr(model, 'forward_dense'):
        context = model.forward_dense(view).context
    else:
        context = (model(view),)
    tokens = [
        part[0].flatten(1).T if part.ndim == 4 else part[0] for part in context
    ]
    return vis.patch_features(tokens).cpu(), grid


def attention_of(image, model, anchors, label, args):
    """Heading -> (R, h, w) of one backbone, and whether row 0 is CLS."""
    view, grid = view_of(image, model, args)
    # counted from the end, whatever stands before the patches
    rows = [vis.patch_of(a, grid) - grid[0] * grid[1] for a in anchors]
    layers = vis.attention_by_layer(model, view, [0, *rows])
    wanted = args.layers or vis.evenly(len(layers))
    wrong = [n for n in wanted if not 1 <= n <= len(layers)]
    if wrong:
        raise apis.OptionError(
            f'--layers {wrong}: {label} has layers 1 to {len(layers)} with '
            'attention'
        )
    has_cls = layers[0].num_prefix > 0
    kept = [layers[n - 1].patches[0, 0 if has_cls else 1 :] for n in wanted]
    maps = [part.reshape(-1, *grid).numpy() for part in kept]
    return dict(zip([f'layer {n}' for n in wanted], maps)), has_cls


def draw_attention(image, models: dict, anchors, args, stem: str) -> None:
    """A sheet for each backbone, all on one scale."""
    found = {
        label: attention_of(image, model, anchors, label, args)
        for label, model in models.items()
        if hasattr(model, 'forward_dense')  # not of the VFM
    }
    top = vis.attention_top(
        [part for maps, _ in found.values() for part in maps.values()]
    )
    for label, (maps, has_cls) in found.items():
        safe = ''.join(c if c.isalnum() else '_' for c in label)
        vis.draw_attention(
            str(Path(args.out) / f'{stem}_attention_{safe}.png'),
            np.asarray(image),
            anchors,
            maps,
            has_cls,
            top,
            f'{label}: where a token looks (mean over heads)',
        )


def one_picture(stem: str, path: str, models: dict, args) -> vis.PageImage:
    """All sheets of a picture; what the page needs of it."""
    image = read_image(path)
    image.thumbnail((1024, 1024), Image.Resampling.BICUBIC)
    out = Path(args.out)
    found = {n: features_of(image, model, args) for n, model in models.items()}
    *_, chooser = found.values()
    anchors = args.points or vis.choose_anchors(*chooser, args.anchors)
    pixels = np.asarray(image)
    cosines, colours, clusters = {}, {}, {}
    for label, (features, grid) in found.items():
        rows = features[[vis.patch_of(a, grid) for a in anchors]] @ features.T
        cosines[label] = rows.reshape(-1, *grid).numpy()
        colours[label] = vis.principal_colours(features, grid)
        own, _ = vis.cluster_patches(features, args.clusters)
        clusters[label] = own.reshape(grid).numpy()
    vis.draw_correlations(
        str(out / f'{stem}_correlation.png'), pixels, anchors, cosines
    )
    vis.draw_parts(str(out / f'{stem}_parts.png'), pixels, colours, clusters)
    draw_attention(image, models, anchors, args, stem)
    return vis.PageImage(Path(path).name, pixels, anchors[0], found)


def load_models(args: argparse.Namespace) -> dict:
    """Label -> backbone, and ``VFM`` if there is one."""
    lines = apis.read_lines(args.config, args.checkpoints, args.config_of)
    given = dict(affinity=args.affinity, scale=args.scale)
    options = {k: v for k, v in given.items() if v is not None}
    models = {
        label: apis.load_backbone(*line, **options).to(args.device)
        for label, line in lines.items()
    }
    if args.vfm:
        vfm = args.vfm, args.vfm_weights, args.vfm_layer, args.vfm_norm
        models['VFM'] = apis.load_vfm(*vfm).to(args.device)
    return models


def draw(pictures, models: dict, args: argparse.Namespace) -> int:
    """Exit code: 1 if a picture was skipped."""
    pages = []
    for number, (stem, path) in enumerate(pictures, 1):
        done = f'[{number}/{len(pictures)}] {path}'
        try:
            pages.append(one_picture(stem, path, models, args))
        except UnreadableImage as error:
            done += f': skipped, {error}'
        print(done, flush=True)
    if lost := len(pictures) - len(pages):
        print(f'{lost} of {len(pictures)} were skipped')
    if not pages:
        raise apis.OptionError('no picture could be read')
    page = Path(args.out) / 'correlation.html'
    error = vis.write_page(str(page), pages)
    print(f'{page}: cosines off by {error:.3f} at most')
    return int(lost > 0)


@apis.command
def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    pictures = find_images(args.images)
    apis.check_device(args.device)
    apis.writable_folder(args.out)
    return draw(pictures, load_models(args), args)


if __name__ == '__main__':
    sys.exit(main())
