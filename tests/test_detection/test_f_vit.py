"""The whole detector: losses, predictions, vocabulary."""

import pytest
import torch
from det_model import BASE, NAMES, build, f_vit_cfg, samples
from mmdet.registry import MODELS

from declip_mm.detection import FViT

VARIANTS = {
    'boxes': dict(),
    'masks': dict(mask=True, rpn_norm=dict(type='BN')),
    'three_levels': dict(scales=(2, 1, 0.5)),
}


def train_once(model, data=None, masks=False):
    model.train()
    data = model.data_preprocessor(data or samples(masks=masks), True)
    return model.parse_losses(model(**data, mode='loss'))


@pytest.mark.parametrize('name', VARIANTS)
def test_trains_every_parameter_and_predicts(name):
    options = VARIANTS[name]
    model = build(**options)
    masks = bool(options.get('mask'))
    loss, parts = train_once(model, masks=masks)
    assert loss.isfinite()
    assert {'loss_rpn_cls', 'loss_rpn_bbox', 'loss_cls'} <= set(parts)
    assert ('loss_mask' in parts) == masks
    loss.backward()
    unused = [
        name
        for name, p in model.named_parameters()
        if p.requires_grad and p.grad is None
    ]
    assert unused == []
    model.eval()
    with torch.no_grad():
        first, _ = model.test_step(samples(masks=masks))
    found = first.pred_instances
    assert 0 < len(found) <= 20
    assert found.scores.isfinite().all() and found.labels.max() < len(NAMES)
    # in the picture's own pixels: 128 x 96, shown at half size
    assert found.bboxes[:, 0::2].max() <= 128
    assert found.bboxes[:, 1::2].max() <= 96
    if masks:
        assert found.masks.shape[1:] == (96, 128)


def test_backbone_is_frozen_and_in_eval_mode():
    model = build().train()
    assert not any(m.training for m in model.backbone.modules())
    assert model.neck.training and model.roi_head.training
    before = {k: v.clone() for k, v in model.backbone.state_dict().items()}
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=0.1, weight_decay=0.1)
    train_once(model)[0].backward()
    optimizer.step()
    after = model.backbone.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)
    assert not any(p.requires_grad for p in model.backbone.parameters())


def test_training_computes_no_vlm_map():
    model = build()
    image = torch.randn(1, 3, 64, 64)
    assert not hasattr(model.train().extract_feat(image), 'vlm')
    features = model.eval().extract_feat(image)
    assert len(features) == 5 and features.vlm.shape == (1, 12, 4, 4)
    assert torch.allclose(features.vlm.norm(dim=1), torch.ones(1, 4, 4))


def test_vlm_map_is_the_backbones_dense_map():
    model = build().eval()
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        dense = model.backbone.forward_dense(image).content
        vlm = model.extract_feat(image).vlm
    wanted = torch.nn.functional.normalize(dense, dim=1)
    assert torch.allclose(vlm, wanted, atol=1e-6)


def test_an_image_without_objects_trains():
    data = samples()
    for sample in data['data_samples']:
        sample.gt_instances = sample.gt_instances[:0]
    loss, _ = train_once(build(), data)
    assert loss.isfinite()


def test_a_dead_region_embedding_trains():
    """All units cut off by the ReLU: e = 0 must not become NaN."""
    model = build()
    head = model.roi_head.bbox_head
    torch.nn.init.zeros_(head.cls_fcs[0].weight)
    torch.nn.init.constant_(head.cls_fcs[0].bias, -1)
    loss, _ = train_once(model)
    loss.backward()
    assert loss.isfinite()
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    assert all(g.isfinite().all() for g in grads)


def test_bfloat16_autocast_trains_and_predicts():
    model = build(mask=True)
    with torch.autocast('cpu', torch.bfloat16):
        loss, _ = train_once(model, masks=True)
        loss.backward()
        with torch.no_grad():
            first, _ = model.eval().test_step(samples(masks=True))
    assert loss.isfinite()
    assert first.pred_instances.scores.isfinite().all()
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    assert grads and all(g.isfinite().all() for g in grads)


def test_a_novel_annotation_in_training_is_an_error():
    # without RPN luck: ground truth itself is among the proposals
    with pytest.raises(ValueError, match='blue thing'):
        train_once(build(), samples(labels=(2, 2)))


def test_names_can_be_swapped_after_loading():
    model = build()
    state = model.state_dict()
    assert not any('embeddings' in key or 'text' in key for key in state)
    other = MODELS.build(f_vit_cfg())
    other.load_state_dict(state)
    names = ['umbrella', 'kite', 'bus', 'dog', 'zebra']
    other.set_vocabulary(names)
    assert other.roi_head.fusion_weight().tolist() == pytest.approx([0.1] * 6)
    with torch.no_grad():
        first, _ = other.eval().test_step(samples())
    assert first.pred_instances.labels.max() > 2
    other.set_vocabulary(NAMES, base=BASE)
    weight = other.roi_head.fusion_weight().tolist()
    assert weight == pytest.approx([0.1, 0.1, 0.8, 0.1])
    torch.manual_seed(0)
    loss, _ = train_once(other)
    assert loss.isfinite()


def test_without_names_the_error_says_what_to_do():
    model = MODELS.build(f_vit_cfg())
    with pytest.raises(RuntimeError, match='VocabularyHook'):
        train_once(model)


def test_base_classes_must_be_among_the_names():
    with pytest.raises(ValueError, match='cart'):
        build().set_vocabulary(NAMES, base=['cart'])


@pytest.mark.parametrize(
    'stats, mean',
    [
        ('imagenet', 123.675),
        ('clip', 122.7709),
        ('backbone', 122.7709),
        (dict(mean=[1, 2, 3], std=[4, 5, 6]), 1.0),
    ],
)
def test_pixel_statistics(stats, mean):
    model = build(pixel_stats=stats)  # the shipped config declares others
    found = model.data_preprocessor.mean.flatten()[0]
    assert float(found) == pytest.approx(mean, abs=1e-3)


def test_pixel_statistics_of_another_network():
    plain = dict(type='DetDataPreprocessor')
    with pytest.raises(ValueError) as error:
        build(pixel_stats='imagenet', data_preprocessor=plain)
    for part in ('wants pixel mean [122.77', '[123.67', 'foreign_pixels'):
        assert part in str(error.value)
    model = build(pixel_stats='backbone', data_preprocessor=plain)
    assert model.data_preprocessor.mean[0] == pytest.approx(122.7709)
    with pytest.raises(ValueError, match='are both given'):
        build(data_preprocessor=dict(plain, mean=[1, 2, 3]))
    with pytest.raises(ValueError, match='bgr_to_rgb=False'):
        build(
            pixel_stats='backbone',
            data_preprocessor=dict(plain, bgr_to_rgb=False),
        )


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match='pixel_stats'):
        build(pixel_stats='coco')
    with pytest.raises(TypeError, match='forward_dense'):
        build(backbone=dict(type='ResNet', depth=18))
    with pytest.raises(ValueError, match='allowed are 4, 2, 1 and 0.5'):
        build(scales=(3, 1, 0.5))


def test_padding_comes_after_normalisation():
    model = build()
    data = model.data_preprocessor(samples(count=1), True)
    assert data['inputs'].shape == (1, 3, 64, 64)
    assert (data['inputs'][:, :, 48:] == 0).all()
    # boxes are clipped to the picture, not to the padding
    assert data['data_samples'][0].img_shape == (48, 64)


def test_is_a_detector_of_mmdet():
    assert issubclass(FViT, MODELS.get('TwoStageDetector'))
