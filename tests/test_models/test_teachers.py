"""The four promises of a frozen teacher, and the VFM's features."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import MODELS
from tiny import backbone_cfg, batch, distiller_cfg, tiny_openai, vfm_cfg

from declip_mm.models.vfm_cache import write_cache


@pytest.fixture(params=['clip', 'vfm'])
def teacher(request):
    if request.param == 'vfm':
        return MODELS.build(vfm_cfg())
    return MODELS.build(dict(type='CLIPCropTeacher', backbone=backbone_cfg()))


def test_promise_no_gradient(teacher):
    assert not any(p.requires_grad for p in teacher.parameters())
    image = torch.randn(2, 3, 64, 64, requires_grad=True)
    assert not teacher(image).requires_grad


def test_promise_eval_for_ever(teacher):
    teacher.train()
    assert not any(m.training for m in teacher.modules())


def test_promise_own_pixel_statistics():
    clip = MODELS.build(dict(type='CLIPCropTeacher', backbone=backbone_cfg()))
    vfm = MODELS.build(vfm_cfg())
    assert clip.pixel_mean[0] == pytest.approx(0.48145466)
    assert vfm.pixel_mean == (0.5, 0.5, 0.5)  # of this timm model


def test_promise_absent_from_checkpoints():
    model = MODELS.build(distiller_cfg())
    keys = list(model.state_dict())
    assert keys and all(k.startswith('backbone.') for k in keys)
    # and the student's checkpoint loads strictly, teachers untouched
    before = model.content_teacher.backbone.visual.trunk.cls_token.clone()
    state = {k: torch.zeros_like(v) for k, v in model.state_dict().items()}
    model.load_state_dict(state, strict=True)
    after = model.content_teacher.backbone.visual.trunk.cls_token
    assert torch.equal(before, after)
    assert not model.backbone.visual.trunk.cls_token.any()
    state['surprise'] = torch.zeros(1)
    with pytest.raises(RuntimeError, match='surprise'):
        model.load_state_dict(state, strict=True)


def test_crop_teacher_is_clips_embedding():
    teacher = MODELS.build(
        dict(type='CLIPCropTeacher', backbone=backbone_cfg(tiny_openai()))
    )
    crops = torch.randn(3, 3, 64, 64)
    wanted = F.normalize(teacher.backbone.visual.trunk(crops), dim=-1)
    torch.testing.assert_close(teacher(crops), wanted, rtol=1e-4, atol=1e-5)


def test_crops_are_looked_at_some_at_a_time(monkeypatch):
    teacher = MODELS.build(
        dict(type='CLIPCropTeacher', backbone=backbone_cfg(), batch=3)
    )
    crops, seen = torch.randn(8, 3, 64, 64), []
    see = teacher.backbone.forward_image
    wanted = F.normalize(see(crops), dim=-1)
    monkeypatch.setattr(
        teacher.backbone,
        'forward_image',
        lambda part: seen.append(len(part)) or see(part),
    )
    torch.testing.assert_close(teacher(crops), wanted)
    assert seen == [3, 3, 2]
    with pytest.raises(ValueError, match='batch must be.*got 0'):
        MODELS.build(
            dict(type='CLIPCropTeacher', backbone=backbone_cfg(), batch=0)
        )


def test_vfm_norms():
    torch.manual_seed(0)
    final = MODELS.build(vfm_cfg())
    image = torch.randn(1, 3, 48, 80)
    tokens = final.trunk.forward_features(image)[:, 1:]
    wanted = tokens.transpose(1, 2).unflatten(-1, (3, 5))
    torch.testing.assert_close(final(image), wanted)
    plain = MODELS.build(vfm_cfg(norm='plain', layer=0))(image)
    assert plain.shape == (1, 24, 3, 5)
    torch.testing.assert_close(
        plain.mean(1), torch.zeros(1, 3, 5), atol=1e-5, rtol=0
    )
    torch.testing.assert_close(
        plain.var(1, unbiased=False), torch.ones(1, 3, 5), atol=1e-3, rtol=0
    )


def test_vfm_loads_strictly(tmp_path):
    source = MODELS.build(vfm_cfg())
    path = str(tmp_path / 'vfm.pth')
    torch.save(source.trunk.state_dict(), path)
    loaded = MODELS.build(vfm_cfg(pretrained=path))
    loaded.init_weights()
    image = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(loaded(image), source(image))
    weights = source.trunk.state_dict()
    weights.pop('cls_token')
    torch.save(weights, path)
    with pytest.raises(ValueError, match='Missing.*cls_token'):
        MODELS.build(vfm_cfg(pretrained=path)).init_weights()


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(norm='batch'), "norm='batch' is unknown"),
        (dict(layer=2), 'allowed are 0 to 1'),
        (dict(model='vit_smol'), 'knows no model'),
    ],
)
def test_vfm_refusals(options, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(dict(vfm_cfg(), **options))


def cache_cfg(path, **options):
    return dict(type='VFMCache', path=str(path), **options)


def test_cache_gives_what_the_teacher_gave(tmp_path):
    path = tmp_path / 'vfm.npy'
    inputs, samples = batch((1, 1))
    torch.manual_seed(0)
    cache = MODELS.build(cache_cfg(path, teacher=vfm_cfg(), num_images=4))
    first = cache(inputs['vfm'], samples)
    torch.testing.assert_close(
        first, cache.teacher(inputs['vfm']), rtol=1e-3, atol=1e-3
    )
    assert torch.equal(cache(inputs['vfm'] * 0, samples), first)
    # a later run reads it without the teacher
    again = MODELS.build(cache_cfg(path))
    assert torch.equal(again(inputs['vfm'] * 0, samples), first)
    samples[0].set_metainfo(dict(img_id=3))
    with pytest.raises(KeyError, match=r'no features of images \[3\]'):
        again(inputs['vfm'], samples)


def test_cache_of_something_else_is_refused(tmp_path):
    path = tmp_path / 'vfm.npy'
    inputs, samples = batch((1, 1))
    MODELS.build(cache_cfg(path, teacher=vfm_cfg(), num_images=4))(
        inputs['vfm'], samples
    )
    other = MODELS.build(
        cache_cfg(path, teacher=vfm_cfg(layer=0), num_images=4)
    )
    with pytest.raises(ValueError, match="'layer': 1.*'layer': 0"):
        other(inputs['vfm'], samples)
    with pytest.raises(FileNotFoundError, match='does not exist'):
        MODELS.build(cache_cfg(tmp_path / 'none.npy'))


def test_features_beyond_half_precision_are_refused(tmp_path):
    path = tmp_path / 'vfm.npy'
    features = torch.zeros(2, 4, 3, 3)
    features[1, 0, 0, 0] = 7e4
    with pytest.raises(ValueError, match='to 70000; allowed are -65504'):
        write_cache(str(path), features, (42, 42))
    assert not path.exists()
