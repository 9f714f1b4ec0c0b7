"""DenseEncoder: pictures in, names out, without any toolbox."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import MODELS
from PIL import Image
from tiny import backbone_cfg, tiny_eva, tiny_openai

from declip_mm.checkpoint import FingerprintError
from declip_mm.checkpoint.files import save_weights
from declip_mm.models.text import DeCLIPTextEncoder
from declip_mm.models.zero_shot import DenseEncoder

NAMES = ['cat', 'dog', 'red car']


def towers(model=None, seed=0):
    torch.manual_seed(seed)
    model = model or tiny_eva()
    backbone = MODELS.build(backbone_cfg(model))
    text = DeCLIPTextEncoder(model=model)
    text.tower  # noqa: B018  (drawn now, with this seed)
    return backbone, text


def encoder(**options):
    options = dict(dict(short_side=64, prompts='name'), **options)
    return DenseEncoder(*towers(), **options)


def picture(height=64, width=96, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_a_map_is_that_of_the_backbone():
    made = encoder()
    rgb = picture()
    found = made.encode_image(rgb)
    pixels = torch.from_numpy(rgb).permute(2, 0, 1).float() / 255
    mean, std = (
        torch.tensor(v).view(3, 1, 1)
        for v in (made.backbone.pixel_mean, made.backbone.pixel_std)
    )
    with torch.no_grad():
        dense = made.backbone.forward_dense(((pixels - mean) / std)[None])
    assert found.shape == (12, 4, 6)
    wanted = F.normalize(dense.content[0], dim=0)
    assert torch.allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize('kind', ['pillow', 'grey', 'bytes', 'floats'])
def test_pictures_of_every_kind(kind):
    made, rgb = encoder(), picture()
    if kind == 'grey':
        rgb = np.repeat(rgb[..., :1], 3, axis=2)
    tensor = torch.from_numpy(rgb).permute(2, 0, 1)
    other = dict(
        pillow=Image.fromarray(rgb),
        grey=Image.fromarray(rgb[..., 0]),
        bytes=tensor,
        floats=tensor.float() / 255,
    )[kind]
    assert torch.allclose(
        made.encode_image(rgb), made.encode_image(other), atol=1e-5
    )


@pytest.mark.parametrize(
    'wrong, words',
    [
        (picture().astype(np.float32), 'float32'),
        (picture()[..., 0], '64, 96'),
        (torch.randn(3, 8, 8), 'not yet normalised'),
        (torch.zeros(1, 3, 8, 8), '1, 3, 8, 8'),
        ('a.jpg', 'str'),
    ],
)
def test_what_is_no_picture_is_refused(wrong, words):
    with pytest.raises(ValueError, match=words):
        encoder().encode_image(wrong)


def test_several_pictures_are_as_each_alone():
    made = encoder()
    images = [picture(), picture(80, 70, 1)]
    together = made.encode_image(images)
    for image, found in zip(images, together):
        assert torch.equal(found, made.encode_image(image))


@pytest.mark.parametrize('size', [(64, 96), (37, 50), (1, 1), (3, 300)])
def test_labels_have_the_size_of_the_picture(size):
    found = encoder(long_side=128).segment(picture(*size), NAMES)
    assert found.labels.shape == found.scores.shape == size
    assert found.names == tuple(NAMES)
    assert 0 <= int(found.labels.min()) <= int(found.labels.max()) < 3
    assert 1 / 3 <= float(found.scores.min()) <= float(found.scores.max()) <= 1


def test_a_kept_map_gives_the_same_labels():
    made, rgb = encoder(), picture(50, 75)
    content = made.encode_image(rgb)
    kept = made.segment_map(content, NAMES, (50, 75))
    direct = made.segment(rgb, NAMES)
    assert torch.equal(kept.labels, direct.labels)
    assert torch.allclose(kept.scores, direct.scores, atol=1e-5)
    with pytest.raises(ValueError, match='4 x 4 patches here, got'):
        made.segment_map(content, NAMES, (75, 75))


def test_windows_and_thresholds():
    rgb = picture(96, 96)
    made = encoder(short_side=96, window=64, stride=32)
    whole = encoder(short_side=96).segment(rgb, NAMES)
    windows = made.segment(rgb, NAMES)
    assert windows.labels.shape == whole.labels.shape
    assert not torch.allclose(windows.scores, whole.scores)
    middle = float(windows.scores.median())
    found = made.segment(rgb, NAMES, threshold=middle)
    assert torch.equal(found.labels == -1, windows.scores < middle)


def test_the_result_is_that_of_the_segmentor():
    """The same parts, in mmseg's clothes."""
    pytest.importorskip('mmseg')
    from tiny_dense_seg import dense_segmentor

    model = dense_segmentor(NAMES, logit_scale=40.0)
    model.data_preprocessor.short_side = 80
    rgb = picture(70, 100)
    made = DenseEncoder(
        model.backbone,
        model.embedder.encoder,
        short_side=80,
        window=64,
        stride=32,
        prompts='name',
        device='cpu',
    )
    bgr = torch.from_numpy(rgb[..., ::-1].copy()).permute(2, 0, 1)
    data = model.data_preprocessor(dict(inputs=[bgr]))
    from mmseg.structures import SegDataSample

    sample = SegDataSample(metainfo=dict(ori_shape=(70, 100)))
    (found,) = model.predict(data['inputs'], [sample])
    ours = made.segment(rgb, NAMES).labels
    same = found.pred_sem_seg.data[0] == ours
    assert float(same.float().mean()) > 0.999


def test_several_texts_of_a_class():
    made, rgb = encoder(), picture()
    many = dict(animal=['cat', 'dog'], car=['red car'])
    found = made.segment(rgb, many)
    single = made.segment(rgb, NAMES)
    assert found.names == ('animal', 'car')
    owner = torch.tensor([0, 0, 1])
    assert torch.equal(found.labels, owner[single.labels])
    rows = made.encode_names(many)
    cat, dog, _ = made.encode_names(NAMES)
    assert torch.allclose(rows[0], F.normalize(cat + dog, dim=0), atol=1e-5)


def test_names_in_another_order_are_answered_in_that_order():
    made, rgb = encoder(), picture()
    first = made.segment(rgb, ['cat', 'dog'])
    second = made.segment(rgb, ['dog', 'cat'])
    assert second.names == ('dog', 'cat')
    assert torch.equal(second.labels, 1 - first.labels)


def test_texts_that_read_the_same_are_embedded_once():
    made, rgb = encoder(), picture()
    found = made.segment(rgb, dict(tv=['tv', 'TV'], cat=['cat']))
    plain = made.segment(rgb, dict(tv=['tv'], cat=['cat']))
    assert torch.equal(found.labels, plain.labels)


@pytest.mark.parametrize(
    'options, words',
    [
        (dict(window=32, stride=48), 'leaves gaps'),
        (dict(stride=16), 'leaves gaps'),
        (dict(short_side=64, long_side=32), 'at most'),
    ],
)
def test_sizes_that_cannot_be_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        encoder(**options)


def test_a_backbone_that_was_not_filled_is_refused(tmp_path):
    path = tmp_path / 'a.pth'
    backbone, text = exported(str(path))
    cfg = backbone_cfg(tiny_eva(), pretrained=str(path))
    with pytest.raises(ValueError, match='has not been filled'):
        DenseEncoder(MODELS.build(cfg), text)


def test_regions_may_come_from_a_network():
    made, rgb = encoder(), picture()
    boxes = torch.tensor([[0.0, 0, 48, 32]], requires_grad=True)
    wanted = made.encode_regions(rgb, boxes=[[0, 0, 48, 32]])
    assert torch.equal(made.encode_regions(rgb, boxes=boxes), wanted)
    assert torch.equal(
        made.encode_regions(rgb, boxes=boxes.bfloat16()), wanted
    )
    assert made.encode_regions(rgb, boxes=[]).shape == (0, 12)


def test_regions_by_boxes_and_by_masks():
    made, rgb = encoder(), picture()
    masks = np.zeros((2, 64, 96), bool)
    masks[0, :32, :48] = masks[1, 32:, 48:] = True
    boxes = [[0, 0, 48, 32], [48, 32, 96, 64]]
    by_box = made.encode_regions(rgb, boxes=boxes)
    by_mask = made.encode_regions(rgb, masks=masks)
    content = made.encode_image(rgb, normalize=False)
    # half of a grid of 4 x 6 patches, all of them inside
    wanted = content[:, :2, :3].flatten(1).mean(dim=1)
    assert torch.allclose(by_mask[0], wanted, atol=1e-4)
    assert F.cosine_similarity(by_box, by_mask).min() > 0.9
    found = made.classify_regions(rgb, NAMES, boxes=boxes)
    assert found.labels.shape == (2,) and found.scores.shape == (2, 3)
    assert torch.allclose(found.scores.sum(dim=1), torch.ones(2))
    assert torch.equal(found.scores.argmax(dim=1), found.labels)


def test_regions_lie_where_the_picture_is_padded():
    """60 px are 4 patches of 16 with 4 px of padding."""
    made = encoder(short_side=60)
    rgb = picture(60, 60)
    content = made.encode_image(rgb, normalize=False)
    assert content.shape[-2:] == (4, 4)
    mask = np.ones((1, 60, 60), bool)
    found = made.encode_regions(rgb, masks=mask)[0]
    assert torch.allclose(found, content.flatten(1).mean(dim=1), atol=1e-4)


@pytest.mark.parametrize(
    'regions, words',
    [
        (dict(), 'neither'),
        (dict(boxes=[[0, 0, 1, 1]], masks=np.ones((1, 64, 96))), 'both'),
        (dict(boxes=[[5, 5, 5, 9]]), 'number 0'),
        (dict(boxes=[[0, 0, 9, 9, 0.5]]), r'\(1, 5\)'),
        (dict(masks=np.full((1, 64, 96), 0.3)), 'with a threshold first'),
        (dict(boxes=[[0, 0, 1, np.nan]]), '1 of 1'),
        (dict(masks=np.ones((1, 8, 8))), r'\(1, 8, 8\)'),
        (dict(masks=np.zeros((1, 64, 96))), r'\[0\] have no pixel'),
    ],
)
def test_wrong_regions_are_refused(regions, words):
    with pytest.raises(ValueError, match=words):
        encoder().classify_regions(picture(), NAMES, **regions)


def exported(path, **more):
    """What export_backbone writes, of a tiny CLIP."""
    backbone, text = towers()
    said = dict(backbone.fingerprint, **backbone.architecture, **more)
    said['text_tower'] = text.fingerprint
    weights = {f'backbone.{k}': v for k, v in backbone.state_dict().items()}
    save_weights(weights, path, said)
    return backbone, text


def test_from_a_file(tmp_path):
    path = str(tmp_path / 'declip.pth')
    backbone, text = exported(path, resolution=80)
    made = DenseEncoder(path, text, prompts='name')
    assert made.short_side == 80
    rgb = picture()
    wanted = DenseEncoder(backbone, text, short_side=80, prompts='name')
    assert torch.equal(made.encode_image(rgb), wanted.encode_image(rgb))
    assert DenseEncoder(path, text, short_side=64).short_side == 64


def test_a_file_that_names_no_text_tower(tmp_path):
    path = str(tmp_path / 'declip.pth')
    exported(path)
    with pytest.raises(ValueError, match="Give text='FILE'"):
        DenseEncoder(path)


def test_the_text_tower_of_another_clip_is_refused(tmp_path):
    path = str(tmp_path / 'declip.pth')
    exported(path)
    _, other = towers(seed=1)
    with pytest.raises(FingerprintError, match='weights'):
        DenseEncoder(path, other)
    _, openai = towers(tiny_openai())
    with pytest.raises(FingerprintError, match='text tower'):
        DenseEncoder(path, openai)


def test_the_shipped_clip_is_found_by_its_name(tmp_path):
    """A checkpoint of the miniature world says where its text tower is."""
    clip = dict(
        model='declip_mm://miniature/tiny_clip.json',
        pretrained='declip_mm://miniature/tiny_clip.safetensors',
    )
    backbone = MODELS.build(dict(type='DeCLIPViT', affinity='qq', **clip))
    backbone.init_weights()
    said = dict(
        backbone.fingerprint,
        **backbone.architecture,
        resolution=168,
        text_source=clip,
    )
    path = str(tmp_path / 'declip.pth')
    weights = {f'backbone.{k}': v for k, v in backbone.state_dict().items()}
    save_weights(weights, path, said)
    made = DenseEncoder(path, prompts='name')
    found = made.segment(picture(60, 60), 'apple,cup')
    assert found.labels.shape == (60, 60)
