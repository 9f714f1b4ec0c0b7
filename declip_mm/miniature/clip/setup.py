"""What the tiny CLIP's training starts from."""

from __future__ import annotations

import argparse
import math

import numpy as np
import torch

from ..world.pack import SpritePack
from .muon import Muon
from .text import BACKGROUND, CONTEXT, TEMPLATES, CompactTokenizer

NATIVE, LOW, PATCH = 84, 56, 14  # pixels
PIXELS = dict(
    mean=[0.48145466, 0.4578275, 0.40821073],
    std=[0.26862954, 0.26130258, 0.27577711],
)


def model_config(vocabulary: int, width: int, layers: int) -> dict:
    """open_clip's configuration of the tiny CLIP."""
    return dict(
        embed_dim=128,
        vision_cfg=dict(
            image_size=NATIVE,
            layers=layers,
            width=width,
            head_width=64,
            patch_size=PATCH,
        ),
        text_cfg=dict(
            context_length=CONTEXT,
            vocab_size=vocabulary,
            width=128,
            heads=2,
            layers=2,
        ),
    )


class Names:
    """Picks the words for every class, anew for each step."""

    def __init__(self, pack: SpritePack, tokenizer: CompactTokenizer) -> None:
        seen = [c for c in pack.classes if c not in pack.unseen]
        self.choices = [(c, *pack.synonyms[c]) for c in seen]
        self.choices.append((BACKGROUND,))
        self.tokenizer = tokenizer
        self.plain = tokenizer([c[0] for c in self.choices], 8)

    def sample(self, rng: np.random.Generator) -> torch.Tensor:
        """Token ids (C + 1, 10); the plain name most of the time."""
        texts = []
        for names in self.choices:
            name = names[0]
            if rng.random() < 0.25:
                name = names[rng.integers(len(names))]
            template = TEMPLATES[0]
            if rng.random() < 0.3:
                template = TEMPLATES[rng.integers(1, len(TEMPLATES))]
            texts.append(template.format(name))
        return self.tokenizer(texts, 10)


def rate_factor(step: int, steps: int) -> float:
    """Linear warm-up, then cosine down to 1 % of the peak."""
    warm = min(60, steps // 10)
    if step < warm:
        return (step + 1) / warm
    share = (step - warm) / max(steps - warm, 1)
    return 0.01 + 0.99 * (1 + math.cos(math.pi * share)) / 2


def build_optimisers(model: torch.nn.Module, args: argparse.Namespace):
    """Muon for the image blocks' matrices, AdamW for the rest."""
    blocks = dict(model.visual.transformer.named_parameters())
    matrices = [p for p in blocks.values() if p.ndim == 2]
    known = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in known]
    return (
        Muon(matrices, lr=2 * args.lr, weight_decay=args.decay),
        torch.optim.AdamW(
            others, lr=args.lr, betas=(0.9, 0.98), weight_decay=0.01
        ),
    )
