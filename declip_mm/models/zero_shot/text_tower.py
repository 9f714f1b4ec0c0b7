"""Which text tower belongs to a backbone."""

from collections.abc import Mapping
from pathlib import Path

from ...assets import resolve_asset
from ..declip_vit import DeCLIPViT
from ..pairing import check_text_tower, check_text_weights
from ..text import DeCLIPTextEncoder

__all__ = ['find_text_tower']


def find_text_tower(
    text: str | dict | DeCLIPTextEncoder | None,
    backbone: DeCLIPViT,
    origin: str,
) -> DeCLIPTextEncoder:
    """The text tower of a backbone, or a refusal of another one.

    Args:
        text: Weight file, tag, config or tower; None: the one that the
            backbone's file names.
        backbone: The image side, filled.
        origin: Of its weights, for messages.

    Raises:
        ValueError: Nothing says where the text tower is, or it is another
            CLIP's.
        FingerprintError: The backbone's file was measured with another one.
    """
    source = dict(backbone.file_says.get('text_source') or {})
    source.pop('prompts', None)
    if text is None:
        if not source:
            raise ValueError(
                f'{origin} does not say where its text tower is. Give '
                "text='FILE' or an open_clip tag of the same CLIP "
                f'({backbone.model}).'
            )
        text = source
    if isinstance(text, str):
        model = source.get('model') or _model_beside(text) or backbone.model
        text = dict(model=model, pretrained=text)
    if isinstance(text, Mapping):
        text = {k: v for k, v in text.items() if k != 'type'}
        check_text_tower(backbone, text)
        text = DeCLIPTextEncoder(**text)
    check_text_weights(backbone, text)
    out_dim = backbone.visual.out_dim
    if text.embed_dim != out_dim:
        raise ValueError(
            f'image features have {out_dim} dimensions, texts '
            f'{text.embed_dim}: the text tower belongs to another CLIP.'
        )
    return text


def _model_beside(weights: str) -> str | None:
    """The model's own ``.json`` beside a weight file of the same name."""
    path = Path(resolve_asset(weights)).with_suffix('.json')
    return str(path) if path.is_file() else None
