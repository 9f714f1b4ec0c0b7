"""Windows of a picture in batches, one by one, and one pass in their place."""

import statistics
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..models import DeCLIPViT
from ..models.zero_shot.windows import encode_windows, place_windows
from .clock import interleaved

__all__ = ['time_windows']


def time_windows(
    backbone: DeCLIPViT,
    device: torch.device,
    repeats: int = 5,
    size: tuple[int, int] = (448, 592),
    window: int = 336,
    stride: int = 112,
    batch: int = 8,
) -> dict[str, Any]:
    """Encode one picture in three ways, in turns; the image tower alone.

    One pass sees another picture than windows do: docs/segmentation.md has
    what that costs.

    Args:
        backbone: On the device.
        device: Where.
        repeats: Turns.
        size: (H, W) of the resized picture, cut to whole patches.
        window, stride: Of the windows, in pixels.
        batch: Windows at a time.

    Returns:
        ``windows`` (how many), ``seconds`` of ``loop`` (a window at a time),
        ``batched`` and ``one_pass``, and ``ratios``: the loop's seconds over
        those of the other two; ``ratio`` is that of the batches.
    """
    patch = backbone.visual.patch_size
    height, width, side, step = (
        n // patch * patch for n in (*size, window, stride)
    )
    image = torch.randn(3, height, width, device=device)

    def encode(inputs: Tensor) -> Tensor:
        return backbone.forward_dense(inputs).content

    @torch.inference_mode()
    def once(side: int | None, step: int, at_once: int) -> None:
        encode_windows([image], encode, side, step, patch, at_once)

    ways = dict(
        loop=partial(once, side, step, 1),
        batched=partial(once, side, step, batch),
        one_pass=partial(once, None, 1, 1),
    )
    taken = interleaved(ways, device, repeats)
    seconds = {name: statistics.median(t) for name, t in taken.items()}
    ratios = {n: seconds['loop'] / seconds[n] for n in ('batched', 'one_pass')}
    return dict(
        windows=len(place_windows((height, width), side, step)),
        seconds=taken,
        ratios=ratios,
        ratio=ratios['batched'],
    )
