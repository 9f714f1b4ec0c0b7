"""Frozen text tower of a CLIP."""

import logging
import os
from collections.abc import Callable, Sequence
from functools import cached_property

import torch
import torch.nn as nn
import torch.nn.functional as F
from mmengine.logging import print_log
from mmengine.registry import MODELS
from torch import Tensor

from ...assets import resolve_asset
from ...checkpoint import load_text_tower
from ...deprecation import dropped_arguments
from ..download import RULE, fetch_tag
from ..towers.config import (
    ModelConfig,
    read_model_config,
    say_unchecked,
    settle_activation,
    tag_settings,
)
from .fingerprint import state_digest
from .tokenizer import TokenBatch
from .tower import (
    architecture_digest,
    build_text,
    check_text_config,
    run,
    text_tokenizer,
)

__all__ = ['DeCLIPTextEncoder']


@MODELS.register_module()
class DeCLIPTextEncoder(nn.Module):
    """Text tower that belongs to a :class:`DeCLIPViT`.

    The tower is built and filled on first use. It takes no gradient, is
    always in eval mode and float32, and is absent from checkpoints.

    Args:
        model: open_clip model name, ``.json`` path or config dict with
            ``text_cfg`` and, for a cut vocabulary, ``token_ids``.
        pretrained: File with the CLIP's weights, or open_clip tag, which
            may be downloaded on first use. None leaves random weights, and
            says so.
        quick_gelu: Activation. None takes what the model, the tag or the
            file says; otherwise it has to agree with them.
        chunk_size: Texts per forward pass.

    Raises:
        ValueError: Unknown model or tag, a text tower that is not
            open_clip's own.
    """

    _anchor: Tensor

    @dropped_arguments(allow_download=RULE)
    def __init__(
        self,
        model: ModelConfig = 'EVA02-B-16',
        pretrained: str | None = None,
        *,
        quick_gelu: bool | None = None,
        chunk_size: int = 256,
    ) -> None:
        super().__init__()
        if chunk_size < 1:
            raise ValueError(
                f'chunk_size (texts per pass) must be 1 or more, got '
                f'{chunk_size}.'
            )
        config = read_model_config(model)
        name = config.get('name') if isinstance(model, dict) else str(model)
        self.label = os.path.basename(name or 'custom')
        pretrained = pretrained and resolve_asset(pretrained)
        self.pretrained, self.tag = pretrained, {}
        if pretrained is not None and not os.path.isfile(pretrained):
            if pretrained.endswith(('.pt', '.pth', '.bin', '.safetensors')):
                raise FileNotFoundError(
                    f'weight file {pretrained} does not exist. Check the path.'
                )
            self.tag = tag_settings(model, pretrained)
        activation = settle_activation(model, pretrained, quick_gelu)
        self.quick_gelu = bool(activation.quick_gelu)
        # EVA-02 and SigLIP pair with plain GELU, whatever their file.
        own = not config['vision_cfg'].get('timm_model_name')
        self._unchecked = own and not (self.tag or activation.by)
        self.embed_dim = config['embed_dim']
        self.chunk_size = chunk_size
        self.text_cfg = check_text_config(config, self.label)
        self.token_ids = config.get('token_ids')
        self.tokenize = text_tokenizer(self.text_cfg, self.token_ids)
        # Follows the model to its device; the tower follows it.
        self.register_buffer('_anchor', torch.empty(0), persistent=False)

    @cached_property
    def _hidden(self) -> tuple:
        """The tower, in a tuple that hides it from checkpoints and DDP."""
        tower = build_text(self.embed_dim, self.text_cfg, self.quick_gelu)
        path = self.pretrained
        if self.tag:
            path = fetch_tag(
                self.tag, f'DeCLIPTextEncoder({self.label}, {path})'
            )
        if path is None:
            print_log(
                f'DeCLIPTextEncoder({self.label}) has random weights: '
                'pretrained is not set, class names mean nothing to it.',
                logger='current',
                level=logging.WARNING,
            )
        else:
            load_text_tower(tower, path, self.label)
            if self._unchecked:
                say_unchecked(path, 'text tower')
            print_log(
                f'DeCLIPTextEncoder({self.label}): {path}', logger='current'
            )
        return (tower,)

    @property
    def tower(self) -> nn.Module:
        """open_clip's ``TextTransformer``, on this module's device."""
        return self._hidden[0].to(self._anchor.device)

    @cached_property
    def fingerprint(self) -> dict:
        """What decides the embeddings of a text (plain values)."""
        return {
            'model': self.label,
            'architecture': architecture_digest(
                self.embed_dim, self.text_cfg, self.quick_gelu, self.token_ids
            ),
            'weights': state_digest(self.tower),
            'dim': self.embed_dim,
        }

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Embed texts; cut texts and unknown words are warned of by name.

        Returns:
            (N, C) float32, L2-normalised, on this module's device.
        """
        _check_texts(texts)
        tokens = self.tokenize(texts)
        if tokens.overlong:
            self.warn_overlong([texts[i] for i in tokens.overlong], 'texts')
        self.warn_unknown(tokens.unknown)
        return self.encode_tokens(tokens)

    forward = encode

    @torch.no_grad()
    def encode_tokens(
        self,
        tokens: TokenBatch,
        progress: Callable[[int, int], None] | None = None,
    ) -> Tensor:
        """Embed tokenized texts.

        Args:
            tokens: Of N texts.
            progress: Called with (texts done, N) after every chunk.
        """
        tower, device = self.tower, self._anchor.device
        total = len(tokens.ids)
        out = torch.empty(total, self.embed_dim, device=device)
        # Texts of like length together: less padding to compute.
        order = torch.argsort(tokens.lengths, stable=True)
        done = 0
        for chunk in order.split(self.chunk_size) if total else ():
            longest = int(tokens.lengths[chunk].max())
            # Class embeddings decide every score: full precision, always.
            with torch.autocast(device.type, enabled=False):
                features = run(tower, tokens.ids[chunk].to(device), longest)
            out[chunk.to(device)] = F.normalize(features.float(), dim=-1)
            done += len(chunk)
            if progress is not None:
                progress(done, total)
        return out

    def refuse_alike(
        self, groups: Sequence[Sequence[str]], tokens: TokenBatch
    ) -> None:
        """Refuse names that are one to this tower.

        A tower with a cut vocabulary reads all words that it lacks as one;
        it is no model for use, so that a warning does.

        Args:
            groups: Of :func:`~declip_mm.models.text.tokenizer.tokens_alike`.
            tokens: In which they were found.

        Raises:
            ValueError: There are such groups.
        """
        if not groups:
            return
        shown = '; '.join(_quoted(group, 4) for group in groups[:5])
        said = f'these class names give the same tokens to {self.label}'
        if tokens.unknown:
            print_log(
                f'{said}, which lacks words of them: {shown}.',
                logger='current',
                level=logging.WARNING,
            )
            return
        limit = self.tokenize.context_length
        because = f' (texts are cut after {limit} tokens)'
        raise ValueError(
            f'{said}{because if tokens.overlong else ""}, so that nothing '
            f'could tell them apart: {shown}. Rename, shorten or remove all '
            'but one of each.'
        )

    def warn_overlong(self, items: list[str], what: str) -> None:
        limit = self.tokenize.context_length
        print_log(
            f'{len(items)} {what} have more than the {limit} tokens of '
            f'{self.label} and are cut: {_quoted(items)}.',
            logger='current',
            level=logging.WARNING,
        )

    def warn_unknown(self, words: Sequence[str]) -> None:
        if words:
            print_log(
                f'{self.label} was trained without these words, they share '
                f'one unknown token: {_quoted(words)}.',
                logger='current',
                level=logging.WARNING,
            )


def _check_texts(texts: Sequence[str]) -> None:
    if isinstance(texts, str):
        raise TypeError(f'texts must be a list of strings, got {texts!r}.')
    wrong = [text for text in texts if not isinstance(text, str)]
    if wrong:
        raise TypeError(f'texts must be strings; these are not: {wrong[:5]}.')


def _quoted(items: Sequence[str], limit: int = 20) -> str:
    shown = ', '.join(repr(item) for item in items[:limit])
    rest = len(items) - limit
    return shown + (f' and {rest} more' if rest > 0 else '')
