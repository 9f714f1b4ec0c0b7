"""Builds the miniature world on disk, in COCO's format, once.

    python tools/miniature/build_world.py [--out data/miniature --vfm]

Half a minute; ``--photos`` adds the photograph column.
"""

import hashlib
import json
import multiprocessing
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from filelock import FileLock
from PIL import Image
from pycocotools import mask as rle
from tqdm import tqdm

from ...apis import tool_parser
from ..paths import cache_folder, make_folder
from .pack import Sprite, SpritePack, load_pack
from .scenes import RECIPES, VERSION, Placed, make_scene

IGNORE = 255  # semantic value of background pixels


def build_world(
    root: str | Path | None = None,
    train: int = 1000,
    val: int = 200,
    seed: int = 0,
    photos: bool = False,
    processes: int = 2,
) -> Path:
    """Compose the miniature world unless it is there already.

    Every split is a folder ``images/*.jpg``, ``annotations.json`` (COCO
    instances with run-length masks; boxes and masks of the visible parts)
    and ``semantic/*.png`` (index into the class list, 255 background).
    A split is rebuilt when its fingerprint (recipe, pictures, counts, seed,
    versions) differs, and appears under its name only when complete.

    Args:
        root: Folder of the world; default ``miniature`` in the cache.
        train: Number of training scenes.
        val: Number of scenes of each other split.
        seed: Decides every scene.
        photos: Also build ``val_photo``, whose cut-outs are downloaded.
        processes: Worker processes; they do not change the result.

    Returns:
        The folder of the world.
    """
    root = Path(root or cache_folder() / 'miniature').expanduser()
    sprites = None
    if photos:
        from .photos import fetch_photos

        sprites = fetch_photos()
    pictures = load_pack()
    marks = {
        split: fingerprint(
            pictures, split, train if split == 'train' else val, seed, sprites
        )
        for split in RECIPES
        if photos or split != 'val_photo'
    }
    if _stale(root, marks):
        make_folder(root)
        # of two processes one builds; the other waits and finds it done
        with FileLock(root / '.lock'):
            _build(root, marks, sprites, processes)
    return root


def _stale(root: Path, marks: dict[str, dict]) -> list[str]:
    return [s for s, m in marks.items() if read_fingerprint(root / s) != m]


def _build(
    root: Path,
    marks: dict[str, dict],
    photos: list[Sprite] | None,
    processes: int,
) -> None:
    start, wanted = time.time(), _stale(root, marks)
    for split in wanted:
        _build_split(root, split, marks[split], photos, processes)
    if wanted:
        print(
            f'miniature world in {root}: built {", ".join(wanted)} '
            f'in {time.time() - start:.0f} s'
        )


def fingerprint(
    pictures: SpritePack,
    split: str,
    count: int,
    seed: int,
    photos: list[Sprite] | None = None,
) -> dict:
    """What decides the files of one split."""
    mark = dict(
        split=split,
        count=count,
        seed=seed,
        version=VERSION,
        recipe=asdict(RECIPES[split]),
        pictures=pictures.sha256,
        pillow=PIL.__version__,
        numpy=np.__version__,
    )
    if split == 'val_photo':
        names = ''.join(photo.source for photo in photos or ())
        mark['photos'] = hashlib.sha256(names.encode()).hexdigest()
    return json.loads(json.dumps(mark))


def read_fingerprint(folder: Path) -> dict | None:
    """The fingerprint of a finished split, None if there is none."""
    path = folder / 'fingerprint.json'
    return json.loads(path.read_text()) if path.is_file() else None


def _write_scene(
    folder: Path,
    split: str,
    seed: int,
    photos: list[Sprite] | None,
    index: int,
) -> tuple[dict, list[dict]]:
    """Render and save one scene; returns its COCO records without ids."""
    image, objects = make_scene(load_pack(), split, index, seed, photos)
    stem = f'{index:06d}'
    Image.fromarray(image).save(
        folder / 'images' / f'{stem}.jpg', quality=92, subsampling=0
    )
    semantic = np.full(image.shape[:2], IGNORE, np.uint8)
    for item in objects:
        semantic[item.mask] = item.label
    Image.fromarray(semantic).save(folder / 'semantic' / f'{stem}.png')
    record = dict(
        id=index + 1,
        file_name=f'{stem}.jpg',
        height=image.shape[0],
        width=image.shape[1],
    )
    return record, [_annotation(item, index + 1) for item in objects]


def _annotation(item: Placed, image_id: int) -> dict:
    x0, y0, x1, y1 = item.box
    encoded = rle.encode(np.asfortranarray(item.mask.astype(np.uint8)))
    encoded['counts'] = encoded['counts'].decode()
    return dict(
        image_id=image_id,
        category_id=item.label + 1,
        bbox=[x0, y0, x1 - x0, y1 - y0],
        area=int(item.mask.sum()),
        iscrowd=0,
        segmentation=encoded,
    )


def _build_split(
    root: Path,
    split: str,
    mark: dict,
    photos: list[Sprite] | None,
    processes: int,
) -> None:
    temporary = root / f'.{split}.{os.getpid()}'
    for name in ('images', 'semantic'):
        (temporary / name).mkdir(parents=True, exist_ok=True)
    try:
        results = render(
            partial(_write_scene, temporary, split, mark['seed'], photos),
            range(mark['count']),
            f'miniature world: {split}',
            processes,
        )
        (temporary / 'annotations.json').write_text(
            json.dumps(_coco(list(results), mark))
        )
        (temporary / 'fingerprint.json').write_text(json.dumps(mark))
        shutil.rmtree(root / split, ignore_errors=True)
        temporary.rename(root / split)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def render(
    work: Callable[[int], Any],
    numbers: Sequence[int],
    title: str,
    processes: int,
) -> Iterator[Any]:
    """What a function gives for each number, in order, with a bar."""
    with multiprocessing.Pool(processes) as workers:
        found = workers.imap(work, numbers, chunksize=4)
        yield from tqdm(found, title, len(numbers))


def _coco(results: list[tuple[dict, list[dict]]], mark: dict) -> dict:
    pictures = load_pack()
    annotations = [note for _, notes in results for note in notes]
    for number, annotation in enumerate(annotations, 1):
        annotation['id'] = number
    categories = [
        dict(id=i, name=name, isthing=1, unseen=name in pictures.unseen)
        for i, name in enumerate(pictures.classes, 1)
    ]
    info = dict(
        description='declip_mm miniature world: composed scenes',
        split=mark['split'],
        seed=mark['seed'],
        unseen=list(pictures.unseen),
    )
    return dict(
        info=info,
        images=[record for record, _ in results],
        annotations=annotations,
        categories=categories,
    )


def main() -> None:
    """Command line."""
    parser = tool_parser(__doc__)
    parser.add_argument(
        '--out', dest='root', help='default: miniature in the cache'
    )
    for name, default in dict(
        train=1000, val=200, seed=0, processes=2
    ).items():
        parser.add_argument(f'--{name}', type=int, default=default)
    parser.add_argument(
        '--photos',
        action='store_true',
        help='also the photograph column (a download)',
    )
    parser.add_argument(
        '--vfm',
        action='store_true',
        help='also vit_s.safetensors, the VFM teacher (a 90 MB download)',
    )
    options = vars(parser.parse_args())
    vfm = options.pop('vfm')
    root = build_world(**options)
    if vfm:
        from ..vfm import fetch_vit_s

        shutil.copyfile(fetch_vit_s(), root / 'vit_s.safetensors')
    print(root)


if __name__ == '__main__':
    main()
