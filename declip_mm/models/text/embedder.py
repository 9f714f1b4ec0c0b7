"""From a vocabulary to the rows that features are compared with.

K classes, Q texts, C joint dimension.
"""

import logging
import os
from collections.abc import Callable
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.registry import MODELS
from torch import Tensor, nn

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
from .fingerprint import text_fingerprint
from .names import Phrases, tidy
from .prompts import Prompts, get_prompts
from .vocabulary import Vocabulary

__all__ = ['TextEmbedder']

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
        built = isinstance(text_encoder, nn.Module)
        get_prompts(prompts)  # refused early
        self._encoder = text_encoder if built else None
        self.text_encoder = None if built else text_encoder
        self.embeddings, self.prompts = embeddings, prompts
        self.background, self.cache_dir = background, cache_dir
        self.file = None if embeddings is None else self._read(embeddings)
        self._verified = False
        self._rows: dict[tuple, Tensor] = {}
        self._paired: tuple[int, ...] | None = None

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

    @property
    def _needs_download(self) -> bool:
        if self._encoder is not None:
            return False
        named = (self.text_encoder or {'pretrained': '-'}).get('pretrained')
        return named is not None and not self.has_weights

    def _verify(self) -> None:
        """That the file is of the tower beside it, as far as is known.

        A tower whose weights are not here is not fetched for it.
        """
        if self._verified or self.file is None:
            return
        if self.file.declared is not None and self.text_encoder is not None:
            model = self.text_encoder.get('model')
            self.file.verify_declared(model, str(self.embeddings))
        elif self.file.declared is None and not self._needs_download:
            wanted = expected_fingerprint(self.encoder, ['-'], self.prompts)
            fields = ('dim', 'architecture', 'weights', 'prompts')
            fields += ('model', 'prompts_label')  # for the message
            self.file.verify(
                {k: v for k, v in wanted.items() if k in fields},
                origin=str(self.embeddings),
            )
        self._verified = True

    def check(self, backbone: nn.Module) -> None:
        """Refuse a text tower or a file of another CLIP than the backbone's.

        Configs are compared at once; weights as soon as the backbone's file
        has said which text tower it was measured with. Cheap if repeated.

        Args:
            backbone: A :class:`~declip_mm.models.DeCLIPViT`.

        Raises:
            ValueError: Names both sides.
        """
        says = getattr(backbone, 'file_says', {}) or {}
        tower = self.embeddings is None and bool(says.get('text_tower'))
        state = id(backbone), id(says), tower or self._encoder is not None
        if state == self._paired:
            return
        if self.text_encoder is not None:
            check_text_tower(backbone, self.text_encoder)
        self._verify()
        if self.file is not None:
            width = self.file.matrix.shape[1]
            check_class_embeddings(backbone, self.file.fingerprint, width)
        if says and (tower or self._encoder is not None):
            check_text_weights(backbone, self.encoder)
        self._paired = state

    def class_rows(
        self,
        vocabulary: Vocabulary,
        device: str | torch.device = 'cpu',
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
        device: str | torch.device = 'cpu',
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
        device: str | torch.device,
        compute: Callable[[Vocabulary], Tensor],
    ) -> Tensor:
        key = kind, vocabulary.texts, vocabulary.classes, repr(self.prompts)
        rows = self._rows.pop(key, None)
        rows = compute(vocabulary) if rows is None else rows
        self._rows[key] = rows = rows.to(device)
        while len(self._rows) > _KEPT:
            del self._rows[next(iter(self._rows))]
        return rows

    def _class_rows(self, vocabulary: Vocabulary) -> Tensor:
        return self._embed(vocabulary.phrases, self.background)

    def _text_rows(self, vocabulary: Vocabulary) -> Tensor:
        # a text that several classes share is embedded once
        unique, places = each_once(vocabulary.queries)
        return self._embed({text: (text,) for text in unique}, None)[places]

    def _embed(self, phrases: Phrases, background: str | None) -> Tensor:
        found = self._from_file(phrases)
        if found is None:
            found = self._by_tower(phrases, background)
        elif background is not None:
            found = torch.cat((found, self.file.background[None]))
        return found

    def _by_tower(self, phrases: Phrases, background: str | None) -> Tensor:
        arguments: dict[str, Any] = dict(
            background=background, progress=_progress
        )
        build = build_class_embeddings
        if self.cache_dir is not None:
            build = cached_class_embeddings
            arguments['cache_dir'] = self.cache_dir
        found = build(self.encoder, phrases, self.prompts, **arguments)
        return found.matrix if background is None else found.with_background()

    def _from_file(self, phrases: Phrases) -> Tensor | None:
        """(K, C) rows of the file; None: the tower has to."""
        if self.file is None:
            return None
        self._verify()
        rows = {tidy(name): i for i, name in enumerate(self.file.names)}
        index = [rows.get(n, rows.get(_ALIASES.get(n, n))) for n in phrases]
        lacking = [n for n, i in zip(phrases, index) if i is None]
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
        self._say_whose_texts(phrases)
        return self.file.matrix[index]

    def _say_whose_texts(self, phrases: Phrases) -> None:
        prompts = get_prompts(self.prompts)
        asked = text_fingerprint({}, phrases, prompts, None)['phrases']
        own = [n for n, texts in phrases.items() if texts != (n,)]
        if own and asked != self.file.fingerprint.get('phrases'):
            _say(
                f'{len(own)} classes have texts of their own, such as '
                f'{own[0]!r}: {list(phrases[own[0]])}; the file of class '
                'embeddings has rows for their names, which are taken as '
                'they are.',
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
