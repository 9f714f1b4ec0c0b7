"""What trains in a backbone: by configuration, and by what is used."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch.nn as nn

from .towers import Tower

if TYPE_CHECKING:
    from .declip_vit import DeCLIPViT

__all__ = ['freeze_tower', 'param_depth', 'unused_parameters']


def unused_parameters(backbone: 'DeCLIPViT') -> Iterator[nn.Parameter]:
    """Parameters of the last stage that its affinity leaves out.

    A decoupled block has neither FFN nor LN2, qq never looks at k, and dense
    features do without a pooling head's probe. They are frozen, so that no
    optimiser decays them and DDP does not wait.
    """
    tower, last = backbone.visual, backbone.last_block
    yield from tower.idle_parameters()
    forms = {last.affinity}
    if tower.num_stages - 1 in backbone.out_indices:
        forms.add(last.last_tap)
    if 'vanilla' in forms:
        return
    used = {'v', *last.context_names}
    for name in 'qkv':
        if name not in used:
            yield from tower.last_projection(name)
    if not (last.ffn or 'maskclip' in forms):
        yield from tower.last_mlp_parameters()


def freeze_tower(
    backbone: 'DeCLIPViT', frozen_stages: int, train_head: bool
) -> None:
    """Apply ``frozen_stages`` and ``train_head`` of DeCLIPViT.

    Raises:
        ValueError: ``frozen_stages`` is out of range.
    """
    tower = backbone.visual
    depth = tower.num_stages
    if not -1 <= frozen_stages <= depth:
        raise ValueError(
            f'frozen_stages={frozen_stages} is out of range: allowed are -1 '
            f'(nothing), 0 (stem) to {depth} (stem and all stages).'
        )
    frozen = list(unused_parameters(backbone))
    if frozen_stages >= 0:
        frozen += tower.stem_parameters()
    for stage in tower.stages[: max(frozen_stages, 0)]:
        frozen += stage.parameters()
    if not train_head:
        frozen += tower.head_parameters()
    for parameter in frozen:
        parameter.requires_grad = False


def param_depth(tower: Tower, name: str, prefix: str) -> tuple[int, int]:
    """Depth of a parameter, as layer-wise decay counts it.

    Args:
        tower: The tower that holds it.
        name: Full parameter name.
        prefix: What stands before the trunk's own names.

    Returns:
        (depth, number of depths): 0 stem, 1..S stages, S + 1 the rest.
    """
    total = tower.num_stages + 2
    if not name.startswith(prefix):
        return total - 1, total
    found = re.search(r'(?:^|\.)(?:res)?blocks\.(\d+)\.', name)
    if found:
        return int(found[1]) + 1, total
    if tower.pools and name.startswith(f'{prefix}attn_pool.'):
        return tower.num_stages, total
    stem = {id(p) for p in tower.stem_parameters()}
    parameters = dict(tower.trunk.named_parameters())
    own = parameters.get(name[len(prefix) :])
    return (0 if id(own) in stem else total - 1), total
