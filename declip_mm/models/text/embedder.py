"""From a vocabulary to the rows that features are compared with.

K classes, Q texts, C joint dimension.
"""

import logging
import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from mmengine.logging import print_log
from mmengine.registry import MODELS
from torch import Tensor

from ...assets import resolve_asset
from ..pairing import (
    check_class_embeddings,
    check_text_tower,
    check_text_weights,
)
from .build import (
    build_class_embeddings,
    cached_class_embeddings,
    expected_fingerprint,
)
from .comparing import each_once
from .embeddings import ClassEmbeddings
from .encoder import DeCLIPTextEncoder
from .fingerprint import phrases_digest
from .names import Phrases, tidy
from .prompts import Prompts, get_prompts
from .vocabulary import Vocabulary

if TYPE_CHECKING:
    from ..declip_vit import DeCLIPViT

__all__ = ['TextEmbedder']

Device = str | torch.device

#: Spellings of one class: mmdet's list against LVIS's own file.
_ALIASES = {
    'speaker_(stereo_equipment)': 'speaker_(stero_equipment)',
    'speaker_(stero_equipment)': 'speaker_(stereo_equipment)',
}
#: Vocabularies whose rows are kept: those of training, validation and test.
_KEPT = 3


class TextEmbedder:
    """Rows for class names, from a text tower or from a file of embeddings.

    No module, and so no part of checkpoints: the text tower is built and
    filled on first use.

    Args:
        text_encoder: The backbone's own text tower
            (:class:`DeCLIPTextEncoder`), or its config.
        embeddings: File of ``tools/misc/class_embeddings.py`` whose rows are
            taken by name; it may hold more than are asked for. With names
            that it lacks the text tower embeds all; without one they are an
            error.
        prompts: Prompt set or own templates.
        background: Phrase of one more row, for what is none of the classes.
        cache_dir: Folder in which rows are kept between runs, verified by
            fingerprint; None computes them anew in every run.

    Raises:
        ValueError: Neither a text tower nor a file.
    """

    def __init__(
        self,
        text_encoder: dict[str, Any] | DeCLIPTextEncoder | None = None,
        embeddings: str | None = None,
        prompts: Prompts = 'vild',
        background: str | None = None,
        cache_dir: str | None = None,
    ) -> None:
        if text_encoder is None and embeddings is None:
            raise ValueError(
                'class names need text_encoder=dict(type='
                "'DeCLIPTextEncoder', ...) or embeddings='FILE.npz'; there "
                'is neither, so they cannot be embedded.'
            )
        get_prompts(prompts)  # refused early
        self.text_encoder: dict[str, Any] | None = None
        self._encoder: DeCLIPTextEncoder | None = None
        if isinstance(text_encoder, dict):
            self.text_encoder = text_encoder
        else:
            self._encoder = text_encoder
        self.embeddings, self.prompts = embeddings, prompts
        self.background, self.cache_dir = background, cache_dir
        self.file = None if embeddings is None else self._read(embeddings)
        self._verified = False
        self._rows: dict[tuple, Tensor] = {}
        self._paired: tuple | None = None

    def _read(self, path: str) -> ClassEmbeddings:
        found = ClassEmbeddings.load(path)
        if self.background is not None and found.background is None:
            raise ValueError(
                f'{path} has no background row, which a detector needs. Dump '
                'it anew with tools/misc/class_embeddings.py --background '
                'background.'
            )
        return found

    @property
    def encoder(self) -> DeCLIPTextEncoder:
        """The text tower, built when it is first asked for."""
        if self._encoder is None:
            self._encoder = MODELS.build(self.text_encoder)
        return self._encoder

    @property
    def has_weights(self) -> bool:
        """Whether a filled text tower can be had without a download."""
        if self._encoder is not None:
            return True
        named = (self.text_encoder or {}).get('pretrained')
        return os.path.isfile(resolve_asset(str(named or '')))

    def _verify(self) -> None:
        """That the file is of the tower beside it, as far as is known.

        A tower whose weights are not here is not fetched for it.
        """
        if self._verified or self.file is None:
            return
        config = self.text_encoder
        random = config is not None and config.get('pretrained') is None
        if self.file.declared is not None and config is not None:
            model = config.get('model')
            self.file.verify_declared(model, str(self.embeddings))
        elif self.file.declared is None and (self.has_weights or random):
            wanted = expected_fingerprint(self.encoder, ['-'], self.prompts)
            # the last two for the message
            fields = 'dim architecture weights prompts model prompts_label'
            self.file.verify(
                {k: v for k, v in wanted.items() if k in fields.split()},
                origin=str(self.embeddings),
            )
        elif self.file.declared is None and config is not None:
            self._verify_prompts(self.file, self.prompts)
        self._verified = True

    def _verify_prompts(self, file: ClassEmbeddings, prompts: Prompts) -> None:
        asked = get_prompts(prompts)
        said = dict(prompts=asked.digest, prompts_label=asked.label)
        file.verify(said, origin=str(self.embeddings))

    def use_prompts(self, prompts: Prompts) -> None:
        """Embed with other prompts from now on.

        Raises:
            ValueError: They are none.
            FingerprintError: The rows come from a file, which was made with
                others.
        """
        get_prompts(prompts)
        if self.file is not None:
            self._verify_prompts(self.file, prompts)
        self.prompts = prompts

    def check(self, backbone: 'DeCLIPViT') -> None:
        """Refuse a text tower or a file of another CLIP than the backbone's.

        Configs are compared at once; weights as soon as the backbone's file
        has said which text tower it was measured with. Cheap if repeated.

        Args:
            backbone: A :class:`~declip_mm.models.DeCLIPViT`.

        Raises:
            ValueError: Names both sides.
        """
        says = backbone.file_says
        tower = self._encoder is not None or (
            self.file is None and bool(says.get('text_tower'))
        )
        # by content: an id may be that of another one by now
        own = backbone.fingerprint, backbone.architecture, backbone.pretrained
        state = *own, dict(says), tower
        if state == self._paired:
            return
        if self.text_encoder is not None:
            check_text_tower(backbone, self.text_encoder)
        self._verify()
        if self.file is not None:
            width = self.file.matrix.shape[1]
            check_class_embeddings(backbone, self.file.fingerprint, width)
        if tower:
            check_text_weights(backbone, self.encoder)
        self._paired = state

    def class_rows(
        self,
        vocabulary: Vocabulary,
        device: Device = 'cpu',
        width: int | None = None,
    ) -> Tensor:
        """(K, C) unit rows, a class of several texts by their mean.

        With ``background`` its row is the last of K + 1.

        Args:
            vocabulary: K classes.
            device: Where the rows are to be.
            width: C of the features that they will be compared with.

        Raises:
            ValueError: The texts have another C.
        """
        rows = self._kept('class', vocabulary, device, self._class_rows)
        return _of_width(rows, width)

    def text_rows(
        self,
        vocabulary: Vocabulary,
        device: Device = 'cpu',
        width: int | None = None,
    ) -> Tensor:
        """(Q, C) unit rows, one for each text, without a background.

        Args and errors: see :meth:`class_rows`.
        """
        rows = self._kept('text', vocabulary, device, self._text_rows)
        return _of_width(rows, width)

    def _kept(
        self,
        kind: str,
        vocabulary: Vocabulary,
        device: Device,
        compute: Callable[[Vocabulary, Device], Tensor],
    ) -> Tensor:
        key = kind, vocabulary.texts, vocabulary.classes, repr(self.prompts)
        rows = self._rows.pop(key, None)
        rows = compute(vocabulary, device) if rows is None else rows
        self._rows[key] = rows = rows.to(device)
        while len(self._rows) > _KEPT:
            del self._rows[next(iter(self._rows))]
        return rows

    def _class_rows(self, vocabulary: Vocabulary, device: Device) -> Tensor:
        return self._embed(vocabulary.phrases, self.background, device)

    def _text_rows(self, vocabulary: Vocabulary, device: Device) -> Tensor:
        # a text that several classes share is embedded once
        unique, places = each_once(vocabulary.queries)
        phrases: Phrases = {text: (text,) for text in unique}
        return self._embed(phrases, None, device)[places]

    def _embed(
        self, phrases: Phrases, background: str | None, device: Device
    ) -> Tensor:
        file = self.file
        index = None if file is None else self._places(file, phrases)
        if file is None or index is None:
            file = self._by_tower(phrases, background, device)
            index = [*range(len(file))]
        if background is None:
            return file.matrix[index]
        return file.with_background()[[*index, -1]]

    def _by_tower(
        self, phrases: Phrases, background: str | None, device: Device
    ) -> ClassEmbeddings:
        build: Callable[..., ClassEmbeddings] = build_class_embeddings
        if self.cache_dir is not None:
            build = partial(cached_class_embeddings, cache_dir=self.cache_dir)
        if self.text_encoder is not None:  # no one else moves it
            self.encoder.to(device)
        return build(
            self.encoder,
            phrases,
            self.prompts,
            background=background,
            progress=_progress,
        )

    def _places(
        self, file: ClassEmbeddings, phrases: Phrases
    ) -> list[int] | None:
        """Of names in the file; None: it lacks some, the tower has to."""
        self._verify()
        rows = {tidy(name): i for i, name in enumerate(file.names)}
        found = {n: rows.get(n, rows.get(_ALIASES.get(n, n))) for n in phrases}
        lacking = [name for name, row in found.items() if row is None]
        said = (
            f'the file of class embeddings lacks {len(lacking)} of '
            f'{len(phrases)} names, such as {lacking[:5]}'
        )
        if lacking and self.text_encoder is None and self._encoder is None:
            raise ValueError(
                f'{said}. Dump them with tools/misc/class_embeddings.py'
                f'{"" if self.background is None else " --background "}'
                f'{self.background or ""}, or give a text_encoder.'
            )
        if lacking:
            _say(f'{said}; the text tower embeds all.', logging.WARNING)
            return None
        _say_whose_texts(file, phrases)
        return [row for row in found.values() if row is not None]


def _say_whose_texts(file: ClassEmbeddings, phrases: Phrases) -> None:
    own = [n for n, texts in phrases.items() if texts != (n,)]
    theirs = file.fingerprint.get('phrases')
    if phrases_digest(phrases) == theirs:
        return
    if theirs and not own and file.names == tuple(phrases):
        _say(
            'the rows of the file of class embeddings are of other texts than '
            'the class names; they are taken as they are.',
            logging.WARNING,
        )
    if own:
        _say(
            f'{len(own)} classes have texts of their own, such as '
            f'{own[0]!r}: {list(phrases[own[0]])}; the file of class '
            'embeddings has rows for their names, which are taken as they '
            'are.',
            logging.WARNING,
        )


def _of_width(rows: Tensor, width: int | None) -> Tensor:
    if width not in (None, rows.shape[1]):
        raise ValueError(
            f'image features have {width} dimensions, class embeddings '
            f'{rows.shape[1]}: the text tower belongs to another CLIP model.'
        )
    return rows


def _progress(done: int, total: int) -> None:
    """Long vocabularies take minutes on a CPU; say so now and then."""
    if total > 5000 and done % 5120 < 256:
        _say(f'class names: {done} of {total} prompts embedded', logging.INFO)


def _say(text: str, level: int) -> None:
    print_log(text, logger='current', level=level)
