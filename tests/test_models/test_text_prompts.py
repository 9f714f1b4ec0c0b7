"""Prompts and class names."""

import json

import pytest

from declip_mm.models.text import (
    PROMPT_SETS,
    class_phrases,
    clean_name,
    expand,
    get_prompts,
    read_names,
)


def test_vild_has_63_prompts_of_which_58_become_sentences():
    prompts = expand('dog')
    assert len(prompts) == len(set(prompts)) == 63
    assert sum(p.startswith('This is ') for p in prompts) == 58
    assert sorted(p for p in prompts if not p.startswith('This is ')) == [
        'There is a dog in the scene.',
        'There is the dog in the scene.',
        'itap of a dog.',
        'itap of my dog.',
        'itap of the dog.',
    ]


# One of each pattern of f-vit's list, written out by hand.
@pytest.mark.parametrize(
    'prompt',
    [
        'This is a photo of an apple in the scene.',
        'This is a photo of one apple in the scene.',
        'This is a photo of many apple.',
        'This is a low resolution photo of an apple.',
        'This is a close-up photo of the apple.',
        'This is a jpeg corrupted photo of an apple.',
        'This is a black and white photo of the apple.',
        'This is a photo of a hard to see apple.',
        'This is a photo of the clean apple.',
        'This is a plushie apple.',
        'This is the cartoon apple.',
        'This is an embroidered apple.',
        'This is the embroidered apple.',
        'This is a painting of a apple.',
        'There is an apple in the scene.',
    ],
)
def test_vild_patterns(prompt):
    assert prompt in expand('apple')


def test_article_goes_by_the_raw_name():
    assert 'itap of a apple.' in expand('Apple')
    assert 'itap of an orange.' in expand('orange')
    assert 'itap of a hour.' in expand('hour')


@pytest.mark.parametrize(
    ('raw', 'clean'),
    [
        ('Stop_Sign', 'stop sign'),
        ('cabinet/shelf', 'cabinet or shelf'),
        ('bow_(weapon)', 'bow (weapon)'),
        ('etc..', 'etc'),
    ],
)
def test_clean_name(raw, clean):
    assert clean_name(raw) == clean


def test_openai_set():
    prompts = expand('apple', 'openai')
    assert len(prompts) == 80
    assert 'a bad photo of a apple.' in prompts
    assert not any('This is' in p for p in prompts)


def test_own_templates_and_single_ones():
    assert expand('a_b', ['{}', 'one {} here']) == ['a b', 'one a b here']
    assert expand('cat', 'look, {article} {}!') == ['look, a cat!']
    assert expand('cat', 'name') == ['cat']
    assert expand('cat', 'simple') == ['a photo of a cat.']


def test_digest_follows_the_templates_not_the_label():
    assert get_prompts(['{}']).digest == PROMPT_SETS['name'].digest
    assert get_prompts(['{}.']).digest != PROMPT_SETS['name'].digest


def test_wrong_templates_are_named():
    with pytest.raises(ValueError, match=r"\[1\] 'no', \[2\] '\{\} \{\}'"):
        get_prompts(['a {}', 'no', '{} {}'])
    with pytest.raises(ValueError, match='unknown prompt set .imagenet.*vild'):
        get_prompts('imagenet')
    with pytest.raises(ValueError, match='empty'):
        get_prompts([])


def test_phrases_of_names_synonyms_and_mappings():
    assert class_phrases(['couch', 'cat'], {'couch': ['sofa', 'couch']}) == {
        'couch': ('couch', 'sofa'),
        'cat': ('cat',),
    }
    replaced = class_phrases({'wall-other-merged': ['wall'], 'sky': ['sky']})
    assert replaced['wall-other-merged'] == ('wall',)


@pytest.mark.parametrize(
    ('names', 'message'),
    [
        (['a', ' ', '_'], r'positions \[1, 2\]'),
        (
            ['stop_sign', 'x', 'Stop sign', 'x'],
            r"\['stop_sign', 'Stop sign'\], \['x', 'x'\]",
        ),
        ([], 'no class names'),
    ],
)
def test_bad_names_are_listed(names, message):
    with pytest.raises(ValueError, match=message):
        class_phrases(names)


def test_names_of_other_types_are_refused():
    with pytest.raises(ValueError, match=r'not: \[3, None\]'):
        class_phrases(['a', 3, None])
    with pytest.raises(ValueError, match="the one string 'cat'"):
        class_phrases('cat')
    with pytest.raises(ValueError, match=r"\['dog'\], which are no class"):
        class_phrases(['cat'], {'dog': ['hound']})
    with pytest.raises(ValueError, match="must be a list.*'hound'"):
        class_phrases(['dog'], {'dog': 'hound'})


def test_read_names(tmp_path):
    (tmp_path / 'n.txt').write_text('# a comment\ncat\n\nfire hydrant\n')
    assert read_names(str(tmp_path / 'n.txt')) == ['cat', 'fire hydrant']
    assert read_names('cat, fire hydrant') == ['cat', 'fire hydrant']
    contents = {
        'list': (['b', 'a'], ['b', 'a']),
        'dict': ({'b': ['x']}, {'b': ['x']}),
        'classes': ({'classes': ['b']}, ['b']),
        'coco': (
            {'categories': [{'id': 7, 'name': 'z'}, {'id': 2, 'name': 'y'}]},
            ['y', 'z'],
        ),
    }
    for stem, (content, names) in contents.items():
        path = tmp_path / f'{stem}.json'
        path.write_text(json.dumps(content))
        assert read_names(str(path)) == names
    (tmp_path / 'bad.json').write_text('{"a": 1.5}')
    with pytest.raises(ValueError, match='no class names: allowed are'):
        read_names(str(tmp_path / 'bad.json'))
    (tmp_path / 'n.csv').write_text('cat\n')
    with pytest.raises(ValueError, match=r'\.txt and \.json files, got .*csv'):
        read_names(str(tmp_path / 'n.csv'))
    many = [f'thing no. {i}' for i in range(2000)]
    assert read_names(','.join(many)) == many
    with pytest.raises(FileNotFoundError, match=r'none\.txt'):
        read_names(str(tmp_path / 'none.txt'))
