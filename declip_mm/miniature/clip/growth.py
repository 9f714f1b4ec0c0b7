"""A deeper CLIP that starts from a trained one."""

import json
from pathlib import Path

from safetensors.torch import load_file
from torch import nn

#: What a residual branch adds to its input comes out of these.
OUTPUTS = ('attn.out_proj', 'mlp.c_proj')


def count_copies(folder: Path, depth: int) -> int:
    """Into how many each block of the CLIP in a folder is split.

    Args:
        folder: As train_tiny_clip.py writes it.
        depth: Image blocks of the CLIP to come.

    Raises:
        ValueError: The depth is no multiple of the other's.
        OSError: There is no CLIP in the folder.
    """
    info = json.loads((folder / 'tiny_clip.json').read_text('utf-8'))
    old = info['model_cfg']['vision_cfg']['layers']
    if depth % old:
        raise ValueError(
            f'{folder} has {old} image blocks and the model {depth}: '
            f'--layers must be a multiple of {old}'
        )
    return depth // old


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
        ValueError, OSError: As :func:`count_copies`.
    """
    if folder is None:
        return
    copies = count_copies(folder, len(model.visual.transformer.resblocks))
    weights, grown = load_file(folder / 'tiny_clip.safetensors'), {}
    stem = 'visual.transformer.resblocks.'
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
