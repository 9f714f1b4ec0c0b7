"""Weight-space mixture of the student and the original CLIP."""

import torch.nn as nn
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from torch import Tensor

from ..deprecation import todays_part
from .unwrap import unwrap

__all__ = ['WeightEnsembleHook']

#: Where a checkpoint keeps the weights that training goes on from.
STUDENT_KEY = 'student_state_dict'


@HOOKS.register_module()
class WeightEnsembleHook(Hook):
    """Evaluate and save ``alpha * student + (1 - alpha) * original``.

    Training goes on from the unmixed student: it is put back after every
    evaluation, and a checkpoint carries it beside the mixture, so that a
    resumed run continues exactly. The original is what the backbone was
    initialised with.

    Args:
        ensemble_alpha: Share of the student, in (0, 1]; 1 mixes nothing.
            The authors released 0.7 for ViT-B and 0.95 for ViT-L.
        module: Attribute of the model that is mixed.
    """

    def __init__(
        self, ensemble_alpha: float, module: str = 'backbone'
    ) -> None:
        if not 0 < ensemble_alpha <= 1:
            raise ValueError(
                f'ensemble_alpha must be in (0, 1], got {ensemble_alpha}. '
                '1 keeps the student as it is.'
            )
        self.alpha = ensemble_alpha
        self.module = module
        self.original: dict[str, Tensor] = {}
        self.student: dict[str, Tensor] | None = None
        self.training = False

    def _target(self, runner) -> nn.Module:
        model, where = unwrap(runner), 'WeightEnsembleHook.module'
        self.module = todays_part(model, self.module, where)
        return getattr(model, self.module)

    def mix(self, student: dict[str, Tensor]) -> dict[str, Tensor]:
        """The mixture; tensors that are no weights stay the student's."""
        return {
            key: value.lerp(self.original[key].to(value), 1 - self.alpha)
            if value.is_floating_point()
            else value
            for key, value in student.items()
        }

    def _enter(self, runner) -> None:
        target = self._target(runner)
        self.student = _copy(target.state_dict())
        target.load_state_dict(self.mix(self.student))

    def _leave(self, runner) -> None:
        self._target(runner).load_state_dict(self.student)
        self.student = None

    def _remember(self, runner) -> None:
        self.original = _copy(self._target(runner).state_dict())

    def before_train(self, runner) -> None:
        # Not in before_run: mmengine initialises weights after that.
        if not self.original:
            self._remember(runner)
        self.training = True

    def after_train(self, runner) -> None:
        self.training = False

    def before_val_epoch(self, runner) -> None:
        # Evaluation alone loads what was saved, and that is mixed already.
        if self.training:
            self._enter(runner)

    def after_val_epoch(self, runner, metrics=None) -> None:
        if self.student is not None:
            self._leave(runner)

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Save the mixture; keep the student for resuming."""
        prefix = f'{self.module}.'
        state = checkpoint['state_dict']
        student = {
            key[len(prefix) :]: value
            for key, value in state.items()
            if key.startswith(prefix)
        }
        checkpoint[STUDENT_KEY] = student
        for key, value in self.mix(student).items():
            state[prefix + key] = value

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Resume from the student; other loads keep the mixture."""
        student = checkpoint.pop(STUDENT_KEY, None)
        if not runner._resume:
            return
        self._remember(runner)  # initialised, and not yet loaded over
        if student is None:
            raise ValueError(
                'the checkpoint to resume from has no '
                f'{STUDENT_KEY!r}: it was saved without WeightEnsembleHook. '
                'Resume it without the hook, or start from it with load_from.'
            )
        for key, value in student.items():
            checkpoint['state_dict'][f'{self.module}.{key}'] = value


def _copy(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key: value.detach().clone() for key, value in state.items()}
