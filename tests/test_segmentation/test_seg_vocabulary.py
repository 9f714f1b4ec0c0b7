"""Names of classes: where they come from, and what follows them."""

import json

import pytest
import torch
from bad_input import logged
from mmseg.registry import DATASETS, MODELS
from PIL import Image
from tiny_dense_seg import dense_segmentor, labels_of, picture, samples_of

from declip_mm.segmentation import build_vocabulary
from declip_mm.segmentation.hooks import SegVocabularyHook


def test_names_from_everywhere(tmp_path):
    text = tmp_path / 'names.txt'
    text.write_text('# two classes\ncat\nperson; man; woman\n')
    table = tmp_path / 'names.json'
    table.write_text(json.dumps({'cat': ['cat'], 'person': ['man', 'woman']}))
    wanted = ('cat', 'person')
    for source in (
        ['cat', 'person'],
        'cat,person',
        str(text),
        str(table),
        {'cat': ['cat'], 'person': ['man']},
        dict(classes=wanted, palette=[[1, 2, 3], [4, 5, 6]]),
    ):
        assert build_vocabulary(source).classes == wanted
    found = build_vocabulary(str(text))
    assert found.queries == ('cat', 'person', 'man', 'woman')
    assert found.owner == (0, 1, 1, 1)


def test_names_of_a_registered_data_set():
    found = build_vocabulary('OVVOC21Dataset')
    assert found.palette[1] == (128, 0, 0)
    assert len(found.classes) == 21 and len(found.queries) == 46
    assert build_vocabulary('ADE20KDataset').classes[7] == 'bed'


def test_one_word_is_a_vocabulary():
    model = dense_segmentor(['cat'])
    assert (labels_of(model, [picture()])[0] == 0).all()
    assert model.set_vocabulary('cat', background='stuff').classes == (
        'background',
        'cat',
    )
    assert len(model.vocabulary.queries) == 27
    assert set(labels_of(model, [picture()])[0].unique().tolist()) <= {0, 1}


@pytest.mark.parametrize(
    'source, options, message',
    [
        ([], {}, 'no class names'),
        (['cat', ' '], {}, 'empty'),
        (['cat', 'dog', 'Cat'], {}, 'read the same'),
        ('cat,,dog', {}, 'empty'),
        (['cat'], dict(texts=dict(dog=['dog'])), 'no class names'),
        (['cat'], dict(texts=dict(cat=[])), 'no phrase'),
        (['cat'], dict(palette=[[0, 0, 0]] * 2), '2 colours for 1'),
        (['background'], dict(background='stuff'), 'already'),
        (dict(classes=()), {}, 'no class names'),
    ],
)
def test_what_is_no_vocabulary(source, options, message):
    with pytest.raises(ValueError, match=message):
        build_vocabulary(source, **options)


def test_colours_are_the_same_every_time_and_differ():
    found = build_vocabulary([f'thing {i}' for i in range(60)])
    assert found == build_vocabulary([f'thing {i}' for i in range(60)])
    assert len(set(found.palette)) == 60


def test_results_follow_a_new_vocabulary_after_build_and_after_load():
    """The traps of mmseg's own open-vocabulary models: old names stay."""
    image = picture()
    fresh = dense_segmentor(['sky', 'a red car', 'dog'])
    wanted = labels_of(fresh, [image])[0]
    model = dense_segmentor(['cat', 'dog'])
    labels_of(model, [image])  # embeddings of the old names are cached
    weights = {k: v + 0.1 for k, v in fresh.state_dict().items()}
    for state in (None, weights):
        if state is not None:
            for one in (model, fresh):
                one.load_state_dict(state)
            wanted = labels_of(fresh, [image])[0]
        model.set_vocabulary(['cat', 'dog'])
        model.set_vocabulary(
            ['sky', 'a red car', 'dog'], palette=[[7] * 3] * 3
        )
        (sample,) = model.predict([image], samples_of((96, 128)))
        assert torch.equal(sample.pred_sem_seg.data[0], wanted)
        for meta in (model.dataset_meta, sample.metainfo):
            assert meta['classes'] == ['sky', 'a red car', 'dog']
            assert meta['palette'] == [[7] * 3] * 3


def test_order_of_names_is_order_of_labels():
    image = picture()
    model = dense_segmentor(['cat', 'dog', 'sky'])
    first = labels_of(model, [image])[0]
    model.set_vocabulary(['sky', 'dog', 'cat'])
    assert torch.equal(labels_of(model, [image])[0], 2 - first)


def test_shared_texts_are_embedded_once():
    model = dense_segmentor({'a': ['cat', 'dog'], 'b': ['Dog', 'sky']})
    assert len(model.texts.predictor.names) == 3
    matrix = model.texts.matrix(torch.zeros(12))
    assert torch.equal(matrix[1], matrix[2]) and len(matrix) == 4


def test_prompts_change_embeddings():
    model = dense_segmentor(['cat', 'dog'])
    like = torch.zeros(12)
    before = model.texts.matrix(like)
    model.set_vocabulary(['cat', 'dog'], prompts='a photo of a {}.')
    after = model.texts.matrix(like)
    assert not torch.allclose(before, after)
    model.set_vocabulary(['cat', 'dog'])
    assert torch.equal(model.texts.matrix(like), after)


def test_no_names_is_an_error_that_says_what_to_do():
    with pytest.raises(ValueError, match='SegVocabularyHook'):
        labels_of(dense_segmentor(None), [picture()])


def test_texts_of_another_clip_are_refused():
    backbone = dict(type='DeCLIPViT', model='ViT-B-32')
    with torch.device('meta'), pytest.raises(ValueError, match='ViT-B-16'):
        MODELS.build(
            dict(
                type='DenseCLIPSegmentor',
                backbone=backbone,
                text_encoder=dict(type='DeCLIPTextEncoder', model='ViT-B-16'),
            )
        )
    with pytest.raises(ValueError, match='another CLIP'):
        dense_segmentor().texts.matrix(torch.zeros(13))


class Loop:
    """What the hook sees of a runner."""

    def __init__(self, model, meta):
        self.model = model
        self.dataset = type('Data', (), dict(metainfo=meta))()
        self.test_dataloader = self.val_dataloader = self

    def __iter__(self):
        return iter(())


def test_hook_hands_over_names_texts_and_colours():
    model, hook = dense_segmentor(None), SegVocabularyHook()
    meta = DATASETS.get('OVVOC20Dataset').METAINFO
    hook.before_test_epoch(Loop(model, meta))
    assert model.vocabulary.classes == meta['classes']
    assert model.vocabulary.texts[10] == ('dining table',)
    assert model.vocabulary.palette[0] == (128, 0, 0)
    hook.before_val_epoch(Loop(model, dict(classes=['cat'])))
    assert model.vocabulary.classes == ('cat',)


def test_hook_keeps_own_texts_and_refuses_other_names():
    model = dense_segmentor({'cat': ['cat', 'kitten'], 'dog': ['dog']})
    hook = SegVocabularyHook()
    hook.before_test_epoch(Loop(model, dict(classes=['cat', 'dog'])))
    assert model.vocabulary.texts[0] == ('cat', 'kitten')
    with pytest.raises(ValueError, match="position 0 the model has 'cat'"):
        hook.before_test_epoch(Loop(model, dict(classes=['dog', 'cat'])))


def test_a_second_hook_replaces_what_the_first_gave():
    model = dense_segmentor(None)
    SegVocabularyHook().before_test_epoch(Loop(model, dict(classes=['cat'])))
    meta = dict(classes=['dog', 'sky'])
    SegVocabularyHook().before_test_epoch(Loop(model, meta))
    assert model.vocabulary.classes == ('dog', 'sky')


def test_shared_texts_are_warned_of_by_name():
    with logged() as lines:
        build_vocabulary(dict(a=['cat', 'dog'], b=['Dog', 'sky']))
    assert "'dog' for ['a', 'b']" in lines[0]
    with pytest.raises(ValueError, match='the same texts'):
        build_vocabulary(dict(a=['cat', 'dog'], b=['Dog', 'cat']))


def test_classes_file_with_several_texts_a_class(tmp_path):
    for name in ('images', 'maps'):
        (tmp_path / name).mkdir()
    Image.new('RGB', (4, 4)).save(tmp_path / 'images' / 'a.jpg')
    Image.new('L', (4, 4)).save(tmp_path / 'maps' / 'a.png')
    (tmp_path / 'classes.txt').write_text('\ufeffperson; man\nsky\n', 'utf-8')
    data = DATASETS.build(
        dict(
            type='OVSegDataset',
            data_root=str(tmp_path),
            data_prefix=dict(img_path='images', seg_map_path='maps'),
            classes_file='classes.txt',
            pipeline=[],
        )
    )
    assert data.metainfo['classes'] == ('person', 'sky')
    found = build_vocabulary(data)
    assert found.texts == (('person', 'man'), ('sky',))


def test_a_vocabulary_is_a_source():
    made = build_vocabulary('person; man,dog', palette=[[1, 2, 3], [4, 5, 6]])
    assert build_vocabulary(made) == made
