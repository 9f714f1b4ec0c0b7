"""Pictures and free class names in; class maps and overlays out."""

import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.utils import ProgressBar
from mmseg.registry import MODELS, TRANSFORMS
from PIL import Image

from ..evaluation.label_files import no_class_label, write_labels
from ..segmentation import DenseCLIPSegmentor, build_vocabulary
from ..segmentation.vocabulary import Source
from ..visualization.overlay import draw_overlay, legend_of
from .launch import load_config
from .pictures import Picture, find_pictures, in_batches, read_pictures
from .weights import fill_model

__all__ = ['DeCLIPSegInferencer']


class DeCLIPSegInferencer:
    """Open-vocabulary segmentation of pictures.

    Example::

        segment = DeCLIPSegInferencer(
            'configs/dense_seg/ade20k.py', 'declip.pth')
        segment('photos/', names='red car,tree,sky', out_dir='out')

    Args:
        model: Config file or config with a ``DenseCLIPSegmentor`` or an
            ``OVCATSegmentor``.
        weights: Of the backbone, any file that
            ``DeCLIPViT(pretrained=...)`` takes; for CAT-Seg the checkpoint of
            the whole model. None: what the config names.
        names: Classes to begin with; see :meth:`set_names`.
        background: Goes with ``names``.
        device: Of the model; None takes a GPU where there is one.
        show_progress: Show a progress bar.
    """

    def __init__(
        self,
        model: Union[str, Config],
        weights: Optional[str] = None,
        names: Optional[Source] = None,
        background: Union[str, Sequence[str], None] = 'auto',
        device: Optional[str] = None,
        show_progress: bool = True,
    ) -> None:
        if names is not None:
            # refused before weights are read
            names = build_vocabulary(names)
        cfg = load_config(model) if isinstance(model, str) else model
        if device is None:
            device = 'cuda' if torch.cuda.is_available() else 'cpu'
        self.model = _load(cfg, weights).eval().to(device)
        self.device, self.show_progress = device, show_progress
        self._transforms = _transforms(cfg)
        if names is not None:
            self.set_names(names, background)

    def set_names(
        self,
        names: Source,
        background: Union[str, Sequence[str], None] = 'auto',
    ) -> None:
        """Segment into these from now on.

        Args:
            names: A list, a file, ``'cat,dog'``, the name of a registered
                data set; see :func:`build_vocabulary`.
            background: Texts of a class background; ``'stuff'``: 26 words
                for what is around objects; None: no such class; ``'auto'``:
                ``'stuff'`` for a single name, which would else have nothing
                to be told from, and None for several.
        """
        names = build_vocabulary(names)
        if background == 'auto':
            single = len(names.classes) == 1
            background = 'stuff' if single else None
        self.model.set_vocabulary(names, background=background)

    @property
    def classes(self) -> list[str]:
        """Names in the order of the labels."""
        return list(self.model.dataset_meta.get('classes') or ())

    def __call__(
        self,
        inputs: Any,
        names: Optional[Source] = None,
        background: Union[str, Sequence[str], None] = 'auto',
        threshold: Optional[float] = None,
        out_dir: Optional[str] = None,
        batch_size: int = 1,
        return_vis: bool = False,
        return_labels: bool = True,
    ) -> dict[str, list]:
        """Segment pictures.

        Args:
            inputs: File, folder, glob, array (H, W, 3) uint8 BGR as mmcv
                loads it, or a list of these.
            names, background: Other classes, from now on.
            threshold: Probability below which a pixel has no class (or that
                of the background), from now on.
            out_dir: Folder for ``overlays/NAME.png``, ``labels/NAME.png``
                (8 or 16 bits) and ``results.json``.
            batch_size: Pictures at a time; does not change results.
            return_vis: Whether to return the overlays.
            return_labels: Whether to return the maps; without them a folder
                of any length fits into memory.

        Returns:
            ``predictions``: per picture a dict with ``name``, ``path``,
            ``classes`` (name, label, share of the picture; the largest
            first) and ``labels`` (H, W); ``visualization``: overlays
            (H', W', 3) RGB.
        """
        if names is not None:
            self.set_names(names, background)
        if not self.classes:
            raise ValueError("there are no class names: give names='cat,dog'.")
        if threshold is not None:
            if not 0 <= threshold <= 1:
                raise ValueError(f'threshold is 0 to 1, got {threshold}.')
            self.model.threshold = float(threshold)
        sources = find_pictures(inputs)
        found: dict[str, list] = dict(predictions=[], visualization=[])
        bar = ProgressBar(len(sources)) if self.show_progress else None
        for batch in in_batches(read_pictures(sources), batch_size):
            for picture, labels in zip(batch, self._segment(batch)):
                self._keep(
                    found, picture, labels, out_dir, return_vis, return_labels
                )
                if bar is not None:
                    bar.update()
        if out_dir is not None:
            self._write_json(Path(out_dir), found['predictions'])
        return found

    def _segment(self, pictures: Sequence[Picture]) -> list[np.ndarray]:
        """Class maps (H, W) of some pictures."""
        items = []
        for picture in pictures:
            size = picture.image.shape[:2]
            item: Any = dict(
                # mmcv's order: the preprocessor of the model turns it back
                img=np.ascontiguousarray(picture.image[..., ::-1]),
                img_path=picture.source or picture.name,
                ori_shape=size,
                img_shape=size,
            )
            for transform in self._transforms:
                item = transform(item)
            items.append(item)
        # mmseg's preprocessor, CAT-Seg's, stacks pictures of one size alone
        mixed = isinstance(self.model, DenseCLIPSegmentor)
        groups = groupby(items, lambda item: mixed or item['inputs'].shape)
        with torch.no_grad():
            return [
                sample.pred_sem_seg.data[0].cpu().numpy()
                for _, group in groups
                for sample in self.model.test_step(pseudo_collate([*group]))
            ]

    def _keep(
        self,
        found: dict[str, list],
        picture: Picture,
        labels: np.ndarray,
        out_dir: Optional[str],
        return_vis: bool,
        return_labels: bool,
    ) -> None:
        """Write and remember what was found in one picture."""
        classes, palette = self.classes, self.model.dataset_meta['palette']
        index = {name: label for label, name in enumerate(classes)}
        none = no_class_label(len(classes))
        shares = [
            dict(name=name, label=index.get(name, none), share=round(share, 6))
            for name, _, share in legend_of(
                labels, classes, palette, len(classes) + 1
            )
        ]
        own = dict(name=picture.name, path=picture.source, classes=shares)
        if return_vis or out_dir is not None:
            overlay = draw_overlay(
                picture.image, labels, classes, palette, with_input=True
            )
            if return_vis:
                found['visualization'].append(overlay)
        if out_dir is not None:
            folder = Path(out_dir)
            (folder / 'overlays').mkdir(parents=True, exist_ok=True)
            file = f'{picture.name}.png'
            Image.fromarray(overlay).save(folder / 'overlays' / file)
            write_labels(str(folder / 'labels' / file), labels)
        if return_labels:
            own['labels'] = labels
        found['predictions'].append(own)

    def _write_json(self, folder: Path, predictions: list[dict]) -> None:
        meta = self.model.dataset_meta
        content = dict(
            classes=list(meta['classes']),
            palette=[list(map(int, colour)) for colour in meta['palette']],
            no_class=no_class_label(len(meta['classes'])),
            pictures=[
                {k: v for k, v in own.items() if k != 'labels'}
                for own in predictions
            ],
        )
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / 'results.json'
        path.write_text(json.dumps(content, indent=1) + '\n', 'utf-8')


def _load(cfg: Config, weights: Optional[str]) -> torch.nn.Module:
    """The config's model with weights."""
    settings = cfg.model.to_dict()
    whole = settings['type'].split('.')[-1] != DenseCLIPSegmentor.__name__
    if whole and weights is None:
        raise ValueError(
            f'{settings["type"]} is trained as a whole: give the checkpoint '
            'of a training as weights.'
        )
    if not whole and weights is not None:
        settings['backbone'].pop('init_cfg', None)
        settings['backbone']['pretrained'] = weights
    model = MODELS.build(settings)
    if whole:
        fill_model(model, weights, 'image_encoder')
    else:
        model.backbone.init_weights()
    return model


def _transforms(cfg: Config) -> list:
    """The test pipeline behind the loading of files."""
    pipeline = cfg.test_dataloader.dataset.pipeline
    return [
        TRANSFORMS.build(step)
        for step in pipeline
        if not step['type'].split('.')[-1].startswith('Load')
    ]
