"""From a file to RGB pixels, whatever the file is."""

import math
import os
import re
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

__all__ = [
    'ContradictingImage',
    'LabelledImage',
    'UnreadableImage',
    'check_size',
    'check_sums',
    'explained',
    'obey_pixel_limit',
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


#: These exchange height and width.
_SIDEWAYS = {
    Image.Transpose.TRANSPOSE,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSVERSE,
    Image.Transpose.ROTATE_90,
}
_LIMIT = 'DECLIP_MAX_PIXELS'
_UNITS = {'': 1, 'K': 10**3, 'M': 10**6, 'G': 10**9}


class UnreadableImage(ValueError):
    """A file that is damaged, no picture, or too large to be an honest one."""


class ContradictingImage(UnreadableImage):
    """A file that can be read, but is not what its labels are of."""


def printable(path: str | Path) -> str:
    """A path that any log can take, also where it is not valid UTF-8."""
    return os.fsencode(path).decode('utf-8', 'replace')


def obey_pixel_limit() -> None:
    """Let Pillow read pictures of up to ``DECLIP_MAX_PIXELS`` pixels.

    The environment variable holds a number, also as ``200M`` or ``0.2G``;
    without it Pillow's own limit stays, 89 million.

    Raises:
        ValueError: It holds something else.
    """
    text = os.environ.get(_LIMIT, '').strip()
    if not text:
        return
    number = re.fullmatch(r'([\d_]+(?:\.\d+)?)([KMG]?)', text.upper())
    pixels = 0
    if number:
        pixels = int(float(number[1]) * _UNITS[number[2]])
    if pixels < 1:
        raise ValueError(
            f'the environment variable {_LIMIT}={text!r} is no number of '
            'pixels; write it as 200000000 or 200M, or unset it.'
        )
    Image.MAX_IMAGE_PIXELS = pixels


def read_image(path: str | Path, orient: bool = True) -> Image.Image:
    """Decode a picture to 8-bit RGB.

    Transparent parts become white, 16-bit grey keeps its upper byte, CMYK
    and palettes are converted. The format is told from the content, not from
    the file name; of an animation the first frame is taken.

    Args:
        path: Of the file.
        orient: Turn the picture as its EXIF orientation says.

    Raises:
        UnreadableImage: Names the file and why. Also for pictures beyond 89
            million pixels, which Pillow takes for decompression bombs;
            :func:`obey_pixel_limit` says how to raise that limit.
    """
    rgb, upright = _decode(path)
    return rgb.transpose(upright) if orient and upright is not None else rgb


def _decode(
    path: str | Path,
) -> tuple[Image.Image, Image.Transpose | None]:
    """RGB as stored, and what would turn it upright."""
    obey_pixel_limit()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            warnings.simplefilter('error', Image.DecompressionBombWarning)
            check_sums(path)
            with Image.open(path) as image:
                return _to_rgb(image), _UPRIGHT.get(_orientation(image))
    # Pillow's parsers raise whatever a damaged file makes them stumble over.
    except Exception as error:
        raise explained(path, error) from error


def _header(
    path: str | Path,
) -> tuple[tuple[int, int], Image.Transpose | None]:
    """(height, width) as stored, and what would turn it upright."""
    obey_pixel_limit()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            with Image.open(path) as image:
                turn = _UPRIGHT.get(_orientation(image))
                return (image.height, image.width), turn
    except Exception as error:
        raise explained(path, error) from error


def read_size(path: str | Path, orient: bool = True) -> tuple[int, int]:
    """(height, width) of :func:`read_image`, from the header alone.

    Raises:
        UnreadableImage: Names the file and why.
    """
    stored, turn = _header(path)
    return stored[::-1] if orient and turn in _SIDEWAYS else stored


def check_sums(file: object) -> None:
    """A PNG has checksums, which Pillow only looks at on request.

    Without them, altered pixels are shown as if they were meant.
    """
    with Image.open(file) as image:
        if image.format == 'PNG':
            image.verify()


def explained(path: str | Path, error: Exception) -> UnreadableImage:
    """What Pillow stumbled over, with the file and what to do."""
    return UnreadableImage(
        f'{printable(path)} is no picture that can be read '
        f'({type(error).__name__}: {_reason(error)}). {_remedy(error)}'
    )


def _reason(error: Exception) -> str:
    text = str(error).replace('\n', ' ').rstrip('.')
    return text.encode('utf-8', 'replace').decode()[:200]


def _remedy(error: Exception) -> str:
    if isinstance(
        error, Image.DecompressionBombWarning | Image.DecompressionBombError
    ):
        found = re.search(r'\((\d+) pixels\)', str(error))
        enough = math.ceil(int(found[1]) / 10**6) if found else 200
        return (
            'Scale it down, or, if it is an honest one, set the environment '
            f'variable {_LIMIT}={enough}M.'
        )
    if isinstance(error, FileNotFoundError):
        return 'Check the path; a link may point nowhere.'
    return 'Replace it, or take it out of the data set.'


class LabelledImage(NamedTuple):
    """A picture as its labels lie.

    Attributes:
        image: RGB.
        undecided: Its EXIF turns it, and the labels fit before and after;
            it was turned, as all common tools do that show pictures.
    """

    image: Image.Image
    undecided: bool


def read_labelled(
    path: str | Path, size: tuple[int, int], source: str | Path
) -> LabelledImage:
    """A picture whose labels say how large it is.

    It is turned as its EXIF says only if the labels fit it then.

    Args:
        path: Of the picture.
        size: (height, width) of the labels.
        source: File of the labels, for the message.

    Raises:
        UnreadableImage: See :func:`read_image`.
        ContradictingImage: It has another size.
    """
    image, turn = _decode(path)
    stored = image.height, image.width
    turn, undecided = _fitting(path, stored, turn, size, source)
    image = image if turn is None else image.transpose(turn)
    return LabelledImage(image, undecided)


def check_size(
    path: str | Path, size: tuple[int, int], source: str | Path
) -> None:
    """Whether :func:`read_labelled` would find the size, from the header.

    Raises:
        UnreadableImage, ContradictingImage: As there.
    """
    _fitting(path, *_header(path), size, source)


def _fitting(path, stored, turn, size, source) -> tuple:
    """How to turn a picture for its labels, and whether both ways fit."""
    upright = stored[::-1] if turn in _SIDEWAYS else stored
    if tuple(size) == upright:
        return turn, turn is not None and stored == upright
    if tuple(size) == stored:
        return None, False
    raise ContradictingImage(
        f'{printable(path)} is {stored[0]} x {stored[1]} (height x width), '
        f'but {printable(source)} says {size[0]} x {size[1]}. Take the '
        'picture that was labelled, or correct the labels.'
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
    # converting would copy: 276 MB at 92 megapixels
    return image if image.mode == 'RGB' else image.convert('RGB')
