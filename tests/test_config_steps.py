"""Every pre-finetuning config steps, its networks made narrow and shallow.

Names, patch sizes, options and teachers are the config's own; full size is
tools/analysis_tools/step_configs.py's part.
"""

import runpy
from pathlib import Path

import pytest
from mmengine.config import Config
from narrow_hub import narrow_clip
from tiny_vfm import HIERA, SAM, VIT

ROOT = Path(__file__).parents[1]
TOOL = runpy.run_path(str(ROOT / 'tools/analysis_tools/step_configs.py'))
PATCHES = 6


def shrunk_clip(name):
    """The model's own config, narrow, at native 4 x 4 patches."""
    config = narrow_clip(name)
    config['vision_cfg']['image_size'] = 4 * (14 if '14' in name else 16)
    return config


def shrunk_vfm(name):
    if name.startswith('samvit'):
        return dict(SAM)
    if name.startswith('sam2'):
        return dict(HIERA)
    patch = 14 if 'patch14' in name else 16
    return dict(VIT, img_size=4 * patch)


def shrink(model):
    """In place: every CLIP and the VFM of a distiller's config."""
    for part in (
        model.backbone,
        model.content_teacher.get('backbone'),
        model.content_teacher.get('text_encoder'),
    ):
        if part:
            part.model = shrunk_clip(part.model)
    teacher = model.get('context_teacher')
    if teacher:
        teacher.timm_kwargs = shrunk_vfm(teacher.model)
    model.predictor = None
    return model


PRETUNE = sorted(
    path.name
    for path in (ROOT / 'configs/declip').glob('*.py')
    if not path.name.startswith(('regionclip', 'clim'))
)


@pytest.mark.parametrize('name', PRETUNE)
def test_a_step(name):
    cfg = Config.fromfile(ROOT / 'configs/declip' / name)
    patch = 14 if 'l14' in name else 16
    shrink(cfg.model)
    found = TOOL['step'](cfg, PATCHES * patch, crops=3)
    assert found['tokens'] == PATCHES**2
    assert found['losses']['loss_content'] > 0
    context = cfg.model.get('context_teacher')
    assert ('loss_context' in found['losses']) == bool(context)


def test_a_config_with_cached_teachers_steps():
    """The miniature's own: its cache is a file that need not be there."""
    cfg = Config.fromfile(ROOT / 'configs/miniature/pretune.py')
    assert cfg.model.context_teacher.type == 'VFMCache'
    cfg.model.context_teacher.path = 'nowhere/vfm.npy'
    cfg.model.context_teacher.teacher.timm_kwargs = shrunk_vfm('patch14')
    cfg.model.context_teacher.teacher.layer = 1
    found = TOOL['step'](cfg, 84, crops=3)
    assert found['losses']['loss_context'] > 0


def test_weights_are_never_fetched():
    tree = dict(a=[dict(pretrained='x', b=1)], pretrained=True, c=(2,))
    assert TOOL['without_weights'](tree) == dict(a=[dict(b=1)], c=(2,))


def test_the_command_prints_and_keeps_its_figures(tmp_path, capsys):
    source = Config.fromfile(ROOT / 'configs/declip/pretune_sam.py')
    shrink(source.model)
    path, out = tmp_path / 'tiny.py', tmp_path / 'out.jsonl'
    source.dump(path)
    options = ['--size', '96', '--crops', '1', '--out', str(out)]
    assert TOOL['main']([str(path), *options]) == 0
    assert '"tokens": 36' in capsys.readouterr().out
    assert out.read_text().count('"step_seconds"') == 1
