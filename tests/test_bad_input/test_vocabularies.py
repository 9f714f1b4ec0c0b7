"""Class names, prompts and class embeddings that mean nothing."""

import json

import numpy as np
import pytest
import torch
from bad_input import Case, check
from tiny import tiny_eva

from declip_mm.models.text import (
    ClassEmbeddings,
    DeCLIPTextEncoder,
    build_class_embeddings,
    class_phrases,
    get_prompts,
    read_names,
)
from declip_mm.models.text.tokenizer import TextTokenizer

UNIT = torch.eye(4)[:2]
LONG = ' '.join(['very'] * 40) + ' long'


def names(*given, **more):
    return lambda folder: class_phrases(list(given), **more)


def name_file(text, name='names.json'):
    def act(folder):
        path = folder / name
        content = text if isinstance(text, str) else json.dumps(text)
        path.write_text(content, 'utf-8', 'surrogateescape')
        return class_phrases(read_names(str(path)))

    return act


def prompts(given):
    return lambda folder: get_prompts(given)


def embeddings(**fingerprint):
    return ClassEmbeddings(('cat', 'dog'), UNIT, fingerprint)


def file_of(change=None, content=None, **wanted):
    """A saved file of class embeddings, damaged, and read again."""

    def act(folder):
        path = folder / 'classes.npz'
        embeddings(model='tiny', dim=4, architecture='y').save(path)
        if content is not None:
            path.write_bytes(content(path.read_bytes()))
        if change is not None:
            with np.load(path) as arrays:
                found = dict(arrays)
            change(found)
            np.savez(path, **found)
        return ClassEmbeddings.load(path, **wanted)

    return act


def drop(key):
    return lambda arrays: arrays.pop(key)


def put(key, value):
    return lambda arrays: arrays.update({key: value})


def embedded(*given, **options):
    """Warns of what it cuts, and embeds the rest."""

    def act(folder):
        encoder = DeCLIPTextEncoder(tiny_eva())
        made = build_class_embeddings(
            encoder, list(given), prompts=['a {}.'], **options
        )
        return len(made)

    return act


def table(*ids):
    return lambda folder: TextTokenizer(16, list(ids))


NAMES = [
    ('none', names(), 'no class names', 'at least one'),
    ('one string', lambda f: class_phrases('cat,dog'), "'cat,dog'", 'Split'),
    ('a number', names('cat', 3), '[3]', 'must be strings'),
    ('None', names('cat', None), '[None]', 'must be strings'),
    ('empty', names('cat', ''), '[1]', 'Name or remove'),
    ('blanks', names('cat', '  '), "'  '", 'Name or remove'),
    ('dots', names('cat', '...'), "'...'", 'Name or remove'),
    ('twice', names('cat', 'dog', 'cat'), "'cat', 'cat'", 'Rename or remove'),
    ('twice by case', names('Cat', 'cat'), "'Cat', 'cat'", 'Rename'),
    ('twice by dashes', names('stop_sign', 'stop sign'), "'stop_sign'",
     'read the same'),
    ('twice by dot', names('cat', 'cat.'), "'cat.'", 'read the same'),
    ('synonym of nothing', names('cat', synonyms=dict(dog=['hound'])),
     "['dog']", 'begin with'),
    ('synonym a string', names('cat', synonyms=dict(cat='kitty')),
     "'kitty'", "Write ['kitty']"),
    ('synonym empty', names('cat', synonyms=dict(cat=[''])), "['']",
     'non-empty'),
    ('no phrase', lambda f: class_phrases(dict(cat=[])), "'cat'",
     'non-empty'),
    ('phrase a number', lambda f: class_phrases(dict(cat=[3])), '[3]',
     'non-empty'),
    ('no file', lambda f: read_names(str(f / 'no.txt')), 'no.txt', 'path'),
    ('empty text', name_file('', 'a.txt'), 'no class names', 'at least one'),
    ('only comments', name_file('# cat\n\n', 'a.txt'), 'no class names',
     'at least one'),
    ('not UTF-8', name_file('caf\udce9', 'a.txt'), 'a.txt', 'UTF-8'),
    ('no JSON', name_file('{'), 'names.json', 'JSON'),
    ('JSON not UTF-8', name_file('["\udcff"]'), 'names.json', 'UTF-8'),
    ('JSON a number', name_file('3'), 'int', 'list of strings'),
    ('JSON a text', name_file('"cat"'), 'str', 'list of strings'),
    ('JSON null', name_file('null'), 'NoneType', 'list of strings'),
    ('JSON of numbers', name_file([1, 2]), '[1, 2]', 'must be strings'),
    ('JSON name -> text', name_file(dict(cat='kitty')), 'dict',
     'name -> list'),
    ('JSON empty', name_file({}), 'no class names', 'at least one'),
    ('COCO without names', name_file(dict(categories=[dict(id=1)])),
     "{'id': 1}", 'id and a name'),
    ('COCO without ids', name_file(dict(categories=[dict(name='cat')])),
     "{'name': 'cat'}", 'id and a name'),
    ('COCO of texts', name_file(dict(categories=['cat'])), "'cat'",
     'id and a name'),
    ('COCO ids of two kinds', name_file(dict(categories=[
        dict(id=1, name='cat'), dict(id='2', name='dog')])), "'2'",
     'id and a name'),
]  # fmt: skip

PROMPTS = [
    ('unknown set', prompts('imagenot'), "'imagenot'", 'vild'),
    ('no template', prompts([]), 'empty', 'at least'),
    ('no place', prompts(['a photo']), "'a photo'", '{}'),
    ('two places', prompts(['{} and {}']), "'{} and {}'", '{}'),
    ('named place', prompts(['a {name}']), "'a {name}'", '{}'),
    ('a number', prompts([3]), '3', '{}'),
    ('table too short', table(1, -1, 3), '3 entries', 'start and end'),
    ('table twice', table(0, -1, 5, 5, 49406, 49407), '6 entries', 'repeat'),
    ('table beyond', table(0, -1, 99999, 49406, 49407), '5 entries',
     'must lie in'),
]  # fmt: skip

FILES = [
    ('no file', lambda f: ClassEmbeddings.load(f / 'no.npz'), 'no.npz',
     'dump them'),
    ('cut', file_of(content=lambda c: c[:300]), 'classes.npz', 'Dump it'),
    ('empty', file_of(content=lambda c: b''), 'classes.npz', 'Dump it'),
    ('text', file_of(content=lambda c: b'cat'), 'classes.npz', 'Dump it'),
    ('no names', file_of(drop('names')), 'names', 'Dump it anew'),
    ('no matrix', file_of(drop('matrix')), 'matrix', 'Dump it anew'),
    ('no fingerprint', file_of(drop('fingerprint')), 'fingerprint',
     'Dump it anew'),
    ('unknown array', file_of(put('x', np.ones(1))), "['x']", 'Dump it'),
    ('pickled', file_of(put('names', np.array([dict()], object))),
     'classes.npz', 'Dump it anew'),
    ('fingerprint a text', file_of(put('fingerprint', np.array('{'))),
     'classes.npz', 'Dump it anew'),
    ('NaN', file_of(put('matrix', np.full((2, 4), np.nan, np.float32))),
     'norm nan', 'Dump it anew'),
    ('not unit', file_of(put('matrix', np.ones((2, 4), np.float32))),
     'norm 2', 'unit rows'),
    ('too few names', file_of(put('names', np.array(['cat']))), '1 class',
     'as many rows'),
    ('three axes', file_of(put('matrix', np.ones((2, 4, 1), np.float32))),
     '(2, 4, 1)', 'as many rows'),
    ('of numbers', file_of(put('matrix', np.array([['a'] * 4] * 2))),
     'classes.npz', 'Dump it anew'),
    ('another tower', file_of(expected=dict(model='other', dim=4,
     architecture='x')), "'tiny'", 'Dump them anew'),
    ('another dimension', file_of(expected=dict(dim=512)), '512', 'Dump'),
    ('other names', file_of(names=['cat', 'bird']), "'bird'", 'Dump'),
    ('another order', file_of(names=['dog', 'cat']), 'position 0', 'Dump'),
    ('suffix', lambda f: embeddings().save(f / 'a.pth'), 'a.pth', '.npz'),
    ('no background', lambda f: embeddings().with_background(),
     'no background row', "background='background'"),
    ('edited names', lambda f: embeddings(names='0' * 64),
     'not those of the fingerprint', 'edited'),
]  # fmt: skip

CASES = [
    *(Case(*row) for row in (*NAMES, *PROMPTS)),
    *(Case(f'file: {row[0]}', *row[1:]) for row in FILES),
    Case('too long', embedded('cat', LONG), 'very', '16 tokens of custom',
         'skipped'),
    Case('unicode', embedded('chat à l’œil', '猫', '🐈'), 3, outcome='read'),
    Case('odd characters', embedded('<|endoftext|>', '%s {} \\n'), 2,
         outcome='read'),
]  # fmt: skip


@pytest.mark.parametrize('case', CASES, ids=[c.name for c in CASES])
def test_vocabulary(case, tmp_path):
    check(case, tmp_path)
