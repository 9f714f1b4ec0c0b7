"""OVCATSegmentor: one pass, training, prediction."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import MODELS as ROOT
from tiny_cat_seg import NAMES, samples, segmentor, segmentor_cfg
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

from declip_mm.apis.launch import leave_distributed
from declip_mm.segmentation.cat_seg.geometry import WholeView

FAMILIES = ['eva', 'openai']


@pytest.mark.parametrize('family', FAMILIES)
def test_loss_reaches_every_weight_that_trains(family):
    model = segmentor(family).train()
    losses = model(torch.randn(2, 3, 64, 64), samples(), mode='loss')
    assert losses['loss_seg'].isfinite()
    losses['loss_seg'].backward()
    idle = [
        name
        for name, p in model.named_parameters()
        if p.requires_grad and (p.grad is None or not p.grad.any())
    ]
    assert idle == []


@pytest.mark.parametrize('family', FAMILIES)
def test_bfloat16_autocast_trains(family):
    images = torch.randn(2, 3, 64, 64)
    model = segmentor(family).train()
    with torch.autocast('cpu', torch.bfloat16):
        loss = model(images, samples(), mode='loss')['loss_seg']
    loss.backward()
    wanted = segmentor(family).train()(images, samples(), mode='loss')
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, wanted['loss_seg'], rtol=0.02, atol=0)
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    assert grads and all(g.isfinite().all() for g in grads)


def two_steps_of_ddp(family):
    model = DistributedDataParallel(segmentor(family).train())
    for _ in range(2):
        images = torch.randn(2, 3, 64, 64)
        model(images, samples(), mode='loss')['loss_seg'].backward()


@pytest.mark.parametrize('family', FAMILIES)
def test_ddp_waits_for_no_parameter(family):
    """One rank is enough: an unused parameter fails the second step."""
    store = distributed.HashStore()
    distributed.init_process_group('gloo', store=store, rank=0, world_size=1)
    try:
        two_steps_of_ddp(family)
    finally:
        leave_distributed()  # hangs at times while a variable holds DDP


@pytest.mark.parametrize('family', FAMILIES)
def test_a_step_lowers_the_loss(family):
    model = segmentor(family).train()
    images, data = torch.randn(2, 3, 64, 64), samples()
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=1e-3)
    losses = []
    for _ in range(4):
        loss = model(images, data, mode='loss')['loss_seg']
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


@pytest.mark.parametrize('family', FAMILIES)
@torch.no_grad()
def test_batch_crop_and_class_chunks_change_no_map(family):
    images = torch.randn(2, 3, 70, 90)
    whole = segmentor(family)(images, samples(), mode='predict')
    chunked = segmentor_cfg(family)
    chunked['test_cfg'].update(crop_batch=2, class_chunk=1, keep_logits=True)
    chunked['decode_head'].update(class_chunk=1, pixel_chunk=3)
    model = segmentor(family, **chunked)
    single = [
        model(images[i : i + 1], samples()[i : i + 1], mode='predict')[0]
        for i in range(2)
    ]
    for found, wanted in zip(single, whole):
        assert found.pred_sem_seg.data.shape == (1, 50, 70)
        assert found.metainfo['classes'] == NAMES
        top = found.seg_logits.data.topk(2, dim=0).values
        clear = (top[0] - top[1] > 1e-5)[None]
        assert clear.float().mean() > 0.9
        assert torch.equal(
            found.pred_sem_seg.data[clear], wanted.pred_sem_seg.data[clear]
        )


@torch.no_grad()
def test_one_encoder_call_per_batch_and_one_text_call_per_list():
    model = segmentor()
    calls = dict(image=[], text=[])
    dense, embed = (
        model.backbone.forward_dense,
        model.text_encoder.forward,
    )
    model.backbone.forward_dense = lambda x, t: (
        calls['image'].append(len(x)) or dense(x, t)
    )
    model.text_encoder.forward = lambda t: (
        calls['text'].append(len(t)) or embed(t)
    )
    for _ in range(2):
        model(torch.randn(1, 3, 64, 64), samples(1), mode='predict')
    assert calls == dict(image=[5, 5], text=[3])


@torch.no_grad()
def test_whole_mode_is_one_squashed_view():
    model = segmentor(test_cfg=dict(mode='whole', crop=64, keep_logits=True))
    assert isinstance(model.views, WholeView)
    image = torch.randn(1, 3, 80, 48)
    (found,) = model(image, samples(1), mode='predict')
    squashed = F.interpolate(image, size=(64, 64), mode='bilinear')
    logits = model(squashed, mode='tensor')
    wanted = F.interpolate(logits.sigmoid(), size=(50, 70), mode='bilinear')
    assert torch.allclose(found.seg_logits.data, wanted[0], atol=1e-5)
    with pytest.raises(ValueError, match="'whole' none of them"):
        segmentor(test_cfg=dict(mode='whole', stride=3))


@torch.no_grad()
def test_input_size_squashes_the_tower_input_alone():
    model = segmentor(input_size=32)
    dense = model.extract_feat(torch.randn(1, 3, 64, 64))
    assert dense.content.shape[-2:] == (2, 2)
    assert [t.shape[-2:] for t in dense.taps] == [(2, 2)] * 2


@torch.no_grad()
def test_flipped_pictures_come_back():
    model, image = segmentor(), torch.randn(1, 3, 64, 64)
    (plain,) = model(image, samples(1), mode='predict')
    data = samples(1)
    data[0].set_metainfo(dict(flip=True, flip_direction='horizontal'))
    (flipped,) = model(image, data, mode='predict')
    assert torch.equal(
        flipped.pred_sem_seg.data, plain.pred_sem_seg.data.flip(-1)
    )


@pytest.mark.parametrize('names', [['cat'], ['cat', 'nothing']])
@torch.no_grad()
def test_one_word_and_threshold(names):
    """mmseg takes one channel for a binary task; here it is a class."""
    model = segmentor(names=names[:1])
    image = torch.randn(1, 3, 64, 64)
    (found,) = model(image, samples(1), mode='predict')
    assert (found.pred_sem_seg.data == 0).all()
    below = names[1] if len(names) > 1 else 255
    model = segmentor(
        names=names, test_cfg=dict(mode='whole', threshold=1.0, below=below)
    )
    (found,) = model(image, samples(1), mode='predict')
    assert (found.pred_sem_seg.data == (1 if len(names) > 1 else 255)).all()
    with pytest.raises(ValueError, match="below='sea' is none of"):
        segmentor(
            names=names,
            test_cfg=dict(mode='whole', threshold=1.0, below='sea'),
        )(image, samples(1), mode='predict')


def test_several_texts_of_a_class_train_and_predict():
    model = segmentor(names=None).train()
    model.set_vocabulary(['pet', 'car'], texts=dict(pet=['cat', 'dog']))
    data = samples(classes=2)
    model(torch.randn(2, 3, 64, 64), data, mode='loss')['loss_seg'].backward()
    model.eval()
    with torch.no_grad():
        assert model(torch.randn(1, 3, 64, 64)).shape[1] == 3  # queries
        found = model(torch.randn(2, 3, 64, 64), data, mode='predict')
    assert {*found[0].pred_sem_seg.data.unique().tolist()} <= {0, 1}


def test_predict_without_samples_keeps_the_size():
    with torch.no_grad():
        (found,) = segmentor()(torch.randn(1, 3, 40, 72), mode='predict')
    assert found.pred_sem_seg.data.shape == (1, 40, 72)


def test_towers_of_different_clips_are_refused():
    cfg = segmentor_cfg()
    cfg['text_encoder']['model'] = dict(
        cfg['text_encoder']['model'], embed_dim=20
    )
    with pytest.raises(ValueError, match='dim 12.*dim 20'):
        segmentor(**cfg)
    # both have 512 dimensions: nothing else would ever tell
    cfg['backbone'] = dict(type='DeCLIPViT', model='EVA02-B-16')
    cfg['text_encoder']['model'] = 'ViT-B-16'
    with torch.device('meta'), pytest.raises(ValueError, match='ViT-B-16'):
        segmentor(**cfg)


def test_builds_in_every_scope_and_without_one():
    cfg = segmentor_cfg()
    assert segmentor().text_embeddings().shape == (len(NAMES), 1, 12)
    cfg['type'] = 'mmseg.OVCATSegmentor'
    assert type(ROOT.build(cfg)).__name__ == 'OVCATSegmentor'
