"""``declip segment``: pictures and names in, files out."""

import json

import numpy as np
import pytest
import torch
from mmengine.registry import MODELS
from PIL import Image

from declip_mm.checkpoint import save_weights
from declip_mm.cli import segment
from declip_mm.datasets.class_maps import read_labels
from declip_mm.models.zero_shot import DenseEncoder

CLIP = dict(
    model='declip_mm://miniature/tiny_clip.json',
    pretrained='declip_mm://miniature/tiny_clip.safetensors',
)


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """The shipped CLIP as an export of a training names it."""
    backbone = MODELS.build(
        dict(type='DeCLIPViT', affinity='qq', scale='rsqrt', **CLIP)
    )
    backbone.init_weights()
    said = dict(
        backbone.fingerprint,
        **backbone.architecture,
        resolution=84,
        text_source=dict(CLIP, prompts='name'),
    )
    path = tmp_path_factory.mktemp('weights') / 'declip.pth'
    weights = {f'backbone.{k}': v for k, v in backbone.state_dict().items()}
    save_weights(weights, path, said)
    return str(path)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / 'photos'
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, size in (('a.png', (60, 90)), ('b.png', (90, 50))):
        pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)
    return folder


def run(photos, weights, out, *more):
    given = [str(photos), '--weights', weights, '--out', str(out)]
    return segment.main([*given, '--device', 'cpu', *more])


def test_files_hold_what_the_encoder_says(photos, weights, tmp_path, capsys):
    out = tmp_path / 'out'
    assert run(photos, weights, out, '--names', 'cup,pear') == 0
    encoder = DenseEncoder(weights, device='cpu')
    assert encoder.embedder.prompts == 'name' and encoder.short_side == 84
    told = json.loads((out / 'results.json').read_text())
    assert told['classes'] == ['cup', 'pear'] and told['failed'] == []
    for one in told['pictures']:
        rgb = np.asarray(Image.open(one['path']))
        wanted = encoder.segment(rgb, 'cup,pear').labels.numpy()
        found = read_labels(out / 'labels' / f'{one["name"]}.png')
        assert (found == wanted).all()
        share = {c['name']: c['share'] for c in one['classes']}
        assert share.get('cup', 0) == pytest.approx(
            (wanted == 0).mean(), abs=1e-5
        )
        assert (out / 'overlays' / f'{one["name"]}.png').is_file()
    assert 'results.json' in capsys.readouterr().out


def test_a_single_name_is_told_from_what_surrounds_it(
    photos, weights, tmp_path
):
    run(photos, weights, tmp_path / 'out', '--names', 'cup')
    told = json.loads((tmp_path / 'out/results.json').read_text())
    assert told['classes'] == ['background', 'cup']
    more = ('--names', 'cup', '--background', 'none')
    run(photos, weights, tmp_path / 'two', *more)
    told = json.loads((tmp_path / 'two/results.json').read_text())
    assert told['classes'] == ['cup']
    assert told['pictures'][0]['classes'][0]['share'] == 1


def test_unsure_pixels_have_no_class(photos, weights, tmp_path):
    more = ('--names', 'cup,pear', '--threshold', '1')
    run(photos, weights, tmp_path / 'out', *more)
    labels = read_labels(tmp_path / 'out/labels/a.png')
    encoder = DenseEncoder(weights, device='cpu')
    rgb = np.asarray(Image.open(photos / 'a.png'))
    sure = encoder.segment(rgb, 'cup,pear').scores >= 1
    assert torch.equal(torch.from_numpy(labels != 255), sure)


def test_a_damaged_picture_is_named_and_the_others_are_done(
    photos, weights, tmp_path, capsys
):
    (photos / 'c.jpg').write_text('no picture')
    out = tmp_path / 'out'
    assert run(photos, weights, out, '--names', 'cup,pear') == 1
    assert 'c.jpg' in capsys.readouterr().err
    told = json.loads((out / 'results.json').read_text())
    assert len(told['pictures']) == 2
    (failed,) = told['failed']
    assert failed['path'].endswith('c.jpg') and failed['reason']


@pytest.mark.parametrize(
    'more, words',
    [
        (('--names', 'cup,cup'), 'read the same'),
        (('--names', ''), 'are empty'),
        (('--names', 'cup', '--threshold', '2'), 'allowed are 0 to 1'),
        (('--names', 'cup', '--max-side', '3'), 'max_side=3'),
        (('--names', 'cup', '--device', 'gpu'), 'gpu'),
        (('--names', 'background', '--background', 'sky'), 'already'),
    ],
)
def test_wrong_options_end_in_a_line(photos, weights, tmp_path, more, words):
    with pytest.raises(SystemExit) as left:
        run(photos, weights, tmp_path / 'out', *more)
    line = str(left.value.code)
    assert line.startswith('declip segment: ') and words in line
    assert '\n' not in line
