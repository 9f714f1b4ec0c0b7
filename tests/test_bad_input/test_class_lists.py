"""Class lists of data sets against those of models, and towers that read two
names as one.
"""

from types import SimpleNamespace

import pytest
from bad_input import Case, check
from tiny import tiny_eva

from declip_mm.engine import VocabularyHook
from declip_mm.models import OpenVocabPredictor
from declip_mm.models.text import DeCLIPTextEncoder, build_class_embeddings
from declip_mm.models.text.vocabulary import Vocabulary

ENCODER = dict(type='DeCLIPTextEncoder', model=tiny_eva())
LONG = ' '.join(['very'] * 40)


def named_classes(kind, value):
    """Metainfo of a data set class of ours whose classes are given so."""

    def act(folder):
        import declip_mm.detection
        import declip_mm.segmentation.datasets
        from declip_mm.segmentation.datasets.base import OVSegDataset

        owner = dict(
            seg=OVSegDataset,
            det=declip_mm.detection.OpenVocabDetDataset,
        )[kind]
        (folder / 'bom.txt').write_text('\ufeffcat\ndog', 'utf-8')
        (folder / 'utf16.txt').write_text('cat', 'utf-16')
        (folder / 'classes').write_text('cat')
        given = value.format(folder=folder)
        return owner._load_metainfo(dict(classes=given))['classes']

    return act


def regions_of(classes):
    from declip_mm.datasets import DeCLIPRegionDataset

    return lambda folder: DeCLIPRegionDataset(
        str(folder / 'none.json'), classes=classes
    )


class Data:
    def __init__(self, classes):
        self.metainfo = dict(classes=classes)


def handed(kind, own, classes):
    """A model with names set by hand (or none) meets a data set."""

    def act(folder):
        loader = SimpleNamespace(dataset=Data(classes))
        if kind == 'predictor':
            model = OpenVocabPredictor(ENCODER, own, prompts='name')
        elif kind == 'segmentor':
            from tiny_dense_seg import dense_segmentor

            model = dense_segmentor(own)
        elif kind == 'cat_seg':
            from tiny_cat_seg import segmentor as build

            model = build(names=own)
        else:
            from det_model import build

            model = build()
            model.vocabulary = None
            if own is not None:
                model.set_vocabulary(own)
        runner = SimpleNamespace(model=model, test_dataloader=loader)
        VocabularyHook().before_test_epoch(runner)

    return act


HOOKS = ('predictor', 'segmentor', 'cat_seg', 'detector')
DATA = [
    *((f'{kind}: bare string', named_classes(kind, 'cat'), "'cat'",
       'tuple of one name') for kind in ('seg', 'det')),
    *((f'{kind}: bare list', named_classes(kind, 'cat,dog'), "'cat,dog'",
       "('cat', 'dog')") for kind in ('seg', 'det')),
    *((f'{kind}: UTF-16', named_classes(kind, '{folder}/utf16.txt'),
       'metainfo classes', 'UTF-8') for kind in ('seg', 'det')),
    *((f'{kind}: another file', named_classes(kind, '{folder}/classes'),
       '/classes. Convert', 'a name a line') for kind in ('seg', 'det')),
    ('regions: bare string', regions_of('cat,dog'), "'cat,dog'",
     "['cat', 'dog']"),
    *((f'{kind} hook: bare string', handed(kind, None, 'cat'), "'cat'",
       'needs its comma') for kind in HOOKS),
    *((f'{kind} hook: other order', handed(kind, ['cat', 'dog'],
       ('dog', 'cat')), "position 0 the model has 'cat'", 'leave the model')
      for kind in HOOKS),
    *((f'{kind} hook: fewer', handed(kind, ['cat', 'dog'], ('cat',)),
       "only in the model: 'dog'", 'leave the model') for kind in HOOKS),
]  # fmt: skip


# What only the tokens show.


def embedded(names):
    def act(folder):
        encoder = DeCLIPTextEncoder(tiny_eva())
        return build_class_embeddings(encoder, names, 'name')

    return act


def cat_seg_embedded(*names):
    def act(folder):
        from tiny_cat_seg import segmentor as build

        return build(names=list(names)).text_embeddings()

    return act


def same_texts(folder):
    return Vocabulary.of(dict(a=['cat'], b=['Cat']))


TOKENS = [
    ('cut to the same', embedded([f'{LONG} red cat', f'{LONG} blue dog']),
     'red cat', 'cut after 16 tokens'),
    ('entities', embedded(['cat & dog', 'cat &amp; dog']), "'cat & dog'",
     'Rename'),
    ('ligatures', embedded(['ﬁre', 'fire']), "'ﬁre'", 'Rename'),
    ('CAT-Seg: cut', cat_seg_embedded(f'{LONG} cat', f'{LONG} dog'),
     'very cat', 'Rename, shorten'),
    ('equal texts', same_texts, "['a', 'b']", 'remove all but one'),
    ('equal texts, mean', embedded(dict(a=['cat'], b=['Cat'])), "'a', 'b'",
     'Rename'),
]  # fmt: skip

CASES = [
    *(Case(*row) for row in (*DATA, *TOKENS)),
    *(
        Case(f'{kind}: file with a BOM', act, ('cat', 'dog'), outcome='read')
        for kind in ('seg', 'det')
        for act in [named_classes(kind, '{folder}/bom.txt')]
    ),
]


@pytest.mark.parametrize('case', CASES, ids=[c.name for c in CASES])
def test_class_list(case, tmp_path):
    check(case, tmp_path)
