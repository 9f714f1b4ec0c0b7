"""Towers that pool with attention: SigLIP, SigLIP 2, PE-Core."""

from collections.abc import Iterator, Sequence
from typing import Any

import timm
import torch.nn as nn
from timm.layers import AttentionPoolLatent
from timm.models.eva import Eva
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from .base import Tower
from .position import ResizedPositions, RotaryTables, embed_with_timm

__all__ = ['PETower', 'PoolingTower', 'SigLIPTower']


class PoolingHead(nn.Module):
    """timm's attention pooling with k and v as layers of their own.

    timm fuses the two; one of them does not train where the affinity leaves
    it out, and as rows of a fused matrix weight decay would still move it.

    Args:
        pool: The layer to replace; its weights are kept.
    """

    def __init__(self, pool: AttentionPoolLatent) -> None:
        super().__init__()
        self.num_heads = pool.num_heads
        self.latent = pool.latent
        self.q = pool.q
        width = pool.kv.in_features
        self.k, self.v = nn.Linear(width, width), nn.Linear(width, width)
        for part in ('weight', 'bias'):
            rows = getattr(pool.kv, part).detach().chunk(2)
            for layer, own in zip((self.k, self.v), rows):
                getattr(layer, part).data = own.clone()
        self.q_norm, self.k_norm = pool.q_norm, pool.k_norm
        self.proj, self.norm, self.mlp = pool.proj, pool.norm, pool.mlp

    @staticmethod
    def fits(pool: Any) -> bool:
        """Whether the pooling is of the kind that is known here."""
        return (
            isinstance(pool, AttentionPoolLatent)
            and isinstance(pool.q, nn.Linear)
            and pool.mlp is not None
            and pool.pos_embed is None
            and pool.latent_len == 1
            and pool.out_features == pool.kv.in_features
        )

    def split(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, A, T, d)."""
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        """The probe looks at all tokens: (B, T, D) -> (B, D)."""
        probe = self.latent.expand(len(x), -1, -1)
        values = scaled_dot_product_attention(
            self.q_norm(self.split(self.q(probe))),
            self.k_norm(self.split(self.k(x))),
            self.split(self.v(x)),
        )
        y = self.proj(values.transpose(1, 2).flatten(2))
        return (y + self.mlp(self.norm(y)))[:, 0]


class PoolingTower(Tower):
    """A timm ViT whose head pools the tokens with a learned probe.

    All blocks run as usual, then the final norm; the pooling head is
    decoupled: its projections are applied to the tokens themselves, and the
    probe is left aside. With y what the attention gives after the output
    projection, a decoupled head returns z + MLP(z), z = LN(y); the ordinary
    one (also ``vanilla`` and ``maskclip``) adds its MLP to y instead.

    Args:
        name: timm model name.
        out_dim: Dimension C of the joint space.
        image_size: Image side in pixels.
        projection: Whether a linear layer leads from D to C (open_clip's
            ``timm_proj``: null for yes, ``"none"`` for no).
        timm_kwargs: Further arguments of the timm model (tiny trunks).
    """

    pools = True
    pixel_mean = pixel_std = (0.5, 0.5, 0.5)
    trunk_type: type[nn.Module]

    def __init__(
        self,
        name: str,
        out_dim: int,
        image_size: int,
        projection: bool,
        timm_kwargs: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        trunk: Any = timm.create_model(
            name,
            pretrained=False,
            num_classes=out_dim if projection else 0,
            img_size=image_size,
            # Grids come with the pictures; the adapter resizes positions.
            dynamic_img_size=True,
            **(timm_kwargs or {}),
        )
        self._check(name, trunk, out_dim, projection)
        trunk.attn_pool = PoolingHead(trunk.attn_pool)
        self.trunk = trunk
        self.positions = ResizedPositions()
        embed = trunk.patch_embed
        self.patch_size = embed.patch_size[0]
        # A trunk for 384 px at patch 14 sees 27 patches, which is 378 px.
        self.native_size = embed.grid_size[0] * self.patch_size
        self.width = trunk.embed_dim
        self.out_dim = out_dim
        self.num_heads = trunk.attn_pool.num_heads
        self.num_prefix = 0 if trunk.cls_token is None else 1
        tanh = 'tanh' in repr(trunk.attn_pool.mlp.act).lower()
        self.activation = 'gelu_tanh' if tanh else 'gelu'

    def _check(
        self, name: str, trunk: Any, out_dim: int, projection: bool
    ) -> None:
        reason = None
        if not isinstance(trunk, self.trunk_type):
            wanted = self.trunk_type.__name__
            reason = f'it is a {type(trunk).__name__}, not a {wanted}'
        elif not PoolingHead.fits(trunk.attn_pool):
            reason = 'its pooling is not a probe with projections and an MLP'
        elif trunk.reg_token is not None:
            reason = 'it has registers'
        elif not projection and trunk.embed_dim != out_dim:
            reason = (
                f'its width {trunk.embed_dim} is not embed_dim={out_dim}, '
                'and timm_proj="none" leaves no layer between them'
            )
        if reason:
            raise ValueError(
                f'timm model {name!r} does not fit the {type(self).__name__}: '
                f'{reason}. Use the trunk of an open_clip model such as '
                'ViT-B-16-SigLIP2 or PE-Core-B-16.'
            )

    @property
    def blocks(self) -> Sequence[Any]:
        return self.trunk.blocks

    @property
    def stages(self) -> list[nn.Module]:
        return [*self.trunk.blocks, self.trunk.attn_pool]

    def embed(self, image: Tensor) -> tuple[Tensor, tuple[int, int]]:
        return embed_with_timm(self.trunk, image, self.positions)

    def last_qkv(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        head, x = self.trunk.attn_pool, self.trunk.norm(tokens)
        q, k, v = (head.split(p(x)) for p in (head.q, head.k, head.v))
        return head.q_norm(q), head.k_norm(k), v

    def merge_heads(self, values: Tensor) -> Tensor:
        return self.trunk.attn_pool.proj(values.transpose(1, 2).flatten(2))

    def last_mlp(self, tokens: Tensor) -> Tensor:
        head = self.trunk.attn_pool
        return head.mlp(head.norm(tokens))

    def last_vanilla(self, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        """The patch tokens in the probe's place, ordinary otherwise."""
        values = scaled_dot_product_attention(*self.last_qkv(tokens))
        return self.last_ordinary(tokens, self.merge_heads(values))

    def last_ordinary(self, tokens: Tensor, merged: Tensor) -> Tensor:
        # The probe is no token: the head has no residual around attention.
        return merged + self.last_mlp(merged)

    def last_decoupled(
        self, tokens: Tensor, merged: Tensor, residual: bool, ffn: bool
    ) -> Tensor:
        head = self.trunk.attn_pool
        z = head.norm(merged)
        return z + head.mlp(z)

    def pool(self, tokens: Tensor) -> Tensor:
        return self.project(self.trunk.attn_pool(self.trunk.norm(tokens)))

    def project(self, tokens: Tensor) -> Tensor:
        return self.trunk.head(self.trunk.fc_norm(tokens))

    def stem_parameters(self) -> Iterator[nn.Parameter]:
        trunk = self.trunk
        if trunk.cls_token is not None:
            yield trunk.cls_token
        yield trunk.pos_embed
        yield from trunk.patch_embed.parameters()
        yield from trunk.norm_pre.parameters()

    def head_parameters(self) -> Iterator[nn.Parameter]:
        for module in (self.trunk.norm, self.trunk.fc_norm, self.trunk.head):
            yield from module.parameters()

    def last_projection(self, name: str) -> list[nn.Parameter]:
        return list(getattr(self.trunk.attn_pool, name).parameters())

    def last_mlp_parameters(self) -> Iterator[nn.Parameter]:
        return iter(())  # a decoupled head runs its MLP too

    def idle_parameters(self) -> Iterator[nn.Parameter]:
        yield self.trunk.attn_pool.latent


class SigLIPTower(PoolingTower):
    """SigLIP and SigLIP 2 (Zhai et al., arXiv 2303.15343 and successors).

    The form of the decoupled head is that of the authors' code for SigLIP;
    no weights or figures of theirs are published.
    """

    trunk_type = VisionTransformer
    decoupling = 'pooling head'

    def run_block(
        self, index: int, tokens: Tensor, grid: tuple[int, int]
    ) -> Tensor:
        return self.blocks[index](tokens)


class PETower(PoolingTower):
    """PE-Core (Bolya et al., arXiv 2504.13181).

    No decoupled PE exists elsewhere: applying SigLIP's rule to PE's pooling
    head is this package's own doing. Its class token, where it has one, takes
    part as key and value, as CLS does in a decoupled block.
    """

    trunk_type = Eva
    decoupling = 'pooling head, a form of declip_mm without reference'

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rotary = RotaryTables(self.trunk.rope)

    def run_block(
        self, index: int, tokens: Tensor, grid: tuple[int, int]
    ) -> Tensor:
        return self.blocks[index](tokens, rope=self.rotary(grid))
