"""The distiller: losses, baselines, what trains, what is refused."""

import pytest
import torch
from mmengine.registry import MODELS
from tiny import backbone_cfg, batch, distiller_cfg, tiny_openai

from declip_mm.models.losses import content_loss, context_loss
from declip_mm.models.regions import box_features


def build(**options):
    torch.manual_seed(0)
    return MODELS.build(distiller_cfg(**options)).train()


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
@pytest.mark.parametrize('tower', ['eva', 'openai'])
def test_a_step_lowers_the_loss(affinity, tower):
    model_cfg = tiny_openai() if tower == 'openai' else None
    student = backbone_cfg(model_cfg, affinity=affinity, frozen_stages=0)
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


def test_padding_mask_cells():
    model = build()
    _, samples = batch((1,))
    samples[0].valid_hw = torch.tensor([1.0, 0.6])
    mask = model._valid_tokens(samples, (2, 5)).reshape(2, 5)
    assert mask.tolist() == [[True] * 3 + [False] * 2] * 2


def test_other_vfm_grid_is_resized_without_scrambling():
    model = build()
    ramp = torch.linspace(0, 1, 4).expand(1, 2, 4, 4)
    tokens = model._to_tokens(ramp, (8, 8))
    assert tokens.shape == (1, 64, 2)
    rows = tokens.reshape(8, 8, 2)
    torch.testing.assert_close(rows[0], rows[5])
    assert (rows[0, 1:, 0] >= rows[0, :-1, 0]).all()


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
