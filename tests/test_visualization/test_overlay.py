"""Overlays and the visualizer: the right names, colours and shares."""

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.registry import VISUALIZERS
from mmseg.structures import SegDataSample
from PIL import Image

import declip_mm.segmentation  # noqa: F401  (registers the visualizer)
from declip_mm.visualization import overlay
from declip_mm.visualization.colours import class_palette
from declip_mm.visualization.overlay import (
    draw_overlay,
    legend_of,
    paint_labels,
)

NAMES, PALETTE = ['cat', 'dog', 'sky'], [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
LABELS = np.array([[0, 0, 0, 2], [0, 0, 2, 255]])
GREY = np.full((2, 4, 3), 100, np.uint8)


def test_legend_lists_what_occurs_the_largest_first():
    found = legend_of(LABELS, NAMES, PALETTE)
    assert [(e.name, e.share) for e in found] == [
        ('cat', 5 / 8),
        ('sky', 2 / 8),
        ('no class', 1 / 8),
    ]
    assert found[1].colour == (0, 0, 255)


def test_a_long_legend_ends_in_one_line_for_the_rest():
    labels = np.arange(100).reshape(10, 10)
    names = [str(i) for i in range(100)]
    found = legend_of(labels, names, class_palette(names), limit=5)
    assert len(found) == 5 and found[-1].name == '96 more'
    assert sum(e.share for e in found) == pytest.approx(1)


def test_colours_and_no_class():
    painted = paint_labels(LABELS, PALETTE)
    assert painted[0, 0].tolist() == [255, 0, 0]
    assert painted[1, 3].tolist() == [0, 0, 0]


def test_overlay_mixes_outlines_and_enlarges():
    plain = draw_overlay(GREY, LABELS, NAMES, PALETTE, legend=False)
    assert plain.shape == (320, 640, 3)  # 160 times
    inside = plain[100, 100].tolist()
    assert inside == [int(0.45 * 100 + 0.55 * 255), 45, 45]
    assert plain[80, 479].tolist() == [255] * 3  # between cat and sky
    with_legend = draw_overlay(GREY, LABELS, NAMES, PALETTE, title='x')
    assert (with_legend[:320, :640] == plain).all()
    assert with_legend.shape[1] > 640 + 100
    both = draw_overlay(
        GREY, LABELS, NAMES, PALETTE, legend=False, with_input=True
    )
    assert both.shape[1] == 1280 and (both[:, :640] == 100).all()


def test_legend_has_a_swatch_of_each_colour_and_text():
    panel = draw_overlay(GREY, LABELS, NAMES, PALETTE)[:, 640:]
    colours = {tuple(c) for c in panel.reshape(-1, 3).tolist()}
    assert {PALETTE[0], PALETTE[2], (0, 0, 0)} <= colours
    assert PALETTE[1] not in colours  # no dog here
    blank = (panel == 255).all(axis=2)
    assert 0.5 < blank.mean() < 0.98


def test_sizes_must_agree():
    with pytest.raises(ValueError, match='of one size'):
        draw_overlay(GREY, LABELS[:1], NAMES, PALETTE)


@pytest.fixture
def drawn(monkeypatch):
    """Names of every legend that is drawn."""
    names = []
    original = overlay.legend_of

    def spy(*args, **kwargs):
        found = original(*args, **kwargs)
        names.append([entry.name for entry in found])
        return found

    monkeypatch.setattr(overlay, 'legend_of', spy)
    return names


def test_visualizer_draws_the_names_of_the_sample(tmp_path, drawn):
    """mmseg's own draws those of the data set, or of Cityscapes."""
    visualizer = VISUALIZERS.build(
        dict(type='OVSegVisualizer', name='test_overlay')
    )
    assert visualizer.dataset_meta['classes'][0] == 'road'
    sample = SegDataSample(metainfo=dict(classes=NAMES, palette=PALETTE))
    maps = PixelData(data=torch.from_numpy(LABELS)[None])
    sample.set_data(dict(pred_sem_seg=maps, gt_sem_seg=maps.clone()))
    out = tmp_path / 'x.png'
    visualizer.add_datasample('x', GREY, sample, out_file=str(out))
    assert drawn == [['cat', 'sky', 'no class']] * 2
    assert Image.open(out).size[0] > 2 * 640
    bare = SegDataSample()
    bare.set_data(dict(pred_sem_seg=maps))
    visualizer.dataset_meta = dict(classes=['a', 'b', 'c'], palette=PALETTE)
    visualizer.add_datasample('x', GREY, bare, out_file=str(out))
    assert drawn[-1] == ['a', 'c', 'no class']
