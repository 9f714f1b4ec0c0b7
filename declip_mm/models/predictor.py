"""Open-vocabulary predictions from frozen dense features.

B batch, C joint dimension, h w patch grid, R regions, K class names.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import torch
import torch.nn.functional as F
from mmengine.model import BaseModel
from mmengine.registry import MODELS
from torch import Tensor

from .pixels import fit_pixels
from .regions import box_features, mask_features
from .text.embedder import TextEmbedder
from .text.open_vocabulary import OpenVocabulary
from .text.prompts import Prompts
from .text.vocabulary import Source, Vocabulary
from .zero_shot.arg_max import best_query
from .zero_shot.windows import ImageFeatures

if TYPE_CHECKING:
    from .declip_vit import DeCLIPViT

__all__ = ['OpenVocabPredictor', 'PredictsByName', 'ZeroShotModel']

_REGIONS = ('box', 'mask', 'crop')


@MODELS.register_module()
class OpenVocabPredictor(OpenVocabulary):
    """Classifies regions and pixels by the cosine with class embeddings.

    Holds no weight of the model under test.

    Args:
        text_encoder: Config of the CLIP's own text tower.
        classes: What :meth:`set_vocabulary` takes. A class of several texts
            has the mean of their embeddings. None takes those of the data set
            (:class:`VocabularyHook`).
        prompts: Prompt set or own templates.
        synonyms: Further texts by class name.
        regions: Which region features to classify: ``'box'`` (RoIAlign 1x1),
            ``'mask'`` (mask pooling), ``'crop'`` (image embedding of a crop,
            an upper bound).
        segmentation: Whether to predict class maps.
        topk: How many classes to keep per region.
        cache_dir, embeddings: See :class:`TextEmbedder`.
    """

    def __init__(
        self,
        text_encoder: dict,
        classes: Source | None = None,
        prompts: Prompts = 'vild',
        synonyms: dict[str, list[str]] | None = None,
        regions: Sequence[str] = ('box', 'mask'),
        segmentation: bool = False,
        topk: int = 5,
        cache_dir: str | None = None,
        embeddings: str | None = None,
    ) -> None:
        unknown = [r for r in regions if r not in _REGIONS]
        if unknown:
            raise ValueError(
                f'unknown region features {unknown}; allowed: {_REGIONS}.'
            )
        self.embedder = TextEmbedder(
            text_encoder, embeddings, prompts, cache_dir=cache_dir
        )
        self.synonyms = synonyms
        self.regions, self.segmentation = tuple(regions), segmentation
        self.topk = topk
        if classes is not None:
            self.set_vocabulary(classes)

    def _read_vocabulary(self, source: Source, **options: Any) -> Vocabulary:
        more = {**(self.synonyms or {}), **options.pop('more_texts', {})}
        return Vocabulary.of(source, more_texts=more, **options)

    def class_matrix(self, like: Tensor, width: int | None = None) -> Tensor:
        """(K, C) unit class embeddings on the device of ``like``."""
        return self.embedder.class_rows(
            self.known_vocabulary(), like.device, width
        )

    def classify(self, features: Tensor) -> Tensor:
        """(R, C) -> (R, topk) labels, best first."""
        matrix = self.class_matrix(features, features.shape[-1])
        scores = F.normalize(features.float(), dim=-1) @ matrix.t()
        return scores.topk(min(self.topk, len(matrix)), dim=-1).indices

    @torch.no_grad()
    def predict(
        self,
        backbone: 'DeCLIPViT',
        inputs: dict[str, Tensor],
        data_samples: list,
    ) -> list:
        """Add ``region_topk`` and ``pred_sem_seg`` to the samples.

        Args:
            backbone: That is tested.
            inputs: ``image`` (B, 3, H, W); ``crops`` of all regions for
                ``'crop'``.
            data_samples: B samples with ``boxes``, ``masks``, ``valid_hw``.
        """
        self.embedder.check(backbone)
        content = backbone.forward_dense(inputs['image']).content
        counts = [len(s.get('boxes', ())) for s in data_samples]
        features = {}
        if sum(counts):
            features = self._region_features(
                backbone, content, inputs, data_samples
            )
        topk = {k: self.classify(f).split(counts) for k, f in features.items()}
        for index, sample in enumerate(data_samples):
            # A plain assignment would copy a dict; set_data keeps it.
            sample.set_data(
                dict(region_topk={k: v[index] for k, v in topk.items()})
            )
            if self.segmentation:
                sample.pred_sem_seg = self.segment(content[index], sample)
        return data_samples

    def _region_features(
        self,
        backbone: 'DeCLIPViT',
        content: Tensor,
        inputs: dict[str, Tensor],
        data_samples: list,
    ) -> dict[str, Tensor]:
        features = {}
        if 'box' in self.regions:
            boxes = [
                s.get('boxes', content.new_zeros(0, 4)) for s in data_samples
            ]
            features['box'] = box_features(content, boxes)
        # Boxes may stand alone, in the whole data set.
        alone = any(
            'masks' not in s for s in data_samples if len(s.get('boxes', ()))
        )
        if 'mask' in self.regions and not alone:
            none = content.new_zeros(0, 1, 1)
            masks = [s.get('masks', none) for s in data_samples]
            features['mask'] = mask_features(content, masks)
        if 'crop' in self.regions:
            if 'crops' not in inputs:
                raise ValueError(
                    "regions asks for 'crop' but the data set makes no crops: "
                    'set its crops=dict(size=...).'
                )
            features['crop'] = backbone.forward_image(inputs['crops'])
        return features

    def segment(self, content: Tensor, sample: Any) -> Tensor:
        """(C, h, w) -> class map (H, W) at the picture's original size."""
        h, w = valid_cells(content.shape[-2:], sample)
        features = ImageFeatures.of_map(content[:, :h, :w])
        matrix = self.class_matrix(content)
        size = tuple(sample.ori_shape)
        return best_query(features, matrix, size, 1.0, False).index


def valid_cells(grid: Sequence[int], sample: Any) -> list[int]:
    """Grid cells, down and across, that show no padding."""
    share = sample.valid_hw.tolist()
    return [min(n, max(1, round(n * part))) for n, part in zip(grid, share)]


class PredictsByName:
    """A model that is tested by a predictor, whose names are its own.

    Attributes:
        backbone: That is tested.
        predictor: None has no names and cannot be tested.
    """

    trains_on_names: ClassVar[bool] = False
    backbone: 'DeCLIPViT'
    predictor: OpenVocabPredictor | None

    @property
    def vocabulary(self) -> Vocabulary | None:
        """What the predictor tells apart."""
        return None if self.predictor is None else self.predictor.vocabulary

    @property
    def embedder(self) -> TextEmbedder | None:
        """Where its rows come from."""
        return None if self.predictor is None else self.predictor.embedder

    def set_vocabulary(self, source: Source, **options: Any) -> Vocabulary:
        """See :meth:`OpenVocabulary.set_vocabulary`."""
        return self._needed().set_vocabulary(source, **options)

    def predict(self, inputs: dict[str, Tensor], data_samples: list) -> list:
        """See :meth:`OpenVocabPredictor.predict`."""
        return self._needed().predict(self.backbone, inputs, data_samples)

    def _needed(self) -> OpenVocabPredictor:
        if self.predictor is None:
            raise ValueError(
                f'{type(self).__name__} needs a predictor for names and '
                "validation: set predictor=dict(type='OpenVocabPredictor', "
                '...) in the model.'
            )
        return self.predictor


@MODELS.register_module()
class ZeroShotModel(PredictsByName, BaseModel):
    """A backbone under test: region classes and class maps, no training.

    Args:
        backbone: Config of a :class:`DeCLIPViT`.
        predictor: Config of an :class:`OpenVocabPredictor`.
        data_preprocessor: Config of a :class:`DeCLIPPreprocessor`.
    """

    def __init__(
        self,
        backbone: dict,
        predictor: dict,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        self.backbone = MODELS.build(backbone)
        self.predictor = MODELS.build(predictor)
        self._needed().embedder.check(self.backbone)
        fit_pixels(self.data_preprocessor, self.backbone)

    def forward(
        self,
        inputs: dict[str, Tensor],
        data_samples: Any = None,
        mode: str = 'tensor',
    ) -> Any:
        """``mode`` is ``'predict'`` or ``'tensor'`` (dense features)."""
        if mode == 'predict':
            return self.predict(inputs, data_samples)
        if mode == 'tensor':
            return self.backbone.forward_dense(inputs['image'])
        raise ValueError(
            f"mode={mode!r} is unknown; allowed: 'predict', 'tensor'. "
            'To train, use DecoupledDistiller.'
        )
