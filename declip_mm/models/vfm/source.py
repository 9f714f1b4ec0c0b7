"""What the VFM teacher needs of a network."""

from abc import ABCMeta, abstractmethod
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from ...checkpoint import fill

__all__ = ['VFMSource']


class VFMSource(metaclass=ABCMeta):
    """A frozen network that gives a dense map. B batch, D' channels.

    Attributes:
        trunk: The library's module.
        name: For messages.
        layer: Index of the feature level that is taken.
        stride: Pixels per cell of the map.
        divisor: Sides of the picture that the network takes are multiples of
            it; others are padded at the right and bottom and the map is cut.
        pixel_mean, pixel_std: Of RGB in 0 to 1.
    """

    # Any: to a type checker an nn.Module does not tell its attributes
    trunk: Any
    name: str
    layer: int
    stride: int
    divisor: int
    pixel_mean: tuple[float, ...]
    pixel_std: tuple[float, ...]

    @abstractmethod
    def dense(self, image: Tensor) -> Tensor:
        """(B, 3, V, V) of an allowed size -> (B, D', h, w)."""

    @abstractmethod
    def own_layout(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """A file's state dict -> the trunk's names; the head may stay."""

    @abstractmethod
    def published(self) -> dict[str, Tensor]:
        """The library's own weights; may download them."""

    def features(self, image: Tensor) -> Tensor:
        """(B, 3, V, V) -> (B, D', ceil(V / stride), ceil(V / stride)).

        Raises:
            ValueError: The size does not fit a network of whole patches.
        """
        height, width = image.shape[-2:]
        stride, divisor = self.stride, self.divisor
        if divisor == stride and (height % stride or width % stride):
            raise ValueError(
                f'the VFM view of {height}x{width} px is no multiple of the '
                f"patch of {self.name}, {stride} px. For the student's grid "
                'set vfm_size to its patches a side times that.'
            )
        padded = F.pad(image, (0, -width % divisor, 0, -height % divisor))
        found = self.dense(padded)
        return found[..., : -(-height // stride), : -(-width // stride)]

    def load(self, weights: dict[str, Tensor], origin: str) -> None:
        """Fill the trunk, strictly up to the unused classifier.

        Raises:
            ValueError: Names what is missing, left over or misshapen.
        """
        tower = self.own_layout(dict(weights))
        wanted = dict(self.trunk.state_dict())
        unused = tuple(self.classifier())
        # the classifier of the file is left out, that of the trunk stays
        kept = {k: v for k, v in wanted.items() if k.startswith(unused)}
        kept.update(
            (k, v)
            for k, v in tower.items()
            if k in wanted or not k.startswith(unused)
        )
        fill(self.trunk, kept, origin, f'network ({self.name})')

    def classifier(self) -> tuple[str, ...]:
        """Prefixes of what follows the dense features and stays unused."""
        return ('head.',)
