"""Pictures without labels, and regions with labels for evaluation."""

from .decoding import UnreadableImage, read_image
from .images import DeCLIPImageDataset
from .loading import LoadLabelledImage
from .mosaics import DeCLIPMosaicDataset
from .nouns import DeCLIPNounDataset, NounViews
from .regions import DeCLIPRegionDataset
from .samplers import BucketBatchSampler, PartialSampler
from .views import DeCLIPViews

__all__ = [
    'BucketBatchSampler',
    'DeCLIPImageDataset',
    'DeCLIPMosaicDataset',
    'DeCLIPNounDataset',
    'DeCLIPRegionDataset',
    'DeCLIPViews',
    'LoadLabelledImage',
    'NounViews',
    'PartialSampler',
    'UnreadableImage',
    'read_image',
]
