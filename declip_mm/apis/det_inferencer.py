"""Pictures and free class names in; boxes, scores and pictures out."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib
import mmcv
import numpy as np
import torch.nn as nn
from mmdet.apis import DetInferencer
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope
from PIL import Image

from ..checkpoint import atomically, fill_model
from ..detection.drawing import bounded_sample
from ..models.text.vocabulary import Source, Vocabulary
from ..visualization.fonts import families_for, warn_of_missing_glyphs
from .devices import check_device
from .images import ReadImage
from .kinds import inference_config
from .results import run_over_images, write_json

__all__ = ['DeCLIPDetInferencer']

#: Masks of one picture may take so many bytes.
_MASK_ROOM = 2**30


class DeCLIPDetInferencer(DetInferencer):
    """Open-vocabulary detection in pictures.

    Example::

        detect = DeCLIPDetInferencer(
            'configs/f_vit/f-vit_eva02-b16_declip_ov-coco.py', 'epoch_3.pth')
        detect('picture.jpg', names=['red car', 'bicycle'], out_dir='out')

    Args:
        model: F-ViT or OV-DQUO config.
        weights: Detector checkpoint.
        names: Class names to begin with: a list, a file of names, or
            ``'cat,dog'``; a class of several texts (``'person; man'``) has
            the mean of their embeddings. None takes those the checkpoint was
            trained with.
        base: Those of them that had annotations in training. None: those
            that the checkpoint names as base, where it names any.
        device: Of the model; None takes the best there is.
        show_progress: Show a progress bar.
    """

    def __init__(
        self,
        model: str | Config,
        weights: str,
        names: Source | None = None,
        base: Sequence[str] | None = None,
        device: str | None = None,
        show_progress: bool = True,
    ) -> None:
        if names is not None:  # refused before weights are read
            names = Vocabulary.of(names)
        cfg = inference_config(
            model, ('FViT', 'OVDQUO'), 'configs/f_vit or configs/ov_dquo'
        )
        if cfg.get('visualizer') is None:
            cfg.visualizer = dict(type='DetLocalVisualizer')
        # whatever another inferencer left as default
        with DefaultScope.overwrite_default_scope('mmdet'):
            super().__init__(
                model=cfg,
                weights=weights,
                device=check_device(device),
                palette='random',
                show_progress=False,  # of each call of mmdet's
            )
        self._progress = show_progress
        self._trained_with = dict(self.model.dataset_meta)
        if names is None:
            names = self._trained_with.get('classes')
        if not names:
            raise ValueError(
                f'{weights} does not say which classes it was trained with; '
                "give names=['cat', 'dog'] or a file of names."
            )
        self.set_names(names, base)

    def set_names(
        self,
        names: Source,
        base: Sequence[str] | None = None,
    ) -> None:
        """Detect these from now on; see the constructor."""
        asked = Vocabulary.of(names, base=base)
        known = set(self._trained_with.get('base_classes') or ())
        if asked.base is None and known:
            base = [name for name in asked.classes if name in known]
        self.model.set_vocabulary(asked, base=base)
        self.model.dataset_meta = dict(classes=asked.classes, palette='random')
        self.visualizer.dataset_meta = self.model.dataset_meta

    def __call__(
        self,
        inputs: Any,
        names: Source | None = None,
        batch_size: int = 1,
        out_dir: str = '',
        no_save_vis: bool = False,
        no_save_pred: bool = True,
        return_vis: bool = False,
        pred_score_thr: float = 0.3,
        max_side: int | None = None,
        **options: Any,
    ) -> dict:
        """Detect in pictures.

        A file that cannot be read is left out, warned of and listed. However
        a run ends, ``results.json`` holds what was done and names the rest.

        Args:
            inputs: File, folder, glob, array (H, W, 3) uint8 BGR, or a list
                of them.
            names: Other class names, from now on.
            batch_size: Pictures at a time.
            out_dir: Folder for ``vis/NAME.png`` (of at most 2048 pixels),
                ``preds/NAME.json`` and ``results.json``.
            no_save_vis, no_save_pred: Leave these files out.
            return_vis: Whether to return the painted pictures.
            pred_score_thr: Score below which a box is not drawn.
            max_side: Pictures with a longer side are scaled down to it
                first; boxes and masks are those of the scaled picture.
            options: Of :class:`mmdet.apis.DetInferencer`: ``show``,
                ``return_datasamples`` ...

        Returns:
            ``predictions``, a list of dicts with ``name``, ``path``,
            ``labels``, ``names``, ``scores``, ``bboxes`` (x0 y0 x1 y1) and
            perhaps ``masks``; ``visualization``, pictures (H', W', 3) RGB;
            ``failed``, dicts with ``path`` and ``reason``.

        Raises:
            UnreadableImage: No picture could be used.
        """
        if names is not None:
            self.set_names(names)
        if not 0 <= pred_score_thr <= 1:
            raise ValueError(
                f'pred_score_thr is a score from 0 to 1, got {pred_score_thr}.'
            )
        draw = return_vis or bool(out_dir and not no_save_vis)
        if draw:
            warn_of_missing_glyphs(self.model.names)
        options.update(return_vis=draw, pred_score_thr=pred_score_thr)
        painted: list[np.ndarray] = []

        def detect(batch: list[ReadImage]) -> Iterator[tuple[dict, Any]]:
            found = self._detect(batch, options)
            images = found['visualization'] or [None] * len(batch)
            for picture, own, image in zip(
                batch, found['predictions'], images
            ):
                if out_dir and not no_save_vis:
                    _write_picture(out_dir, picture.name, image)
                if return_vis:
                    painted.append(image)
                entry = about = dict(name=picture.name, path=picture.source)
                if isinstance(own, dict):
                    if out_dir and not no_save_pred:
                        file = f'{picture.name}.json'
                        write_json(Path(out_dir) / 'preds' / file, own)
                    sure = sum(s >= pred_score_thr for s in own['scores'])
                    entry, own = dict(about, objects=sure), {**own, **about}
                yield entry, own

        with DefaultScope.overwrite_default_scope('mmdet'):
            found = run_over_images(
                inputs,
                detect,
                dict(
                    classes=list(self.model.names),
                    pred_score_thr=pred_score_thr,
                ),
                out_dir,
                batch_size=batch_size,
                max_side=max_side,
                usable=self._usable,
                progress=self._progress,
            )
        return dict(found, visualization=painted)

    def _detect(self, pictures: Sequence[ReadImage], options: dict) -> dict:
        """Predictions and painted pictures of a batch."""
        found = super().__call__(
            # mmcv's order: the preprocessor of the model turns it back
            [np.ascontiguousarray(p.image[..., ::-1]) for p in pictures],
            batch_size=len(pictures),
            no_save_pred=True,
            **options,
        )
        names = self.model.names
        for own in found['predictions']:
            if isinstance(own, dict):
                own['names'] = [names[i] for i in own['labels']]
        return found

    def _usable(self, pictures: Any, fail: Any) -> Any:
        """Pictures that the detector can take; the others are named."""
        for picture in pictures:
            height, width = picture.image.shape[:2]
            problem = self._problem(height, width)
            if problem:
                why = f'{picture.path} is {height} x {width} pixels: {problem}'
                fail(picture.path, why)
            else:
                yield picture

    def _problem(self, height: int, width: int) -> str:
        """Why a picture of this size cannot be used; '' if it can."""
        for step in self.pipeline.transforms:
            scale = getattr(step, 'scale', None)
            if scale is None or not getattr(step, 'keep_ratio', False):
                continue
            if min(mmcv.rescale_size((width, height), tuple(scale))) < 1:
                return (
                    f'scaled to fit {scale[0]} x {scale[1]} nothing is left '
                    'of its short side. Cut it into less long pieces.'
                )
        head = getattr(self.model, 'roi_head', None)
        if head is None or not head.with_mask:
            return ''
        count = head.test_cfg.max_per_img * height * width
        if count > _MASK_ROOM:
            return (
                f'{head.test_cfg.max_per_img} masks of that size take '
                f'{count / 2**30:.0f} GiB. Bound it with --max-side 1600 '
                '(max_side=1600).'
            )
        return ''

    def visualize(
        self, inputs: Sequence, preds: Sequence, **options: Any
    ) -> list | None:
        """mmdet's, in bounded memory and with a font that has the names.

        Args:
            inputs: (H, W, 3) BGR each.
            preds: mmdet's data samples.
            options: See mmdet.
        """
        threshold = options.get('pred_score_thr', 0.3)
        images, preds = zip(
            *(
                bounded_sample(image[..., ::-1], pred, threshold)
                for image, pred in zip(inputs, preds)
            )
        )
        families = families_for(self.visualizer.dataset_meta['classes'])
        with (
            # a dollar sign is a letter
            matplotlib.rc_context({'text.parse_math': False}),
            _fonts(self.visualizer, families),
            warnings.catch_warnings(),
        ):
            # of letters that no font has; we have warned of the names
            warnings.filterwarnings('ignore', message='Glyph .* missing')
            return super().visualize(images, preds, **options)

    def _init_pipeline(self, cfg: Config) -> Compose:
        """mmdet's looks for mmcv's loader, to put its own in the place."""
        pipeline = cfg.test_dataloader.dataset.pipeline
        cfg.test_dataloader.dataset.pipeline = [
            dict(type='LoadImageFromFile')
            if step['type'].split('.')[-1] == 'LoadLabelledImage'
            else step
            for step in pipeline
        ]
        return super()._init_pipeline(cfg)

    def _init_model(
        self, cfg: Config, weights: str, device: str = 'cpu'
    ) -> nn.Module:
        """mmengine's, which would run code in the file, reads nothing."""
        self._weights = str(weights)
        return super()._init_model(cfg, None, device)

    def _load_weights_to_model(
        self, model: nn.Module, checkpoint: None, cfg: Config
    ) -> None:
        """mmdet's would build the data set to ask for its colours."""
        found = fill_model(model, self._weights)
        meta = found.get('dataset_meta') or {}
        model.dataset_meta = {k.lower(): v for k, v in meta.items()}


@contextmanager
def _fonts(visualizer: Any, families: list[str]) -> Iterator[None]:
    """Texts of a visualizer in these, the first with a letter draws it."""
    plain = visualizer.draw_texts
    # mmdet draws one text at a time; a list in the list is its families
    visualizer.draw_texts = partial(plain, font_families=[families])
    try:
        yield
    finally:
        del visualizer.draw_texts


def _write_picture(folder: str, name: str, image: np.ndarray) -> None:
    with atomically(Path(folder) / 'vis' / f'{name}.png') as part:
        Image.fromarray(image).save(part, 'PNG')
