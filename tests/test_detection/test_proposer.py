"""The proposer learns from objects alone; weights and recall tell them."""

import json

import numpy as np
import pytest
import torch
from det_model import samples
from mmdet.registry import METRICS, MODELS
from mmengine.structures import InstanceData
from pseudo_world import NOVEL, proposer_cfg, write_squares

from declip_mm.detection.pseudo.foreground import (
    ForegroundEstimator,
    background_boxes,
    fit_foreground,
    region_features,
)
from declip_mm.detection.pseudo.localisation import centreness


def build(seed=0):
    torch.manual_seed(seed)
    return MODELS.build(proposer_cfg())


def losses(model, data):
    data = model.data_preprocessor(data, True)
    return model.loss(data['inputs'], data['data_samples'])


def total(found):
    parts = [
        part
        for name, value in found.items()
        if 'loss' in name
        for part in (value if isinstance(value, list) else [value])
    ]
    return sum(part.sum() for part in parts)


# ---- heads -----------------------------------------------------------------


def test_centreness_is_fcos():
    boxes = torch.tensor([[0.0, 0, 8, 8]] * 3)
    anchors = torch.tensor(
        [[2.0, 2, 6, 6], [0.0, 2, 4, 6], [10.0, 10, 14, 14]]
    )
    found = centreness(anchors, boxes)
    # left 2, right 6; top and bottom 4 each
    assert found.tolist() == pytest.approx([1, (2 / 6) ** 0.5, 0])


def test_every_parameter_that_trains_gets_a_gradient():
    model = build().train()
    total(losses(model, samples())).backward()
    bare = [
        name
        for name, value in model.named_parameters()
        if value.requires_grad and value.grad is None
    ]
    assert bare == []
    assert not any(p.requires_grad for p in model.backbone.parameters())


@pytest.mark.parametrize('count', [0, 2])
def test_also_where_a_batch_has_no_object(count):
    """DDP wants all of them; losses are 0 and finite."""
    model = build().train()
    data = samples()
    for sample in data['data_samples']:
        sample.gt_instances = sample.gt_instances[:count]
    found = total(losses(model, data))
    assert torch.isfinite(found) and (found > 0) == (count > 0)
    found.backward()
    assert all(
        p.grad is not None for p in model.parameters() if p.requires_grad
    )


def test_regions_off_the_objects_are_no_negatives():
    """An unlabelled object is not pushed down, whatever its score."""
    head = build().rpn_head
    scores = torch.zeros(1, 1, 2, 2, requires_grad=True)
    deltas = torch.zeros(1, 4, 2, 2, requires_grad=True)
    anchors = torch.tensor([[0.0, 0, 8, 8]] * 4)[None]
    labels = torch.tensor([[0, 1, 1, 1]])
    parts = head.loss_by_feat_single(
        *(scores, deltas, anchors, labels, torch.ones(1, 4)),
        *(anchors + 1, torch.ones(1, 4, 4), 1),
    )
    sum(parts).backward()
    assert scores.grad.flatten()[0] != 0
    assert scores.grad.flatten()[1:].eq(0).all()
    assert deltas.grad.flatten(2)[..., 1:].eq(0).all()


def test_the_second_stage_learns_the_overlap():
    head = build().roi_head.bbox_head
    rois = torch.tensor([[0.0, 0, 0, 10, 10], [0.0, 5, 5, 25, 25]])
    truth = torch.tensor([[0.0, 0, 10, 20], [5.0, 5, 25, 25]])
    targets = head.bbox_coder.encode(rois[:, 1:], truth)
    score = torch.tensor([[0.0], [9.0]], requires_grad=True)
    found = head.loss(
        *(score, targets, rois, torch.tensor([0, 1])),
        *(torch.ones(2), targets, torch.ones(2, 4)),
    )
    assert found['loss_bbox'] == 0
    found['loss_iou'].backward()
    # IoU 0.5 is what sigmoid(0) says already; the second is no object
    assert found['loss_iou'].item() == pytest.approx(0, abs=1e-4)
    assert score.grad[1] == 0


def test_predictions_are_sorted_boxes_of_one_class():
    model = build().eval()
    found = model.test_step(samples())[0].pred_instances
    assert len(found) and (found.labels == 0).all()
    assert (found.scores.diff() <= 0).all()
    assert found.bboxes.min() >= 0 and found.bboxes[:, 2].max() <= 128


def test_labels_do_not_matter():
    model = build().train()
    torch.manual_seed(1)
    ours = total(losses(model, samples(labels=(0, 1))))
    torch.manual_seed(1)
    theirs = total(losses(model, samples(labels=(5, -1))))
    assert torch.equal(ours, theirs)


def test_another_pixel_rule_is_refused():
    cfg = proposer_cfg()
    cfg.data_preprocessor.update(mean=[1.0, 2, 3], std=[50.0, 50, 50])
    with pytest.raises(ValueError, match='wants pixel mean'):
        MODELS.build(cfg)


# ---- foreground weights ----------------------------------------------------


def clouds(count=400, width=16):
    """Background near one direction, objects of all kinds."""
    torch.manual_seed(0)
    common = torch.randn(2, width) @ torch.randn(width, width)
    background = torch.randn(count, 2) @ common
    background += 0.05 * torch.randn(count, width)
    objects = torch.randn(count, width)
    return (
        torch.nn.functional.normalize(part, dim=1)
        for part in (background, objects)
    )


def test_what_is_hard_to_rebuild_has_weight():
    background, objects = clouds()
    tokens = torch.cat([background, objects[:40]])
    found = fit_foreground(tokens, objects[:200], background[:200], steps=300)
    assert found.separation > 0.9
    new, old = (
        found.weights(found.errors(part))
        for part in (objects[200:], background[200:])
    )
    assert new.mean() > 0.8 and old.mean() < 0.3
    assert (new > 0).all() and (new <= 1).all()
    again = ForegroundEstimator.load(
        torch.load(_saved(found), weights_only=True)
    )
    errors = again.errors(objects)
    assert np.array_equal(errors, found.errors(objects))
    assert np.array_equal(again.weights(errors), found.weights(errors))


def _saved(found):
    from io import BytesIO

    file = BytesIO()
    torch.save(found.state(), file)
    file.seek(0)
    return file


def test_too_few_regions_are_refused():
    background, objects = clouds()
    with pytest.raises(ValueError, match='3 known objects'):
        fit_foreground(background, objects[:3], background)


def test_regions_are_looked_at_in_their_middle():
    dense = torch.zeros(1, 2, 4, 4)
    dense[0, 0] = 1
    dense[0, :, 1, 2] = torch.tensor([0.0, 1.0])
    # the middle of the cell in row 1, column 2
    box = torch.tensor([[0.5, 0.25, 0.75, 0.5]])
    assert region_features(dense, [box]).tolist() == [[0, 1]]
    assert region_features(dense, [box - 0.25]).tolist() == [[1, 0]]


def test_background_lies_off_the_objects():
    known = torch.tensor([[10.0, 10, 40, 40], [60.0, 60, 80, 90]])
    found = background_boxes(known, (100, 100), np.random.default_rng(0))
    assert 0 < len(found) <= 2
    full = torch.tensor([[0.0, 0, 100, 100]])
    rng = np.random.default_rng(0)
    assert background_boxes(full, (100, 100), rng).shape == (0, 4)


# ---- recall ----------------------------------------------------------------


def test_recall_counts_base_and_novel_apart(tmp_path):
    path = write_squares(tmp_path, 2)
    content = json.loads(path.read_text())
    metric = METRICS.build(
        dict(type='ObjectRecall', ann_file=str(path), top=(1, 3))
    )
    metric.dataset_meta = dict(
        base_classes=('red thing', 'green thing'), novel_classes=(NOVEL,)
    )
    for image in (1, 2):
        boxes = torch.tensor(
            [n['bbox'] for n in content['annotations'] if n['image_id'] == 1]
        ).float()
        boxes[:, 2:] += boxes[:, :2]
        scores = torch.tensor([0.9, 0.5, 0.7])
        # a box that has two names is one
        found = InstanceData(
            bboxes=boxes.repeat(2, 1), scores=scores.repeat(2)
        )
        if image == 2:
            found = found[:0]
        metric.process({}, [dict(img_id=image, pred_instances=found)])
    assert metric.compute_metrics(metric.results) == dict(
        base_recall_1=25.0,
        base_recall_3=50.0,
        novel_recall_1=0.0,
        novel_recall_3=50.0,
    )


def test_checkpoints_of_proposer_and_f_vit_are_told_apart():
    from det_model import build as build_f_vit

    from declip_mm.checkpoint.consumers import F_VIT, PROPOSER, consumer_of

    assert consumer_of(build().state_dict()) is PROPOSER
    assert consumer_of(build_f_vit().state_dict()) is F_VIT
