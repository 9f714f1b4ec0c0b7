"""Compiled blocks compute the same under the same names."""

import copy
import shutil

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS
from tiny import TOWERS, backbone_cfg, batch, distiller_cfg
from torch._dynamo.testing import CompileCounterWithBackend

from declip_mm import apis
from declip_mm.engine import CompileHook

OTHERS = [tower for tower in TOWERS if tower != 'eva']


class Runner:
    def __init__(self, model):
        self.model = model


@pytest.fixture(autouse=True)
def clean():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()
    torch.compiler.set_stance('default')


def build(tower='eva'):
    torch.manual_seed(0)
    student = backbone_cfg(TOWERS[tower](), frozen_stages=0)
    return MODELS.build(distiller_cfg(backbone=student)).train()


def step(model, counts=(3, 2)):
    losses = model(*batch(counts), mode='loss')
    sum(losses.values()).backward()
    gradients = {
        n: p.grad for n, p in model.named_parameters() if p.grad is not None
    }
    model.zero_grad()
    return losses, gradients


@pytest.mark.parametrize(
    'tower',
    ['eva', *(pytest.param(t, marks=pytest.mark.slow) for t in OTHERS)],
)
def test_same_losses_gradients_and_names(tower):
    plain, model = build(tower), build(tower)
    CompileHook(backend='eager').before_train(Runner(model))
    wanted = step(plain)
    torch.testing.assert_close(step(model), wanted)
    assert list(model.state_dict()) == list(plain.state_dict())
    twin = copy.deepcopy(model)  # as an average of weights is made
    torch.testing.assert_close(step(twin), wanted)


@pytest.mark.parametrize('tower', TOWERS)
def test_the_blocks_of_every_tower_are_compiled(tower):
    backend = CompileCounterWithBackend('eager')
    model = build(tower)
    model.backbone.compile_blocks(backend=backend, dynamic=False)
    x, grid = model.backbone.visual.embed(torch.randn(1, 3, 64, 64))
    model.backbone.visual.run_block(0, x.detach(), grid)
    assert backend.frame_count == 1


def test_another_number_of_crops_compiles_nothing():
    backend = CompileCounterWithBackend('eager')
    model = build()
    CompileHook(backend=backend).before_train(Runner(model))
    step(model, (3, 2))
    count = backend.frame_count
    assert count > 0
    for counts in ((4, 2), (5, 4), (2, 6)):
        step(model, counts)
    assert backend.frame_count == count


def test_validation_is_eager():
    backend = CompileCounterWithBackend('eager')
    model = build()
    hook = CompileHook(backend=backend)
    hook.before_train(Runner(model))
    hook.before_val_epoch(Runner(model))
    model.backbone.forward_dense(torch.randn(1, 3, 64, 96))
    assert backend.frame_count == 0
    hook.after_val_epoch(Runner(model))
    model.backbone.forward_dense(torch.randn(1, 3, 64, 96))
    assert backend.frame_count > 0


@pytest.mark.slow
@pytest.mark.skipif(
    not shutil.which('g++'), reason='inductor needs a C++ compiler: g++'
)
def test_inductor_on_a_cpu():
    plain, model = build(), build()
    CompileHook().before_train(Runner(model))
    torch.testing.assert_close(step(model), step(plain), rtol=1e-4, atol=1e-6)


def test_the_option():
    def hooks(wanted, *types):
        cfg = Config(dict(custom_hooks=[dict(type=t) for t in types]))
        apis.switch_compile(cfg, wanted)
        return [hook.type for hook in cfg.custom_hooks]

    assert hooks(None) == [] and hooks(None, 'CompileHook') == ['CompileHook']
    both = ['CompileHook', 'GraphHook']
    assert hooks(True, 'A') == ['A', *both]
    assert hooks(True, 'CompileHook') == both
    assert hooks(False, 'A', *both) == ['A']
    assert hooks(None, 'GraphHook') == ['GraphHook']


def test_blocks_may_have_many_forms():
    CompileHook().before_train(Runner(build()))
    assert torch._dynamo.config.recompile_limit >= 64
