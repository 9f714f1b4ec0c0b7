"""Pictures without labels, for the pre-finetuning."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log
from mmengine.registry import DATASETS, TRANSFORMS
from mmengine.structures import BaseDataElement
from PIL import Image

from .decoding import UnreadableImage, printable, read_image, read_size
from .grid import rng_for
from .listing import check_files, check_folder, list_folder, list_json
from .proposals import read_proposals
from .readings import NotedImages, Readings, check_some_sizes, spread

__all__ = ['DeCLIPImageDataset']


@DATASETS.register_module()
class DeCLIPImageDataset(NotedImages, BaseDataset):
    """A folder of pictures, or those that a COCO json lists; no labels.

    Every picture is decoded once, and every draw is a function of (seed,
    epoch, picture): neither workers nor an interruption change it. The epoch
    comes from :class:`declip_mm.engine.EpochSyncHook`.

    A damaged picture is named in the log, once, and the next readable one
    takes its place; :attr:`damaged` has all that were met.

    Args:
        data_root: Folder that the other paths are relative to.
        img_dir: Folder of the pictures, searched with its sub-folders.
        ann_file: COCO json; takes the pictures of its ``images`` instead of
            all. Only ``file_name`` is read, relative to ``img_dir``, and
            with ``proposals`` the boxes.
        views: Config of :class:`DeCLIPViews`, or such an object.
        proposals: Take the crops from the boxes of ``ann_file`` (class ids
            are ignored) instead of a grid; give the views ``crop_scale=1.5``.
        proposal_area: Least and most of such a box, in pixels.
        seed: Of the draws. None takes the run's, by the same hook.
        kwargs: Of :class:`mmengine.dataset.BaseDataset`, such as
            ``indices=100`` for the first hundred pictures.
    """

    #: Shape of the views of every picture, where they keep the aspect.
    buckets: np.ndarray | None = None

    def __init__(
        self,
        data_root: str = '',
        img_dir: str = '',
        ann_file: str = '',
        views: Any = None,
        seed: int | None = None,
        proposals: bool = False,
        proposal_area: tuple[float, float] = (8**2, 1024**2),
        **kwargs,
    ) -> None:
        if proposals and not ann_file:
            raise ValueError(
                'proposals=True takes boxes from a COCO json: set ann_file.'
            )
        self.proposals = proposals
        self.proposal_area = tuple(proposal_area)
        if views is None:
            views = dict(type='DeCLIPViews')
        self.views = _build(views)
        self._own_seed = seed is not None
        # Seen by workers that live through all epochs.
        self._clock = torch.tensor([0, seed or 0]).share_memory_()
        super().__init__(
            ann_file=ann_file,
            data_root=data_root,
            data_prefix=dict(img=img_dir),
            **kwargs,
        )

    def load_data_list(self) -> list[dict]:
        """Paths relative to the image folder, and the boxes, if wanted."""
        root = check_folder(self.data_prefix['img'], 'image folder')
        images = self._list(root)
        # Before any subset is taken: caches count rows in the whole list.
        for number, image in enumerate(images):
            image['img_id'] = number
        self.source = _list_mark(root, [i['file_name'] for i in images])
        return images

    def _list(self, root: Path) -> list[dict]:
        if not self.ann_file:
            return [dict(file_name=name) for name in list_folder(root)]
        if self.proposals:
            return read_proposals(self.ann_file, self.proposal_area, root)
        names = list_json(self.ann_file)
        names = check_files(root, names, f'that {self.ann_file} lists')
        return [dict(file_name=name) for name in names]

    def full_init(self) -> None:
        """Read the list, if that has not been done yet."""
        if self._fully_initialized:
            return
        super().full_init()
        self.readings = Readings(len(self), self.ann_file)
        if self.proposals:
            infos = [(i, self.get_data_info(i)) for i in spread(len(self))]
            check_some_sizes(
                (self.path(i), (info['height'], info['width']), self.ann_file)
                for i, info in infos
            )
        self.buckets = self._find_buckets()

    def _find_buckets(self) -> np.ndarray | None:
        """Shape of the views of every picture, from the headers alone."""
        shapes = getattr(self.views, 'buckets', None)
        if not shapes:
            return None
        sizes = [self._size(i) for i in range(len(self))]
        found = [shapes.nearest(*size) for size in sizes]
        print_log(shapes.describe(found, sizes), logger='current')
        return np.array(found, np.int16)

    def _size(self, index: int) -> tuple[int, int]:
        """(height, width) of a picture; a damaged one is taken for square."""
        if self.proposals:
            info = self.get_data_info(index)
            return info['height'], info['width']
        try:
            return read_size(self.path(index))
        except UnreadableImage:
            return 1, 1

    @property
    def epoch(self) -> int:
        """Epoch of the draws."""
        return int(self._clock[0])

    @property
    def seed(self) -> int:
        """Seed of the draws."""
        return int(self._clock[1])

    def set_epoch(self, epoch: int, seed: int | None = None) -> None:
        """Make the draws of an epoch from now on, in all workers.

        Args:
            epoch: From 0.
            seed: Of the run; ignored where the data set has its own.
        """
        self._clock.share_memory_()  # a copied data set lost that
        self._clock[0] = epoch
        if seed is not None and not self._own_seed:
            self._clock[1] = seed

    def path(self, index: int) -> str:
        """File of a picture."""
        name = self.get_data_info(index)['file_name']
        return str(Path(self.data_prefix['img']) / name)

    def prepare_data(self, idx: int) -> dict:
        """Views and boxes of a picture.

        Returns:
            ``inputs`` and ``data_samples``. The sample's metainfo has
            ``img_path``, ``img_id``, ``ori_shape``, ``epoch``, ``seed`` of
            the picture shown, and ``substituted_for``: None, or the damaged
            file in whose place it is shown. ``img_id`` is the position in
            the list ``source``, of which ``indices`` may take a part. Where
            views keep the aspect, ``bucket`` is their shape.
        """
        wanted = range(len(self))[idx]
        index, image = self._readable(wanted)
        rng = rng_for(self.seed, self.epoch, index)
        info = self.get_data_info(index)
        boxes, shape = info.get('boxes'), {}
        if self.buckets is not None:
            # also of a picture that takes another's place in a batch
            shape['bucket'] = int(self.buckets[wanted])
        inputs, fields = self.views(image, rng, boxes, **shape)
        metainfo = dict(
            img_path=self.path(index),
            img_id=info['img_id'],
            source=self.source,
            crop_view=getattr(self.views, 'crop_view', None),
            ori_shape=(image.height, image.width),
            epoch=self.epoch,
            seed=self.seed,
            substituted_for=None if index == wanted else self.path(wanted),
            **shape,
        )
        sample = BaseDataElement(metainfo=metainfo, **fields)
        return dict(inputs=inputs, data_samples=sample)

    def _readable(self, wanted: int) -> tuple[int, Image.Image]:
        """The picture, or the next one that can be read."""
        for step in range(len(self)):
            index = (wanted + step) % len(self)
            if self.readings.left_out(index):
                continue
            try:
                return index, self._read(index)
            except UnreadableImage as error:
                self.readings.leave_out(index, error)
        raise RuntimeError(
            f'none of the {len(self)} pictures below '
            f'{printable(self.data_prefix["img"])} can be read. The log has '
            'the reason for each; the first is '
            f'{printable(self.path(0))}.'
        )

    def _read(self, index: int) -> Image.Image:
        if not self.proposals:
            return read_image(self.path(index))
        info = self.get_data_info(index)
        size = info['height'], info['width']
        return self.readings.read(index, self.path(index), size)


def _list_mark(root: Path, names: list[str]) -> str:
    """Short name of a list of pictures, the same wherever it is stored.

    Made of all file names and the sizes of a few files, so that a list of
    equal names in another folder is told apart.
    """
    few = [*names[:8], *names[-8:]]
    sizes = [(root / n).stat().st_size for n in few if (root / n).is_file()]
    text = '\n'.join([*names, *map(str, sizes)])
    digest = hashlib.sha256(text.encode('utf-8', 'surrogateescape'))
    return f'{len(names)} pictures {digest.hexdigest()[:12]}'


def _build(views: Any) -> Any:
    return TRANSFORMS.build(views) if isinstance(views, dict) else views
