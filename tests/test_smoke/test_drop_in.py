"""The exported backbone in OpenMMLab's own models."""

import pytest
import torch
from mmengine.registry import MODELS
from tiny import tiny_eva

pytestmark = pytest.mark.slow


def test_exported_file_is_small_and_signed(exported):
    content = torch.load(exported, weights_only=True)
    assert set(content) == {'meta', 'state_dict'}
    assert content['meta']['declip']['scale'] == pytest.approx(12**-0.5)


@pytest.mark.parametrize('scope', ['mmengine', 'mmdet', 'mmseg'])
def test_exported_backbone_drops_in(exported, scope):
    registry = __import__(f'{scope}.registry', fromlist=['MODELS']).MODELS
    cfg = dict(
        type='DeCLIPViT',
        model=tiny_eva(),
        affinity='qq',
        out_indices=(0, 2),
        init_cfg=dict(
            type='Pretrained', checkpoint=str(exported), prefix='backbone.'
        ),
    )
    reference = MODELS.build(dict(cfg, init_cfg=None)).eval()
    state = torch.load(exported, weights_only=True)['state_dict']
    reference.load_state_dict(
        {k[len('backbone.') :]: v for k, v in state.items()}
    )
    model = registry.build(cfg).eval()
    model.init_weights()
    image = torch.randn(1, 3, 64, 96)
    for found, wanted in zip(model(image), reference(image)):
        assert torch.equal(found, wanted)


def test_drops_into_a_detector(exported):
    """A real mmdet detector builds, loads the file and runs forward."""
    from mmdet.registry import MODELS as DETECTION
    from mmdet.utils import register_all_modules

    register_all_modules(init_default_scope=True)
    detector = DETECTION.build(
        dict(
            type='RetinaNet',
            backbone=dict(
                type='DeCLIPViT',
                model=tiny_eva(),
                affinity='qq',
                out_indices=(0, 2),
                frozen_stages=3,
                init_cfg=dict(
                    type='Pretrained',
                    checkpoint=str(exported),
                    prefix='backbone.',
                ),
            ),
            neck=dict(
                type='FPN', in_channels=[24, 24], out_channels=8, num_outs=2
            ),
            bbox_head=dict(
                type='RetinaHead',
                num_classes=3,
                in_channels=8,
                feat_channels=8,
                stacked_convs=1,
                anchor_generator=dict(
                    type='AnchorGenerator',
                    scales=[4],
                    ratios=[1.0],
                    strides=[16, 16],
                ),
            ),
        )
    )
    detector.init_weights()
    scores, boxes = detector(torch.randn(1, 3, 64, 96))
    assert scores[0].shape == (1, 3, 4, 6) and boxes[0].shape == (1, 4, 4, 6)


def test_drops_into_a_segmentor(exported):
    from mmseg.registry import MODELS as SEGMENTATION
    from mmseg.utils import register_all_modules

    register_all_modules(init_default_scope=True)
    segmentor = SEGMENTATION.build(
        dict(
            type='EncoderDecoder',
            backbone=dict(
                type='DeCLIPViT',
                model=tiny_eva(),
                affinity='qq',
                init_cfg=dict(
                    type='Pretrained',
                    checkpoint=str(exported),
                    prefix='backbone.',
                ),
            ),
            decode_head=dict(
                type='FCNHead',
                in_channels=24,
                in_index=0,
                channels=8,
                num_convs=1,
                num_classes=3,
            ),
        )
    )
    segmentor.init_weights()
    assert segmentor(torch.randn(1, 3, 64, 96)).shape == (1, 3, 4, 6)
