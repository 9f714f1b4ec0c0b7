"""What a model tells apart, and what it is made of."""

import json
from types import SimpleNamespace

import pytest
from bad_input import logged

from declip_mm.models.text.vocabulary import Vocabulary


def test_names_from_everywhere(tmp_path):
    text = tmp_path / 'names.txt'
    text.write_text('# two classes\ncat\nperson; man; woman\n')
    table = tmp_path / 'names.json'
    table.write_text(json.dumps({'cat': ['cat'], 'person': ['man', 'woman']}))
    wanted = ('cat', 'person')
    meta = dict(classes=wanted, palette=[[1, 2, 3], [4, 5, 6]])
    for source in (
        ['cat', 'person'],
        'cat,person',
        str(text),
        str(table),
        {'cat': ['cat'], 'person': ['man']},
        meta,
        SimpleNamespace(metainfo=meta),
        Vocabulary.of('cat,person'),
    ):
        assert Vocabulary.of(source).classes == wanted
    found = Vocabulary.of(str(text))
    assert found.queries == ('cat', 'person', 'man', 'woman')
    assert found.owner == (0, 1, 1, 1)
    assert Vocabulary.of(found) == found


def test_metainfo_says_texts_and_base():
    meta = dict(
        classes=('tvmonitor', 'cat'),
        base_classes=('cat',),
        # the data set class may know more names than this config keeps
        texts=dict(tvmonitor=['tv monitor'], sofa=['couch']),
    )
    found = Vocabulary.of(meta)
    assert found.texts == (('tv monitor',), ('cat',))
    assert found.is_base == (False, True)
    old = dict(classes=('tvmonitor',), phrases=dict(tvmonitor=['tv monitor']))
    assert Vocabulary.of(old).texts == (('tv monitor',),)
    own = Vocabulary.of(meta, texts=dict(cat=['kitten']), base=['tvmonitor'])
    assert own.texts[1] == ('kitten',) and own.is_base == (True, False)
    more = Vocabulary.of(meta, more_texts=dict(cat=['kitten']))
    assert more.texts[1] == ('cat', 'kitten')


def test_without_base_all_count():
    assert Vocabulary.of('cat,dog').is_base == (True, True)
    assert Vocabulary.of('cat,dog', base=[]).is_base == (False, False)


def test_words_of_a_text_are_first_averaged_or_all():
    found = Vocabulary.of(['bag, purse', 'sky'])
    assert found.queries == ('bag, purse', 'sky')
    assert found.read_as('first').queries == ('bag', 'sky')
    assert found.read_as('average').queries == ('bag|purse', 'sky')
    every = Vocabulary.of(['bag, purse', 'sky'], synonyms='all')
    assert every.queries == ('bag', 'purse', 'sky')
    assert every.owner == (0, 0, 1)
    assert every.classes == ('bag, purse', 'sky')
    assert found.read_as('all', ' ').queries == ('bag,', 'purse', 'sky')


def test_background_of_many_words_is_one_class():
    """PAS-20b: 39 words stand for one class behind the 20."""
    names = [f'thing {i}' for i in range(20)] + ['background']
    words = [f'stuff {i}' for i in range(39)]
    found = Vocabulary.of(names, texts=dict(background=words))
    assert len(found.queries) == 59 and len(found.classes) == 21
    assert found.owner[20:] == (20,) * 39


def test_synonyms_are_one_text_and_the_first_is_the_name():
    meta = dict(
        classes=('sofa | couch', 'dog'),
        texts={'sofa | couch': ['settee|sofa']},
        base_classes=('sofa | couch',),
    )
    found = Vocabulary.of(meta)
    assert found.classes == ('sofa', 'dog')
    assert found.texts == (('settee|sofa',), ('dog',))
    assert found.is_base == (True, False)
    own = Vocabulary.of(['sofa | couch'], texts={'sofa|couch': ['settee']})
    assert own.texts == (('settee',),)
    # blanks beside a bar mean nothing: one row, one cache file
    assert Vocabulary.of(['sofa | couch']) == Vocabulary.of(['sofa|couch'])
    kept = Vocabulary.of({'sofa|couch': ['settee']}, base=['sofa|couch'])
    assert kept.classes == kept.base == ('sofa|couch',)


@pytest.mark.parametrize(
    'source, options, message',
    [
        ([], {}, 'no class names'),
        (['cat', ' '], {}, 'empty'),
        (['cat', 'dog', 'Cat'], {}, 'read the same'),
        ('cat,,dog', {}, 'empty'),
        (['cat'], dict(texts=dict(dog=['dog'])), r"\['dog'\], which are no"),
        (['cat'], dict(texts=dict(cat=[])), 'no phrase'),
        (['cat'], dict(more_texts=dict(dog=['d'])), 'which are no class'),
        (['background'], dict(background='stuff'), 'already'),
        (dict(classes=()), {}, 'no class names'),
        (['cat'], dict(base='cat'), r"one string 'cat'. Write \['cat'\]"),
        (['cat'], dict(base=['dog']), r"\['dog'\] are not among the 1"),
        (['cat'], dict(synonyms='best'), "synonyms='best' is unknown"),
        (dict(a=['cat', 'dog'], b=['Dog', 'cat']), {}, 'the same texts'),
        (dict(a=['cat|dog'], b=['Dog|cat']), {}, 'the same texts'),
    ],
)
def test_what_is_no_vocabulary(source, options, message):
    with pytest.raises(ValueError, match=message):
        Vocabulary.of(source, **options)


def test_shared_texts_are_warned_of_by_name():
    with logged() as lines:
        found = Vocabulary.of(dict(a=['cat', 'dog'], b=['Dog', 'sky']))
        assert not lines  # a mean does not mind
        found.warn_of_shared_texts()
    assert "'dog' for ['a', 'b']" in lines[0]
