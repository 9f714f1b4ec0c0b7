"""Released checkpoints into an :class:`OVCATSegmentor`, strictly."""

from ...checkpoint import fill, name_hints, read_checkpoint, read_parts
from .keymaps import released_head
from .segmentor import OVCATSegmentor

__all__ = ['load_released']


def _check_hints(model: OVCATSegmentor, path: str) -> None:
    """Refuse an affinity that the file's name contradicts."""
    said = name_hints(path).get('name_affinity')
    ours = model.backbone.last_block.affinity
    if said and said != ours:
        raise ValueError(
            f'{path} calls itself {said!r}, and the backbone of the '
            f'config has affinity={ours!r}. Results would be wrong without '
            'any error; change the config to what the file is.'
        )


def load_released(
    model: OVCATSegmentor,
    path: str,
    text: str | None = None,
    trust_pickle: str | None = None,
) -> dict[str, int]:
    """Fill a model from the authors' file.

    Args:
        model: Built from the config that belongs to the file.
        path: Official CAT-Seg weights, the DeCLIP authors' CAT-Seg weights,
            or a DeCLIP or CLIP file without a head, which stays as it is.
        text: File with the text tower, where ``path`` has none.
        trust_pickle: See :func:`~declip_mm.checkpoint.read_content`.

    Returns:
        How many tensors each part took; no ``'head'`` where the file has
        none.

    Raises:
        ValueError: A part is missing, does not fit or is left over.
    """
    _check_hints(model, path)
    parts = read_parts(read_checkpoint(path, trust_pickle)[0])
    head, strange = released_head(parts.beside)
    unknown: list[str] = [*parts.strange, *strange]
    if unknown:
        raise ValueError(
            f'{path} has {len(unknown)} keys of no known part, such as '
            f'{", ".join(unknown[:5])}.'
        )
    words = parts.text
    if text is not None:
        words = read_parts(read_checkpoint(text, trust_pickle)[0]).text
    if not parts.visual or not words:
        missing = 'text' if parts.visual else 'image'
        raise ValueError(
            f'{path} has no {missing} tower. CAT-Seg needs both: with random '
            'weights in one, training looks fine and zero-shot mIoU ends '
            'near 1. Give the CLIP file with the text tower as `text`.'
        )
    todo = dict(
        image=(model.backbone.visual.trunk, parts.visual),
        text=(model.text_encoder.tower, words),
        head=(model.decode_head, head),
    )
    todo = {name: part for name, part in todo.items() if part[1]}
    for name, (module, weights) in todo.items():
        what = name if name == 'head' else f'{name} tower'
        fill(module, weights, path, what)
    model.forget_texts()
    return {name: len(weights) for name, (_, weights) in todo.items()}
