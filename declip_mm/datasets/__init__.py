"""Pictures without labels, and regions with labels for evaluation."""

from .decoding import UnreadableImage, read_image
from .images import DeCLIPImageDataset
from .regions import DeCLIPRegionDataset
from .samplers import PartialSampler
from .views import DeCLIPViews

__all__ = [
    'DeCLIPImageDataset',
    'DeCLIPRegionDataset',
    'DeCLIPViews',
    'PartialSampler',
    'UnreadableImage',
    'read_image',
]
