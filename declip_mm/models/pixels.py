"""Pixel statistics: a network's own, or refused, or declared on purpose.

Every preprocessor asks here. What is left out is the network's; what is given
and differs is refused, because with the statistics of another CLIP everything
runs and a few points are gone. ``foreign_pixels='why'`` in the preprocessor's
config declares an intended difference, which is logged.
"""

import inspect
from collections.abc import Sequence
from typing import Any

from mmengine.logging import print_log
from mmengine.registry import Registry
from open_clip.constants import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    OPENAI_DATASET_MEAN,
    OPENAI_DATASET_STD,
)
from torch import Tensor

__all__ = [
    'CLIP',
    'IMAGENET',
    'check_reason',
    'check_statistics',
    'complete_pixels',
    'fit_pixels',
    'match_pixels',
    'normalise',
]

Values = tuple[float, ...]

#: Mean and std of RGB in 0 to 255: OpenAI's CLIP's, ImageNet's.
CLIP = tuple(
    tuple(255 * v for v in values)
    for values in (OPENAI_DATASET_MEAN, OPENAI_DATASET_STD)
)
IMAGENET = tuple(
    tuple(255 * v for v in values) for values in (IMAGENET_MEAN, IMAGENET_STD)
)
#: Configs are written with two decimals.
_TOLERANCE = 0.255


def normalise(image: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """(..., 3, H, W) of RGB in 0 to 255 -> float32; mean and std (3, 1, 1)."""
    return (image.float() - mean) / std


def check_statistics(name: str, values: Sequence[float]) -> None:
    """Refuse what are no statistics of RGB in 0 to 255.

    Raises:
        ValueError: Not three numbers, no positive std, or shares of 1.
    """
    if len(values) != 3 or ('std' in name and min(values) <= 0):
        raise ValueError(
            f'{name} must be three numbers for R, G, B'
            f'{" above 0" * ("std" in name)}, got {tuple(values)}.'
        )
    if 0 < max(values) < 1:
        raise ValueError(
            f'{name}={tuple(values)} looks like a share of 1; pixels are 0 to '
            '255 here, so multiply it by 255.'
        )


def check_reason(why: str | None) -> str | None:
    """The value of ``foreign_pixels``, a reason in words or None.

    Raises:
        ValueError: Anything else.
    """
    if why is not None and not (isinstance(why, str) and why.strip()):
        raise ValueError(
            f'foreign_pixels={why!r}: say in words why the pixel statistics '
            "are not the backbone's, as in foreign_pixels='as published', or "
            'leave it out.'
        )
    return why


def match_pixels(
    name: str,
    given: Sequence[float] | None,
    network: Any,
    why: str | None = None,
) -> Values:
    """The statistics to use: the network's, unless others are declared.

    Args:
        name: Ends in ``mean`` or ``std``; option of the preprocessor.
        given: RGB in 0 to 255; None takes the network's.
        network: Has ``pixel_mean`` and ``pixel_std`` of RGB in 0 to 1.
        why: Value of ``foreign_pixels``.

    Raises:
        ValueError: ``given`` differs, and no reason is declared.
    """
    kind = name.rpartition('_')[2]
    wanted = tuple(255 * v for v in getattr(network, f'pixel_{kind}'))
    if given is None:
        return wanted
    check_statistics(name, given)
    given = tuple(float(v) for v in given)
    if max(abs(a - b) for a, b in zip(given, wanted)) <= _TOLERANCE:
        return given
    what = (
        f'{type(network).__name__} wants pixel {kind} {_rounded(wanted)}, '
        f'the data preprocessor has {name}={_rounded(given)}'
    )
    if check_reason(why) is None:
        raise ValueError(
            f'{what}. Set its {name} to the former, or leave it out; if the '
            "difference is meant, declare it there: foreign_pixels='why'."
        )
    print_log(f'{what}, as declared: {why}', logger='current')
    return given


def fit_pixels(preprocessor: Any, network: Any, prefix: str = '') -> None:
    """Make a built preprocessor fit a network, or refuse it.

    Args:
        preprocessor: One of ours adopts what it was not given; of others the
            statistics are compared where they have any.
        network: As in :func:`match_pixels`.
        prefix: ``''`` for a CLIP, ``'vfm_'`` for a VFM teacher.

    Raises:
        ValueError: Its statistics are another network's.
    """
    adopt = getattr(preprocessor, 'adopt', None)
    if adopt is not None:
        adopt(network, prefix)
        return
    for kind in ('mean', 'std'):
        given = getattr(preprocessor, prefix + kind, None)
        if isinstance(given, Tensor):
            values = given.flatten().tolist()
            why = getattr(preprocessor, 'foreign_pixels', None)
            match_pixels(prefix + kind, values, network, why)


def complete_pixels(
    config: dict[str, Any], network: Any, registry: Registry
) -> dict[str, Any]:
    """Config of mmdet's or mmseg's preprocessor that fits a network.

    Args:
        config: ``mean``, ``std`` and ``bgr_to_rgb`` may be left out;
            ``foreign_pixels`` is taken out.
        network: As in :func:`match_pixels`.
        registry: Where its ``type`` is.

    Raises:
        ValueError: Statistics of another network, or channels in BGR.
    """
    config = dict(config)
    why = check_reason(config.pop('foreign_pixels', None))
    kind = registry.get(config['type'])
    if kind is None or 'mean' not in inspect.signature(kind).parameters:
        return config
    for name in ('mean', 'std'):
        config[name] = list(match_pixels(name, config.get(name), network, why))
    if 'bgr_to_rgb' in inspect.signature(kind).parameters:
        config.setdefault('bgr_to_rgb', True)
        check_order(config['bgr_to_rgb'], config.get('rgb_to_bgr'), why)
    return config


def check_order(
    bgr_to_rgb: bool, rgb_to_bgr: bool | None, why: str | None
) -> None:
    """Refuse to feed a CLIP the channels in the order of files.

    Raises:
        ValueError: They stay in BGR, and no reason is declared.
    """
    if bgr_to_rgb and not rgb_to_bgr:
        return
    what = (
        f'the data preprocessor has bgr_to_rgb={bgr_to_rgb}'
        f'{", rgb_to_bgr=True" * bool(rgb_to_bgr)}: pictures come as BGR, as '
        'mmcv loads them, and every CLIP wants RGB'
    )
    if why is None:
        raise ValueError(
            f'{what}. Leave both out; if your pipeline loads RGB, declare it '
            "there: foreign_pixels='the pipeline loads RGB'."
        )
    print_log(f'{what}, as declared: {why}', logger='current')


def _rounded(values: Sequence[float]) -> list:
    return [round(v, 2) for v in values]
