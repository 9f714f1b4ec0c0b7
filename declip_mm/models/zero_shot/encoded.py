"""A picture's features in a file, to be asked for names without its tower.

C joint dimension, h w patch grid, H W picture, K classes.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from ...checkpoint import FINGERPRINT_KEY, atomically
from ...checkpoint.reader import check_whole
from ..pairing import check_kept_features
from ..text import DeCLIPTextEncoder
from ..text.embedder import TextEmbedder
from ..text.prompts import Prompts, PromptSet
from ..text.vocabulary import Source, Vocabulary
from .inputs import ImageLike, as_tensor
from .naming import Segmented, name_pixels
from .text_tower import TextTower, text_config
from .windows import ImageFeatures, Window

__all__ = ['EncodedImage', 'picture_digest']

#: Header field beside the backbone's fingerprint.
_KEY = 'encoded_image'


def picture_digest(image: ImageLike) -> str:
    """SHA-256 of a picture's pixels and size."""
    pixels = as_tensor(image).cpu().permute(1, 2, 0).contiguous()
    said = hashlib.sha256(f'{tuple(pixels.shape)}{pixels.dtype}'.encode())
    said.update(pixels.numpy().tobytes())
    return said.hexdigest()


@dataclass(frozen=True)
class EncodedImage:
    """What the image tower said of a picture; any names can be asked for.

    :meth:`~declip_mm.models.zero_shot.DenseEncoder.encode_dense` makes it.
    In a file a pass over the whole picture takes ``C * h * w * 2`` bytes (4
    MiB of a picture of 1024 x 1024 pixels and a B/16), windows as much each.

    Attributes:
        features: Unit features of the pass or of all windows.
        size: (H, W) of the picture.
        logit_scale: Factor before the softmax over names.
        fingerprint: Of the backbone.
        text_tower: Fingerprint of the text tower that belongs to it.
        text_source: Where that is, if known: ``model``, ``pretrained``.
        prompts: That its encoder puts names into.
        picture: Of :func:`picture_digest`.

    Example:
        >>> kept = DenseEncoder('declip.pth').encode_dense(rgb)
        >>> kept.save('photo.safetensors')
        >>> kept = EncodedImage.load('photo.safetensors')
        >>> labels, scores, names = kept.ask('cat,dog,grass')
    """

    features: ImageFeatures
    size: tuple[int, int]
    logit_scale: float
    fingerprint: dict[str, Any]
    text_tower: dict[str, Any]
    text_source: dict[str, Any]
    prompts: PromptSet
    picture: str

    @property
    def num_bytes(self) -> int:
        """What the features take in a file."""
        return sum(2 * one.numel() for one in self.features.maps)

    def save(self, path: str | Path) -> None:
        """Write a ``.safetensors`` in half precision, whole or not at all.

        Raises:
            ValueError: Another suffix.
        """
        if Path(path).suffix != '.safetensors':
            raise ValueError(
                f'encoded pictures go into .safetensors files, got {path}.'
            )
        windows = self.features.windows
        said = dict(
            size=self.size,
            shown=self.features.size,
            windows=windows,
            padded=self.features.padded,
            logit_scale=self.logit_scale,
            text_tower=self.text_tower,
            text_source=self.text_source,
            prompts=asdict(self.prompts),
            picture=self.picture,
        )
        header = {
            FINGERPRINT_KEY: json.dumps(self.fingerprint),
            _KEY: json.dumps(said),
        }
        maps = {
            f'map.{number}': one.half().cpu().contiguous().clone()
            for number, one in enumerate(self.features.maps)
        }
        with atomically(path) as part:
            save_file(maps, part, header)

    @classmethod
    def load(
        cls, path: str | Path, device: str | torch.device = 'cpu'
    ) -> 'EncodedImage':
        """Read a file of :meth:`save`.

        Args:
            path: Of the file.
            device: Where the features are to be.

        Raises:
            FileNotFoundError: No such file.
            DamagedFileError: It is cut short.
            ValueError: It is no such file.
        """
        check_whole(str(path))
        with safe_open(path, 'pt') as file:
            header = file.metadata() or {}
            if not {_KEY, FINGERPRINT_KEY} <= set(header):
                raise ValueError(
                    f'{path} holds no encoded picture. Make one with declip '
                    'encode, or DenseEncoder.encode_dense(picture).save(FILE).'
                )
            said = json.loads(header[_KEY])
            maps = [
                file.get_tensor(f'map.{number}').float().to(device)
                for number in range(len(said['windows']))
            ]
        prompts = said['prompts']
        features = ImageFeatures(
            _pair(said['shown']),
            [Window(*one) for one in said['windows']],
            [_pair(one) for one in said['padded']],
            maps,
        )
        return cls(
            features,
            _pair(said['size']),
            said['logit_scale'],
            json.loads(header[FINGERPRINT_KEY]),
            said['text_tower'],
            said['text_source'],
            PromptSet(**{**prompts, 'templates': (*prompts['templates'],)}),
            said['picture'],
        )

    def text_side(
        self,
        text: TextTower = None,
        prompts: Prompts | None = None,
    ) -> TextEmbedder:
        """What embeds names for this picture and others of its model.

        Args:
            text: See :data:`TextTower`; None is the one that the picture was
                encoded beside.
            prompts: Prompt set or own templates; None takes those of the
                encoder.

        Raises:
            ValueError: Nothing says where the text tower is.
            FingerprintError: It is another one than belongs to the features.
        """
        if not isinstance(text, DeCLIPTextEncoder):
            model = self.fingerprint['model']
            text = DeCLIPTextEncoder(
                **text_config(text, self.text_source, model, 'the picture')
            ).to(self.features.maps[0].device)
        side = TextEmbedder(text, prompts=prompts or self.prompts)
        self.check(side)
        return side

    def check(self, side: TextEmbedder) -> None:
        """Refuse a text side of another model.

        Raises:
            FingerprintError: Names both.
        """
        check_kept_features(
            self.fingerprint, self.text_tower, side.encoder.fingerprint
        )

    def ask(
        self,
        names: Source,
        side: TextEmbedder | None = None,
        *,
        threshold: float = 0.0,
        with_scores: bool = True,
        memory: int = 256,
    ) -> Segmented:
        """Name every pixel; the image tower is not needed.

        Args:
            names: What :meth:`Vocabulary.of` reads.
            side: Of :meth:`text_side`, of this picture or of another one;
                None makes one, which takes longer than the question.
            threshold, with_scores, memory: See :func:`name_pixels`.

        Raises:
            FingerprintError: See :meth:`check`.
        """
        if side is None:
            side = self.text_side()
        else:
            self.check(side)
        return name_pixels(
            self.features,
            self.size,
            names,
            side,
            logit_scale=self.logit_scale,
            threshold=threshold,
            with_scores=with_scores,
            memory=memory,
        )

    def cosines(
        self, names: Source, side: TextEmbedder | None = None
    ) -> Tensor:
        """(K, h, w) cosines on the patch grid of a pass over the picture.

        A class of several texts has their mean.

        Raises:
            ValueError: The picture was seen in windows, which have a grid
                each.
        """
        if len(self.features.maps) > 1:
            raise ValueError(
                f'the picture was seen in {len(self.features.maps)} windows, '
                'which have a grid each; encode it without windows.'
            )
        side = side or self.text_side()
        self.check(side)
        (unit,) = self.features.maps
        rows = side.class_rows(Vocabulary.of(names), unit.device)
        return torch.einsum('chw,kc->khw', unit, rows)


def _pair(values: list[int]) -> tuple[int, int]:
    first, second = values
    return first, second
