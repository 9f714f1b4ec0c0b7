"""Every consumer of a backbone, tiny, and how checkpoints get into it."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS
from tiny import backbone_cfg, distiller_cfg, tiny_eva

from declip_mm.checkpoint import FINGERPRINT_KEY, read_content
from declip_mm.engine import FingerprintHook

NAMES = ['cat', 'dog', 'red car']


def backbone(model=None, **options):
    return backbone_cfg(model, **{'affinity': 'qq', **options})


def text(model=None, **options):
    return dict(type='DeCLIPTextEncoder', model=model or tiny_eva(), **options)


class Asked:
    """What a consumer is built of; everything fits unless said otherwise."""

    def __init__(
        self,
        model=None,
        tower=None,
        words=None,
        pixels=None,
        embeddings=None,
        folder=None,
    ):
        self.backbone = backbone(model, **(tower or {}))
        self.teacher = backbone(model, **(tower or {}))
        self.text = {**text(model), **(words or {})}
        self.pixels = pixels or {}
        self.embeddings = embeddings
        self.folder = folder

    @property
    def predictor(self):
        return dict(
            type='OpenVocabPredictor',
            text_encoder=self.text,
            prompts='name',
            embeddings=self.embeddings,
        )


def run(model, path):
    """What the Runner does with ``load_from`` in a test."""
    content = read_content(path)
    hook = FingerprintHook()
    runner = SimpleNamespace(model=model)
    hook.after_load_checkpoint(runner, content)
    model.load_state_dict(content['state_dict'], strict=False)


def hand_over(model, hook, own, theirs):
    """Names set by hand meet a data set that has them in another order."""
    model.set_vocabulary(own)
    dataset = SimpleNamespace(metainfo=dict(classes=tuple(theirs)))
    data = SimpleNamespace(dataset=dataset)
    hook.before_test_epoch(SimpleNamespace(model=model, test_dataloader=data))


class Distiller:
    """Pre-finetuning with validation."""

    own = 'a pre-finetuned backbone'

    def build(self, asked):
        model = MODELS.build(
            distiller_cfg(
                backbone=dict(asked.backbone, frozen_stages=0),
                content_teacher=dict(
                    type='CLIPCropTeacher', backbone=asked.teacher
                ),
                predictor=asked.predictor,
                data_preprocessor=dict(
                    type='DeCLIPPreprocessor', **asked.pixels
                ),
            )
        )
        if asked.embeddings:
            model.predictor.set_vocabulary(NAMES)
            model.predictor.class_matrix(torch.zeros(1))
        return model

    def load(self, path, folder):
        run(self.build(Asked()), path)

    def name(self, own, theirs):
        from declip_mm.engine import VocabularyHook

        model = self.build(Asked())
        hand_over(model, VocabularyHook(), own, theirs)


class RegionClassification(Distiller):
    """Measuring a backbone with boxes and masks."""

    def build(self, asked):
        model = MODELS.build(
            dict(
                type='ZeroShotModel',
                backbone=asked.backbone,
                predictor=asked.predictor,
                data_preprocessor=dict(
                    type='DeCLIPPreprocessor', **asked.pixels
                ),
            )
        )
        if asked.embeddings:
            model.predictor.set_vocabulary(NAMES)
            model.predictor.class_matrix(torch.zeros(1))
        return model


class Dense:
    """Training-free segmentation."""

    own = 'a pre-finetuned backbone'

    def config(self, asked):
        import declip_mm.segmentation  # noqa: F401  (registers the models)

        return dict(
            type='DenseCLIPSegmentor',
            backbone=asked.backbone,
            text_encoder=asked.text,
            prompts='name',
            embeddings=asked.embeddings,
            data_preprocessor=dict(
                type='DenseSegPreprocessor', **asked.pixels
            ),
            test_cfg=dict(window=64, stride=32),
        )

    def build(self, asked):
        pytest.importorskip('mmseg')
        from mmseg.registry import MODELS as models

        model = models.build(self.config(asked))
        if asked.embeddings:
            model.backbone.init_weights()
            model.set_vocabulary(NAMES)
            model.eval().predict([torch.zeros(3, 64, 64)])
        return model

    def load(self, path, folder):
        self.build(Asked(tower=dict(pretrained=path))).backbone.init_weights()

    def name(self, own, theirs):
        from declip_mm.engine import VocabularyHook

        hand_over(self.build(Asked()), VocabularyHook(), own, theirs)


class CATSeg:
    """CAT-Seg."""

    own = 'a CAT-Seg segmentor'

    def build(self, asked):
        pytest.importorskip('mmseg')
        from mmseg.registry import MODELS as models
        from tiny_cat_seg import segmentor_cfg

        return models.build(
            segmentor_cfg(
                backbone=asked.backbone,
                text_encoder=dict(asked.text, type='TrainableTextEncoder'),
                data_preprocessor=dict(
                    type='SegDataPreProcessor', **asked.pixels
                ),
            )
        )

    def load(self, path, folder):
        run(self.build(Asked()), path)

    def name(self, own, theirs):
        from declip_mm.engine import VocabularyHook

        hand_over(self.build(Asked()), VocabularyHook(), own, theirs)


class Detector:
    """F-ViT."""

    own = 'an F-ViT detector'
    taps = (0, 1, 2, 2)

    @property
    def tiny(self):
        from det_model import f_vit_cfg

        return f_vit_cfg

    def config(self, asked):
        pytest.importorskip('mmdet')
        from mmengine.registry import init_default_scope

        import declip_mm.detection  # noqa: F401  (registers the parts)

        init_default_scope('mmdet')
        vocabulary = dict(text_encoder=asked.text, prompts='name')
        if asked.embeddings:
            vocabulary = dict(
                embeddings=asked.embeddings, background='background'
            )
        return self.tiny(
            backbone=dict(asked.backbone, out_indices=self.taps),
            embedder=vocabulary,
            pixel_stats='backbone',
            data_preprocessor=dict(
                type='DetDataPreprocessor', pad_size_divisor=64, **asked.pixels
            ),
        )

    def build(self, asked):
        from mmdet.registry import MODELS as models

        model = models.build(self.config(asked))
        if asked.embeddings:
            model.backbone.init_weights()
            model.set_vocabulary(NAMES)
        return model

    def load(self, path, folder):
        run(self.build(Asked()), path)

    def name(self, own, theirs):
        from declip_mm.engine import VocabularyHook

        hand_over(self.build(Asked()), VocabularyHook(), own, theirs)


class QueryDetector(Detector):
    """OV-DQUO."""

    own = 'an OV-DQUO detector'
    taps = (0, 1, 2)

    @property
    def tiny(self):
        from ov_dquo_model import ov_dquo_cfg

        return ov_dquo_cfg


class SegInferencer(Dense):
    """Pictures from Python, segmented."""

    def build(self, asked, weights=None):
        pytest.importorskip('mmseg')
        from declip_mm.apis import DeCLIPSegInferencer

        pipeline = [dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]
        data = dict(dataset=dict(pipeline=pipeline))
        config = Config(dict(model=self.config(asked), test_dataloader=data))
        segment = DeCLIPSegInferencer(config, weights, device='cpu')
        if asked.embeddings:
            segment(np.zeros((64, 64, 3), np.uint8), names=NAMES)
        return segment

    def load(self, path, folder):
        self.build(Asked(), path)


class DetInferencer(Detector):
    """Pictures from Python, with boxes."""

    def build(self, asked, weights=None):
        pytest.importorskip('mmdet')
        from det_world import write_project

        from declip_mm.apis import DeCLIPDetInferencer

        model = self.config(asked)
        path = write_project(asked.folder)
        config = Config.fromfile(path)
        config.model = model
        config.dump(str(path))
        return DeCLIPDetInferencer(
            str(path),
            weights or checkpoint_of(Detector(), asked),
            NAMES,
            device='cpu',
            show_progress=False,
        )

    def load(self, path, folder):
        self.build(Asked(folder=folder), path)


class Encoder:
    """Pictures from Python, without a toolbox."""

    own = 'a pre-finetuned backbone'

    def build(self, asked):
        from declip_mm.models.zero_shot import DenseEncoder

        model = MODELS.build(asked.backbone)
        model.init_weights()
        return DenseEncoder(model, asked.text, prompts='name', device='cpu')

    def load(self, path, folder):
        self.build(Asked(tower=dict(pretrained=path)))


CONSUMERS = dict(
    distiller=Distiller(),
    region_classification=RegionClassification(),
    dense_segmentor=Dense(),
    cat_seg=CATSeg(),
    f_vit=Detector(),
    ov_dquo=QueryDetector(),
    seg_inferencer=SegInferencer(),
    det_inferencer=DetInferencer(),
    dense_encoder=Encoder(),
)


def checkpoint_of(consumer, asked, path=None, **said):
    """A file as the Runner writes it."""
    model = consumer.build(asked)
    path = path or asked.folder / 'checkpoint.pth'
    fingerprint = dict(model.backbone.fingerprint, **said)
    content = dict(
        meta={FINGERPRINT_KEY: fingerprint}, state_dict=model.state_dict()
    )
    torch.save(content, path)
    return str(path)
