"""The eight configs through tools/test.py, in each set's own layout."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from tool_modules import TOOLS, load_tool

from declip_mm.datasets.class_maps import read_labels

ROOT = Path(__file__).resolve().parents[2]
SETS = {
    'voc21': 'VOCdevkit/VOC2012',
    'voc20': 'VOCdevkit/VOC2012',
    'context60': 'VOCdevkit/VOC2010',
    'context59': 'VOCdevkit/VOC2010',
    'coco_object': 'coco_stuff164k',
    'coco_stuff': 'coco_stuff164k',
    'cityscapes': 'cityscapes',
    'ade20k': 'ade/ADEChallengeData2016',
}
METHODS = sorted(
    path.stem for path in (ROOT / 'configs/dense_seg/methods').glob('*.py')
)
TINY = [
    'model.backbone.model=declip_mm://miniature/tiny_clip.json',
    'model.backbone.pretrained=declip_mm://miniature/tiny_clip.safetensors',
    'model.text_encoder.model=declip_mm://miniature/tiny_clip.json',
    'model.text_encoder.pretrained='
    'declip_mm://miniature/tiny_clip.safetensors',
    'model.prompts=name',
    'model.data_preprocessor.short_side=168',
    'model.test_cfg.window=168',
    'model.test_cfg.stride=56',
]


benchmarks = load_tool('dense_seg_benchmarks.py')


def run_config(name, mini, work_dir):
    """tools/test.py with another data_root and model; its json figures."""
    command = [
        *(sys.executable, str(TOOLS / 'test.py')),
        *(f'configs/dense_seg/{name}.py', 'none', '--work-dir', work_dir),
        *('--show-dir', str(Path(work_dir) / 'shown')),
        '--cfg-options',
        *(f'test_dataloader.dataset.data_root={mini / SETS[name]}', *TINY),
        *('test_dataloader.num_workers=0',),
        *('test_dataloader.persistent_workers=False',),
    ]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    (figures,) = Path(work_dir).glob('*/*.json')
    return json.loads(figures.read_text().splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize('name', SETS)
def test_config_runs_on_another_root(name, mini, tmp_path):
    found = run_config(name, mini, str(tmp_path))
    assert 0 <= found['mIoU'] <= 100
    assert len(list(tmp_path.rglob('*.png'))) >= 2  # painted pictures


def test_layouts_hold_the_labels_of_their_sets(mini):
    """A car is a car where there are cars; what is no class has a number."""

    def labels(path):
        return sorted(np.unique(read_labels(str(mini / path))).tolist())

    voc = 'VOCdevkit/VOC2012/SegmentationClass/000000.png'
    assert labels(voc) == [0, 2, 3, 7]  # background, by number, car
    coco = 'coco_stuff164k/annotations/val2017/000001_'
    assert labels(f'{coco}labelTrainIds.png') == [2, 47, 255]
    assert labels(f'{coco}instanceTrainIds.png') == [0, 3, 48]


@pytest.mark.parametrize('method', METHODS)
def test_every_method_composes_with_every_set(method):
    path = ROOT / 'configs/dense_seg/methods' / f'{method}.py'
    source = Config.fromfile(path)
    plain, sets = method.split('_')[0], {}
    for name in benchmarks.SETS:
        own = Config.fromfile(ROOT / f'configs/dense_seg/{name}.py')
        sets[name] = cfg = benchmarks.compose(name, source)
        assert cfg.model.backbone == source.model.backbone
        assert (
            cfg.test_dataloader.dataset.type
            == own.test_dataloader['dataset']['type']
        )
        if plain == 'declip':
            assert cfg.model.test_cfg == own.model.test_cfg
    wanted = dict(declip=0.4, sclip=0.1, clearclip=0.5, maskclip=0.5, clip=0.2)
    assert sets['voc21'].model.test_cfg.threshold == wanted[plain]
    assert sets['voc20'].model.test_cfg.threshold == 0
    sides = dict(declip=560, sclip=560).get(plain, 448)
    assert sets['cityscapes'].model.data_preprocessor.short_side == sides
    texts = sets['voc21'].test_dataloader.dataset.texts
    assert (texts == 'field') == (plain in ('declip', 'sclip'))


def test_eight_sets_and_the_paper_s_order():
    assert set(benchmarks.SETS) == set(SETS)
    shown = benchmarks.table(
        'x', {n: dict(metrics=dict(mIoU=v)) for n, v in zip(SETS, range(8))}
    )
    assert shown.splitlines()[2].endswith('| 3.5 |')


def test_one_command_runs_and_keeps_sets(mini, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    command = [
        *('configs/dense_seg/methods/clearclip_openai-b16.py', 'none'),
        *('--sets', 'voc20', 'ade20k', '--work-dir', str(tmp_path)),
        *('--data', f'voc20={mini / SETS["voc20"]}'),
        f'ade20k={mini / SETS["ade20k"]}',
        *('--out', str(tmp_path / 'out.json'), '--limit', '1'),
        *('--cfg-options', *TINY, 'test_dataloader.num_workers=0'),
        'test_dataloader.persistent_workers=False',
    ]
    benchmarks.main(command)
    first = json.loads((tmp_path / 'out.json').read_text())
    assert set(first['sets']) == {'voc20', 'ade20k'}
    values = [s['mIoU'] for s in first['sets'].values()]
    assert first['average'] == pytest.approx(sum(values) / 2)
    assert '(kept)' not in capsys.readouterr().out
    benchmarks.main(command)
    assert capsys.readouterr().out.count('(kept)') == 2
    assert json.loads((tmp_path / 'out.json').read_text()) == first


def test_wrong_data_entries_are_refused(capsys):
    with pytest.raises(SystemExit):
        benchmarks.parse_args(['m.py', 'none', '--data', 'voc22=x'])
    assert 'SET=FOLDER' in capsys.readouterr().err
