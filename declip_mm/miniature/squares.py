"""Coloured squares and a CLIP that knows their colours: OV-DQUO's toy.

In the scenes of the miniature world the tiny CLIP names a third of the objects
at best, and what it does not name no query looks for. Here every object is
named right and easy to box, so that what is not found was not learnt.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.registry import MODELS
from PIL import Image
from torch import Tensor

from ..apis import write_json
from ..models import DeCLIPViT
from ..models.features import DenseFeatures
from ..models.text import build_class_embeddings
from .converters.detection import lvis_layout

#: Side of a picture, of its smallest and largest square, their number.
SIDE, SMALL, LARGE, SQUARES = 112, 22, 40, 4
SCENES = 64
#: Colours of six base names and two novel ones.
COLOURS = (
    *((220, 30, 30), (30, 200, 30), (30, 30, 220), (220, 220, 30)),
    *((220, 30, 220), (30, 220, 220), (240, 130, 20), (250, 250, 250)),
)
NOVEL = 2


def write_squares(root: Path, categories: Sequence[Mapping]) -> dict:
    """Write ``toy/images`` and both layouts of ``detection/*/toy.json``.

    Args:
        root: Folder of the toy's world.
        categories: Of the miniature world, in COCO's layout; the first six
            base names and the first two novel ones have squares.

    Returns:
        Name -> colour.
    """
    base, novel = (
        [c for c in categories if c['novel'] == wanted]
        for wanted in (False, True)
    )
    shown = base[: len(COLOURS) - NOVEL] + novel[:NOVEL]
    folder = root / 'toy/images'
    folder.mkdir(parents=True, exist_ok=True)
    images: list[dict] = []
    notes: list[dict] = []
    for index in range(1, SCENES + 1):
        rng = np.random.default_rng([7, index])
        pixels = rng.integers(90, 130, (SIDE, SIDE, 3), dtype=np.uint8)
        for place in rng.permutation(SQUARES):
            which = int(rng.integers(len(COLOURS)))
            box = _box(int(place), rng)
            x, y, side = box[:3]
            pixels[y : y + side, x : x + side] = COLOURS[which]
            own = dict(id=len(notes) + 1, image_id=index, iscrowd=0)
            own.update(category_id=shown[which]['id'], area=side * side)
            notes.append(dict(own, bbox=[float(v) for v in box]))
        name = f'{index:06d}.png'
        Image.fromarray(pixels).save(folder / name)
        images.append(dict(id=index, file_name=name, height=SIDE, width=SIDE))
    coco = dict(
        info=dict(split='toy'),
        images=images,
        categories=list(categories),
        annotations=notes,
    )
    for layout, content in (('coco', coco), ('lvis', lvis_layout(coco))):
        path = root / f'detection/{layout}/toy.json'
        write_json(path, content, indent=None)
    return {c['name']: colour for c, colour in zip(shown, COLOURS)}


def _box(place: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """A square in one of the four quarters of a picture."""
    half = SIDE // 2
    side = int(rng.integers(SMALL, LARGE + 1))
    x, y = (int(v) for v in rng.integers(0, half - side + 1, 2))
    return place % 2 * half + x, place // 2 * half + y, side, side


def build_squares(root: Path, world: Path) -> Path:
    """:func:`write_squares` with the names of the miniature world.

    Returns:
        ``root``, with ``colours.json`` beside the rest.
    """
    path = world / 'detection/coco/train.json'
    categories = json.loads(path.read_text('utf-8'))['categories']
    write_json(root / 'colours.json', write_squares(root, categories))
    return root


def use_squares(cfg: Config, root: Path) -> None:
    """Let a miniature detector's config see colours, four pictures a step."""
    colours = json.loads((root / 'colours.json').read_text('utf-8'))
    model = cfg.model
    model.backbone.update(
        type='ColourViT',
        colours=colours,
        text_encoder=dict(model.embedder.text_encoder),
    )
    model.data_preprocessor.pad_size_divisor = SIDE
    model.neck.scales = (2, 1)
    # every square is named right, and sharply
    model.tau_query = model.tau_vlm = 100.0
    cfg.train_dataloader.batch_size = 4
    for key in ('train_dataloader', 'test_dataloader'):
        for step in cfg[key].dataset.pipeline:
            if step['type'] == 'Resize':
                step.scale = (SIDE, SIDE)


@MODELS.register_module()
class ColourViT(DeCLIPViT):
    """A CLIP whose dense map has the text of each pixel's colour.

    Args:
        colours: Name -> RGB in 0 to 255.
        text_encoder: Config of the text tower.
        Others: Of :class:`~declip_mm.models.DeCLIPViT`.
    """

    def __init__(
        self,
        *args: Any,
        colours: Mapping[str, Sequence[int]],
        text_encoder: dict,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.colours = dict(colours)
        self.text_encoder = text_encoder
        self._rows: Tensor | None = None

    def _content_rows(self) -> Tensor:
        """(k + 1, C) unit rows of the colours; the last is background."""
        if self._rows is None:
            encoder = MODELS.build(self.text_encoder)
            found = build_class_embeddings(encoder, list(self.colours), 'name')
            rows = found.matrix.float()
            noise = torch.randn(
                1, rows.shape[1], generator=torch.Generator().manual_seed(0)
            )
            self._rows = F.normalize(torch.cat([rows, noise]), dim=1)
        return self._rows

    def forward_dense(
        self, image: Tensor, taps: Sequence[int] = ()
    ) -> DenseFeatures:
        """The tower's taps beside the map of colours."""
        found = super().forward_dense(image, taps)
        mean, std, colours = (
            torch.tensor(values, dtype=torch.float)
            for values in (
                self.pixel_mean,
                self.pixel_std,
                list(self.colours.values()),
            )
        )
        pixels = image * std.view(3, 1, 1) + mean.view(3, 1, 1)
        far = pixels[:, None] - colours.view(1, -1, 3, 1, 1) / 255
        share = (far.abs().amax(2) < 0.1).float()  # (B, k, H, W)
        share = F.avg_pool2d(share, self.visual.patch_size)
        rest = 1 - share.sum(1, keepdim=True)
        content = torch.einsum(
            'bkhw,kc->bchw', torch.cat([share, rest], 1), self._content_rows()
        )
        return DenseFeatures(content, found.context, found.taps)
