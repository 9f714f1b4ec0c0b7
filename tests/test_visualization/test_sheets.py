"""The sheets, the sweep's plot and the page."""

import base64
import json
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from declip_mm.visualization import (
    PageImage,
    attention_top,
    draw_attention,
    draw_correlations,
    draw_parts,
    draw_sweep,
    sweep_table,
    write_page,
)

PICTURE = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
ANCHORS = [(0.2, 0.3), (0.7, 0.6)]


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture.convert('RGB')).astype(int)


def colours(path):
    return {tuple(p) for p in pixels(path).reshape(-1, 3)[::3].tolist()}


def test_correlations_share_one_scale(tmp_path):
    path = str(tmp_path / 'new' / 'a.png')
    maps = dict(low=[np.full((6, 8), 0.1)] * 2, high=[np.ones((6, 8))] * 2)
    draw_correlations(path, PICTURE, ANCHORS, maps)
    # inferno at 1 and near 0.1, in one picture
    found = colours(path)
    assert any(r > 248 and g > 250 and 150 < b < 180 for r, g, b in found)
    assert any(r < 40 and b > 30 and g < 20 for r, g, b in found)
    wide = pixels(path).shape
    assert wide[1] > 600


def test_attention_sheet(tmp_path):
    rng = np.random.default_rng(1)
    layers = {
        f'layer {n}': rng.dirichlet(np.ones(48), 3).reshape(3, 6, 8)
        for n in (1, 2)
    }
    top = attention_top(list(layers.values()))
    assert 2 < top < max(48 * maps.max() for maps in layers.values())
    assert attention_top([np.full((1, 6, 8), 1 / 48)]) == 2
    with_cls, without = tmp_path / 'a.png', tmp_path / 'b.png'
    draw_attention(str(with_cls), PICTURE, ANCHORS, layers, True, top)
    less = {name: maps[1:] for name, maps in layers.items()}
    draw_attention(str(without), PICTURE, ANCHORS, less, False, top)
    assert pixels(with_cls).shape[0] > 1.2 * pixels(without).shape[0]


def test_parts_sheet(tmp_path):
    path = tmp_path / 'a.png'
    rng = np.random.default_rng(1)
    draw_parts(
        str(path),
        PICTURE,
        {'a': rng.random((6, 8, 3))},
        {'a': np.arange(48).reshape(6, 8) % 3},
    )
    assert {(31, 119, 180), (255, 127, 14), (44, 160, 44)} <= colours(path)


CURVES = {
    'one': {
        56: {'region/box_thing_macc': 10.0},
        112: {'region/box_thing_macc': 20.0},
    },
    'two': {56: {'region/box_thing_macc': 5.0}},
}


def test_sweep(tmp_path):
    path = tmp_path / 'a.png'
    draw_sweep(CURVES, str(path))
    assert {(31, 119, 180), (255, 127, 14)} <= colours(path)
    header, rows = sweep_table(CURVES)
    assert header == ['weights', 'regions', '56', '112']
    assert rows == [
        ['one', 'boxes, things', 10.0, 20.0],
        ['two', 'boxes, things', 5.0, None],
    ]
    # a measure that one line lacks keeps its panel for the others
    stuff = {56: {'region/mask_stuff_macc': 30.0}}
    draw_sweep({**CURVES, 'three': stuff}, str(path))
    assert (44, 160, 44) in colours(path)
    with pytest.raises(ValueError, match='nothing to draw'):
        draw_sweep({'one': {56: {'other': 1.0}}}, str(path))


def test_page_is_whole_and_says_its_error(tmp_path):
    features = F.normalize(torch.randn(48, 20), dim=-1)
    picture = PageImage(
        'a</script>b.png', PICTURE, (0.5, 0.5), {'CLIP': (features, (6, 8))}
    )
    path = tmp_path / 'page.html'
    error = write_page(str(path), [picture])
    text = path.read_text('utf-8')
    assert not re.search(r'<(script|link|img)[^>]*(src|href)=', text)
    assert 'http' not in text and '@DATA@' not in text
    assert text.count('</script>') == 2
    data = re.search(r'application/json">(.*?)</script>', text, re.S)[1]
    data = json.loads(data)
    assert f'{error:.3f}' in data['note']
    (entry,) = data['pictures']
    assert entry['name'] == 'a</script>b.png'
    assert (entry['width'], entry['height']) == (420, 315)
    (found,) = entry['maps']
    assert (found['name'], found['h'], found['w']) == ('CLIP', 6, 8)
    raw = np.frombuffer(base64.b64decode(found['features']), np.int8)
    values = raw.reshape(48, -1) * np.array(found['scales'])
    exact = (features @ features.T).numpy()
    assert np.abs(values @ values.T - exact).max() < error + 1e-4 < 0.05
    assert len(base64.b64decode(data['colours'])) == 768
