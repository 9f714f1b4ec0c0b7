"""CUDA graphs of the passes: refused where they would be wrong, else equal."""

import copy
from types import SimpleNamespace

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import MODELS
from tiny import backbone_cfg, batch, distiller_cfg

from declip_mm.engine import GraphHook
from declip_mm.engine.graphs import _Frozen, _Graphs

GPU = pytest.mark.skipif(
    not torch.cuda.is_available(), reason='needs a CUDA device'
)


def runner_of(model, accumulative_counts=1):
    trained = [p for p in model.parameters() if p.requires_grad]
    wrapper = OptimWrapper(
        torch.optim.SGD(trained, lr=0.1),
        accumulative_counts=accumulative_counts,
    )
    return SimpleNamespace(model=model, optim_wrapper=wrapper)


def own_attributes(model):
    return [n for m in model.modules() for n in vars(m) if 'forward' in n]


def test_on_a_cpu_nothing_is_done(caplog):
    model = MODELS.build(distiller_cfg())
    before = own_attributes(model)
    GraphHook().before_train(runner_of(model))
    assert own_attributes(model) == before


@pytest.mark.parametrize(
    'build, batches, words',
    [
        (lambda: torch.nn.Linear(2, 2), 1, 'DecoupledDistiller'),
        (lambda: MODELS.build(distiller_cfg()), 1, 'CUDA'),
    ],
)
def test_obstacles_are_named(build, batches, words):
    from declip_mm.engine.graphs import _obstacle

    assert words in _obstacle(build(), batches)


def test_a_size_is_captured_after_plain_calls_and_few_are():
    graphs, made = _Graphs(most=1), []

    def make(image):
        made.append(tuple(image.shape))
        return lambda image: 'graph'

    small, large = torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 8, 8)
    found = [graphs.find(small, make) for _ in range(5)]
    assert found[:3] == [None] * 3
    assert all(f is not None for f in found[3:])
    assert made == [(1, 3, 4, 4)]
    assert [graphs.find(large, make) for _ in range(5)] == [None] * 5


def test_crops_are_filled_up_and_cut_again():
    seen = []

    def inner(image):
        seen.append(len(image))
        return image.flatten(1).sum(1)

    frozen = _Frozen(inner, most=0, multiple=4)
    image = torch.randn(5, 3, 2, 2)
    with torch.no_grad():
        found = frozen(image)
    assert seen == [8]
    torch.testing.assert_close(found, image.flatten(1).sum(1))
    with torch.no_grad():
        assert len(frozen(image[:0])) == 0


def test_with_gradients_nothing_is_filled_up():
    frozen = _Frozen(lambda image: image, most=4, multiple=4)
    image = torch.randn(5, 3, 2, 2, requires_grad=True)
    assert frozen(image) is image


@GPU
@pytest.mark.parametrize('amp', [False, True])
def test_training_is_the_same(amp):
    cfg = distiller_cfg(backbone=backbone_cfg(frozen_stages=0))
    plain = MODELS.build(cfg).cuda().train()
    replayed = copy.deepcopy(plain)
    hook = GraphHook(crops=4)
    runners = [runner_of(plain), runner_of(replayed)]
    hook.before_train(runners[1])
    losses = []
    for step in range(8):
        inputs, samples = batch((3, 2 + step % 3))
        inputs = {k: v.cuda() for k, v in inputs.items()}
        samples = [s.to('cuda') for s in samples]
        row = []
        for runner in runners:
            with torch.autocast('cuda', torch.bfloat16, enabled=amp):
                found = runner.model.loss(inputs, samples)
            total = sum(found.values())
            runner.optim_wrapper.update_params(total)
            row.append(total.item())
        losses.append(row)
    assert replayed.backbone.forward_dense.graphs._made
    ours, theirs = torch.tensor(losses).unbind(1)
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)
    assert abs(losses[0][0] - losses[-1][0]) > 1e-3
    hook.after_train(runners[1])
    assert own_attributes(replayed) == own_attributes(plain)


@GPU
def test_gradients_that_are_added_up_are_refused():
    model = MODELS.build(distiller_cfg()).cuda()
    GraphHook().before_train(runner_of(model, accumulative_counts=2))
    assert 'forward_dense' not in vars(model.backbone)
