"""LVIS's federated AP, on files whose AP is known by hand."""

import json

import numpy as np
import pytest
from det_world import annotations
from mmdet.registry import METRICS
from pycocotools import mask as mask_utils

#: In the order of ids 3, 5, 7.
CLASSES = ('green thing', 'blue thing', 'red thing')


def metric(folder, content=None, **options):
    path = folder / 'lvis.json'
    path.write_text(json.dumps(content or annotations(lvis=True)))
    found = METRICS.build(
        dict(type='FasterLVISMetric', ann_file=str(path), **options)
    )
    found.dataset_meta = dict(classes=CLASSES)
    return found


def prediction(image, *boxes):
    """Boxes as (class name, x0 y0 x1 y1, score), with masks that fill them."""
    masks = []
    for _, (x0, y0, x1, y1), _ in boxes:
        mask = np.zeros((80, 96), np.uint8, order='F')
        mask[y0:y1, x0:x1] = 1
        masks.append(mask_utils.encode(mask))
    result = dict(
        img_id=image,
        bboxes=np.array([b for _, b, _ in boxes], float).reshape(-1, 4),
        scores=np.array([s for *_, s in boxes]),
        labels=np.array([CLASSES.index(n) for n, *_ in boxes], int),
        masks=masks,
    )
    return dict(img_id=image), result


PERFECT = [
    prediction(
        1,
        ('red thing', (10, 10, 40, 40), 0.9),
        ('blue thing', (40, 20, 60, 40), 0.8),
    ),
    prediction(2, ('blue thing', (5, 5, 45, 45), 0.7)),
    prediction(
        3,
        ('green thing', (0, 0, 50, 30), 0.6),
        ('red thing', (20, 20, 50, 50), 0.5),
    ),
]


@pytest.mark.parametrize('kind', ['bbox', 'segm'])
def test_perfect_detections(tmp_path, kind):
    found = metric(tmp_path, metric=kind).compute_metrics(PERFECT)
    assert found[f'{kind}_AP'] == 1
    assert [found[f'{kind}_AP{g}'] for g in 'rcf'] == [1, 1, 1]


def test_groups_are_the_frequencies(tmp_path):
    """Only the rare class is found, then only the others."""
    rare = [
        (gt, dict(pred, **only(pred, 'blue thing'))) for gt, pred in PERFECT
    ]
    found = metric(tmp_path, metric='bbox').compute_metrics(rare)
    assert [found[f'bbox_AP{g}'] for g in 'rcf'] == [1, 0, 0]
    assert found['bbox_AP'] == pytest.approx(1 / 3, abs=1e-3)


def only(pred, name):
    keep = pred['labels'] == CLASSES.index(name)
    return dict(
        bboxes=pred['bboxes'][keep],
        scores=pred['scores'][keep],
        labels=pred['labels'][keep],
        masks=[m for m, k in zip(pred['masks'], keep) if k],
    )


def test_unlabelled_classes_do_not_count(tmp_path):
    """Image 2 says nothing of red things: a red box there is no error.

    Image 2 is known to have no green thing: a green box there is one.
    """
    red = [*PERFECT]
    red[1] = prediction(
        2,
        ('red thing', (0, 0, 30, 30), 0.99),
        ('blue thing', (5, 5, 45, 45), 0.7),
    )
    assert metric(tmp_path).compute_metrics(red)['bbox_APf'] == 1
    green = [*PERFECT]
    green[1] = prediction(2, ('green thing', (0, 0, 30, 30), 0.99))
    found = metric(tmp_path).compute_metrics(green)
    assert found['bbox_APc'] == pytest.approx(0.5, abs=1e-3)


def test_not_exhaustive_classes_forgive_extra_boxes(tmp_path):
    """Red things are not labelled exhaustively in image 1."""
    extra = [*PERFECT]
    extra[0] = prediction(
        1,
        ('red thing', (60, 50, 90, 75), 0.99),
        ('red thing', (10, 10, 40, 40), 0.9),
        ('blue thing', (40, 20, 60, 40), 0.8),
    )
    assert metric(tmp_path).compute_metrics(extra)['bbox_APf'] == 1


def test_only_the_best_detections_of_an_image_count(tmp_path):
    found = metric(tmp_path, metric='bbox', max_dets=1).compute_metrics(
        PERFECT
    )
    # the blue thing of image 1 and the red thing of image 3 are cut off
    assert found['bbox_APr'] == pytest.approx(0.505, abs=0.01)
    assert found['bbox_APf'] == pytest.approx(0.505, abs=0.01)
    assert found['bbox_APc'] == 1


@pytest.mark.parametrize('labelled', [[3], []], ids=['absent', 'unknown'])
@pytest.mark.parametrize('kind', ['bbox', 'segm'])
def test_images_without_annotations(tmp_path, kind, labelled):
    """They say nothing but what they are known not to have."""
    content = annotations(lvis=True)
    content['images'].append(
        dict(content['images'][0], id=9, neg_category_ids=labelled)
    )
    content['images'][-1]['coco_url'] = 'http://a.example/val2017/9.png'
    extra = prediction(
        9,
        ('red thing', (0, 0, 30, 30), 0.99),
        ('green thing', (0, 0, 20, 20), 0.99),
    )
    found = metric(tmp_path, content, metric=kind).compute_metrics(
        [*PERFECT, extra]
    )
    assert found[f'{kind}_APf'] == found[f'{kind}_APr'] == 1
    # a green thing where none is: found before the true one
    assert found[f'{kind}_APc'] == (0.5 if labelled else 1)


def test_flags_areas_and_sizes_may_be_missing(tmp_path):
    content = annotations(lvis=True)
    for entry in content['annotations']:
        del entry['iscrowd'], entry['area']
    for image in content['images']:
        del image['height'], image['width']
    sized = [(dict(gt, height=80, width=96), pred) for gt, pred in PERFECT]
    found = metric(tmp_path, content).compute_metrics(sized)
    assert found['bbox_AP'] == found['segm_AP'] == 1
    assert found['bbox_APs'] == found['bbox_APm'] == 1


@pytest.mark.parametrize('names', [CLASSES[::-1], CLASSES[1:]])
def test_classes_in_any_order_and_number(tmp_path, names):
    found = metric(tmp_path, metric='bbox')
    found.dataset_meta = dict(classes=names)
    results = []
    for gt, pred in PERFECT:
        kept = [CLASSES[label] in names for label in pred['labels']]
        labels = [
            names.index(CLASSES[label])
            for label, keep in zip(pred['labels'], kept)
            if keep
        ]
        results.append(
            (
                gt,
                dict(
                    img_id=pred['img_id'],
                    bboxes=pred['bboxes'][kept],
                    scores=pred['scores'][kept],
                    labels=np.array(labels, int),
                ),
            )
        )
    assert found.compute_metrics(results)['bbox_AP'] == 1


def test_no_detection_at_all(tmp_path):
    empty = [prediction(i) for i in (1, 2, 3)]
    found = metric(tmp_path, metric='bbox').compute_metrics(empty)
    assert found['bbox_AP'] == 0 and found['bbox_APr'] == 0


def test_results_can_be_written(tmp_path):
    prefix = str(tmp_path / 'out')
    found = metric(
        tmp_path, metric='bbox', outfile_prefix=prefix, format_only=True
    ).compute_metrics(PERFECT)
    assert found == {}
    written = json.loads((tmp_path / 'out.bbox.json').read_text())
    assert sorted(r['category_id'] for r in written) == [3, 5, 5, 7, 7]


def test_wrong_files_and_metrics_are_refused(tmp_path):
    with pytest.raises(ValueError, match='frequency'):
        metric(tmp_path, annotations())
    with pytest.raises(ValueError, match='segm'):
        metric(tmp_path, metric='proposal')
    wrong = metric(tmp_path)
    with pytest.raises(ValueError, match='lvis.json, .* lacks .* cart'):
        wrong.dataset_meta = dict(classes=('cart',))


def random_detections():
    """Shifted copies of the true boxes, some of another class."""
    rng = np.random.default_rng(0)
    results = []
    for gt, pred in PERFECT:
        boxes = []
        for label, box in zip(pred['labels'], pred['bboxes']):
            for _ in range(5):
                moved = (box + rng.integers(-5, 6, 4)).clip(0, 79).astype(int)
                name = CLASSES[
                    label if rng.random() < 0.7 else rng.integers(3)
                ]
                boxes.append((name, tuple(moved.tolist()), rng.random()))
        image, result = prediction(gt['img_id'], *boxes)
        result['masks'] = [without_columns(m, 12) for m in result['masks']]
        results.append((image, result))
    return results


def without_columns(mask, count):
    """Masks that differ from their boxes."""
    pixels = mask_utils.decode(mask)
    pixels[:, :count] = 0
    return mask_utils.encode(np.asfortranarray(pixels))


NAMES = ('AP', 'AP50', 'AP75', 'APr', 'APc', 'APf')
#: What LVISEval of `lvis` 0.5.3 says of them, recorded with np.float set to
#: float: the package was written for numpy before 1.24.
RECORDED = {
    'bbox': (0.594814, 0.917492, 0.834983, 0.433946, 0.7, 0.650495),
    'segm': (0.426521, 0.917492, 0.333333, 0.329562, 0.35, 0.6),
}


@pytest.mark.parametrize('kind', ['bbox', 'segm'])
def test_agrees_with_the_lvis_package(tmp_path, kind):
    found = metric(tmp_path, metric=kind).compute_metrics(random_detections())
    ours = [found[f'{kind}_{name}'] for name in NAMES]
    assert ours == pytest.approx(RECORDED[kind], abs=1e-4)
