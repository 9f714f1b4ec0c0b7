"""From a file to RGB pixels, whatever the file is."""

import os
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

__all__ = [
    'UnreadableImage',
    'printable',
    'read_image',
    'read_labelled',
    'read_size',
]

_DEEP_GREY = {'I', 'I;16', 'I;16L', 'I;16B', 'I;16N'}
_ALPHA = {'RGBA', 'RGBa', 'LA', 'La', 'PA'}
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class UnreadableImage(ValueError):
    """A file that is damaged, no picture, or too large to be an honest one."""


def printable(path: str | Path) -> str:
    """A path that any log can take, also where it is not valid UTF-8."""
    return os.fsencode(path).decode('utf-8', 'replace')


def read_image(path: str | Path, orient: bool = True) -> Image.Image:
    """Decode a picture to 8-bit RGB.

    Transparent parts become white, 16-bit grey keeps its upper byte, CMYK
    and palettes are converted. The format is told from the content, not from
    the file name; of an animation the first frame is taken.

    Args:
        path: Of the file.
        orient: Turn the picture as its EXIF orientation says.

    Raises:
        UnreadableImage: Names the file and why. Also for pictures beyond
            ``PIL.Image.MAX_IMAGE_PIXELS`` (89 million), which Pillow takes
            for decompression bombs; raise that limit to read them.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            warnings.simplefilter('error', Image.DecompressionBombWarning)
            _check_sums(path)
            with Image.open(path) as image:
                upright = _UPRIGHT.get(_orientation(image)) if orient else None
                rgb = _to_rgb(image)
    # Pillow's parsers raise whatever a damaged file makes them stumble over.
    except Exception as error:
        raise UnreadableImage(
            f'{printable(path)} is no picture that can be read '
            f'({type(error).__name__}: {_reason(error)}). {_remedy(error)}'
        ) from error
    return rgb if upright is None else rgb.transpose(upright)


def _check_sums(path: str | Path) -> None:
    """A PNG has checksums, which Pillow only looks at on request.

    Without them, altered pixels are shown as if they were meant.
    """
    with Image.open(path) as image:
        if image.format == 'PNG':
            image.verify()


def _reason(error: Exception) -> str:
    text = str(error).replace('\n', ' ').rstrip('.')
    return text.encode('utf-8', 'replace').decode()[:200]


def _remedy(error: Exception) -> str:
    if isinstance(
        error, Image.DecompressionBombWarning | Image.DecompressionBombError
    ):
        return (
            'Scale it down, or raise PIL.Image.MAX_IMAGE_PIXELS if it is '
            'an honest one.'
        )
    if isinstance(error, FileNotFoundError):
        return 'Check the path; a link may point nowhere.'
    return 'Replace it, or take it out of the data set.'


def read_labelled(
    path: str | Path, size: tuple[int, int], source: str | Path
) -> Image.Image:
    """A picture whose labels say how large it is.

    It is turned as its EXIF says only if the labels fit it then.

    Args:
        path: Of the picture.
        size: (height, width) of the labels.
        source: File of the labels, for the message.

    Raises:
        UnreadableImage: See :func:`read_image`.
        ValueError: It has another size.
    """
    for orient in (True, False):
        image = read_image(path, orient)
        if (image.height, image.width) == tuple(size):
            return image
    raise ValueError(
        f'{printable(path)} is {image.height} x {image.width} (height x '
        f'width), but {source} says {size[0]} x {size[1]}.'
    )


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    # Damaged EXIF does not spoil the pixels.
    except Exception:
        return 1


def _to_rgb(image: Image.Image) -> Image.Image:
    image.load()
    if image.mode == 'F':
        raise ValueError('floating-point pixels have no defined range')
    if image.mode in _DEEP_GREY:
        grey = np.asarray(image).astype(np.int64).clip(0, 65535) >> 8
        image = Image.fromarray(grey.astype(np.uint8))
    elif image.mode in _ALPHA or 'transparency' in image.info:
        rgba = image.convert('RGBA')
        image = Image.new('RGBA', rgba.size, 'white')
        image.alpha_composite(rgba)
    return image.convert('RGB')


def read_size(path: str | Path) -> tuple[int, int]:
    """(height, width) of :func:`read_image`, from the header alone.

    Raises:
        UnreadableImage: Names the file and why.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            with Image.open(path) as image:
                turned = _orientation(image) >= 5
                size = image.height, image.width
    except Exception as error:
        raise UnreadableImage(
            f'{printable(path)} is no picture that can be read '
            f'({type(error).__name__}: {_reason(error)}). {_remedy(error)}'
        ) from error
    return size[::-1] if turned else size
