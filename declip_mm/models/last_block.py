"""The last stage of the tower, decoupled or as a baseline runs it.

B batch, T tokens (prefix first), N patch tokens, D width, A heads, d head
width.
"""

from torch import Tensor

from .attention import AFFINITIES, decoupled_attention, resolve_scale
from .towers import Tower

__all__ = ['LAST_TAPS', 'LastBlock']

#: What the last feature level of a detector may be made of.
LAST_TAPS = ('decoupled', 'vanilla', 'maskclip')


class LastBlock:
    """How the last stage of a tower is run; holds no weights.

    Args:
        tower: Checked against the options; not kept.
        affinity, scale, residual, ffn, last_tap: See
            :class:`~declip_mm.models.DeCLIPViT`.
    """

    def __init__(
        self,
        tower: Tower,
        affinity: str,
        scale: float | str,
        residual: bool | None,
        ffn: bool | None,
        last_tap: str,
    ) -> None:
        if affinity not in AFFINITIES:
            raise ValueError(
                f'unknown affinity {affinity!r}; allowed: '
                f'{", ".join(AFFINITIES)}.'
            )
        if last_tap not in LAST_TAPS:
            raise ValueError(
                f'unknown last_tap {last_tap!r}; allowed: '
                f'{", ".join(LAST_TAPS)}.'
            )
        self.affinity = affinity
        self.context_names = AFFINITIES[affinity].context
        self.decoupled = AFFINITIES[affinity].aggregate is not None
        if not self.decoupled and (residual is False or ffn is False):
            raise ValueError(
                f'affinity={affinity!r} always has its residual and FFN; '
                'residual=False and ffn=False belong to the decoupled ones.'
            )
        if tower.pools:
            _check_pooling(affinity, residual, ffn)
        self.residual = not self.decoupled if residual is None else residual
        self.ffn = not self.decoupled if ffn is None else ffn
        self.scale = resolve_scale(scale, tower.head_dim)
        self.last_tap = last_tap

    def run(
        self, tower: Tower, x: Tensor, grid: tuple[int, int]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Input of the last stage -> its output and the context.

        Args:
            tower: Holder of the weights.
            x: (B, T, D).
            grid: (h, w) of the patch tokens.

        Returns:
            (B, T, D), and per context tensor (B, N, D); no context tensor
            for an affinity that is not decoupled.
        """
        if self.affinity == 'vanilla':
            return tower.last_vanilla(x, grid), ()
        q, k, v = tower.last_qkv(x)
        if not self.decoupled:
            cls_only = self.affinity == 'maskclip_cls'
            return _maskclip(tower, x[:, :1] if cls_only else x, v), ()
        merged = tower.merge_heads(
            decoupled_attention(q, k, v, self.affinity, self.scale)
        )
        out = tower.last_decoupled(x, merged, self.residual, self.ffn)
        tensors = dict(q=q, k=k, v=v)
        # (B, A, T, d) -> (B, N, A * d), prefix dropped
        context = tuple(
            tensors[name][:, :, tower.num_prefix :].transpose(1, 2).flatten(2)
            for name in self.context_names
        )
        return out, context

    def tap(
        self,
        tower: Tower,
        x: Tensor,
        grid: tuple[int, int],
        out: Tensor | None = None,
    ) -> Tensor:
        """What the map of the last stage is made of, (B, T, D).

        ``out`` is what :meth:`run` has given of ``x``, if it was called.
        """
        if self.last_tap in ('decoupled', self.affinity):
            return self.run(tower, x, grid)[0] if out is None else out
        if self.last_tap == 'vanilla':
            return tower.last_vanilla(x, grid)
        return _maskclip(tower, x, tower.last_qkv(x)[2])


def _maskclip(tower: Tower, residual: Tensor, v: Tensor) -> Tensor:
    """Values without attention, with residual and FFN (MaskCLIP).

    ``residual`` is the block's input, or for ``maskclip_cls`` its CLS token
    alone, which CAT-Seg's OpenAI tower adds to every patch.
    """
    return tower.last_ordinary(residual, tower.merge_heads(v))


def _check_pooling(
    affinity: str, residual: bool | None, ffn: bool | None
) -> None:
    """Options that only a decoupled block has."""
    if residual is not None or ffn is not None:
        raise ValueError(
            f'residual={residual!r} and ffn={ffn!r} are options of a '
            'decoupled block; this tower decouples its pooling head, whose '
            'form is fixed. Leave both at None.'
        )
    if affinity == 'maskclip_cls':
        raise ValueError(
            "affinity='maskclip_cls' adds the CLS token of the last block, "
            "which a pooling head does not do. Use 'maskclip'."
        )
