"""Mixed precision leaves the losses what they are."""

import pytest
import torch
from mmengine.registry import MODELS
from tiny import batch, distiller_cfg

from declip_mm.models import losses

COUNTS = (4, 1, 0, 3)


def build(**options):
    torch.manual_seed(0)
    return MODELS.build(distiller_cfg(**options)).train()


def gradients(model):
    named = model.named_parameters()
    return {n: p.grad for n, p in named if p.grad is not None}


def whole_step(**options):
    model = build(**options)
    inputs, samples = batch(COUNTS)
    losses = model(inputs, samples, mode='loss')
    sum(losses.values()).backward()
    return losses, gradients(model)


def test_bfloat16_autocast_keeps_losses_in_float32():
    wanted, _ = whole_step()
    model = build()
    with torch.autocast('cpu', torch.bfloat16):
        losses = model(*batch(COUNTS), mode='loss')
    sum(losses.values()).backward()
    for name, value in losses.items():
        assert value.dtype == torch.float32
        assert value.item() == pytest.approx(wanted[name].item(), rel=0.05)
    assert all(g.isfinite().all() for g in gradients(model).values())


@pytest.mark.parametrize('quick', [False, True])
def test_float16_with_a_scaled_loss_has_the_same_gradients(quick, monkeypatch):
    """What the context loss makes in its forward pass is not scaled yet."""
    monkeypatch.setattr(losses, '_by_tf32', lambda rows: quick)
    alone = dict(content_weight=0.0)
    _, wanted = whole_step(**alone)
    model = build(**alone)
    scaler = torch.amp.GradScaler('cpu', init_scale=2.0**16)
    with torch.autocast('cpu', torch.float16):
        found = model(*batch(COUNTS), mode='loss')
    scaler.scale(sum(found.values())).backward()
    for name, gradient in gradients(model).items():
        gradient = gradient / scaler.get_scale()
        assert gradient.isfinite().all(), name
        gap = (gradient - wanted[name]).norm()
        assert gap < 0.05 * wanted[name].norm() + 1e-6, name
