"""The whole detector: losses, predictions, vocabulary."""

import pytest
import torch
from det_model import NAMES, text_encoder
from mmcv.ops import MultiScaleDeformableAttention
from mmdet.registry import MODELS
from ov_dquo_model import build, losses_of, ov_dquo_cfg, pictures
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

from declip_mm.apis import leave_distributed
from declip_mm.detection.ov_dquo.selection import select_tokens
from declip_mm.detection.ov_dquo.transformer import FullPrecisionAttention
from declip_mm.models.text import build_class_embeddings


def unused(model):
    return [
        name
        for name, p in model.named_parameters()
        if p.requires_grad and p.grad is None
    ]


CASES = dict(
    mixed=(0, -1),
    no_pseudo=(0, 1),
    only_pseudo=(-1, -1),
    nothing=(),
)


@pytest.mark.parametrize('case', CASES)
def test_trains_every_parameter_and_predicts(case):
    model = build()
    losses = losses_of(model, pictures(labels=CASES[case]))
    total, _ = model.parse_losses(losses)
    assert total.isfinite()
    total.backward()
    # a group without denoising queries would stop others in DDP
    assert unused(model) == []
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    assert all(g.isfinite().all() for g in grads)
    model.eval()
    with torch.no_grad():
        first, _ = model.test_step(pictures())
    found = first.pred_instances
    assert 0 < len(found) <= 100
    assert found.scores.isfinite().all() and found.labels.max() < len(NAMES)
    assert (found.scores.diff() <= 0).all()
    # in the picture's own pixels: 128 x 96, shown at half size
    assert found.bboxes[:, 0::2].max() <= 128
    assert found.bboxes[:, 1::2].max() <= 96
    assert found.bboxes.min() >= 0


def steps_of_ddp():
    model = DistributedDataParallel(build().train())
    inner = model.module
    for case in CASES.values():  # with and without denoising queries
        data = inner.data_preprocessor(pictures(labels=case), True)
        inner.parse_losses(model(**data, mode='loss'))[0].backward()


def test_ddp_waits_for_no_parameter():
    """One rank is enough: an unused parameter fails the next step."""
    store = distributed.HashStore()
    distributed.init_process_group('gloo', store=store, rank=0, world_size=1)
    try:
        steps_of_ddp()
    finally:
        leave_distributed()  # hangs at times while a variable holds DDP


def test_backbone_is_frozen_and_in_eval_mode():
    model = build().train()
    assert not any(m.training for m in model.backbone.modules())
    assert model.neck.training and model.bbox_head.training
    assert not any(p.requires_grad for p in model.backbone.parameters())


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_autocast_trains_and_predicts(dtype):
    model = build()
    with torch.autocast('cpu', dtype):
        total, _ = model.parse_losses(losses_of(model))
        total.backward()
        with torch.no_grad():
            first, _ = model.eval().test_step(pictures())
    assert total.isfinite() and unused(model) == []
    assert first.pred_instances.scores.isfinite().all()
    assert first.pred_instances.bboxes.dtype == torch.float32
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    assert all(g.isfinite().all() for g in grads)


def test_deformable_attention_is_in_full_precision():
    """On a GPU mmcv has no kernel of it for bfloat16."""
    found = [
        part
        for part in build().modules()
        if isinstance(part, MultiScaleDeformableAttention)
    ]
    attention = found[0].eval()
    assert found and {type(part) for part in found} == {FullPrecisionAttention}
    torch.manual_seed(0)
    query, value = torch.rand(2, 1, 6, attention.embed_dims).bfloat16()
    levels = attention.num_levels
    places = dict(
        reference_points=torch.rand(1, 6, levels, 2),
        spatial_shapes=torch.tensor([[1, 2]] * levels),
        level_start_index=torch.arange(levels) * 2,
    )
    value = value[:, : 2 * levels]
    wanted = attention(query.float(), value=value.float(), **places)
    with torch.autocast('cpu', torch.bfloat16):
        same = attention(query, value=value, **places)
    assert same.dtype == torch.float32 and torch.equal(same, wanted)


def test_a_novel_object_in_training_is_an_error():
    with pytest.raises(ValueError, match='blue thing'):
        losses_of(build(), pictures(labels=(0, 2)))
    with pytest.raises(ValueError, match='blue thing'):
        losses_of(build(novel_names=True), pictures(labels=(0, 2)))


@pytest.mark.parametrize('count', [1, 7])
def test_names_can_be_swapped_after_loading(count):
    """Acceptance 8: any test vocabulary, with factor 1."""
    model = build()
    state = model.state_dict()
    assert not any('embeddings' in key or '_text' in key for key in state)
    other = MODELS.build(ov_dquo_cfg())
    other.load_state_dict(state)
    names = ['umbrella', 'kite', 'bus', 'dog', 'zebra', 'cat', 'fox'][:count]
    other.set_vocabulary(names)
    with torch.no_grad():
        first, _ = other.eval().test_step(pictures())
    assert other.names == names
    labels = first.pred_instances.labels
    assert len(labels) and labels.max() < count
    assert (labels.max() > 2) == (count > 3)


def test_without_names_the_error_says_what_to_do():
    model = MODELS.build(ov_dquo_cfg())
    with pytest.raises(ValueError, match='VocabularyHook'):
        losses_of(model)


def test_a_file_with_another_wildcard_is_refused(tmp_path):
    path = str(tmp_path / 'classes.npz')
    encoder = MODELS.build(text_encoder())
    for phrase in ('background', 'object'):
        build_class_embeddings(encoder, NAMES, 'name', background=phrase).save(
            path
        )
        if phrase == 'object':
            model = build(embedder=dict(embeddings=path))
            wanted = encoder.encode([phrase])[0]
            assert torch.allclose(model._text()[3], wanted, atol=1e-6)
            continue
        with pytest.raises(ValueError, match="of 'background', the wildca"):
            build(embedder=dict(embeddings=path))


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match='unknown select_by'):
        build(select_by='clip')
    with pytest.raises(ValueError, match='tau_vlm must be above 0'):
        build(tau_vlm=0)
    with pytest.raises(TypeError, match='forward_dense'):
        build(backbone=dict(type='ResNet', depth=18))
    with pytest.raises(ValueError, match='wildcard needs a text'):
        cfg = ov_dquo_cfg()
        cfg.embedder.background = None
        MODELS.build(cfg)
    with pytest.raises(ValueError, match='500 queries'):
        losses_of(build(num_queries=500))


def test_queries_by_objectness_times_clip():
    """The best of those that were kept by objectness alone."""
    logits = torch.tensor([[3.0, 2.0, 1.0, 0.0, -1.0]])
    places = torch.arange(5.0)[None, :, None].expand(1, 5, 4)

    def likelihood(boxes):  # the later, the likelier
        return boxes[..., 0] ** 20

    def chosen(preselect, ask=likelihood):
        return select_tokens(logits, places, 2, preselect, ask).tolist()

    assert chosen(5, None) == [[0, 1]]
    assert chosen(5) == [[3, 4]]
    assert chosen(3) == [[2, 1]]
    assert chosen(1) == [[1, 0]]  # never fewer than queries
    with torch.no_grad():
        model = build(select_by='objectness_x_clip', preselect=30).eval()
        first, _ = model.test_step(pictures())
    assert len(first.pred_instances)
