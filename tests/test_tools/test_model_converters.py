"""The command lines that convert, describe, publish and probe weights."""

import sys

import pytest
import torch
from clip_files import eva
from mmengine.registry import MODELS
from PIL import Image
from tiny import backbone_cfg
from tool_modules import load_tool

from declip_mm.checkpoint import FINGERPRINT_KEY, read_checkpoint


@pytest.fixture
def tool(monkeypatch, capsys):
    """Runs a tool's main; returns what it printed."""

    def run(name, *args):
        monkeypatch.setattr(sys, 'argv', [f'{name}.py', *map(str, args)])
        load_tool(f'model_converters/{name}.py').main()
        return capsys.readouterr().out

    return run


@pytest.fixture
def released(tmp_path, golden_dir):
    path = tmp_path / 'epoch_6.pt'
    torch.save(dict(epoch=6, state_dict=eva(golden_dir)), path)
    return path


def test_convert_and_inspect(tool, released, tmp_path):
    out = tmp_path / 'ours.safetensors'
    with pytest.raises(SystemExit, match='missing: affinity and scale'):
        tool('convert', released, out)
    declared = ('--affinity', 'csa', '--scale', '1', '--head-dim', '12')
    said = tool('convert', released, out, *declared, '--license', 'MIT')
    assert 'affinity: csa (declared)' in said
    with pytest.raises(SystemExit) as end:
        tool('inspect_checkpoint', out)
    assert end.value.code == 0


def test_inspect_says_what_a_file_is(tool, released, capsys):
    with pytest.raises(SystemExit):
        tool('inspect_checkpoint', released)
    said = capsys.readouterr().out
    for part in ('layout       eva', 'eva: width 24', 'not stated', 'none: '):
        assert part in said, part
    with pytest.raises(SystemExit) as end:
        tool('inspect_checkpoint', released.parent / 'no.pt')
    assert end.value.code == 1
    assert 'does not exist' in capsys.readouterr().err


class Code:
    def __reduce__(self):
        return print, ('code ran',)


def test_trust_has_to_be_said(tool, tmp_path, golden_dir):
    path, out = tmp_path / 'a.pt', tmp_path / 'b.safetensors'
    torch.save(dict(state_dict=eva(golden_dir), args=Code()), path)
    options = ('--affinity', 'csa', '--scale', 'rsqrt')
    with pytest.raises(SystemExit, match='--trust-pickle i-trust-this-file'):
        tool('convert', path, out, *options)
    with pytest.raises(SystemExit, match="trust_pickle='yes'"):
        tool('convert', path, out, *options, '--trust-pickle', 'yes')
    trust = ('--trust-pickle', 'i-trust-this-file')
    assert 'code ran' in tool('convert', path, out, *options, *trust)
    _, meta = read_checkpoint(str(out))
    assert meta[FINGERPRINT_KEY]['scale'] == 64**-0.5


def test_publish_and_export(tool, tmp_path):
    model = MODELS.build(backbone_cfg(affinity='qq'))
    weights = {f'backbone.{k}': v for k, v in model.state_dict().items()}
    meta = {FINGERPRINT_KEY: {**model.fingerprint, **model.architecture}}
    path = tmp_path / 'epoch_1.pth'
    torch.save(dict(meta=meta, state_dict=weights, optimizer={}), path)
    said = tool('publish', path, tmp_path / 'public.safetensors')
    (public,) = tmp_path.glob('public-*.safetensors')
    assert str(public) in said
    out = tmp_path / 'backbone.pth'
    assert 'affinity: qq' in tool('export_backbone', public, out)
    with pytest.raises(SystemExit, match="no key under prefix 'student.'"):
        tool('export_backbone', path, out, '--prefix', 'student.')
    pictures = tmp_path / 'pictures'
    pictures.mkdir()
    for index in range(2):
        noise = torch.randint(0, 256, (40, 60, 3), dtype=torch.uint8)
        Image.fromarray(noise.numpy()).save(pictures / f'{index}.png')
    said = tool('probe_scale', out, pictures, '--affinity', 'qq', 'csa')
    assert '2 pictures, 9 cells' in said
    assert 'scale: gap' in said and 'affinity: gap' in said
    with pytest.raises(SystemExit, match='does not exist'):
        tool('probe_scale', out, tmp_path / 'no pictures')
