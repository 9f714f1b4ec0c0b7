"""CLIPSelf, RegionCLIP and CLIM on the one distiller."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import HOOKS, MODELS
from tiny import TEXT, backbone_cfg, batch, distiller_cfg, tiny_eva

from declip_mm.models.region_losses import (
    NounTargets,
    RegionContrastLoss,
    RegionCosineLoss,
    RegionNounLoss,
)
from declip_mm.models.regions import box_features

NOUNS = ['cat', 'dog', 'tree', 'car', 'cup', 'hat', 'bus']
ENCODER = dict(
    type='DeCLIPTextEncoder', model=dict(tiny_eva(), text_cfg=dict(TEXT))
)


def build(**options):
    torch.manual_seed(0)
    student = backbone_cfg(affinity='maskclip', frozen_stages=0)
    options = dict(context_teacher=None, normalize_content=True, **options)
    return MODELS.build(distiller_cfg(backbone=student, **options)).train()


def step(model, inputs, samples):
    losses = model(inputs, samples, mode='loss')
    assert set(losses) == {'loss_content'}
    losses['loss_content'].backward()
    for name, p in model.named_parameters():
        if p.requires_grad:
            assert p.grad is not None, name
    return losses['loss_content']


def test_clipself():
    """One minus the cosine on normalised values of the last block."""
    model = build()
    inputs, samples = batch()
    dense = model.backbone.forward_dense(inputs['image']).content
    regions = box_features(
        F.normalize(dense, dim=1), [s.boxes for s in samples]
    )
    crops = model.content_teacher(inputs['crops'])
    wanted = (1 - F.cosine_similarity(regions, crops)).mean()
    torch.testing.assert_close(step(model, inputs, samples), wanted)


def noun_model(columns=5):
    return build(
        content_teacher=dict(
            type='NounTeacher',
            text_encoder=ENCODER,
            prompts='name',
            columns=columns,
        ),
        region_loss=dict(type='RegionNounLoss', logit_scale=10.0),
    )


def noun_batch():
    inputs, samples = batch((3, 2))
    del inputs['crops'], inputs['vfm']
    for sample, labels in zip(samples, ([0, 4, 0], [2, 4])):
        sample.labels = torch.tensor(labels)
    return inputs, samples


def test_regionclip():
    model = noun_model()
    model.content_teacher.set_vocabulary(NOUNS)
    loss = step(model, *noun_batch())
    assert loss.item() > 0
    model.content_teacher.set_vocabulary(NOUNS[:6])
    assert not any('content_teacher' in key for key in model.state_dict())


def test_nouns_of_the_batch_and_drawn_others():
    teacher = noun_model().content_teacher
    teacher.set_vocabulary(NOUNS)
    _, samples = noun_batch()
    targets = teacher(None, samples)
    assert targets.matrix.shape == (5, 12)
    full = teacher.embedder.class_rows(teacher.vocabulary)
    own = targets.matrix[targets.labels]
    assert torch.equal(own, full[torch.tensor([0, 4, 0, 2, 4])])
    assert torch.equal(teacher(None, samples).matrix, targets.matrix)
    draws = set()
    for epoch in range(8):
        for sample in samples:
            sample.set_metainfo(dict(epoch=epoch))
        draws.add(teacher(None, samples).matrix[3:].sum().item())
    assert len(draws) > 1
    # more names present than columns: all of them stay
    small = noun_model(columns=1).content_teacher
    small.set_vocabulary(NOUNS)
    assert len(small(None, samples).matrix) == 3


def test_noun_loss_hard_numbers():
    loss = RegionNounLoss(logit_scale=2.0)
    targets = NounTargets(torch.eye(2), torch.tensor([0]))
    found = loss(torch.tensor([[3.0, 0.0]]), targets, 1.0)
    # logits 2 (wanted 1) and 0 (wanted 0)
    wanted = torch.tensor(2.0).neg().exp().log1p() + torch.tensor(2.0).log()
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(
        loss(torch.tensor([[3.0, 0.0]]), targets, 4.0), wanted / 4
    )
    none = NounTargets(torch.eye(2), torch.zeros(0, dtype=torch.long))
    assert loss(torch.zeros(0, 2), none, 0).item() == 0


def test_nouns_are_needed():
    model = noun_model()
    with pytest.raises(ValueError, match="dict\\(type='NounHook'\\)"):
        model(*noun_batch(), mode='loss')


class Runner:
    def __init__(self, model, classes):
        self.model = model
        dataset = type('Set', (), dict(metainfo=dict(classes=classes)))()
        self.train_dataloader = type('Loader', (), dict(dataset=dataset))()


def test_noun_hook():
    hook = HOOKS.build(dict(type='NounHook'))
    model = noun_model()
    hook.before_train(Runner(model, NOUNS))
    assert [*model.content_teacher.vocabulary.classes] == NOUNS
    with pytest.raises(ValueError, match='there are no class names'):
        hook.before_train(Runner(model, ()))
    with pytest.raises(ValueError, match='is a CLIPCropTeacher'):
        hook.before_train(Runner(build(), NOUNS))


def test_clim():
    model = build(
        content_teacher=dict(type='CaptionTeacher', text_encoder=ENCODER),
        region_loss=dict(type='RegionContrastLoss', logit_scale=5.0),
    )
    inputs, samples = batch((4, 3))
    captions = ['a cat', 'a dog', 'one tree', 'the car', 'cup', 'hat', 'bus']
    samples[0].set_metainfo(dict(captions=captions[:4]))
    samples[1].set_metainfo(dict(captions=captions[4:]))
    assert step(model, dict(image=inputs['image']), samples).item() > 0


def test_contrast_is_clips_own():
    torch.manual_seed(0)
    regions, texts = torch.randn(2, 6, 4)
    loss = RegionContrastLoss(logit_scale=7.0)(regions, texts, 6.0)
    logits = 7 * F.normalize(regions, dim=-1) @ F.normalize(texts, dim=-1).t()
    own = torch.arange(6)
    wanted = F.cross_entropy(logits, own) + F.cross_entropy(logits.t(), own)
    torch.testing.assert_close(loss, wanted / 2)
    with pytest.raises(ValueError, match='6 regions for 5 captions'):
        RegionContrastLoss()(regions, texts[:5], 6.0)
    assert RegionContrastLoss()(regions[:0], texts[:0], 0.0).item() == 0


def test_the_default_is_the_papers():
    assert type(MODELS.build(distiller_cfg()).region_loss) is RegionCosineLoss


@pytest.mark.parametrize('kind', ['RegionNounLoss', 'RegionContrastLoss'])
def test_refused_scale(kind):
    with pytest.raises(ValueError, match='logit_scale must be positive'):
        MODELS.build(dict(type=kind, logit_scale=0))


def test_contrast_over_ranks_of_unequal_size(monkeypatch):
    """Two ranks of 2 and 3 regions give the loss of all 5 at once."""
    torch.manual_seed(0)
    regions, texts = torch.randn(2, 5, 4)
    parts = [slice(0, 2), slice(2, 5)]
    module = 'declip_mm.models.region_losses'
    loss = RegionContrastLoss(logit_scale=3.0)
    wanted = loss(regions, texts, 5.0)
    monkeypatch.setattr(f'{module}.dist.get_world_size', lambda: 2)
    monkeypatch.setattr(
        f'{module}.dist.all_gather',
        lambda _: [torch.tensor([2]), torch.tensor([3])],
    )

    def gather(padded):
        """What every rank gets; tells regions and texts by their rows."""
        assert padded.shape == (3, 4)
        source = next(
            unit
            for unit in (F.normalize(t, dim=-1) for t in (regions, texts))
            if (unit == padded[0]).all(-1).any()
        )
        return [F.pad(source[:2], (0, 0, 0, 1)), source[2:]]

    monkeypatch.setattr(f'{module}.dist_nn.all_gather', gather)
    found = []
    for rank, part in enumerate(parts):
        monkeypatch.setattr(f'{module}.dist.get_rank', lambda r=rank: r)
        found.append(loss(regions[part], texts[part], 5.0))
    torch.testing.assert_close(sum(found), wanted)


@pytest.mark.parametrize('kind', [RegionNounLoss, RegionContrastLoss])
def test_autocast_leaves_the_losses_in_float32(kind):
    """At a scale of 100 bfloat16 would round logits to halves."""
    generator = torch.Generator().manual_seed(0)
    regions = torch.randn(6, 12, generator=generator)
    targets = F.normalize(torch.randn(6, 12, generator=generator), dim=1)
    if kind is RegionNounLoss:
        targets = NounTargets(targets, torch.arange(6))
    wanted = kind()(regions, targets, 6)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        found = kind()(regions, targets, 6)
    torch.testing.assert_close(found, wanted, rtol=0, atol=0)
