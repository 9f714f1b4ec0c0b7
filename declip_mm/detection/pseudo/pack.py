"""Known and pseudo-labelled objects, packed into one list of instances."""

import numpy as np
import torch
from mmdet.datasets.transforms import PackDetInputs
from mmdet.registry import TRANSFORMS

from ..ov_dquo.targets import PSEUDO_LABEL

__all__ = ['PackOVDetInputs', 'number_of_pseudo']


def number_of_pseudo(position: int) -> int:
    """Label, in a pipeline, of an image's pseudo object at a position.

    mmdet's transforms drop boxes together with their labels and know of
    nothing else that belongs to a box. So its position, below zero, is the
    label until :class:`PackOVDetInputs` reads the weight there.
    """
    return -1 - position


@TRANSFORMS.register_module()
class PackOVDetInputs(PackDetInputs):
    """:class:`mmdet.datasets.PackDetInputs` for images with pseudo labels.

    Adds ``gt_instances.fg_weights`` (n,) float32 in (0, 1]: 1 for annotated
    objects, the weight of the file for pseudo-labelled ones, whose label
    becomes -1.
    """

    def transform(self, results: dict) -> dict:
        """See :meth:`mmdet.datasets.PackDetInputs.transform`."""
        weights = np.ones(len(results.get('gt_bboxes_labels', ())), np.float32)
        if len(weights):
            labels = np.array(results['gt_bboxes_labels'])
            pseudo = labels < 0
            listed = np.asarray(results.get('pseudo_weights', ()), np.float32)
            weights[pseudo] = listed[-1 - labels[pseudo]]
            labels[pseudo] = PSEUDO_LABEL
            results['gt_bboxes_labels'] = labels
        ignored = results.get('gt_ignore_flags', np.zeros(len(weights), bool))
        packed = super().transform(results)
        instances = packed['data_samples'].gt_instances
        valid = ~np.asarray(ignored, bool)
        instances.fg_weights = torch.from_numpy(weights[valid])
        return packed
