"""DenseCLIPSegmentor: geometry, batches, memory, probabilities."""

import pytest
import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from tiny_dense_seg import (
    dense_segmentor,
    labels_of,
    picture,
    samples_of,
)
from torch.profiler import ProfilerActivity, profile

from declip_mm.models.zero_shot.arg_max import best_query, query_probabilities
from declip_mm.models.zero_shot.resizing import resize
from declip_mm.models.zero_shot.windows import ImageFeatures, place_windows

MANY = [f'thing {i}' for i in range(40)]


def by_hand(model, image, size):
    """Softmax over all texts of one whole picture, in five lines."""
    with torch.no_grad():
        content = model.backbone.forward_dense(image[None]).content
        unit = F.normalize(content, dim=1)
        texts = model.embedder.text_rows(model.vocabulary)
        cosine = torch.einsum('bchw,qc->bqhw', unit, texts)
        for wanted in (image.shape[-2:], size):
            cosine = F.interpolate(cosine, wanted, mode='bilinear')
        return (40.0 * cosine[0]).softmax(dim=0)


@pytest.mark.parametrize('window', [None, 128, 256])
def test_one_window_is_the_whole_picture(window):
    model = dense_segmentor(MANY, keep_logits=True)
    model.set_test_cfg(window=window, keep_logits=True)
    image = picture(96, 128)
    (found,) = model.predict([image], samples_of((50, 70)))
    wanted = by_hand(model, image, (50, 70))
    assert torch.allclose(found.seg_logits.data, wanted, atol=1e-6)
    assert (found.pred_sem_seg.data[0] == wanted.argmax(dim=0)).all()


def test_overlapping_windows_are_averaged():
    model = dense_segmentor()
    image = picture(64, 96)
    with torch.no_grad():
        left, right = (
            model.encode_decode(image[None, :, :, x : x + 64])[0]
            for x in (0, 32)
        )
    found = model.encode_decode(image[None])[0]
    assert torch.allclose(found[:, :, :32], left[:, :, :32], atol=1e-6)
    middle = (left[:, :, 32:] + right[:, :, :32]) / 2
    assert torch.allclose(found[:, :, 32:64], middle, atol=1e-6)
    assert torch.allclose(found[:, :, 64:], right[:, :, 32:], atol=1e-6)


@pytest.mark.parametrize('options', [{}, dict(window_batch=1)])
def test_results_do_not_depend_on_batches(options):
    images = [picture(96, 128), picture(70, 200, 2), picture(40, 33, 3)]
    images.append(picture(96, 128, 4))
    model = dense_segmentor(MANY, keep_logits=True)
    sizes = [tuple(i.shape[-2:]) for i in images]
    together = model.predict(images, samples_of(*sizes))
    model.set_test_cfg(window=64, stride=32, keep_logits=True, **options)
    for image, size, one in zip(images, sizes, together):
        (alone,) = model.predict([image], samples_of(size))
        assert torch.allclose(
            alone.seg_logits.data, one.seg_logits.data, atol=1e-5
        )
        same = alone.pred_sem_seg.data == one.pred_sem_seg.data
        assert same.float().mean() > 0.999


@pytest.mark.parametrize('size', [(40, 33), (16, 300), (65, 64), (7, 9)])
def test_any_size_and_aspect(size):
    model = dense_segmentor()
    (labels,) = labels_of(model, [picture(*size)], (21, 34))
    assert labels.shape == (21, 34)
    assert labels.dtype == torch.int32 and int(labels.max()) < 3


def test_a_square_is_not_assumed():
    """The map of a wide picture is not that of its transpose."""
    model = dense_segmentor(MANY)
    model.set_test_cfg(window=None)
    image = picture(48, 160)
    wanted = by_hand(model, image, (48, 160)).argmax(dim=0)
    assert (labels_of(model, [image])[0] == wanted).all()


@pytest.mark.parametrize('memory', [1, 3, 256])
def test_chunks_do_not_change_the_result(memory):
    make = torch.Generator().manual_seed(0)
    texts = F.normalize(torch.randn(300, 12, generator=make), dim=1)
    unit = F.normalize(torch.randn(12, 6, 8, generator=make), dim=0)
    features = ImageFeatures(
        (96, 128), place_windows((96, 128), None, 1), [(96, 128)], [unit]
    )
    size = (130, 170)
    found = best_query(features, texts, size, 25.0, True, memory)
    wanted = query_probabilities(features, texts, size, 25.0)
    value, index = wanted.max(dim=0)
    assert torch.allclose(found.score, value, rtol=1e-4)
    assert (found.index == index).float().mean() > 0.9999
    quick = best_query(features, texts, size, 25.0, False, memory)
    cosines = resize(features.scores(texts), size).amax(dim=0)
    assert torch.allclose(quick.score, 25 * cosines, rtol=1e-4)
    assert (quick.index == found.index).all()


def test_memory_does_not_grow_with_the_names():
    """All scores at full size would be 192 MB here."""
    make = torch.Generator().manual_seed(0)
    texts = F.normalize(torch.randn(200, 12, generator=make), dim=1)
    unit = F.normalize(torch.randn(12, 6, 8, generator=make), dim=0)
    features = ImageFeatures(
        (96, 128), place_windows((96, 128), None, 1), [(96, 128)], [unit]
    )
    with profile(
        activities=[ProfilerActivity.CPU], profile_memory=True
    ) as record:
        best_query(features, texts, (400, 600), 25.0, True, memory=8)
    held = peak = 0
    events = record.profiler.kineto_results.events()
    for event in sorted(events, key=lambda e: e.start_ns()):
        if event.name() == '[memory]':
            held += event.nbytes()
            peak = max(peak, held)
    # working space, and best, index (twice) and denominator of each pixel
    assert 2**20 < peak < 8 * 2**20 + 400 * 600 * 24


def test_unlikely_pixels_become_background_or_nothing():
    image = picture()
    model = dense_segmentor(['background', *MANY])
    probability, labels = by_hand_best(model, image)
    threshold = float(probability.median())
    model.set_test_cfg(window=None, threshold=threshold)
    wanted = labels.masked_fill(probability < threshold, 0)
    assert (labels_of(model, [image])[0] == wanted).float().mean() > 0.999
    model.set_vocabulary(MANY)
    model.set_test_cfg(window=None, threshold=1.0)
    assert (labels_of(model, [image])[0] == 255).all()


def by_hand_best(model, image):
    return by_hand(model, image, image.shape[-2:]).max(dim=0)


def test_a_class_has_the_probability_of_its_best_text():
    image = picture()
    model = dense_segmentor(MANY)
    every = by_hand(model, image, (96, 128))
    groups = {'a': MANY[:7], 'b': MANY[7:8], 'c': MANY[8:]}
    model.set_vocabulary(groups)
    model.set_test_cfg(window=None, keep_logits=True)
    (found,) = model.predict([image], samples_of((96, 128)))
    wanted = torch.stack(
        [part.max(dim=0).values for part in every.split([7, 1, 32])]
    )
    assert torch.allclose(found.seg_logits.data, wanted, atol=1e-6)
    assert (found.pred_sem_seg.data[0] == wanted.argmax(dim=0)).all()


def test_windows_lie_as_in_mmseg():
    """The formula of mmseg's slide_inference, written out."""
    for height, width, window, stride in [
        (448, 597, 336, 112),
        (100, 64, 64, 32),
        (30, 65, 64, 48),
    ]:
        wanted = []
        rows = max(height - window + stride - 1, 0) // stride + 1
        columns = max(width - window + stride - 1, 0) // stride + 1
        for row in range(rows):
            for column in range(columns):
                bottom = min(row * stride + window, height)
                right = min(column * stride + window, width)
                top, left = max(bottom - window, 0), max(right - window, 0)
                wanted.append((top, left, bottom - top, right - left))
        assert place_windows((height, width), window, stride) == wanted


def test_mirrored_pictures_come_back_mirrored():
    model = dense_segmentor(keep_logits=True)
    image = picture(64, 64)
    (plain,) = model.predict([image], samples_of((64, 64)))
    mirrored = samples_of((64, 64))
    mirrored[0].set_metainfo(dict(flip=True, flip_direction='horizontal'))
    (found,) = model.predict([image], mirrored)
    for name in ('pred_sem_seg', 'seg_logits'):
        assert torch.equal(found.get(name).data, plain.get(name).data.flip(-1))


def test_preprocessor_resizes_and_normalises_as_the_backbone_wants():
    preprocess = MODELS.build(
        dict(type='DenseSegPreprocessor', short_side=20, long_side=50)
    )
    model = dense_segmentor()
    preprocess.adopt(model.backbone)
    grey = torch.tensor([10.0, 100.0, 200.0]).view(3, 1, 1)
    raw = [grey.expand(3, 60, 40).byte(), grey.expand(3, 10, 100).byte()]
    images = preprocess(dict(inputs=raw))['inputs']
    assert [tuple(i.shape) for i in images] == [(3, 30, 20), (3, 5, 50)]
    for channel, value in enumerate((200, 100, 10)):  # BGR came in
        mean = 255 * model.backbone.pixel_mean[channel]
        std = 255 * model.backbone.pixel_std[channel]
        wanted = (value - mean) / std
        assert float(images[0][channel].mean()) == pytest.approx(wanted, 1e-5)


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(window=70), 'take 64'),
        (dict(window=64, stride=65), 'leaves gaps'),
        (dict(threshold=1.5), 'must be a probability'),
        (dict(window_batch=0), 'must be >= 1'),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        dense_segmentor().set_test_cfg(**options)


def test_it_does_not_train():
    with pytest.raises(RuntimeError, match='nothing to train'):
        dense_segmentor().loss(picture()[None], [])
