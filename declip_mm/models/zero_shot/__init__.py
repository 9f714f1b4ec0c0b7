"""Names for pixels and regions from dense features, without training."""

from .encoded import EncodedImage
from .encoder import DenseEncoder, RegionNames
from .naming import Segmented

__all__ = ['DenseEncoder', 'EncodedImage', 'RegionNames', 'Segmented']
