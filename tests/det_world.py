"""Detection files in COCO's and LVIS's layout, and a project on them."""

import json
from pathlib import Path

import numpy as np
from det_model import BASE, NAMES, SIZE, f_vit_cfg, text_encoder
from mmengine.config import Config
from mmengine.registry import MODELS
from PIL import Image


def annotations(lvis=False):
    """Three images, five objects; the blue thing is novel.

    Category ids are neither dense nor in order of the names.
    """
    ids = dict(zip(NAMES, (7, 3, 5)))
    frequency = dict(zip(NAMES, 'fcr'))
    objects = [
        (1, 'red thing', [10, 10, 30, 30]),
        (1, 'blue thing', [40, 20, 20, 20]),
        (2, 'blue thing', [5, 5, 40, 40]),
        (3, 'green thing', [0, 0, 50, 30]),
        (3, 'red thing', [20, 20, 30, 30]),
    ]
    content = dict(
        images=[
            dict(id=i, height=80, width=96, file_name=f'{i}.png')
            for i in (1, 2, 3)
        ],
        annotations=[],
        categories=[dict(id=ids[n], name=n) for n in NAMES],
    )
    for number, (image, name, (x, y, w, h)) in enumerate(objects, 1):
        polygon = [x, y, x + w, y, x + w, y + h, x, y + h]
        content['annotations'].append(
            dict(
                id=number,
                image_id=image,
                category_id=ids[name],
                bbox=[x, y, w, h],
                area=w * h,
                iscrowd=0,
                segmentation=[[float(v) for v in polygon]],
            )
        )
    for category in content['categories']:
        if lvis:
            category['frequency'] = frequency[category['name']]
        else:
            category['novel'] = category['name'] not in BASE
    if lvis:
        for image in content['images']:
            name = image.pop('file_name')
            image['coco_url'] = f'http://images.example.org/val2017/{name}'
            image['neg_category_ids'] = [3]
            image['not_exhaustive_category_ids'] = [7]
    return content


def write_world(folder, lvis=False):
    """Write pictures and ``annotations.json``; returns the file."""
    images = folder / ('val2017' if lvis else '.')
    images.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for number in (1, 2, 3):
        pixels = rng.integers(0, 255, (80, 96, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(images / f'{number}.png')
    path = folder / 'annotations.json'
    path.write_text(json.dumps(annotations(lvis)))
    return path


def write_project(folder, lvis=False, **model):
    """A config file with data, class embeddings and an F-ViT of their own."""
    from declip_mm.models.text import build_class_embeddings

    annotation_file = str(write_world(folder / 'data', lvis))
    text = str(folder / 'classes.npz')
    build_class_embeddings(
        MODELS.build(text_encoder()),
        NAMES,
        'name',
        background='background',
    ).save(text)
    base = Path(__file__).parents[1] / 'configs/_base_/det_runtime.py'
    cfg = Config.fromfile(base)
    cfg.model = f_vit_cfg(mask=lvis, **model)
    cfg.model.embedder = dict(embeddings=text)
    load = [dict(type='LoadLabelledImage')]
    resize = dict(type='Resize', scale=(SIZE, SIZE), keep_ratio=True)
    truth = dict(type='LoadAnnotations', with_bbox=True, with_mask=lvis)
    keys = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')
    pack = dict(type='PackDetInputs', meta_keys=keys)
    dataset = dict(
        type='OpenVocabDetDataset',
        ann_file=annotation_file,
        data_prefix=dict(img=str(folder / 'data') + '/'),
    )
    loader = dict(batch_size=2, num_workers=0, persistent_workers=False)
    cfg.train_dataloader = dict(
        loader,
        sampler=dict(type='DefaultSampler', shuffle=True),
        dataset=dict(
            dataset,
            filter_cfg=dict(filter_empty_gt=True, min_size=32),
            pipeline=[*load, truth, resize, pack],
        ),
    )
    cfg.test_dataloader = cfg.val_dataloader = dict(
        loader,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dict(dataset, test_mode=True, pipeline=[*load, resize, pack]),
    )
    kind = 'FasterLVISMetric' if lvis else 'OVCocoMetric'
    metric = ['bbox', 'segm'] if lvis else 'bbox'
    evaluator = dict(type=kind, ann_file=annotation_file, metric=metric)
    if not lvis:
        # the file is not in the order of its ids, labels are
        evaluator['sort_categories'] = True
    cfg.test_evaluator = cfg.val_evaluator = evaluator
    cfg.optim_wrapper = dict(
        type='OptimWrapper',
        constructor='TrainableConstructor',
        optimizer=dict(type='AdamW', lr=1e-3),
    )
    cfg.train_cfg = dict(max_epochs=1, by_epoch=True, val_interval=1)
    cfg.val_cfg, cfg.test_cfg = dict(), dict()
    cfg.custom_hooks = [
        dict(type='VocabularyHook'),
        dict(type='FingerprintHook', recipe='f_vit'),
        dict(type='CheckInvalidLossHook', interval=1),
    ]
    cfg.work_dir = str(folder / 'work')
    path = folder / 'project.py'
    cfg.dump(str(path))
    return path
