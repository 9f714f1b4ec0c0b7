"""The optimiser sees what trains, in few groups, and nothing warns."""

import copy
import logging

import pytest
import torch
from mmengine.optim import DefaultOptimWrapperConstructor, build_optim_wrapper
from mmengine.registry import MODELS
from tiny import batch, distiller_cfg

from declip_mm.engine import TrainableConstructor

ADAMW = dict(type='AdamW', lr=1e-3, weight_decay=0.1)
PARAMWISE = dict(
    flat_decay_mult=0.0, custom_keys={'visual.trunk.head': dict(lr_mult=0.1)}
)


def build():
    torch.manual_seed(0)
    return MODELS.build(distiller_cfg()).train()


def wrap(model, constructor=TrainableConstructor, **changes):
    options = dict(type='OptimWrapper', optimizer=dict(ADAMW, **changes))
    return constructor(options, dict(PARAMWISE))(model)


def step(model, wrapper):
    inputs, samples = batch()
    losses = model(inputs, samples, mode='loss')
    wrapper.update_params(sum(losses.values()))


def trained(model):
    return {n: p for n, p in model.named_parameters() if p.requires_grad}


def same(first, second):
    for name, value in trained(first).items():
        assert torch.equal(value, trained(second)[name]), name


def test_frozen_modules_make_no_groups(caplog):
    model = build()
    with caplog.at_level(logging.WARNING):
        wrapper = build_optim_wrapper(
            model,
            dict(
                type='OptimWrapper',
                constructor='TrainableConstructor',
                optimizer=dict(ADAMW),
                paramwise_cfg=dict(PARAMWISE),
            ),
        )
    assert 'teacher' not in caplog.text
    groups = wrapper.optimizer.param_groups
    told = [id(p) for g in groups for p in g['params']]
    wanted = {id(p) for p in model.parameters() if p.requires_grad}
    assert wanted == {*told} and len(told) == len(wanted)
    settings = [(g['lr'], g['weight_decay']) for g in groups]
    assert sorted(settings) == sorted({*settings}) and len(settings) == 3
    for group in groups:
        for parameter in group['params']:
            decay = 0.1 if parameter.ndim > 1 else 0
            if group['lr'] == 1e-3:
                assert group['weight_decay'] == decay


def test_groups_change_no_bit():
    ours, theirs = build(), build()
    first, second = wrap(ours), wrap(theirs, DefaultOptimWrapperConstructor)
    assert len(first.param_groups) < len(second.param_groups) / 10
    for _ in range(2):
        step(ours, first)
        step(theirs, second)
    same(ours, theirs)


def test_a_state_with_a_group_for_every_parameter_loads():
    old = build()
    before = wrap(old, DefaultOptimWrapperConstructor)
    step(old, before)
    new = build()
    after = wrap(new)
    new.load_state_dict(old.state_dict())
    after.load_state_dict(copy.deepcopy(before.state_dict()))
    step(old, before)
    step(new, after)
    same(old, new)
    assert [g['lr'] for g in after.param_groups] == [
        g['lr'] for g in wrap(build()).param_groups
    ]


def test_the_device_decides_what_is_fused():
    model = build()
    before = wrap(model, fused=True)
    step(model, before)
    other = build()
    after = wrap(other)
    assert after.param_groups[0]['fused'] is None  # on a CPU
    after.load_state_dict(before.state_dict())
    assert after.param_groups[0]['fused'] is None


def test_another_model_is_still_refused():
    model = build()
    state = wrap(model).state_dict()
    state['param_groups'][0]['params'].pop()
    with pytest.raises(ValueError, match='parameter group'):
        wrap(model).load_state_dict(state)
