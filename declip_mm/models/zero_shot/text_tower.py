"""Which text tower belongs to a backbone, or to features that it made."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...assets import resolve_asset
from ..declip_vit import DeCLIPViT
from ..pairing import check_text_tower, check_text_weights
from ..text import DeCLIPTextEncoder

__all__ = ['TextTower', 'find_text_tower', 'text_config']

#: How people give a text tower: its weight file or open_clip tag, a config, a
#: built one; None is the one that the other side names.
TextTower = str | dict | DeCLIPTextEncoder | None


def text_config(
    text: TextTower, source: Mapping[str, Any], model: str, origin: str
) -> dict[str, Any]:
    """Arguments of the text tower that is meant; none of a built one.

    Args:
        text: See :data:`TextTower`.
        source: Where the other side says that its text tower is; empty where
            it does not.
        model: Of the other side, if nothing else tells.
        origin: Of the other side, for messages.

    Raises:
        ValueError: Nothing says where the text tower is.
    """
    if isinstance(text, DeCLIPTextEncoder):
        return {}
    source = {k: v for k, v in source.items() if k != 'prompts'}
    if text is None and not source:
        raise ValueError(
            f'{origin} does not say where its text tower is. Give '
            f"text='FILE' or an open_clip tag of the same CLIP ({model})."
        )
    if text is None:
        return source
    if isinstance(text, str):
        model = source.get('model') or _model_beside(text) or model
        return dict(model=model, pretrained=text)
    return {k: v for k, v in text.items() if k != 'type'}


def find_text_tower(
    text: TextTower, backbone: DeCLIPViT, origin: str
) -> DeCLIPTextEncoder:
    """The text tower of a backbone, or a refusal of another one.

    Args:
        text: See :data:`TextTower`.
        backbone: The image side, filled.
        origin: Of its weights, for messages.

    Raises:
        ValueError: Nothing says where the text tower is, or it is another
            CLIP's.
        FingerprintError: The backbone's file was measured with another one.
    """
    if not isinstance(text, DeCLIPTextEncoder):
        source = backbone.file_says.get('text_source') or {}
        config = text_config(text, source, backbone.model, origin)
        check_text_tower(backbone, config)
        text = DeCLIPTextEncoder(**config)
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
