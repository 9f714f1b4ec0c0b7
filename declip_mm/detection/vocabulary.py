"""From class names to the matrix that a detector classifies with."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from mmengine.logging import print_log
from mmengine.registry import MODELS
from torch import Tensor

from ..models.pairing import (
    check_class_embeddings,
    check_text_tower,
    check_text_weights,
)
from ..models.text import (
    ClassEmbeddings,
    build_class_embeddings,
    cached_class_embeddings,
    tidy,
)

__all__ = ['DetectorVocabulary']

#: Spellings of one class: mmdet's list against LVIS's own file.
_ALIASES = {
    'speaker_(stereo_equipment)': 'speaker_(stero_equipment)',
    'speaker_(stero_equipment)': 'speaker_(stereo_equipment)',
}

#: Other phrases of some classes.
Phrases = Mapping[str, Sequence[str]]


class DetectorVocabulary:
    """Class embeddings of a detector, from a text tower or from a file.

    Holds no weight of the detector: the text tower is built on first use.

    Args:
        text_encoder: Config of the backbone's own text tower
            (``DeCLIPTextEncoder``).
        embeddings: File of ``tools/misc/class_embeddings.py`` with a
            background row. It may hold more classes than are asked for. Names
            that it lacks are an error, unless ``text_encoder`` is given.
        prompts: Prompt set or own templates, for ``text_encoder``.
        background: Phrase of the background class, for ``text_encoder``.
        cache_dir: Folder in which embeddings are kept between runs.

    Raises:
        ValueError: Neither a text tower nor a file.
    """

    def __init__(
        self,
        text_encoder: dict | None = None,
        embeddings: str | None = None,
        prompts: str | Sequence[str] = 'vild',
        background: str = 'background',
        cache_dir: str | None = None,
    ) -> None:
        if text_encoder is None and embeddings is None:
            raise ValueError(
                'vocabulary needs text_encoder=dict(type='
                "'DeCLIPTextEncoder', ...) or embeddings='FILE.npz'; it has "
                'neither, so class names cannot be embedded.'
            )
        self.text_encoder = text_encoder
        self.prompts, self.background = prompts, background
        self.cache_dir = cache_dir
        self._encoder: torch.nn.Module | None = None
        self.file = None
        if embeddings is not None:
            self.file = _read(embeddings)

    def matrix(
        self,
        names: Sequence[str],
        phrases: Phrases | None = None,
        device: str | torch.device = 'cpu',
    ) -> Tensor:
        """Embeddings of class names.

        Args:
            names: K class names.
            phrases: Phrases that stand for some of them instead.
            device: Where to compute.

        Returns:
            (K + 1, C) float32 unit rows, background last.
        """
        if self.file is not None:
            found = self._from_file(names)
            if found is not None:
                self._say_whose_texts(names, phrases or {})
                return found.to(device)
        phrases = phrases or {}
        wanted = {n: list(phrases.get(n, (n,))) for n in names}
        self._encoder = self._encoder or MODELS.build(self.text_encoder)
        self._encoder.to(device)
        arguments = dict(background=self.background, progress=_progress)
        if self.cache_dir is None:
            found = build_class_embeddings(
                self._encoder, wanted, self.prompts, **arguments
            )
        else:
            found = cached_class_embeddings(
                self._encoder,
                wanted,
                self.prompts,
                cache_dir=self.cache_dir,
                **arguments,
            )
        return found.with_background().to(device)

    def _say_whose_texts(self, names: Sequence[str], phrases: Phrases) -> None:
        own = [n for n in names if tuple(phrases.get(n, (n,))) != (n,)]
        if own:
            print_log(
                f'{len(own)} classes have texts of their own, such as '
                f'{own[0]!r}: {list(phrases[own[0]])}; the file of class '
                'embeddings has rows for their names, which are taken as '
                'they are.',
                logger='current',
                level=logging.WARNING,
            )

    def _from_file(self, names: Sequence[str]) -> Tensor | None:
        rows: dict[str, int] = {
            tidy(n): i for i, n in enumerate(self.file.names)
        }
        index = [rows.get(n, rows.get(_ALIASES.get(n, n))) for n in names]
        missing = [n for n, i in zip(names, index) if i is None]
        if not missing:
            return self.file.with_background()[[*index, -1]]
        if self.text_encoder is not None:
            return None
        raise ValueError(
            f'the file of class embeddings lacks {len(missing)} of '
            f'{len(names)} names, such as {missing[:5]}. Dump them with '
            'tools/misc/class_embeddings.py --background background, or give '
            'the vocabulary a text_encoder.'
        )

    def check(self, backbone: torch.nn.Module) -> None:
        """Refuse a text tower or a file of another CLIP.

        Args:
            backbone: A :class:`~declip_mm.models.DeCLIPViT`; the file that
                filled it is compared too, where it names its text tower.

        Raises:
            ValueError: Names both sides.
        """
        if self.text_encoder is not None:
            check_text_tower(backbone, self.text_encoder)
        if self.file is not None:
            width = self.file.matrix.shape[1]
            check_class_embeddings(backbone, self.file.fingerprint, width)
        if self._encoder is not None:
            check_text_weights(backbone, self._encoder)


def _read(path: str) -> ClassEmbeddings:
    found = ClassEmbeddings.load(Path(path))
    if found.background is None:
        raise ValueError(
            f'{path} has no background row, which a detector needs. Dump it '
            'anew with tools/misc/class_embeddings.py --background '
            'background.'
        )
    return found


def _progress(done: int, total: int) -> None:
    """Long vocabularies take minutes on a CPU; say so now and then."""
    if total > 5000 and done % 5120 < 256:
        print_log(
            f'class names: {done} of {total} prompts embedded',
            logger='current',
            level=logging.INFO,
        )
