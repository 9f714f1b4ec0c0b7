"""DecoupledDistiller: DeCLIP's pre-finetuning (paper, figure 5)."""

from typing import Any

import torch
import torch.nn.functional as F
from mmengine import dist
from mmengine.logging import print_log
from mmengine.model import BaseModel
from mmengine.registry import MODELS
from torch import Tensor

from .losses import content_loss, context_loss
from .pairing import check_crop_teacher, check_text_tower
from .pixels import fit_pixels
from .predictor import PredictsByName
from .regions import box_features
from .teachers import CLIPCropTeacher
from .tokens import to_tokens, valid_tokens

__all__ = ['DecoupledDistiller']


@MODELS.register_module()
class DecoupledDistiller(PredictsByName, BaseModel):
    """Distils CLIP's crops into content and a VFM's affinity into context.

    With ``affinity='vanilla'`` in the backbone both losses act on the one
    dense map (the coupled baseline); without ``context_teacher`` only the
    content loss is left (self-distillation).

    Args:
        backbone: Config of the student, a :class:`DeCLIPViT`.
        content_teacher: Config of a :class:`CLIPCropTeacher` or its cache; of
            a :class:`NounTeacher` or :class:`CaptionTeacher` for RegionCLIP
            and CLIM.
        context_teacher: Config of a :class:`VFMTeacher` or its cache.
        content_weight: Weight of the content loss.
        context_weight: Weight of the context loss (lambda).
        image_weight: Weight of a loss that keeps CLIP's embedding of the
            whole picture; not in the paper.
        region_loss: Config of the loss of the content branch; None is the
            paper's :class:`RegionCosineLoss`.
        normalize_content: L2-normalise every location before RoIAlign, as
            the authors' OpenAI-CLIP path does (their EVA path does not).
        mask_padding: Leave padded tokens out of the context loss.
        predictor: Config of an :class:`OpenVocabPredictor`, for validation.
        data_preprocessor: Config of a :class:`DeCLIPPreprocessor`.
        init_cfg: As in mmengine.
    """

    def __init__(
        self,
        backbone: dict,
        content_teacher: dict,
        context_teacher: dict | None = None,
        content_weight: float = 1.0,
        context_weight: float = 0.25,
        image_weight: float = 0.0,
        region_loss: dict | None = None,
        normalize_content: bool = False,
        mask_padding: bool = True,
        predictor: dict | None = None,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        self.backbone = MODELS.build(backbone)
        self.content_teacher = MODELS.build(content_teacher)
        self.context_teacher: Any = context_teacher and MODELS.build(
            context_teacher
        )
        self.content_weight = content_weight
        self.context_weight = context_weight
        self.image_weight = image_weight
        self.region_loss = MODELS.build(
            region_loss or dict(type='RegionCosineLoss')
        )
        self.normalize_content = normalize_content
        self.mask_padding = mask_padding
        self.predictor = None if predictor is None else MODELS.build(predictor)
        self._check()
        if 'text_encoder' in content_teacher:
            check_text_tower(self.backbone, content_teacher['text_encoder'])
        if self.predictor is not None:
            self.predictor.embedder.check(self.backbone)
        self._check_pixels()

    @property
    def image_teacher(self) -> CLIPCropTeacher:
        """The original CLIP itself, also where its crops are cached."""
        teacher = self.content_teacher
        teacher = getattr(teacher, 'teacher', teacher)
        if not isinstance(teacher, CLIPCropTeacher):
            raise ValueError(
                f'image_weight={self.image_weight} needs the original CLIP, '
                f'but the content teacher is a {type(teacher).__name__}. Use '
                'a CLIPCropTeacher, or a cache that has one as its teacher.'
            )
        return teacher

    def _check_pixels(self) -> None:
        """Every view is normalised as its network wants it."""
        for prefix, network in (
            ('', self.backbone),
            ('', self.content_teacher),
            ('vfm_', self.context_teacher),
        ):
            # A teacher of text, and a cache alone, look at no pixels.
            if hasattr(network, 'pixel_mean'):
                fit_pixels(self.data_preprocessor, network, prefix)

    def _check(self) -> None:
        ours = self.backbone.visual.out_dim
        theirs = self.content_teacher.out_dim
        if ours != theirs:
            raise ValueError(
                f'student embeds into {ours} dimensions, content teacher into '
                f'{theirs}: they must be the same CLIP model.'
            )
        check_crop_teacher(self.backbone, self.content_teacher)
        if self.image_weight:
            _ = self.image_teacher  # refused now, not in the first step
            if not getattr(self.content_teacher, 'keep_teacher', True):
                raise ValueError(
                    f'image_weight={self.image_weight} asks the original CLIP '
                    'in every step, and keep_teacher=False of the crop cache '
                    'lets it go. Set content_teacher.keep_teacher=True.'
                )
        trained = sum(p.numel() for p in self._trainable())
        total = sum(p.numel() for p in self.backbone.parameters())
        if not trained:
            raise ValueError(
                'no parameter of the backbone would train (of '
                f'{total / 1e6:.1f} M). frozen_stages='
                f'{self.backbone.frozen_stages} and train_head='
                'False freeze all of it; lower frozen_stages.'
            )
        print_log(
            f'{trained / 1e6:.2f} M of {total / 1e6:.2f} M backbone '
            'parameters train.',
            logger='current',
        )

    def _trainable(self) -> list[torch.nn.Parameter]:
        return [p for p in self.backbone.parameters() if p.requires_grad]

    def forward(
        self,
        inputs: dict[str, Tensor],
        data_samples: Any = None,
        mode: str = 'tensor',
    ) -> Any:
        """Entry of mmengine's runner.

        Args:
            inputs: ``image`` (B, 3, S, S); for training also ``crops``
                (K, 3, c, c) of all images and ``vfm`` (B, 3, V, V).
            data_samples: B samples; ``boxes`` (K_i, 4) are the crops.
            mode: ``'loss'``, ``'predict'`` or ``'tensor'`` (dense features).
        """
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        if mode == 'predict':
            return self.predict(inputs, data_samples)
        if mode == 'tensor':
            return self.backbone.forward_dense(inputs['image'])
        raise ValueError(
            f"mode={mode!r} is unknown; allowed: 'loss', 'predict', 'tensor'."
        )

    def loss(
        self, inputs: dict[str, Tensor], data_samples: list
    ) -> dict[str, Tensor]:
        """One pass of the student, two teachers, two losses."""
        # 1. One student pass gives both branches.
        student = self.backbone.forward_dense(inputs['image'])
        # 2. Content: what each region means, told by CLIP from its crop.
        content = student.content
        if self.normalize_content:
            content = F.normalize(content.float(), dim=1)
        regions = box_features(content, [s.boxes for s in data_samples])
        crops = self.content_teacher(inputs.get('crops'), data_samples)
        count = self._global_count(data_samples)
        losses = dict(
            loss_content=self.content_weight
            * self.region_loss(regions, crops, count)
        )
        # 3. Context: which patches belong together, told by the VFM.
        if self.context_teacher is not None:
            height, width = student.content.shape[-2:]
            grid = height, width
            vfm = self.context_teacher(inputs.get('vfm'), data_samples)
            losses['loss_context'] = self.context_weight * context_loss(
                student.context,
                to_tokens(vfm, grid),
                valid_tokens(data_samples, grid)
                if self.mask_padding
                else None,
            )
        # 4. Image: what CLIP says of the whole picture may stay, if asked.
        if self.image_weight:
            losses['loss_image'] = self.image_weight * self._image_loss(
                inputs['image']
            )
        return losses

    def _image_loss(self, image: Tensor) -> Tensor:
        """How far CLIP's embedding of the whole picture has moved.

        Student and original see the same picture at the native size.
        """
        small = F.interpolate(
            image.float(),
            size=(self.backbone.visual.native_size,) * 2,
            mode='bilinear',
            align_corners=False,
            antialias=True,
        )
        wanted = self.image_teacher(small)
        return content_loss(self.backbone.forward_image(small), wanted)

    @staticmethod
    def _global_count(data_samples: list) -> float | Tensor:
        """Boxes of the whole optimisation step, per rank and micro-batch.

        DDP averages over ranks and the optimiser wrapper over micro-batches;
        dividing by this makes the sum of all a mean over all boxes. Of
        several ranks it is on the device, and nobody waits for it.
        """
        first = data_samples[0]
        boxes = first.get('group_boxes')
        if boxes is None:
            boxes = sum(len(s.boxes) for s in data_samples)
        ranks = dist.get_world_size()
        share = ranks * first.get('group_size', 1)
        if ranks == 1:
            return boxes / share
        total = torch.full((), float(boxes), device=first.boxes.device)
        dist.all_reduce(total)
        return total / share
