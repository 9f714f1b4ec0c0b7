"""Checkpoints say what they are, and are refused where they do not fit."""

from typing import Optional

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS

from ..checkpoint import FINGERPRINT_KEY, compare_fingerprints
from ..version import __version__

__all__ = ['FingerprintHook']


@HOOKS.register_module()
class FingerprintHook(Hook):
    """Write the backbone's fingerprint into checkpoints, compare on load.

    mmengine loads with ``strict=False`` and only logs what is left over; a
    backbone that is filled in part is refused here instead.

    Args:
        recipe: Name of the recipe, recorded (``'paper'``, ``'released'``).
        licence: Licence of the weights that training began with, recorded.
        module: Attribute of the model that is the backbone.
    """

    def __init__(
        self,
        recipe: Optional[str] = None,
        licence: Optional[str] = None,
        module: str = 'backbone',
    ) -> None:
        self.recipe, self.licence, self.module = recipe, licence, module

    def _backbone(self, runner):
        model = runner.model
        if is_model_wrapper(model):
            model = model.module
        return getattr(model, self.module)

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        checkpoint['meta'][FINGERPRINT_KEY] = dict(
            self._backbone(runner).fingerprint,
            recipe=self.recipe,
            licence=self.licence,
            declip_mm=__version__,
        )

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        backbone = self._backbone(runner)
        theirs = checkpoint.get('meta', {}).get(FINGERPRINT_KEY, {})
        compare_fingerprints(
            theirs, backbone.fingerprint, 'the loaded checkpoint'
        )
        prefix = f'{self.module}.'
        found = {
            key[len(prefix) :]
            for key in checkpoint.get('state_dict', checkpoint)
            if key.startswith(prefix)
        }
        wanted = set(backbone.state_dict())
        if found != wanted:
            raise ValueError(
                'the checkpoint does not fill the backbone. Missing: '
                f'{sorted(wanted - found)[:6]}. Unexpected: '
                f'{sorted(found - wanted)[:6]}.'
            )
