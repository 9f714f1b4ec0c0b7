"""The sets of open-vocabulary segmentation, each in its official layout.

Names and colours of sets that mmseg has are mmseg's own; the texts that stand
for a name are ours to choose (``models/text/benchmarks.py``).
"""

from typing import Any

from mmseg.datasets import (
    ADE20KDataset,
    CityscapesDataset,
    COCOStuffDataset,
    PascalContextDataset,
    PascalContextDataset59,
    PascalVOCDataset,
)
from mmseg.registry import DATASETS

from ...models.text import STUFF_BACKGROUND
from ...models.text.benchmarks import (
    COCO_OBJECT_TEXTS,
    VOC_FIELD_TEXTS,
    VOC_TEXTS,
    closed_up,
)
from .ade847 import read_ade847
from .base import OVSegDataset

__all__ = [
    'OVADE20KDataset',
    'OVADE847Dataset',
    'OVCOCOObjectDataset',
    'OVCOCOStuffDataset',
    'OVCityscapesDataset',
    'OVContext59Dataset',
    'OVContext60Dataset',
    'OVContext459Dataset',
    'OVPAS20bDataset',
    'OVVOC20Dataset',
    'OVVOC21Dataset',
]


def _meta(source: type, first: int = 0, **more: Any) -> dict:
    """Classes and colours of an mmseg data set from ``first`` on."""
    meta = source.METAINFO
    return dict(
        classes=tuple(meta['classes'][first:]),
        palette=[list(c) for c in meta['palette'][first:]],
        **more,
    )


@DATASETS.register_module()
class OVVOC21Dataset(OVSegDataset):
    """Pascal VOC 2012, 20 objects and background."""

    METAINFO = _meta(
        PascalVOCDataset, texts=dict(VOC_TEXTS, background=STUFF_BACKGROUND)
    )
    FIELD_TEXTS = VOC_FIELD_TEXTS


@DATASETS.register_module()
class OVVOC20Dataset(OVSegDataset):
    """Pascal VOC 2012, 20 objects; background is ignored (PAS-20)."""

    METAINFO = _meta(PascalVOCDataset, first=1, texts=VOC_TEXTS)
    FIELD_TEXTS = VOC_FIELD_TEXTS

    def __init__(self, *args, reduce_zero_label: bool = True, **kwargs):
        super().__init__(*args, reduce_zero_label=reduce_zero_label, **kwargs)


#: PC-59 names that are none of VOC's 20: what PAS-20b calls background.
_VOC_IN_CONTEXT = set(PascalVOCDataset.METAINFO['classes']) | {'table'}
_NOT_VOC = tuple(
    name
    for name in PascalContextDataset59.METAINFO['classes']
    if name not in _VOC_IN_CONTEXT
)


@DATASETS.register_module()
class OVPAS20bDataset(OVSegDataset):
    """Pascal VOC 2012 as CAT-Seg scores it: PAS-20b.

    Predicted are 59 names, VOC's 20 and the 39 others of PC-59; the 39 are
    texts of the one class background, label 20. Maps are those of
    ``tools/dataset_converters/pas20b.py``.
    """

    METAINFO = dict(
        classes=(*PascalVOCDataset.METAINFO['classes'][1:], 'background'),
        palette=[
            *map(list, PascalVOCDataset.METAINFO['palette'][1:]),
            [0, 0, 0],
        ],
        texts=dict(background=_NOT_VOC),
    )


@DATASETS.register_module()
class OVContext60Dataset(OVSegDataset):
    """Pascal Context, 59 classes and background."""

    METAINFO = _meta(PascalContextDataset)


@DATASETS.register_module()
class OVContext59Dataset(OVSegDataset):
    """Pascal Context, 59 classes; background is ignored (PC-59)."""

    METAINFO = _meta(PascalContextDataset59)

    def __init__(self, *args, reduce_zero_label: bool = True, **kwargs):
        super().__init__(*args, reduce_zero_label=reduce_zero_label, **kwargs)


@DATASETS.register_module()
class OVCOCOStuffDataset(OVSegDataset):
    """COCO-Stuff 164k, 171 classes."""

    METAINFO = _meta(COCOStuffDataset)
    FIELD_TEXTS = closed_up(METAINFO['classes'])

    def __init__(
        self, *args, seg_map_suffix: str = '_labelTrainIds.png', **kwargs
    ):
        super().__init__(*args, seg_map_suffix=seg_map_suffix, **kwargs)


@DATASETS.register_module()
class OVCOCOObjectDataset(OVSegDataset):
    """COCO-Object: the 80 things of COCO-Stuff, and background.

    Maps are those of ``tools/dataset_converters/coco_object.py``.
    """

    METAINFO = dict(
        classes=('background', *COCOStuffDataset.METAINFO['classes'][:80]),
        palette=[
            [0, 0, 0],
            *map(list, COCOStuffDataset.METAINFO['palette'][:80]),
        ],
        texts=dict(background=STUFF_BACKGROUND),
    )
    FIELD_TEXTS = COCO_OBJECT_TEXTS

    def __init__(
        self, *args, seg_map_suffix: str = '_instanceTrainIds.png', **kwargs
    ):
        super().__init__(*args, seg_map_suffix=seg_map_suffix, **kwargs)


@DATASETS.register_module()
class OVCityscapesDataset(OVSegDataset):
    """Cityscapes, 19 classes."""

    METAINFO = _meta(CityscapesDataset)
    FIELD_TEXTS = closed_up(METAINFO['classes'])

    def __init__(
        self,
        *args,
        img_suffix: str = '_leftImg8bit.png',
        seg_map_suffix: str = '_gtFine_labelTrainIds.png',
        **kwargs,
    ):
        super().__init__(
            *args,
            img_suffix=img_suffix,
            seg_map_suffix=seg_map_suffix,
            **kwargs,
        )


@DATASETS.register_module()
class OVADE20KDataset(OVSegDataset):
    """ADE20K, the 150 classes of SceneParse (A-150)."""

    METAINFO = _meta(ADE20KDataset)
    FIELD_TEXTS = closed_up(METAINFO['classes'])

    def __init__(self, *args, reduce_zero_label: bool = True, **kwargs):
        super().__init__(*args, reduce_zero_label=reduce_zero_label, **kwargs)


class _WideDataset(OVSegDataset):
    """Maps of 16 bits, in which 65535 is no class."""

    def __init__(self, *args, ignore_index: int = 65535, **kwargs):
        super().__init__(*args, ignore_index=ignore_index, **kwargs)


@DATASETS.register_module()
class OVADE847Dataset(_WideDataset):
    """ADE20K full, 847 classes (A-847).

    Maps are those of ``tools/dataset_converters/ade847.py``. A name is a list
    of synonyms, ``'rug, carpet, carpeting'``.
    """

    METAINFO = dict(classes=tuple(name for _, name in read_ade847()))


@DATASETS.register_module()
class OVContext459Dataset(_WideDataset):
    """Pascal Context, all 459 classes (PC-459).

    Maps and names are those of
    ``tools/dataset_converters/pascal_context459.py``.
    """

    def __init__(self, *args, classes_file: str = 'classes.txt', **kwargs):
        super().__init__(*args, classes_file=classes_file, **kwargs)
