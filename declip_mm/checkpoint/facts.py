"""What the weights themselves tell of a CLIP."""

import re
from pathlib import Path
from typing import Any

from .layouts import CLIPParts

__all__ = ['guess_model', 'name_hints', 'tower_facts']

#: Patch embedding, position embedding by kind of trunk.
_PATCH = ('patch_embed.proj.weight', 'conv1.weight')
_POSITION = ('pos_embed', 'positional_embedding')
_BLOCK = re.compile(r'(?:blocks|resblocks)\.(\d+)\.')

#: (kind, width, blocks, patch, native side) -> open_clip's name.
_MODELS: dict[tuple[Any, ...], str] = {
    ('eva', 768, 12, 16, 224): 'EVA02-B-16',
    ('eva', 1024, 24, 14, 224): 'EVA02-L-14',
    ('eva', 1024, 24, 14, 336): 'EVA02-L-14-336',
    ('openai', 768, 12, 16, 224): 'ViT-B-16',
    ('openai', 768, 12, 32, 224): 'ViT-B-32',
    ('openai', 1024, 24, 14, 224): 'ViT-L-14',
    ('openai', 1024, 24, 14, 336): 'ViT-L-14-336',
    ('pooling', 768, 12, 16, 224): 'ViT-B-16-SigLIP',
    # Of the towers that pool, PE alone has a class token.
    ('pe', 768, 12, 16, 224): 'PE-Core-B-16',
    ('pe', 1024, 24, 14, 336): 'PE-Core-L-14-336',
}


def tower_facts(parts: CLIPParts) -> dict[str, Any]:
    """Width, blocks, patch, native side and joint dimension of the tower.

    Empty where there is no image tower. Neither heads nor activation leave a
    trace in the weights.
    """
    visual = parts.visual
    patch = next((visual[k] for k in _PATCH if k in visual), None)
    position = next((visual[k] for k in _POSITION if k in visual), None)
    if patch is None or position is None:
        return {}
    has_class = 'cls_token' in visual or 'class_embedding' in visual
    side = round((position.shape[-2] - has_class) ** 0.5) * patch.shape[-1]
    blocks = [int(m[1]) for k in visual if (m := _BLOCK.search(k))]
    facts = dict(
        width=patch.shape[0],
        num_layers=1 + max(blocks, default=-1),
        patch_size=patch.shape[-1],
        native_size=side,
    )
    head, proj = visual.get('head.weight'), visual.get('proj')
    if head is not None:
        facts['out_dim'] = head.shape[0]
    elif proj is not None:
        facts['out_dim'] = proj.shape[1]
    return facts


def guess_model(parts: CLIPParts) -> str | None:
    """open_clip's name for a tower of this shape; None if there is none."""
    facts = tower_facts(parts)
    sizes = ('width', 'num_layers', 'patch_size', 'native_size')
    kind = parts.trunk
    if kind == 'pooling' and 'cls_token' in parts.visual:
        kind = 'pe'
    key = (kind, *(facts.get(name) for name in sizes))
    return _MODELS.get(key)


_AFFINITY = re.compile(r'(?:^|_)(qq|kk|vv|csa|all)(?=_)')


def name_hints(path: str) -> dict[str, Any]:
    """What DeCLIP's authors put into the names of their files.

    ``DeCLIP_EVA-B_DINOv2-B_csa_0.05_2.0``: the affinity, and two numbers
    whose meaning they did not state; they are kept as they are.
    """
    stem = re.sub(r'\.(pth?|safetensors)$', '', Path(path).name)
    found = _AFFINITY.search(stem)
    if not found:
        return {}
    numbers = re.findall(r'_(\d+(?:\.\d+)?)(?=_|$)', stem[found.end() :])
    hints = {'name_affinity': found[1]}
    return {**hints, **{f'name_{i}': float(n) for i, n in enumerate(numbers)}}
