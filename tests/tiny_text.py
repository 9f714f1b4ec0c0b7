"""Tiny text towers, files of them, and the warnings they log."""

import logging

import open_clip
import torch

VISION = {
    'image_size': 32,
    'patch_size': 16,
    'width': 32,
    'head_width': 16,
    'layers': 1,
}
TEXT = {
    'context_length': 16,
    'vocab_size': 49408,
    'width': 32,
    'heads': 2,
    'layers': 2,
}
#: Ids of open_clip's tokenizer for the start and the end of a text.
START, END = 49406, 49407


def text_config(**changes):
    """open_clip-style config; ``changes`` go into its ``text_cfg``."""
    return {
        'embed_dim': 24,
        'vision_cfg': dict(VISION),
        'text_cfg': dict(TEXT, **changes),
    }


def clip(seed=3, cls=open_clip.model.CLIP, text=TEXT, **kwargs):
    """open_clip's own model: the reference, and the maker of files."""
    torch.manual_seed(seed)
    return cls(24, VISION, dict(text), **kwargs).eval()


def save(weights, path):
    torch.save(weights, path)
    return str(path)


def collect_warnings(monkeypatch):
    """Messages of level WARNING that the text modules log from now on."""
    found = []

    def print_log(message, logger=None, level=logging.INFO):
        if level == logging.WARNING:
            found.append(message)

    for module in ('encoder', 'build'):
        name = f'declip_mm.models.text.{module}.print_log'
        monkeypatch.setattr(name, print_log)
    return found
