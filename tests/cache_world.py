"""Three pictures and tiny teachers, whose outputs are cached."""

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS, MODELS
from PIL import Image
from tiny import backbone_cfg, distiller_cfg, vfm_cfg
from toy_world import make_clip

VIEWS = dict(
    type='DeCLIPViews', image_size=96, crop_size=64, vfm_size=96, max_split=2
)


def cached_config(tmp_path):
    """Three pictures, a tiny CLIP and a tiny VFM with weights on disk."""
    make_clip(tmp_path / 'clip.safetensors')
    trunk = MODELS.build(vfm_cfg()).trunk.state_dict()
    torch.save(trunk, tmp_path / 'vfm.pth')
    (tmp_path / 'img').mkdir()
    for index in range(3):
        noise = np.random.default_rng(index).integers(
            0, 256, (50, 70, 3), np.uint8
        )
        Image.fromarray(noise).save(tmp_path / 'img' / f'{index}.png')
    weights = dict(pretrained=str(tmp_path / 'clip.safetensors'))
    clip = backbone_cfg(frozen_stages=0, **weights)
    model = distiller_cfg(
        backbone=clip,
        content_teacher=dict(
            type='CLIPCropTeacher', backbone=backbone_cfg(**weights)
        ),
        context_teacher=vfm_cfg(pretrained=str(tmp_path / 'vfm.pth')),
        data_preprocessor=dict(
            type='DeCLIPPreprocessor',
            vfm_mean=[127.5] * 3,
            vfm_std=[127.5] * 3,
        ),
    )
    dataset = dict(
        type='DeCLIPImageDataset',
        img_dir=str(tmp_path / 'img'),
        views=dict(VIEWS),
    )
    return Config(
        dict(
            model=model,
            train_dataloader=dict(dataset=dataset),
            train_cfg=dict(max_epochs=2),
            randomness=dict(seed=5),
        )
    )


def places(folder):
    return dict(vfm=str(folder / 'v.npy'), crops=str(folder / 'c.npy'))


def losses(cfg):
    model = MODELS.build(cfg.model)
    model.init_weights()
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    items = [dataset[0], dataset[2]]
    data = model.data_preprocessor(pseudo_collate(items))
    return data['inputs'], model(**data, mode='loss')


def stored(paths):
    return [np.load(path).tobytes() for path in paths.values()]
