"""A base-only file as a data set."""

from mmdet.registry import DATASETS

from ..datasets import OpenVocabDetDataset
from .base_only import check_base_only

__all__ = ['BaseOnlyDetDataset']


@DATASETS.register_module()
class BaseOnlyDetDataset(OpenVocabDetDataset):
    """What makes pseudo labels sees this and no other annotation.

    A file with annotations of novel classes is refused, by class, in training
    and in test mode, where its parent would drop them, or keep them to be
    measured.

    Args:
        Others: Of :class:`~declip_mm.detection.OpenVocabDetDataset`.
    """

    def _take_base(self, content: dict) -> None:
        check_base_only(self.ann_file, content)
        super()._take_base(content)
