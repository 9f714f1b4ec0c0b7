"""Filling the caches of both teachers for any pre-finetuning config."""

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, MODELS
from mmengine.structures import BaseDataElement
from PIL import Image

from ..datasets.decoding import UnreadableImage
from ..datasets.grid import all_cells, count_cells
from ..datasets.views import DeCLIPViews
from .cached_config import plain_teacher, use_caches

__all__ = ['CacheFiller', 'fill_caches', 'plain_teacher', 'use_caches']


class CacheFiller:
    """Both teachers of a config, each with the cache that it fills.

    Args:
        cfg: A pre-finetuning config with its real teachers.
        vfm, crops: Array files; None leaves that teacher out.
        batch: Pictures at a time; few, for each brings all its cells.
        device: Where the teachers compute.

    Raises:
        ValueError: The config or the device does not fit.
    """

    def __init__(
        self,
        cfg: Config,
        vfm: str | None = None,
        crops: str | None = None,
        batch: int = 2,
        device: str = 'cpu',
    ) -> None:
        if device.startswith('cuda') and not torch.cuda.is_available():
            raise ValueError(f'device {device!r}: torch sees no CUDA device.')
        self.device = torch.device(device)
        self.dataset = DATASETS.build(cfg.train_dataloader.dataset)
        self.views = self.dataset.views
        if crops and self.dataset.proposals:
            raise ValueError(
                'crops of proposals cannot be cached: they are no grid cells.'
            )
        if not isinstance(self.views, DeCLIPViews):
            raise TypeError(
                f'views are {type(self.views).__name__}; only DeCLIPViews '
                'has a finite set of cells.'
            )
        self.batch = batch
        # Rows count in the whole list, also where a part is trained on.
        self.rows = int(self.dataset.source.split()[0])
        self.split = self.views.max_split
        self.preprocess = MODELS.build(cfg.model.data_preprocessor).to(device)
        self.vfm = self.crops = None
        if vfm:
            self.vfm = self._build('vfm', cfg.model.context_teacher, vfm)
        if crops:
            self.crops = self._build('crops', cfg.model.content_teacher, crops)

    def _build(self, name: str, teacher: dict | None, path: str) -> Any:
        if teacher is None:
            raise ValueError(f'the config has no teacher for the {name}.')
        size = dict(vfm=self.views.vfm, crops=self.views.crop_size)[name]
        if size is None:
            raise ValueError(
                f'the views make no {name}: give the config as it is before '
                f'caching, with {name.removesuffix("s")}_size.'
            )
        kind = dict(vfm='VFMCache', crops='CropCache')[name]
        options = dict(num_cells=count_cells(self.split))
        cache = MODELS.build(
            dict(
                type=kind,
                path=str(path),
                teacher=plain_teacher(teacher),
                num_images=self.rows,
                **(options if name == 'crops' else {}),
            )
        )
        # Not BaseModule's own, which lists every parameter in the log.
        getattr(cache.teacher, 'backbone', cache.teacher).init_weights()
        return cache.to(self.device)

    @torch.no_grad()
    def size(self) -> dict[str, int]:
        """Bytes of each cache; looks at the first picture."""
        out = {}
        if self.vfm is not None:
            view = self.views.vfm(self.dataset._readable(0)[1])
            inputs = dict(image=[view], vfm=[view])
            batch = self.preprocess(dict(inputs=inputs))['inputs']
            numbers = self.vfm.teacher(batch['vfm'])[0].numel()
            out['vfm'] = 2 * self.rows * numbers
        if self.crops is not None:
            numbers = count_cells(self.split) * self.crops.out_dim
            out['crops'] = 2 * self.rows * numbers
        return out

    def missing(self) -> list[int]:
        """Positions in the data set with a row that is not filled."""
        found = []
        for index in range(len(self.dataset)):
            row = self.dataset.get_data_info(index)['img_id']
            if not all(c.file.filled[row].all() for c in self._open()):
                found.append(index)
        return found

    def start(self) -> None:
        """Make the files, with the first picture that can be read."""
        self.fill([self.dataset._readable(0)[0]])

    def _open(self) -> list[Any]:
        return [c for c in (self.vfm, self.crops) if c is not None]

    @torch.no_grad()
    def fill(self, indices: list[int]) -> None:
        """Compute the rows of some pictures.

        A damaged picture is named and left out: training shows another in
        its place.
        """
        for start in range(0, len(indices), self.batch):
            part = indices[start : start + self.batch]
            items = [item for item in map(self._item, part) if item]
            if not items:
                continue
            inputs = {
                key: [item['inputs'][key] for item in items]
                for key in items[0]['inputs']
            }
            samples = [item['data_samples'] for item in items]
            data = self.preprocess(dict(inputs=inputs, data_samples=samples))
            inputs, samples = data['inputs'], data['data_samples']
            if self.vfm is not None:
                self.vfm(inputs['vfm'], samples)
            if self.crops is not None:
                self.crops(inputs['crops'], samples)
                for sample in samples:  # cells that a tiny picture lacks
                    self.crops.file.filled[sample.img_id] = True
        for cache in self._open():
            if cache.file.array is not None:  # all may have been damaged
                cache.file.flush()

    def _item(self, index: int) -> dict | None:
        """A sample with all cells of a picture instead of one grid."""
        try:
            image: Image.Image = self.dataset._read(index)
        except UnreadableImage as error:
            print(f'damaged picture left out: {error}', flush=True)
            return None
        cells, ids = all_cells(image.height, image.width, self.split)
        side = self.views.image_size
        # A black picture: the student has no part in this.
        inputs = dict(image=torch.zeros(3, side, side, dtype=torch.uint8))
        if self.crops is not None:
            inputs['crops'] = self.views.crops(image, cells)
        if self.vfm is not None:
            inputs['vfm'] = self.views.vfm(image)
        sample = BaseDataElement(
            metainfo=dict(
                img_id=self.dataset.get_data_info(index)['img_id'],
                source=self.dataset.source,
                crop_view=self.views.crop_view,
            ),
            boxes=torch.zeros(len(cells), 4),
            valid_hw=torch.ones(2),
            cell_ids=torch.from_numpy(ids),
        )
        return dict(inputs=inputs, data_samples=sample)


_worker: dict[str, Any] = {}


def _start(arguments: tuple) -> None:
    torch.set_num_threads(1)
    text, *rest = arguments
    cfg = Config.fromstring(text, '.py')
    _worker['filler'] = CacheFiller(cfg, *rest)


def _work(indices: list[int]) -> int:
    _worker['filler'].fill(indices)
    return len(indices)


def fill_caches(
    cfg: Config,
    vfm: str | None = None,
    crops: str | None = None,
    processes: int = 1,
    batch: int = 2,
    device: str = 'cpu',
) -> None:
    """Fill what is missing, with a line of progress.

    Args:
        cfg: A pre-finetuning config with its real teachers.
        vfm, crops: Array files; None leaves that teacher out.
        processes: Worker processes of one thread each; 1 works here.
        batch: Pictures at a time; few, for each brings all its cells.
        device: Where the teachers of every process compute.
    """
    options = (vfm, crops, batch, device)
    filler = CacheFiller(cfg, *options)
    for name, size in filler.size().items():
        path = Path(vfm if name == 'vfm' else crops)
        print(f'{name}: {size / 2**30:.3f} GiB at {path}', flush=True)
    filler.start()  # the workers open the files
    left = filler.missing()
    parts = [left[i : i + 16] for i in range(0, len(left), 16)]
    start, done = time.time(), 0
    for count in _run(filler, parts, processes, (cfg, *options)):
        done += count
        eta = (time.time() - start) / done * (len(left) - done)
        print(f'pictures {done}/{len(left)}, eta {eta:.0f} s', flush=True)


def _run(filler: CacheFiller, parts: list, processes: int, rest: tuple):
    if processes == 1 or len(parts) < 4:
        for part in parts:
            filler.fill(part)
            yield len(part)
        return
    cfg, *rest = rest
    with ProcessPoolExecutor(
        processes,
        multiprocessing.get_context('spawn'),
        _start,
        ((cfg.pretty_text, *rest),),
    ) as pool:
        try:
            for future in as_completed([pool.submit(_work, p) for p in parts]):
                yield future.result()
        except BaseException:
            # else an error would be told after all the other pictures
            pool.shutdown(cancel_futures=True)
            raise
