"""The benchmark of a step: same losses as ours, cells kept, ratios."""

import copy
import json
import math

import pytest
import torch
from tiny import tiny_eva, tiny_openai
from tool_modules import load_tool

from declip_mm.apis import load_config
from declip_mm.benchmark.clock import interleaved, matmul_rate, peak_bytes
from declip_mm.benchmark.measure import Bench
from declip_mm.benchmark.operations import operations
from declip_mm.benchmark.passes import BarePasses
from declip_mm.benchmark.ratios import ratios, table
from declip_mm.benchmark.record import Record
from declip_mm.benchmark.reference import ReferenceStep
from declip_mm.benchmark.subject import Subject, make_photos, plain_config

CPU = torch.device('cpu')
CONFIG = 'configs/declip/pretune_dinov2.py'
STEPS = {'reference', 'first', 'cached', 'floor', 'passes'}


def tiny_options(model):
    """The paper's config with tiny networks, for --cfg-options."""
    model = dict(model, _delete_=True)
    return {
        'model.backbone.model': model,
        'model.content_teacher.backbone.model': model,
        'model.context_teacher.model': 'vit_small_patch14_dinov2',
        'model.context_teacher.timm_kwargs': dict(
            embed_dim=24, depth=2, num_heads=2
        ),
        'train_dataloader.dataset.views.crop_size': 64,
        'train_dataloader.dataset.views.vfm_size': 84,
        'train_dataloader.dataset.views.image_size': 96,
        'train_dataloader.dataset.views.max_split': 3,
    }


@pytest.fixture(scope='module')
def photos(tmp_path_factory):
    return make_photos(tmp_path_factory.mktemp('photos'), 3, (60, 80))


def config(model=None, **options):
    return load_config(
        CONFIG, dict(tiny_options(model or tiny_eva()), **options)
    )


def subject_of(cfg, batch, crops, cached=None):
    subject = Subject(cfg, CPU, cached)
    subject.take(cfg, batch, crops)
    return subject


@pytest.mark.parametrize('affinity', ['qq', 'kk', 'csa'])
@pytest.mark.parametrize('model', [tiny_eva(), tiny_openai()])
def test_reference_has_the_losses_of_ours(photos, model, affinity):
    options = {'model.backbone.affinity': affinity}
    cfg = plain_config(config(model, **options), 96, photos)
    subject = subject_of(cfg, 2, 4)
    # the release has no mask, and its mean is that of one process
    subject.model.mask_padding = False
    reference = ReferenceStep(subject.model, dict(lr=1e-3))
    content, context = reference.losses(subject.data)
    batch = subject.model.data_preprocessor(subject.data, True)
    ours = subject.model.loss(batch['inputs'], batch['data_samples'])
    torch.testing.assert_close(
        ours['loss_content'], content, rtol=1e-4, atol=0
    )
    torch.testing.assert_close(
        ours['loss_context'], 0.25 * context, rtol=1e-4, atol=0
    )


def test_reference_and_ours_take_the_same_step(photos):
    cfg = plain_config(config(), 96, photos)
    cfg.optim_wrapper.optimizer.weight_decay = 0.0
    subject = subject_of(cfg, 1, 4)
    subject.model.mask_padding = False
    options = dict(subject.optim.optimizer.defaults)
    options = {n: options[n] for n in ('lr', 'betas', 'eps', 'weight_decay')}
    before = copy.deepcopy(subject.model.backbone.visual.state_dict())
    reference = ReferenceStep(subject.model, options)
    reference(subject.data)
    subject.step()
    moved = 0
    for name, theirs in reference.student.state_dict().items():
        ours = subject.model.backbone.visual.state_dict()[name]
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-7)
        moved += int(not torch.equal(ours, before[name]))
    assert moved > 10


def test_reference_refuses_what_it_does_not_know(photos):
    options = {'model.backbone.affinity': 'vv'}
    subject = subject_of(plain_config(config(**options), 96, photos), 1, 4)
    with pytest.raises(ValueError, match="qq, kk and csa, got 'vv'"):
        ReferenceStep(subject.model, dict(lr=1e-3))


def test_a_step_with_caches_runs_no_teacher(photos, tmp_path):
    cfg = plain_config(config(), 96, photos)
    subject = subject_of(cfg, 2, 4, tmp_path)
    assert subject.model.content_teacher.teacher is None
    assert 'crops' not in subject.data['inputs']
    before = copy.deepcopy(subject.model.backbone.state_dict())
    subject.step()
    after = subject.model.backbone.state_dict()
    assert any(not torch.equal(before[k], after[k]) for k in before)


def test_wanted_number_of_crops(photos):
    cfg = plain_config(config(), 96, photos)
    subject = subject_of(cfg, 2, 6)
    found = [len(s['data_samples'].boxes) for s in subject.samples]
    assert found == [6, 6]


def test_bare_passes_leave_no_gradient(photos):
    subject = subject_of(plain_config(config(), 96, photos), 1, 4)
    passes = BarePasses(subject)
    passes.take(subject)
    passes.all_passes()
    assert all(p.grad is None for p in passes.student.parameters())
    assert passes.crops_pass().shape == (4, 12)


def test_operations_are_those_of_the_definition():
    from torch.nn.functional import scaled_dot_product_attention

    q = torch.randn(1, 2, 8, 4)
    counted = operations(lambda: scaled_dot_product_attention(q, q, q))
    assert counted == 2 * (2 * 8 * 8 * 4) * 2


def test_turns_alternate_and_the_first_are_left_out():
    calls = []
    work = {n: lambda n=n: calls.append(n) for n in 'ab'}
    taken = interleaved(work, CPU, repeats=2, warm_up=1)
    assert calls == list('ababab')
    assert {n: len(t) for n, t in taken.items()} == dict(a=2, b=2)


def test_peak_counts_what_is_held_at_once():
    size = 2**20

    def once():
        return torch.empty(size), torch.empty(size)

    def one_after_the_other():
        torch.empty(size)
        torch.empty(size)

    assert peak_bytes(once, CPU) == 2 * peak_bytes(one_after_the_other, CPU)
    assert peak_bytes(once, CPU) == 8 * size


def test_rate_is_positive():
    assert matmul_rate(CPU, torch.float32, repeats=1) > 0


def test_a_stopped_run_goes_on(tmp_path):
    path = tmp_path / 'out.json'
    record = Record(path, machine='x')
    record.cell('one', lambda: dict(value=1))
    again = Record(path, machine='x')
    assert again.cell('one', lambda: pytest.fail('measured twice')) == {
        'value': 1
    }
    with pytest.raises(ValueError, match="machine 'x', this run 'y'"):
        Record(path, machine='y')


def test_memory_that_does_not_suffice_is_a_result(tmp_path):
    def large():
        raise torch.cuda.OutOfMemoryError('no')

    record = Record(tmp_path / 'out.json')
    assert record.cell('step 9x9', large) == dict(failed='out of memory')
    assert 'out of memory' in table(record.cells)


def test_ratios_are_reference_over_ours():
    cell = dict(
        tokens=4,
        precision='float32',
        seconds=dict(
            reference=[8.0], first=[4.0], cached=[2.0], floor=[1.0], passes=[4]
        ),
        bytes=dict(reference=10, first=8, cached=5, floor=2),
        operations=dict(first=40, cached=10),
        rate=20.0,
        parts=dict(all=1.0, losses=0.5),
    )
    dense = dict(
        tokens=4,
        precision='float32',
        seconds=dict(reference=[3.0], ours=[1.0]),
        bytes=dict(reference=9, ours=3),
    )
    found = ratios({'step 560x1': cell, 'dense 1024': dense})
    assert found['step_first_epoch'] == 2
    assert found['first_over_passes'] == 1
    assert found['step_cached'] == 4
    assert found['step_over_floor'] == 2
    assert found['step_memory'] == 0.5
    assert found['utilisation'] == 0.5
    assert found['utilisation_cached'] == 0.25
    assert found['dense_1024'] == 3
    assert found['dense_1024_memory'] == pytest.approx(1 / 3)


def test_the_tool(photos, tmp_path, capsys):
    tool = load_tool('analysis_tools/benchmark.py')
    tiny = tmp_path / 'tiny.py'
    tiny.write_text(config().pretty_text, 'utf-8')
    out, plot = tmp_path / 'out.json', tmp_path / 'out.png'
    command = (
        f'{tiny} --size 96 --crops 4 --batch 1 2 --curve 48 --dense 48 '
        f'--repeats 1 --warm-up 0 --images {photos} --work-dir {tmp_path} '
        f'--json {out} --plot {plot}'
    ).split()
    assert tool.main(command) == 0
    printed = capsys.readouterr().out
    assert 'step_over_floor' in printed
    found = json.loads(out.read_text())
    assert set(found['cells']) == {
        'step 96x1',
        'step 96x2',
        'step 48x1',
        'dense 48',
        'data',
        'segment_windows',
    }
    assert found['ratios']['data'] == found['cells']['data']['ratio']
    for name, cell in found['cells'].items():
        if name in ('data', 'segment_windows'):
            continue
        values = [v for times in cell['seconds'].values() for v in times]
        assert all(math.isfinite(v) and v > 0 for v in values)
        if name.startswith('step'):
            assert set(cell['seconds']) == STEPS
            assert cell['operations']['first'] > cell['operations']['cached']
    assert plot.stat().st_size > 1000


def test_bench_keeps_the_grids_of_both_networks(photos, tmp_path):
    bench = Bench(config(), photos, tmp_path, CPU, 4, 1, 0)
    assert bench.step(48, 1)['tokens'] == 9
