"""What the data set of a config gives, as pictures with labels.

n objects, k crops.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.registry import DATASETS, init_default_scope

from ..models.cropping import cut_crops
from ..visualization import DrawnSample
from .options import OptionError

__all__ = ['browse', 'build_split', 'drawn_sample', 'splits_of']


def splits_of(cfg: Config) -> list[str]:
    """The parts that a config has data of."""
    parts = ('test', 'train', 'val')
    return [part for part in parts if cfg.get(f'{part}_dataloader')]


def build_split(cfg: Config, split: str) -> Any:
    """The data set of a loader, with labels where its pipeline loads none.

    Test pipelines of detectors load no boxes, because metrics read them from
    the file; here they are shown.

    Args:
        cfg: Config.
        split: ``'train'``, ``'val'`` or ``'test'``.

    Raises:
        OptionError: The config has no such loader.
    """
    loader = cfg.get(f'{split}_dataloader')
    if not loader:
        raise OptionError(
            f'--split {split}: the config has no {split}_dataloader; '
            f'there are {", ".join(splits_of(cfg)) or "none"}'
        )
    init_default_scope(cfg.get('default_scope') or 'mmengine')
    dataset = DATASETS.build(loader.dataset)
    if hasattr(dataset, 'full_init'):
        dataset.full_init()
    transforms = getattr(getattr(dataset, 'pipeline', None), 'transforms', [])
    loads = any('Annotations' in type(t).__name__ for t in transforms)
    if transforms and not loads and 'instances' in dataset.get_data_info(0):
        transforms.insert(1, _box_loader(dataset))
    return dataset


def _box_loader(dataset: Any) -> Any:
    from mmdet.datasets.transforms import LoadAnnotations

    every = (dataset.get_data_info(i) for i in range(len(dataset)))
    masks = all('mask' in o for info in every for o in info['instances'])
    return LoadAnnotations(with_bbox=True, with_mask=masks)


def browse(dataset: Any, count: int, start: int = 0) -> Iterator[DrawnSample]:
    """Samples from ``start`` on, as the pipeline of the data set gives them.

    Args:
        dataset: Of :func:`build_split`.
        count: How many.
        start: The first.

    Raises:
        OptionError: ``start`` lies behind the end.
    """
    if start >= len(dataset):
        raise OptionError(
            f'--start {start}: the data set has {len(dataset)} pictures'
        )
    classes = list((dataset.metainfo or {}).get('classes') or ())
    indices = range(start, min(start + count, len(dataset)))
    return (drawn_sample(dataset[index], classes) for index in indices)


def drawn_sample(item: Mapping[str, Any], classes: list[str]) -> DrawnSample:
    """An item of a data set of ours, mmdet's or mmseg's.

    Args:
        item: ``inputs`` and ``data_samples``.
        classes: Names of the labels.
    """
    inputs, sample = item['inputs'], item['data_samples']
    if isinstance(inputs, Mapping):
        return _our_sample(inputs, sample, classes)
    return _toolbox_sample(inputs, sample, classes)


def _name(sample: Any) -> str:
    return str(sample.metainfo.get('img_path', '')).rsplit('/', 1)[-1]


def _pixels(image: Any) -> np.ndarray:
    """(..., 3, H, W) uint8 -> (..., H, W, 3)."""
    return np.moveaxis(image.numpy(), -3, -1)


def _our_sample(inputs, sample, classes: list[str]) -> DrawnSample:
    """Ours: a view in RGB, boxes in [0, 1] of it."""
    image = _pixels(inputs['image'])
    height, width = image.shape[:2]
    boxes = sample.boxes.numpy() * [width, height, width, height]
    labels, masks = sample.get('region_labels'), sample.get('masks')
    if labels is not None:
        kinds = labels.tolist()
        texts = [classes[k] for k in kinds]
    else:
        # what a mosaic's cell shows; cells and proposals have no name
        texts = list(sample.metainfo.get('captions', [''] * len(boxes)))
        kinds = list(range(len(boxes)))
    crops = inputs.get('crops')
    if 'picture' in inputs:
        side = sample.crop_view['size']
        crops = cut_crops(inputs['picture'], sample.cuts, side)
    return DrawnSample(
        image,
        _name(sample),
        boxes,
        texts,
        kinds,
        None if masks is None else masks.numpy(),
        crops=None if crops is None else _pixels(crops),
    )


def _toolbox_sample(inputs, sample, classes: list[str]) -> DrawnSample:
    """mmdet's and mmseg's: BGR, boxes in pixels, or a class map."""
    image = _pixels(inputs)[..., ::-1]
    if 'gt_sem_seg' in sample:
        labels = sample.gt_sem_seg.data[0].numpy().astype(int)
        # test pipelines resize pictures and leave class maps alone
        rows, columns = (
            np.arange(new) * old // new
            for new, old in zip(image.shape[:2], labels.shape)
        )
        return DrawnSample(
            image,
            _name(sample),
            boxes=np.zeros((0, 4)),
            texts=(),
            kinds=(),
            class_map=labels[np.ix_(rows, columns)],
            ignored=(255, sample.metainfo.get('ignore_index', 255)),
        )
    found = sample.gt_instances
    boxes, masks = found.bboxes, found.get('masks')
    kinds, texts = _named(found, classes)
    return DrawnSample(
        image,
        _name(sample),
        getattr(boxes, 'tensor', boxes).numpy(),
        texts,
        kinds,
        None if masks is None else masks.to_ndarray().astype(bool),
    )


def _named(found: Any, classes: list[str]) -> tuple[list[int], list[str]]:
    """Colours and texts; pseudo-labelled objects show their weight."""
    labels = found.labels.tolist()
    weights = found.get('fg_weights', [1.0] * len(labels))
    texts = [
        classes[label] if label >= 0 else f'unknown {float(weight):.2f}'
        for label, weight in zip(labels, weights)
    ]
    return [k if k >= 0 else len(classes) for k in labels], texts
