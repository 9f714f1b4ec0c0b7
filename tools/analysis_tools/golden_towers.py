"""Golden checks of image towers and of the distillation step."""

import tempfile
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.registry import MODELS
from mmengine.structures import BaseDataElement
from safetensors.torch import save_file
from torch import Tensor

from declip_mm.checkpoint.facts import tower_facts
from declip_mm.checkpoint.keymaps import to_official_eva
from declip_mm.checkpoint.layouts import read_parts
from declip_mm.models.regions import box_features, mask_features

Errors = dict[str, float]
#: First matrix of an MLP, as EVA and OpenAI call it.
HIDDEN = ('.mlp.w1.weight', '.mlp.c_fc.weight')


def relative_error(found: Tensor, wanted: np.ndarray) -> float:
    """Largest difference over the largest absolute value wanted."""
    wanted = torch.from_numpy(wanted)
    if found.shape != wanted.shape:
        raise ValueError(f'shape {found.shape}, recorded {wanted.shape}')
    return ((found - wanted).abs().max() / wanted.abs().max()).item()


def part(data: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {
        k.removeprefix(prefix): v
        for k, v in data.items()
        if k.startswith(prefix)
    }


def tensors(arrays: dict[str, np.ndarray]) -> dict[str, Tensor]:
    return {k: torch.from_numpy(v) for k, v in arrays.items()}


def tower_config(weights: dict[str, np.ndarray], heads: int) -> dict:
    """open_clip's config of a tower, its dimensions those of its weights."""
    parts = read_parts(tensors(weights))
    facts = tower_facts(parts)
    width, patch = facts['width'], facts['patch_size']
    hidden = [v for k, v in weights.items() if k.endswith(HIDDEN)][0]
    sizes = dict(patch_size=patch, mlp_ratio=len(hidden) / width)
    if parts.trunk == 'eva':
        sizes.update(depth=facts['num_layers'], num_heads=heads)
        vision = dict(
            timm_model_name='eva02_base_patch16_clip_224',
            timm_kwargs=dict(sizes, embed_dim=width),
        )
    else:
        sizes.update(layers=facts['num_layers'], head_width=width // heads)
        vision = dict(sizes, width=width)
    vision['image_size'] = facts['native_size']
    return dict(
        embed_dim=facts['out_dim'], vision_cfg=vision, quick_gelu=False
    )


def build_backbone(
    weights: dict[str, np.ndarray], config: dict, **options
) -> torch.nn.Module:
    """Write the weights to a file and load it as a user would."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / 'golden.safetensors')
        save_file(tensors(weights), path)
        backbone = MODELS.build(
            dict(type='DeCLIPViT', model=config, pretrained=path, **options)
        )
        backbone.init_weights()
    return backbone


@torch.no_grad()
def check_forward(data: dict[str, np.ndarray], openai: bool) -> Errors:
    """Dense maps, context and region features of one tower."""
    weights = part(data, 'weight/')
    heads = data['out/context_qq'].shape[1]
    config = tower_config(weights, heads)
    image = torch.from_numpy(data['image'])
    errors: Errors = {}
    dense = {}
    for key in [k for k in data if k.startswith('out/content_')]:
        affinity = key.rpartition('_')[2]
        scale = 'rsqrt' if openai else 1.0
        backbone = build_backbone(
            weights, config, affinity=affinity, scale=scale
        )
        dense[affinity] = backbone.forward_dense(image)
        content = dense[affinity].content
        if openai:  # the recording is normalised, ours never is
            content = F.normalize(content, dim=1)
        errors[key] = relative_error(content, data[key])
    for key in [k for k in data if k.startswith('out/context_')]:
        (found,) = dense[key.rpartition('_')[2]].context
        found = found.unflatten(-1, (heads, -1)).transpose(1, 2)
        errors[key] = relative_error(found, data[key])
    if 'out/cls' in data:
        found = backbone.forward_image(image)
        errors['out/cls'] = relative_error(found, data['out/cls'])
    if 'out/roi_qq' in data:
        errors.update(check_regions(data, dense['qq'].content))
    return errors


def check_regions(data: dict[str, np.ndarray], content: Tensor) -> Errors:
    boxes = torch.from_numpy(data['boxes'])
    masks = torch.from_numpy(data['masks'])
    owner = torch.from_numpy(data['mask_image_index'])
    errors, images = {}, range(len(content))
    for key, index, pool, regions in (
        ('out/roi_qq', boxes[:, 0].long(), box_features, boxes[:, 1:]),
        ('out/maskpool_qq', owner, mask_features, masks),
    ):
        found = pool(content, [regions[index == i] for i in images])
        order = torch.cat([(index == i).nonzero()[:, 0] for i in images])
        unsorted = torch.empty_like(found)
        unsorted[order] = found
        errors[key] = relative_error(unsorted, data[key])
    return errors


def check_distill(data: dict[str, np.ndarray], affinity: str) -> Errors:
    """Both losses and every gradient of one distillation step."""
    student, teacher = part(data, 'student/'), part(data, 'teacher/')
    width = len(student['visual.norm.weight'])
    heads = width // student['visual.rope.freqs_cos'].shape[-1]
    config = tower_config(student, heads)
    options = dict(affinity=affinity, scale=1.0)
    backbone = dict(type='DeCLIPViT', model=config, **options)
    model = MODELS.build(
        dict(
            type='DecoupledDistiller',
            backbone=backbone,
            content_teacher=dict(type='CLIPCropTeacher', backbone=backbone),
            content_weight=1.0,
            context_weight=0.1,
            mask_padding=False,
        )
    )
    model.backbone = build_backbone(student, config, **options)
    original = build_backbone(teacher, config, **options)
    model.content_teacher.backbone.load_state_dict(original.state_dict())
    vfm = torch.from_numpy(data['vfm_features'])
    model.context_teacher = lambda image, samples: vfm
    boxes = torch.from_numpy(data['boxes'])
    valid = boxes[..., 4] > 0.5
    samples = [BaseDataElement(boxes=b[v, :4]) for b, v in zip(boxes, valid)]
    inputs = dict(
        image=torch.from_numpy(data['image']),
        crops=torch.from_numpy(data['crops'])[valid],
        vfm=None,
    )
    losses = model(inputs, samples, mode='loss')
    sum(losses.values()).backward()
    errors = {
        f'out/{name}': relative_error(value.detach(), data[f'out/{name}'])
        for name, value in losses.items()
    }
    for name, parameter in model.backbone.visual.trunk.named_parameters():
        key = f'grad/visual.{to_official_eva(name)}'
        if key in data:
            if parameter.grad is None:
                raise ValueError(f'{key} received no gradient')
            errors[key] = relative_error(parameter.grad, data[key])
    if lost := {k for k in data if k.startswith('grad/')} - set(errors):
        raise ValueError(f'recorded gradients without counterpart: {lost}')
    return errors


def distilled_affinity(data: dict[str, np.ndarray]) -> str:
    """Which projections of the last block received a gradient tells."""
    grads = part(data, 'grad/')
    last = max(int(k.split('.')[2]) for k in grads if '.blocks.' in k)
    stem = f'visual.blocks.{last}.attn.'
    moved = ''.join(n for n in 'qk' if f'{stem}{n}_proj.weight' in grads)
    return {'q': 'qq', 'k': 'kk', '': 'vv', 'qk': 'csa'}[moved]
