"""Checkpoints say what they are, and are refused where they do not fit."""

from pathlib import Path
from typing import Any

from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import BaseLoop

from ..checkpoint import (
    FINGERPRINT_KEY,
    check_fit,
    compare_fingerprints,
    consumer_of,
    refuse_consumer,
    take_todays_keys,
    take_whole_only,
    takes_whole_only,
)
from ..deprecation import renamed_arguments, todays_part
from ..version import __version__
from .epoch import leaf_datasets
from .unwrap import unwrap

__all__ = ['FingerprintHook']


@HOOKS.register_module()
class FingerprintHook(Hook):
    """Write the backbone's fingerprint into checkpoints, compare on load.

    mmengine loads with ``strict=False`` and only logs what is left over; a
    backbone that is filled in part is refused here instead, and so is the
    checkpoint of another kind of model. A backbone alone may start the
    training of a detector, but not be measured as one. The text tower
    that checkpoints were measured with is recorded, too, and another one is
    refused before anything is measured: it would name nothing right.

    Args:
        recipe: Name of the recipe, recorded (``'paper'``, ``'released'``).
        license: License of the weights that training began with, recorded.
        module: Attribute of the model that is the backbone.
    """

    @renamed_arguments(licence='license')
    def __init__(
        self,
        recipe: str | None = None,
        license: str | None = None,
        module: str = 'backbone',
    ) -> None:
        self.recipe, self.license, self.module = recipe, license, module
        self._text_tower: dict[str, Any] = {}

    def _backbone(self, runner):
        model = unwrap(runner)
        self.module = todays_part(model, self.module, 'FingerprintHook.module')
        return getattr(model, self.module)

    def _encoder(self, runner) -> Any:
        """The model's text tower, if its weights are at hand."""
        embedder = getattr(unwrap(runner), 'embedder', None)
        here = embedder is not None and embedder.has_weights
        return embedder.encoder if here else None

    def _beside(self, runner) -> dict[str, Any]:
        """Architecture, resolution and text tower."""
        # Lets from_pretrained build a model that has no name.
        found = dict(getattr(self._backbone(runner), 'architecture', {}))
        loader = getattr(runner, 'train_dataloader', None)
        for data in leaf_datasets(getattr(loader, 'dataset', None)):
            # mosaics are cut by the data set itself
            size = getattr(getattr(data, 'views', data), 'image_size', None)
            if size is not None:
                found['resolution'] = size
        encoder = self._encoder(runner)
        said = getattr(self._backbone(runner), 'file_says', {})
        if encoder is not None:
            found['text_tower'] = encoder.fingerprint
        elif said.get('text_tower'):  # of the file that training began with
            found['text_tower'] = said['text_tower']
        found.update(self._text_source(runner))
        return found

    def _text_source(self, runner) -> dict[str, Any]:
        """Where the text tower is, and its prompts, if that can be told.

        A tag or a shipped file means something elsewhere, a path of this
        machine does not.
        """
        embedder = getattr(unwrap(runner), 'embedder', None)
        config = getattr(embedder, 'text_encoder', None) or {}
        weights = str(config.get('pretrained') or '')
        portable = weights and not Path(weights).exists()
        if not portable or not isinstance(config.get('model'), str):
            return {}
        source = dict(model=config['model'], pretrained=weights)
        if isinstance(embedder.prompts, str):  # the name of a set
            source['prompts'] = embedder.prompts
        return dict(text_source=source)

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        checkpoint['meta'][FINGERPRINT_KEY] = dict(
            self._backbone(runner).fingerprint,
            **self._beside(runner),
            recipe=self.recipe,
            license=self.license,
            declip_mm=__version__,
        )

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        weights = checkpoint.get('state_dict', checkpoint)
        take_todays_keys(weights)
        # an EMAHook swaps the two by their keys
        take_todays_keys(checkpoint.get('ema_state_dict', {}), 'module.')
        model, backbone = unwrap(runner), self._backbone(runner)
        if not isinstance(getattr(runner, '_train_loop', None), BaseLoop):
            # a head that no file fills is random and must not be measured
            take_whole_only(model)
        prefix, origin = f'{self.module}.', 'the loaded checkpoint'
        found, whole = consumer_of(weights), takes_whole_only(model)
        other = found and (found.whole or whole or found.prefix != prefix)
        if other:  # said before its settings are, which no one should change
            wanted = consumer_of(model.state_dict())
            refuse_consumer(weights, origin, wanted, type(model).__name__)
        theirs = checkpoint.get('meta', {}).get(FINGERPRINT_KEY, {})
        self._text_tower = theirs.get('text_tower', {})
        compare_fingerprints(theirs, backbone.fingerprint, origin)
        backbone.file_says = dict(theirs)
        own = {
            key[len(prefix) :]: value
            for key, value in weights.items()
            if key.startswith(prefix)
        }
        check_fit(backbone, own, origin, 'backbone')

    def before_test_epoch(self, runner) -> None:
        """Refuse a text tower that the checkpoint was not made with."""
        encoder = self._encoder(runner) if self._text_tower else None
        if encoder is not None:
            compare_fingerprints(
                self._text_tower,
                encoder.fingerprint,
                "the loaded checkpoint's text tower",
                fields=('model', 'dim', 'architecture', 'weights'),
            )

    before_val_epoch = before_test_epoch
