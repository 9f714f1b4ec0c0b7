"""Truth handed in as predictions scores 1, whatever the order of classes."""

import json
from itertools import permutations

import numpy as np
import pytest
import torch
from det_model import NAMES
from det_world import annotations, write_world
from mmdet.evaluation import CocoMetric
from mmdet.registry import DATASETS, METRICS
from mmengine.structures import InstanceData

METRIC_NAMES = ('CocoMetric', 'OVCocoMetric', 'FasterLVISMetric')
SUBSETS = [NAMES[1:], NAMES[:1], [NAMES[2], NAMES[0]]]


def load(path, kind='OpenVocabDetDataset', **meta):
    return DATASETS.build(
        dict(
            type=kind,
            ann_file=str(path),
            data_prefix=dict(img=str(path.parent)),
            metainfo=meta,
            test_mode=True,
            pipeline=[],
        )
    )


def score(path, data, kind='CocoMetric', worse=(), **options):
    """Of a metric that gets the data set's own truth.

    Args:
        worse: Class names whose boxes are moved away.
    """
    metric = METRICS.build(
        dict(
            dict(type=kind, ann_file=str(path), metric='bbox'),
            **options,
        )
    )
    metric.dataset_meta = data.metainfo
    names = data.metainfo['classes']
    for index in range(len(data)):
        info = data.get_data_info(index)
        truth = info['instances']
        boxes = np.array([t['bbox'] for t in truth]).reshape(-1, 4)
        labels = np.array([t['bbox_label'] for t in truth], int)
        far = np.array([names[n] in worse for n in labels], bool)
        boxes[far] += 25
        size = info['height'], info['width']
        found = dict(
            bboxes=torch.tensor(boxes),
            scores=torch.ones(len(boxes)),
            labels=torch.tensor(labels),
        )
        sample = dict(img_id=info['img_id'], ori_shape=size)
        sample.update(pred_instances=found, gt_instances=InstanceData())
        metric.process({}, [sample])
    return metric.evaluate(len(data))


def lvis(kind):
    return kind == 'FasterLVISMetric'


@pytest.mark.parametrize('kind', METRIC_NAMES)
@pytest.mark.parametrize('sort', [False, True], ids=['as is', 'sorted'])
def test_every_order_of_classes(tmp_path, kind, sort):
    path = write_world(tmp_path, lvis(kind))
    options = {} if lvis(kind) else dict(sort_categories=sort)
    for names in [*permutations(NAMES), *SUBSETS]:
        found = score(path, load(path, classes=names), kind, **options)
        whole = [v for k, v in found.items() if k.endswith(('_mAP', '_AP'))]
        assert whole == [1], names


@pytest.mark.parametrize('names', list(permutations(NAMES)))
def test_groups_follow_the_names(tmp_path, names):
    """Novel are the blue things alone, wherever they stand."""
    path = write_world(tmp_path)
    data = load(path, classes=names)
    found = score(path, data, 'OVCocoMetric', worse=['blue thing'])
    assert found['coco/novel_ap50'] == 0
    assert found['coco/base_ap50'] == 1
    assert found['coco/bbox_mAP_50'] == pytest.approx(2 / 3, abs=1e-3)
    classwise = score(
        path, data, 'OVCocoMetric', ['red thing'], classwise=True
    )
    assert classwise['coco/red thing_precision'] == 0
    assert classwise['coco/blue thing_precision'] == 1


@pytest.mark.parametrize('novel', [(), NAMES], ids=['none', 'all'])
def test_a_group_that_is_all_is_left_out(tmp_path, novel):
    path = write_world(tmp_path)
    data = load(path, novel_classes=novel)
    found = score(path, data, 'OVCocoMetric')
    assert found['coco/bbox_mAP'] == 1
    assert not [k for k in found if 'novel' in k or 'base' in k]


def test_written_results_have_the_ids_of_the_file(tmp_path):
    path = write_world(tmp_path)
    prefix = str(tmp_path / 'out')
    data = load(path, classes=NAMES[::-1])
    score(path, data, outfile_prefix=prefix, format_only=True)
    written = json.loads((tmp_path / 'out.bbox.json').read_text())
    truth = [
        (a['image_id'], a['category_id'], a['bbox'])
        for a in annotations()['annotations']
    ]
    found = [(r['image_id'], r['category_id'], r['bbox']) for r in written]
    assert sorted(found) == sorted(truth)


def test_data_sets_of_mmdet_are_measured_as_before(tmp_path):
    """Theirs number labels in the order of the file, and so do metrics."""
    path = write_world(tmp_path)
    for names in permutations(NAMES):
        data = load(path, 'CocoDataset', classes=names)
        found = score(path, data)
        plain = CocoMetric(str(path), 'bbox')
        plain.dataset_meta = data.metainfo
        assert found['coco/bbox_mAP'] == 1
        metric = METRICS.build(dict(type='CocoMetric', ann_file=str(path)))
        metric.dataset_meta = data.metainfo
        assert metric.label_ids is None and metric.cat_ids is None


def without(*keys):
    content = annotations()
    for entry in content['annotations']:
        for key in keys:
            del entry[key]
    return content


def ids_from_0():
    content = annotations()
    for number, entry in enumerate(content['annotations']):
        entry['id'] = number
    return content


def float_ids():
    content = annotations()
    for part in ('images', 'annotations', 'categories'):
        for entry in content[part]:
            entry.update(
                {
                    k: float(v)
                    for k, v in entry.items()
                    if 'id' in k and k != 'width'
                }
            )
    return content


def text_ids():
    content = annotations()
    for image in content['images']:
        image['id'] = f'picture {image["id"]}'
    for entry in content['annotations']:
        entry['image_id'] = f'picture {entry["image_id"]}'
    return content


def with_a_line():
    content = annotations()
    content['annotations'].append(
        dict(content['annotations'][0], id=6, bbox=[9, 9, 0, 30])
    )
    return content


@pytest.mark.parametrize(
    'content',
    [
        without('iscrowd'),
        without('area', 'iscrowd'),
        without('segmentation'),
        ids_from_0(),
        float_ids(),
        text_ids(),
        with_a_line(),
    ],
    ids=['flags', 'areas', 'masks', 'ids from 0', 'floats', 'texts', 'line'],
)
def test_metrics_see_what_data_sets_see(tmp_path, content):
    path = write_world(tmp_path)
    path.write_text(json.dumps(content))
    found = score(path, load(path), 'OVCocoMetric')
    assert found['coco/bbox_mAP'] == found['coco/novel_ap'] == 1
    assert found['coco/bbox_mAP_s'] == found['coco/bbox_mAP_m'] == 1


def test_names_that_the_file_lacks_are_refused_at_once(tmp_path):
    path = write_world(tmp_path)
    metric = METRICS.build(dict(type='OVCocoMetric', ann_file=str(path)))
    meta = dict(classes=('cart', *NAMES), labels_follow_classes=True)
    with pytest.raises(ValueError, match='annotations.json.* lacks .* cart'):
        metric.dataset_meta = meta
