"""Predictions from dense features, with class embeddings that are known."""

import json

import numpy as np
import pytest
import torch
from mmengine.registry import MODELS
from mmengine.structures import BaseDataElement
from tiny import backbone_cfg, tiny_eva

from declip_mm.checkpoint import FingerprintError
from declip_mm.models import DenseFeatures, OpenVocabPredictor
from declip_mm.models.text.importing import import_class_embeddings


class KnownBackbone(torch.nn.Module):
    """Left half of the picture is e0, right half e1, padding e2."""

    def forward_dense(self, image):
        content = torch.zeros(len(image), 12, 4, 4)
        content[:, 0, :, :2] = 1
        content[:, 1, :, 2:] = 1
        content[:, :, 3] = torch.eye(12)[2][None, :, None]
        return DenseFeatures(content, (), ())

    def forward_image(self, crops):
        return torch.eye(12)[2].expand(len(crops), -1)


def predictor(**options):
    encoder = dict(type='DeCLIPTextEncoder', model=tiny_eva())
    found = MODELS.build(
        dict(
            type='OpenVocabPredictor',
            text_encoder=encoder,
            classes=['zero', 'one', 'two'],
            prompts='name',
            **options,
        )
    )
    # rows that are known, and a backbone that is no CLIP
    found.embedder._kept = lambda *_: torch.eye(12)[:3]
    found.embedder.check = lambda _: None
    return found


def sample(**fields):
    half = torch.zeros(2, 64, 64, dtype=torch.bool)
    half[0, :48, :32] = half[1, :48, 32:] = True
    element = BaseDataElement(
        boxes=torch.tensor([[0.0, 0.0, 0.4, 0.7], [0.6, 0.0, 1.0, 0.7]]),
        masks=half,
        valid_hw=torch.tensor([0.75, 1.0]),
        **fields,
    )
    element.set_metainfo(dict(ori_shape=(30, 40), img_path='a.png'))
    return element


def test_regions_and_pixels():
    inputs = dict(
        image=torch.zeros(1, 3, 64, 64), crops=torch.zeros(2, 3, 8, 8)
    )
    (found,) = predictor(
        regions=('box', 'mask', 'crop'), segmentation=True
    ).predict(KnownBackbone(), inputs, [sample()])
    best = {k: v[:, 0].tolist() for k, v in found.region_topk.items()}
    assert best == dict(box=[0, 1], mask=[0, 1], crop=[2, 2])
    assert found.region_topk['box'].shape == (2, 3)  # three names in all
    assert found.pred_sem_seg.shape == (30, 40)
    assert (found.pred_sem_seg[:, :18] == 0).all()
    assert (found.pred_sem_seg[:, 22:] == 1).all()  # and no padding class


def test_samples_without_regions():
    empty = BaseDataElement(valid_hw=torch.ones(2))
    empty.set_metainfo(dict(ori_shape=(30, 40)))
    inputs = dict(image=torch.zeros(2, 3, 64, 64))
    first, second = predictor().predict(
        KnownBackbone(), inputs, [sample(), empty]
    )
    assert first.region_topk['box'].shape == (2, 3)
    assert len(second.region_topk.get('box', ())) == 0


def test_boxes_alone():
    """No mask in the whole data set: no features of masks."""
    bare = sample()
    del bare.masks
    inputs = dict(image=torch.zeros(1, 3, 64, 64))
    (found,) = predictor().predict(KnownBackbone(), inputs, [bare])
    assert list(found.region_topk) == ['box']
    assert found.region_topk['box'][:, 0].tolist() == [0, 1]


def test_refusals():
    with pytest.raises(
        ValueError, match="unknown region features \\['roi'\\]"
    ):
        predictor(regions=('roi',))
    with pytest.raises(ValueError, match='7 dimensions, class embeddings 12'):
        predictor().classify(torch.zeros(1, 7))
    with pytest.raises(ValueError, match="asks for 'crop'"):
        predictor(regions=('crop',)).predict(
            KnownBackbone(), dict(image=torch.zeros(1, 3, 64, 64)), [sample()]
        )
    nameless = predictor()
    nameless.vocabulary = None
    with pytest.raises(ValueError, match='VocabularyHook'):
        nameless.classify(torch.zeros(1, 12))


def test_evaluator_modes():
    model = MODELS.build(
        dict(
            type='ZeroShotModel',
            backbone=backbone_cfg(),
            predictor=dict(
                type='OpenVocabPredictor',
                text_encoder=dict(type='DeCLIPTextEncoder', model=tiny_eva()),
                classes=['cat', 'dog'],
            ),
        )
    )
    inputs = dict(image=torch.zeros(1, 3, 64, 64))
    assert model(inputs).content.shape == (1, 12, 4, 4)
    (found,) = model(inputs, [sample()], mode='predict')
    assert found.region_topk['mask'].shape == (2, 2)
    assert all(k.startswith('backbone.') for k in model.state_dict())
    with pytest.raises(ValueError, match="mode='loss' is unknown"):
        model(inputs, mode='loss')


def test_further_texts_of_a_class_have_their_mean():
    found = OpenVocabPredictor(
        dict(type='DeCLIPTextEncoder', model=tiny_eva()),
        'person,dog',
        prompts='name',
        synonyms=dict(person=['man']),
    )
    assert found.vocabulary.texts[0] == ('person', 'man')
    matrix = found.class_matrix(torch.zeros(1))
    rows = found.embedder.encoder.encode(['person', 'man', 'dog'])
    mean = torch.nn.functional.normalize(rows[0] + rows[1], dim=0)
    torch.testing.assert_close(matrix, torch.stack([mean, rows[2]]))
    found.set_vocabulary(['person'])
    assert torch.allclose(found.class_matrix(torch.zeros(1))[0], mean)


def test_imported_embeddings_need_no_text_tower(tmp_path):
    """Towers whose tokenizer we do not have, such as SigLIP's."""
    config = tmp_path / 'tiny.json'
    config.write_text(json.dumps(tiny_eva()))
    np.save(tmp_path / 'rows.npy', np.eye(12)[:2])
    rows, _ = import_class_embeddings(
        tmp_path / 'rows.npy', 'cat,dog', str(config)
    )
    rows.save(tmp_path / 'rows.npz')
    found = OpenVocabPredictor(
        dict(type='DeCLIPTextEncoder', model=str(config)),
        'cat,dog',
        embeddings=str(tmp_path / 'rows.npz'),
    )
    matrix = found.class_matrix(torch.zeros(1))
    assert torch.equal(matrix, torch.eye(12)[:2])
    assert found.embedder._encoder is None
    found.set_vocabulary('dog,cat')
    swapped = found.class_matrix(torch.zeros(1))
    assert torch.equal(swapped, torch.eye(12)[[1, 0]])  # by name
    other = OpenVocabPredictor(
        dict(type='DeCLIPTextEncoder', model='EVA02-B-16'),
        'cat,dog',
        embeddings=str(tmp_path / 'rows.npz'),
    )
    with pytest.raises(FingerprintError, match='declared to belong to tiny'):
        other.class_matrix(torch.zeros(1))
