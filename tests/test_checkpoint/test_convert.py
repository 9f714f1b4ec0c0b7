"""Conversion demands what a file does not say, and records who said it."""

import json

import pytest
import torch
from clip_files import eva, open_clip_model
from mmengine.registry import MODELS
from safetensors import safe_open
from tiny import backbone_cfg, tiny_eva

from declip_mm.checkpoint import (
    FINGERPRINT_KEY,
    FingerprintError,
    convert,
    describe,
    export_backbone,
    guess_model,
    name_hints,
    publish,
    read_checkpoint,
    read_parts,
)

DECLARED = dict(affinity='csa', scale=1.0, head_dim=12)


@pytest.fixture
def released(tmp_path, golden_dir):
    """A container as the authors' trainer writes it."""
    path = tmp_path / 'epoch_6.pt'
    weights = {f'module.{k}': v for k, v in eva(golden_dir).items()}
    torch.save(dict(epoch=6, name='x', state_dict=weights), path)
    return str(path)


def test_affinity_and_scale_are_demanded(released, tmp_path):
    out = str(tmp_path / 'out.pth')
    for given, missing in (
        ({}, 'affinity and scale'),
        (dict(affinity='csa'), 'scale'),
        (dict(scale=1.0), 'affinity'),
    ):
        with pytest.raises(ValueError, match=f'missing: {missing}'):
            convert(released, out, **given)


@pytest.mark.parametrize('suffix', ['pth', 'safetensors'])
def test_declared_and_loaded_strictly(released, tmp_path, suffix):
    out = str(tmp_path / f'out.{suffix}')
    written = convert(released, out, license='Apache-2.0', **DECLARED)
    assert written['declared'] == ['affinity', 'scale']
    _, meta = read_checkpoint(out)
    found = meta[FINGERPRINT_KEY]
    assert (found['affinity'], found['scale']) == ('csa', 1.0)
    assert (found['width'], found['patch_size']) == (24, 16)
    assert found['license'] == 'Apache-2.0'
    trunk = dict(embed_dim=24, depth=found['num_layers'], num_heads=2)
    model = tiny_eva(**trunk)
    cfg = backbone_cfg(model, pretrained=out, affinity='csa')
    MODELS.build(dict(cfg, scale=1.0)).init_weights()
    with pytest.raises(FingerprintError, match='scale: file has 1.0'):
        MODELS.build(dict(cfg, scale='rsqrt')).init_weights()


def test_and_back_to_the_official_file(released, tmp_path, golden_dir):
    ours, back = str(tmp_path / 'ours.safetensors'), str(tmp_path / 'b.pt')
    convert(released, ours, **DECLARED)
    convert(ours, back, 'eva', head_dim=12)
    official = torch.load(back, weights_only=True)
    wanted = eva(golden_dir)
    assert set(official) == set(wanted)
    assert all(torch.equal(official[k], wanted[k]) for k in wanted)


def test_the_name_is_believed(golden_dir, tmp_path):
    path = tmp_path / 'DeCLIP_EVA-B_DINOv2-B_csa_0.05_2.0.pt'
    torch.save(eva(golden_dir), path)
    out = str(tmp_path / 'out.pth')
    with pytest.raises(ValueError, match="Its name says 'csa'"):
        convert(str(path), out)
    with pytest.raises(FingerprintError, match="'qq' is declared.*'csa'"):
        convert(str(path), out, affinity='qq', scale=1.0)
    found = convert(str(path), out, **DECLARED)
    assert (found['name_0'], found['name_1']) == (0.05, 2.0)


def test_names_of_the_authors():
    seg = name_hints('x/evab_dinov2B_csa_560_0.25_seg.pt')
    assert seg == dict(name_affinity='csa', name_0=560.0, name_1=0.25)
    assert name_hints('EVA02_CLIP_B_psz16_s8B.pt') == {}


def test_a_file_with_a_fingerprint_contradicts(released, tmp_path):
    ours, out = str(tmp_path / 'ours.pth'), str(tmp_path / 'out.pth')
    convert(released, ours, **DECLARED)
    with pytest.raises(FingerprintError, match="file has 'csa'.*'qq'"):
        convert(ours, out, affinity='qq')


def test_parts(released, tmp_path):
    out = str(tmp_path / 'out.safetensors')
    convert(released, out, parts=('visual',), **DECLARED)
    with safe_open(out, 'pt') as file:
        names = list(file.keys())
        header = json.loads(file.metadata()[FINGERPRINT_KEY])
    assert all(n.startswith('backbone.visual.trunk.') for n in names)
    assert header['source'] == 'epoch_6.pt'
    with pytest.raises(ValueError, match='has no text tower, only visual'):
        convert(out, str(tmp_path / 'b.pth'), parts=('visual', 'text'))
    with pytest.raises(ValueError, match="parts=\\['head'\\]"):
        convert(out, str(tmp_path / 'b.pth'), parts=('head',))


def test_description(released, tmp_path, golden_dir):
    found = describe(released)
    assert (found['layout'], found['tower']['kind']) == ('eva', 'eva')
    assert found['parts']['text']['tensors'] > 5
    assert found['parts']['strange']['tensors'] == 0
    assert found['fingerprint'] == {} and found['not_finite'] == []
    weights = open_clip_model(golden_dir)
    weights['visual.ln_post.bias'][0] = float('nan')
    path = tmp_path / 'half.pt'
    torch.save(dict(weights, odd=torch.ones(2)), path)
    found = describe(str(path))
    assert found['not_finite'] == ['visual.ln_post.bias']
    assert found['strange'] == ['odd']
    total = sum(v.numel() for v in weights.values()) + 2
    assert total == sum(p['parameters'] for p in found['parts'].values())


def test_models_are_told_by_their_sizes():
    with torch.device('meta'):
        trunk = MODELS.build(backbone_cfg('EVA02-L-14-336')).visual.trunk
    state = {f'visual.trunk.{k}': v for k, v in trunk.state_dict().items()}
    assert guess_model(read_parts(state)) == 'EVA02-L-14-336'


@pytest.mark.parametrize('name', ['PE-Core-B-16', 'ViT-B-16-SigLIP'])
def test_towers_that_pool_are_told_apart(name):
    with torch.device('meta'):
        trunk = MODELS.build(backbone_cfg(name)).visual.trunk
    state = {f'visual.trunk.{k}': v for k, v in trunk.state_dict().items()}
    assert guess_model(read_parts(state)) == name


def test_a_backbone_from_another_place_drops_in(tmp_path):
    source = MODELS.build(backbone_cfg())
    state = {f'image_encoder.{k}': v for k, v in source.state_dict().items()}
    meta = {FINGERPRINT_KEY: source.fingerprint}
    torch.save(dict(meta=meta, state_dict=state), tmp_path / 'a.pth')
    out = str(tmp_path / 'b.pth')
    export_backbone(str(tmp_path / 'a.pth'), out, 'image_encoder')
    init = dict(type='Pretrained', checkpoint=out, prefix='backbone.')
    found = MODELS.build(backbone_cfg(init_cfg=init))
    found.init_weights()
    for key, value in source.state_dict().items():
        assert torch.equal(found.state_dict()[key], value), key


def test_publishing_strips_and_hashes(tmp_path):
    state = MODELS.build(backbone_cfg()).state_dict()
    weights = {f'backbone.{k}': v for k, v in state.items()}
    source = tmp_path / 'epoch_1.pth'
    meta = {FINGERPRINT_KEY: dict(affinity='csa', scale=1.0), 'seed': 3}
    content = dict(meta=meta, state_dict=weights, optimizer=dict(a=1))
    torch.save(dict(content, student_state_dict=state), source)
    for suffix in ('pth', 'safetensors'):
        path = publish(str(source), str(tmp_path / f'model.{suffix}'))
        stem, digest = path.stem.split('-')
        assert stem == 'model' and describe(str(path))['sha256'][:8] == digest
        found, meta = read_checkpoint(str(path))
        assert meta == {FINGERPRINT_KEY: dict(affinity='csa', scale=1.0)}
        assert all(torch.equal(found[k], v) for k, v in weights.items())
    names = {p.name for p in tmp_path.iterdir()}
    assert len(names) == 3, names
    torch.save(dict(state_dict=weights), source)
    for tool in (publish, export_backbone):
        with pytest.raises(ValueError, match='has no fingerprint'):
            tool(str(source), str(tmp_path / 'other.pth'))
    assert publish(str(source), str(tmp_path / 'other.pth'), True).is_file()
