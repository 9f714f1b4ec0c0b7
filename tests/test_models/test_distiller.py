"""The distiller: losses, baselines, what trains, what is refused."""

import pytest
import torch
from mmengine.registry import MODELS
from tiny import (
    TEXT,
    TOWERS,
    backbone_cfg,
    batch,
    distiller_cfg,
    tiny_eva,
    tiny_openai,
    tiny_pe,
)

from declip_mm.models.losses import content_loss, context_loss
from declip_mm.models.regions import box_features
from declip_mm.models.tokens import to_tokens, valid_tokens


def build(**options):
    torch.manual_seed(0)
    return MODELS.build(distiller_cfg(**options)).train()


def text_encoder():
    return dict(
        type='DeCLIPTextEncoder', model=dict(tiny_eva(), text_cfg=TEXT)
    )


def test_loss_is_its_parts():
    model = build(context_weight=0.3, mask_padding=False)
    inputs, samples = batch()
    losses = model(inputs, samples, mode='loss')
    dense = model.backbone.forward_dense(inputs['image'])
    regions = box_features(dense.content, [s.boxes for s in samples])
    content = content_loss(regions, model.content_teacher(inputs['crops']))
    vfm = model.context_teacher(inputs['vfm']).flatten(2).transpose(1, 2)
    context = context_loss(dense.context, vfm)
    torch.testing.assert_close(losses['loss_content'], content)
    torch.testing.assert_close(losses['loss_context'], 0.3 * context)


@pytest.mark.parametrize('affinity', ['qq', 'kk', 'csa', 'all', 'vanilla'])
@pytest.mark.parametrize('tower', TOWERS)
def test_a_step_lowers_the_loss(affinity, tower):
    student = backbone_cfg(TOWERS[tower](), affinity=affinity, frozen_stages=0)
    model = build(backbone=student)
    optimizer = torch.optim.AdamW(
        [p for p in model.parameters() if p.requires_grad], lr=1e-3
    )
    inputs, samples = batch()
    values = []
    for _ in range(4):
        loss = sum(model(inputs, samples, mode='loss').values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(loss.item())
    assert values[-1] < values[0]
    lost = [
        n
        for n, p in model.named_parameters()
        if p.requires_grad and p.grad is None
    ]
    assert not lost


def test_self_distillation_has_one_loss():
    model = build(context_teacher=None)
    assert set(model(*batch(), mode='loss')) == {'loss_content'}


def test_coupled_context_is_the_dense_map():
    model = build(
        backbone=backbone_cfg(affinity='vanilla', frozen_stages=0),
        mask_padding=False,
    )
    inputs, samples = batch()
    dense = model.backbone.forward_dense(inputs['image'])
    (tokens,) = dense.context
    assert torch.equal(tokens, dense.content.flatten(2).transpose(1, 2))


def test_padding_mask_changes_the_context_alone():
    inputs, samples = batch()
    with_mask = build()(inputs, samples, mode='loss')
    without = build(mask_padding=False)(inputs, samples, mode='loss')
    assert torch.equal(with_mask['loss_content'], without['loss_content'])
    assert not torch.equal(with_mask['loss_context'], without['loss_context'])


class Given(torch.nn.Module):
    """A teacher whose view is the map itself."""

    def forward(self, view, data_samples):
        return view


def test_padding_mask_leaves_padding_out():
    """What the VFM says of padded tokens has no influence, and no gradient."""
    model = build()
    inputs, samples = batch(size=96)  # 6 x 6 tokens, 6 x 4 of the picture
    for sample in samples:
        sample.valid_hw = torch.tensor([1.0, 4 / 6])
    model.context_teacher = Given()
    vfm = torch.randn(2, 5, 6, 6)

    def context(features):
        inputs['vfm'] = features
        return model(inputs, samples, mode='loss')['loss_context']

    first = context(vfm)
    changed = vfm.clone()
    changed[..., 4:] = torch.randn(2, 5, 6, 2)
    assert torch.equal(first, context(changed))
    changed[..., 3] = torch.randn(2, 5, 6)
    assert not torch.equal(first, context(changed))
    # the same as the loss of the cut maps
    dense = model.backbone.forward_dense(inputs['image'])
    cut = [
        t.unflatten(1, (6, 6))[:, :, :4].flatten(1, 2) for t in dense.context
    ]
    alone = context_loss(cut, vfm[..., :4].flatten(2).transpose(1, 2))
    torch.testing.assert_close(first, model.context_weight * alone)


def test_padding_mask_cells():
    _, samples = batch((1,))
    samples[0].valid_hw = torch.tensor([1.0, 0.6])
    mask = valid_tokens(samples, (2, 5)).reshape(2, 5)
    assert mask.tolist() == [[True] * 3 + [False] * 2] * 2
    samples[0].valid_hw = torch.tensor([0.01, 0.01])  # a sliver keeps one
    assert valid_tokens(samples, (2, 5)).sum() == 1


def test_other_vfm_grid_is_resized_without_scrambling():
    ramp = torch.linspace(0, 1, 4).expand(1, 2, 4, 4)
    tokens = to_tokens(ramp, (8, 8))
    assert tokens.shape == (1, 64, 2)
    rows = tokens.reshape(8, 8, 2)
    torch.testing.assert_close(rows[0], rows[5])
    assert (rows[0, 1:, 0] >= rows[0, :-1, 0]).all()


def test_image_loss_is_off_and_keeps_the_embedding():
    assert 'loss_image' not in build()(*batch(), mode='loss')
    model = build(image_weight=0.5)
    inputs, samples = batch()
    losses = model(inputs, samples, mode='loss')
    assert losses['loss_image'].requires_grad
    original = model.content_teacher.backbone.state_dict()
    model.backbone.load_state_dict(original)
    kept = model(inputs, samples, mode='loss')['loss_image']
    assert kept.abs().item() < 1e-6
    for parameter in model.backbone.parameters():
        if parameter.requires_grad:
            parameter.data += 0.1 * torch.randn_like(parameter)
    moved = model(inputs, samples, mode='loss')['loss_image']
    assert moved.item() > 1e-4
    moved.backward()
    block = model.backbone.visual.trunk.blocks[0]
    assert block.mlp.fc2.weight.grad.any()


def test_image_loss_needs_the_original():
    teacher = dict(type='CaptionTeacher', text_encoder=text_encoder())
    with pytest.raises(ValueError, match='image_weight=1.0 needs.*Caption'):
        build(image_weight=1.0, content_teacher=teacher)


def test_image_loss_keeps_its_teacher(tmp_path):
    teacher = dict(
        type='CropCache',
        path=str(tmp_path / 'crops.npy'),
        teacher=dict(type='CLIPCropTeacher', backbone=backbone_cfg()),
        keep_teacher=False,
    )
    with pytest.raises(ValueError, match='keep_teacher=True'):
        build(image_weight=1.0, content_teacher=teacher)


def test_pixel_statistics_are_taken_from_the_networks():
    model = build(
        backbone=backbone_cfg(tiny_pe(), frozen_stages=0),
        data_preprocessor=dict(type='DeCLIPPreprocessor'),
    )
    pixels = model.data_preprocessor
    assert pixels.mean.flatten().tolist() == [127.5] * 3
    assert pixels.vfm_mean.flatten().tolist() == [127.5] * 3
    with pytest.raises(ValueError, match=r'VFMTeacher wants pixel mean'):
        build(
            data_preprocessor=dict(
                type='DeCLIPPreprocessor', vfm_mean=[123.675, 116.28, 103.53]
            )
        )


def test_normalize_content_is_an_option():
    a = build()(*batch(), mode='loss')
    b = build(normalize_content=True)(*batch(), mode='loss')
    assert not torch.equal(a['loss_content'], b['loss_content'])


def test_no_box_at_all_is_no_crash():
    model = build()
    losses = model(*batch((0, 0)), mode='loss')
    sum(losses.values()).backward()
    assert losses['loss_content'].item() == 0


def test_refuses_when_nothing_trains():
    student = backbone_cfg(frozen_stages=3, train_head=False)
    with pytest.raises(ValueError, match='no parameter.*frozen_stages=3'):
        build(backbone=student)


def test_refuses_two_clip_models():
    teacher = tiny_openai()
    teacher['embed_dim'] = 8
    with pytest.raises(ValueError, match='12 dimensions.*8'):
        build(
            content_teacher=dict(
                type='CLIPCropTeacher', backbone=backbone_cfg(teacher)
            )
        )


def test_modes():
    model = build()
    inputs, samples = batch()
    assert model(inputs).content.shape[:2] == (2, 12)
    with pytest.raises(ValueError, match="mode='train' is unknown"):
        model(inputs, samples, mode='train')
    with pytest.raises(ValueError, match='needs a predictor'):
        model(inputs, samples, mode='predict')
