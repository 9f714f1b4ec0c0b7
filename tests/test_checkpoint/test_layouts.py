"""Official -> ours -> official, bit for bit, for every layout."""

import numpy as np
import pytest
import torch
from clip_files import CAT_SEG, FILES, cat_seg_openai, noise

from declip_mm.checkpoint import LAYOUTS, layout_of, read_parts, write_parts
from declip_mm.checkpoint.keymaps import official_rope


@pytest.fixture(params=FILES)
def file(request, golden_dir):
    make, layout = FILES[request.param]
    return make(golden_dir), layout


def same(found, wanted):
    assert set(found) == set(wanted)
    for name, value in wanted.items():
        assert found[name].dtype == value.dtype, name
        assert torch.equal(found[name], value), name


def test_every_layout_has_a_file():
    assert {layout for _, layout in FILES.values()} == set(LAYOUTS)


def test_there_and_back(file):
    weights, layout = file
    parts = read_parts(weights)
    assert (parts.layout, parts.strange) == (layout, [])
    assert layout_of(weights) == layout
    back = write_parts(parts, head_dim=12)
    same(back, weights)


def test_through_our_layout(file):
    """Official -> our file -> official: what conversion does."""
    weights, layout = file
    parts = read_parts(weights)
    ours = write_parts(parts, 'declip_mm')
    assert all(not k.startswith(CAT_SEG) for k in ours)
    again = read_parts(ours)
    assert (again.layout, again.strange) == ('declip_mm', [])
    back = write_parts(again, layout, head_dim=12)
    same({**back, **parts.beside}, weights)


def test_rotary_tables_are_the_authors(golden_dir):
    for name in ('eva_forward_64px', 'eva_forward_96px'):
        with np.load(golden_dir / f'{name}.npz') as arrays:
            stem = 'weight/visual.'
            tower = {
                k[len(stem) :]: torch.from_numpy(arrays[k])
                for k in arrays.files
                if k.startswith(stem)
            }
        tables = {k: v for k, v in tower.items() if 'rope.' in k}
        head_dim = tables['rope.freqs_cos'].shape[1]
        same(official_rope(tower, head_dim), tables)


@pytest.mark.parametrize('name', FILES)
def test_an_unknown_key_is_not_lost(name, golden_dir):
    weights = FILES[name][0](golden_dir)
    weights['adapter.weight'] = noise(2)
    parts = read_parts(weights)
    if parts.layout == 'timm':  # has no structure beside the trunk's own
        assert 'adapter.weight' in parts.visual
    else:
        assert parts.strange == ['adapter.weight']


@pytest.mark.parametrize(
    ('name', 'layout', 'said'),
    [
        ('open_clip', 'eva', "holds eva towers.*kind 'openai'"),
        ('eva', 'openai', "holds openai towers.*kind 'eva'"),
        ('eva', 'timm', 'no place for the text tower'),
        ('eva', 'mmdet', "unknown layout 'mmdet'"),
    ],
)
def test_a_layout_that_cannot_hold_it(name, layout, said, golden_dir):
    parts = read_parts(FILES[name][0](golden_dir))
    with pytest.raises(ValueError, match=said):
        write_parts(parts, layout)


def test_an_incomplete_attention_is_named(golden_dir):
    weights = cat_seg_openai(golden_dir)
    lost = next(k for k in weights if k.endswith('k_proj_weight'))
    del weights[lost]
    with pytest.raises(ValueError, match=r"projections \['q', 'v'\]"):
        read_parts(weights)
