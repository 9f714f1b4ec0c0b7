"""Content teachers that know a region by its name or caption.

In the place of the crop teacher: same call, no picture is looked at.
"""

import hashlib

import torch
import torch.nn.functional as F
from mmengine.registry import MODELS
from torch import Tensor

from .region_losses import NounTargets
from .teachers import FrozenTeacher
from .text.embedder import TextEmbedder
from .text.open_vocabulary import OpenVocabulary
from .text.prompts import Prompts

__all__ = ['CaptionTeacher', 'NounTeacher']


class _TextTeacher(FrozenTeacher):
    """A frozen text tower; pictures are never looked at."""

    def __init__(self, text_encoder: dict) -> None:
        super().__init__()
        self.encoder = MODELS.build(text_encoder)
        self.out_dim = self.encoder.embed_dim
        self.freeze()

    @property
    def fingerprint(self) -> dict:
        return dict(text=self.encoder.fingerprint)


@MODELS.register_module()
class NounTeacher(OpenVocabulary, _TextTeacher):
    """Embeddings of the nouns that regions are labelled with (RegionCLIP).

    A batch is compared with its own nouns and with others that are drawn
    uniformly, ``columns`` in all (federated loss). What is drawn depends on
    seed, epoch and pictures alone.

    Args:
        text_encoder: Config of the CLIP's own text tower.
        prompts: Prompt set or templates.
        columns: Names that a batch is compared with.
    """

    def __init__(
        self, text_encoder: dict, prompts: Prompts = 'vild', columns: int = 100
    ) -> None:
        super().__init__(text_encoder)
        if columns < 1:
            raise ValueError(f'columns must be 1 or more, got {columns}.')
        self.columns = columns
        self.embedder = TextEmbedder(self.encoder, prompts=prompts)

    @torch.no_grad()
    def forward(self, crops: None, data_samples: list) -> NounTargets:
        """Every sample has ``labels`` (K_i,), positions in the nouns."""
        labels = torch.cat([sample.labels for sample in data_samples])
        if self.vocabulary is None:
            raise ValueError(
                'the noun teacher has no nouns: add '
                "dict(type='NounHook') to custom_hooks, which takes those of "
                'the training set.'
            )
        matrix = self.embedder.class_rows(self.vocabulary, labels.device)
        present, rows = labels.unique(return_inverse=True)
        others = torch.ones(len(matrix), dtype=torch.bool)
        others[present.cpu()] = False
        others = others.nonzero()[:, 0]
        wanted = max(0, self.columns - len(present))
        order = torch.randperm(len(others), generator=_draw(data_samples))
        drawn = others[order[:wanted]].to(present)
        return NounTargets(matrix[torch.cat((present, drawn))], rows)


@MODELS.register_module()
class CaptionTeacher(_TextTeacher):
    """Embeddings of the captions of mosaic cells (CLIM).

    Args:
        text_encoder: Config of the CLIP's own text tower.
    """

    @torch.no_grad()
    def forward(self, crops: None, data_samples: list) -> Tensor:
        """Every sample has ``captions``, one a box: (K, C), unit length."""
        texts = [text for s in data_samples for text in s.captions]
        if not texts:
            device = data_samples[0].boxes.device
            return torch.zeros(0, self.out_dim, device=device)
        return F.normalize(self.encoder.encode(texts), dim=-1)


def _draw(data_samples: list) -> torch.Generator:
    """A generator that the same pictures of the same epoch give again."""
    marks = [
        (s.get('seed', 0), s.get('epoch', 0), s.get('img_id'))
        for s in data_samples
    ]
    digest = hashlib.sha256(repr(marks).encode()).digest()
    seed = int.from_bytes(digest[:7], 'little')
    return torch.Generator().manual_seed(seed)
