"""What a class name is, and names in texts and files."""

import json
import logging

import pytest
from bad_input import logged
from mmengine.logging import MMLogger

from declip_mm.models.text import (
    TextTokenizer,
    class_phrases,
    clean_name,
    name_difference,
    name_key,
    parse_names,
    read_names,
    tidy,
    tokens_alike,
)
from declip_mm.models.text.names import separated


@pytest.fixture
def said():
    """Lines that are logged, notes included."""
    lines, handler = [], logging.Handler(logging.INFO)
    handler.emit = lambda record: lines.append(record.getMessage())
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)


def test_tidy_drops_what_nobody_sees():
    assert tidy('\ufeff stop\xa0\t sign\u200b\n') == 'stop sign'
    assert tidy('cafe\u0301') == 'caf\xe9'
    assert tidy('salt &amp; pepper') == 'salt & pepper'
    # the joiner of an emoji means something
    assert tidy('\U0001f468\u200d\U0001f692') == '\U0001f468\u200d\U0001f692'


def test_keys_are_equal_for_names_that_read_the_same():
    same = 'Stop_Sign', 'stop  sign.', 'ｓｔｏｐ sign', 'stop\u3000sign'
    assert {name_key(name) for name in same} == {'stop sign'}
    assert name_key('m²') != name_key('m2')
    assert name_key('straße') != name_key('strasse')


def test_separators_of_other_tools():
    assert separated('cat . dog .') == ("' . '", ['cat', 'dog'])
    for name in (
        'St. Bernard',
        'cat.',
        'fire hydrant',
        'bow_(weapon)',
        '<|endoftext|>',
        'rug, carpet',
    ):
        assert separated(name) is None


def test_an_entry_may_hold_several_phrases():
    wanted = dict(person=('person', 'man'), dog=('dog',))
    for names in (
        ['person; man', 'dog'],
        ['person;man;', 'dog'],
        [['person', 'man'], 'dog'],
        dict(person=['person', 'man'], dog=['dog']),
    ):
        assert class_phrases(names) == wanted
    assert class_phrases(['person', 'dog'], dict(person=['man'])) == wanted


def test_order_is_kept_and_names_are_tidied():
    found = class_phrases({' dog\n': ['hound'], 'cat': ['cat ']})
    assert list(found.items()) == [('dog', ('hound',)), ('cat', ('cat',))]


def test_what_is_understood_is_said(said):
    for source, words in (
        ('cat . dog', "2 names between ' . '"),
        ('cat\tdog', '2 names between tabs'),
        ('0 cat,1 dog', 'numbers before them are left out'),
    ):
        assert list(parse_names(source)) == ['cat', 'dog']
        assert words in said[-1]


def test_what_may_be_meant_otherwise_is_warned_of():
    with logged() as lines:
        assert list(class_phrases(['cat, dog'])) == ['cat, dog']
        assert list(class_phrases(['737 plane', '747 plane']))[0][0] == '7'
    assert "If it is several, give ['cat', 'dog']" in lines[0]
    assert 'begin with numbers' in lines[1]


def test_official_lists_are_taken_as_they_are():
    """Their commas, slashes, dots, numbers and parentheses are names, and no
    two are one to CLIP's tokenizer.
    """
    detection = pytest.importorskip('mmdet.datasets')
    segmentation = pytest.importorskip('mmseg.datasets')
    from declip_mm.segmentation.datasets.ade847 import read_ade847

    sets = [
        getattr(detection, f'{name}Dataset')
        for name in ('Coco', 'LVISV1', 'Objects365V2', 'OpenImages')
        if getattr(detection, f'{name}Dataset').METAINFO.get('classes')
    ]
    sets += [segmentation.ADE20KDataset, segmentation.COCOStuffDataset]
    assert len(sets) >= 5
    tokenize = TextTokenizer(77)
    ade847 = [name for _, name in read_ade847()]
    for names in (ade847, *(s.METAINFO['classes'] for s in sets)):
        found = class_phrases(names)
        assert list(found.values()) == [(tidy(name),) for name in names]
        texts = [clean_name(name) for name in found]
        assert tokens_alike(texts, tokenize(texts)) == []


def test_a_file_is_named_by_what_is_wrong_in_it(tmp_path):
    path = tmp_path / 'n.txt'
    path.write_text('cat\ncat\n')
    with pytest.raises(ValueError, match=r'n\.txt: these class names read'):
        parse_names(str(path))
    path = tmp_path / 'n.json'
    path.write_text(json.dumps({'classes': {'a': 1}, 'b': [2]}))
    with pytest.raises(ValueError, match=r'n\.json has no class names'):
        parse_names(str(path))


def test_files_of_one_line_are_lists(tmp_path, said):
    path = tmp_path / 'n.txt'
    path.write_text('# mine\ncat, dog\n')
    assert read_names(str(path)) == ['cat', 'dog']
    assert 'its one line is a list of 2 names' in said[-1]
    path.write_text('cat, dog\nsky\n')
    assert read_names(str(path)) == ['cat, dog', 'sky']


def test_differences_are_put_in_words():
    def told(a, b):
        return name_difference(a, b, 'A', 'B')

    assert told(['x', 'y'], ('x', 'y')) == ''
    assert "position 0 A has 'x', B has 'y'" in told(['x', 'y'], ['y', 'x'])
    assert told(['x'], ['x', 'y']) == (
        "A has 1, B has 2; only in A: none; only in B: 'y'"
    )
