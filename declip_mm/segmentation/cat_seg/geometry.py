"""How a picture is cut into views, and put together again.

B images, V views, T classes.
"""

import torch
from torch import Tensor

from ...models.zero_shot.resizing import resize

__all__ = ['CATSegViews', 'WholeView']


class WholeView:
    """One view: the whole picture, squashed to the crop."""

    count = 1

    def __init__(self, crop: int) -> None:
        self.crop = crop

    def cut(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 1, 3, crop, crop)."""
        return resize(images, (self.crop, self.crop))[:, None]

    def join(self, logits: Tensor) -> Tensor:
        """(1, T, h, w) logits of one picture -> (T, h, w) probabilities."""
        return logits[0].sigmoid()


class CATSegViews:
    """CAT-Seg's test views: overlapping windows and a global view.

    The picture is squashed to ``size``, cut into windows, and shown once
    more as a whole at the size of a window. Probabilities (the sigmoid comes
    before any averaging) of the windows are averaged where they overlap;
    the global view counts as much as all windows together.

    Args:
        size: (H, W) of the squashed picture.
        crop: Side of a window.
        stride: Step between windows.
        with_global: Whether to add the global view.

    Raises:
        ValueError: The windows would not cover the picture.
    """

    def __init__(
        self,
        size: tuple[int, int] = (640, 640),
        crop: int = 384,
        stride: int = 256,
        with_global: bool = True,
    ) -> None:
        gaps = [n for n in size if n < crop or (n - crop) % stride]
        if gaps or not 0 < stride <= crop:
            raise ValueError(
                f'windows of {crop} at stride {stride} do not cover a '
                f'picture of {tuple(size)}: each side must be the crop plus a '
                'multiple of the stride, and the stride at most the crop.'
            )
        self.size, self.crop, self.stride = tuple(size), crop, stride
        self.with_global = with_global
        self.windows = [
            (y, x)
            for y in range(0, size[0] - crop + 1, stride)
            for x in range(0, size[1] - crop + 1, stride)
        ]
        self.count = len(self.windows) + with_global

    def cut(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, V, 3, crop, crop), the global view last."""
        side = self.crop
        squashed = resize(images, self.size)
        views = [
            squashed[..., y : y + side, x : x + side] for y, x in self.windows
        ]
        if self.with_global:
            views.append(resize(images, (side, side)))
        return torch.stack(views, dim=1)

    def join(self, logits: Tensor) -> Tensor:
        """(V, T, h, w) logits of one picture -> (T, H, W) probabilities.

        H and W are those of the squashed picture.
        """
        side = self.crop
        probs = resize(logits, (side, side)).sigmoid()
        total = probs.new_zeros(probs.shape[1], *self.size)
        cover = probs.new_zeros(self.size)
        for (y, x), window in zip(self.windows, probs):
            total[:, y : y + side, x : x + side] += window
            cover[y : y + side, x : x + side] += 1
        total /= cover
        if self.with_global:
            total = (total + resize(probs[-1:], self.size)[0]) / 2
        return total
