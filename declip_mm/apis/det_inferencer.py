"""Pictures and free class names in; boxes, scores and pictures out."""

from collections.abc import Sequence
from typing import Any, Optional, Union

import torch.nn as nn
from mmdet.apis import DetInferencer
from mmengine.config import Config
from mmengine.dataset import Compose

from ..models.text import parse_names
from ..models.text.names import Names
from .weights import fill_model

__all__ = ['DeCLIPDetInferencer']


class DeCLIPDetInferencer(DetInferencer):
    """Open-vocabulary detection in pictures.

    Example::

        detect = DeCLIPDetInferencer(
            'configs/f_vit/f-vit_eva02-b16_declip_ov-coco.py', 'epoch_3.pth')
        detect('picture.jpg', names=['red car', 'bicycle'], out_dir='out')

    Args:
        model: F-ViT config.
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
        model: str,
        weights: str,
        names: Union[str, Names, None] = None,
        base: Optional[Sequence[str]] = None,
        device: Optional[str] = None,
        show_progress: bool = True,
    ) -> None:
        if names is not None:  # refused before weights are read
            names = parse_names(names)
        super().__init__(
            model=model,
            weights=weights,
            device=device,
            palette='random',
            show_progress=show_progress,
        )
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
        names: Union[str, Names],
        base: Optional[Sequence[str]] = None,
    ) -> None:
        """Detect these from now on; see the constructor."""
        texts = parse_names(names)
        if base is None:
            known = self._trained_with.get('base_classes')
            base = known and [n for n in texts if n in set(known)]
        self.model.set_vocabulary(texts, base)
        self.model.dataset_meta = dict(classes=tuple(texts), palette='random')
        self.visualizer.dataset_meta = self.model.dataset_meta

    def __call__(
        self,
        inputs: Any,
        names: Union[str, Names, None] = None,
        **options: Any,
    ) -> dict:
        """Detect in pictures.

        Args:
            inputs: Path, folder, array (H, W, 3) BGR, or a list of them.
            names: Other class names, from now on.
            options: Of :class:`mmdet.apis.DetInferencer`: ``out_dir``,
                ``pred_score_thr``, ``batch_size``, ``no_save_pred``,
                ``return_vis`` ...

        Returns:
            ``predictions``, a list of dicts with ``labels``, ``names``,
            ``scores``, ``bboxes`` (x0 y0 x1 y1) and perhaps ``masks``; and
            ``visualization``.
        """
        if names is not None:
            self.set_names(names)
        found = super().__call__(inputs, **options)
        for prediction in found['predictions']:
            if isinstance(prediction, dict):
                prediction['names'] = [
                    self.model.names[i] for i in prediction['labels']
                ]
        return found

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
        found = fill_model(model, self._weights, 'backbone')
        meta = found.get('dataset_meta') or {}
        model.dataset_meta = {k.lower(): v for k, v in meta.items()}
