"""Cached teachers in the place of a pre-finetuning config's own."""

from mmengine.config import Config

__all__ = ['plain_teacher', 'use_caches']

CACHES = ('VFMCache', 'CropCache')


def plain_teacher(teacher: dict) -> dict:
    """The teacher of a config, without the cache around it."""
    return teacher['teacher'] if teacher['type'] in CACHES else teacher


def use_caches(
    cfg: Config, vfm: str | None = None, crops: str | None = None
) -> None:
    """Put filled caches in the place of the teachers, in place.

    The views then make neither crops nor a VFM view.

    Args:
        cfg: A pre-finetuning config.
        vfm, crops: Array files; None leaves that teacher as it is.
    """
    views = cfg.train_dataloader.dataset.views
    for name, path, kind, size in (
        ('context_teacher', vfm, 'VFMCache', 'vfm_size'),
        ('content_teacher', crops, 'CropCache', 'crop_size'),
    ):
        if path is not None:
            inner = plain_teacher(cfg.model[name])
            cfg.model[name] = dict(type=kind, path=str(path), teacher=inner)
            views[size] = None
