"""Names for pixels and regions from dense features, without training."""

from .encoder import DenseEncoder, RegionNames, Segmented

__all__ = ['DenseEncoder', 'RegionNames', 'Segmented']
