"""Boxes with a noun each, for RegionCLIP's pseudo-labels."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.registry import DATASETS, TRANSFORMS
from PIL import Image
from torch import Tensor

from .coco_file import read_coco
from .images import DeCLIPImageDataset
from .proposals import images_with_boxes
from .views import DeCLIPViews

__all__ = ['DeCLIPNounDataset', 'NounViews']


@TRANSFORMS.register_module()
class NounViews(DeCLIPViews):
    """:class:`DeCLIPViews` of boxes that carry a label.

    The first ``max_boxes`` boxes of a picture are taken, in the file's order,
    as RegionCLIP does; nothing is drawn.
    """

    def __call__(
        self,
        image: Image.Image,
        rng: np.random.Generator,
        boxes: Any = None,
        bucket: int | None = None,
    ) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """As :meth:`DeCLIPViews.__call__`, ``boxes`` (n, 5), label last.

        Returns:
            As there; the fields have ``labels`` (K,) int64, too.
        """
        table = np.asarray(boxes, np.float64).reshape(-1, 5)[: self.max_boxes]
        inputs, fields = super().__call__(image, rng, table[:, :4], bucket)
        labels = torch.from_numpy(table[:, 4].astype(np.int64))
        return inputs, dict(fields, labels=labels)


@DATASETS.register_module()
class DeCLIPNounDataset(DeCLIPImageDataset):
    """Pictures with boxes and a noun for each, from a COCO json.

    The nouns are the json's ``categories``, in the order of their ids; they
    are the data set's class names. Pictures without a box are left out.

    Args:
        kwargs: Of :class:`DeCLIPImageDataset`; ``ann_file`` is needed, and
            ``views`` are :class:`NounViews`.
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(proposals=True, **kwargs)
        if not isinstance(self.views, NounViews):
            raise TypeError(
                f'views must be NounViews, got {type(self.views).__name__}: '
                'other views lose the nouns.'
            )

    def _list(self, root: Path) -> list[dict]:
        content = read_coco(self.ann_file, root)
        nouns = sorted(content['categories'], key=lambda c: c['id'])
        self._metainfo['classes'] = tuple(noun['name'] for noun in nouns)
        labels = {noun['id']: label for label, noun in enumerate(nouns)}
        images = images_with_boxes(
            self.ann_file, content, self.proposal_area, labels
        )
        return [image for image in images if image['boxes']]
