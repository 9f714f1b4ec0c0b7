"""Open-vocabulary detection data, straight from the official json files."""

import logging
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from mmdet.datasets import CocoDataset, VOCDataset
from mmdet.datasets.api_wrappers import COCO
from mmdet.registry import DATASETS
from mmengine.logging import print_log

from ..datasets.coco_file import read_coco
from ..datasets.coco_json import log_skipped, some, without_collecting
from ..datasets.listing import check_folder
from ..datasets.readings import LabelledImages
from ..models.text import list_classes
from ..models.text.benchmarks import (
    OV_COCO_BASE,
    OV_COCO_CLASSES,
    OV_COCO_NOVEL,
    VOC_TEXTS,
)
from .pseudo.labelled import PseudoLabelled
from .truth import coco_api, leave_out

__all__ = ['OVCocoDataset', 'OVVOCDataset', 'OpenVocabDetDataset']


@DATASETS.register_module()
class OpenVocabDetDataset(PseudoLabelled, LabelledImages, CocoDataset):
    """A COCO, LVIS or Objects365 file, with base and novel classes.

    Names are those of ``metainfo['classes']``, else all of the file in the
    order of their ids (so no list of names can disagree with the file). Novel
    are ``metainfo['novel_classes']``, else the categories that the file marks
    with ``frequency='r'`` (LVIS) or ``novel=true``. For training, annotations
    of novel classes are dropped before anything else sees them. Labels are
    positions in the names; the metainfo says so (``labels_follow_classes``).

    The file is checked as :func:`~declip_mm.datasets.coco_file.read_coco`
    says, and all of its pictures have to be there. Boxes of no use are
    counted and named in the log; where the pipeline loads masks, also objects
    without.

    Args:
        skip_unlabelled: In test mode, leave out images without any object of
            the classes (OV-COCO's 4,836 of 5,000 images).
        pseudo_file: Pseudo-labelled objects of no class, for OV-DQUO; see
            :class:`~declip_mm.detection.pseudo.labelled.PseudoLabelled`.
        Others: Of :class:`mmdet.datasets.CocoDataset`.
    """

    METAINFO: dict[str, tuple] = {}

    def __init__(self, *args, skip_unlabelled: bool = False, **kwargs) -> None:
        self.skip_unlabelled = skip_unlabelled
        self.masks_wanted = any(
            isinstance(step, dict) and step.get('with_mask')
            for step in kwargs.get('pipeline', ())
        )
        super().__init__(*args, **kwargs)

    @classmethod
    def _load_metainfo(cls, metainfo: Mapping | None = None) -> dict:
        return super()._load_metainfo(list_classes(metainfo))

    @without_collecting()
    def load_data_list(self) -> list[dict]:
        """mmdet's records of all pictures."""
        return super().load_data_list()

    def COCOAPI(self, path: str) -> COCO:
        """Read a file; mmdet's loader calls this in the place of a class."""
        content = read_coco(
            path,
            self._image_root(),
            # test-dev files have none
            optional=['annotations'] if self.test_mode else [],
        )
        categories = content['categories'] = self._order(content['categories'])
        self._split_classes(categories)
        self._metainfo['labels_follow_classes'] = True
        self._take_base(content)
        count = len(content['annotations'])
        # mmdet would drop the same, without a word
        leave_out(self.ann_file, content, least=1, masks=self.masks_wanted)
        if not content['annotations']:
            self._complain(count)
        return coco_api(content)

    def _take_base(self, content: dict) -> None:
        """Drop annotations of classes that have none, in training."""
        novel = (
            set() if self.test_mode else set(self._metainfo['novel_classes'])
        )
        ids = {
            c['id'] for c in content['categories'] if c['name'] not in novel
        }
        content['annotations'] = [
            a for a in content['annotations'] if a['category_id'] in ids
        ]

    def _image_root(self) -> Path | None:
        """Folder of the pictures, None if it is not on this machine."""
        folder = self.data_prefix.get('img', '')
        if self.backend_args is not None or '://' in folder:
            return None
        return check_folder(folder, 'image folder')

    def _complain(self, count: int) -> None:
        """No object is left of those that the file has of the classes."""
        names = self._metainfo['classes']
        text = (
            f'{self.ann_file} has {count} objects of the {len(names)} classes '
            f'{some(names)}'
            + ('' if self.test_mode else ' (not counting novel ones)')
            + (', none of use.' if count else '.')
        )
        if self.masks_wanted:
            text += ' Objects need a mask here: LoadAnnotations has with_mask.'
        if not self.test_mode:
            raise ValueError(
                f'{text} Training needs some: check annotations and classes.'
            )
        print_log(
            f'{text} Nothing can be measured on it.',
            logger='current',
            level=logging.WARNING,
        )

    def _order(self, categories: list[dict]) -> list[dict]:
        """Categories in class order; labels are positions in it."""
        ordered = sorted(categories, key=lambda c: c['id'])
        names = self._metainfo.get('classes')
        if not names:
            self._metainfo['classes'] = tuple(c['name'] for c in ordered)
            return ordered
        by_name = {c['name']: c for c in ordered}
        missing = [n for n in names if n not in by_name]
        twice = [name for name, k in Counter(names).items() if k > 1]
        if twice:
            raise ValueError(
                f'metainfo.classes has {twice[:8]} twice. Each class '
                'has one label: remove one.'
            )
        if missing:
            raise ValueError(
                f'{self.ann_file} has no category {missing[:8]}; it has '
                f'{len(ordered)}, such as {list(by_name)[:8]}. Leave '
                'metainfo.classes out to take the names of the file.'
            )
        return [by_name[n] for n in names]

    def _split_classes(self, categories: list[dict]) -> None:
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

    def filter_data(self) -> list[dict]:
        """mmdet's, saying how many pictures are left out."""
        every = self.data_list
        found = super().filter_data()
        if self.test_mode and self.skip_unlabelled:
            found = [d for d in found if d['instances']]
        least = (self.filter_cfg or {}).get('min_size', 0)
        if not self.test_mode and least:
            small = [
                d['img_path']
                for d in every
                if min(d['height'], d['width']) < least
            ]
            if small:
                reason = f'pictures with a side below min_size={least}'
                log_skipped(self.ann_file, {reason: small})
        if not found:
            raise ValueError(
                f'{self.ann_file}: none of its {len(every)} pictures is left '
                f'by filter_cfg={self.filter_cfg} and '
                f'skip_unlabelled={self.skip_unlabelled}. Check annotations '
                'and classes.'
            )
        if len(found) < len(every):
            print_log(
                f'{self.ann_file}: {len(found)} of {len(every)} pictures are '
                'taken; the others have no object of the classes, or are too '
                'small.',
                logger='current',
            )
        return found


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
class OVVOCDataset(LabelledImages, VOCDataset):
    """Pascal VOC whose names read as words to a text tower."""

    METAINFO = dict(VOCDataset.METAINFO, texts=VOC_TEXTS)
