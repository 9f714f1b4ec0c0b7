"""Released files, made here from recorded and random weights."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from tiny import tiny_eva, tiny_openai
from tiny_cat_seg import segmentor, segmentor_cfg

from declip_mm.checkpoint import CLIPParts, write_parts
from declip_mm.segmentation.cat_seg import load_released
from declip_mm.segmentation.cat_seg.keymaps import (
    HEAD_PREFIX,
    from_official_head,
)

ROOT = Path(__file__).parents[3]
TOOL = ROOT / 'tools/model_converters/cat_seg.py'


def make_cfg(family):
    """A model on whose head the recorded weights fit: 24 channels."""
    model = (tiny_eva if family == 'eva' else tiny_openai)()
    model['embed_dim'] = 24
    cfg = segmentor_cfg(family)
    cfg['backbone']['model'] = cfg['text_encoder']['model'] = model
    cfg['decode_head'] = dict(
        type='CATSegHead',
        dim=24,
        guidance_dim=16,
        tap_dims=(20, 10),
        decoder_dims=(16, 16),
        decoder_guidance_dims=(8, 8),
        window=2,
        max_classes=8,
    )
    return cfg


def official(model, family, golden_dir, parts=('visual', 'text', 'head')):
    """The released layout of a model, its head that of the recording."""
    trunk = model.backbone.visual.trunk.state_dict()
    text = model.text_encoder.tower.state_dict()
    for tower in (trunk, text):
        for key in [k for k in tower if k.endswith('q_proj.weight')]:
            stem = key[: -len('q_proj.weight')]
            if 'resblocks' in stem:  # fused, as in files
                for kind in ('weight', 'bias'):
                    rows = [tower.pop(f'{stem}{n}_proj.{kind}') for n in 'qkv']
                    tower[f'{stem}in_proj_{kind}'] = torch.cat(rows)
    layout = f'cat_seg_{family}'
    clip = CLIPParts(layout, trunk, text, {}, {}, [])
    state = write_parts(clip, layout, head_dim=12)
    data = np.load(golden_dir / 'catseg_aggregator_padded_classes.npz')
    for key in [k for k in data.files if k.startswith('weight/')]:
        value = torch.from_numpy(data[key])
        state[f'{HEAD_PREFIX}{key[len("weight/") :]}'] = value
    for index, layer in enumerate(model.decode_head.upsamplers, 1):
        for name, value in layer.state_dict().items():
            state[f'upsample{index}.{name}'] = value
    drop = dict(
        visual='sem_seg_head.predictor.clip_model.visual',
        text='sem_seg_head.predictor.clip_model.t',
        head=HEAD_PREFIX,
    )
    for name, prefix in drop.items():
        if name not in parts:
            state = {
                k: v for k, v in state.items() if not k.startswith(prefix)
            }
    return state


def write(tmp_path, state, name='model_base.pth'):
    path = tmp_path / name
    torch.save(dict(model=state), path)
    return str(path)


@pytest.mark.parametrize('family', ['eva', 'openai'])
def test_released_file_fills_every_part(tmp_path, golden_dir, family):
    cfg = make_cfg(family)
    source = segmentor(family, **cfg)
    state = official(source, family, golden_dir)
    torch.manual_seed(5)
    model = MODELS.build(cfg).eval()
    counts = load_released(model, write(tmp_path, state))
    assert counts['head'] == len(model.decode_head.state_dict())
    for part in ('backbone', 'text_encoder'):
        theirs = getattr(source, part).state_dict()
        for key, value in getattr(model, part).state_dict().items():
            assert torch.equal(value, theirs[key]), key
    data = np.load(golden_dir / 'catseg_aggregator_padded_classes.npz')
    assert torch.equal(
        model.decode_head.layers[1].classes.pad_token,
        torch.from_numpy(
            data['weight/layers.1.attention.padding_tokens']
        ).flatten(),
    )
    model.set_vocabulary(['a', 'b'])
    assert model(torch.zeros(1, 3, 64, 64)).isfinite().all()


@pytest.mark.parametrize(
    'parts, message',
    [
        (('visual', 'head'), 'has no text tower'),
        (('text', 'head'), 'no image tower|of no known part'),
    ],
)
def test_a_file_with_one_tower_raises(tmp_path, golden_dir, parts, message):
    model = segmentor(**make_cfg('eva'))
    path = write(tmp_path, official(model, 'eva', golden_dir, parts))
    with pytest.raises(ValueError, match=message):
        load_released(model, path)


def test_an_explicit_text_file_completes_a_visual_one(tmp_path, golden_dir):
    cfg = make_cfg('eva')
    source = segmentor(**cfg)
    half = official(source, 'eva', golden_dir, ('visual', 'head'))
    text = {
        f'text.{k}': v
        for k, v in source.text_encoder.tower.state_dict().items()
    }
    model = MODELS.build(cfg)
    load_released(
        model,
        write(tmp_path, half),
        text=write(tmp_path, text, 'clip.pt'),
    )
    assert torch.equal(
        model.text_encoder.tower.text_projection,
        source.text_encoder.tower.text_projection,
    )


@pytest.mark.parametrize(
    'change, message',
    [
        (lambda s: s.update(strange=torch.zeros(1)), '1 keys of no known'),
        (
            lambda s: s.pop(f'{HEAD_PREFIX}conv1.bias'),
            'does not fit this head',
        ),
        (
            lambda s: s.update({f'{HEAD_PREFIX}extra.weight': torch.zeros(1)}),
            'does not fit this head',
        ),
        (
            lambda s: s[f'{HEAD_PREFIX}conv1.bias'].fill_(float('nan')),
            'NaN or infinite',
        ),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, golden_dir, change, message):
    model = segmentor(**make_cfg('eva'))
    state = official(model, 'eva', golden_dir)
    change(state)
    with pytest.raises(ValueError, match=message):
        load_released(model, write(tmp_path, state))


def test_the_name_of_a_file_is_believed(tmp_path, golden_dir):
    model = segmentor(**make_cfg('eva'))
    state = official(model, 'eva', golden_dir)
    name = 'CATSeg_DeCLIP_EVA-B_DINOv2-B_qq_0.05_2.0.pth'
    with pytest.raises(ValueError, match="calls itself 'qq'.*affinity='csa'"):
        load_released(model, write(tmp_path, state, name))
    assert 'head' in load_released(
        model, write(tmp_path, state, name.replace('qq', 'csa'))
    )


def test_tool_writes_a_checkpoint_that_loads(tmp_path, golden_dir, capsys):
    cfg = make_cfg('eva')
    source = segmentor(**cfg)
    path = write(tmp_path, official(source, 'eva', golden_dir))
    config = tmp_path / 'config.py'
    Config(dict(model=cfg)).dump(str(config))
    main = runpy.run_path(str(TOOL))['main']
    out = tmp_path / 'out.pth'
    main([str(config), path, str(out), '--license', 'Apache-2.0'])
    text = capsys.readouterr().out
    assert 'head: 90 tensors' in text or 'head: ' in text
    content = torch.load(out, weights_only=True)
    mark = content['meta']['declip']
    assert mark['affinity'] == 'csa' and mark['license'] == 'Apache-2.0'
    model = MODELS.build(cfg)
    model.load_state_dict(content['state_dict'])
    with pytest.raises(SystemExit, match='drop --towers-only'):
        main([str(config), path, str(out), '--towers-only'])
    with pytest.raises(SystemExit, match='weights go into'):
        main([str(config), path, str(tmp_path / 'out.bin')])
    with pytest.raises(SystemExit, match=r'cat_seg\.py: no config file'):
        main([str(tmp_path / 'none.py'), path, str(out)])


def test_recorded_names_are_all_known(golden_dir):
    data = np.load(golden_dir / 'catseg_aggregator_padded_classes.npz')
    names = [
        k[len('weight/') :] for k in data.files if k.startswith('weight/')
    ]
    names = [n for n in names if 'attn_mask' not in n]
    mapped = [from_official_head(n) for n in names]
    assert len(set(mapped)) == len(mapped)
    ours = set(segmentor(**make_cfg('eva')).decode_head.state_dict())
    assert set(mapped) <= ours
    assert {n.split('.')[0] for n in ours - set(mapped)} == {'upsamplers'}
