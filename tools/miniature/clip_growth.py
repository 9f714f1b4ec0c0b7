"""A deeper CLIP that starts from a trained one."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file
from torch import nn

#: What a residual branch adds to its input comes out of these.
OUTPUTS = ('attn.out_proj', 'mlp.c_proj')


def grow(model: nn.Module, folder: Path | None) -> None:
    """Take the weights of a shallower CLIP, each image block split in n.

    A residual block moves its input by f(x). Its n copies move it by f(x)/n
    one after another, which is about the same (a finer step along the same
    path), so training goes on where the shallow model stopped and no copy is
    idle. Text tower and all other weights are taken as they are.

    Args:
        model: open_clip's CLIP, changed in place.
        folder: Of ``tiny_clip.safetensors``; None changes nothing.

    Raises:
        ValueError: The depth of the model is no multiple of the other's.
    """
    if folder is None:
        return
    weights = load_file(Path(folder) / 'tiny_clip.safetensors')
    stem = 'visual.transformer.resblocks.'
    blocks = {int(k.split('.')[3]) for k in weights if k.startswith(stem)}
    depth, old = len(model.visual.transformer.resblocks), len(blocks)
    if depth % old:
        raise ValueError(
            f'{folder} has {old} image blocks and the model {depth}: '
            f'--layers must be a multiple of {old}'
        )
    copies, grown = depth // old, {}
    for key, value in weights.items():
        value = value.float()
        if not key.startswith(stem):
            grown[key] = value
            continue
        index, name = key[len(stem) :].split('.', 1)
        if name.startswith(OUTPUTS):
            value = value / copies
        for copy in range(copies):
            grown[f'{stem}{int(index) * copies + copy}.{name}'] = value.clone()
    model.load_state_dict(grown)
