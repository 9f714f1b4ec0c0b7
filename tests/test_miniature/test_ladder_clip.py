"""The ladder on another CLIP, and a CLIP that grows from a shallower one."""

import json
import subprocess
import sys

import pytest
import torch
from open_clip.model import CLIP
from safetensors.torch import load_file, save_file
from tool_modules import TOOLS

import declip_mm  # noqa: F401  (registers everything)
from declip_mm.miniature import ASSETS
from declip_mm.miniature.clip.growth import grow
from declip_mm.miniature.ladder import config as CONFIG
from declip_mm.miniature.ladder import run as script
from declip_mm.miniature.ladder.tables import TABLES
from declip_mm.models.towers import build_tower


@pytest.fixture(scope='module')
def grown(tmp_path_factory):
    """Folder of the shipped CLIP grown to 12 blocks."""
    folder = tmp_path_factory.mktemp('clip12')
    info = json.loads((ASSETS / 'tiny_clip.json').read_text())
    info['model_cfg']['vision_cfg']['layers'] = 12
    model = CLIP(**info['model_cfg'])
    grow(model, ASSETS)
    save_file(dict(model.state_dict()), folder / 'tiny_clip.safetensors')
    info['sha256'] = 'grown'
    (folder / 'tiny_clip.json').write_text(json.dumps(info))
    return folder


def embed(folder, images):
    info = json.loads((folder / 'tiny_clip.json').read_text())
    model = CLIP(**info['model_cfg']).eval()
    weights = load_file(folder / 'tiny_clip.safetensors')
    model.load_state_dict({k: v.float() for k, v in weights.items()})
    with torch.no_grad():
        return model.encode_image(images, normalize=True)


def test_a_grown_clip_starts_near_the_shallow_one(grown):
    images = torch.randn(4, 3, 84, 84, generator=torch.manual_seed(0))
    before, after = embed(ASSETS, images), embed(grown, images)
    assert not torch.equal(before, after)
    assert (before * after).sum(-1).min() > 0.8


def test_growing_splits_what_a_block_adds(grown):
    old = load_file(ASSETS / 'tiny_clip.safetensors')
    new = load_file(grown / 'tiny_clip.safetensors')
    block = 'visual.transformer.resblocks.'
    for name, share in (('attn.in_proj_weight', 1), ('mlp.c_proj.bias', 2)):
        wanted = old[f'{block}5.{name}'].float() / share
        for copy in (10, 11):
            torch.testing.assert_close(new[f'{block}{copy}.{name}'], wanted)
    # everything but the image blocks is as it was
    for name in (n for n in old if not n.startswith(block)):
        torch.testing.assert_close(new[name], old[name].float())


def test_growing_refuses_a_depth_that_is_no_multiple():
    info = json.loads((ASSETS / 'tiny_clip.json').read_text())
    info['model_cfg']['vision_cfg']['layers'] = 8
    with pytest.raises(ValueError, match='multiple of 6'):
        grow(CLIP(**info['model_cfg']), ASSETS)


@pytest.mark.parametrize(
    'options, message',
    [
        (['--layers', '8', '--grow-from', str(ASSETS)], 'multiple of 6'),
        (['--layers', '12', '--grow-from', 'nowhere'], 'tiny_clip.json'),
    ],
)
def test_training_refuses_it_before_it_renders(options, message, tmp_path):
    done = subprocess.run(
        [sys.executable, str(TOOLS / 'miniature/train_tiny_clip.py'), *options]
        + ['--work-dir', str(tmp_path / 'work')],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and message in done.stderr
    assert not (tmp_path / 'work').exists()


def test_rows_take_the_other_clip_everywhere(grown, tmp_path):
    (tmp_path / 'train').mkdir()
    (tmp_path / 'train' / 'annotations.json').write_text('{}')
    rows = TABLES['1']()
    assert CONFIG.with_clip(rows, None) == rows
    for old, new in zip(rows, CONFIG.with_clip(rows, grown)):
        cfg = CONFIG.train_config(new)
        teacher = cfg.model.content_teacher.backbone
        words = cfg.model.predictor.text_encoder
        for part in (cfg.model.backbone, teacher, words):
            assert part.model == str(grown / 'tiny_clip.json')
            assert part.pretrained == str(grown / 'tiny_clip.safetensors')
        keys = [
            CONFIG.job_key(r, CONFIG.train_config(r), tmp_path)
            for r in (old, new)
        ]
        assert keys[0] != keys[1], 'kept rows of the shipped CLIP were taken'


def test_caches_of_two_clips_are_two_files(grown, tmp_path):
    row = TABLES['1']()[4]  # without a VFM, whose features both share
    paths = [
        CONFIG.localise(CONFIG.train_config(r), tmp_path)['crops']
        for r in (row, CONFIG.with_clip([row], grown)[0])
    ]
    assert 'grown' in paths[1] and 'grown' not in paths[0]


def test_a_changed_clip_is_another_row(grown, tmp_path):
    row = CONFIG.with_clip(TABLES['1']()[:1], grown)[0]
    cfg = CONFIG.train_config(row)
    first = CONFIG.job_key(row, cfg, tmp_path)
    path = grown / 'tiny_clip.json'
    text = path.read_text()
    path.write_text(text.replace('"grown"', '"grown longer"'))
    assert CONFIG.job_key(row, cfg, tmp_path) != first
    path.write_text(text)


def test_the_other_clip_is_what_is_measured(grown, tmp_path):
    row = CONFIG.with_clip(TABLES['1']()[:1], grown)[0]
    cfg = CONFIG.train_config(row)
    test = CONFIG.measure_config(
        cfg.model.backbone,
        tmp_path,
        'val_known',
        168,
        tmp_path,
        cfg.model.predictor.text_encoder,
    )
    assert test.model.predictor.text_encoder.model == str(
        grown / 'tiny_clip.json'
    )
    tower = build_tower(
        json.loads((grown / 'tiny_clip.json').read_text())['model_cfg']
    )
    assert len(tower.blocks) == 12
    assert test.model.backbone.model == str(grown / 'tiny_clip.json')


def test_a_folder_without_a_clip_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match='train_tiny_clip'):
        CONFIG.with_clip(TABLES['1'](), tmp_path)


def test_rows_that_count_blocks_need_the_shipped_depth(grown):
    with pytest.raises(ValueError, match='has 12'):
        CONFIG.with_clip(TABLES['8'](), grown)


def test_the_script_says_it_in_one_line(tmp_path):
    script_world = tmp_path / 'world'
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(script, 'build_world', lambda photos: script_world)
        with pytest.raises(SystemExit, match='ladder.py: .*is not there'):
            script.main(['--table', '1', '--clip', str(tmp_path)])


def test_the_deep_table_needs_a_deep_clip(capsys):
    with pytest.raises(SystemExit):
        script.parse_args(['--table', '1-deep'])
    assert 'add --clip' in capsys.readouterr().err


def test_the_deep_table_differs_in_two_numbers_alone():
    rate, weight = 'optim_wrapper.optimizer.lr', 'model.context_weight'
    for shallow, deep in zip(TABLES['1'](), TABLES['1-deep']()):
        assert shallow.name == deep.name
        assert shallow.trained == deep.trained == (rate in deep.options)
        if deep.trained:
            assert deep.options[rate] == 5e-4
        for row in (shallow, deep):
            for number in (rate, weight):
                row.options.pop(number, None)
        assert shallow.options == deep.options
