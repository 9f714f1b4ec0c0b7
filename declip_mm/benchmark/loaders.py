"""Pictures per second of our loader over one that works as the authors' does.

The reference is written anew after what their trainer does for a sample: one
decoded picture; torchvision's transforms on Pillow, one view and one crop
after the other (longest side, black padding, ToTensor, Normalize); float32
crops in a block for 20. Same files, same grids. Both loaders run in turns in
one process and one thread, as in a worker; processor time, medians of passes.
The pixels of both are compared, in levels of 255.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as TF

from ..datasets import DeCLIPImageDataset
from ..datasets.grid import draw_cells, rng_for
from ..models.cropping import cut_crops
from ..models.pixels import CLIP, IMAGENET

__all__ = ['ReferenceLoader', 'compare', 'cutting']

MAX_BOXES = 20


class ReferenceLoader(Dataset):
    """What the authors' loader does for each picture.

    Args:
        files: Pictures.
        image_size, vfm_size, crop_size: Sides of the square views.
        seed: Of the grids, which are those of our loader.
    """

    def __init__(
        self,
        files: Sequence[str | Path],
        image_size: int = 560,
        vfm_size: int = 490,
        crop_size: int = 224,
        seed: int = 0,
    ) -> None:
        self.files, self.seed, self.epoch = list(files), seed, 0
        self.image_size, self.vfm_size = image_size, vfm_size
        self.crop_size = crop_size

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        """Float32 student view, boxes (20, 5), crops (20, ...), VFM view."""
        if index >= len(self):
            raise IndexError(index)
        image = Image.open(self.files[index])
        vfm = square(image, self.vfm_size, IMAGENET)
        student = square(image, self.image_size, CLIP)
        rng = rng_for(self.seed, self.epoch, index)
        cells, _ = draw_cells(image.height, image.width, rng)
        crops = torch.zeros(MAX_BOXES, 3, self.crop_size, self.crop_size)
        views = [
            square(image.crop(tuple(cell)), self.crop_size, CLIP, centred=True)
            for cell in cells.tolist()
        ]
        crops[: len(views)] = torch.stack(views)
        boxes = torch.zeros(MAX_BOXES, 5)
        longest = max(image.width, image.height)
        boxes[: len(cells), :4] = torch.tensor(cells) / longest
        boxes[: len(cells), 4] = 1
        return student, boxes, crops, vfm

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        return (self[index] for index in range(len(self)))


def square(
    image: Image.Image,
    side: int,
    statistics_of: tuple,
    centred: bool = False,
) -> Tensor:
    """(3, side, side) float32, padded with black and normalised."""
    scale = side / max(image.size)
    width, height = (max(1, round(n * scale)) for n in image.size)
    image = TF.resize(image, [height, width], InterpolationMode.BICUBIC)
    left, top = (
        ((side - width) // 2, (side - height) // 2) if centred else (0, 0)
    )
    rest = side - width - left, side - height - top
    image = TF.pad(image, [left, top, *rest], fill=0).convert('RGB')
    mean, std = ([v / 255 for v in values] for values in statistics_of)
    return TF.normalize(TF.to_tensor(image), mean, std)


def our_loader(
    folder: str | Path,
    image_size: int = 560,
    vfm_size: int | None = 490,
    crop_size: int | None = 224,
    seed: int = 0,
    **views: Any,
) -> DeCLIPImageDataset:
    """Ours, with the options of the views that the full-size configs have."""
    sizes = dict(image_size=image_size, vfm_size=vfm_size, crop_size=crop_size)
    options = dict(dict(resize='torch'), **views)
    return DeCLIPImageDataset(
        img_dir=str(folder),
        seed=seed,
        views=dict(type='DeCLIPViews', **sizes, **options),
    )


def compare(
    folder: str | Path,
    repeats: int = 5,
    sizes: dict[str, int] | None = None,
    pictures: int | None = None,
) -> dict[str, Any]:
    """Both loaders, in turns.

    Args:
        folder: Of pictures.
        repeats: Passes over them.
        sizes: ``image_size``, ``vfm_size``, ``crop_size``.
        pictures: How many; None takes all.

    Returns:
        Milliseconds of processor time a picture of the reference and of ours
        by variant, ``ratios`` of the reference over each (``data`` is that of
        the full-size configs), and the mean and largest ``difference`` of the
        pixels in levels.
    """
    sizes = dict(image_size=560, vfm_size=490, crop_size=224) | (sizes or {})
    ours = our_loader(folder, **sizes)
    count = min(len(ours), pictures or len(ours))
    files = [ours.path(index) for index in range(count)]
    theirs = ReferenceLoader(files, **sizes)
    cached = dict(sizes, vfm_size=None, crop_size=None)
    variants: dict[str, Any] = dict(
        reference=theirs,
        data=ours,
        pillow=our_loader(folder, **sizes, resize='pillow'),
        crops_on_device=our_loader(folder, **sizes, crops_on='device'),
        cached_teachers=our_loader(folder, **cached),
    )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        taken = _in_turns(
            {name: _pass(v, count) for name, v in variants.items()}, repeats
        )
        difference = pixel_difference(theirs, ours, count)
    finally:
        torch.set_num_threads(threads)
    each = {name: 1000 * t / count for name, t in taken.items()}
    ratios = {n: each['reference'] / t for n, t in each.items() if n in taken}
    del ratios['reference']
    return dict(
        pictures=count,
        sizes=sizes,
        milliseconds=each,
        ratios=ratios,
        difference=difference,
    )


def _pass(loader: Any, count: int) -> Callable[[], None]:
    def once() -> None:
        for index in range(count):
            loader[index]

    return once


def _in_turns(
    passes: dict[str, Callable[[], None]], repeats: int
) -> dict[str, float]:
    """Medians of processor time; the first pass of each warms up."""
    taken: dict[str, list[float]] = {name: [] for name in passes}
    for _ in range(repeats + 1):
        for name, once in passes.items():
            start = time.process_time()
            once()
            taken[name].append(time.process_time() - start)
    return {name: statistics.median(t[1:]) for name, t in taken.items()}


def cutting(
    folder: str | Path,
    device: str = 'cuda',
    repeats: int = 5,
    pictures: int = 32,
    crop_size: int = 224,
) -> dict[str, float]:
    """What it costs to cut the crops on a device, and how far they differ.

    Args:
        folder: Of pictures.
        device: Where the preprocessor cuts.
        repeats: Passes over them; medians.
        pictures: How many.
        crop_size: Side of the crops.

    Returns:
        ``milliseconds`` a picture from the pinned picture to the crops there
        (``copy`` is the part of the picture's way), ``crops`` a picture, and
        the ``difference`` from Pillow's crops in levels of 255.
    """
    sizes = dict(image_size=64, vfm_size=None, crop_size=crop_size)
    sent = our_loader(folder, **sizes, crops_on='device')
    exact = our_loader(folder, **sizes, resize='pillow')
    count = min(len(sent), pictures)
    on_gpu = torch.device(device).type != 'cpu'
    parts, off = [], []
    for index in range(count):
        item = sent[index]
        picture, cuts = item['inputs']['picture'], item['data_samples'].cuts
        parts.append((picture.pin_memory() if on_gpu else picture, cuts))
        found = cut_crops(picture.to(device), cuts, crop_size).cpu()
        theirs = exact[index]['inputs']['crops']
        off.append((found.int() - theirs.int()).abs().float().mean().item())

    def copy() -> list[Tensor]:
        return [p.to(device, non_blocking=True) for p, _ in parts]

    def whole() -> None:
        for picture, (_, cuts) in zip(copy(), parts):
            cut_crops(picture, cuts, crop_size)

    def seconds(work: Callable[[], Any]) -> float:
        start = time.perf_counter()
        work()
        if on_gpu:
            torch.cuda.synchronize()
        return (time.perf_counter() - start) / count

    taken = [(seconds(copy), seconds(whole)) for _ in range(repeats + 1)][1:]
    copied, cut = (1000 * statistics.median(t) for t in zip(*taken))
    return dict(
        milliseconds=cut,
        copy=copied,
        crops=sum(len(cuts) for _, cuts in parts) / count,
        difference=statistics.fmean(off),
    )


def pixel_difference(
    theirs: ReferenceLoader, ours: DeCLIPImageDataset, count: int
) -> dict[str, dict[str, float]]:
    """Mean over pictures and largest, per kind of view, in levels of 255."""
    found: dict[str, list[tuple[float, float]]] = {}
    for index in range(count):
        student, _, crops, vfm = theirs[index]
        inputs = ours[index]['inputs']
        crops = crops[: len(inputs['crops'])]
        for name, view, of in (
            ('image', student, CLIP),
            ('crops', crops, CLIP),
            ('vfm', vfm, IMAGENET),
        ):
            mean, std = (torch.tensor(v).view(3, 1, 1) for v in of)
            off = (view * std + mean - inputs[name]).abs()
            pair = off.mean().item(), off.max().item()
            found.setdefault(name, []).append(pair)
    return {
        name: dict(
            mean=statistics.fmean(m for m, _ in pairs),
            largest=max(m for _, m in pairs),
        )
        for name, pairs in found.items()
    }
