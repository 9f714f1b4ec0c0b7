"""Figures are measured anew when anything that decides them changes."""

import pytest
from mmengine.config import Config

from declip_mm.apis import figure_key


@pytest.fixture
def cfg(tmp_path):
    for name in ('clip.pth', 'tuned.pth', 'notes.json'):
        (tmp_path / name).write_bytes(b'one')
    return Config(
        dict(
            model=dict(
                backbone=dict(pretrained=str(tmp_path / 'clip.pth')),
                prompts=['a photo of {} ' + 'x' * 5000, 'nul \0 {}'],
                text='declip_mm://miniature/tiny_clip.json',
            ),
            test_dataloader=dict(
                dataset=dict(data_root=str(tmp_path), ann_file='notes.json')
            ),
            test_evaluator=[dict(type='DenseIoUMetric')],
            load_from=str(tmp_path / 'tuned.pth'),
            work_dir='here',
        )
    )


def test_where_it_is_written_changes_nothing(cfg):
    key = figure_key(cfg)
    cfg.work_dir = 'there'
    assert figure_key(cfg) == key == figure_key(cfg.copy())


@pytest.mark.parametrize('name', ['clip.pth', 'tuned.pth', 'notes.json'])
def test_a_file_that_changes_under_its_name(cfg, tmp_path, name):
    key = figure_key(cfg)
    (tmp_path / name).write_bytes(b'another')
    assert figure_key(cfg) != key


@pytest.mark.parametrize(
    'change',
    [
        {'load_from': None},
        {'custom_hooks': [dict(type='VocabularyHook', names=['a'])]},
        {'model.backbone.affinity': 'qq'},
        {'test_dataloader.dataset.indices': 3},
        {'test_evaluator.0.subsets': dict(a=['b'])},
    ],
)
def test_a_changed_config(cfg, change):
    key = figure_key(cfg)
    cfg.merge_from_dict(change)
    assert figure_key(cfg) != key
