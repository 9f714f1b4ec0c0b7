"""Detections on pictures that are small enough to draw."""

from typing import Any

import numpy as np
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from PIL import Image

__all__ = ['bounded_sample']

#: The canvas of matplotlib takes some twenty bytes a pixel.
_MAX_SIDE = 2048


def bounded_sample(
    image: np.ndarray, sample: Any, threshold: float
) -> tuple[np.ndarray, DetDataSample]:
    """A picture and its detections with no side above 2048 pixels.

    Args:
        image: (H, W, 3) uint8.
        sample: With ``pred_instances``.
        threshold: Score below which an instance is left out.

    Returns:
        Picture, and a sample with boxes and masks in its pixels.
    """
    found = sample.pred_instances.cpu()
    found = found[found.scores > threshold]
    height, width = image.shape[:2]
    factor = min(1.0, _MAX_SIDE / max(height, width))
    shown = InstanceData(labels=found.labels, scores=found.scores)
    shown.bboxes = found.bboxes * factor
    masks = found.get('masks')
    if factor < 1:
        size = [max(1, int(side * factor)) for side in (height, width)]
        image = np.asarray(
            Image.fromarray(image).resize(size[::-1], Image.Resampling.BOX)
        )
        if masks is not None:
            rows, columns = (
                np.linspace(0, side, count, False).astype(int)
                for side, count in zip((height, width), size)
            )
            masks = masks[:, rows][:, :, columns]
    if masks is not None:
        shown.masks = masks
    return np.ascontiguousarray(image), DetDataSample(pred_instances=shown)
