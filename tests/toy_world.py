"""A toy data set and the miniature config made smaller, for smoke runs."""

import json

import numpy as np
from mmengine.registry import MODELS
from PIL import Image
from pycocotools import mask as mask_utils
from safetensors.torch import save_file
from tiny import backbone_cfg, tiny_eva

NAMES = ['red thing', 'green thing', 'blue thing']
COLOURS = np.array([[220, 40, 40], [40, 200, 40], [40, 40, 220]])


def make_pictures(folder, count, seed=0):
    """Coloured squares on noise, with exact boxes and masks (COCO)."""
    rng = np.random.default_rng(seed)
    for part in ('images', 'semantic'):
        (folder / part).mkdir(parents=True)
    images, annotations = [], []
    for index in range(count):
        pixels = rng.integers(60, 120, (80, 96, 3), dtype=np.uint8)
        truth = np.full((80, 96), 255, np.uint8)
        for label in rng.permutation(3)[:2]:
            x, y = rng.integers(0, 56), rng.integers(0, 40)
            pixels[y : y + 40, x : x + 40] = COLOURS[label]
            truth[y : y + 40, x : x + 40] = label
            mask = np.zeros((80, 96), np.uint8, order='F')
            mask[y : y + 40, x : x + 40] = 1
            rle = mask_utils.encode(mask)
            rle['counts'] = rle['counts'].decode()
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=index,
                    category_id=int(label) + 1,
                    bbox=[int(x), int(y), 40, 40],
                    area=1600,
                    iscrowd=0,
                    segmentation=rle,
                )
            )
        name = f'{index:03d}.png'
        Image.fromarray(pixels).save(folder / 'images' / name)
        Image.fromarray(truth).save(folder / 'semantic' / name)
        images.append(dict(id=index, file_name=name, height=80, width=96))
    categories = [
        dict(id=i + 1, name=n, isthing=1) for i, n in enumerate(NAMES)
    ]
    text = json.dumps(
        dict(images=images, annotations=annotations, categories=categories)
    )
    (folder / 'annotations.json').write_text(text)


def make_clip(path):
    """A random tiny CLIP, both towers, under open_clip's key names."""
    trunk = MODELS.build(backbone_cfg()).visual.trunk.state_dict()
    encoder = dict(type='DeCLIPTextEncoder', model=tiny_eva())
    text = MODELS.build(encoder).tower.state_dict()
    weights = {f'visual.trunk.{k}': v for k, v in trunk.items()}
    weights.update({f'text.{k}': v for k, v in text.items()})
    save_file({k: v.contiguous() for k, v in weights.items()}, str(path))


def toy_options(root, work_dir):
    """Overrides of configs/miniature/pretune.py, for toy data and towers."""
    model = dict(tiny_eva(), _delete_=True)
    tower = dict(model=model, pretrained=str(root / 'clip.safetensors'))
    options = {'work_dir': str(work_dir)}
    for key in (
        'model.backbone',
        'model.content_teacher.backbone',
        'model.predictor.text_encoder',
    ):
        for name, value in tower.items():
            options[f'{key}.{name}'] = value
    options.update(
        {
            'model.context_teacher': dict(
                _delete_=True,
                type='VFMTeacher',
                model='vit_small_patch14_dinov2',
                timm_kwargs=dict(embed_dim=24, depth=2, num_heads=2),
            ),
            'train_dataloader.batch_size': 2,
            'train_dataloader.num_workers': 0,
            'train_dataloader.persistent_workers': False,
            'train_dataloader.dataset.data_root': str(root / 'train'),
            'train_dataloader.dataset.img_dir': 'images',
            'train_dataloader.dataset.indices': 12,
            'train_dataloader.dataset.views.image_size': 96,
            'train_dataloader.dataset.views.crop_size': 64,
            'train_dataloader.dataset.views.vfm_size': 84,
            'train_cfg.max_epochs': 3,
            'train_cfg.val_interval': 3,
        }
    )
    for loader in ('val_dataloader', 'test_dataloader'):
        options.update(
            {
                f'{loader}.batch_size': 2,
                f'{loader}.num_workers': 0,
                f'{loader}.persistent_workers': False,
                f'{loader}.dataset.data_root': str(root / 'val'),
                f'{loader}.dataset.ann_file': 'annotations.json',
                f'{loader}.dataset.img_dir': 'images',
                f'{loader}.dataset.seg_dir': 'semantic',
                f'{loader}.dataset.image_size': 96,
            }
        )
    return options
