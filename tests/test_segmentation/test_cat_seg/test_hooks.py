"""Vocabularies of the data sets, and the look at the raw features."""

from types import SimpleNamespace

import pytest
import torch
from bad_input import logged
from mmengine.logging import MMLogger
from mmengine.runner import EpochBasedTrainLoop
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from tiny_cat_seg import segmentor

from declip_mm.engine import VocabularyHook
from declip_mm.segmentation.cat_seg import ZeroShotGateHook
from declip_mm.segmentation.cat_seg.gate import (
    probe_zero_shot,
)


class Data:
    """Items like those of a packed mmseg data set."""

    def __init__(self, names, count=4):
        self.metainfo, self.count = dict(classes=names), count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        make = torch.Generator().manual_seed(index)
        image = torch.randint(0, 60, (3, 64, 64), generator=make)
        image[0, 32:] += 190  # a red lower half, so that classes differ
        labels = torch.full((1, 64, 64), 255)
        labels[:, :32] = 0
        labels[:, 40:, :50] = 1
        sample = SegDataSample(gt_sem_seg=PixelData(data=labels))
        return dict(inputs=image.byte(), data_samples=sample)


def runner(model, train=('a', 'b'), val=('c',), iteration=0):
    def loader(names):
        return SimpleNamespace(dataset=Data(names))

    return SimpleNamespace(
        model=model,
        train_dataloader=loader(train),
        val_dataloader=loader(val),
        test_dataloader=loader(['x', 'y', 'z']),
        _train_loop=object.__new__(EpochBasedTrainLoop),
        iter=iteration,
        logger=MMLogger.get_current_instance(),
    )


def test_each_stage_has_the_names_of_its_data_set():
    model = segmentor(names=None)
    hook = VocabularyHook(val=dict(synonyms='all'))
    run = runner(model, val=['c, d', 'e'])
    hook.before_train(run)
    assert model.dataset_meta['classes'] == ['a', 'b']
    hook.before_val_epoch(run)
    assert model.vocabulary.queries == ('c', 'd', 'e')
    hook.after_val_epoch(run)
    assert model.vocabulary.classes == ('a', 'b')
    hook.before_test_epoch(run)
    assert model.vocabulary.classes == ('x', 'y', 'z')
    with pytest.raises(ValueError, match='no class names'):
        hook.before_train(runner(model, train=[]))
    run.train_dataloader.dataset.metainfo['ignore_index'] = 65535
    hook.before_train(run)
    assert model.ignore_index == 65535


@pytest.mark.parametrize('key', ['prompts', 'templates'])
def test_prompts_of_one_stage_are_not_those_of_the_next(key):
    model = segmentor(names=None)
    before = model.embedder.prompts
    hook = VocabularyHook(train={key: 'see {}'})
    run = runner(model)
    hook.before_train(run)
    assert model.embedder.prompts == 'see {}'
    hook.before_val_epoch(run)
    assert model.embedder.prompts == before
    hook.after_val_epoch(run)
    assert model.embedder.prompts == 'see {}'


def test_equal_names_that_were_set_by_hand_keep_their_texts():
    model = segmentor(names=None)
    model.set_vocabulary({'a': ['ant', 'bee'], 'b': ['b']})
    own = model.vocabulary
    with logged() as lines:
        VocabularyHook(train=dict(synonyms='all')).before_train(runner(model))
    assert model.vocabulary is own
    assert "{'synonyms': 'all'} of the hook are not used" in lines[0]
    with pytest.raises(ValueError, match="only in the model: 'b'"):
        VocabularyHook().before_train(runner(model, train=['a']))


def test_texts_that_are_kept_are_not_read_again():
    model = segmentor(names=None)
    model.set_vocabulary(['bag, purse', 'sky'], synonyms=None)
    own, run = model.vocabulary, runner(model, train=['bag, purse', 'sky'])
    run.train_dataloader.dataset.metainfo['base_classes'] = ['sky']
    VocabularyHook().before_train(run)
    assert model.vocabulary.texts == own.texts
    assert model.vocabulary.base == ('sky',)


def test_validation_alone_does_not_build_the_training():
    model, hook = segmentor(names=None), VocabularyHook()
    run = runner(model)
    run._train_loop = dict(type='EpochBasedTrainLoop')  # not built
    hook.before_val_epoch(run)
    hook.after_val_epoch(run)
    assert model.vocabulary.classes == ('c',)


def test_probe_measures_raw_cosines(monkeypatch):
    """With the colour of a patch as its feature, and texts that name it."""
    raw = dict(
        type='SegDataPreProcessor',
        mean=[0.0] * 3,
        std=[1.0] * 3,
        bgr_to_rgb=False,
        foreign_pixels='raw colours are the features',
    )
    model = segmentor(names=['grey', 'red'], data_preprocessor=raw)
    items = [Data(['grey', 'red'])[i] for i in range(3)]
    colours = torch.tensor([[1.0, 1, 1], [3, 0.5, 0.5]])
    units = torch.nn.functional.normalize(colours, dim=-1)

    def features(image):
        return SimpleNamespace(
            content=torch.nn.functional.avg_pool2d(image, 16)
        )

    monkeypatch.setattr(model, 'extract_feat', features)
    monkeypatch.setattr(model.text_encoder, 'forward', lambda t: units)
    good = probe_zero_shot(model, items)
    model.embedder.forget()
    monkeypatch.setattr(model.text_encoder, 'forward', lambda t: units.flip(0))
    bad = probe_zero_shot(model, items)
    # class 1 has some of its pixels in patches that are half class 0
    assert good.miou > 80 > 10 > bad.miou
    assert good.untrained == ('image', 'text')
    assert good.text_cosine == pytest.approx(float(units[0] @ units[1]))
    assert not model.training


@pytest.mark.parametrize(
    'trained, words',
    [
        ('image', 'the text tower looks untrained'),
        ('text', 'the image tower looks untrained'),
        ('both', 'do not understand each other'),
    ],
)
def test_diagnosis_names_the_tower(trained, words):
    model = segmentor(names=['a', 'b'])
    for name in ('image', 'text'):
        if trained in (name, 'both'):
            tower = getattr(model, f'{name}_encoder')
            for norm in tower.modules():
                if isinstance(norm, torch.nn.LayerNorm):
                    torch.nn.init.normal_(norm.bias)
    probe = probe_zero_shot(model, [Data(['a', 'b'])[0]])
    assert words in probe.diagnosis
    assert probe.diagnosis.count('looks untrained') == (trained != 'both')


def test_gate_refuses_random_towers_and_lets_resumed_runs_through():
    model = segmentor(names=['a', 'b']).train()
    hook = ZeroShotGateHook(floor=99.0, num_images=2)
    with pytest.raises(RuntimeError, match='refused.*text tower looks'):
        hook.before_train(runner(model))
    assert model.training
    hook.before_train(runner(model, iteration=5))
    ZeroShotGateHook(floor=0.0).before_train(runner(model))
    with pytest.raises(ValueError, match='num_images must be 1'):
        ZeroShotGateHook(num_images=0)
