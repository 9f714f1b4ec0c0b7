"""Position embeddings for any patch grid."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    'ResizedPositions',
    'RotaryTables',
    'embed_with_timm',
    'resize_position_embedding',
]


class RotaryTables:
    """Sines and cosines by grid, made once instead of in every block.

    Holds no weights: the frequencies are constants of the architecture.

    Args:
        rope: Rotary embedding of timm.
        most: Grids that are kept; pictures of ever new sizes push out those
            of long ago.
    """

    def __init__(self, rope: Any, most: int = 8) -> None:
        self._rope, self._most = rope, most
        self._tables: dict[tuple, Tensor] = {}

    def __call__(self, grid: tuple[int, int]) -> Tensor:
        """(h, w) -> (h * w, 2 * d)."""
        if torch.compiler.is_compiling() or torch.jit.is_tracing():
            return self._make(grid)
        bands = self._rope.bands
        key = (*grid, bands.device, bands.dtype)
        if key not in self._tables:
            with torch.inference_mode(False):  # or no gradient may pass it
                table = self._make(grid)
            if type(table) is not Tensor:  # a fake one of an export
                return table
            while len(self._tables) >= self._most:
                del self._tables[next(iter(self._tables))]
            self._tables[key] = table
        return self._tables[key]

    @property
    def kept(self) -> list[Tensor]:
        return list(self._tables.values())

    def _make(self, grid: tuple[int, int]) -> Tensor:
        return self._rope.get_embed(shape=list(grid))


class ResizedPositions:
    """Frozen position embeddings by grid, resized once.

    On an H200 resizing one takes 3.6 ms, and a whole step some 30. What
    trains is resized anew in every pass.

    Args:
        most: Grids that are kept.
    """

    def __init__(self, most: int = 8) -> None:
        self._most = most
        self._kept: dict[tuple, tuple[Tensor, Tensor]] = {}

    def __deepcopy__(self, memo: dict) -> 'ResizedPositions':
        return ResizedPositions(self._most)  # the copy has its own weights

    @property
    def kept(self) -> list[Tensor]:
        return [made for _, made in self._kept.values()]

    def __call__(
        self, position: Tensor, grid: tuple[int, int], num_prefix: int = 1
    ) -> Tensor:
        """As :func:`resize_position_embedding`; also of (1, ..., D)."""
        trains = position.requires_grad
        position = position[0] if position.ndim == 3 else position
        if (
            trains
            or position.is_inference()
            or type(position) not in (Tensor, torch.nn.Parameter)
            or torch.compiler.is_compiling()
            or torch.jit.is_tracing()
        ):
            return resize_position_embedding(position, grid, num_prefix)
        # a loaded file counts the version up, another device or dtype is
        # another tensor, which stays alive here: no pointer comes back
        key = (*grid, position.data_ptr(), position._version)
        if key not in self._kept:
            with torch.inference_mode(False), torch.no_grad():
                made = resize_position_embedding(position, grid, num_prefix)
            while len(self._kept) >= self._most:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = position, made
        return self._kept[key][1]


def embed_with_timm(
    trunk: Any, image: Tensor, positions: ResizedPositions
) -> tuple[Tensor, tuple[int, int]]:
    """Patches, CLS where there is one, positions, norm before the blocks.

    Args:
        trunk: A ViT of timm that was built with ``dynamic_img_size``.
        image: (B, 3, H, W).
        positions: Of this trunk.

    Returns:
        Tokens (B, T, D) and the grid (h, w).
    """
    patches = trunk.patch_embed(image)  # (B, h, w, D)
    grid = tuple(patches.shape[1:3])
    tokens = patches.flatten(1, 2)
    prefix = 0
    if trunk.cls_token is not None:
        cls = trunk.cls_token.expand(len(image), -1, -1)
        tokens, prefix = torch.cat((cls, tokens), dim=1), 1
    position = positions(trunk.pos_embed, grid, prefix)
    return trunk.norm_pre(tokens + position), grid


def resize_position_embedding(
    position: Tensor, grid: tuple[int, int], num_prefix: int = 1
) -> Tensor:
    """Resize the patch part of a learned position embedding.

    Bicubic, without antialiasing: CLIP's descendants were evaluated that way,
    while timm and open_clip smooth by default, which moves dense features by
    2e-3 to 5e-3.

    Args:
        position: (num_prefix + n * n, D); the patch part belongs to a square.
        grid: Wanted (h, w).
        num_prefix: Leading entries (CLS) that are kept as they are.

    Returns:
        (num_prefix + h * w, D)
    """
    h, w = grid
    prefix, patches = position[:num_prefix], position[num_prefix:]
    side = round(len(patches) ** 0.5)
    if side * side != len(patches):
        raise ValueError(
            f'position embedding has {len(patches)} patch entries, which is '
            'no square grid: only square native images are supported.'
        )
    if (h, w) == (side, side):
        return position
    # (n * n, D) -> (1, D, n, n)
    field = patches.float().reshape(1, side, side, -1).permute(0, 3, 1, 2)
    field = F.interpolate(
        field, size=(h, w), mode='bicubic', align_corners=False
    )
    # (1, D, h, w) -> (h * w, D)
    resized = field.flatten(2)[0].t().to(position.dtype)
    return torch.cat((prefix, resized))
