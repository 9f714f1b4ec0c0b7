"""Features in a file answer as the encoder that made them."""

import numpy as np
import pytest
import torch
from mmengine.registry import MODELS
from tiny import backbone_cfg, tiny_eva, tiny_openai

from declip_mm.checkpoint import DamagedFileError, FingerprintError
from declip_mm.checkpoint.files import save_weights
from declip_mm.models.text import DeCLIPTextEncoder
from declip_mm.models.zero_shot import DenseEncoder, EncodedImage

NAMES = ['cat', 'dog', 'red car']


def encoder(model=None, **options):
    torch.manual_seed(0)
    model = model or tiny_eva()
    backbone = MODELS.build(backbone_cfg(model))
    text = DeCLIPTextEncoder(model=model)
    options = dict(dict(short_side=64, prompts='name'), **options)
    return DenseEncoder(backbone, text, device='cpu', **options)


def picture(height=60, width=90):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize('options', [{}, dict(window=48, stride=16)])
def test_a_file_answers_as_the_encoder(tmp_path, options):
    made, rgb = encoder(**options), picture()
    made.encode_dense(rgb).save(tmp_path / 'a.safetensors')
    kept = EncodedImage.load(tmp_path / 'a.safetensors')
    found = kept.ask(NAMES, made.embedder)
    wanted = made.segment(rgb, NAMES)
    assert found.names == tuple(NAMES)
    assert (found.labels == wanted.labels).float().mean() > 0.99
    assert torch.allclose(found.scores, wanted.scores, atol=5e-3)
    others = kept.ask('tree,sky', made.embedder, with_scores=False)
    assert others.names == ('tree', 'sky') and others.scores is None


def test_the_size_is_what_the_documents_say(tmp_path):
    kept = encoder().encode_dense(picture())
    c, h, w = kept.features.maps[0].shape
    assert kept.num_bytes == c * h * w * 2
    kept.save(tmp_path / 'a.safetensors')
    size = (tmp_path / 'a.safetensors').stat().st_size
    assert kept.num_bytes < size < kept.num_bytes + 4096


def test_cosines_are_those_of_the_map(tmp_path):
    made, rgb = encoder(), picture(64, 96)
    kept = made.encode_dense(rgb)
    rows = made.encode_names(NAMES)
    wanted = torch.einsum('chw,kc->khw', made.encode_image(rgb), rows)
    assert torch.allclose(
        kept.cosines(NAMES, made.embedder), wanted, atol=1e-5
    )
    windows = encoder(window=48, stride=16).encode_dense(rgb)
    with pytest.raises(ValueError, match='windows, which have a grid each'):
        windows.cosines(NAMES, made.embedder)


def test_names_of_another_model_are_refused():
    kept = encoder().encode_dense(picture())
    other = encoder(tiny_openai())
    with pytest.raises(FingerprintError) as error:
        kept.ask(NAMES, other.embedder)
    for side in (kept.text_tower, other.embedder.encoder.fingerprint):
        assert side['weights'][:12] in str(error.value)


def test_a_text_tower_that_is_not_named_has_to_be_given():
    kept = encoder().encode_dense(picture())
    with pytest.raises(ValueError, match='does not say where its text tower'):
        kept.ask(NAMES)


def test_the_text_tower_that_the_weights_name_is_found(tmp_path, monkeypatch):
    clip = dict(
        model='declip_mm://miniature/tiny_clip.json',
        pretrained='declip_mm://miniature/tiny_clip.safetensors',
    )
    backbone = MODELS.build(dict(type='DeCLIPViT', affinity='qq', **clip))
    backbone.init_weights()
    said = dict(
        backbone.fingerprint,
        **backbone.architecture,
        resolution=84,
        text_source=dict(clip, prompts='name'),
    )
    weights = {f'backbone.{k}': v for k, v in backbone.state_dict().items()}
    save_weights(weights, tmp_path / 'declip.pth', said)
    made, rgb = DenseEncoder(str(tmp_path / 'declip.pth')), picture()
    made.encode_dense(rgb).save(tmp_path / 'a.safetensors')
    kept = EncodedImage.load(tmp_path / 'a.safetensors')
    assert kept.text_side().prompts.name == 'name'
    same = kept.ask('cup,pear').labels == made.segment(rgb, 'cup,pear').labels
    assert same.float().mean() > 0.99
    moved = []
    monkeypatch.setattr(
        DeCLIPTextEncoder, 'to', lambda self, to: moved.append(to) or self
    )
    kept.text_side()  # embeds where the features are
    assert moved == [kept.features.maps[0].device]


def test_what_is_no_such_file_is_refused(tmp_path):
    kept = encoder().encode_dense(picture())
    with pytest.raises(ValueError, match=r'\.safetensors'):
        kept.save(tmp_path / 'a.pt')
    path = tmp_path / 'a.safetensors'
    with pytest.raises(FileNotFoundError):
        EncodedImage.load(path)
    save_weights({'x': torch.zeros(3)}, path)
    with pytest.raises(ValueError, match='no encoded picture'):
        EncodedImage.load(path)
    kept.save(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DamagedFileError, match='truncated'):
        EncodedImage.load(path)


def test_a_threshold_that_is_none_is_refused():
    kept = encoder().encode_dense(picture())
    with pytest.raises(ValueError, match='no probability'):
        kept.ask(NAMES, encoder().embedder, threshold=2)
