"""Pictures of coloured squares with base and novel objects, and a proposer."""

import json
from pathlib import Path

import numpy as np
from det_model import CONFIG
from mmengine.config import Config, ConfigDict
from PIL import Image
from tiny import backbone_cfg

SIZE = 64
#: Name -> colour; the last one is novel.
COLOURS = {
    'red thing': (220, 30, 30),
    'green thing': (30, 200, 30),
    'blue thing': (30, 30, 220),
}
NOVEL = 'blue thing'
PROPOSER = CONFIG.parent / 'object_proposer_eva02-b16.py'


def write_squares(folder, count=12, novel=True):
    """``count`` pictures of three squares, one a class; returns the file.

    Args:
        folder: For pictures and ``all.json``.
        count: Of the pictures.
        novel: Whether the file has the boxes of the novel class.
    """
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    images, notes = [], []
    for number in range(1, count + 1):
        pixels = rng.integers(90, 130, (SIZE, SIZE, 3), dtype=np.uint8)
        places = rng.permutation(4)[:3]
        for place, (name, colour) in zip(places, COLOURS.items()):
            side = int(rng.integers(18, 26))
            x = int(place % 2) * 32 + int(rng.integers(0, 5))
            y = int(place // 2) * 32 + int(rng.integers(0, 5))
            pixels[y : y + side, x : x + side] = colour
            if novel or name != NOVEL:
                category = list(COLOURS).index(name) + 1
                notes.append(
                    dict(
                        id=len(notes) + 1,
                        image_id=number,
                        category_id=category,
                        bbox=[x, y, side, side],
                        area=side * side,
                        iscrowd=0,
                    )
                )
        Image.fromarray(pixels).save(folder / f'{number}.png')
        images.append(
            dict(id=number, file_name=f'{number}.png', height=SIZE, width=SIZE)
        )
    categories = [
        dict(id=i, name=name, novel=name == NOVEL)
        for i, name in enumerate(COLOURS, 1)
    ]
    path = folder / ('all.json' if novel else 'base.json')
    path.write_text(
        json.dumps(
            dict(images=images, annotations=notes, categories=categories)
        )
    )
    return path


def proposer_cfg():
    """The shipped proposer on the tiny EVA-02 (D = 24, patch 16)."""
    cfg = Config.fromfile(PROPOSER)
    scales = (2, 1)
    strides = [16 / s for s in scales]
    few = dict(nms_pre=50, max_per_img=30)
    tiny = dict(
        data_preprocessor=dict(pad_size_divisor=SIZE),
        backbone=backbone_cfg(out_indices=(1, 2), _delete_=True),
        neck=dict(
            in_channels=[24] * 2,
            scales=scales,
            out_channels=8,
            num_outs=2,
            norm_cfg=dict(type='BN'),
        ),
        rpn_head=dict(
            in_channels=8,
            feat_channels=8,
            anchor_generator=dict(scales=[2], strides=strides),
        ),
        roi_head=dict(
            bbox_roi_extractor=dict(
                out_channels=8,
                featmap_strides=strides,
                roi_layer=dict(output_size=3),
            ),
            bbox_head=dict(in_channels=8, fc_out_channels=12, roi_feat_size=3),
        ),
        train_cfg=dict(rpn_proposal=few, rcnn=dict(sampler=dict(num=16))),
        test_cfg=dict(rpn=few, rcnn=dict(max_per_img=20)),
    )
    cfg.merge_from_dict(dict(model=tiny))
    return ConfigDict(cfg.model)


def write_proposer_project(folder, epochs=1):
    """A config file of the tiny proposer on the squares in ``folder``."""
    base = Path(__file__).parents[1] / 'configs/_base_/det_runtime.py'
    cfg = Config.fromfile(base)
    cfg.model = proposer_cfg()
    load = [dict(type='LoadLabelledImage')]
    truth = dict(type='LoadAnnotations', with_bbox=True)
    keys = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')
    resize = dict(type='Resize', scale=(SIZE, SIZE), keep_ratio=True)
    pack = dict(type='PackDetInputs', meta_keys=keys)
    dataset = dict(
        type='BaseOnlyDetDataset',
        ann_file='base.json',
        data_root=str(folder),
        data_prefix=dict(img=''),
    )
    loader = dict(batch_size=4, num_workers=0, persistent_workers=False)
    cfg.train_dataloader = dict(
        loader,
        sampler=dict(type='DefaultSampler', shuffle=True),
        dataset=dict(
            dataset,
            filter_cfg=dict(filter_empty_gt=True),
            pipeline=[*load, truth, resize, dict(type='PackOVDetInputs')],
        ),
    )
    cfg.test_dataloader = dict(
        loader,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dict(
            dataset,
            type='OpenVocabDetDataset',
            ann_file='all.json',
            test_mode=True,
            pipeline=[*load, resize, pack],
        ),
    )
    cfg.test_evaluator = dict(
        type='ObjectRecall', ann_file=str(folder / 'all.json')
    )
    cfg.optim_wrapper = dict(
        type='OptimWrapper',
        constructor='TrainableConstructor',
        optimizer=dict(type='AdamW', lr=1e-3),
    )
    cfg.train_cfg = dict(max_epochs=epochs, by_epoch=True)
    cfg.test_cfg = dict()
    cfg.randomness = dict(seed=0)
    path = folder / 'proposer.py'
    cfg.dump(str(path))
    return path
