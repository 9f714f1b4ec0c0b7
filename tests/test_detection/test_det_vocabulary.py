"""Class embeddings of a detector, from a tower or from a file."""

import pytest
import torch
from bad_input import logged
from det_model import NAMES, build, text_encoder
from mmengine.registry import MODELS
from tiny import tiny_openai

from declip_mm.checkpoint import FingerprintError
from declip_mm.detection import DetectorVocabulary, DetVocabularyHook
from declip_mm.models.text import build_class_embeddings


@pytest.fixture(scope='module')
def dumped(tmp_path_factory):
    encoder = MODELS.build(text_encoder())
    names = [*NAMES, 'speaker_(stero_equipment)']
    found = build_class_embeddings(
        encoder, names, 'name', background='background'
    )
    path = tmp_path_factory.mktemp('text') / 'classes.npz'
    found.save(path)
    return found, str(path)


def test_a_file_gives_rows_by_name(dumped):
    found, path = dumped
    vocabulary = DetectorVocabulary(embeddings=path)
    matrix = vocabulary.matrix([NAMES[2], NAMES[0]])
    assert torch.equal(matrix[0], found.matrix[2])
    assert torch.equal(matrix[1], found.matrix[0])
    assert torch.equal(matrix[2], found.background)


def test_lvis_misspelling_is_one_class(dumped):
    found, path = dumped
    vocabulary = DetectorVocabulary(embeddings=path)
    matrix = vocabulary.matrix(['speaker_(stereo_equipment)'])
    assert torch.equal(matrix[0], found.matrix[3])


def test_missing_names_are_named(dumped):
    with pytest.raises(ValueError, match='zebra'):
        DetectorVocabulary(embeddings=dumped[1]).matrix(['zebra'])
    both = DetectorVocabulary(text_encoder(), dumped[1], prompts='name')
    assert both.matrix(['zebra']).shape == (2, 12)


def test_a_file_of_another_clip_is_refused(dumped):
    vocabulary = DetectorVocabulary(embeddings=dumped[1])
    with torch.device('meta'):
        large = MODELS.build(dict(type='DeCLIPViT', model='EVA02-L-14-336'))
    with pytest.raises(FingerprintError, match='768'):
        vocabulary.check(large)
    tiny = MODELS.build(dict(type='DeCLIPViT', model=tiny_openai()))
    vocabulary.check(tiny)  # neither has a name
    tiny.model = 'EVA02-B-16'
    vocabulary.check(tiny)
    vocabulary.file.fingerprint['model'] = 'ViT-B-16'
    with pytest.raises(FingerprintError, match='ViT-B-16.*EVA02-B-16'):
        vocabulary.check(tiny)


def test_a_file_of_other_weights_is_refused(dumped):
    """The backbone's own file says which text tower it was measured with."""
    model = build(vocabulary=dict(embeddings=dumped[1]))
    said = dict(model.vocabulary.file.fingerprint)
    model.backbone.file_says = dict(text_tower=said)
    model.set_vocabulary(NAMES)
    other = dict(said, weights='0' * 64)
    model.backbone.file_says = dict(text_tower=other)
    with pytest.raises(FingerprintError) as error:
        model.set_vocabulary(NAMES[:2])
    for part in ('000000000000', said['weights'][:12], 'give embeddings'):
        assert part in str(error.value)


def test_a_detector_checks_its_file(dumped):
    wide = dict(tiny_openai(), embed_dim=16)
    backbone = dict(type='DeCLIPViT', model=wide, out_indices=(0, 1, 2, 2))
    with pytest.raises(FingerprintError, match='16'):
        build(vocabulary=dict(embeddings=dumped[1]), backbone=backbone)


def test_a_file_without_background_is_refused(tmp_path):
    encoder = MODELS.build(text_encoder())
    path = tmp_path / 'bare.npz'
    build_class_embeddings(encoder, NAMES, 'name').save(path)
    with pytest.raises(ValueError, match='--background'):
        DetectorVocabulary(embeddings=str(path))


def test_neither_tower_nor_file():
    with pytest.raises(ValueError, match='text_encoder'):
        DetectorVocabulary()


def test_phrases_stand_for_names():
    vocabulary = DetectorVocabulary(text_encoder(), prompts='name')
    plain = vocabulary.matrix(['tvmonitor', 'cat'])
    other = vocabulary.matrix(
        ['tvmonitor', 'cat'], {'tvmonitor': ['tv monitor']}
    )
    # words the tiny tower tells apart, and one that stays
    assert not torch.equal(plain[0], other[0])
    assert torch.allclose(plain[1:], other[1:], atol=1e-6)


def test_embeddings_are_cached_on_disk(tmp_path):
    vocabulary = DetectorVocabulary(
        text_encoder(), prompts='name', cache_dir=str(tmp_path)
    )
    first = vocabulary.matrix(NAMES)
    (path,) = tmp_path.glob('*.npz')
    stamp = path.stat().st_mtime_ns
    assert torch.equal(vocabulary.matrix(NAMES), first)
    assert path.stat().st_mtime_ns == stamp


class Loader:
    def __init__(self, **meta):
        self.dataset = type('Data', (), {})()
        self.dataset.metainfo = meta


class Runner:
    def __init__(self, model, **meta):
        self.model = model
        self.train_dataloader = Loader(**meta)
        self.val_dataloader = self.test_dataloader = self.train_dataloader


def nameless():
    model = build()
    model.names, model.set_with = [], ()
    return model


def test_the_hook_takes_the_names_of_the_data_set():
    model, hook = nameless(), DetVocabularyHook()
    hook.before_train_epoch(
        Runner(model, classes=('cat', 'dog'), base_classes=('cat',))
    )
    assert model.names == ['cat', 'dog']
    assert model.roi_head.is_base.tolist() == [True, False, True]
    assert model.roi_head.bbox_head.num_classes == 2
    # without base classes: transfer, one exponent
    hook.before_test_epoch(Runner(model, classes=('cat', 'dog', 'bus')))
    assert model.roi_head.is_base.all()
    with pytest.raises(ValueError, match='no class names'):
        hook.before_val_epoch(Runner(model))


def test_the_hook_keeps_equal_names_with_their_own_texts():
    model, hook = nameless(), DetVocabularyHook()
    model.set_vocabulary(['cat; kitten', 'dog'])
    own = model.set_with
    hook.before_test_epoch(Runner(model, classes=('cat', 'dog')))
    assert model.set_with is own
    # which of them had annotations, the data know
    meta = dict(classes=('cat', 'dog'), base_classes=('cat',))
    hook.before_test_epoch(Runner(model, **meta))
    assert model.set_with[0] == own[0]
    assert model.roi_head.is_base.tolist() == [True, False, True]
    with pytest.raises(ValueError, match="only in the data set .*'bus'"):
        hook.before_test_epoch(Runner(model, classes=('cat', 'bus')))


def test_names_of_several_texts_have_their_mean():
    model = build(vocabulary=dict(text_encoder=text_encoder(), prompts='name'))
    model.set_vocabulary('person; man,dog')
    assert model.names == ['person', 'dog']
    vocabulary = model.vocabulary
    person, man, dog, _ = vocabulary.matrix(['person', 'man', 'dog'])
    mean = torch.nn.functional.normalize(person + man, dim=0)
    found = model.roi_head.bbox_head.fc_cls.embeddings
    assert torch.allclose(found[0], mean, atol=1e-6)
    assert torch.allclose(found[1], dog, atol=1e-6)


def test_order_of_names_is_order_of_labels():
    model = nameless()
    model.set_vocabulary(['cat', 'dog'])
    model.set_vocabulary(dict(dog=['dog'], cat=['cat']))
    assert model.names == ['dog', 'cat']


def test_phrases_and_base_are_about_the_names():
    model = nameless()
    with pytest.raises(ValueError, match=r"\['bus'\], which are no class"):
        model.set_vocabulary(['cat'], phrases=dict(bus=['coach']))
    with pytest.raises(ValueError, match=r"one string 'cat'. Write \['cat'\]"):
        model.set_vocabulary(['cat'], base='cat')


def test_rows_of_a_file_win_over_texts_and_it_is_said(dumped):
    vocabulary = DetectorVocabulary(embeddings=dumped[1])
    with logged() as lines:
        found = vocabulary.matrix(NAMES[:1], {NAMES[0]: ['scarlet thing']})
    assert torch.equal(found[0], dumped[0].matrix[0])
    assert 'which are taken as they are' in lines[0]
