"""Every family of VFM teachers: built, stepped, published keys, refusals."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import MODELS
from tiny import backbone_cfg, batch, distiller_cfg, tiny_siglip
from tiny_vfm import DINOV2, FAMILIES, build_vfm

from declip_mm.models.teachers import VFMTeacher

MMPRETRAIN = dict(
    type='VisionTransformer',
    arch=dict(
        embed_dims=24, num_layers=2, num_heads=2, feedforward_channels=48
    ),
    img_size=64,
    patch_size=16,
)


@pytest.mark.parametrize('family', FAMILIES)
@pytest.mark.parametrize('grid', [(6, 6), (5, 7)])
def test_map_of_any_size(family, grid):
    teacher = build_vfm(family)
    _, _, stride, channels = FAMILIES[family]
    assert teacher.stride == stride
    image = torch.randn(2, 3, grid[0] * stride, grid[1] * stride)
    assert teacher(image).shape == (2, channels, *grid)
    assert teacher(image).isfinite().all()


@pytest.mark.parametrize('family', FAMILIES)
def test_a_step_with_every_family(family):
    """Student grid 6 x 6; the teacher's own is 6 x 6, or is resized."""
    name, arguments, stride, _ = FAMILIES[family]
    teacher = dict(type='VFMTeacher', model=name, timm_kwargs=arguments)
    model = MODELS.build(distiller_cfg(context_teacher=teacher)).train()
    inputs, samples = batch()
    inputs['vfm'] = F.interpolate(inputs['vfm'], (6 * stride, 6 * stride))
    losses = model(inputs, samples, mode='loss')
    sum(losses.values()).backward()
    assert losses['loss_context'].item() > 0
    assert all(
        p.grad is not None for p in model.parameters() if p.requires_grad
    )


def test_prefix_tokens_are_dropped():
    teacher = build_vfm('dinov2-reg')
    image = torch.randn(1, 3, 56, 70)
    tokens = teacher.trunk.forward_features(image)
    assert tokens.shape[1] == 5 + 20
    wanted = tokens[:, 5:].transpose(1, 2).unflatten(-1, (4, 5))
    torch.testing.assert_close(teacher(image), wanted)


def test_sam_gives_its_neck_with_positions_of_any_size():
    teacher = build_vfm('sam')
    image = torch.randn(1, 3, 64, 96)
    torch.testing.assert_close(
        teacher(image), teacher.trunk.forward_features(image)
    )
    assert build_vfm('sam', norm='none')(image).shape == (1, 24, 4, 6)


def test_hiera_is_padded_to_its_windows_and_cut():
    teacher = build_vfm('sam2')
    image = torch.randn(1, 3, 112, 80)
    padded = F.pad(image, (0, 16, 0, 16))
    assert teacher.layer == 2
    torch.testing.assert_close(
        teacher(image), teacher.source.dense(padded)[..., :7, :5]
    )


def test_any_backbone_of_mmpretrain(tmp_path):
    teacher = VFMTeacher(MMPRETRAIN)
    assert teacher.stride == 16
    assert teacher(torch.randn(2, 3, 96, 48)).shape == (2, 24, 6, 3)
    assert teacher.fingerprint['model'] == MMPRETRAIN
    path = str(tmp_path / 'vit.pth')
    weights = {
        f'backbone.{k}': v + 1 for k, v in teacher.trunk.state_dict().items()
    }
    weights['head.layers.head.weight'] = torch.ones(3, 24)
    torch.save(dict(state_dict=weights, meta={}), path)
    loaded = VFMTeacher(MMPRETRAIN, pretrained=path)
    loaded.init_weights()
    wanted = teacher.trunk.state_dict()['cls_token'] + 1
    assert torch.equal(loaded.trunk.state_dict()['cls_token'], wanted)


def test_a_named_model_of_mmpretrain():
    teacher = VFMTeacher('mmpretrain:resnet18_8xb32_in1k', layer=2)
    assert teacher.stride == 16
    assert teacher.pixel_mean == pytest.approx((0.485, 0.456, 0.406))
    # a network of convolutions takes what is no multiple of 32
    assert teacher(torch.randn(1, 3, 80, 112)).shape == (1, 256, 5, 7)


def test_pixel_statistics_are_an_option():
    assert build_vfm('dinov3').pixel_mean == (0.485, 0.456, 0.406)
    assert build_vfm('radio').pixel_mean[0] == pytest.approx(0.48145466)
    own = build_vfm('dino-16', pixel_mean=(0, 0, 0), pixel_std=(1, 1, 1))
    assert own.pixel_mean == (0, 0, 0) and own.pixel_std == (1, 1, 1)


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(model='vit_smol'), "knows no model 'vit_smol'"),
        (dict(model='resnet18', timm_kwargs=dict(wheels=4)), 'cannot build'),
        (dict(model='resnet18', layer=9), 'allowed are 0 to 4'),
        (dict(model='mmpretrain:nonsense'), 'mmpretrain knows no model'),
        (dict(model=dict(type='Nonsense')), "no backbone 'Nonsense'"),
        (
            dict(model=dict(MMPRETRAIN, out_type='cls_token')),
            "no dense map with out_type='cls_token'",
        ),
        (dict(model=MMPRETRAIN, timm_kwargs=dict(a=1)), 'cannot go with'),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ValueError, match=message):
        VFMTeacher(**options)


class Classifier(torch.nn.Module):
    """What timm could give: a network without intermediate features."""

    feature_info = [dict(reduction=16)]


class Sequence(Classifier):
    def forward_intermediates(self, image, indices):
        return [image]


@pytest.mark.parametrize('kind', [Classifier, Sequence])
def test_a_name_without_dense_map_says_why(monkeypatch, kind):
    monkeypatch.setattr('timm.create_model', lambda *_, **__: kind())
    with pytest.raises(ValueError, match=f'no dense map.*{kind.__name__}'):
        VFMTeacher('resnet18')


def test_a_network_of_one_size_says_so():
    teacher = VFMTeacher('mixer_s16_224')
    with pytest.raises(ValueError, match=r'no pictures of \(96, 96\) px'):
        teacher(torch.randn(1, 3, 96, 96))


def test_a_size_between_patches_is_refused():
    with pytest.raises(ValueError, match='60x56 px is no multiple.*14 px'):
        build_vfm('dinov2')(torch.randn(1, 3, 60, 56))


def test_a_missing_view_says_so():
    with pytest.raises(ValueError, match='set vfm_size'):
        build_vfm('dino-16')(None)


def test_student_of_another_clip():
    """A teacher of patch 14 beside a SigLIP student, equal grids."""
    teacher = dict(
        type='VFMTeacher',
        model=FAMILIES['dinov2'][0],
        timm_kwargs=DINOV2,
    )
    model = MODELS.build(
        distiller_cfg(
            backbone=backbone_cfg(tiny_siglip(), frozen_stages=0),
            context_teacher=teacher,
            data_preprocessor=dict(type='DeCLIPPreprocessor'),
        )
    ).train()
    inputs, samples = batch()
    inputs['vfm'] = torch.randn(2, 3, 84, 84)
    sum(model(inputs, samples, mode='loss').values()).backward()
    mean = model.data_preprocessor.mean.flatten()
    assert mean.tolist() == [127.5] * 3
    assert model.data_preprocessor.vfm_mean[0] == pytest.approx(123.675)
