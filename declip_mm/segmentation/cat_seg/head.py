"""CATSegHead: from dense features and texts to class logits.

B images, T classes, P prompts a class, C joint dimension, W tower width,
N cells of the h x w grid, D channels of the cost embedding.
"""

from collections.abc import Sequence

import torch.nn as nn
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor

from .aggregator import AggregatorLayer, run_chunks
from .cost import cost_volume, fill_pruned, prune_classes
from .decoder import CostDecoder

__all__ = ['CATSegHead']


@MODELS.register_module()
class CATSegHead(BaseModule):
    """Cost aggregation of CAT-Seg (Cho et al., CVPR 2024).

    Reproduces the authors' recorded head to 1e-6
    (``tools/analysis_tools/check_golden.py``).

    Args:
        embed_dim: Joint dimension C of the CLIP.
        tap_dim: Width W of the image tower, whose two blocks guide the
            decoder.
        dim: Channels D of the cost embedding.
        guidance_dim: Channels of image and text guidance.
        tap_dims: Channels of the two upsampled taps (shallow, deep).
        decoder_dims: Output channels of the two decoder blocks.
        decoder_guidance_dims: Channels of the taps within the decoder.
        num_layers: Aggregator layers.
        num_heads: Attention heads.
        window: Side of a spatial window in cells; divides the grid.
        num_prompts: P.
        max_classes: Classes per image that are aggregated: fewer are padded,
            more are pruned to those with the best cosine.
        train_pooling: Pooling before class aggregation in training.
        test_pooling: The same at test time.
        unit_guidance: Whether the features that guide have unit norm. The
            authors' DeCLIP tower normalises its features, the OpenAI tower
            does not; the cost is a cosine either way.
        class_chunk: Classes at a time in spatial aggregation and decoder,
            exact; bounds the memory. None takes all at once.
        pixel_chunk: Cells at a time in class aggregation, exact.
        with_cp: Recompute chunks in the backward pass to save memory.
        loss_decode: Loss config.
        init_cfg: Initialisation config.
    """

    def __init__(
        self,
        embed_dim: int,
        tap_dim: int,
        *,
        dim: int = 128,
        guidance_dim: int = 128,
        tap_dims: Sequence[int] = (256, 128),
        decoder_dims: Sequence[int] = (64, 32),
        decoder_guidance_dims: Sequence[int] = (32, 16),
        num_layers: int = 2,
        num_heads: int = 4,
        window: int = 12,
        num_prompts: int = 1,
        max_classes: int = 256,
        train_pooling: int = 2,
        test_pooling: int = 1,
        unit_guidance: bool = True,
        class_chunk: int | None = None,
        pixel_chunk: int | None = None,
        with_cp: bool = False,
        loss_decode: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        for name, chunk in (('class', class_chunk), ('pixel', pixel_chunk)):
            if chunk is not None and chunk < 1:
                raise ValueError(
                    f'{name}_chunk must be 1 or more, or None for all at '
                    f'once, got {chunk}.'
                )
        self.window, self.max_classes = window, max_classes
        self.pooling = dict(train=train_pooling, test=test_pooling)
        self.unit_guidance = unit_guidance
        self.class_chunk, self.pixel_chunk = class_chunk, pixel_chunk
        self.with_cp = with_cp
        self.cost_embed = nn.Conv2d(num_prompts, dim, 7, padding=3)
        self.image_guidance = nn.Conv2d(embed_dim, guidance_dim, 3, padding=1)
        self.text_guidance = nn.Linear(embed_dim, guidance_dim)
        self.layers = nn.ModuleList(
            AggregatorLayer(
                dim, guidance_dim, guidance_dim, num_heads, window, max_classes
            )
            for _ in range(num_layers)
        )
        self.upsamplers = nn.ModuleList(
            nn.ConvTranspose2d(tap_dim, out, factor, stride=factor)
            for out, factor in zip(tap_dims, (2, 4))
        )
        self.tap_guidance = nn.ModuleList(
            nn.Conv2d(size, out, 3, padding=1)
            for size, out in zip(tap_dims, decoder_guidance_dims)
        )
        self.decoder = CostDecoder(dim, decoder_dims, decoder_guidance_dims)
        self.loss_decode = MODELS.build(loss_decode or dict(type='OVBCELoss'))

    def _check(self, content: Tensor, taps: Sequence[Tensor]) -> None:
        grid = tuple(content.shape[-2:])
        if any(n % self.window for n in grid):
            raise ValueError(
                f'the feature grid {grid[0]}x{grid[1]} is no multiple of the '
                f'window {self.window} of CATSegHead. Set window to a divisor '
                'of the grid (half of it in CAT-Seg) or change the input size.'
            )
        wrong = [tuple(t.shape[-2:]) for t in taps if t.shape[-2:] != grid]
        if len(taps) != 2 or wrong:
            raise ValueError(
                'CATSegHead needs two taps on the grid of the content '
                f'{grid}, got {len(taps)}, of these on other grids: {wrong}.'
            )

    def guide_decoder(self, taps: Sequence[Tensor]) -> list[Tensor]:
        """(B, W, h, w) twice -> maps at twice and four times the grid."""
        return [up(tap) for up, tap in zip(self.upsamplers, taps)]

    def forward(
        self, content: Tensor, taps: Sequence[Tensor], text: Tensor
    ) -> Tensor:
        """Class logits of each image.

        Args:
            content: (B, C, h, w) dense features, any norm.
            taps: Two (B, W, h, w) outputs of image tower blocks, shallow
                first.
            text: (T, P, C) text embeddings, any norm.

        Returns:
            (B, T, 4h, 4w); a class pruned in an image has -100 there.
        """
        self._check(content, taps)
        return self.aggregate(content, self.guide_decoder(taps), text)

    def aggregate(
        self, content: Tensor, guidance: Sequence[Tensor], text: Tensor
    ) -> Tensor:
        """:meth:`forward` with upsampled taps; text may be (B, T, P, C)."""
        grid = tuple(content.shape[-2:])
        num_classes = text.shape[-3]
        cost = cost_volume(content, text)
        cost, text, keep = prune_classes(cost, text, self.max_classes)
        if self.unit_guidance:
            content = F.normalize(content, dim=1)
        appearance = F.relu(self.image_guidance(content))
        appearance = appearance.flatten(2).transpose(1, 2)  # (B, N, G)
        texts = F.normalize(F.normalize(text, dim=-1).mean(dim=2), dim=-1)
        texts = F.relu(self.text_guidance(texts))  # (B, T, G)
        x = self.cost_embed(cost.flatten(0, 1)).flatten(2)
        x = x.transpose(1, 2).unflatten(0, (len(cost), -1))  # (B, T, N, D)
        for layer in self.layers:
            x = layer(
                x,
                appearance,
                texts,
                grid,
                self.pooling['train' if self.training else 'test'],
                self.class_chunk,
                self.pixel_chunk,
                self.with_cp,
            )
        guidance = [
            F.relu(conv(g)) for conv, g in zip(self.tap_guidance, guidance)
        ]
        logits = run_chunks(
            lambda part: self.decoder(
                part.transpose(2, 3).unflatten(-1, grid), guidance
            ),
            x,
            self.class_chunk,
            self.with_cp,
        )
        return fill_pruned(logits, keep, num_classes)

    def loss(self, logits: Tensor, labels: Tensor, ignore_index: int) -> dict:
        """(B, T, h, w) logits and (B, H, W) labels -> ``loss_seg``."""
        loss = self.loss_decode(logits, labels, ignore_index)
        return dict(loss_seg=loss)
