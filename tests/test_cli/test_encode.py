"""``declip encode``, and ``declip segment`` of what it wrote."""

import json

import numpy as np
import pytest
from mmengine.registry import MODELS
from PIL import Image

from declip_mm.apis.encoded import KeptFeatures
from declip_mm.apis.images import ReadImage
from declip_mm.checkpoint import save_weights
from declip_mm.cli import encode, segment
from declip_mm.datasets.class_maps import read_labels

CLIP = dict(
    model='declip_mm://miniature/tiny_clip.json',
    pretrained='declip_mm://miniature/tiny_clip.safetensors',
)


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    backbone = MODELS.build(dict(type='DeCLIPViT', affinity='qq', **CLIP))
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


@pytest.fixture(scope='module')
def world(weights, tmp_path_factory):
    """Two pictures and their features."""
    folder = tmp_path_factory.mktemp('world')
    (folder / 'photos').mkdir()
    rng = np.random.default_rng(0)
    for name, size in (('a.png', (60, 90)), ('b.png', (90, 50))):
        pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / 'photos' / name)
    given = ['--weights', weights, '--out', str(folder / 'kept')]
    assert encode.main([str(folder / 'photos'), *given]) == 0
    return folder


def ask(world, out, *more, images='photos'):
    given = [str(world / images), '--names', 'cup,pear', '--out', str(out)]
    return segment.main([*given, '--device', 'cpu', *more])


def labels(out, name):
    return read_labels(out / 'labels' / f'{name}.png')


def test_features_answer_as_the_weights(world, weights, tmp_path, capsys):
    kept, direct = tmp_path / 'kept', tmp_path / 'direct'
    assert ask(world, kept, '--features', str(world / 'kept')) == 0
    assert ask(world, direct, '--weights', weights, '--verbose') == 0
    assert 'one pass over 6 x 9 patches' in capsys.readouterr().out
    for name in 'ab':
        same = labels(kept, name) == labels(direct, name)
        assert same.mean() > 0.99
    told = json.loads((world / 'kept/results.json').read_text())
    assert [one['file'] for one in told['pictures']] == [
        'a.safetensors',
        'b.safetensors',
    ]


def test_windows_are_kept_too(world, weights, tmp_path, capsys):
    out = tmp_path / 'out'
    given = ['--weights', weights, '--out', str(out), '--window', '56']
    given += ['--stride', '28', '--batch', '3']
    assert encode.main([str(world / 'photos/a.png'), *given]) == 0
    assert '8 windows' in capsys.readouterr().out
    file = str(out / 'a.safetensors')
    more = ('--features', file)
    assert ask(world, tmp_path / 'two', *more, images='photos/a.png') == 0
    assert labels(tmp_path / 'two', 'a').shape == (60, 90)


def test_pictures_without_their_features_are_named(world, tmp_path, capsys):
    few = tmp_path / 'few'
    few.mkdir()
    kept = (world / 'kept/a.safetensors').read_bytes()
    (few / 'a.safetensors').write_bytes(kept)
    assert ask(world, tmp_path / 'out', '--features', str(few)) == 1
    told = json.loads((tmp_path / 'out/results.json').read_text())
    (failed,) = told['failed']
    assert 'has no features' in failed['reason']
    (few / 'b.safetensors').write_bytes(kept)
    assert ask(world, tmp_path / 'out', '--features', str(few)) == 1
    told = json.loads((tmp_path / 'out/results.json').read_text())
    assert 'another picture' in told['failed'][0]['reason']
    assert 'b.png' in capsys.readouterr().err


def test_each_picture_is_asked_with_its_own_prompts(world, weights, tmp_path):
    """A folder that two commands have filled."""
    out = tmp_path / 'kept'
    given = ['--weights', weights, '--out', str(out)]
    assert encode.main([str(world / 'photos/a.png'), *given]) == 0
    more = ['--prompts', 'vild']
    assert encode.main([str(world / 'photos/b.png'), *given, *more]) == 0
    kept, sides = KeptFeatures(str(out), device='cpu'), []
    for name in 'ab':
        pixels = np.asarray(Image.open(world / f'photos/{name}.png'))
        picture = ReadImage(name, f'{name}.png', pixels)
        assert list(kept.usable(iter([picture]), pytest.fail)) == [picture]
        sides.append(kept.take(picture)[1])
    assert [side.prompts.name for side in sides] == ['name', 'vild']
    assert sides[0].encoder is sides[1].encoder
    asked = KeptFeatures(str(out), prompts='name', device='cpu')
    assert list(asked.usable(iter([picture]), pytest.fail)) == [picture]
    assert asked.take(picture)[1].prompts == 'name'


@pytest.mark.parametrize(
    'more, words',
    [
        ((), 'got neither'),
        (('--features', 'x', '--weights', 'y'), 'got both'),
        (('--features', 'x', '--window', '64'), '--window decide how'),
        (('--features', 'nowhere'), 'nowhere is neither a folder'),
    ],
)
def test_wrong_options_end_in_a_line(world, tmp_path, more, words):
    with pytest.raises(SystemExit) as left:
        ask(world, tmp_path / 'out', *more)
    line = str(left.value.code)
    assert line.startswith('declip segment: ') and words in line


def test_without_weights_nothing_is_encoded(world, tmp_path):
    with pytest.raises(SystemExit) as left:
        encode.main([str(world / 'photos'), '--out', str(tmp_path)])
    assert 'give it' in str(left.value.code)
