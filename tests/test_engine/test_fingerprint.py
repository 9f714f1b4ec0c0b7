"""What a training checkpoint says beside the backbone's own fingerprint."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.registry import HOOKS, MODELS
from tiny import distiller_cfg, tiny_eva
from toy_world import make_clip

from declip_mm.checkpoint import FINGERPRINT_KEY, FingerprintError
from declip_mm.models import DeCLIPViT


@pytest.fixture(scope='module')
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp('clips')
    paths = [folder / 'one.safetensors', folder / 'two.safetensors']
    for path in paths:
        make_clip(path)
    return [str(path) for path in paths]


def runner(clip):
    encoder = dict(type='DeCLIPTextEncoder', model=tiny_eva(), pretrained=clip)
    predictor = dict(type='OpenVocabPredictor', text_encoder=encoder)
    views = SimpleNamespace(image_size=96)
    loader = SimpleNamespace(dataset=SimpleNamespace(views=views))
    model = MODELS.build(distiller_cfg(predictor=predictor))
    return SimpleNamespace(model=model, train_dataloader=loader)


def hook():
    return HOOKS.build(dict(type='FingerprintHook', license='CC0-1.0'))


def saved(state):
    weights = state.model.state_dict()
    checkpoint = dict(meta={}, state_dict=weights)
    hook().before_save_checkpoint(state, checkpoint)
    return checkpoint


def test_resolution_text_tower_and_architecture_are_said(clips, tmp_path):
    state = runner(clips[0])
    checkpoint = saved(state)
    said = checkpoint['meta'][FINGERPRINT_KEY]
    assert (said['resolution'], said['license']) == (96, 'CC0-1.0')
    encoder = state.model.embedder.encoder
    assert said['text_tower'] == encoder.fingerprint
    # the checkpoint of a model without a name builds its backbone again
    path = str(tmp_path / 'a.pth')
    torch.save(checkpoint, path)
    found = DeCLIPViT.from_pretrained(path, prefix='backbone.')
    assert found.fingerprint == state.model.backbone.fingerprint


def test_resolution_of_mosaics_is_said(clips):
    state = runner(clips[0])
    state.train_dataloader.dataset = SimpleNamespace(image_size=128)
    said = saved(state)['meta'][FINGERPRINT_KEY]
    assert said['resolution'] == 128


def test_another_text_tower_is_refused(clips):
    checkpoint = saved(runner(clips[0]))
    same, other = runner(clips[0]), runner(clips[1])
    for state in (same, other):
        guard = hook()
        guard.after_load_checkpoint(state, checkpoint)
        if state is same:
            guard.before_test_epoch(state)
            continue
        with pytest.raises(FingerprintError, match='text tower.*weights'):
            guard.before_test_epoch(state)
