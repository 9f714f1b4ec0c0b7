"""A segmentation data set with free class names and wide labels."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.logging import print_log
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS, TRANSFORMS

from ...datasets.class_maps import (
    check_labels,
    read_labels,
    suspicious_labels,
)
from ...datasets.coco_json import some
from ...datasets.decoding import (
    ContradictingImage,
    UnreadableImage,
    read_size,
)
from ...datasets.readings import LabelledImages, spread
from ...models.text import list_classes, parse_classes, parse_names
from ...visualization.colours import class_palette
from .pairs import find_pairs

__all__ = ['LoadOVAnnotations', 'OVSegDataset']

#: New label of classes that ``metainfo`` leaves out, until the ignore index
#: of the data set takes its place.
_DROPPED = -1
#: How many class maps are read before the first step.
_LOOKED_AT = 16


@DATASETS.register_module()
class OVSegDataset(LabelledImages, BaseSegDataset):
    """mmseg's data set of pictures and class maps, for any names.

    Beside mmseg's own: labels beyond 255 (with :class:`LoadOVAnnotations`),
    an ignore index per data set that metrics read from ``metainfo``, texts
    of classes for the vocabulary, and checks before the first step: pictures
    and maps without the other, sizes, and labels that are no class.

    Args:
        ann_file: List of pictures, a name a line, with or without suffix.
        img_suffix: What ends the name of a picture; None takes pictures of
            every kind.
        classes_file: File of class names in the order of the labels (see
            ``parse_names``), relative to ``data_root``; for sets whose names
            come with the files. Several texts of a class become ``texts``.
        texts: Texts of some classes, instead of their names, over those of
            the class; ``'field'`` takes the lists that work on training-free
            segmentation shares.
        ignore_index: Label of pixels that count nowhere.
        metainfo: ``classes`` may be a part of the set's; the labels of all
            others are ignored.
        kwargs: See mmseg's ``BaseSegDataset``.

    Raises:
        FileNotFoundError: A folder or file is missing, or without pictures.
        ValueError: Names that are none of the set's, a class map with labels
            that are none of its classes, a picture of another size.
    """

    METAINFO: dict = dict()

    #: Texts of the literature on training-free segmentation.
    FIELD_TEXTS: dict = dict()

    def __init__(
        self,
        ann_file: str = '',
        img_suffix: str | None = None,
        *,
        classes_file: str | None = None,
        texts: str | Mapping[str, Sequence[str]] | None = None,
        ignore_index: int = 255,
        metainfo: dict | None = None,
        data_root: str | None = None,
        lazy_init: bool = False,
        **kwargs: Any,
    ) -> None:
        metainfo = dict(metainfo or {})
        own = self.METAINFO.get('classes')
        if classes_file is not None:
            path = os.path.join(data_root or '', classes_file)
            own = self._read_classes(path, own, metainfo)
        if metainfo.get('classes') is not None:
            # a string would become letters
            phrases = parse_classes(metainfo['classes'])
            metainfo['classes'] = tuple(phrases)
            _keep_texts(metainfo, phrases, self.METAINFO.get('texts') or {})
            _check_part(metainfo['classes'], own, classes_file)
        super().__init__(
            ann_file,
            img_suffix,
            ignore_index=ignore_index,
            metainfo=metainfo,
            data_root=data_root,
            lazy_init=True,
            **kwargs,
        )
        classes = tuple(self._metainfo.get('classes') or ())
        #: Names of the labels in the files; ``classes`` may be a part.
        self.file_classes = tuple(own or classes)
        self.label_map = _label_map(self.file_classes, classes)
        self._metainfo['label_map'] = self.label_map
        self._metainfo['texts'] = {
            name: tuple(own)
            for name, own in self._texts(texts).items()
            if name in classes
        }
        self._metainfo['ignore_index'] = ignore_index
        if ignore_index < len(self.file_classes):
            raise ValueError(
                f'ignore_index={ignore_index} is class '
                f'{self.file_classes[ignore_index]!r} of '
                f'{len(self.file_classes)}: choose one '
                'beyond the classes, such as 65535.'
            )
        if not lazy_init:
            self.full_init()

    @classmethod
    def _load_metainfo(cls, metainfo: Mapping | None = None) -> dict:
        return super()._load_metainfo(list_classes(metainfo))

    @staticmethod
    def _read_classes(
        path: str, known: Sequence[str] | None, metainfo: dict
    ) -> tuple[str, ...]:
        """Names of a file, and its phrases as texts."""
        phrases = parse_names(path)
        found = tuple(phrases)
        if known is not None and tuple(known) != found:
            raise ValueError(
                f'{path} has other names than the data set, in which labels '
                f'are positions: {some(found, 4)} ({len(found)} names) '
                f'instead of {some(known, 4)} ({len(known)}). Leave '
                'classes_file out, or take OVSegDataset.'
            )
        metainfo.setdefault('classes', found)
        _keep_texts(metainfo, phrases, {})
        return found

    def _texts(
        self, texts: str | Mapping[str, Sequence[str]] | None
    ) -> dict[str, Sequence[str]]:
        if isinstance(texts, str) and texts != 'field':
            raise ValueError(
                f"texts={texts!r} is unknown; allowed are 'field' and a dict "
                'class name -> list of texts.'
            )
        if texts == 'field':
            texts = self.FIELD_TEXTS
        return {**(self._metainfo.get('texts') or {}), **(texts or {})}

    @classmethod
    def get_label_map(cls, new_classes=None):
        """None; the constructor knows the names of a file, too."""
        return None

    def _update_palette(self) -> list:
        """Colours of the classes at hand; made where there are none."""
        classes = list(self._metainfo.get('classes') or ())
        palette = list(self._metainfo.get('palette') or ())
        if len(palette) == len(classes):
            return palette
        known = dict(zip(self.METAINFO.get('classes', ()), palette))
        made = class_palette(classes)
        return [known.get(n, c) for n, c in zip(classes, made)]

    def load_data_list(self) -> list[dict]:
        """One dict a picture; adds ``ignore_index`` to mmseg's keys."""
        self._check_files()
        label_map = self.label_map and {
            old: self.ignore_index if new == _DROPPED else new
            for old, new in self.label_map.items()
        }
        found = self._list()
        for item in found:
            item.update(
                label_map=label_map,
                reduce_zero_label=self.reduce_zero_label,
                ignore_index=self.ignore_index,
                num_labels=len(self.file_classes),
                seg_fields=[],
            )
        return found

    def _list(self) -> list[dict]:
        images = self.data_prefix.get('img_path')
        maps = self.data_prefix.get('seg_map_path')
        if any('://' in str(p) for p in (images, maps, self.ann_file)):
            # mmseg's listing asks a file server
            self.img_suffix = self.img_suffix or '.jpg'
            return super().load_data_list()
        # mmseg takes a folder for no list
        split = None if Path(self.ann_file).is_dir() else self.ann_file
        pairs = find_pairs(
            images, maps, self.img_suffix, self.seg_map_suffix, split
        )
        return [
            dict(img_path=image, **({} if m is None else {'seg_map_path': m}))
            for image, m in pairs
        ]

    def full_init(self) -> None:
        """Read the list, if that has not been done, and check some."""
        if self.readings is None:
            super().full_init()
            # Until a hook says that it is training data (mmseg's test sets
            # do not say what they are).
            self.readings.replace = False

    def label_size(self, info: dict) -> tuple[int, int] | None:
        """(height, width) of the class map."""
        path = info.get('seg_map_path')
        if path is None or '://' in path:
            return None
        return read_size(path, orient=False)

    def label_source(self, info: dict) -> str:
        """The class map."""
        return info['seg_map_path']

    def check_some(self) -> None:
        """Look at some pictures and maps before the first step."""
        super().check_some()
        infos = [self.get_data_info(i) for i in spread(len(self), _LOOKED_AT)]
        found, read = [], []
        for info in infos:
            path = info.get('seg_map_path')
            if path is None or '://' in path or not self.file_classes:
                continue
            try:
                found.append(_labels_of(info)[1])
                read.append(path)
            except ContradictingImage:
                raise
            except UnreadableImage:
                continue
        if not found:
            return
        why, sure = suspicious_labels(
            found,
            self.file_classes,
            self.ignore_index,
            self.reduce_zero_label,
        )
        if sure:
            raise ValueError(f'class maps such as {some(read)}: {why}')
        if why:
            print_log(
                f'class maps such as {some(read)}: {why}',
                logger='current',
                level=logging.WARNING,
            )

    def _check_files(self) -> None:
        wanted = [self.data_prefix.get('img_path')]
        wanted += [self.data_prefix.get('seg_map_path')]
        wanted += [self.ann_file or None]
        lost = [
            path
            for path in wanted
            if path and '://' not in path and not Path(path).exists()
        ]
        if lost:
            raise FileNotFoundError(
                f'{type(self).__name__}: {", ".join(lost)} does not exist. '
                'docs/segmentation.md says how the folders of this set look '
                'and which tool of tools/dataset_converters makes them.'
            )


def _check_part(
    classes: Sequence[str],
    own: Sequence[str] | None,
    classes_file: str | None,
) -> None:
    strangers = [n for n in classes if n not in (own or classes)]
    if strangers:
        raise ValueError(
            f'metainfo.classes has {some(strangers, 8)}, and '
            f'{classes_file or "the data set"} no such class; it has '
            f'{len(own)}, such as {some(own, 8)}.'
        )


def _label_map(
    own: Sequence[str], classes: Sequence[str]
) -> dict[int, int] | None:
    """Label in the files -> label where classes are left out, else None."""
    if tuple(own) == tuple(classes):
        return None
    new = {name: i for i, name in enumerate(classes)}
    return {old: new.get(name, _DROPPED) for old, name in enumerate(own)}


def _labels_of(
    info: dict, backend_args: dict | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Labels (H, W) of a picture as stored, and which there are, checked."""
    path = info['seg_map_path']
    labels = read_labels(path, backend_args)
    if not info.get('num_labels'):
        return labels, None
    found = check_labels(
        path,
        labels,
        info['num_labels'],
        info.get('ignore_index', 255),
        bool(info.get('reduce_zero_label')),
    )
    return labels, found


def _keep_texts(
    metainfo: dict,
    phrases: Mapping[str, Sequence[str]],
    known: Mapping[str, Sequence[str]],
) -> None:
    """Classes of several texts become ``texts``, over those of the class."""
    several = {n: own for n, own in phrases.items() if own != (n,)}
    if several:
        given = metainfo.get('texts') or {}
        metainfo['texts'] = {**known, **several, **given}


@TRANSFORMS.register_module()
class LoadOVAnnotations(BaseTransform):
    """Load a class map with up to 65535 classes.

    mmseg's ``LoadAnnotations`` keeps 8 bits, so that labels wrap at 256.

    Required keys: ``seg_map_path``; optional ``reduce_zero_label``,
    ``label_map``, ``ignore_index`` (255), ``num_labels`` to refuse labels
    beyond, and ``blank`` for a map without a class, of ``ori_shape``. Adds
    ``gt_seg_map`` (H, W), uint16, to ``seg_fields``.

    Args:
        backend_args: Of mmengine's file backend.
    """

    def __init__(self, backend_args: dict | None = None) -> None:
        self.backend_args = backend_args

    def transform(self, results: dict) -> dict:
        ignore = results.get('ignore_index', 255)
        if results.get('blank'):
            labels = np.full(results['ori_shape'][:2], ignore, np.uint16)
        else:
            labels, _ = _labels_of(results, self.backend_args)
        # One table look-up for all that may happen to a label.
        table = np.arange(1 << 16, dtype=np.uint16)
        if results.get('reduce_zero_label'):
            table = table - np.uint16(1)  # 0 wraps, and is set below
            table[[0, ignore]] = ignore
        if results.get('label_map'):
            renamed = np.arange(1 << 16, dtype=np.uint16)
            for before, after in results['label_map'].items():
                renamed[before] = after
            table = renamed[table]
        results['gt_seg_map'] = table[labels]
        results.setdefault('seg_fields', []).append('gt_seg_map')
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(backend_args={self.backend_args})'
