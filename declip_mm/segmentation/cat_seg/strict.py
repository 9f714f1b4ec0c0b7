"""Refuses checkpoints that fill a model in part."""

import torch.nn as nn

from ...checkpoint import consumer_of, refuse_consumer

__all__ = ['StrictLoad']


class StrictLoad:
    """Makes every way of loading a model strict.

    mmengine's runner loads with ``strict=False`` and logs what is left over.
    A file of the image tower alone would then leave a random text tower:
    training on known classes still works, and new names mean nothing.

    Args:
        model: Its direct children are the parts that messages speak of. Its
            ``forget_texts`` is called, because weights change.
    """

    def __init__(self, model: nn.Module) -> None:
        self.parts = [name for name, _ in model.named_children()]
        model.register_load_state_dict_pre_hook(self)

    def __call__(
        self, module: nn.Module, state_dict: dict, prefix: str, *_
    ) -> None:
        module.forget_texts()
        wanted = set(module.state_dict())
        found = {
            key[len(prefix) :] for key in state_dict if key.startswith(prefix)
        }
        whose, kind = consumer_of(wanted), type(module).__name__
        if consumer_of(found) is not None:  # else its parts are named below
            refuse_consumer(found, 'the checkpoint', whose, kind)
        complaints = [
            f'{part}: {len(missing)} of {len(own)} weights are missing'
            + (f', such as {missing[0]}' if missing else '')
            for part in self.parts
            if (own := [k for k in wanted if k.startswith(f'{part}.')])
            and (missing := sorted(set(own) - found))
        ]
        extra = sorted(found - wanted)
        if complaints or extra:
            raise ValueError(
                'the checkpoint does not fill this '
                f'{type(module).__name__}. {"; ".join(complaints)}'
                f'{_extra(extra)}. A file with one tower goes into the '
                "encoder's `pretrained`; a released CAT-Seg file has to be "
                'converted (tools/model_converters/cat_seg.py).'
            )


def _extra(keys: list[str]) -> str:
    if not keys:
        return ''
    return f'; {len(keys)} unknown keys, such as {keys[0]}'
