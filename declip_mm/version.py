"""Version of the package, and the versions it works with.

Cheap on purpose: importing this file imports neither torch nor mmengine.
"""

from importlib import metadata
from typing import NamedTuple

from packaging.version import InvalidVersion, Version

__version__ = '0.1.0'


class Range(NamedTuple):
    """Versions ``minimum <= v < below`` of one import name.

    Attributes:
        minimum: Lowest version that works.
        below: First version that does not (or is not known to).
        distributions: Names under which pip may have installed it.
        install: What to give to ``pip install`` when it is missing or old.
        reason: Why the bounds are where they are.
    """

    minimum: str
    below: str
    distributions: tuple[str, ...]
    install: str
    reason: str


CORE: dict[str, Range] = {
    'torch': Range(
        '2.1',
        '3.0',
        ('torch',),
        'torch torchvision',
        'scaled_dot_product_attention takes `scale` from 2.1 on',
    ),
    'mmengine': Range(
        '0.10.3',
        '1.0.0',
        ('mmengine', 'onedl-mmengine', 'mmengine-lite'),
        'onedl-mmengine',
        'Runner and hooks of 0.10; 1.0 is not out',
    ),
    'open_clip': Range(
        '2.32',
        '4.0',
        ('open_clip_torch', 'open-clip-torch'),
        'open_clip_torch',
        'tower layout (forward_intermediates, timm EVA trunk) from 2.32 on',
    ),
    'timm': Range(
        '1.0.9',
        '2.0.0',
        ('timm',),
        'timm',
        'EVA-02 trunk and forward_intermediates as read by our adapters',
    ),
    'numpy': Range(
        '1.23', '3.0', ('numpy',), 'numpy', 'array interface of 1.23 to 2.x'
    ),
}

OPTIONAL: dict[str, Range] = {
    'mmcv': Range(
        '2.0.0',
        '3.0.0',
        ('mmcv', 'onedl-mmcv', 'mmcv-lite'),
        'onedl-mmcv --no-build-isolation',
        'transforms and ops of the 2.x series',
    ),
    'mmdet': Range(
        '3.0.0',
        '4.0.0',
        ('mmdet', 'onedl-mmdetection'),
        'onedl-mmdetection',
        'mmengine-based series',
    ),
    'mmseg': Range(
        '1.0.0',
        '2.0.0',
        ('mmsegmentation', 'onedl-mmsegmentation'),
        'onedl-mmsegmentation',
        'mmengine-based series',
    ),
    'mmpretrain': Range(
        '1.0.0',
        '2.0.0',
        ('mmpretrain', 'onedl-mmpretrain'),
        'onedl-mmpretrain',
        'mmengine-based series',
    ),
}


class VersionError(ImportError):
    """A package that declip_mm stands on is missing or out of range."""


def installed_version(distributions: tuple[str, ...]) -> str | None:
    """Returns the version of the first distribution that is installed."""
    for name in distributions:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def check(name: str, wanted: Range, found: str | None) -> None:
    """Raises `VersionError` unless ``found`` lies in the wanted range.

    Pre-releases and local builds (``2.6.0a0+ecf3bae``) count as the release
    they lead to.
    """
    bounds = f'{name}>={wanted.minimum},<{wanted.below}'
    remedy = f'pip install {wanted.install}'
    if found is None:
        names = ' or '.join(wanted.distributions)
        raise VersionError(
            f'declip_mm needs {bounds}, and none is installed '
            f'(looked for {names}). Install it: {remedy}'
        )
    try:
        release = Version(Version(found).base_version)
    except InvalidVersion:
        raise VersionError(
            f'declip_mm needs {bounds}; the installed version calls itself '
            f'{found!r}, which is no version number. Install it anew: {remedy}'
        ) from None
    if Version(wanted.minimum) <= release < Version(wanted.below):
        return
    raise VersionError(
        f'declip_mm needs {bounds} ({wanted.reason}), and {name} {found} is '
        f'installed. Install one in that range, for instance: {remedy}'
    )


def check_versions() -> None:
    """Checks what the core stands on.

    Raises:
        VersionError: Names both bounds, what was found and what to install.
    """
    for name, wanted in CORE.items():
        check(name, wanted, installed_version(wanted.distributions))


def require(*names: str) -> None:
    """Checks optional packages; sub-packages that need them call this first.

    Args:
        names: Import names out of mmcv, mmdet, mmseg, mmpretrain.

    Raises:
        ValueError: A name that is not one of these.
        VersionError: Missing or out of range.
    """
    for name in names:
        if name not in OPTIONAL:
            raise ValueError(
                f'got {name!r}, allowed are {", ".join(sorted(OPTIONAL))}'
            )
        wanted = OPTIONAL[name]
        check(name, wanted, installed_version(wanted.distributions))
