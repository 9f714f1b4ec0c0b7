"""Crop accuracy of the tiny CLIP on tight boxes of the miniature world.

    python tools/miniature/eval_tiny_clip.py

Prints top-1 over the class names and the mean over classes, in percent.
The names are those CLIP was trained on; split ``val_unseen`` is scored over
all names, on the boxes of unseen classes only.
"""

import argparse
import json
from pathlib import Path

from ...apis import command, help_first, tool_parser
from ..world import ASSETS, SpritePack, build_world, load_pack, make_scene


def parse_args() -> argparse.Namespace:
    parser = tool_parser(__doc__)
    parser.add_argument('--model', type=Path, default=ASSETS)
    parser.add_argument('--photos', action='store_true')
    return parser.parse_args()


help_first(__name__, parse_args, 'eval_tiny_clip.py')

import numpy as np
import torch
from open_clip.model import CLIP
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

from .model import encode_image
from .text import CompactTokenizer

EVALUATION_SEED = 101  # not the seed of the world that others build


def evaluation_crops(pack: SpritePack, size: int, scenes: int = 150) -> dict:
    """Tight-box crops: {split: (uint8 (n, 3, size, size), labels (n,))}."""
    sets = {}
    for split in ('val_known', 'val_heldout'):
        crops, labels = [], []
        for index in range(scenes):
            image, objects = make_scene(pack, split, index, EVALUATION_SEED)
            picture = Image.fromarray(image)
            for item in objects:
                crop = picture.resize((size, size), Image.BICUBIC, item.box)
                crops.append(np.asarray(crop).transpose(2, 0, 1))
                labels.append(item.label)
        sets[split] = (torch.from_numpy(np.stack(crops)), torch.tensor(labels))
    return sets


def crop_accuracy(
    model: nn.Module,
    crops: Tensor,
    labels: Tensor,
    text: Tensor,
    pixels: list[Tensor],
) -> float:
    """Top-1 in percent over the rows of ``text``."""
    mean, std = pixels
    hits = 0
    for part, wanted in zip(crops.split(128), labels.split(128)):
        image = encode_image(model.visual, (part.float() - mean) / std)
        hits += int(((image @ text.T).argmax(-1) == wanted).sum())
    return 100 * hits / len(labels)


def read_crops(folder: Path, side: int, unseen: bool):
    """Crops (n, 3, side, side) in [0, 1] and 0-based labels (n,)."""
    coco = json.loads((folder / 'annotations.json').read_text())
    names = {image['id']: image['file_name'] for image in coco['images']}
    skipped = {
        c['id'] for c in coco['categories'] if unseen and not c['unseen']
    }
    crops, labels, pictures = [], [], {}
    for note in coco['annotations']:
        if note['category_id'] in skipped:
            continue
        number = note['image_id']
        if number not in pictures:
            path = folder / 'images' / names[number]
            pictures[number] = Image.open(path).convert('RGB')
        x, y, w, h = note['bbox']
        crop = pictures[number].resize(
            (side, side), Image.BICUBIC, (x, y, x + w, y + h)
        )
        crops.append(np.array(crop).transpose(2, 0, 1))
        labels.append(note['category_id'] - 1)
    return torch.from_numpy(np.stack(crops)) / 255, torch.tensor(labels)


@command(tool='eval_tiny_clip.py')
def main() -> None:
    """Command line."""
    args = parse_args()
    world = build_world(photos=args.photos)
    info = json.loads((args.model / 'tiny_clip.json').read_text())
    model = CLIP(**info['model_cfg']).eval()
    model.load_state_dict(load_file(args.model / 'tiny_clip.safetensors'))
    tokenizer = CompactTokenizer(info['token_ids'])
    side = info['model_cfg']['vision_cfg']['image_size']
    mean, std = (
        torch.tensor(info['preprocess_cfg'][key]).view(3, 1, 1)
        for key in ('mean', 'std')
    )
    splits = ['tune_known', 'val_known', 'val_heldout', 'val_unseen']
    for split in splits + ['val_photo'] * args.photos:
        unseen = split == 'val_unseen'
        names = load_pack().classes if unseen else info['classes']
        crops, labels = read_crops(world / split, side, unseen)
        with torch.no_grad():
            text = model.encode_text(tokenizer(list(names)), True)
            found = torch.cat(
                [
                    (
                        model.encode_image((part - mean) / std, True) @ text.T
                    ).argmax(-1)
                    for part in crops.split(64)
                ]
            )
        hit = (found == labels).float()
        macc = np.mean([hit[labels == k].mean() for k in labels.unique()])
        print(
            f'{split:12s} {len(labels):4d} boxes  top-1 '
            f'{100 * hit.mean():.1f}  mAcc {100 * macc:.1f}',
            flush=True,
        )


if __name__ == '__main__':
    main()
