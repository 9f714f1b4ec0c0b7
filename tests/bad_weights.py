"""CLIP files for tests/test_bad_input, and what reads them."""

import torch
from mmengine.registry import MODELS
from safetensors.torch import save_file
from tiny import backbone_cfg, tiny_eva

from declip_mm.checkpoint import read_checkpoint
from declip_mm.models.text import DeCLIPTextEncoder


def weights(**options):
    torch.manual_seed(0)
    model = MODELS.build(backbone_cfg(**options))
    return {f'backbone.{k}': v for k, v in model.state_dict().items()}


def full(model=None):
    state = MODELS.build(backbone_cfg(model)).visual.trunk.state_dict()
    encoder = DeCLIPTextEncoder(model or tiny_eva())
    text = {f'text.{k}': v for k, v in encoder.tower.state_dict().items()}
    return {**{f'visual.trunk.{k}': v for k, v in state.items()}, **text}


def stored(content, read=read_checkpoint, name='a.pth', damage=None):
    """A torch or safetensors file with this content."""

    def act(folder):
        path = folder / name
        value = content() if callable(content) else content
        (save_file if path.suffix == '.safetensors' else torch.save)(
            value, path
        )
        if damage:
            path.write_bytes(damage(path.read_bytes()))
        return read(str(path))

    return act


def into(**options):
    """Reads a file into a backbone."""

    def read(path):
        cfg = backbone_cfg(pretrained=path, **options)
        return MODELS.build(cfg).init_weights()

    return read


def text_into(path):
    return DeCLIPTextEncoder(tiny_eva(), path).encode(['cat'])
