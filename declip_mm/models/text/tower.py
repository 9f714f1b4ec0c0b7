"""Building the text tower of a CLIP configuration, and running it."""

import hashlib
import json
from typing import Any

import torch
import torch.nn as nn
from open_clip.model import CLIPTextCfg, _build_text_tower
from torch import Tensor
from torch.func import functional_call

from .tokenizer import TextTokenizer

__all__ = ['architecture_digest', 'build_text', 'check_text_config', 'run']


def check_text_config(config: dict[str, Any], label: str) -> dict[str, Any]:
    """The ``text_cfg`` of a CLIP configuration, checked.

    Raises:
        ValueError: There is none, it has unknown keys, its tower or
            tokenizer comes from a model hub, or ``token_ids`` do not fit.
    """
    text = dict(config.get('text_cfg') or {})
    if not text:
        raise ValueError(
            f'the configuration of {label} has no text_cfg, so that class '
            'names cannot be encoded. Use a full CLIP configuration.'
        )
    known = set(CLIPTextCfg.__dataclass_fields__)
    unknown = sorted(set(text) - known)
    if unknown:
        raise ValueError(
            f'text_cfg of {label} has unknown keys {unknown}. Allowed: '
            f'{sorted(known)}.'
        )
    for key in ('hf_model_name', 'hf_tokenizer_name'):
        if text.get(key):
            raise ValueError(
                f'the text tower of {label} needs {key}={text[key]!r} from a '
                "model hub; supported are open_clip's own towers with CLIP's "
                'byte-pair tokenizer (OpenAI, OpenCLIP, MetaCLIP, DFN, '
                'EVA-CLIP).'
            )
    token_ids = config.get('token_ids')
    vocabulary = text.get('vocab_size', CLIPTextCfg.vocab_size)
    if token_ids is not None and len(token_ids) != vocabulary:
        raise ValueError(
            f'token_ids of {label} has {len(token_ids)} entries, text_cfg '
            f'vocab_size={vocabulary}; they must be equal.'
        )
    # Pooled output alone: the consumer gets one type, always.
    text['output_tokens'] = False
    return text


def text_tokenizer(
    text: dict[str, Any], token_ids: list | None
) -> TextTokenizer:
    """Tokenizer of a checked ``text_cfg``."""
    options = dict(text.get('tokenizer_kwargs') or {})
    return TextTokenizer(
        text.get('context_length', CLIPTextCfg.context_length),
        token_ids,
        **options,
    )


def build_text(
    embed_dim: int, text: dict[str, Any], quick_gelu: bool
) -> nn.Module:
    """Text tower with random weights; torch's random state is left alone."""
    with torch.random.fork_rng(devices=[]):
        tower = _build_text_tower(embed_dim, text, quick_gelu)
    return tower.requires_grad_(False).eval()


def architecture_digest(
    embed_dim: int,
    text: dict[str, Any],
    quick_gelu: bool,
    token_ids: list | None,
) -> str:
    """SHA-256 of what decides a text tower's outputs beside its weights."""
    # Through the dataclass, so that defaults count as if they were written.
    fields = dict(vars(CLIPTextCfg(**text)))
    content = [embed_dim, fields, bool(quick_gelu), token_ids]
    return hashlib.sha256(
        json.dumps(content, sort_keys=True).encode()
    ).hexdigest()


def run(tower: Any, ids: Tensor, longest: int) -> Tensor:
    """Text features, without computing padding where that is exact.

    Args:
        tower: ``open_clip.transformer.TextTransformer``.
        ids: (N, T) padded tokens.
        longest: Tokens of the longest text in ``ids``.

    Returns:
        (N, C), not normalised.
    """
    # Under a causal mask no token sees the padding behind it, and the
    # feature is read at the end token. Prompts are short: 5 times faster.
    causal = tower.attn_mask is not None and tower.cls_emb is None
    if not (causal and tower.pool_type in ('argmax', 'eos')):
        return tower(ids)
    mask = tower.attn_mask[:longest, :longest]
    return functional_call(
        tower, {'attn_mask': mask}, (ids[:, :longest],), strict=False
    )
