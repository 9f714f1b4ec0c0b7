"""The parts of OV-DQUO: what is tied, matched, denoised, and at what cost."""

import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F
from det_model import NAMES, SIZE
from mmdet.registry import MODELS
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from ov_dquo_model import build, losses_of, pictures

from declip_mm.detection.ov_dquo import (
    PSEUDO_LABEL,
    ConditionalMatcher,
    RepeatFactorSampler,
)
from declip_mm.detection.ov_dquo.assignment import (
    most_likely,
    tie_to_pseudo_objects,
)
from declip_mm.detection.ov_dquo.boxes import overlap
from declip_mm.detection.ov_dquo.denoising import (
    WildcardQueryGenerator,
    objects_to_denoise,
)
from declip_mm.detection.ov_dquo.inference import detections, final_scores
from declip_mm.detection.ov_dquo.step_classes import choose_classes, relabel
from declip_mm.detection.ov_dquo.targets import Targets, read_targets

WILDCARD = 3


def objects(*labels, weights=None):
    """Objects along the diagonal, a tenth of the picture each."""
    count = len(labels)
    places = torch.arange(count, dtype=torch.float32) * 0.2 + 0.15
    boxes = torch.full((count, 4), 0.1)
    boxes[:, :2] = places[:, None]
    given = torch.ones(count) if weights is None else torch.tensor(weights)
    return Targets(boxes, torch.tensor(labels, dtype=torch.long), given)


def test_a_query_of_another_class_never_matches():
    """Acceptance 1; the best box of all is on the wrong object."""
    targets = objects(0, 1, PSEUDO_LABEL)
    logits = torch.tensor([[5.0, 5.0, 5.0, -5.0]])
    boxes = targets.boxes[[1, 0, 2, 2]][None]
    classes = torch.tensor([[0, 1, 2, WILDCARD]])
    matcher = ConditionalMatcher()
    # 0 and 1 lie on each other's objects; 2 lies on the pseudo one
    pairs = matcher.match(logits, boxes, [targets], classes, WILDCARD)
    assert pairs.query.tolist() == [3] and pairs.object.tolist() == [2]
    assert pairs.targets.pseudo.all()
    plain = matcher.match(logits, boxes, [targets])
    assert dict(zip(plain.query.tolist(), plain.object.tolist())) == {
        0: 1,
        1: 0,
        2: 2,
    }


def test_an_object_that_no_query_of_its_class_overlaps_is_left_out():
    targets = objects(0, 1)
    far = torch.tensor([[0.9, 0.9, 0.05, 0.05], [0.35, 0.35, 0.1, 0.1]])
    pairs = ConditionalMatcher().match(
        torch.zeros(1, 2), far[None], [targets], torch.tensor([[0, 1]]), 2
    )
    assert (pairs.query.tolist(), pairs.object.tolist()) == ([1], [1])


def head():
    losses = dict(
        loss_cls=dict(type='OVDQUOQualityLoss'),
        loss_bbox=dict(type='L1Loss', loss_weight=5.0),
        loss_iou=dict(type='OVDQUOGIoULoss'),
        loss_denoising=dict(type='OVDQUODenoisingLoss'),
    )
    return MODELS.build(
        ConfigDict(
            type='OVDQUOHead',
            embed_dims=8,
            num_pred_layer=2,
            train_cfg=dict(assigner=dict(type='ConditionalMatcher')),
            **losses,
        )
    )


def test_pseudo_pairs_have_no_box_loss():
    """Acceptance 2: their boxes get no gradient, their logits do."""
    targets = objects(0, PSEUDO_LABEL, weights=[1.0, 0.25])
    logits = torch.zeros(1, 2, requires_grad=True)
    boxes = (targets.boxes[None] + 0.01).requires_grad_()
    classes = torch.tensor([[0, WILDCARD]])
    own = head()
    pairs = own.assigner.match(logits, boxes, [targets], classes, WILDCARD)
    assert len(pairs.query) == 2
    counts = own._counts(pairs)
    assert counts.tolist() == [1, 1]
    found = own._layer_losses('', logits, boxes, pairs, counts)
    sum(found.values()).backward()
    assert (boxes.grad[0, 0] != 0).any()
    assert (boxes.grad[0, 1] == 0).all()
    # the weight of a pseudo object enters by its root
    real, pseudo = logits.grad[0].tolist()
    assert pseudo == pytest.approx(real * 0.5, rel=1e-4)


def test_denoising_positives_look_for_the_wildcard():
    """Acceptance 3: whatever label was flipped; negatives for their label."""
    torch.manual_seed(0)
    generator = WildcardQueryGenerator(WILDCARD, 8, 5, num_dn_queries=60)
    torch.nn.init.zeros_(generator.label_embedding.weight)
    text = torch.arange(4.0)[:, None].expand(4, 8)
    targets = [objects(0, PSEUDO_LABEL, PSEUDO_LABEL), objects(2)]
    found = generator(targets, text)
    assert (found.groups, found.count) == (30, 120)
    looked = found.content[0, :, 0].view(30, 2, 2)
    assert (looked[:, 0] == WILDCARD).all()
    assert (looked[:, 1] == WILDCARD).float().mean() > 0.6
    assert set(looked[:, 1].flatten().tolist()) == {0, 1, 2, 3}
    # the second picture has no pseudo object: padding
    assert (found.content[1] == 0).all() and (found.boxes[1] == 0).all()
    assert found.mask.shape == (125, 125) and found.mask[120:, :120].all()
    (image, place), weights = found.positives()
    assert len(image) == 60 and not image.any() and len(weights) == 60
    near = found.boxes.sigmoid()[0, place]
    iou, _ = overlap(near, targets[0].boxes[[1, 2]].repeat(30, 1))
    assert iou.min() > 0


def test_without_pseudo_objects_one_annotated_is_denoised():
    targets = [objects(), objects(2, 1), objects(0)]
    chosen = objects_to_denoise(targets)
    assert [t.labels.tolist() for t in chosen] == [[], [2], []]
    assert not sum(len(t.labels) for t in objects_to_denoise([objects()]))
    generator = WildcardQueryGenerator(WILDCARD, 8, 5)
    nothing = generator([objects()], torch.zeros(4, 8))
    assert (nothing.count, nothing.groups) == (0, 1)
    assert not nothing.mask.any()
    # few are not shared out
    few = WildcardQueryGenerator(WILDCARD, 8, 5, num_dn_queries=10)
    assert few.get_num_groups(7) == 20
    many = WildcardQueryGenerator(WILDCARD, 8, 5, num_dn_queries=100)
    assert [many.get_num_groups(n) for n in (1, 3, 150)] == [100, 33, 1]


@pytest.mark.parametrize(('shift', 'tied'), [(0.030, True), (0.037, False)])
def test_queries_on_pseudo_objects_are_tied_to_the_wildcard(shift, tied):
    """Acceptance 4, on both sides of an IoU of 0.5."""
    targets = objects(0, PSEUDO_LABEL)
    boxes = targets.boxes[None].clone()
    boxes[..., 0] += shift  # of a side of 0.1
    iou, _ = overlap(boxes[0, 1], targets.boxes[1])
    assert (iou > 0.5) == tied
    likely = torch.tensor([[[0.1, 0.2, 0.7], [0.5, 0.3, 0.2]]])
    classes = most_likely(likely)
    assert classes.tolist() == [[2, 0]]
    found = tie_to_pseudo_objects(classes, boxes, [targets], WILDCARD)
    # an annotated object ties none
    assert found.tolist() == [[2, WILDCARD if tied else 0]]


def test_the_novel_factor_changes_what_is_looked_for():
    likely = torch.tensor([[[0.5, 0.3, 0.2]]])
    assert most_likely(likely).tolist() == [[0]]
    assert most_likely(likely, torch.tensor([1, 1, 3.0])).tolist() == [[2]]
    model = build().eval()
    seen = []
    inner = model._tie
    model._tie = lambda *args: seen.append(inner(*args)) or seen[-1]
    data = pictures(1)
    model.test_step(data)
    novel = (int(seen[0][0, 0]) + 1) % len(NAMES)
    model.set_vocabulary(
        NAMES, base=[n for i, n in enumerate(NAMES) if i != novel]
    )
    model.test_step(data)
    assert torch.equal(seen[0], seen[1])  # 1, unless it is asked for
    model.novel_factor = 1e30
    model.test_step(data)
    assert (seen[2] == novel).all()


def test_padding_changes_no_box():
    """Acceptance 5: sizes are those of the picture, not of the batch."""
    model = build().eval()
    # DINO's positions of queries, alone, are those in the padded frame
    nn.init.zeros_(model.decoder.ref_point_head.layers[-1].weight)
    for branch in model.bbox_head.reg_branches:
        nn.init.normal_(branch[-1].weight, std=0.1)
    torch.manual_seed(0)
    maps = [torch.randn(1, 16, 6 * k // 2, 8 * k // 2) for k in (4, 2, 1)]
    vlm = F.normalize(torch.randn(1, 12, 6, 8), dim=1)
    text = model._text()[:-1]

    def run(maps, vlm, padded):
        sample = pictures(1)['data_samples'][0]
        sample.set_metainfo(
            dict(img_shape=(96, 128), batch_input_shape=padded)
        )
        with torch.no_grad():
            found = model.forward_transformer(maps, [sample], vlm, text)
            return model.score(*model.bbox_head(**found), vlm, [sample], text)

    def pad(x, mode='constant', **options):
        right, below = x.shape[-1] // 4, x.shape[-2] // 3
        return F.pad(x, (0, right, 0, below), mode, **options)

    boxes, scores = run(maps, vlm, (96, 128))
    # RoIAlign of a box at the edge reads half a cell beyond it
    wide_boxes, wide_scores = run(
        [pad(m, value=3.0) for m in maps], pad(vlm, 'replicate'), (128, 160)
    )
    assert torch.allclose(boxes, wide_boxes, atol=1e-5)
    assert torch.allclose(scores, wide_scores, atol=1e-5)


def test_boxes_of_the_padded_batch_are_in_the_pictures_pixels():
    data = pictures(1)
    sample = data['data_samples'][0]
    sample.gt_instances.bboxes = torch.tensor(
        [[0.0, 0.0, SIZE, 48.0], [16.0, 12.0, 48.0, 36.0]]
    )
    (found,) = read_targets(data['data_samples'])
    wanted = [[0.5, 0.5, 1.0, 1.0], [0.5, 0.5, 0.5, 0.5]]
    assert found.boxes.tolist() == wanted
    assert found.weights.tolist() == [1, 1]
    assert found.pseudo.tolist() == [False, True]


def test_classes_of_a_step():
    targets = [objects(7, PSEUDO_LABEL), objects(2, 7)]
    allowed = torch.arange(10)
    torch.manual_seed(0)
    drawn = [choose_classes(targets, allowed, 4).tolist() for _ in range(20)]
    assert all(len(d) == 4 and d == sorted(d) for d in drawn)
    assert all({2, 7} <= set(d) for d in drawn)
    assert len({tuple(d) for d in drawn}) > 5
    assert choose_classes(targets, allowed, 10) is allowed
    # more classes than a step has: all that belongs to an object goes along
    many = Targets(
        torch.rand(6, 4),
        torch.tensor([0, 1, PSEUDO_LABEL, 2, 3, 4]),
        torch.arange(6) / 10 + 0.1,
    )
    classes = choose_classes([many], allowed, 3)
    found = relabel(many, classes)
    assert len(found.boxes) == len(found.weights) == 4
    assert found.pseudo.sum() == 1
    place = (many.boxes == found.boxes[found.pseudo]).all(1)
    assert many.labels[place].tolist() == [PSEUDO_LABEL]
    kept = classes[found.labels[~found.pseudo]]
    assert set(kept.tolist()) == set(classes.tolist())


def test_names_of_novel_classes_may_be_negatives():
    model = build(novel_names=True, train_classes=2)
    targets = read_targets(pictures()['data_samples'])
    seen = set()
    for _ in range(20):
        found, text = model.step_classes(targets)
        assert text.shape == (3, 12)
        rows = model._text()
        seen |= {i for i, row in enumerate(rows) if (row == text).all(1).any()}
        # the red thing has an object in every picture
        assert all(len(t.labels) == 2 for t in found)
    assert seen == {0, 1, 2, 3}
    text = build().step_classes(targets)[1]
    assert torch.equal(text, build()._text()[[0, 1, 3]])


def test_scores_are_clips():
    likely = torch.tensor([[0.8, 0.1]])
    scores = final_scores(likely, torch.tensor([0.0]))
    assert scores.tolist() == [pytest.approx([0.4, 0.05])]
    assert torch.equal(final_scores(likely, torch.tensor([0.0]), 0.0), likely)
    pressed = final_scores(
        torch.tensor([[1.0, 0.0]]), torch.tensor([99.0]), 1.0, 1e-3
    )
    assert pressed.tolist() == [pytest.approx([0.999, 0.000999], abs=1e-5)]


def test_detections_of_several_classes_and_pictures_edges():
    boxes = torch.tensor([[0.1, 0.5, 0.4, 0.4], [0.11, 0.5, 0.4, 0.4]])
    scores = torch.tensor([[0.9, 0.2], [0.8, 0.1]])
    cfg = ConfigDict(
        score_thr=0.001,
        nms=dict(type='nms', iou_threshold=0.5),
        max_per_img=10,
    )
    found = detections(boxes, scores, (100, 200), cfg)
    assert isinstance(found, InstanceData)
    assert found.labels.tolist() == [0, 1]
    assert found.scores.tolist() == pytest.approx([0.9, 0.2])
    assert found.bboxes[0].tolist() == pytest.approx([0, 30, 60, 70])
    open_ended = detections(boxes, scores, (100, 200), dict(cfg, clip=False))
    assert open_ended.bboxes[0, 0] == pytest.approx(-20)


class Pictures:
    """Of a data set: 98 of class 0 alone, 2 with class 1, too.

    One has a pseudo object.
    """

    def __len__(self):
        return 100

    def get_cat_ids(self, index):
        return [0, 1] if index < 2 else [0, 0, -1 - (index > 98)]


def test_rare_classes_are_drawn_more_often():
    sampler = RepeatFactorSampler(Pictures(), repeat_thr=1.0, seed=0)
    assert sampler.weights[2:].tolist() == [1.0] * 98
    assert sampler.weights[0] == pytest.approx(50**0.5)
    drawn = list(sampler)
    assert len(drawn) == len(sampler) == 100
    assert drawn == list(sampler)
    sampler.set_epoch(1)
    assert drawn != list(sampler)
    assert 4 < sum(i < 2 for i in drawn) < 30
    rare = RepeatFactorSampler(Pictures(), repeat_thr=0.001, seed=0)
    assert (rare.weights == 1).all()
    with pytest.raises(ValueError, match='share of pictures, got True'):
        RepeatFactorSampler(Pictures(), repeat_thr=True)


def test_a_step_draws_by_its_number():
    """A run that was resumed makes the draws of one that was not."""
    torch.manual_seed(3)
    model, data = build(novel_names=True), pictures()
    first = losses_of(model, data)
    before = torch.get_rng_state()
    second = losses_of(model, data)
    assert torch.equal(before, torch.get_rng_state())
    assert first['dn_loss_cls'] != second['dn_loss_cls']
    model.steps.zero_()
    torch.rand(7)
    again = losses_of(model, data)
    assert all(torch.equal(again[k], first[k]) for k in first)
    assert int(model.state_dict()['steps']) == 1
