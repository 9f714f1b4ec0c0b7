"""Vision foundation models as sources of dense maps."""

from typing import Any

from .mmpretrain_source import MMPretrainSource, fetch_mmpretrain
from .source import VFMSource
from .timm_source import TimmSource, fetch_timm

__all__ = [
    'MMPretrainSource',
    'TimmSource',
    'VFMSource',
    'fetch_published',
    'open_source',
]

_MMPRETRAIN = 'mmpretrain:'


def open_source(
    model: str | dict[str, Any],
    layer: int | None,
    final_norm: bool,
    timm_kwargs: dict | None,
) -> VFMSource:
    """Build the network that a VFM teacher names.

    Args:
        model: timm model name, ``'mmpretrain:NAME'`` or the config of a
            backbone of mmpretrain.
        layer, final_norm: As in :class:`TimmSource`.
        timm_kwargs: Further arguments of ``timm.create_model``.
    """
    if isinstance(model, str) and not model.startswith(_MMPRETRAIN):
        return TimmSource(model, layer, final_norm, timm_kwargs or {})
    if timm_kwargs:
        raise ValueError(
            f'timm_kwargs={timm_kwargs!r} cannot go with {model!r}, which is '
            'a backbone of mmpretrain. Write its arguments into a config '
            'dict given as model.'
        )
    if isinstance(model, str):
        model = model[len(_MMPRETRAIN) :]
    return MMPretrainSource(model, layer)


def fetch_published(model: str) -> str:
    """File of the library's own weights of a named model; may download it.

    Args:
        model: timm model name or ``'mmpretrain:NAME'``.

    Raises:
        DownloadError: It is not here and cannot be fetched.
        ValueError: There are none.
    """
    if isinstance(model, str) and model.startswith(_MMPRETRAIN):
        return fetch_mmpretrain(model[len(_MMPRETRAIN) :])
    return fetch_timm(model)
