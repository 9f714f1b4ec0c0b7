"""Mosaics of captioned pictures, for CLIM.

S side of the mosaic, n pictures a side.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.registry import DATASETS
from mmengine.structures import BaseDataElement
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from .coco_file import check_images
from .coco_json import read_json, typed
from .grid import rng_for
from .images import DeCLIPImageDataset

__all__ = ['CaptionedImages', 'DeCLIPMosaicDataset', 'compose_mosaic']

#: Mosaics that a round consists of: 4 + 9 + 16 = 29 pictures.
_SIDES = (2, 3, 4)
_ROUND = sum(n * n for n in _SIDES)
_TILE = 224


class CaptionedImages(DeCLIPImageDataset):
    """Pictures of a COCO captions json that have a caption."""

    def _list(self, root: Path) -> list[dict]:
        path = self.ann_file
        content = read_json(path, ['images', 'annotations'])
        images = check_images(path, content['images'], root)
        captions = {number: [] for number in images}
        for index, entry in enumerate(content['annotations']):
            what = f'annotations[{index}]'
            typed(path, entry, what, dict(caption=str))
            image = images.find(what, what, entry, 'image_id')
            captions[image].append(entry['caption'])
        return [
            dict(file_name=images[image]['file_name'], captions=texts)
            for image, texts in captions.items()
            if texts
        ]


def compose_mosaic(
    pictures: list[Image.Image], rng: np.random.Generator, side: int
) -> tuple[Tensor, Tensor]:
    """Random crops of n x n pictures in a square.

    Crops of 90 to 100 % of a picture become tiles of 224 px; the mosaic is
    resized (bicubic) to its side.

    Returns:
        (3, S, S) uint8, and the cells (n * n, 4) in [0, 1], row by row.
    """
    n = round(len(pictures) ** 0.5)
    canvas = Image.new('RGB', (n * _TILE, n * _TILE))
    cells = []
    for index, picture in enumerate(pictures):
        row, column = divmod(index, n)
        tile = picture.resize(
            (_TILE, _TILE),
            Image.Resampling.BICUBIC,
            box=_random_crop(picture, rng),
        )
        canvas.paste(tile, (column * _TILE, row * _TILE))
        cells.append([column, row, column + 1, row + 1])
    canvas = canvas.resize((side, side), Image.Resampling.BICUBIC)
    image = torch.from_numpy(np.array(canvas)).permute(2, 0, 1)
    return image.contiguous(), torch.tensor(cells) / n


def _random_crop(
    picture: Image.Image, rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """x0 y0 x1 y1 of 90 to 100 % of the area, sides 3:4 to 4:3, if it can."""
    width, height = picture.size
    for _ in range(10):
        area = width * height * rng.uniform(0.9, 1)
        ratio = np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
        w, h = round((area * ratio) ** 0.5), round((area / ratio) ** 0.5)
        if 0 < w <= width and 0 < h <= height:
            x, y = rng.integers(width - w + 1), rng.integers(height - h + 1)
            return int(x), int(y), int(x + w), int(y + h)
    return 0, 0, width, height


@DATASETS.register_module()
class DeCLIPMosaicDataset(Dataset):
    """2 x 2, 3 x 3 and 4 x 4 mosaics in turn; a cell and its caption agree.

    An epoch shows every picture once, in an order of its own; what is left of
    29 is left out.

    Args:
        image_size: S.
        kwargs: Of :class:`DeCLIPImageDataset`; ``ann_file`` is a COCO
            captions json.
    """

    def __init__(self, image_size: int = 1024, **kwargs: Any) -> None:
        self.image_size = image_size
        if not kwargs.get('ann_file'):
            raise ValueError(
                'mosaics need captions: set ann_file to a COCO captions json.'
            )
        self.pictures = CaptionedImages(**kwargs)
        if len(self.pictures) < _ROUND:
            raise ValueError(
                f'{self.pictures.ann_file} has {len(self.pictures)} pictures '
                f'with a caption; a round of mosaics takes {_ROUND}.'
            )

    @property
    def metainfo(self) -> dict:
        return self.pictures.metainfo

    @property
    def damaged(self) -> list[str]:
        """Files that no worker could read so far."""
        return self.pictures.damaged

    def set_epoch(self, epoch: int, seed: int | None = None) -> None:
        """As :meth:`DeCLIPImageDataset.set_epoch`."""
        self.pictures.set_epoch(epoch, seed)

    def __len__(self) -> int:
        return len(self.pictures) // _ROUND * len(_SIDES)

    def __getitem__(self, index: int) -> dict:
        """``inputs`` with ``image``; the sample has ``boxes``, ``captions``
        and ``valid_hw``."""
        index = range(len(self))[index]
        source = self.pictures
        turn, kind = divmod(index, len(_SIDES))
        start = turn * _ROUND + sum(n * n for n in _SIDES[:kind])
        order = rng_for(source.seed, source.epoch, len(source))
        chosen = order.permutation(len(source))
        chosen = chosen[start : start + _SIDES[kind] ** 2].tolist()
        rng = rng_for(source.seed, source.epoch, chosen[0])
        pictures, captions = [], []
        for wanted in chosen:
            shown, picture = source._readable(wanted)
            texts = source.get_data_info(shown)['captions']
            pictures.append(picture)
            captions.append(texts[rng.integers(len(texts))])
        image, cells = compose_mosaic(pictures, rng, self.image_size)
        sample = BaseDataElement(
            metainfo=dict(
                img_path=source.path(chosen[0]),
                img_id=index,
                captions=captions,
                ori_shape=(self.image_size, self.image_size),
                epoch=source.epoch,
                seed=source.seed,
            ),
            boxes=cells,
            valid_hw=torch.ones(2),
        )
        return dict(inputs=dict(image=image), data_samples=sample)
