"""``DeCLIPViT.from_pretrained``: a backbone in one line."""

import re
from pathlib import Path
from typing import Any

import open_clip

from ..assets import resolve_asset
from ..checkpoint import (
    FINGERPRINT_KEY,
    guess_model,
    load_image_tower,
    read_checkpoint,
    read_parts,
)
from .download import OPEN_CLIP, cached, fetch_from_hub, list_hub
from .towers import read_model_config, say_unchecked, settle_activation

__all__ = ['FromPretrained', 'find_weights']

_SUFFIXES = ('.safetensors', '.pth', '.pt', '.bin')
_USUAL = ('model.safetensors', 'open_clip_model.safetensors')
_HUB_ID = re.compile(r'^[\w.-]+/[\w.-]+$')


def find_weights(
    source: str,
    filename: str | None = None,
    revision: str | None = None,
) -> str:
    """Path of a weight file: a file, a folder with one, or a hub repository.

    Args:
        source: Path, ``declip_mm://`` asset, or ``user/repository``.
        filename: Which file of a folder or repository; needed where there
            are several and none is called ``model.safetensors`` or
            ``open_clip_model.safetensors``.
        revision: Branch, tag or commit of the repository.

    Raises:
        FileNotFoundError: Nothing there, and no hub repository by its form.
        ValueError: Several files, or none, to choose from.
        ConnectionError: The hub cannot be reached or does not have it.
    """
    source = resolve_asset(str(source))
    path = Path(source)
    if path.is_file():
        return source
    if path.is_dir():
        names = [p.name for p in path.iterdir() if p.is_file()]
        return str(path / _choose(names, filename, source))
    if source.endswith(_SUFFIXES) or not _HUB_ID.match(source):
        raise FileNotFoundError(
            f'{source} is neither a file nor a folder here, and no hub '
            "repository ('user/name') by its form. Check the path."
        )
    return _from_hub(source, filename, revision)


def _choose(names: list, wanted: str | None, source: str) -> str:
    weights = sorted(n for n in names if n.endswith(_SUFFIXES))
    usual = [name for name in _USUAL if name in weights]
    if wanted is None and usual:
        return usual[0]
    if wanted is None and len(weights) == 1:
        return weights[0]
    if wanted in names:
        return wanted
    raise ValueError(
        f'{source} has the weight files {", ".join(weights) or "(none)"}; '
        f'filename={wanted!r} names none of them. Give filename.'
    )


def _from_hub(
    repository: str, filename: str | None, revision: str | None
) -> str:
    wanted_by = f'from_pretrained({repository!r})'
    found = cached(repository, [filename] if filename else _USUAL, revision)
    if found is not None:
        return found
    if filename is None:
        names = list_hub(repository, wanted_by, revision)
        filename = _choose(names, None, repository)
    return fetch_from_hub(repository, [filename], wanted_by, revision)


class FromPretrained:
    """Gives a backbone the class method :meth:`from_pretrained`."""

    @classmethod
    def from_pretrained(
        cls,
        source: str,
        *,
        filename: str | None = None,
        revision: str | None = None,
        prefix: str | None = None,
        model: Any = None,
        affinity: str | None = None,
        scale: float | str | None = None,
        **options: Any,
    ) -> Any:
        """Build a backbone and fill it, as the file's fingerprint says.

        Args:
            source: Weight file, folder, or ``user/repository`` on the hub.
            filename, revision: See :func:`find_weights`.
            prefix: Where the backbone is in a detector's or segmentor's
                checkpoint, such as ``'backbone.'``.
            model, affinity, scale: As in the constructor. Needed where the
                file does not say; where it does, they have to agree.
            options: Further arguments of the constructor.

        Returns:
            The backbone, filled strictly, in eval mode.

        Raises:
            ValueError: The file does not say what it is, and nor does the
                call; or the two contradict each other.

        Example:
            >>> model = DeCLIPViT.from_pretrained('exported.safetensors')
        """
        path = find_weights(source, filename, revision)
        weights, meta = read_checkpoint(path)
        said = meta.get(FINGERPRINT_KEY, {})
        named = model is None
        if named:
            model = _model(said, weights, path)
        given = dict(affinity=affinity, scale=scale)
        for name, value in given.items():
            if value is None and name not in said:
                raise ValueError(
                    f'{path} does not say with which {name} it was trained. '
                    f'Give {name}=..., or convert the file first: '
                    'tools/model_converters/convert.py.'
                )
            options[name] = said[name] if value is None else value
        quick_gelu = options.pop('quick_gelu', None)
        activation = settle_activation(model, path, quick_gelu)
        backbone = cls(model, quick_gelu=activation.quick_gelu, **options)
        if backbone.visual.activation == 'gelu' and not activation.by:
            say_unchecked(path, 'image tower')
        if named and 'architecture' in said:
            # the name that its config had, which an architecture has not
            backbone.model = said.get('model', backbone.model)
        for name in ('pixel_mean', 'pixel_std'):
            if named and name in said:  # a tag has its own at times
                setattr(backbone, name, tuple(said[name]))
        backbone.activation_by = activation.by
        backbone.file_says = load_image_tower(
            backbone.visual.trunk, path, backbone.fingerprint, prefix
        )
        backbone._is_init = True
        return backbone.eval()


def _model(said: dict, weights: dict, path: str) -> Any:
    """Architecture of a file: what it says, else what its sizes tell.

    open_clip's own files have a configuration beside them.
    """
    if 'architecture' in said:
        return dict(said['architecture'])
    beside = Path(path).with_name('open_clip_config.json')
    if not said and Path(path).name in OPEN_CLIP and beside.is_file():
        return read_model_config(beside)
    names = (said.get('model'), guess_model(read_parts(weights)))
    known = [n for n in names if n in open_clip.list_models()]
    if not known:
        raise ValueError(
            f'{path} does not say which model it is (fingerprint: '
            f'{said.get("model")!r}), and its sizes are those of no model '
            'that is known by name. Give model=..., an open_clip name or a '
            'config dict.'
        )
    return known[0]
