"""Open-vocabulary detection data, straight from the official json files."""

from pathlib import PurePosixPath
from typing import Dict, List

from mmdet.datasets import CocoDataset, VOCDataset
from mmdet.datasets.api_wrappers import COCO
from mmdet.registry import DATASETS
from mmengine.fileio import load

from ..datasets.readings import LabelledPictures
from .names import OV_COCO_BASE, OV_COCO_CLASSES, OV_COCO_NOVEL, VOC_PHRASES

__all__ = ['OVCocoDataset', 'OVVOCDataset', 'OpenVocabDetDataset']


@DATASETS.register_module()
class OpenVocabDetDataset(LabelledPictures, CocoDataset):
    """A COCO, LVIS or Objects365 file, with base and novel classes.

    Names are those of ``metainfo['classes']``, else all of the file in the
    order of their ids (so no list of names can disagree with the file). Novel
    are ``metainfo['novel_classes']``, else the categories that the file marks
    with ``frequency='r'`` (LVIS) or ``novel=true``. For training, annotations
    of novel classes are dropped before anything else sees them.

    Args:
        skip_unlabelled: In test mode, leave out images without any object of
            the classes (OV-COCO's 4,836 of 5,000 images).
        Others: Of :class:`mmdet.datasets.CocoDataset`.
    """

    METAINFO: Dict[str, tuple] = {}

    def __init__(self, *args, skip_unlabelled: bool = False, **kwargs) -> None:
        self.skip_unlabelled = skip_unlabelled
        super().__init__(*args, **kwargs)

    def COCOAPI(self, path: str) -> COCO:
        """Read a file; mmdet's loader calls this in the place of a class."""
        content = load(path, file_format='json')
        categories = self._order(content['categories'])
        content['categories'] = categories
        self._split_classes(categories)
        novel = set(self._metainfo['novel_classes'])
        if not self.test_mode and novel:
            ids = {c['id'] for c in categories if c['name'] in novel}
            content['annotations'] = [
                a
                for a in content['annotations']
                if a['category_id'] not in ids
            ]
        for image in content['images']:
            if 'file_name' not in image:
                image['file_name'] = _path_of_url(image['coco_url'])
        api = COCO()
        api.dataset = content
        api.createIndex()
        api.img_ann_map, api.cat_img_map = api.imgToAnns, api.catToImgs
        return api

    def _order(self, categories: List[dict]) -> List[dict]:
        """Categories in class order; labels are positions in it."""
        ordered = sorted(categories, key=lambda c: c['id'])
        names = self._metainfo.get('classes')
        if not names:
            self._metainfo['classes'] = tuple(c['name'] for c in ordered)
            return ordered
        by_name = {c['name']: c for c in ordered}
        missing = [n for n in names if n not in by_name]
        if missing:
            raise ValueError(
                f'{self.ann_file} has no category {missing[:8]}; it has '
                f'{len(ordered)}, such as {list(by_name)[:8]}. Leave '
                'metainfo.classes out to take the names of the file.'
            )
        return [by_name[n] for n in names]

    def _split_classes(self, categories: List[dict]) -> None:
        meta = self._metainfo
        if 'novel_classes' not in meta:
            meta['novel_classes'] = tuple(
                c['name']
                for c in categories
                if c.get('frequency') == 'r' or c.get('novel')
            )
        novel = set(meta['novel_classes'])
        strangers = sorted(novel - set(meta['classes']))
        if strangers:
            raise ValueError(
                f'novel classes {strangers[:8]} are not among the '
                f'{len(meta["classes"])} classes of {self.ann_file}.'
            )
        meta['base_classes'] = tuple(
            n for n in meta['classes'] if n not in novel
        )

    def filter_data(self) -> List[dict]:
        found = super().filter_data()
        if self.test_mode and self.skip_unlabelled:
            found = [d for d in found if d['instances']]
        return found


def _path_of_url(url: str) -> str:
    """LVIS names files by url; val images lie in train2017 too."""
    return '/'.join(PurePosixPath(url).parts[-2:])


@DATASETS.register_module()
class OVCocoDataset(OpenVocabDetDataset):
    """COCO 2017 with the 48 base and 17 novel classes of OV-COCO.

    From the official ``instances_*.json``; the other 15 classes are dropped.
    """

    METAINFO = dict(
        classes=OV_COCO_CLASSES,
        base_classes=OV_COCO_BASE,
        novel_classes=OV_COCO_NOVEL,
    )


@DATASETS.register_module()
class OVVOCDataset(LabelledPictures, VOCDataset):
    """Pascal VOC whose names read as words to a text tower."""

    METAINFO = dict(VOCDataset.METAINFO, phrases=VOC_PHRASES)
