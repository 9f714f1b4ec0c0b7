"""No consumer of a backbone runs with the wrong weights in silence.

Every consumer meets everything that may silently be wrong with its weights.
Each combination that exists is refused, naming both sides and what to do.
``pytest tests/test_contract.py --co -q`` lists the cases,
``python tests/test_contract.py`` prints the table with what cannot exist.
"""

from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from tiny import backbone_cfg, distiller_cfg, tiny_eva, tiny_openai

from declip_mm.checkpoint import FINGERPRINT_KEY, read_content, save_weights
from declip_mm.engine import FingerprintHook
from declip_mm.models.text import build_class_embeddings

NAMES = ['cat', 'dog', 'red car']
OTHER_ORDER = ['dog', 'cat', 'red car']
PIXELS = dict(mean=[1.0, 2.0, 3.0], std=[4.0, 5.0, 6.0])


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


def run(model, path, module='backbone'):
    """What the Runner does with ``load_from`` in a test."""
    content = read_content(path)
    hook = FingerprintHook(module=module)
    runner = SimpleNamespace(model=model)
    hook.after_load_checkpoint(runner, content)
    model.load_state_dict(content['state_dict'], strict=False)
    hook.before_test(runner)


def loader(names):
    """A data set that has these names, in this order."""
    meta = dict(classes=tuple(names))
    dataset = SimpleNamespace(metainfo=meta)
    found = SimpleNamespace(dataset=dataset)
    return dict(
        train_dataloader=found, val_dataloader=found, test_dataloader=found
    )


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
        model.predictor.set_vocabulary(own)
        runner = SimpleNamespace(model=model, **loader(theirs))
        VocabularyHook().before_val_epoch(runner)


class RegionClassification(Distiller):
    """Measuring a backbone with boxes and masks."""

    def build(self, asked):
        model = MODELS.build(
            dict(
                type='OpenVocabEvaluator',
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
            data_preprocessor=dict(
                type='DenseSegPreprocessor', **asked.pixels
            ),
            test_cfg=dict(window=64, stride=32),
        )

    def build(self, asked):
        pytest.importorskip('mmseg')
        from mmseg.registry import MODELS as models

        return models.build(self.config(asked))

    def load(self, path, folder):
        self.build(Asked(tower=dict(pretrained=path))).backbone.init_weights()

    def name(self, own, theirs):
        from declip_mm.segmentation import SegVocabularyHook

        model = self.build(Asked())
        model.set_vocabulary(own)
        runner = SimpleNamespace(model=model, **loader(theirs))
        SegVocabularyHook().before_test_epoch(runner)


class CATSeg:
    """CAT-Seg."""

    own = 'a CAT-Seg segmentor'

    def build(self, asked):
        pytest.importorskip('mmseg')
        from mmseg.registry import MODELS as models
        from tiny_cat_seg import segmentor_cfg

        return models.build(
            segmentor_cfg(
                image_encoder=asked.backbone,
                text_encoder=dict(asked.text, type='TrainableTextEncoder'),
                data_preprocessor=dict(
                    type='SegDataPreProcessor', **asked.pixels
                ),
            )
        )

    def load(self, path, folder):
        run(self.build(Asked()), path, 'image_encoder')

    def name(self, own, theirs):
        from declip_mm.segmentation.cat_seg import CATSegVocabularyHook

        model = self.build(Asked())
        model.set_vocabulary(own)
        runner = SimpleNamespace(model=model, **loader(theirs))
        CATSegVocabularyHook().before_test_epoch(runner)


class Detector:
    """F-ViT."""

    own = 'an F-ViT detector'

    def config(self, asked):
        pytest.importorskip('mmdet')
        from det_model import f_vit_cfg
        from mmengine.registry import init_default_scope

        import declip_mm.detection  # noqa: F401  (registers the parts)

        init_default_scope('mmdet')
        vocabulary = dict(text_encoder=asked.text, prompts='name')
        if asked.embeddings:
            vocabulary = dict(embeddings=asked.embeddings)
        return f_vit_cfg(
            backbone=dict(asked.backbone, out_indices=(0, 1, 2, 2)),
            vocabulary=vocabulary,
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
        from declip_mm.detection import DetVocabularyHook

        model = self.build(Asked())
        model.set_vocabulary(own)
        runner = SimpleNamespace(model=model, **loader(theirs))
        DetVocabularyHook().before_test_epoch(runner)


class SegInferencer(Dense):
    """Pictures from Python, segmented."""

    def build(self, asked, weights=None):
        pytest.importorskip('mmseg')
        from declip_mm.apis import DeCLIPSegInferencer

        pipeline = [dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]
        data = dict(dataset=dict(pipeline=pipeline))
        config = Config(dict(model=self.config(asked), test_dataloader=data))
        return DeCLIPSegInferencer(config, weights, device='cpu')

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


CONSUMERS = dict(
    distiller=Distiller(),
    region_classification=RegionClassification(),
    dense_segmentor=Dense(),
    cat_seg=CATSeg(),
    f_vit=Detector(),
    seg_inferencer=SegInferencer(),
    det_inferencer=DetInferencer(),
)


def checkpoint_of(consumer, asked, path=None, **said):
    """A file as the Runner writes it."""
    model = consumer.build(asked)
    path = path or asked.folder / 'checkpoint.pth'
    module = 'image_encoder' if isinstance(consumer, CATSeg) else 'backbone'
    fingerprint = dict(getattr(model, module).fingerprint, **said)
    content = dict(
        meta={FINGERPRINT_KEY: fingerprint}, state_dict=model.state_dict()
    )
    torch.save(content, path)
    return str(path)


def donor(kind, folder, **tower):
    path = folder / f'{kind}.pth'
    written = checkpoint_of(CONSUMERS[kind], Asked(tower=tower), path)
    DefaultScope._instance_dict.clear()  # that of the donor's toolbox
    return written


def whose(name):
    """Whose checkpoints a consumer takes."""
    same = dict(
        region_classification='distiller',
        dense_segmentor='distiller',
        seg_inferencer='distiller',
        det_inferencer='f_vit',
    )
    return same.get(name, name)


# -- what may be wrong: act, and what its message has to say ---------------


def text_tower(name, folder):
    asked = Asked(words=dict(model=tiny_openai()), folder=folder)
    CONSUMERS[name].build(asked)


def encoder(seed):
    torch.manual_seed(seed)
    built = MODELS.build(text())
    assert built.tower is not None  # filled now, by this seed
    return built


def class_embeddings(name, folder):
    """The backbone's file says which tower it was measured with."""
    right, wrong = encoder(1), encoder(2)
    found = build_class_embeddings(
        wrong, NAMES, 'name', background='background'
    )
    found.save(folder / 'classes.npz')
    path = folder / 'backbone.pth'
    model = MODELS.build(backbone())
    weights = {f'backbone.{k}': v for k, v in model.state_dict().items()}
    tower = dict(text_tower=right.fingerprint)
    save_weights(weights, path, dict(model.fingerprint, **tower))
    asked = Asked(
        tower=dict(pretrained=str(path)),
        embeddings=str(folder / 'classes.npz'),
        folder=folder,
    )
    if name != 'det_inferencer':
        CONSUMERS[name].build(asked)
        return
    whole = checkpoint_of(
        Detector(), Asked(), folder / 'detector.pth', **tower
    )
    asked.backbone['pretrained'] = None
    CONSUMERS[name].build(asked, whole)


def pixels(name, folder):
    CONSUMERS[name].build(Asked(pixels=PIXELS, folder=folder))


def channels(name, folder):
    CONSUMERS[name].build(Asked(pixels=dict(bgr_to_rgb=False), folder=folder))


def affinity(name, folder):
    path = donor(whose(name), folder, affinity='csa')
    CONSUMERS[name].load(path, folder)


def scale(name, folder):
    path = donor(whose(name), folder, scale=2.5)
    CONSUMERS[name].load(path, folder)


def activation_of_towers(name, folder):
    asked = Asked(
        tiny_openai(),
        tower=dict(quick_gelu=True),
        words=dict(quick_gelu=False),
        folder=folder,
    )
    CONSUMERS[name].build(asked)


def activation_of_file(name, folder):
    """OpenAI's layout, and a config that says GELU."""
    import open_clip

    clip = open_clip.model.CLIP(**tiny_openai(), quick_gelu=True)
    sizes = dict(input_resolution=64, context_length=16, vocab_size=49408)
    stated = {k: torch.tensor(v) for k, v in sizes.items()}
    path = str(folder / 'openai.pt')
    torch.save({**clip.state_dict(), **stated}, path)
    tower = dict(pretrained=path, quick_gelu=False, affinity='vanilla')
    CONSUMERS[name].build(Asked(tiny_openai(), tower=tower, folder=folder))


def names(name, folder):
    CONSUMERS[name].name(NAMES, OTHER_ORDER)


def checkpoint(kind):
    def act(name, folder):
        CONSUMERS[name].load(donor(kind, folder), folder)

    return act


#: Wrong -> act, got, expected, remedy.
WRONGS = dict(
    text_tower=(text_tower, 'width 24', 'eva02_base', 'give text_encoder'),
    class_embeddings=(class_embeddings, '', '', 'embeddings'),
    pixels=(pixels, '[1.0, 2.0, 3.0]', '[122.77', 'foreign_pixels'),
    channels=(channels, 'bgr_to_rgb=False', 'RGB', 'foreign_pixels'),
    affinity=(affinity, "'csa'", "'qq'", 'Change the config'),
    scale=(scale, '2.5', '0.28', 'Change the config'),
    activation_of_towers=(
        activation_of_towers, 'gelu', 'quick_gelu', 'set quick_gelu of both',
    ),
    activation_of_file=(
        activation_of_file, 'openai.pt wants quick_gelu', 'says gelu',
        'leave quick_gelu out',
    ),
    names=(names, 'cat', 'dog', 'out'),
    checkpoint_of_cat_seg=(
        checkpoint('cat_seg'), 'a CAT-Seg segmentor', None, 'ive the',
    ),
    checkpoint_of_f_vit=(
        checkpoint('f_vit'), 'an F-ViT detector', None, 'ive the',
    ),
    checkpoint_of_backbone=(
        checkpoint('distiller'), 'a pre-finetuned backbone', None, 'ive the',
    ),
)  # fmt: skip

_VERIFIED = 'takes no file of embeddings; its cache is verified on reading'
_OWN = 'this is what it takes'
_ORDERED = 'labels are positions in the names given; there is no data set'
#: (consumer, wrong) that cannot exist, and why.
ABSENT = {
    ('dense_segmentor', 'class_embeddings'): _VERIFIED,
    ('cat_seg', 'class_embeddings'): _VERIFIED,
    ('seg_inferencer', 'class_embeddings'): _VERIFIED,
    **{
        (name, 'channels'): 'our own reader gives RGB; there is no option'
        for name in ('distiller', 'region_classification')
    },
    **{
        (name, 'names'): _ORDERED
        for name in ('seg_inferencer', 'det_inferencer')
    },
    ('cat_seg', 'checkpoint_of_cat_seg'): _OWN,
    ('f_vit', 'checkpoint_of_f_vit'): _OWN,
    ('det_inferencer', 'checkpoint_of_f_vit'): _OWN,
    **{
        (name, 'checkpoint_of_backbone'): _OWN
        for name in CONSUMERS
        if whose(name) == 'distiller'
    },
}
#: (consumer, wrong) that still pass, and what they wait for.
PASSING = {
    ('f_vit', 'names'): 'DetVocabularyHook overwrites names set by hand',
    ('cat_seg', 'names'): 'CATSegVocabularyHook overwrites names set by hand',
}
CASES = [
    pytest.param(
        name,
        wrong,
        id=f'{name}-{wrong}',
        marks=[pytest.mark.xfail(strict=True, reason=PASSING[name, wrong])]
        if (name, wrong) in PASSING
        else [],
    )
    for name in CONSUMERS
    for wrong in WRONGS
    if (name, wrong) not in ABSENT
]


@pytest.fixture(autouse=True)
def _no_scope():
    DefaultScope._instance_dict.clear()


@pytest.mark.parametrize(('name', 'wrong'), CASES)
def test_refused(name, wrong, tmp_path):
    act, got, expected, remedy = WRONGS[wrong]
    if expected is None:
        expected = CONSUMERS[name].own
    with pytest.raises(ValueError) as error:
        act(name, tmp_path)
    for part in (got, expected, remedy):
        assert part in str(error.value), part


@pytest.mark.parametrize('name', CONSUMERS)
def test_what_fits_is_taken(name, tmp_path):
    """Else everything above would be refused for another reason."""
    CONSUMERS[name].build(Asked(folder=tmp_path))
    CONSUMERS[name].load(donor(whose(name), tmp_path), tmp_path)


@pytest.mark.parametrize('name', CONSUMERS)
def test_foreign_pixels_may_be_declared(name, tmp_path):
    declared = dict(PIXELS, foreign_pixels='to see what it costs')
    CONSUMERS[name].build(Asked(pixels=declared, folder=tmp_path))


def table():
    """The contract as lines of text."""
    wide = max(map(len, WRONGS))
    for name in CONSUMERS:
        yield f'{name}: {type(CONSUMERS[name]).__doc__}'
        for wrong in WRONGS:
            key = (name, wrong)
            if key in PASSING:
                said = f'PASSES: {PASSING[key]}'
            else:
                said = (
                    f'cannot be: {ABSENT[key]}' if key in ABSENT else 'refused'
                )
            yield f'  {wrong:{wide}}  {said}'


def test_the_table_has_every_pair():
    lines = list(table())
    assert len(lines) == len(CONSUMERS) * (len(WRONGS) + 1)
    assert set(ABSENT) | set(PASSING) <= {
        (name, wrong) for name in CONSUMERS for wrong in WRONGS
    }
    assert not set(ABSENT) & set(PASSING)


if __name__ == '__main__':
    print('\n'.join(table()))
