"""Cached teachers in the place of a pre-finetuning config's own."""

from typing import Any

from mmengine.config import Config

from ..models.cache_file import CacheFile

__all__ = [
    'cache_fields',
    'check_components',
    'needs_views',
    'plain_teacher',
    'use_caches',
]

#: Of a cache file: teacher of the model, size of the views, type.
PLACES = dict(
    vfm=('context_teacher', 'vfm_size', 'VFMCache'),
    crops=('content_teacher', 'crop_size', 'CropCache'),
)
CACHES = tuple(kind for _, _, kind in PLACES.values())
#: Models that ask a VFM for nothing but cosines within a picture.
_COSINES_ONLY = ('DecoupledDistiller',)


def plain_teacher(teacher: dict) -> dict:
    """The teacher of a config, without the cache around it."""
    return teacher['teacher'] if teacher['type'] in CACHES else teacher


def check_components(model: dict, components: int | None) -> None:
    """Refuse components of maps where a model may read the maps themselves.

    Raises:
        ValueError: Names the models that may have them.
    """
    if components is not None and model['type'] not in _COSINES_ONLY:
        raise ValueError(
            f'components={components} keep only the cosines between tokens '
            f'of a picture; {model["type"]} may want more. Models known to '
            f'ask for nothing else: {", ".join(_COSINES_ONLY)}. Store whole '
            'features: leave components out.'
        )


def needs_views(path: str) -> bool:
    """Whether a cache keeps a part of the pictures, so that views stay."""
    file = CacheFile(path)
    return file.exists and 'kept_images' in file.fingerprint


def cache_fields(model: dict, name: str, path: str) -> dict[str, Any]:
    """Config of a filled cache, all but its teacher.

    Args:
        model: Config of the model.
        name: ``'vfm'`` or ``'crops'``.
        path: Array file.
    """
    fields = dict(type=PLACES[name][2], path=str(path))
    file = CacheFile(path)
    components = file.exists and file.fingerprint.get('components')
    if components:
        check_components(model, components)
        fields['components'] = components
    # the loss of whole pictures asks the crop teacher itself
    if name == 'vfm' or not model.get('image_weight'):
        fields['keep_teacher'] = False
    return fields


def use_caches(
    cfg: Config, vfm: str | None = None, crops: str | None = None
) -> None:
    """Put filled caches in the place of the teachers, in place.

    The views then make neither crops nor a VFM view, unless a cache keeps
    only a part of the pictures. Teachers are built to compare their weights,
    and then let go.

    Args:
        cfg: A pre-finetuning config.
        vfm, crops: Array files; None leaves that teacher as it is.
    """
    views = cfg.train_dataloader.dataset.views
    for name, path in dict(vfm=vfm, crops=crops).items():
        if path is None:
            continue
        part, size, _ = PLACES[name]
        fields = cache_fields(cfg.model, name, path)
        inner = plain_teacher(cfg.model[part])
        cfg.model[part] = dict(fields, teacher=inner)
        if not needs_views(path):
            views[size] = None
