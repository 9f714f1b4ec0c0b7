"""What a pixel may be beside the classes that are asked for."""

from collections.abc import Mapping, Sequence

from .names import Phrases, clean_name

__all__ = ['BACKGROUND', 'STUFF_BACKGROUND', 'with_background']

#: Name of the class.
BACKGROUND = 'background'

#: 26 words for what is around the objects of VOC and COCO (SCLIP's list,
#: ECCV 2024).
STUFF_BACKGROUND = tuple(
    'sky wall tree wood grass road sea river mountain sands desk bed building '
    'cloud lamp door window wardrobe ceiling shelf curtain stair floor hill '
    'rail fence'.split()
)


def with_background(
    texts: Mapping[str, Sequence[str]],
    background: str | Sequence[str] | None,
) -> Phrases:
    """Classes with one more, ``'background'``, in front.

    Args:
        texts: Texts of each class.
        background: Its texts, as a list or ``'sky,wall'``; ``'stuff'``: 26
            words for what surrounds objects, without those that are classes;
            ``'auto'``: ``'stuff'`` for a single class, which would else have
            nothing to be told from, and none for several; None: no such
            class.

    Raises:
        ValueError: There is a class of that name.
    """
    if background == 'auto':
        background = 'stuff' if len(texts) == 1 else None
    if background is None:
        return {name: tuple(own) for name, own in texts.items()}
    if BACKGROUND in texts:
        raise ValueError(
            f'there is a class {BACKGROUND!r} already; give its texts by '
            'texts=dict(background=[...]) and leave background out.'
        )
    if background == 'stuff':
        taken = {clean_name(name) for name in texts}
        background = [word for word in STUFF_BACKGROUND if word not in taken]
    elif isinstance(background, str):
        background = [part.strip() for part in background.split(',')]
    return {
        BACKGROUND: tuple(background),
        **{name: tuple(own) for name, own in texts.items()},
    }
