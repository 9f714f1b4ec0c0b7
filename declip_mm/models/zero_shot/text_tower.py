"""Which text tower belongs to a backbone."""

from collections.abc import Mapping
from typing import Union

from ...checkpoint import compare_fingerprints
from ..declip_vit import DeCLIPViT
from ..text import DeCLIPTextEncoder

__all__ = ['find_text_tower']


def find_text_tower(
    text: Union[str, dict, DeCLIPTextEncoder, None],
    said: dict,
    backbone: DeCLIPViT,
    origin: str,
) -> DeCLIPTextEncoder:
    """The text tower of a backbone, compared with what its file says.

    Args:
        text: Weight file, tag, config or tower; None: what the file names.
        said: Fingerprint of the file, or empty.
        backbone: The image side.
        origin: Of the weights, for messages.

    Raises:
        ValueError: Nothing says where the text tower is, or its dimension
            is another one.
        FingerprintError: It is another CLIP's.
    """
    if text is None:
        text = dict(said.get('text_source') or {})
        if not text:
            raise ValueError(
                f'{origin} does not say where its text tower is. Give '
                "text='FILE' or an open_clip tag of the same CLIP "
                f'({backbone.model}).'
            )
    if isinstance(text, str):
        model = said.get('text_source', {}).get('model', backbone.model)
        text = dict(model=model, pretrained=text, allow_download=True)
    if isinstance(text, Mapping):
        text = {k: v for k, v in text.items() if k != 'type'}
        text = DeCLIPTextEncoder(**text)
    if said.get('text_tower'):
        compare_fingerprints(
            said['text_tower'],
            text.fingerprint,
            f'the text tower of {origin}',
            fields=('model', 'dim', 'architecture', 'weights'),
        )
    out_dim = backbone.visual.out_dim
    if text.embed_dim != out_dim:
        raise ValueError(
            f'image features have {out_dim} dimensions, texts '
            f'{text.embed_dim}: the text tower belongs to another CLIP.'
        )
    return text
