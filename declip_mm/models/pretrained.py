"""``DeCLIPViT.from_pretrained``: a backbone in one line."""

import re
from pathlib import Path
from typing import Any, Optional, Union

import open_clip

from ..assets import resolve_asset
from ..checkpoint import (
    FINGERPRINT_KEY,
    guess_model,
    load_image_tower,
    read_checkpoint,
    read_parts,
)

__all__ = ['FromPretrained', 'find_weights']

_SUFFIXES = ('.safetensors', '.pth', '.pt', '.bin')
_HUB_ID = re.compile(r'^[\w.-]+/[\w.-]+$')


def find_weights(
    source: str,
    filename: Optional[str] = None,
    revision: Optional[str] = None,
) -> str:
    """Path of a weight file: a file, a folder with one, or a hub repository.

    Args:
        source: Path, ``declip_mm://`` asset, or ``user/repository``.
        filename: Which file of a folder or repository; needed where there
            are several and none is called ``model.safetensors``.
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


def _choose(names: list, wanted: Optional[str], source: str) -> str:
    weights = sorted(n for n in names if n.endswith(_SUFFIXES))
    if wanted is None and 'model.safetensors' in weights:
        return 'model.safetensors'
    if wanted is None and len(weights) == 1:
        return weights[0]
    if wanted in names:
        return wanted
    raise ValueError(
        f'{source} has the weight files {", ".join(weights) or "(none)"}; '
        f'filename={wanted!r} names none of them. Give filename.'
    )


def _from_hub(
    repository: str, filename: Optional[str], revision: Optional[str]
) -> str:
    import huggingface_hub

    try:
        if filename is None:
            api = huggingface_hub.HfApi()
            names = api.list_repo_files(repository, revision=revision)
            filename = _choose(names, None, repository)
        return huggingface_hub.hf_hub_download(
            repository, filename, revision=revision
        )
    except ValueError:
        raise
    except Exception as error:  # the hub's own, requests', the system's ...
        raise ConnectionError(
            f'{repository!r} is no path here, and the model hub did not give '
            f'it: {type(error).__name__}: {str(error)[:200]}. Check the name '
            'and the connection, or fetch the file elsewhere and give its '
            'path.'
        ) from error


class FromPretrained:
    """Gives a backbone the class method :meth:`from_pretrained`."""

    @classmethod
    def from_pretrained(
        cls,
        source: str,
        *,
        filename: Optional[str] = None,
        revision: Optional[str] = None,
        prefix: Optional[str] = None,
        model: Any = None,
        affinity: Optional[str] = None,
        scale: Union[float, str, None] = None,
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
        if said.get('activation') == 'quick_gelu':
            options.setdefault('quick_gelu', True)
        backbone = cls(model, **options)
        if named and 'architecture' in said:
            # the name that its config had, which an architecture has not
            backbone.model = said.get('model', backbone.model)
        for name in ('pixel_mean', 'pixel_std'):
            if named and name in said:  # a tag has its own at times
                setattr(backbone, name, tuple(said[name]))
        load_image_tower(
            backbone.visual.trunk, path, backbone.fingerprint, prefix
        )
        backbone._is_init = True
        return backbone.eval()


def _model(said: dict, weights: dict, path: str) -> Any:
    """Architecture of a file: what it says, else what its sizes tell."""
    if 'architecture' in said:
        return dict(said['architecture'])
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
