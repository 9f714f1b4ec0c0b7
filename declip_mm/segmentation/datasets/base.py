"""A segmentation data set with free class names and wide labels."""

import os
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Union

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS, TRANSFORMS

from ...evaluation.label_files import read_labels
from ...models.text import list_classes, parse_names
from ...visualization.colours import class_palette

__all__ = ['LoadOVAnnotations', 'OVSegDataset']

#: New label of classes that ``metainfo`` leaves out, until the ignore index
#: of the data set takes its place.
_DROPPED = -1


@DATASETS.register_module()
class OVSegDataset(BaseSegDataset):
    """mmseg's data set of pictures and class maps, for any names.

    Beside mmseg's own: labels beyond 255 (with :class:`LoadOVAnnotations`),
    an ignore index per data set that metrics read from ``metainfo``, and
    texts of classes for the vocabulary.

    Args:
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
    """

    METAINFO: dict = dict()

    #: Texts of the literature on training-free segmentation.
    FIELD_TEXTS: dict = dict()

    def __init__(
        self,
        *args: Any,
        classes_file: Optional[str] = None,
        texts: Union[str, Mapping[str, Sequence[str]], None] = None,
        ignore_index: int = 255,
        metainfo: Optional[dict] = None,
        data_root: Optional[str] = None,
        lazy_init: bool = False,
        **kwargs: Any,
    ) -> None:
        metainfo = dict(metainfo or {})
        if classes_file is not None:
            path = os.path.join(data_root or '', classes_file)
            found = parse_names(path)
            metainfo.setdefault('classes', tuple(found))
            several = {n: own for n, own in found.items() if own != (n,)}
            metainfo['texts'] = {**several, **(metainfo.get('texts') or {})}
        super().__init__(
            *args,
            ignore_index=ignore_index,
            metainfo=metainfo,
            data_root=data_root,
            lazy_init=True,
            **kwargs,
        )
        classes = list(self._metainfo.get('classes') or ())
        self._metainfo['texts'] = {
            name: tuple(own)
            for name, own in self._texts(texts).items()
            if name in classes
        }
        self._metainfo['ignore_index'] = ignore_index
        if ignore_index < len(classes):
            raise ValueError(
                f'ignore_index={ignore_index} is class '
                f'{classes[ignore_index]!r} of {len(classes)}: choose one '
                'beyond the classes, such as 65535.'
            )
        if not lazy_init:
            self.full_init()

    @classmethod
    def _load_metainfo(cls, metainfo: Optional[Mapping] = None) -> dict:
        return super()._load_metainfo(list_classes(metainfo))

    def _texts(
        self, texts: Union[str, Mapping[str, Sequence[str]], None]
    ) -> Dict[str, Sequence[str]]:
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
        """Old label -> new label where classes are left out, else None."""
        found = super().get_label_map(new_classes)
        if found is None:
            return None
        new = list(new_classes)
        return {
            old: new.index(name) if name in new else _DROPPED
            for old, name in enumerate(cls.METAINFO['classes'])
        }

    def _update_palette(self) -> list:
        """Colours of the classes at hand; made where there are none."""
        classes = list(self._metainfo.get('classes') or ())
        palette = list(self._metainfo.get('palette') or ())
        if len(palette) == len(classes):
            return palette
        known = dict(zip(self.METAINFO.get('classes', ()), palette))
        made = class_palette(classes)
        return [known.get(n, c) for n, c in zip(classes, made)]

    def load_data_list(self) -> List[dict]:
        """One dict a picture; adds ``ignore_index`` to mmseg's keys."""
        self._check_files()
        found = super().load_data_list()
        if not found:
            raise FileNotFoundError(
                f'{self.data_prefix.get("img_path")} has no picture that '
                f'ends in {self.img_suffix!r}.'
            )
        label_map = self.label_map and {
            old: self.ignore_index if new == _DROPPED else new
            for old, new in self.label_map.items()
        }
        for item in found:
            item.update(label_map=label_map, ignore_index=self.ignore_index)
        return found

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


@TRANSFORMS.register_module()
class LoadOVAnnotations(BaseTransform):
    """Load a class map with up to 65535 classes.

    mmseg's ``LoadAnnotations`` keeps 8 bits, so that labels wrap at 256.

    Required keys: ``seg_map_path``; optional ``reduce_zero_label``,
    ``label_map``, ``ignore_index`` (255). Adds ``gt_seg_map`` (H, W), uint16,
    to ``seg_fields``.

    Args:
        backend_args: Of mmengine's file backend.
    """

    def __init__(self, backend_args: Optional[dict] = None) -> None:
        self.backend_args = backend_args

    def transform(self, results: dict) -> dict:
        labels = read_labels(results['seg_map_path'], self.backend_args)
        ignore = results.get('ignore_index', 255)
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
