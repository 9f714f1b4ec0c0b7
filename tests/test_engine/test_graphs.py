"""CUDA graphs of the passes: refused where they would be wrong, else equal."""

import copy
import gc
import weakref
from types import SimpleNamespace

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import MODELS
from tiny import backbone_cfg, batch, distiller_cfg

from declip_mm.engine import CompileHook, GraphHook
from declip_mm.engine.graphs import _Frozen, _Graphs, _tables

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

    frozen = _Frozen(inner, torch.nn.Identity(), most=0, multiple=4)
    image = torch.randn(5, 3, 2, 2)
    with torch.no_grad():
        found = frozen(image)
    assert seen == [8]
    torch.testing.assert_close(found, image.flatten(1).sum(1))
    with torch.no_grad():
        assert len(frozen(image[:0])) == 0


def test_with_gradients_nothing_is_filled_up():
    frozen = _Frozen(lambda x: x, torch.nn.Identity(), most=4, multiple=4)
    image = torch.randn(5, 3, 2, 2, requires_grad=True)
    assert frozen(image) is image


def test_a_graph_holds_the_tables_that_towers_forget():
    model = MODELS.build(distiller_cfg()).train()
    tower = model.backbone.visual
    patch = tower.patch_size

    def look(*grid):
        with torch.no_grad():
            size = [patch * side for side in grid]
            model.backbone.forward_dense(torch.zeros(1, 3, *size))

    look(2, 3)
    held = _tables(model.backbone)
    assert len(held) == 2  # rotary and, of a frozen stem, absolute ones
    before = [table.clone() for table in held]
    for side in range(3, 12):
        look(side, 2)
    kept = {table.data_ptr() for table in _tables(model.backbone)}
    assert kept.isdisjoint(table.data_ptr() for table in held)
    for table, value in zip(held, before):
        torch.testing.assert_close(table, value)


def test_a_teacher_that_is_let_go_is_gone():
    hook, module = GraphHook(), torch.nn.Linear(2, 2)
    frozen = _Frozen(module.forward, module, most=1)
    hook._replace(module, 'forward', frozen)
    alive = weakref.ref(module)
    del module, frozen
    gc.collect()
    assert alive() is None
    hook.after_train(None)


def several_sizes(run, sizes):
    """Losses of a plain and a replayed model, turn about of each size."""
    plain = MODELS.build(distiller_cfg()).cuda().train()
    replayed = copy.deepcopy(plain)
    hook, runners = GraphHook(crops=4), [runner_of(plain), runner_of(replayed)]
    if run is not None:
        for runner in runners:
            run(runner)
    hook.before_train(runners[1])
    losses = []
    for counts in sizes:
        inputs, samples = batch(counts)
        inputs = {k: v.cuda() for k, v in inputs.items()}
        samples = [s.to('cuda') for s in samples]
        for runner in runners:
            with torch.autocast('cuda', torch.bfloat16):
                found = runner.model.loss(inputs, samples)
            total = sum(found.values())
            runner.optim_wrapper.update_params(total)
            losses.append(total.item())
    assert len(replayed.backbone.forward_dense.graphs._made) == 2
    return torch.tensor(losses).view(-1, 2).unbind(1)


@GPU
@pytest.mark.parametrize('compiled', [False, True])
def test_a_second_size_in_one_process(compiled):
    run = CompileHook().before_train if compiled else None
    few, many = (3, 2), (4, 3, 2, 4, 5, 3, 2, 2)
    ours, theirs = several_sizes(run, [few] * 6 + [many] * 6 + [few] * 2)
    torch.testing.assert_close(ours, theirs, rtol=2e-2, atol=1e-3)


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
