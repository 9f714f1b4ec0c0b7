"""One wrapper trains in what the device is good at."""

import copy

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from torch import nn

from declip_mm.engine import precision


def build(kind='MixedOptimWrapper', **options):
    torch.manual_seed(0)
    model = nn.Linear(4, 4)
    optimizer = dict(type='AdamW', lr=1e-2)
    return model, build_optim_wrapper(
        model, dict(type=kind, optimizer=optimizer, **options)
    )


def train(model, wrapper, steps=3):
    for _ in range(steps):
        with wrapper.optim_context(model):
            found = model(torch.ones(2, 4))
        wrapper.update_params(found.float().square().mean())
    return found


def as_if(monkeypatch, kind, bf16=True):
    """Parameters are on the CPU; the wrapper is told otherwise."""
    monkeypatch.setattr(
        precision, '_device', lambda optimizer: torch.device(kind)
    )
    monkeypatch.setattr(precision, '_gpu_has_bfloat16', lambda: bf16)


@pytest.mark.parametrize('dtype', ['auto', 'float16', 'float32'])
def test_a_cpu_trains_in_float32_to_the_bit(dtype):
    model, wrapper = build(dtype=dtype)
    plain, without = build('OptimWrapper')
    assert train(model, wrapper).dtype == torch.float32
    train(plain, without)
    assert torch.equal(model.weight, plain.weight)


def test_bfloat16_on_request_keeps_parameters_in_float32():
    model, wrapper = build(dtype='bfloat16')
    before = model.weight.clone()
    assert train(model, wrapper).dtype == torch.bfloat16
    assert model.weight.dtype == torch.float32
    assert not torch.equal(model.weight, before)


@pytest.mark.parametrize(
    'dtype, bf16, wanted, scales',
    [
        ('auto', True, torch.bfloat16, False),
        ('auto', False, torch.float16, True),
        ('float16', True, torch.float16, True),
        ('float32', True, torch.float32, False),
    ],
)
def test_a_gpu_trains_in_what_it_has(monkeypatch, dtype, bf16, wanted, scales):
    asked = []

    def scaler(**options):  # a real one is off where there is no GPU
        asked.append(options)

    monkeypatch.setattr(precision, 'GradScaler', scaler)
    as_if(monkeypatch, 'cuda', bf16)
    _, wrapper = build(dtype=dtype, loss_scale=512)
    assert wrapper.cast_dtype == wanted
    assert asked == [dict(init_scale=512.0, enabled=scales)]


def test_what_cannot_be_is_refused(monkeypatch):
    with pytest.raises(ValueError, match="dtype='half' is unknown; allowed"):
        build(dtype='half')
    with pytest.raises(ValueError, match="loss_scale='big'.*allowed"):
        build(loss_scale='big')
    as_if(monkeypatch, 'cuda', bf16=False)
    with pytest.raises(ValueError, match='this GPU has none'):
        build(dtype='bfloat16')


@pytest.mark.parametrize('before', ['float16', 'bfloat16', 'float32'])
@pytest.mark.parametrize('after', ['float16', 'bfloat16', 'float32'])
def test_resumes_in_another_precision(before, after):
    def wrapper(dtype):
        model, made = build(dtype='float32')
        made.loss_scaler = torch.amp.GradScaler(
            'cpu', enabled=dtype == 'float16'
        )
        return model, made

    model, first = wrapper(before)
    train(model, first)
    saved = copy.deepcopy(first.state_dict())
    assert ('loss_scaler' in saved) == (before == 'float16')
    other, second = wrapper(after)
    other.load_state_dict(model.state_dict())
    second.load_state_dict(saved)
    train(model, first, 1)
    train(other, second, 1)
    torch.testing.assert_close(other.weight, model.weight)
