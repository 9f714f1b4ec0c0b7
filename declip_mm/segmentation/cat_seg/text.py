"""The text tower of a CLIP, as a part of the model that trains."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.logging import print_log
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ...deprecation import dropped_arguments
from ...models.download import RULE
from ...models.text import DeCLIPTextEncoder, TokenBatch
from ...models.text.tower import build_text, run
from ...models.towers.config import ModelConfig
from .split import split_attention

__all__ = ['TrainableTextEncoder']


@MODELS.register_module()
class TrainableTextEncoder(BaseModule):
    """Text tower that trains and is saved with the model.

    Built like :class:`~declip_mm.models.text.DeCLIPTextEncoder`, from the
    same arguments and files; ``init_weights`` fills it, strictly.

    Args:
        model: open_clip model name, ``.json`` path or config dict.
        pretrained: File with the CLIP's weights, or open_clip tag.
        quick_gelu: Activation. None takes the tag's or the model's.
        split_attention: Keep q, k and v apart, so that q and v can train
            without k (CAT-Seg on OpenAI's CLIP). False leaves the fused
            matrix, which trains as a whole (the authors' EVA towers).
        chunk_size: Texts per forward pass.
        with_cp: Recompute each chunk in the backward pass.
    """

    @dropped_arguments(allow_download=RULE)
    def __init__(
        self,
        model: ModelConfig = 'EVA02-B-16',
        pretrained: str | None = None,
        *,
        quick_gelu: bool | None = None,
        split_attention: bool = False,
        chunk_size: int = 256,
        with_cp: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        source = DeCLIPTextEncoder(
            model,
            pretrained,
            quick_gelu=quick_gelu,
            chunk_size=chunk_size,
        )
        # In a tuple: the frozen twin is a reader of files, no submodule.
        self._source = (source,)
        self.embed_dim, self.label = source.embed_dim, source.label
        self.pretrained = pretrained
        self.tower = build_text(
            source.embed_dim, source.text_cfg, source.quick_gelu
        )
        self.split_attention = split_attention
        if split_attention:
            self._split()
        self.chunk_size, self.with_cp = chunk_size, with_cp
        self._tokens: dict[tuple[str, ...], TokenBatch] = {}

    @property
    def source(self) -> DeCLIPTextEncoder:
        """The frozen twin that reads files."""
        return self._source[0]

    def _split(self) -> None:
        split_attention(self.blocks)

    @property
    def blocks(self) -> Sequence[torch.nn.Module]:
        """The tower's ``ResidualAttentionBlock``s, first to last."""
        return self.tower.transformer.resblocks

    def init_weights(self) -> None:
        """Fill the tower from ``pretrained``, strictly; once."""
        if self._is_init:
            return
        self._is_init = True
        (source,) = self._source
        if self.pretrained is None:
            print_log(
                f'TrainableTextEncoder({self.label}) has random weights: '
                'pretrained is not set. Unless a checkpoint is loaded, it '
                'cannot tell one class name from another.',
                logger='current',
                level=30,
            )
            return
        self.tower.load_state_dict(source.tower.state_dict())
        source.__dict__.pop('_hidden')  # the frozen twin has done its work

    def tokenize(self, texts: Sequence[str]) -> TokenBatch:
        """Tokens of a list of texts; each list is tokenized once.

        What is cut or unknown is warned of by name, once a list.
        """
        key = tuple(texts)
        if key not in self._tokens:
            (source,) = self._source
            tokens = source.tokenize(key)
            if tokens.overlong:
                cut = [key[i] for i in tokens.overlong]
                source.warn_overlong(cut, 'class texts')
            source.warn_unknown(tokens.unknown)
            self._tokens = dict(list(self._tokens.items())[-7:])
            self._tokens[key] = tokens
        return self._tokens[key]

    def refuse_alike(
        self, groups: Sequence[Sequence[str]], tokens: TokenBatch
    ) -> None:
        """See :class:`~declip_mm.models.text.DeCLIPTextEncoder`."""
        self._source[0].refuse_alike(groups, tokens)

    def forward(self, texts: Sequence[str]) -> Tensor:
        """Embed N texts, with gradient where the tower trains.

        Returns:
            (N, C) float32, L2-normalised.
        """
        tokens = self.tokenize(texts)
        device = self.tower.positional_embedding.device
        order = torch.argsort(tokens.lengths, stable=True)
        parts = []
        for chunk in order.split(self.chunk_size):
            ids = tokens.ids[chunk].to(device)
            longest = int(tokens.lengths[chunk].max())
            if self.with_cp and torch.is_grad_enabled():
                out = checkpoint(
                    run, self.tower, ids, longest, use_reentrant=False
                )
            else:
                out = run(self.tower, ids, longest)
            parts.append(F.normalize(out.float(), dim=-1))
        # back from the order of lengths to the order of the texts
        return torch.cat(parts)[torch.argsort(order).to(device)]

    def weights_mark(self) -> tuple[float, ...]:
        """Changes whenever a weight changes, however it was changed.

        In-place version counters miss writes through ``.data`` (weight
        averaging); sums in float64 see an optimizer step of 1e-6.
        """
        sums = [p.detach().sum(dtype=torch.float64) for p in self.parameters()]
        return tuple(torch.stack(sums).tolist())
