"""The recordings of OV-DQUO's authors' code, through the shipped tool.

Of the gradients those of at most 1,024 numbers are kept here; all 127 agreed
when the model was written.
"""

import runpy
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
TOOL = ROOT / 'tools/analysis_tools/check_golden.py'
FILES = sorted((ROOT / 'tests/data/golden/ov_dquo').glob('*.npz'))


@pytest.fixture(scope='module')
def main():
    return runpy.run_path(str(TOOL))['main']


@pytest.mark.parametrize('file', FILES, ids=lambda f: f.stem)
def test_recording(main, file, capsys):
    assert main([str(file)]) == 0
    assert 'ok' in capsys.readouterr().out


WRONG = {
    'denoising': ('mixed.query_content', 'mixed.query_content'),
    'full_forward': ('train.loss.loss_giou_0', 'train.loss.loss_giou_0'),
    'full_forward_grads': (
        'label_enc.weight',
        'dn_query_generator.label_embedding.weight',
    ),
    'inference': ('det_top20_boxes', 'det_top20_boxes'),
    'losses': ('only_pseudo.grad_encoder_logits',) * 2,
    'matching': ('encoder_image2_cost',) * 2,
    'query_text_assignment': ('roi_features',) * 2,
}


def test_every_file_is_tried():
    assert set(WRONG) == {f.stem for f in FILES} - {'full_forward_state_dict'}


@pytest.mark.parametrize('name', WRONG)
def test_a_wrong_recording_is_noticed(main, name, tmp_path, capsys):
    key, said = WRONG[name]
    for file in FILES:
        (tmp_path / file.name).symlink_to(file)
    wrong = tmp_path / f'{name}.npz'
    data = dict(np.load(wrong))
    data[key] = data[key] * np.float32(1.001)
    wrong.unlink()
    np.savez(wrong, **data)
    assert main([str(wrong)]) == 1
    assert f'worst {said}' in capsys.readouterr().out


def test_pairs_have_to_be_the_same(main, tmp_path, capsys):
    data = dict(np.load(FILES[0].parent / 'matching.npz'))
    key = 'decoder_image0_real_query_idx'
    data[key] = data[key][::-1]
    np.savez(tmp_path / 'matching.npz', **data)
    assert main([str(tmp_path / 'matching.npz')]) == 1
    assert key in capsys.readouterr().out


def test_what_lies_beside_is_asked_for(main, tmp_path):
    file = FILES[0].parent / 'full_forward.npz'
    (tmp_path / file.name).symlink_to(file)
    with pytest.raises(SystemExit, match='full_forward_state_dict.npz bes'):
        main([str(tmp_path / file.name)])
