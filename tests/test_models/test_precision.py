"""Mixed precision leaves the losses what they are."""

import pytest
import torch
from mmengine.registry import MODELS
from tiny import batch, distiller_cfg

COUNTS = (4, 1, 0, 3)


def build():
    torch.manual_seed(0)
    return MODELS.build(distiller_cfg()).train()


def gradients(model):
    named = model.named_parameters()
    return {n: p.grad for n, p in named if p.grad is not None}


def whole_step():
    model = build()
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
