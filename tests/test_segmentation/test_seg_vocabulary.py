"""Names of classes: where they come from, and what follows them."""

import pytest
import torch
from bad_input import logged
from mmseg.registry import DATASETS, MODELS
from PIL import Image
from tiny_dense_seg import dense_segmentor, labels_of, picture, samples_of

from declip_mm.engine import VocabularyHook
from declip_mm.models.text.vocabulary import Vocabulary


def test_names_of_a_registered_data_set():
    model = dense_segmentor('OVVOC21Dataset')
    assert model.dataset_meta['palette'][1] == [128, 0, 0]
    found = model.vocabulary
    assert len(found.classes) == 21 and len(found.queries) == 46
    found = model.set_vocabulary('ADE20KDataset')
    assert found.classes[7] == 'bed'
    assert model.set_vocabulary('cat').classes == ('cat',)


def test_one_word_is_a_vocabulary():
    model = dense_segmentor(['cat'])
    assert (labels_of(model, [picture()])[0] == 0).all()
    assert model.set_vocabulary('cat', background='stuff').classes == (
        'background',
        'cat',
    )
    assert len(model.vocabulary.queries) == 27
    assert set(labels_of(model, [picture()])[0].unique().tolist()) <= {0, 1}


def test_a_palette_has_a_colour_for_each():
    with pytest.raises(ValueError, match='2 colours for 1'):
        dense_segmentor(dict(source=['cat'], palette=[[0, 0, 0]] * 2))


def test_colours_are_the_same_every_time_and_differ():
    model = dense_segmentor([f'thing {i}' for i in range(60)])
    palette = model.dataset_meta['palette']
    model.set_vocabulary([f'thing {i}' for i in range(60)])
    assert model.dataset_meta['palette'] == palette
    assert len(set(map(tuple, palette))) == 60


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


def test_prompts_change_results():
    model = dense_segmentor(['cat', 'dog'])

    def rows():
        return model.embedder.text_rows(model.vocabulary)

    before = rows()
    model.set_vocabulary(['cat', 'dog'], prompts='a photo of a {}.')
    after = rows()
    assert not torch.allclose(before, after)
    model.set_vocabulary(['cat', 'dog'])
    assert torch.equal(rows(), after)


def test_no_names_is_an_error_that_says_what_to_do():
    with pytest.raises(ValueError, match='VocabularyHook'):
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


class Loop:
    """What the hook sees of a runner."""

    def __init__(self, model, meta):
        self.model = model
        self.dataset = type('Data', (), dict(metainfo=meta))()
        self.test_dataloader = self.val_dataloader = self

    def __iter__(self):
        return iter(())


def test_hook_hands_over_names_texts_and_colours():
    model, hook = dense_segmentor(None), VocabularyHook()
    meta = DATASETS.get('OVVOC20Dataset').METAINFO
    hook.before_test_epoch(Loop(model, meta))
    assert model.vocabulary.classes == meta['classes']
    assert model.vocabulary.texts[10] == ('dining table',)
    assert model.dataset_meta['palette'][0] == [128, 0, 0]
    hook.before_val_epoch(Loop(model, dict(classes=['cat'])))
    assert model.vocabulary.classes == ('cat',)


def test_hook_keeps_own_texts_and_refuses_other_names():
    model = dense_segmentor({'cat': ['cat', 'kitten'], 'dog': ['dog']})
    hook = VocabularyHook()
    hook.before_test_epoch(Loop(model, dict(classes=['cat', 'dog'])))
    assert model.vocabulary.texts[0] == ('cat', 'kitten')
    with pytest.raises(ValueError, match="position 0 the model has 'cat'"):
        hook.before_test_epoch(Loop(model, dict(classes=['dog', 'cat'])))


def test_own_names_learn_their_base_classes_and_keep_their_colours():
    model = dense_segmentor(None)
    colours = [[1, 2, 3], [4, 5, 6]]
    model.set_vocabulary(['Cat; kitten', 'dog'], palette=colours)
    meta = dict(classes=['cat', 'dog'], base_classes=['cat'])
    VocabularyHook().before_test_epoch(Loop(model, meta))
    assert model.vocabulary.base == ('Cat',)
    assert model.vocabulary.texts[0] == ('Cat', 'kitten')
    assert model.dataset_meta['palette'] == colours
    model.set_vocabulary(['dog', 'cat'])
    assert model.dataset_meta['palette'] != colours


@pytest.mark.parametrize(
    'palette, message',
    [([(0, 0, 0)], 'has 1 colours for 2'), ([1, 2], r'three .*is \[1, 2\]')],
)
def test_a_palette_that_does_not_fit_changes_nothing(palette, message):
    model = dense_segmentor(['cat', 'dog'])
    before = model.vocabulary, model.dataset_meta, model.embedder.prompts
    with pytest.raises(ValueError, match=message):
        model.set_vocabulary(['a', 'b'], palette=palette, prompts='simple')
    after = model.vocabulary, model.dataset_meta, model.embedder.prompts
    assert after == before


def test_the_next_data_set_replaces_what_the_first_gave():
    model, hook = dense_segmentor(None), VocabularyHook()
    hook.before_test_epoch(Loop(model, dict(classes=['cat'])))
    hook.before_test_epoch(Loop(model, dict(classes=['dog', 'sky'])))
    assert model.vocabulary.classes == ('dog', 'sky')


def test_shared_texts_are_warned_of_by_name():
    with logged() as lines:
        dense_segmentor(dict(a=['cat', 'dog'], b=['Dog', 'sky']))
    assert "'dog' for ['a', 'b']" in lines[0]


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
    found = Vocabulary.of(data)
    assert found.texts == (('person', 'man'), ('sky',))
