"""The tiny CLIP: its sizes, how it starts, and its forward passes."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .text import CONTEXT

# B batch, N tokens, D width, C names
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


def initialise(model: nn.Module, images: Tensor) -> None:
    """Start where learning is quick.

    The patch embedding starts as the whitened principal components of real
    patches: with random filters all tokens tell little but their mean
    colour.  The words start with std 1 and the end token, which all texts
    share and open_clip reads, with almost none: names differ at once.

    Args:
        model: open_clip's CLIP, changed in place.
        images: (B, 3, S, S) normalised pictures to take patches from.
    """
    visual, width = model.visual, model.visual.conv1.out_channels
    with torch.no_grad():
        visual.conv1.weight.copy_(_whitening(visual.conv1, images))
    nn.init.normal_(visual.class_embedding, std=0.02)
    nn.init.normal_(visual.positional_embedding, std=0.15)
    nn.init.normal_(visual.proj, std=width**-0.5)
    depth = len(visual.transformer.resblocks)
    for block in visual.transformer.resblocks:
        nn.init.normal_(block.attn.in_proj_weight, std=width**-0.5)
        nn.init.normal_(
            block.attn.out_proj.weight, std=(width * 2 * depth) ** -0.5
        )
        nn.init.normal_(block.mlp.c_fc.weight, std=(2 * width) ** -0.5)
        nn.init.normal_(
            block.mlp.c_proj.weight, std=(width * 2 * depth) ** -0.5
        )
        for bias in (
            block.mlp.c_fc.bias,
            block.mlp.c_proj.bias,
            block.attn.in_proj_bias,
            block.attn.out_proj.bias,
        ):
            nn.init.zeros_(bias)
    nn.init.normal_(model.token_embedding.weight, std=1.0)
    with torch.no_grad():
        model.token_embedding.weight[-2:] *= 0.02
        model.positional_embedding.mul_(0.1)
    text_width = model.token_embedding.weight.shape[1]
    for block in model.transformer.resblocks:
        nn.init.normal_(block.attn.out_proj.weight, std=text_width**-0.5)


def _whitening(conv: nn.Conv2d, images: Tensor) -> Tensor:
    """Leading components of the patches, of about unit variance each."""
    patch, width = conv.kernel_size[0], conv.out_channels
    patches = F.unfold(images, patch, stride=patch // 2)
    flat = patches.transpose(1, 2).flatten(0, 1)
    values, vectors = torch.linalg.eigh(flat.T @ flat / len(flat))
    values, vectors = values.flip(0)[:width], vectors.flip(1)[:, :width]
    # beyond the 48th the components are mostly noise: do not blow them up
    scale = (values + values[48]).rsqrt()
    return (vectors * scale).T.reshape(conv.weight.shape)


def _block(block: nn.Module, x: Tensor, causal: bool) -> Tensor:
    """An open_clip residual block; (B, N, D) -> (B, N, D)."""
    batch, tokens, width = x.shape
    attention = block.attn
    qkv = F.linear(
        block.ln_1(x), attention.in_proj_weight, attention.in_proj_bias
    )
    q, k, v = qkv.view(batch, tokens, 3, attention.num_heads, -1).permute(
        2, 0, 3, 1, 4
    )
    out = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    x = x + attention.out_proj(out.transpose(1, 2).reshape(x.shape))
    return x + block.mlp(block.ln_2(x))


def _values(block: nn.Module, x: Tensor) -> Tensor:
    """The block's attention where every token sees itself only."""
    weight = block.attn.in_proj_weight.chunk(3)[2]
    bias = block.attn.in_proj_bias.chunk(3)[2]
    return block.attn.out_proj(F.linear(block.ln_1(x), weight, bias))


def encode_image(visual: nn.Module, images: Tensor) -> Tensor:
    """(B, 3, S, S) -> (B, C) of length 1, at any S that the patch divides."""
    return encode_both(visual, images)[0]


def encode_both(visual: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """Class token and mean value of the patches, (B, C), of length 1.

    The second is what the last block's attention adds to a patch that
    attends to itself alone, averaged over the patches: the path from which
    dense features are read when that block is taken apart.
    """
    x = visual.conv1(images).flatten(2).transpose(1, 2)
    position = visual.positional_embedding
    side = round((len(position) - 1) ** 0.5)
    here = round(x.shape[1] ** 0.5)
    if here != side:
        grid = position[1:].T.reshape(1, -1, side, side)
        grid = F.interpolate(
            grid,
            (here, here),
            mode='bicubic',
            antialias=True,
            align_corners=False,
        )
        position = torch.cat([position[:1], grid[0].flatten(1).T])
    cls = visual.class_embedding.expand(len(x), 1, -1)
    x = visual.ln_pre(torch.cat([cls, x], 1) + position)
    *blocks, last = visual.transformer.resblocks
    for block in blocks:
        x = _block(block, x, causal=False)
    values = visual.ln_post(_values(last, x[:, 1:])) @ visual.proj
    x = visual.ln_post(_block(last, x, causal=False)[:, 0]) @ visual.proj
    return (
        F.normalize(x, dim=-1),
        F.normalize(F.normalize(values, dim=-1).mean(1), dim=-1),
    )


def encode_text(model: nn.Module, tokens: Tensor) -> Tensor:
    """(C, L) compact ids, L up to the context -> (C, D) of length 1.

    Attention is causal and the end token is read, so texts may be cut
    right after the longest one's end.
    """
    x = model.token_embedding(tokens)
    x = x + model.positional_embedding[: tokens.shape[1]]
    for block in model.transformer.resblocks:
        x = _block(block, x, causal=True)
    x = model.ln_final(x)[torch.arange(len(x)), tokens.argmax(-1)]
    return F.normalize(x @ model.text_projection, dim=-1)
