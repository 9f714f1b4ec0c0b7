"""Training-free methods: jobs, rows and table, without running any."""

import json
from pathlib import Path

import pytest

from declip_mm.miniature import dense_seg
from declip_mm.miniature.dense_seg import METHODS, SegJob, seg_config
from declip_mm.miniature.ladder.report import table


@pytest.fixture
def world(tmp_path):
    for split in dense_seg.SPLITS:
        (tmp_path / split).mkdir()
        (tmp_path / split / 'fingerprint.json').write_text('{}')
    return tmp_path


@pytest.fixture
def args(tmp_path):
    return dense_seg.parse_args(
        ['--seeds', '2', '--work-dir', str(tmp_path / 'out')]
    )


@pytest.fixture
def weights(tmp_path):
    files = [tmp_path / f'{seed}.pth' for seed in range(2)]
    for seed, file in enumerate(files):
        file.write_text(str(seed))
    return files


def test_only_declip_has_seeds(args, world, weights):
    jobs = dense_seg.make_seg_jobs(args, world, weights)
    assert len(jobs) == 2 * (4 + 2)
    assert len({job.result for job in jobs}) == len(jobs)
    for job in jobs:
        assert (job.weights is None) == (job.method != 'DeCLIP')


def test_what_was_measured_is_known_by_what_decides_it(args, world, weights):
    def result():
        return dense_seg.make_seg_jobs(args, world, weights)[-1].result

    first = result()
    assert result() == first
    weights[1].write_text('other weights')
    second = result()
    args.limit = 3
    assert len({first, second, result()}) == 3


@pytest.mark.parametrize('method', METHODS)
def test_a_method_changes_the_last_block_alone(method, world):
    job = SegJob(method, 0, Path('w.pth'), 'val_known', world, 5, world)
    cfg = seg_config(job)
    backbone = dict(cfg.model.backbone)
    assert backbone.pop('pretrained') == 'w.pth'
    for key, value in METHODS[method].items():
        assert backbone.pop(key) == value
    assert set(backbone) <= {'type', 'model', 'scale'}
    assert cfg.test_dataloader.dataset.indices == 5
    assert cfg.test_dataloader.dataset.data_root.endswith('val_known')


def test_rows_have_mean_interval_and_values(args, world, weights):
    jobs = dense_seg.make_seg_jobs(args, world, weights)
    args.work_dir.mkdir()
    for number, job in enumerate(jobs[:-2]):  # DeCLIP is not finished
        job.result.write_text(json.dumps(dict(mIoU=number, aAcc=50.0)))
    names = [row['name'] for row in dense_seg.as_rows(jobs)]
    assert names == list(METHODS)[:-1]
    for number, job in enumerate(jobs):
        job.result.write_text(json.dumps(dict(mIoU=number, aAcc=50.0)))
    rows = {row['name']: row for row in dense_seg.as_rows(jobs)}
    assert rows['CLIP']['miou'] == dict(mean=0, ci95=0.0, values=[0])
    cell = rows['DeCLIP']['heldout_miou']
    assert cell['values'] == [9, 11] and cell['mean'] == 10
    assert cell['ci95'] == pytest.approx(12.706, rel=1e-3)  # t of 1, s / 1.41
    lines = table(dense_seg.HEAD, list(rows.values())).splitlines()
    assert lines[-1].startswith('| DeCLIP | 9.0 ± 12.7 | 50.0')


def test_checkpoints_are_the_seeds():
    args = dense_seg.parse_args(['--checkpoint', 'a.pth', 'b.pth', 'c.pth'])
    assert args.seeds == 3
    assert dense_seg.declip_weights(args, Path())[2] == Path('c.pth')
