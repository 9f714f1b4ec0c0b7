"""vis_affinity.py and proxy_tokens.py: damaged pictures, pixel statistics."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.structures import BaseDataElement
from PIL import Image
from tool_modules import load_tool

import declip_mm  # noqa: F401  (registers everything)
from declip_mm.visualization import evenly

ROOT = Path(__file__).resolve().parents[2]
CONFIG = str(ROOT / 'configs/region_cls/declip_tiny_coco-panoptic.py')


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (60, 84, 3), dtype=np.uint8)
    Image.fromarray(pixels).save('good.png')
    Path('bad.png').write_bytes(Path('good.png').read_bytes()[:200])
    return ['bad.png', 'good.png']


def affinity(pictures, *more):
    tool = load_tool('analysis_tools/vis_affinity.py')
    lines = [CONFIG, 'block=none', '--pictures', *pictures]
    tool.main(
        [*lines, '--size', '84', '--out', 'vis', '--anchors', '2', *more]
    )


def test_damaged_picture_is_skipped_and_named(pictures, capsys):
    affinity(pictures)
    said = capsys.readouterr().out
    assert '[1/2] bad.png: skipped, ' in said
    assert '1 of 2 were skipped' in said
    assert Path('vis/good_parts.png').is_file()
    page = Path('vis/correlation.html').read_text()
    assert 'good.png' in page and 'bad.png' not in page


def test_nothing_but_damaged_pictures_is_an_error(pictures):
    with pytest.raises(SystemExit, match='no picture could be read'):
        affinity(pictures[:1])


def test_wrong_options_are_one_line_and_mistakes_are_not(
    pictures, monkeypatch
):
    with pytest.raises(SystemExit, match='vis_affinity.py: .*xy'):
        affinity(pictures, '--affinity', 'xy')
    with pytest.raises(SystemExit, match='layers 1 to 6'):
        affinity(pictures, '--layers', '7')

    def broken(*args):
        raise ValueError('a mistake of ours')

    monkeypatch.setattr('declip_mm.visualization.draw_parts', broken)
    with pytest.raises(ValueError, match='a mistake of ours'):
        affinity(pictures)


class Seen(Exception):
    """Carries the picture that reached the backbone."""


@pytest.mark.parametrize('mean, std, wanted', [(0.5, 0.5, 1), (0, 0.25, 4)])
def test_proxy_tokens_normalise_as_each_backbone_wants(
    mean, std, wanted, monkeypatch
):
    tool = load_tool('analysis_tools/proxy_tokens.py')

    def capture(backbone, image):
        raise Seen(image)

    monkeypatch.setattr(tool, 'attention_by_layer', capture)
    white = torch.full((3, 28, 28), 255, dtype=torch.uint8)
    item = dict(inputs=dict(image=white), data_samples=BaseDataElement())
    backbone = SimpleNamespace(pixel_mean=(mean,) * 3, pixel_std=(std,) * 3)
    args = SimpleNamespace(device='cpu', k=5)
    with pytest.raises(Seen) as seen:
        tool.measure(backbone, [item], Config.fromfile(CONFIG), args, 'a')
    image = seen.value.args[0]
    torch.testing.assert_close(image, torch.full_like(image, wanted))


def test_proxy_tokens_refuse_statistics_of_another_network():
    tool = load_tool('analysis_tools/proxy_tokens.py')
    cfg = Config.fromfile(CONFIG)
    cfg.model.data_preprocessor.update(mean=[1, 2, 3], std=[1, 1, 1])
    backbone = SimpleNamespace(pixel_mean=(0.5,) * 3, pixel_std=(0.5,) * 3)
    args = SimpleNamespace(device='cpu', k=5)
    with pytest.raises(tool.apis.OptionError, match='siglip: .*pixel mean'):
        tool.measure(backbone, [], cfg, args, 'siglip')


def test_evenly_keeps_first_and_last():
    assert evenly(12) == [1, 3, 5, 8, 10, 12]
    assert evenly(4) == [1, 2, 3, 4]
    assert evenly(1) == [1]
