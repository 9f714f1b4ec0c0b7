"""The ladder: rows, statistics, resuming, failures."""

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mmengine.registry import DATA_SAMPLERS, HOOKS, MODELS
from PIL import Image

import declip_mm  # noqa: F401  (registers everything)
from declip_mm.apis import write_json

ROOT = Path(__file__).resolve().parents[2]
LADDER = 'declip_mm.miniature.ladder'
NAMES = ['config', 'job', 'pool', 'report', 'run', 'tables']


@pytest.fixture(scope='module')
def parts():
    """The modules of the ladder, by their names."""
    return {n: importlib.import_module(f'{LADDER}.{n}') for n in NAMES}


@pytest.fixture
def world(tmp_path):
    folder = tmp_path / 'world'
    for split in ('train', 'tune_known', 'val_known', 'val_heldout'):
        (folder / split).mkdir(parents=True)
        (folder / split / 'annotations.json').write_text('{}')
    return folder


@pytest.fixture
def ladder(parts, world, monkeypatch):
    """The script with training and measuring replaced by numbers."""
    script = parts['run']
    script.ran, script.bad = [], set()

    def fake(job):
        if job.row.name in script.bad:
            raise RuntimeError('no luck')
        script.ran.append(job.name)
        job.folder.mkdir(parents=True, exist_ok=True)
        for split, side in job.missing():
            base = 40 if job.row.name == 'decoupled' else 20
            values = dict(region_macc=base + job.seed, miou=base / 2.0)
            write_json(job.result(split, side), values)
        return 1.0

    def one_by_one(jobs, work, processes, logs):
        for job in jobs:
            try:
                yield job, True, fake(job)
            except RuntimeError as error:
                yield job, False, f'Traceback\n{error}'

    monkeypatch.setattr(script, 'build_world', lambda photos: world)
    monkeypatch.setattr(script, 'prepare_caches', lambda jobs, n: None)
    monkeypatch.setattr(parts['pool'], 'outcomes', one_by_one)
    return script


def arguments(tmp_path, *more):
    out = tmp_path / 'out' / 'table.json'
    options = ['--work-dir', str(tmp_path / 'work'), '--out', str(out)]
    return out, ['--table', '1', '--seeds', '2', *options, *more]


# rows -----------------------------------------------------------------------
def test_rows_of_table_1(parts):
    rows = parts['tables'].table_1()
    assert [r.name for r in rows] == [
        'original',
        'original-qq',
        'self-distillation',
        'coupled',
        'decoupled-no-vfm',
        'decoupled',
    ]
    assert [r.trained for r in rows] == [False, False, True, True, True, True]
    assert set(parts['report'].FEASIBILITY) == {r.name for r in rows}


def test_every_row_is_a_config_that_builds(parts):
    built = {}
    for table in parts['tables'].TABLES.values():
        rows = table()
        assert len({r.name for r in rows}) == len(rows)
        for row in rows:
            cfg = parts['config'].train_config(row, seed=3)
            assert cfg.randomness.seed == 3
            assert cfg.param_scheduler[1].end == cfg.train_cfg.max_epochs
            assert DATA_SAMPLERS.get(cfg.train_dataloader.sampler.type)
            for hook in cfg.custom_hooks:
                HOOKS.build(hook)
            text = json.dumps(cfg.model.backbone, sort_keys=True)
            if text not in built:
                # of the VFM there is one; it is built by test_configs
                cfg.model.context_teacher = None
                built[text] = MODELS.build(cfg.model)
    assert len(built) >= 5


def test_rows_differ_only_where_they_should(parts, world):
    key, config = parts['config'].job_key, parts['config'].train_config
    tables = parts['tables'].TABLES

    def keys(table, seed=0):
        return {
            r.name: key(r, config(r, seed), world) for r in tables[table]()
        }

    first = keys('1')
    assert len(set(first.values())) == 6
    later = keys('1', seed=1)
    assert {n for n in first if first[n] == later[n]} == {
        'original',
        'original-qq',
    }
    # tables share what is the same, and nothing else
    assert keys('grid')['grid-4'] == first['decoupled']
    assert keys('sync')['sync-on'] == first['decoupled']
    assert keys('sync')['sync-off'] != first['decoupled']
    assert keys('7')['qq'] == first['decoupled']
    assert keys('recipes')['miniature'] == first['decoupled']
    assert keys('resolution')['train168-test84'] == first['decoupled']


def test_released_recipe_is_one_rank_with_an_ensemble(parts):
    rows = {r.name: r for r in parts['tables'].recipes()}
    cfg = parts['config'].train_config(rows['released'])
    assert cfg.train_dataloader.batch_size == 2
    assert cfg.train_dataloader.sampler.parts == 4
    hooks = {hook.type: hook for hook in cfg.custom_hooks}
    assert hooks['WeightEnsembleHook'].ensemble_alpha == 0.7


def test_the_aspects_are_cut_once_and_native_has_no_cached_maps(
    parts, world, monkeypatch
):
    config = parts['config']
    monkeypatch.setattr(config, 'fetch_vit_s', lambda: world / 'vit.pth')
    images = world / 'train/images'
    images.mkdir()
    for index in range(8):
        Image.new('RGB', (60, 60)).save(images / f'{index}.jpg')
    paths = {}
    for row in parts['tables'].aspect()[1:]:
        cfg = config.train_config(row)
        paths[row.name] = config.localise(cfg, world)
    assert 'vfm' in paths['padded'] and 'vfm' not in paths['native']
    assert paths['padded']['crops'].endswith('_aspects.npy')
    assert paths['padded']['crops'] == paths['native']['crops']
    cut = sorted((world / 'train_aspects/images').iterdir())
    assert [p.name for p in cut] == [f'{i}.jpg' for i in range(8)]
    sizes = [Image.open(p).size for p in cut]
    assert {max(size) for size in sizes} == {60}
    assert len(set(sizes)) > 2
    assert not (world / 'train_aspects.part').exists()


# runs -----------------------------------------------------------------------
def test_json_and_table(ladder, tmp_path, capsys):
    out, options = arguments(tmp_path)
    assert ladder.main(options) == 0
    content = json.loads(out.read_text())
    rows = {row['name']: row for row in content['rows']}
    assert list(rows)[-1] == 'decoupled' and len(rows) == 6
    assert rows['decoupled']['region_macc']['values'] == [40, 41]
    assert rows['decoupled']['region_macc']['mean'] == 40.5
    assert rows['original']['miou'] == dict(mean=10, ci95=0, values=[10])
    assert rows['coupled']['heldout_miou']['ci95'] == 0
    assert not any(k.startswith('photo') for k in rows['coupled'])
    shown, bar = capsys.readouterr()
    assert '| decoupled | 40.5 ± 6.4 |' in shown
    assert '42.5 / 25.8' in shown and 'wall time' in shown
    assert 'decoupled seed 1: val_known box 41.0' in shown
    assert '10/10' in bar


def test_finished_rows_are_kept(ladder, tmp_path, parts):
    _, options = arguments(tmp_path)
    ladder.main(options)
    assert len(ladder.ran) == 2 + 4 * 2
    ladder.ran.clear()
    ladder.main(options)
    assert ladder.ran == []
    # an interrupted row is done again, alone
    lost = next((tmp_path / 'work').glob('*/val_heldout_168.json'))
    lost.unlink()
    ladder.main(options)
    assert len(ladder.ran) == 1
    ladder.ran.clear()
    ladder.main([*options[:2], '--seeds', '3', *options[4:]])
    assert sorted(ladder.ran) == sorted(
        f'{row.name} seed 2'
        for row in parts['tables'].table_1()
        if row.trained
    )


def test_a_failed_row_is_named_and_the_rest_goes_on(ladder, tmp_path, capsys):
    out, options = arguments(tmp_path)
    ladder.bad = {'coupled'}
    assert ladder.main(options) == 1
    shown = capsys.readouterr()
    assert 'coupled seed 1: FAILED: no luck' in shown.out
    assert 'failed: coupled seed 0' in shown.err
    names = [row['name'] for row in json.loads(out.read_text())['rows']]
    assert 'coupled' not in names and names[-1] == 'decoupled'


def test_tuning_has_a_split_of_its_own(ladder, tmp_path, capsys):
    _, options = arguments(tmp_path)
    with pytest.raises(SystemExit):
        ladder.main(['--table', 'tune', *options[2:]])
    assert 'tune_known' in capsys.readouterr().err
    ladder.main([*options, '--split', 'tune'])
    assert len(list((tmp_path / 'work').glob('*/tune_known_168.json'))) == 10
    assert not list((tmp_path / 'work').glob('*/val_*'))
    with pytest.raises(SystemExit, match=r"no rows \['nothing'\]"):
        ladder.main([*options, '--rows', 'nothing'])


@pytest.mark.slow
def test_workers_outlive_failures(parts, tmp_path):
    jobs = ['0', '1 / 0', "__import__('os')._exit(7)", '10 * 4']
    # a worker process can import eval
    found = list(parts['pool'].outcomes(jobs, eval, 1, tmp_path))
    told = {job: (fine, result) for job, fine, result in found}
    assert [job for job, *_ in found] == jobs
    assert told['0'] == (True, 0) and told['10 * 4'] == (True, 40)
    assert not told['1 / 0'][0] and 'ZeroDivision' in told['1 / 0'][1]
    assert told[jobs[2]] == (False, 'the process died, code 7')
    assert 'ZeroDivision' in (tmp_path / 'worker_0.log').read_text()


@pytest.mark.slow
def test_workers_end_with_a_killed_table(tmp_path):
    told = tmp_path / 'pid'
    job = (
        f"__import__('pathlib').Path({str(told)!r}).write_text("
        "str(__import__('os').getpid())) and __import__('time').sleep(600)"
    )
    script = tmp_path / 'table.py'
    script.write_text(
        'from pathlib import Path\n'
        f'from {LADDER}.pool import outcomes\n'
        "if __name__ == '__main__':\n"
        f'    list(outcomes([{job!r}], eval, 1, Path({str(tmp_path)!r})))\n'
    )
    table = subprocess.Popen(
        [sys.executable, str(script)],
        env=dict(os.environ, PYTHONPATH=str(ROOT)),
    )
    while not told.is_file() or not told.read_text():
        assert table.poll() is None
        time.sleep(0.1)
    worker = int(told.read_text())
    table.kill()
    table.wait()
    for _ in range(300):
        if not Path(f'/proc/{worker}').is_dir():
            return
        time.sleep(0.1)
    os.kill(worker, signal.SIGKILL)
    pytest.fail('the worker went on alone')


@pytest.mark.slow
def test_two_workers_share_the_jobs_in_order(parts, tmp_path):
    """Each has one at a time; the next goes to whoever is done."""
    pid, file = "__import__('os').getpid()", str(tmp_path / 'last')
    there = f"__import__('os').path.exists({file!r})"
    jobs = [
        f'(any(iter(lambda: {there}, True)), {pid})[1]',  # until the last ran
        pid,
        f"(open({file!r}, 'w').close(), {pid})[1]",
    ]
    found = list(parts['pool'].outcomes(jobs, eval, 2, tmp_path / 'logs'))
    by_job = {job: result for job, _, result in found}
    first, second, last = (by_job[job] for job in jobs)
    assert second == last != first
    logs = sorted(path.name for path in (tmp_path / 'logs').iterdir())
    assert logs == ['worker_0.log', 'worker_1.log']


def test_a_stopped_table_says_what_is_kept(parts, tmp_path, monkeypatch):
    class Named(str):
        name = 'row'

    def stop(jobs, work, processes, logs):
        yield jobs[0], True, 1.0
        yield jobs[1], False, 'no luck'
        raise KeyboardInterrupt

    monkeypatch.setattr(parts['pool'], 'outcomes', stop)
    with pytest.raises(KeyboardInterrupt) as stopped:
        parts['pool'].run_jobs([Named('a')] * 3, eval, 1, tmp_path)
    assert stopped.value.kept.startswith('1 of 3 parts were done')
