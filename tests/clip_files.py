"""CLIP files of every known layout: tiny towers, true key names."""

import numpy as np
import open_clip
import torch
from mmengine.registry import MODELS
from tiny import backbone_cfg, tiny_eva, tiny_openai

CAT_SEG = 'sem_seg_head.predictor.clip_model.'
SIGLIP = dict(
    embed_dim=24,
    vision_cfg=dict(
        timm_model_name='vit_base_patch16_siglip_224',
        timm_proj='none',
        image_size=64,
        timm_kwargs=dict(embed_dim=24, depth=2, num_heads=2),
    ),
)


def text_tower():
    """Text tower under open_clip's own names."""
    encoder = dict(type='DeCLIPTextEncoder', model=tiny_eva())
    return dict(MODELS.build(encoder).tower.state_dict())


def noise(*shape):
    return torch.randn(shape)


def prefixed(weights, prefix):
    return {f'{prefix}{k}': v for k, v in weights.items()}


def eva(golden_dir):
    """The names and rotary tables that the authors' own code wrote."""
    with np.load(golden_dir / 'eva_forward_64px.npz') as arrays:
        tower = {
            k[len('weight/') :]: torch.from_numpy(arrays[k])
            for k in arrays.files
            if k.startswith('weight/')
        }
    text = prefixed(text_tower(), 'text.')
    return {**tower, **text, 'logit_scale': torch.tensor(2.0)}


def open_clip_model(golden_dir):
    torch.manual_seed(0)
    model = open_clip.model.CLIP(**tiny_openai(), quick_gelu=True)
    return {k: v for k, v in model.state_dict().items() if k != 'attn_mask'}


def openai(golden_dir):
    weights = open_clip_model(golden_dir)
    sizes = dict(input_resolution=64, context_length=16, vocab_size=49408)
    stated = {k: torch.tensor(v) for k, v in sizes.items()}
    weights = {k: v.half() if v.ndim > 1 else v for k, v in weights.items()}
    return {**weights, **stated}


def open_clip_custom(golden_dir):
    trunk = MODELS.build(backbone_cfg()).visual.trunk.state_dict()
    return {
        **prefixed(trunk, 'visual.trunk.'),
        **prefixed(text_tower(), 'text.'),
        'logit_scale': torch.tensor(2.0),
    }


def siglip(golden_dir):
    import timm

    options = SIGLIP['vision_cfg']['timm_kwargs']
    trunk = timm.create_model(
        'vit_base_patch16_siglip_224', img_size=64, num_classes=0, **options
    ).state_dict()
    assert 'attn_pool.kv.weight' in trunk
    scalars = dict(logit_scale=noise(1), logit_bias=noise(1))
    return {**prefixed(trunk, 'visual.trunk.'), **scalars}


def timm_eva(golden_dir):
    return dict(MODELS.build(backbone_cfg()).visual.trunk.state_dict())


def cat_seg_eva(golden_dir):
    return prefixed(eva(golden_dir), CAT_SEG)


def cat_seg_openai(golden_dir):
    """q, k and v of every block apart, the bias fused, both towers."""
    weights = {}
    for key, value in open_clip_model(golden_dir).items():
        if key.endswith('attn.in_proj_weight'):
            for name, rows in zip('qkv', value.chunk(3)):
                new = key.replace('in_proj_weight', f'{name}_proj_weight')
                weights[f'{CAT_SEG}{new}'] = rows.clone()
        else:
            weights[f'{CAT_SEG}{key}'] = value
    head = 'sem_seg_head.predictor.transformer.conv1.weight'
    return {**weights, head: noise(3, 1), 'upsample1.bias': noise(3)}


def f_vit(golden_dir):
    tower = {k: v for k, v in eva(golden_dir).items() if 'visual.' in k}
    beside = (
        'backbone.interpolate1.0.weight',
        'neck.lateral_convs.0.conv.weight',
        'rpn_head.rpn_conv.weight',
        'roi_head.bbox_head.fc_reg.weight',
    )
    return {**prefixed(tower, 'backbone.'), **{k: noise(2) for k in beside}}


def declip_mm(golden_dir):
    state = MODELS.build(backbone_cfg(tiny_openai())).state_dict()
    return prefixed(state, 'backbone.')


FILES = dict(
    eva=(eva, 'eva'),
    openai=(openai, 'openai'),
    open_clip=(open_clip_model, 'open_clip'),
    open_clip_custom=(open_clip_custom, 'open_clip_custom'),
    siglip=(siglip, 'open_clip_custom'),
    timm=(timm_eva, 'timm'),
    cat_seg_eva=(cat_seg_eva, 'cat_seg_eva'),
    cat_seg_openai=(cat_seg_openai, 'cat_seg_openai'),
    f_vit=(f_vit, 'f_vit'),
    declip_mm=(declip_mm, 'declip_mm'),
)
