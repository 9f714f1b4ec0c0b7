"""Class embeddings of a detector, from a tower or from a file."""

import pytest
import torch
from det_model import NAMES, build, text_encoder
from mmengine.registry import MODELS
from tiny import tiny_openai

from declip_mm.checkpoint import FingerprintError
from declip_mm.detection import FViT
from declip_mm.engine import VocabularyHook
from declip_mm.models.text import build_class_embeddings
from declip_mm.models.text.vocabulary import Vocabulary


@pytest.fixture(scope='module')
def dumped(tmp_path_factory):
    encoder = MODELS.build(text_encoder())
    found = build_class_embeddings(
        encoder, NAMES, 'name', background='background'
    )
    path = tmp_path_factory.mktemp('text') / 'classes.npz'
    found.save(path)
    return found, str(path)


def test_a_file_of_other_weights_is_refused(dumped):
    """The backbone's own file says which text tower it was measured with."""
    model = build(embedder=dict(embeddings=dumped[1]))
    said = dict(model.embedder.file.fingerprint)
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
        build(embedder=dict(embeddings=dumped[1]), backbone=backbone)


def test_the_old_name_of_the_option_is_read(dumped):
    # laid over what a base says by the new name
    assert (
        build(vocabulary=dict(prompts='simple')).embedder.prompts == 'simple'
    )
    with pytest.raises(TypeError, match='embedder and its old name vocab'):
        FViT(embedder=None, vocabulary=dict(embeddings=dumped[1]))
    with pytest.raises(TypeError, match="'backbone'"):  # the next that lacks
        FViT(vocabulary=dict(embeddings=dumped[1]))


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
    model.vocabulary = None
    return model


def test_the_hook_takes_the_names_of_the_data_set():
    model, hook = nameless(), VocabularyHook()
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
    model, hook = nameless(), VocabularyHook()
    model.set_vocabulary(['cat; kitten', 'dog'])
    own = model.vocabulary
    hook.before_test_epoch(Runner(model, classes=('cat', 'dog')))
    assert model.vocabulary is own
    # which of them had annotations, the data know
    meta = dict(classes=('cat', 'dog'), base_classes=('cat',))
    hook.before_test_epoch(Runner(model, **meta))
    assert model.vocabulary.texts == own.texts
    assert model.roi_head.is_base.tolist() == [True, False, True]
    with pytest.raises(ValueError, match="only in the data set .*'bus'"):
        hook.before_test_epoch(Runner(model, classes=('cat', 'bus')))


def test_names_of_several_texts_have_their_mean():
    model = build(embedder=dict(text_encoder=text_encoder(), prompts='name'))
    model.set_vocabulary('person; man,dog')
    assert model.names == ['person', 'dog']
    person, man, dog = model.embedder.encoder.encode(['person', 'man', 'dog'])
    mean = torch.nn.functional.normalize(person + man, dim=0)
    found = model.roi_head.bbox_head.fc_cls.embeddings
    assert torch.allclose(found[0], mean, atol=1e-6)
    assert torch.allclose(found[1], dog, atol=1e-6)


def test_order_of_names_is_order_of_labels():
    model = nameless()
    model.set_vocabulary(['cat', 'dog'])
    model.set_vocabulary(dict(dog=['dog'], cat=['cat']))
    assert model.names == ['dog', 'cat']


def test_rows_that_are_refused_change_no_head():
    model = build()
    head, file = model.roi_head.bbox_head, torch.eye(3, 5)
    with pytest.raises(ValueError, match='the box head gives 12'):
        model.roi_head.set_vocabulary(Vocabulary.of('cat,dog'), file)
    assert head.num_classes == len(NAMES)
    assert head.fc_cls.embeddings.shape == (len(NAMES) + 1, 12)


def test_a_refused_vocabulary_changes_nothing():
    model = nameless()
    model.set_vocabulary(['cat', 'dog'], base=['cat'])
    with pytest.raises(ValueError, match=r"\['bus'\], which are no class"):
        model.set_vocabulary(['cat'], phrases=dict(bus=['coach']))
    cut = ['cat ' * 90 + end for end in ('a', 'b')]  # one to the tower
    with pytest.raises(ValueError, match='the same tokens'):
        model.set_vocabulary(cut, prompts='simple')
    assert model.embedder.prompts == 'name'
    assert model.names == ['cat', 'dog']
    assert model.roi_head.is_base.tolist() == [True, False, True]
