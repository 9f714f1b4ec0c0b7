"""Pictures with labelled regions, for evaluation."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log
from mmengine.registry import DATASETS
from mmengine.structures import BaseDataElement
from PIL import Image
from torch import Tensor

from .coco_json import log_skipped
from .coco_regions import RegionFile, read_regions
from .decoding import ContradictingImage, UnreadableImage, read_labelled
from .grid import enlarge
from .listing import check_files, check_folder
from .masks import (
    decode_segmentation,
    mask_box,
    read_class_map,
    segment_ids,
    square_masks,
)
from .readings import NotedImages, Readings
from .views import SquareView, boxes_in_square, crop_views

__all__ = ['DeCLIPRegionDataset']


@DATASETS.register_module()
class DeCLIPRegionDataset(NotedImages, BaseDataset):
    """Regions of a COCO instances or panoptic file, and class maps.

    The picture's longest side becomes ``image_size``, the rest of the square
    is black. A stuff region's box is that of its mask; boxes stand alone where
    no region of the file has a mask. What is left out is counted and named in
    the log; a file or picture that contradicts the rest is an error, for a
    score over other data would be no score. A damaged picture does not end a
    run: it is named (:attr:`damaged`), a blank one without regions stands in,
    and the figures leave it out.

    Args:
        ann_file: COCO json; panoptic if ``panoptic_dir`` is given.
        img_dir: Folder of the pictures.
        panoptic_dir: Folder of the panoptic PNGs (id = R + 256 G + 65536 B).
        seg_dir: Folder of class maps ``<picture without suffix>.png``, their
            values being positions in the class list; kept as stored.
            Pictures without a region stay in the data set then.
        data_root: Folder that the other paths are relative to.
        image_size: Side of the square, a multiple of the patch size.
        crops: ``dict(size=224, thing_scale=1.5)`` also makes crops of the
            regions: of things the enlarged box, of stuff the box.
        min_area, max_area: Of a box, in pixels of the original picture.
        classes: Names to keep, in the order of the labels; None is all.
        kwargs: Of :class:`mmengine.dataset.BaseDataset`.
    """

    def __init__(
        self,
        ann_file: str,
        img_dir: str = '',
        panoptic_dir: str | None = None,
        seg_dir: str | None = None,
        data_root: str = '',
        image_size: int = 560,
        crops: dict | None = None,
        min_area: float = 8**2,
        max_area: float = 1024**2,
        classes: Sequence[str] | None = None,
        **kwargs,
    ) -> None:
        if not isinstance(image_size, int) or image_size < 1:
            raise ValueError(
                f'image_size must be a whole number of 1 or more, got '
                f'{image_size!r}.'
            )
        self.crops = _check_crops(crops)
        self.view = SquareView(image_size)
        self.min_area, self.max_area = min_area, max_area
        self.classes = classes
        prefix = dict(img=img_dir, panoptic=panoptic_dir, seg=seg_dir)
        super().__init__(
            ann_file=ann_file,
            data_root=data_root,
            data_prefix={k: v for k, v in prefix.items() if v is not None},
            test_mode=True,
            **kwargs,
        )

    def full_init(self) -> None:
        """Read the list, if that has not been done yet."""
        if self._fully_initialized:
            return
        super().full_init()
        self.readings = Readings(len(self), self.ann_file)

    def path(self, index: int) -> str:
        """File of a picture."""
        return self._path(self.get_data_info(index))

    def load_data_list(self) -> list[dict]:
        """Pictures with their regions, masks still encoded."""
        classes = self.classes or self._metainfo.get('classes')
        if isinstance(classes, str):
            raise ValueError(
                f'classes must be a list of names, got the one string '
                f'{classes!r}, which would become letters. Write '
                f'{[c.strip() for c in classes.split(",")]}.'
            )
        found = read_regions(
            self.ann_file,
            'panoptic' in self.data_prefix,
            self.min_area,
            self.max_area,
            classes,
            check_folder(self.data_prefix['img'], 'img folder'),
        )
        self._metainfo.update(
            classes=found.classes, isthing=found.isthing, masks=found.masks
        )
        if not found.masks:
            print_log(
                f'{self.ann_file} has no segmentation: boxes stand alone, and '
                'figures of masks are left out.',
                logger='current',
                level=logging.WARNING,
            )
        images = found.images
        skipped = dict(found.skipped)
        if 'seg' in self.data_prefix:
            _check_class_list(self.ann_file, found)
        else:
            bare = [i['file_name'] for i in images if not i['regions']]
            if bare:
                skipped['pictures without a region'] = bare
            images = [i for i in images if i['regions']]
        log_skipped(self.ann_file, skipped)
        if not images:
            raise ValueError(
                f'{self.ann_file} has no picture with a region to classify.'
            )
        self._check_files(images)
        return images

    def _check_files(self, images: list[dict]) -> None:
        wanted = dict(
            panoptic=[i['png'] for i in images if 'png' in i],
            seg=[_png(i['file_name']) for i in images],
        )
        for key, names in wanted.items():
            if key in self.data_prefix:
                root = check_folder(self.data_prefix[key], f'{key} folder')
                check_files(root, names, f'for {self.ann_file}')

    def prepare_data(self, idx: int) -> dict:
        """The square view, its regions and the class map.

        Returns:
            ``inputs``: ``image`` (3, S, S) uint8, on request ``crops`` (n, 3,
            c, c). ``data_samples``: ``boxes`` (n, 4) in [0, 1] of the square,
            ``masks`` (n, S, S) bool if the file has some, ``region_labels``
            (n,) int64, ``region_isthing`` (n,) bool, ``valid_hw`` (2,), with
            a ``seg_dir`` ``gt_sem_seg`` (H, W) at the original size; metainfo
            ``img_path``, ``img_id``, ``ori_shape``.
        """
        info = self.get_data_info(idx)
        index, size = info['sample_idx'], (info['height'], info['width'])
        try:
            return self._sample(info, self._read(index, info))
        except ContradictingImage:
            raise
        except UnreadableImage as error:
            self.readings.leave_out(index, error)
        info['regions'] = []
        return self._sample(info, Image.new('RGB', size[::-1]))

    def _read(self, index: int, info: dict) -> Image.Image:
        size = info['height'], info['width']
        return self.readings.read(index, self._path(info), size)

    def _path(self, info: dict) -> str:
        return str(Path(self.data_prefix['img']) / info['file_name'])

    def _sample(self, info: dict, image: Image.Image) -> dict:
        path, size = self._path(info), (info['height'], info['width'])
        regions, masks, pixels = self._regions(info)
        boxes, valid = boxes_in_square(pixels, *size, self.view.side)
        inputs = dict(image=self.view(image))
        if self.crops is not None:
            inputs['crops'] = self._crops(image, regions, pixels)
        sample = BaseDataElement(
            metainfo=dict(
                img_path=path, img_id=info['sample_idx'], ori_shape=size
            ),
            boxes=boxes,
            region_labels=torch.tensor(
                [r['label'] for r in regions], dtype=torch.int64
            ),
            region_isthing=torch.tensor(
                [r['isthing'] for r in regions], dtype=torch.bool
            ),
            valid_hw=valid,
        )
        if masks is not None:
            sample.masks = square_masks(masks, size, self.view.side)
        if 'seg' in self.data_prefix:
            sample.gt_sem_seg = self._class_map(info)
        return dict(inputs=inputs, data_samples=sample)

    def _class_map(self, info: dict) -> Tensor:
        size = info['height'], info['width']
        count = len(self._metainfo['classes'])
        if self.readings.left_out(info['sample_idx']):
            return torch.full(size, 255 if count <= 255 else 65535)
        file = Path(self.data_prefix['seg']) / _png(info['file_name'])
        return read_class_map(file, size, count)

    def _regions(
        self, info: dict
    ) -> tuple[list[dict], list[np.ndarray] | None, np.ndarray]:
        """Regions, masks (H, W) or None, and boxes (n, 4) in pixels."""
        regions, masks, boxes = [], [], []
        if not self._metainfo['masks']:
            regions, masks = info['regions'], None
            boxes = [region['box'] for region in regions]
            return regions, masks, np.array(boxes, np.float64).reshape(-1, 4)
        for region, mask in zip(info['regions'], self._masks(info)):
            if not mask.any():
                log_skipped(
                    info['file_name'], {'empty masks': [region['name']]}
                )
                continue
            box = region['box'] if region['isthing'] else mask_box(mask)
            regions.append(region)
            masks.append(mask)
            boxes.append(box)
        return regions, masks, np.array(boxes, np.float64).reshape(-1, 4)

    def _masks(self, info: dict) -> list[np.ndarray]:
        size = info['height'], info['width']
        encoded = [r['mask'] for r in info['regions']]
        if 'panoptic' not in self.data_prefix or not encoded:
            return [decode_segmentation(e, *size) for e in encoded]
        path = str(Path(self.data_prefix['panoptic']) / info['png'])
        png = read_labelled(path, size, self.ann_file).image
        ids = segment_ids(np.asarray(png))
        return [ids == e for e in encoded]

    def _crops(
        self, image: Image.Image, regions: list[dict], boxes: np.ndarray
    ) -> Tensor:
        size, scale = self.crops
        cut = [
            enlarge(box, scale if r['isthing'] else 1, *image.size[::-1])
            for r, box in zip(regions, boxes)
        ]
        return crop_views(image, np.array(cut, int).reshape(-1, 4), size)


def _png(name: str) -> str:
    return Path(name).with_suffix('.png').as_posix()


def _check_class_list(source: str, found: RegionFile) -> None:
    if found.classes != found.every_class:
        raise ValueError(
            f'seg_dir has class maps for all {len(found.every_class)} classes '
            f'of {source} in their order, but classes selects others. Leave '
            'classes out, or seg_dir.'
        )


def _check_crops(crops: Any) -> tuple[int, float] | None:
    if crops is None:
        return None
    known = dict(size=224, thing_scale=1.5)
    unknown = set(crops) - set(known)
    size, scale = dict(known, **crops).values() if not unknown else (0, 0)
    if unknown or size < 1 or scale < 1:
        raise ValueError(
            f'crops={dict(crops)} is not understood; expected '
            'dict(size=224, thing_scale=1.5), both 1 or more.'
        )
    return size, scale
