"""Dump class embeddings of a CLIP's text tower, verify or import a file.

    python tools/misc/class_embeddings.py dump OUT.npz \\
        --names names.txt --model EVA02-B-16 --pretrained EVA02_CLIP_B.pt
    python tools/misc/class_embeddings.py verify OUT.npz \\
        --names names.txt --model EVA02-B-16 --pretrained EVA02_CLIP_B.pt
    python tools/misc/class_embeddings.py import OUT.npz \\
        --from rows.npy --names names.txt --model EVA02-B-16

``dump`` takes about one second a name with the 63 ViLD prompts and the text
tower of a ViT-B on one CPU core. ``verify`` without ``--model`` reads the
file and prints what it was made of. ``import`` reads what others computed: a
``.npy`` or ``.pt`` with a row a class in the order of the names, or a ``.pt``
with a dict name -> vector.

A class may have several texts (``person; man`` in a list or file, a dict in a
.json): its row is the mean of their embeddings.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the clone

from declip_mm import apis

#: Those of declip_mm.models.text, without torch.
PROMPT_SETS = ('vild', 'openai', 'simple', 'name')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = apis.tool_parser(__doc__)
    commands = parser.add_subparsers(dest='command', required=True)
    for name, about in (
        ('dump', 'encode class names and write an .npz'),
        ('verify', 'read an .npz and compare it with what is wanted'),
        ('import', 'write an .npz of embeddings that others computed'),
    ):
        command = commands.add_parser(name, help=about)
        add = command.add_argument
        add('file', help='.npz file')
        source = command.add_mutually_exclusive_group(required=name == 'dump')
        source.add_argument(
            '--names',
            help='.txt, .json or COCO annotation file, or "cat,dog"; to '
            'import, in the order of the rows',
        )
        source.add_argument(
            '--dataset',
            help='registered data set whose METAINFO has the classes, such '
            'as mmdet.CocoDataset',
        )
        add(
            '--model',
            required=name != 'verify',
            help='open_clip model name or .json config',
        )
        add('--background', help='phrase of a background row')
        if name == 'import':
            what = '.npy, .pt or .pth: a row a class, or name -> vector'
            add('--from', dest='source', required=True, help=what)
            continue
        add('--pretrained', help='weight file or open_clip tag')
        # tags are fetched without being asked to
        add('--allow-download', action='store_true', help=argparse.SUPPRESS)
        add(
            '--prompts',
            default='vild',
            help=f'one of {", ".join(PROMPT_SETS)}, or a .txt file with a '
            'template a line (default: %(default)s)',
        )
        add('--synonyms', help='.json file: name -> list of further phrases')
        apis.add_shared(command, '--device', default='cpu')
    return parser.parse_args(argv)


apis.help_first(__name__, parse_args)

from mmengine.registry import DATASETS

from declip_mm.models.text import (
    ClassEmbeddings,
    DeCLIPTextEncoder,
    build_class_embeddings,
    expected_fingerprint,
    parse_names,
    read_json,
    read_text,
)
from declip_mm.models.text.importing import (
    import_class_embeddings,
    judge_order,
)


def wanted_names(args: argparse.Namespace):
    """Names or phrases of the command line; None where none are given."""
    if args.names is not None:
        return parse_names(args.names)
    if args.dataset is None:
        return None
    dataset = DATASETS.get(args.dataset)
    classes = getattr(dataset, 'METAINFO', {}).get('classes')
    if not classes:
        raise ValueError(
            f'data set {args.dataset!r} is not registered or has no classes '
            'in its METAINFO. Give --names instead.'
        )
    return parse_names(classes)


def recipe(args: argparse.Namespace) -> dict:
    """Prompts, synonyms and background of the command line."""
    prompts = args.prompts
    if prompts.endswith('.txt'):
        lines = read_text(prompts, 'file of prompts').splitlines()
        prompts = [line.strip() for line in lines if line.strip()]
    synonyms = None
    if args.synonyms:
        synonyms = read_json(
            args.synonyms,
            'file of synonyms',
            'Wanted is {"name": ["phrase", ...]}.',
        )
        if not isinstance(synonyms, dict):
            raise ValueError(
                f'{args.synonyms} must hold a dict, name -> list of phrases, '
                f'got {type(synonyms).__name__}.'
            )
    return dict(prompts=prompts, synonyms=synonyms, background=args.background)


def show_progress(done: int, total: int) -> None:
    end = '\n' if done == total else ''
    print(f'\rencoding prompts: {done}/{total}', end=end, flush=True)


def dump(args: argparse.Namespace) -> None:
    names, how = wanted_names(args), recipe(args)  # first: they are quick
    found = build_class_embeddings(
        build_encoder(args), names, **how, progress=show_progress
    )
    found.save(args.file)
    describe(found, args.file)


def verify(args: argparse.Namespace) -> None:
    names = wanted_names(args)
    expected = None
    declared = ClassEmbeddings.load(args.file).declared is not None
    if args.model is not None and not declared:
        encoder = build_encoder(args)
        expected = encoder.fingerprint
        if names is not None:
            expected = expected_fingerprint(encoder, names, **recipe(args))
    found = ClassEmbeddings.load(args.file, expected, names and list(names))
    if declared and args.model is not None:
        found.verify_declared(args.model, args.file)
    describe(found, args.file)
    compared = ', names' * (names is not None)
    if args.model is not None:
        compared += ', model' + ' name (as declared)' * declared
    print(f'verified: file{compared}')


def import_file(args: argparse.Namespace) -> None:
    found, notes = import_class_embeddings(
        args.source, wanted_names(args), args.model, args.background
    )
    order = judge_order(found)
    found.save(args.file)
    describe(found, args.file)
    for note in notes:
        print(note)
    near = ', '.join(f'{a} / {b} ({c:.2f})' for c, a, b in order.nearest)
    print(f'nearest pairs, look at them: {near}')
    if order.score is None:
        print(
            f'order of the rows: not judged, {order.pairs} pairs of names '
            'with a word in common are too few'
        )
        return
    print(
        f'order of the rows: {order.pairs} pairs of names with a word in '
        f'common are {order.score:.1f} standard deviations above chance'
    )
    if order.shuffled:
        print(
            'warning: the rows look shuffled against the names. Give the '
            'names in the order in which the file was made.'
        )


def build_encoder(args: argparse.Namespace) -> DeCLIPTextEncoder:
    if args.pretrained is None:
        raise ValueError(
            f'--model {args.model} has random weights, to which names mean '
            'nothing: give --pretrained, a weight file or open_clip tag.'
        )
    old = dict(allow_download=True) if args.allow_download else {}
    return DeCLIPTextEncoder(args.model, args.pretrained, **old).to(
        args.device
    )


def describe(found: ClassEmbeddings, path: str) -> None:
    made_of = found.fingerprint
    origin = f'weights sha256 {str(made_of.get("weights"))[:12]}'
    if found.declared is not None:
        origin = f'as declared; imported from {found.declared}'
    print(
        f'{path}: {len(found)} classes, {found.matrix.shape[1]} dimensions, '
        f'{made_of.get("prompts_label")}, text tower {made_of.get("model")} '
        f'({origin}), background {made_of.get("background")!r}'
    )


@apis.command
def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    apis.check_device(getattr(args, 'device', None))  # importing needs none
    if args.command != 'verify':
        apis.writable_file(args.file)
    commands = {'dump': dump, 'verify': verify, 'import': import_file}
    commands[args.command](args)
    return 0


if __name__ == '__main__':
    sys.exit(main())
