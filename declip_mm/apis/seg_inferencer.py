"""Pictures and free class names in; class maps and overlays out."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS, TRANSFORMS

from ..checkpoint import fill_model
from ..evaluation.label_files import smallest_kind
from ..models.text.vocabulary import Source, Vocabulary
from ..segmentation import DenseCLIPSegmentor
from ..segmentation.vocabulary import with_registered
from ..visualization.fonts import warn_of_missing_glyphs
from .devices import check_device
from .images import ReadImage
from .kinds import inference_config, model_type
from .results import run_over_images
from .segmented import keep_segmented, results_head

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
        model: str | Config,
        weights: str | None = None,
        names: Source | None = None,
        background: str | Sequence[str] | None = 'auto',
        device: str | None = None,
        show_progress: bool = True,
    ) -> None:
        if names is not None:
            # refused before weights are read
            Vocabulary.of(with_registered(names))
        cfg = inference_config(
            model,
            ('DenseCLIPSegmentor', 'OVCATSegmentor'),
            'configs/dense_seg or configs/cat_seg',
        )
        device = check_device(device)
        with DefaultScope.overwrite_default_scope('mmseg'):
            self.model = _load(cfg, weights).eval().to(device)
            # files are read here, damaged ones named
            self._transforms = [
                TRANSFORMS.build(step)
                for step in cfg.test_dataloader.dataset.pipeline
                if not step['type'].split('.')[-1].startswith('Load')
            ]
        self.device, self.show_progress = device, show_progress
        if names is not None:
            self.set_names(names, background)

    def set_names(
        self,
        names: Source,
        background: str | Sequence[str] | None = 'auto',
    ) -> None:
        """Segment into these from now on.

        Args:
            names: A list, a file, ``'cat,dog'``, the name of a registered
                data set; see :meth:`Vocabulary.of`.
            background: Texts of a class background; ``'stuff'``: 26 words
                for what is around objects; None: no such class; ``'auto'``:
                ``'stuff'`` for a single name, which would else have nothing
                to be told from, and None for several.
        """
        self.model.set_vocabulary(names, background=background)

    @property
    def classes(self) -> list[str]:
        """Names in the order of the labels."""
        return list(self.model.dataset_meta.get('classes') or ())

    def __call__(
        self,
        inputs: Any,
        names: Source | None = None,
        background: str | Sequence[str] | None = 'auto',
        threshold: float | None = None,
        out_dir: str | None = None,
        batch_size: int = 1,
        return_vis: bool = False,
        return_labels: bool = True,
        max_side: int | None = None,
    ) -> dict[str, list]:
        """Segment pictures.

        A file that cannot be read is left out, warned of and listed. However
        a run ends, ``results.json`` holds what was done and names the rest.

        Args:
            inputs: File, folder, glob, array (H, W, 3) uint8 BGR as mmcv
                loads it, or a list of these.
            names, background: Other classes, from now on.
            threshold: Probability below which a pixel has no class (or that
                of the background), from now on.
            out_dir: Folder for ``overlays/NAME.png`` (of at most 2048
                pixels), ``labels/NAME.png`` (full size, 8 or 16 bits) and
                ``results.json``.
            batch_size: Pictures at a time; does not change results.
            return_vis: Whether to return the overlays.
            return_labels: Whether to return the maps; without them a folder
                of any length fits into memory.
            max_side: Pictures with a longer side are scaled down to it
                first; maps then have that size.

        Returns:
            ``predictions``: per picture a dict with ``name``, ``path``,
            ``classes`` (name, label, share of the picture; the largest
            first) and ``labels`` (H, W); ``visualization``: overlays
            (H', W', 3) RGB; ``failed``: dicts with ``path`` and ``reason``.

        Raises:
            UnreadableImage: No picture could be read.
        """
        if names is not None:
            self.set_names(names, background)
        if not self.classes:
            raise ValueError("there are no class names: give names='cat,dog'.")
        if threshold is not None:
            if not 0 <= threshold <= 1:
                raise ValueError(f'threshold is 0 to 1, got {threshold}.')
            self.model.threshold = float(threshold)
        if out_dir is not None:
            warn_of_missing_glyphs(self.classes)  # all of them at once
        overlays: list[np.ndarray] = []
        palette = self.model.dataset_meta['palette']

        def segment(batch: list[ReadImage]) -> Iterator[tuple[dict, dict]]:
            for picture, labels in zip(batch, self._segment(batch)):
                own, overlay = keep_segmented(
                    picture, labels, self.classes, palette, out_dir, return_vis
                )
                if return_vis:
                    overlays.append(overlay)
                more = dict(labels=labels) if return_labels else {}
                yield own, {**own, **more}

        # whatever another inferencer left as default
        with DefaultScope.overwrite_default_scope('mmseg'):
            found = run_over_images(
                inputs,
                segment,
                results_head(self.classes, palette),
                out_dir,
                batch_size=batch_size,
                max_side=max_side,
                progress=self.show_progress,
            )
        return dict(found, visualization=overlays)

    def _segment(self, pictures: Sequence[ReadImage]) -> list[np.ndarray]:
        """Class maps (H, W) of some pictures."""
        items = []
        for picture in pictures:
            size = picture.image.shape[:2]
            item: Any = dict(
                # mmcv's order: the preprocessor of the model turns it back
                img=np.ascontiguousarray(picture.image[..., ::-1]),
                img_path=picture.path,
                ori_shape=size,
                img_shape=size,
            )
            for transform in self._transforms:
                item = transform(item)
            items.append(item)
        # mmseg's preprocessor, CAT-Seg's, stacks pictures of one size alone
        mixed = isinstance(self.model, DenseCLIPSegmentor)
        by_size = groupby(items, lambda item: mixed or item['inputs'].shape)
        groups = [[*group] for _, group in by_size]
        del item, items  # large pictures are there often enough
        maps = []
        with torch.no_grad():
            while groups:
                data = pseudo_collate(groups.pop(0))
                maps += [
                    smallest_kind(sample.pred_sem_seg.data[0].cpu().numpy())
                    for sample in self._test(data)
                ]
        return maps

    def _test(self, data: dict) -> list:
        """``test_step`` that lets go of what it was given."""
        ready = self.model.data_preprocessor(data, False)
        data.clear()
        return self.model(**ready, mode='predict')


def _load(cfg: Config, weights: str | None) -> torch.nn.Module:
    """The config's model with weights."""
    settings = cfg.model.to_dict()
    whole = model_type(cfg) != DenseCLIPSegmentor.__name__
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
        fill_model(model, weights)
    else:
        model.backbone.init_weights()
    return model
