"""Class names that are not what they seem, in everything that takes names."""

import json
from functools import lru_cache
from types import SimpleNamespace

import numpy as np
import pytest
from bad_input import Case, check
from tiny import tiny_eva

from declip_mm.models.text import parse_names
from declip_mm.models.text.vocabulary import Vocabulary

ENCODER = dict(type='DeCLIPTextEncoder', model=tiny_eva())


def predictor(source):
    from declip_mm.models import OpenVocabPredictor

    found = OpenVocabPredictor(ENCODER, source, prompts='name')
    return found.vocabulary.phrases


def vocabulary(source):
    return Vocabulary.of(source).phrases


def cat_seg(source):
    return Vocabulary.of(source, synonyms='all').phrases


@lru_cache(maxsize=1)
def tiny_f_vit():
    from det_model import build

    return build()


def detector(source):
    model = tiny_f_vit()
    model.set_vocabulary(source)
    return model.vocabulary.phrases


def det_inferencer(source):
    from declip_mm.apis import DeCLIPDetInferencer

    found = object.__new__(DeCLIPDetInferencer)
    found.model, found._trained_with = tiny_f_vit(), {}
    found.visualizer = SimpleNamespace()
    found.set_names(source)
    assert found.model.dataset_meta['classes'] == tuple(found.model.names)
    return found.model.vocabulary.phrases


def seg_inferencer(source):
    from tiny_dense_seg import dense_segmentor

    from declip_mm.apis import DeCLIPSegInferencer

    found = object.__new__(DeCLIPSegInferencer)
    found.model = dense_segmentor(None)
    found.set_names(source, None)
    texts = found.model.vocabulary.texts
    return dict(zip(found.classes, texts, strict=True))


def tool(source):
    from tool_modules import load_tool

    module = load_tool('misc/class_embeddings.py')
    dump = ['dump', 'out.npz', '--names', source, '--model', 'ViT-B-16']
    return module.wanted_names(module.parse_args(dump))


CONSUMERS = dict(
    predictor=predictor,
    vocabulary=vocabulary,
    cat_seg=cat_seg,
    detector=detector,
    det_inferencer=det_inferencer,
    seg_inferencer=seg_inferencer,
    tool=tool,
)


def given(source, take=parse_names):
    return lambda folder: take(source)


def in_file(content, name='n.txt', take=parse_names, encoding='utf-8'):
    def act(folder):
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / name).write_text(text, encoding)
        return take(str(folder / name))

    return act


def plain(*names):
    return {name: (name,) for name in names}


CAT_DOG = plain('cat', 'dog')
PERSON = dict(person=('person', 'man'), dog=('dog',))

#: What a person may type or save, and what it means.
READ = [
    ('blanks and comma', given(' cat , dog, '), CAT_DOG),
    ('dots', given('cat . dog'), CAT_DOG),
    ('dots at the end', given('cat . dog .'), CAT_DOG),
    ('sentences', given('a cat. a remote control.'),
     plain('a cat', 'a remote control')),
    ('dot of a word', given('St. Bernard'), plain('St. Bernard')),
    ('synonyms', given('sofa|couch,dog'),
     dict(sofa=('sofa|couch',), dog=('dog',))),
    ('synonyms alone', given('cat | kitten'), dict(cat=('cat|kitten',))),
    ('synonyms in a list', given(['cat|kitten', 'dog']),
     dict(cat=('cat|kitten',), dog=('dog',))),
    ('lines', given('cat\ndog\n'), CAT_DOG),
    ('tabs', given('cat\tdog'), CAT_DOG),
    ('full-width comma', given('cat，dog'), CAT_DOG),
    ('Python list', given("['cat', 'dog']"), CAT_DOG),
    ('Python tuple', given("('cat', 'dog')"), CAT_DOG),
    ('JSON list', given('["cat", "dog"]'), CAT_DOG),
    ('brackets', given('[cat, dog]'), CAT_DOG),
    ('quotes', given('"cat", "dog"'), CAT_DOG),
    ('quotes around', given('"cat, dog"'), CAT_DOG),
    ('typographic quotes', given('“cat”,“dog”'), CAT_DOG),
    ('apostrophe', given("bird's nest,'90s car"),
     plain("bird's nest", "'90s car")),
    ('dict', given("{'person': ['person', 'man'], 'dog': ['dog']}"), PERSON),
    ('numbers', given('0 cat,1 dog'), CAT_DOG),
    ('numbers and colons', given('1: cat, 2: dog'), CAT_DOG),
    ('WordNet ids', given('n02123045 cat,n02084071 dog'), CAT_DOG),
    ('years', given('1990 car,2020 car'), plain('1990 car', '2020 car')),
    ('prices', given('1 dollar,2 dollar'), plain('1 dollar', '2 dollar')),
    ('no-break space', given('fire\xa0hydrant'), plain('fire hydrant')),
    ('zero width', given('ca\u200bt,\ufeffdog'), CAT_DOG),
    ('decomposed', given('cafe\u0301'), plain('caf\xe9')),
    ('lines of a file', given(['cat\n', 'dog\n']), CAT_DOG),
    ('lists of texts', given([['person', 'man'], 'dog']), PERSON),
    ('array', given(np.array(['cat', 'dog'])), CAT_DOG),
    ('BOM', in_file('\ufeffcat\ndog'), CAT_DOG),
    ('BOM in json', in_file('\ufeff["cat", "dog"]', 'n.json'), CAT_DOG),
    ('old Mac line ends', in_file('cat\rdog\r'), CAT_DOG),
    ('capital suffix', in_file('cat\ndog', 'N.TXT'), CAT_DOG),
    ('one line', in_file('cat,dog\n'), CAT_DOG),
    ('one line of dots', in_file('cat . dog'), CAT_DOG),
    ('commas at line ends', in_file('cat,\ndog,\n'), CAT_DOG),
    ('list over lines', in_file("[\n'cat',\n'dog',\n]"), CAT_DOG),
    ('numbered lines', in_file('1\tcat\n2\tdog\n'), CAT_DOG),
    ('YAML', in_file('names:\n- cat\n- dog\n'), CAT_DOG),
    ('synonyms with blanks', in_file('rug, carpet\nsky\n'),
     plain('rug, carpet', 'sky')),
    ('texts of a line', in_file('person; man\ndog\n'), PERSON),
    ('texts in json', in_file(['person; man', 'dog'], 'n.json'), PERSON),
    ('lists in json', in_file([['person', 'man'], 'dog'], 'n.json'), PERSON),
    ('dict in json', in_file(dict(person=['person', 'man'], dog=['dog']),
     'n.json'), PERSON),
    ('names key', in_file(dict(names=['cat', 'dog']), 'n.json'), CAT_DOG),
    ('id to label', in_file({'1': 'dog', '0': 'cat'}, 'n.json'), CAT_DOG),
    ('label to id', in_file(dict(dog=1, cat=0), 'n.json'), CAT_DOG),
    ('categories alone', in_file([dict(id=2, name='dog'),
     dict(id=1, name='cat')], 'n.json'), CAT_DOG),
]  # fmt: skip

REFUSED = [
    ('semicolons', given('cat;dog'), "'cat;dog'", "'cat,dog'"),
    ('texts alone', given('person; man'), 'one class of 2', "['person; man']"),
    ('semicolons in a file', in_file('cat;dog'), 'n.txt', 'cat,dog'),
    ('dots in a list', given(['cat . dog']), "'cat . dog'",
     "['cat', 'dog']"),
    ('dots among commas', given('cat . dog,sky'), "'cat . dog'", 'cat,dog'),
    ('a bar too many', given(['cat|', 'sky']), "'cat|'", 'synonym'),
    ('commas in a list', given(['cat,dog']), "'cat,dog'", "'cat', 'dog'"),
    ('lines in a list', given(['cat\ndog']), 'line breaks', "'cat', 'dog'"),
    ('brackets in a list', given(["['cat', 'dog']"]), 'brackets',
     "['cat', 'dog']"),
    ('texts in a phrase', given(dict(person=['man; woman'])),
     "'man; woman'", "'man', 'woman'"),
    ('half a bracket', given('[cat, dog'), "'['", 'in quotes'),
    ('other half', given('cat, dog]'), "'dog]'", "Write 'dog'"),
    ('half a quote', given('"cat,dog'), "'\"cat'", "Write 'cat'"),
    ('a set', given({'cat'}), "{'cat'}", 'Give a list'),
    ('nothing', given(None), 'None', 'sequence of strings'),
    ('bytes', given(b'cat'), "b'cat'", "('cat',)"),
    ('empty string', given(''), "['']", 'Name or remove'),
    ('comma alone', given(','), "['']", 'Name or remove'),
    ('empty list', given('[]'), 'no class names', 'at least one'),
    ('hole', given('cat,,dog'), '[1]', 'Name or remove'),
    ('twice', given('cat,dog,cat'), "['cat', 'cat']", 'Rename'),
    ('twice by case', given('cat,CAT'), "'CAT'", 'Rename'),
    ('twice by accent', given('caf\xe9,cafe\u0301'), "'cafe\\u0301'",
     'Rename'),
    ('twice by width', given('cat,ｃａｔ'), "'ｃａｔ'", 'Rename'),
    ('twice by blank', given(['stop sign', 'stop\xa0 sign']),
     "'stop\\xa0 sign'", 'Rename'),
    ('twice unseen', given(['cat', 'ca\u200bt']), "'ca\\u200bt'", 'Rename'),
    ('numbers with holes', given('1: cat,7: dog'), "'7: dog'",
     'order of the labels'),
    ('a data set', given('CocoDataset'), "'CocoDataset'", 'Give its names'),
    ('no csv', given('names.csv'), 'names.csv', 'a name a line'),
    ('csv', in_file('cat,kitty\ndog,hound'), "n.txt: class name 'cat,kitty'",
     "'cat; kitty'"),
    ('table', in_file('cat\t1\ndog\t2'), "'cat\\t1'", 'apart'),
    ('UTF-16', in_file('cat', encoding='utf-16'), 'UTF-16', 'UTF-8'),
    ('UTF-16 without mark', in_file('cat', encoding='utf-16-le'), 'UTF-16',
     'UTF-8'),
    ('UTF-16 json', in_file(['cat'], 'n.json', encoding='utf-16'), 'n.json',
     'UTF-8'),
    ('empty file', in_file(''), 'n.txt: there are no', 'at least one'),
    ('empty json', in_file('', 'n.json'), 'n.json', 'a name a line'),
    ('keys twice', in_file('{"cat": ["a"], "cat": ["b"]}', 'n.json'),
     "['cat'] twice", 'Rename'),
    ('ids with holes', in_file({'0': 'cat', '5': 'dog'}, 'n.json'),
     '[0, 5]', 'order of the labels'),
    ('numbers in json', in_file([1, 2], 'n.json'), 'n.json: class names must',
     'strings'),
]  # fmt: skip

#: The same in every consumer.
EVERYWHERE = [
    ('dots', 'cat . dog', CAT_DOG, None),
    ('brackets', "['cat', 'dog']", CAT_DOG, None),
    ('texts', 'person; man,dog', PERSON, None),
    ('semicolons', 'cat;dog', "'cat;dog'", "'cat,dog'"),
    ('twice', 'cat,Cat', "['cat', 'Cat']", 'Rename'),
    ('empty', '', "['']", 'Name or remove'),
]


def everywhere():
    for called, take in CONSUMERS.items():
        for kind, source, got, allowed in EVERYWHERE:
            how = 'read' if allowed is None else 'refused'
            act = given(source, take)
            yield Case(f'{called}: {kind}', act, got, allowed or '', how)
        act = in_file('\ufeffcat\ndog', take=take)
        yield Case(f'{called}: BOM', act, CAT_DOG, outcome='read')
        content = dict(person=['person', 'man'], dog=['dog'])
        act = in_file(content, 'n.json', take)
        yield Case(f'{called}: dict', act, PERSON, outcome='read')


CASES = [
    *(Case(f'reads {r[0]}', *r[1:], outcome='read') for r in READ),
    *(Case(*row) for row in REFUSED),
    *everywhere(),
]


@pytest.mark.parametrize('case', CASES, ids=[c.name for c in CASES])
def test_names(case, tmp_path):
    check(case, tmp_path)
