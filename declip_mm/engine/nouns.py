"""The nouns of a training set go to the teacher that embeds them."""

from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from .unwrap import unwrap

__all__ = ['NounHook']


@HOOKS.register_module()
class NounHook(Hook):
    """Give a :class:`NounTeacher` the class names of the training set."""

    def before_train(self, runner) -> None:
        model = unwrap(runner)
        dataset = runner.train_dataloader.dataset
        names = list(dataset.metainfo.get('classes') or ())
        if not names:
            raise ValueError(
                f'{type(dataset).__name__} has no nouns in its '
                "metainfo['classes']; NounHook needs a DeCLIPNounDataset."
            )
        teacher = model.content_teacher
        if not hasattr(teacher, 'set_vocabulary'):
            raise ValueError(
                f'NounHook has nouns for a NounTeacher, but the content '
                f'teacher is a {type(teacher).__name__}.'
            )
        teacher.set_vocabulary(names)
