"""Stored VFM features of the first training scenes, for machines offline."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from .paths import ASSETS

FEATURES = ASSETS / 'vfm_features.npz'
THUMBNAIL = 8  # side in pixels of the picture that identifies a scene
TOLERANCE = 4.0  # mean grey levels; JPEG costs about 0.3, another scene 30


@dataclass(frozen=True)
class StoredFeatures:
    """VFM tokens of scenes ``0 .. N - 1`` of split ``train`` at seed 0.

    Attributes:
        tokens: (N, h * w, C) float32, row by row; only their directions
            mean something. Cosines between tokens of a scene are those of
            the full features up to ``info['cosine_error']``.
        grid: (h, w).
        thumbnails: (N, 8, 8, 3) uint8, what the scenes look like.
        info: Layer, view, package, seed and the measured error.
    """

    tokens: torch.Tensor
    grid: tuple[int, int]
    thumbnails: np.ndarray
    info: dict

    def check(self, index: int, image: Image.Image) -> None:
        """Raise unless ``image`` is the stored scene number ``index``.

        Raises:
            IndexError: No features are stored for that number.
            ValueError: The picture is another one.
        """
        if not 0 <= index < len(self.tokens):
            raise IndexError(
                f'features are stored for scenes 0 to {len(self.tokens) - 1}'
                f', got {index}; use fewer scenes or the ViT-S/14 itself '
                '(miniature.vfm.fetch_vit_s)'
            )
        seen = thumbnail(image).astype(float)
        error = np.abs(seen - self.thumbnails[index]).mean()
        if error > TOLERANCE:
            raise ValueError(
                f'scene {index} differs from the stored one by {error:.1f} '
                f'grey levels, allowed: {TOLERANCE}; the features belong to '
                f'split train at seed {self.info["seed"]}: rebuild that '
                'world, or use the ViT-S/14 itself'
            )


def thumbnail(image: Image.Image) -> np.ndarray:
    """(8, 8, 3) uint8: what identifies a scene."""
    small = image.convert('RGB').resize((THUMBNAIL, THUMBNAIL), Image.BOX)
    return np.asarray(small)


def load_vfm_features(path: str | Path = FEATURES) -> StoredFeatures:
    """Read the shipped features.

    The file holds ``tokens`` int8 (N, h * w, C) with ``scales`` float16
    (C,), ``grid``, ``thumbnails`` and ``info`` (JSON).
    """
    with np.load(path) as stored:
        tokens = stored['tokens'].astype(np.float32)
        tokens *= stored['scales'].astype(np.float32)
        return StoredFeatures(
            torch.from_numpy(tokens),
            tuple(int(side) for side in stored['grid']),
            stored['thumbnails'],
            json.loads(str(stored['info'])),
        )
