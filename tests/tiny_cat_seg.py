"""A tiny CAT-Seg for tests, and samples for it."""

import torch
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from tiny import tiny_eva, tiny_openai

import declip_mm.segmentation  # noqa: F401  (registers the models)

HEAD = dict(
    dim=16,
    guidance_dim=8,
    tap_dims=(8, 8),
    decoder_dims=(8, 8),
    decoder_guidance_dims=(4, 4),
    window=2,
    max_classes=8,
)
NAMES = ['cat', 'dog', 'a red car']


def head(**options):
    """A head for a 4x4 grid of 12 channels, random pads included."""
    torch.manual_seed(0)
    cfg = dict(type='CATSegHead', embed_dim=12, tap_dim=24, **HEAD)
    built = MODELS.build({**cfg, **options})
    for name, parameter in built.named_parameters():
        if '.pad_' in name:
            torch.nn.init.normal_(parameter)
    return built.eval()


def head_inputs(batch=2, classes=3, grid=4):
    """Content, two taps and texts for :func:`head`."""
    make = torch.Generator().manual_seed(1)
    content = torch.randn(batch, 12, grid, grid, generator=make)
    taps = [
        torch.randn(batch, 24, grid, grid, generator=make) for _ in range(2)
    ]
    text = torch.randn(classes, 1, 12, generator=make)
    return content, taps, text


def segmentor_cfg(family='eva', **options):
    """Config of a segmentor on a tiny EVA or OpenAI-type CLIP."""
    model = tiny_eva() if family == 'eva' else tiny_openai()
    affinity = 'csa' if family == 'eva' else 'maskclip_cls'
    cfg = dict(
        type='OVCATSegmentor',
        backbone=dict(
            type='DeCLIPViT', model=model, affinity=affinity, scale=1.0
        ),
        text_encoder=dict(
            type='TrainableTextEncoder',
            model=model,
            split_attention=family != 'eva',
        ),
        decode_head=dict(
            type='CATSegHead', unit_guidance=family == 'eva', **HEAD
        ),
        taps=(0, 1),
        test_cfg=dict(size=(96, 96), crop=64, stride=32),
        data_preprocessor=dict(type='SegDataPreProcessor'),
    )
    return {**cfg, **options}


def segmentor(family='eva', names=NAMES, **options):
    torch.manual_seed(0)
    built = MODELS.build(segmentor_cfg(family, **options))
    if names:
        built.set_vocabulary(names)
    return built.eval()


def samples(count=2, classes=3):
    """Samples with labels of 64 pixels and the original size."""
    make = torch.Generator().manual_seed(2)
    return [
        SegDataSample(
            gt_sem_seg=PixelData(
                data=torch.randint(0, classes, (1, 64, 64), generator=make)
            ),
            metainfo=dict(ori_shape=(50, 70)),
        )
        for _ in range(count)
    ]
