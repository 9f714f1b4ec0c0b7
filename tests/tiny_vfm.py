"""Every family of VFM teachers of timm, made small."""

import torch

from declip_mm.models.teachers import VFMTeacher

VIT = dict(embed_dim=24, depth=2, num_heads=2, img_size=64)
DINOV2 = dict(VIT, img_size=56)
SAM = dict(VIT, window_size=2, global_attn_indexes=(1,), neck_chans=8)
HIERA = dict(
    embed_dim=8, num_heads=1, stages=(1, 2, 3, 2), global_att_blocks=(4,)
)

#: Family -> timm name, arguments, stride, channels of the map.
FAMILIES = {
    'dino-8': ('vit_base_patch8_224.dino', VIT, 8, 24),
    'dino-16': ('vit_base_patch16_224.dino', VIT, 16, 24),
    'dinov2': ('vit_base_patch14_dinov2.lvd142m', DINOV2, 14, 24),
    'dinov2-reg': ('vit_base_patch14_reg4_dinov2.lvd142m', DINOV2, 14, 24),
    'dinov3': ('vit_base_patch16_dinov3.lvd1689m', VIT, 16, 24),
    'sam': ('samvit_base_patch16.sa1b', SAM, 16, 8),
    'sam2': ('sam2_hiera_base_plus.fb_r896_2pt1', HIERA, 16, 32),
    'radio': ('vit_base_patch16_radio_v3', VIT, 16, 24),
    'convnext': ('convnext_atto', {}, 16, 160),
    'resnet': ('resnet18', {}, 16, 256),
}


def build_vfm(family, **options):
    name, arguments, _, _ = FAMILIES[family]
    torch.manual_seed(0)
    return VFMTeacher(name, timm_kwargs=arguments, **options)
