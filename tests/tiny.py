"""Tiny towers with the true key names, and samples for them."""

import torch
from mmengine.structures import BaseDataElement

import declip_mm  # noqa: F401  (registers the models)

TEXT = dict(context_length=16, vocab_size=49408, width=16, heads=2, layers=1)


def tiny_eva(**timm_kwargs):
    """EVA-02, patch 16, native 64 px, 3 blocks, 2 heads, C = 12."""
    options = dict(embed_dim=24, depth=3, num_heads=2)
    return dict(
        embed_dim=12,
        vision_cfg=dict(
            timm_model_name='eva02_base_patch16_clip_224',
            image_size=64,
            timm_kwargs=dict(options, **timm_kwargs),
        ),
        text_cfg=dict(TEXT),
    )


def tiny_openai(**vision):
    """OpenAI-type ViT, patch 16, native 64 px, 3 blocks, 2 heads, C = 12."""
    options = dict(
        image_size=64, patch_size=16, width=24, head_width=12, layers=3
    )
    return dict(
        embed_dim=12,
        vision_cfg=dict(options, **vision),
        text_cfg=dict(TEXT),
    )


def tiny_siglip(**timm_kwargs):
    """SigLIP, patch 16, native 64 px, 3 blocks, 2 heads, C = D = 24."""
    options = dict(embed_dim=24, depth=3, num_heads=2)
    return dict(
        embed_dim=24,
        vision_cfg=dict(
            timm_model_name='vit_base_patch16_siglip_224',
            timm_pool='map',
            timm_proj='none',
            image_size=64,
            timm_kwargs=dict(options, **timm_kwargs),
        ),
    )


def tiny_pe(name='vit_pe_core_base_patch16_224', **timm_kwargs):
    """PE-Core, patch 16, native 64 px, 3 blocks, 4 heads pool, C = 12."""
    options = dict(
        embed_dim=24,
        depth=3,
        num_heads=2,
        attn_pool_num_heads=4,
        ref_feat_shape=(4, 4),
    )
    return dict(
        embed_dim=12,
        vision_cfg=dict(
            timm_model_name=name,
            timm_pool='map',
            timm_proj=None,
            image_size=64,
            timm_kwargs=dict(options, **timm_kwargs),
        ),
    )


TOWERS = dict(eva=tiny_eva, openai=tiny_openai, siglip=tiny_siglip, pe=tiny_pe)


def backbone_cfg(model=None, **options):
    return dict(type='DeCLIPViT', model=model or tiny_eva(), **options)


def vfm_cfg(**options):
    """A real timm ViT, made small."""
    small = dict(embed_dim=24, depth=2, num_heads=2, img_size=64)
    return dict(
        type='VFMTeacher',
        model='vit_small_patch16_224',
        timm_kwargs=small,
        **options,
    )


def distiller_cfg(**options):
    student = options.pop('backbone', backbone_cfg(frozen_stages=0))
    teacher = backbone_cfg(student['model'])
    cfg = dict(
        type='DecoupledDistiller',
        backbone=student,
        content_teacher=dict(type='CLIPCropTeacher', backbone=teacher),
        context_teacher=vfm_cfg(),
    )
    return dict(cfg, **options)


def batch(counts=(3, 2), size=96):
    """Normalised inputs and samples as the preprocessor gives them."""
    generator = torch.Generator().manual_seed(0)

    def noise(*shape):
        return torch.randn(shape, generator=generator)

    corners = [
        torch.rand(n, 2, 2, generator=generator).sort(1)[0] for n in counts
    ]
    samples = [
        BaseDataElement(boxes=c.flatten(1), valid_hw=torch.tensor([1.0, 0.75]))
        for c in corners
    ]
    for index, sample in enumerate(samples):
        sample.set_metainfo(dict(img_id=index))
    inputs = dict(
        image=noise(len(counts), 3, size, size),
        crops=noise(sum(counts), 3, 64, 64),
        vfm=noise(len(counts), 3, size, size),
    )
    return inputs, samples
