"""What became of the pictures of a data set: read, turned, left out."""

import logging
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from mmengine.logging import print_log
from PIL import Image

from .decoding import (
    ContradictingImage,
    UnreadableImage,
    check_size,
    printable,
    read_labelled,
)

__all__ = [
    'LabelledImages',
    'NotedImages',
    'Readings',
    'check_some_sizes',
    'spread',
]

#: How many pictures are looked at before the first step.
_LOOKED_AT = 64


class Readings:
    """What became of each picture, shared by the workers that read them.

    Args:
        count: Pictures of the data set.
        source: File that their labels are from, for messages.
        replace: Another picture takes the place of one that cannot be used;
            False shows a blank one, which no metric counts.
    """

    def __init__(
        self, count: int, source: Any = '', replace: bool = True
    ) -> None:
        self.source, self.replace = source, replace
        # Seen by workers that live through all epochs.
        self._damaged, self._undecided = (
            torch.zeros(count, dtype=torch.bool).share_memory_()
            for _ in range(2)
        )

    def read(
        self, index: int, path: str, size: tuple[int, int], source: Any = None
    ) -> Image.Image:
        """:func:`read_labelled`, noting where EXIF and labels leave a choice.

        Args:
            index: Of the picture in the data set.
            path, size: As there.
            source: As there; None takes that of the data set.
        """
        image, undecided = read_labelled(path, size, source or self.source)
        if undecided:
            self._undecided[index] = True
        return image

    def leave_out(self, index: int, error: UnreadableImage) -> None:
        """Note a picture that cannot be used, in the log once."""
        if self._damaged[index]:
            return
        self._damaged[index] = True
        print_log(
            f'damaged picture skipped ({int(self._damaged.sum())} of '
            f'{len(self._damaged)} so far): {error}',
            logger='current',
            level=logging.WARNING,
        )

    def left_out(self, index: int) -> bool:
        """Whether a picture was found to be of no use."""
        return bool(self._damaged[index])

    @property
    def none_left(self) -> bool:
        """Whether no picture of the data set can be used."""
        return bool(self._damaged.all())

    @property
    def damaged(self) -> list[int]:
        """Pictures that were of no use to some worker."""
        return self._damaged.nonzero()[:, 0].tolist()

    @property
    def undecided(self) -> list[int]:
        """Pictures that their labels fit turned and as stored."""
        return self._undecided.nonzero()[:, 0].tolist()


def spread(count: int, most: int = _LOOKED_AT) -> list[int]:
    """At most ``most`` of ``count`` positions, evenly spread."""
    found = np.linspace(0, count - 1, min(count, most)).round()
    return found.astype(int).tolist()


def check_some_sizes(
    items: Iterable[tuple[str, tuple[int, int], Any]],
) -> None:
    """Before the first step: do pictures have the size of their labels?

    Args:
        items: Path, (height, width) and file of the labels; see
            :func:`spread`. Damaged pictures are left for later.

    Raises:
        ContradictingImage: Of the first that has another.
    """
    for path, size, source in items:
        try:
            check_size(path, size, source)
        except ContradictingImage:
            raise
        except UnreadableImage:
            continue


class NotedImages:
    """Mixin of data sets that say what became of their pictures."""

    #: None until ``full_init``.
    readings: Readings | None = None

    def path(self, index: int) -> str:
        """File of a picture."""
        return self.get_data_info(index)['img_path']

    @property
    def damaged(self) -> list[str]:
        """Files that no worker could use so far."""
        found = self.readings.damaged if self.readings else []
        return [self.path(i) for i in found]

    @property
    def undecided(self) -> list[str]:
        """Files that their labels fit turned by EXIF and as stored."""
        found = self.readings.undecided if self.readings else []
        return [self.path(i) for i in found]


class LabelledImages(NotedImages):
    """Mixin of data sets with labels; goes before mmengine's ``BaseDataset``.

    Some pictures are compared with the size of their labels before the first
    step, and refused if they have another. Later a picture that is damaged
    or has another size is named in the log, once; in training another one
    takes its place, in an evaluation a blank one that stays out of the
    figures as far as these allow. ``DamagedImagesHook`` sums up.

    Needs the pipeline to load with :class:`LoadLabelledImage`. Behind
    another loader the size is compared, too, and a picture that was turned
    away from its labels is an error.
    """

    def label_size(self, info: dict) -> tuple[int, int] | None:
        """(height, width) that the labels of a picture have, if known."""
        size = info.get('height'), info.get('width')
        return None if None in size else size

    def label_source(self, info: dict) -> str:
        """File that these labels are from, for messages."""
        return self.ann_file

    def full_init(self) -> None:
        """Read the list, if that has not been done, and check some."""
        if self.readings is not None:
            return
        super().full_init()
        self.readings = Readings(
            len(self), printable(self.ann_file), not self.test_mode
        )
        self.check_some()

    def check_some(self) -> None:
        """Look at some pictures before the first step."""
        infos = [self.get_data_info(i) for i in spread(len(self))]
        check_some_sizes(
            (info['img_path'], size, self.label_source(info))
            for info in infos
            if (size := self._size_or_none(info)) is not None
        )

    def _size_or_none(self, info: dict) -> tuple[int, int] | None:
        try:
            return self.label_size(info)
        except UnreadableImage:
            return None

    def prepare_data(self, idx: int) -> Any:
        """The pipeline's result; None makes mmengine draw another picture."""
        info = self.get_data_info(idx)
        index, path = info['sample_idx'], info['img_path']
        if not self.readings.left_out(index):
            info['readings'] = self.readings
            try:
                data = self.pipeline(info)
                self._compare(path, info, data)
                return data
            except UnreadableImage as error:
                self.readings.leave_out(index, error)
        if self.readings.none_left:
            raise RuntimeError(
                f'none of the {len(self)} pictures of '
                f'{printable(self.ann_file or path)} can be used. The log '
                f'has the reason for each; the last is {printable(path)}.'
            )
        if self.readings.replace:
            return None
        return self.pipeline(dict(self.get_data_info(idx), blank=True))

    def _compare(self, path: str, info: dict, data: Any) -> None:
        """Refuse what another loader turned away from its labels."""
        if data is None or info.get('fits_labels'):
            return
        sample = data.get('data_samples')
        shape = getattr(sample, 'ori_shape', data.get('ori_shape'))
        size = None if shape is None else self._size_or_none(info)
        if size is not None and tuple(shape[:2]) != tuple(size):
            turned = tuple(shape[:2]) == tuple(size[::-1])
            why = ' Its EXIF turned it, and not the labels.' if turned else ''
            raise ValueError(
                f'{printable(path)} was loaded as {shape[0]} x {shape[1]} '
                f'(height x width), but {self.label_source(info)} says '
                f'{size[0]} x {size[1]}.{why} Load with dict(type='
                "'LoadLabelledImage') instead of LoadImageFromFile."
            )
