"""Share of attention that leaves an object for a few proxy tokens, by layer.

    python tools/analysis_tools/proxy_tokens.py \\
        configs/miniature/region_cls.py \\
        original none DeCLIP=work_dirs/quickstart/declip_tiny.pth \\
        --k 5 --out work_dirs/proxy_tokens.json

The regions of the config's test data are the objects. Checkpoints are named
as for region_sweep.py. The definition is in
declip_mm/evaluation/proxy_tokens.py; a picture's value is the mean over its
object patches, the figure the mean over pictures with its 95 % interval.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the clone

from declip_mm import apis


def parse_args(args: list[str] | None = None) -> argparse.Namespace:
    parser = apis.tool_parser(__doc__)
    apis.add_shared(
        parser,
        'config',
        'checkpoints',
        '--config-of',
        '--limit',
        '--cfg-options',
    )
    parser.add_argument(
        '--k', type=apis.at_least(1), default=5, help='default: 5'
    )
    parser.add_argument('--out', default='work_dirs/proxy_tokens.json')
    apis.add_shared(parser, '--device', default='cpu')
    return parser.parse_args(args)


apis.help_first(__name__, parse_args)

import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS, MODELS
from tqdm import tqdm

from declip_mm.evaluation import patch_objects, proxy_shares
from declip_mm.evaluation.table import markdown_table
from declip_mm.visualization import attention_by_layer

#: Options of it would reach no backbone: each line loads its own config.
BACKBONE = 'model.backbone'

MEASURES = {
    'proxy': 'to the proxy tokens',
    'own': 'to the rest of their own object',
    'itself': 'to themselves',
    'prefix': 'to CLS (share of all tokens)',
}


def picture_values(layers, masks: torch.Tensor, k: int):
    """Measures of one picture, (layers, 6): MEASURES, then even shares.

    None where no patch shows an object.
    """
    objects = patch_objects(masks, layers[0].grid)
    if not bool((objects >= 0).any()):
        return None
    rows = []
    for layer in layers:
        weights = layer.weights[0, layer.num_prefix :]  # patches look
        shares = proxy_shares(weights[:, layer.num_prefix :], objects, k)
        prefix = weights[objects >= 0, : layer.num_prefix].sum(dim=1)
        parts = (shares.proxy, shares.own, shares.itself, prefix)
        even = (shares.proxy_even, shares.own_even)
        rows.append([float(part.mean()) for part in (*parts, *even)])
    return torch.tensor(rows)


def measure(backbone, dataset, cfg, args, label: str) -> torch.Tensor:
    """(pictures, layers, 6) of one backbone."""
    preprocess = MODELS.build(cfg.model.data_preprocessor)
    try:
        preprocess.adopt(backbone)  # each has pixel statistics
    except ValueError as error:
        raise apis.OptionError(f'{label}: {error}') from error
    found = []
    for index in tqdm(range(len(dataset)), label):
        data = preprocess(pseudo_collate([dataset[index]]))
        image = data['inputs']['image'].to(args.device)
        layers = attention_by_layer(backbone, image)
        masks = data['data_samples'][0].masks.cpu()
        values = picture_values(layers, masks, args.k)
        if values is not None:
            found.append(values)
    if not found:
        raise apis.OptionError('no picture has a patch that shows an object')
    return torch.stack(found)


def statistics(values: torch.Tensor) -> dict:
    """Mean in percent over pictures, and half the 95 % interval."""
    spread = values.std(dim=0) / len(values) ** 0.5
    return dict(mean=100 * float(values.mean()), ci95=196 * float(spread))


def row_of(label: str, values: torch.Tensor) -> dict:
    names = (*MEASURES, 'proxy_even', 'own_even')
    layers = [
        {n: statistics(values[:, layer, i]) for i, n in enumerate(names)}
        for layer in range(values.shape[1])
    ]
    return dict(name=label, pictures=len(values), layers=layers)


def tables(rows: list[dict], k: int) -> str:
    """One markdown table a measure."""
    depth = max(len(row['layers']) for row in rows)
    header = ['backbone', *(f'layer {i + 1}' for i in range(depth))]
    text = []
    for key, what in MEASURES.items():
        lines = []
        for row in rows:
            cells = [layer[key] for layer in row['layers']]
            cells = [f'{c["mean"]:.1f} ± {c["ci95"]:.1f}' for c in cells]
            lines.append([row['name'], *cells])
        if f'{key}_even' in rows[0]['layers'][0]:
            even = rows[0]['layers'][0][f'{key}_even']['mean']
            lines.append(['(even attention)', *[f'{even:.1f}'] * depth])
        what = what.replace('the proxy', f'the {k} proxy')
        text.append(f'Attention of object patches {what}, %:\n')
        text.append(markdown_table(header, lines) + '\n')
    return '\n'.join(text)


def run(args: argparse.Namespace) -> dict:
    strange = [o for o in args.cfg_options or () if o.startswith(BACKBONE)]
    if strange:
        raise apis.OptionError(
            f'{strange}: backbones are those of the config files; give '
            '--config-of LABEL=CONFIG for another.'
        )
    lines = apis.read_lines(args.config, args.checkpoints, args.config_of)
    cfg = apis.load_config(args.config, args.cfg_options)
    apis.check_kind(cfg, args.config, ('ZeroShotModel',))
    apis.check_device(args.device)
    apis.writable_file(args.out)
    dataset = cfg.test_dataloader.dataset
    if args.limit:
        dataset.indices = args.limit
    dataset = DATASETS.build(dataset)
    rows = []
    for label, (config, weights) in lines.items():
        backbone = apis.load_backbone(config, weights).to(args.device)
        values = measure(backbone, dataset, cfg, args, label)
        rows.append(row_of(label, values))
    return dict(k=args.k, image_size=dataset.view.side, rows=rows)


@apis.command
def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    found = run(args)
    out = Path(args.out)
    apis.write_json(out, found)
    text = tables(found['rows'], args.k)
    out.with_suffix('.md').write_text(text, 'utf-8')
    print(f'\n{text}\n{out}')


if __name__ == '__main__':
    main()
