"""Dump class embeddings of a CLIP's text tower, or verify a file of them.

    python tools/misc/class_embeddings.py dump OUT.npz \\
        --names names.txt --model EVA02-B-16 --pretrained EVA02_CLIP_B.pt
    python tools/misc/class_embeddings.py verify OUT.npz \\
        --names names.txt --model EVA02-B-16 --pretrained EVA02_CLIP_B.pt

``dump`` takes about one second a name with the 63 ViLD prompts and the text
tower of a ViT-B on one CPU core. ``verify`` without ``--model`` reads the
file and prints what it was made of.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmengine.registry import DATASETS

from declip_mm.apis import check_device, command, writable_file
from declip_mm.models.text import (
    PROMPT_SETS,
    ClassEmbeddings,
    DeCLIPTextEncoder,
    build_class_embeddings,
    expected_fingerprint,
    read_names,
)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest='command', required=True)
    for name, about in (
        ('dump', 'encode class names and write an .npz'),
        ('verify', 'read an .npz and compare it with what is wanted'),
    ):
        command = commands.add_parser(name, help=about)
        command.add_argument('file', help='.npz file')
        source = command.add_mutually_exclusive_group(required=name == 'dump')
        source.add_argument(
            '--names',
            help='.txt, .json or COCO annotation file, or "cat,dog"',
        )
        source.add_argument(
            '--dataset',
            help='registered data set whose METAINFO has the classes, such '
            'as mmdet.CocoDataset',
        )
        command.add_argument(
            '--model',
            required=name == 'dump',
            help='open_clip model name or .json config',
        )
        command.add_argument(
            '--pretrained', help='weight file or open_clip tag'
        )
        command.add_argument(
            '--allow-download',
            action='store_true',
            help='fetch the weights of a tag',
        )
        command.add_argument(
            '--prompts',
            default='vild',
            help=f'one of {", ".join(PROMPT_SETS)}, or a .txt file with a '
            'template a line (default: %(default)s)',
        )
        command.add_argument(
            '--synonyms', help='.json file: name -> list of further phrases'
        )
        command.add_argument('--background', help='phrase of a background row')
        command.add_argument('--device', default='cpu')
    return parser.parse_args(argv)


def wanted_names(args: argparse.Namespace):
    """Names or phrases of the command line; None where none are given."""
    if args.names is not None:
        return read_names(args.names)
    if args.dataset is None:
        return None
    dataset = DATASETS.get(args.dataset)
    classes = getattr(dataset, 'METAINFO', {}).get('classes')
    if not classes:
        raise ValueError(
            f'data set {args.dataset!r} is not registered or has no classes '
            'in its METAINFO. Give --names instead.'
        )
    return list(classes)


def recipe(args: argparse.Namespace) -> dict:
    """Prompts, synonyms and background of the command line."""
    prompts = args.prompts
    if prompts.endswith('.txt'):
        prompts = read_text(prompts).splitlines()
    synonyms = None
    if args.synonyms:
        try:
            synonyms = json.loads(read_text(args.synonyms))
        except json.JSONDecodeError as error:
            raise ValueError(
                f'--synonyms {args.synonyms} is no json: {error}; wanted is '
                '{"name": ["phrase", ...]}.'
            ) from error
    return {
        'prompts': prompts,
        'synonyms': synonyms,
        'background': args.background,
    }


def read_text(path: str) -> str:
    try:
        return Path(path).read_text('utf-8')
    except UnicodeDecodeError as error:
        raise ValueError(
            f'{path} is no text in UTF-8 ({error}); save it as such.'
        ) from error


def show_progress(done: int, total: int) -> None:
    end = '\n' if done == total else ''
    print(f'\rencoding prompts: {done}/{total}', end=end, flush=True)


def dump(args: argparse.Namespace) -> None:
    encoder = build_encoder(args)
    found = build_class_embeddings(
        encoder, wanted_names(args), **recipe(args), progress=show_progress
    )
    found.save(args.file)
    describe(found, args.file)


def verify(args: argparse.Namespace) -> None:
    names = wanted_names(args)
    expected = None
    if args.model is not None:
        encoder = build_encoder(args)
        expected = encoder.fingerprint
        if names is not None:
            expected = expected_fingerprint(encoder, names, **recipe(args))
    found = ClassEmbeddings.load(
        args.file, expected, None if names is None else list(names)
    )
    describe(found, args.file)
    compared = [
        what
        for what, given in (('names', names), ('model', expected))
        if given is not None
    ]
    print(f'verified: {", ".join(["file", *compared])}')


def build_encoder(args: argparse.Namespace) -> DeCLIPTextEncoder:
    if args.pretrained is None:
        raise ValueError(
            f'--model {args.model} has random weights, to which names mean '
            'nothing: give --pretrained, a weight file or open_clip tag.'
        )
    return DeCLIPTextEncoder(
        args.model, args.pretrained, allow_download=args.allow_download
    ).to(args.device)


def describe(found: ClassEmbeddings, path: str) -> None:
    made_of = found.fingerprint
    print(
        f'{path}: {len(found)} classes, {found.matrix.shape[1]} dimensions, '
        f'{made_of.get("prompts_label")}, text tower {made_of.get("model")} '
        f'(weights sha256 {str(made_of.get("weights"))[:12]}), background '
        f'{made_of.get("background")!r}'
    )


@command
def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    check_device(args.device)
    if args.command == 'dump':
        writable_file(args.file)
    {'dump': dump, 'verify': verify}[args.command](args)
    return 0


if __name__ == '__main__':
    sys.exit(main())
