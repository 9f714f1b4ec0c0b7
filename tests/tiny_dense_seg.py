"""A tiny DenseCLIPSegmentor for tests."""

import torch
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from tiny import tiny_eva

import declip_mm.segmentation  # noqa: F401  (registers the models)

NAMES = ['cat', 'dog', 'red car']


def dense_segmentor(vocabulary=NAMES, **options):
    """Patch 16; windows of 64 at steps of 32, no resizing, bare names."""
    model = tiny_eva()
    cfg = dict(
        type='DenseCLIPSegmentor',
        backbone=dict(type='DeCLIPViT', model=model),
        text_encoder=dict(type='DeCLIPTextEncoder', model=model),
        data_preprocessor=dict(type='DenseSegPreprocessor', short_side=None),
        vocabulary=vocabulary,
        prompts='name',
    )
    test_cfg = dict(window=64, stride=32, **options)
    torch.manual_seed(0)
    return MODELS.build(dict(cfg, test_cfg=test_cfg)).eval()


def picture(height=96, width=128, seed=1):
    make = torch.Generator().manual_seed(seed)
    return torch.randn(3, height, width, generator=make)


def samples_of(*sizes):
    return [SegDataSample(metainfo=dict(ori_shape=size)) for size in sizes]


def labels_of(model, images, *sizes):
    """Class maps (H, W) of pictures at given sizes."""
    sizes = sizes or [i.shape[-2:] for i in images]
    found = model.predict(images, samples_of(*sizes))
    return [sample.pred_sem_seg.data[0] for sample in found]
