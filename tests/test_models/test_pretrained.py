"""``DeCLIPViT.from_pretrained``: one line from any place."""

import json

import open_clip
import pytest
import torch
from mmengine.registry import MODELS
from safetensors.torch import save_file
from stand_in_hub import nobody, point_at, stand_in_hub
from tiny import backbone_cfg, tiny_eva, tiny_openai

from declip_mm.checkpoint import save_weights
from declip_mm.models import DeCLIPViT

NAME = 'model.safetensors'
IMAGE = torch.randn(1, 3, 64, 64)


def export(path, model=None, **options):
    torch.manual_seed(0)
    source = MODELS.build(backbone_cfg(model, **options)).eval()
    weights = {f'backbone.{k}': v for k, v in source.state_dict().items()}
    said = dict(source.fingerprint, **source.architecture)
    save_weights(weights, path, said)
    return source


@pytest.mark.parametrize('suffix', ['pth', 'safetensors'])
@pytest.mark.parametrize('model', [tiny_eva(), tiny_openai()])
def test_one_line(model, suffix, tmp_path):
    path = tmp_path / f'a.{suffix}'
    quick = 'timm_model_name' not in model['vision_cfg'] or None
    options = dict(affinity='qq', scale=1.0, quick_gelu=quick)
    source = export(path, model, **options)
    found = DeCLIPViT.from_pretrained(str(path))
    assert not found.training
    assert found.fingerprint == source.fingerprint
    wanted = source.forward_dense(IMAGE).content
    assert torch.equal(found.forward_dense(IMAGE).content, wanted)
    found.init_weights()  # a detector's own call fills nothing anew
    assert torch.equal(found.forward_dense(IMAGE).content, wanted)


def test_pixels_of_the_tag_it_began_with(tmp_path, monkeypatch):
    """The name of a model does not tell them; the file does."""
    pixels = dict(pixel_mean=[0.5] * 3, pixel_std=[0.5] * 3)
    source = export(tmp_path / 'a.pth', dict(tiny_eva(), **pixels))
    monkeypatch.setattr(
        'declip_mm.models.declip_vit.described_model', lambda *_: tiny_eva()
    )
    found = DeCLIPViT.from_pretrained(str(tmp_path / 'a.pth'))
    assert found.fingerprint == source.fingerprint
    with pytest.raises(ValueError, match='pixel_mean'):
        DeCLIPViT.from_pretrained(str(tmp_path / 'a.pth'), model=tiny_eva())


def test_options_of_the_constructor(tmp_path):
    export(tmp_path / 'a.pth')
    path = str(tmp_path / 'a.pth')
    found = DeCLIPViT.from_pretrained(path, out_indices=(0, 2))
    assert [m.shape for m in found(IMAGE)] == [(1, 24, 4, 4)] * 2


def test_folder(tmp_path):
    export(tmp_path / 'model.safetensors')
    export(tmp_path / 'other.pth')
    (tmp_path / 'README.md').write_text('x')
    assert DeCLIPViT.from_pretrained(str(tmp_path)).visual.width == 24
    (tmp_path / 'model.safetensors').unlink()
    export(tmp_path / 'third.pth')
    with pytest.raises(ValueError, match='other.pth, third.pth'):
        DeCLIPViT.from_pretrained(str(tmp_path))
    DeCLIPViT.from_pretrained(str(tmp_path), filename='third.pth')


def test_hub(tmp_path, monkeypatch):
    export(tmp_path / 'model.safetensors')
    listing = dict(
        id='someone/declip',
        siblings=[dict(rfilename=n) for n in ('README.md', NAME)],
    )
    files = {
        'v1': json.dumps(listing).encode(),
        NAME: (tmp_path / NAME).read_bytes(),
    }
    with stand_in_hub(files) as hub:
        point_at(monkeypatch, hub.address, tmp_path / 'cache')
        found = DeCLIPViT.from_pretrained('someone/declip', revision='v1')
        assert f'HEAD /someone/declip/resolve/v1/{NAME}' in hub.asked
    # what is in the cache needs no hub
    DeCLIPViT.from_pretrained('someone/declip', revision='v1')
    assert found.visual.width == 24


def test_offline(tmp_path, monkeypatch):
    point_at(monkeypatch, nobody(), tmp_path)
    with pytest.raises(ConnectionError) as error:
        DeCLIPViT.from_pretrained('someone/declip')
    for part in ("'someone/declip'", 'Connection refused', 'give the path'):
        assert part in str(error.value)
    with pytest.raises(FileNotFoundError, match='Check the path'):
        DeCLIPViT.from_pretrained('someone/declip.pth')


def test_a_folder_of_open_clip(tmp_path):
    """Its configuration says model, activation and pixels."""
    torch.manual_seed(0)
    clip = open_clip.model.CLIP(**tiny_openai(), quick_gelu=True)
    state = {k: v for k, v in clip.state_dict().items() if k != 'attn_mask'}
    save_file(state, tmp_path / 'open_clip_model.safetensors')
    content = dict(
        model_cfg=dict(tiny_openai(), quick_gelu=True),
        preprocess_cfg=dict(mean=[0.5] * 3, std=[0.4] * 3),
    )
    path = tmp_path / 'open_clip_config.json'
    path.write_text(json.dumps(content))
    options = dict(affinity='vanilla', scale='rsqrt')
    found = DeCLIPViT.from_pretrained(str(tmp_path), **options)
    assert found.visual.activation == 'quick_gelu'
    assert found.pixel_std == (0.4,) * 3
    wanted = clip.eval().encode_image(IMAGE)
    torch.testing.assert_close(found.forward_image(IMAGE), wanted)
    # the file alone, its configuration still beside it
    one = str(tmp_path / 'open_clip_model.safetensors')
    found = DeCLIPViT.from_pretrained(one, model=tiny_openai(), **options)
    assert found.visual.activation == 'quick_gelu'


def test_weights_that_say_nothing_are_read_as_the_caller_says():
    """The miniature CLIP is an ordinary one, without a fingerprint."""
    model = DeCLIPViT.from_pretrained(
        'declip_mm://miniature/tiny_clip.safetensors',
        model='declip_mm://miniature/tiny_clip.json',
        affinity='csa',
        scale='rsqrt',
    )
    image = torch.zeros(1, 3, 70, 70)
    assert model.forward_image(image).shape == (1, model.visual.out_dim)
