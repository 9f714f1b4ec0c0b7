"""A text tower or embedding file of another CLIP is refused."""

import pytest
import torch
from mmengine.registry import MODELS
from tiny import tiny_eva, tiny_openai

from declip_mm.checkpoint import FingerprintError
from declip_mm.models.pairing import check_text_tower, check_text_weights
from declip_mm.models.text import build_class_embeddings


def evaluator(backbone, text):
    return dict(
        type='ZeroShotModel',
        backbone=dict(type='DeCLIPViT', **backbone),
        predictor=dict(
            type='OpenVocabPredictor',
            text_encoder=dict(type='DeCLIPTextEncoder', **text),
        ),
    )


EVA = dict(model='EVA02-B-16', pretrained='merged2b_s8b_b131k')


def test_text_tower_of_another_model():
    # both have 512 dimensions: nothing else would ever tell
    openai = dict(model='ViT-B-16', pretrained='openai')
    with torch.device('meta'), pytest.raises(ValueError) as error:
        MODELS.build(evaluator(EVA, openai))
    assert str(error.value) == (
        'the backbone is EVA02-B-16 (merged2b_s8b_b131k), the text tower is '
        'ViT-B-16 (openai). Their embeddings do not compare, even where the '
        'dimensions agree: give text_encoder the '
        "backbone's model and weights."
    )


@pytest.mark.parametrize('part', ['predictor', 'content_teacher'])
def test_a_distiller_refuses_it_too(part):
    text = dict(type='DeCLIPTextEncoder', model='ViT-B-16')
    backbone = dict(type='DeCLIPViT', model='EVA02-B-16')
    parts = dict(
        content_teacher=dict(type='CLIPCropTeacher', backbone=backbone),
        predictor=dict(type='OpenVocabPredictor', text_encoder=text),
    )
    if part == 'content_teacher':
        parts = dict(content_teacher=dict(type='NounTeacher'))
        parts[part]['text_encoder'] = text
    cfg = dict(type='DecoupledDistiller', backbone=backbone, **parts)
    with torch.device('meta'), pytest.raises(ValueError, match='text tower'):
        MODELS.build(cfg)


OPENAI = dict(model='ViT-B-16', pretrained='openai')
LAION = dict(model='ViT-B-16', pretrained='laion2b_s34b_b88k')


@pytest.mark.parametrize('student', [EVA, LAION])
@pytest.mark.parametrize('cached', [False, True])
def test_a_crop_teacher_of_another_clip(student, cached, tmp_path):
    content = dict(
        type='CLIPCropTeacher', backbone=dict(type='DeCLIPViT', **OPENAI)
    )
    if cached:
        path = str(tmp_path / 'crops.npy')
        content = dict(type='CropCache', path=path, teacher=content)
        content.update(num_images=3, num_cells=86)
    cfg = dict(
        type='DecoupledDistiller',
        backbone=dict(type='DeCLIPViT', **student),
        content_teacher=content,
    )
    with torch.device('meta'), pytest.raises(ValueError) as error:
        MODELS.build(cfg)
    said = str(error.value)
    assert f'backbone is {student["model"]} ({student["pretrained"]})' in said
    assert 'the content teacher is ViT-B-16 (openai)' in said
    assert 'give content_teacher.backbone' in said


def test_text_tower_of_other_weights(tmp_path):
    backbone = dict(model='ViT-B-16', pretrained='openai')
    text = dict(backbone, pretrained='laion400m_e32')
    with torch.device('meta'):
        with pytest.raises(ValueError, match='openai.*laion400m_e32'):
            MODELS.build(evaluator(backbone, text))
        # a tuned image tower comes from a file, its text tower from the tag
        file = tmp_path / 'tuned.pt'
        file.touch()
        tuned = dict(EVA, pretrained=str(file))
        assert MODELS.build(evaluator(tuned, EVA)).backbone.tag == {}


def test_models_without_a_name_are_compared_by_their_sizes():
    backbone = MODELS.build(dict(type='DeCLIPViT', model=tiny_eva()))
    check_text_tower(backbone, dict(model=tiny_eva()))
    bigger = dict(tiny_eva(), vision_cfg=dict(tiny_eva()['vision_cfg']))
    bigger['vision_cfg']['image_size'] = 560  # of the same CLIP
    check_text_tower(backbone, dict(model=bigger))
    with pytest.raises(ValueError) as error:
        check_text_tower(backbone, dict(model=tiny_openai()))
    said = str(error.value)
    assert 'backbone is custom, dim 12, timm_model_name eva02_base' in said
    assert 'text tower is custom, dim 12, width 24, layers 3' in said
    with pytest.raises(ValueError, match='custom, dim 12.*EVA02-B-16'):
        check_text_tower(backbone, dict(model='EVA02-B-16'))
    with torch.device('meta'):
        backbone = MODELS.build(dict(type='DeCLIPViT', model='EVA02-B-16'))
    with pytest.raises(ValueError, match='EVA02-B-16.*custom, dim 12'):
        check_text_tower(backbone, dict(model=tiny_eva()))
    with pytest.raises(ValueError, match='EVA02-B-16.*ViT-B-16'):
        check_text_tower(backbone, dict(model='ViT-B-16'))


def test_activations_of_one_clip_agree(tmp_path):
    def build(quick):
        cfg = dict(type='DeCLIPViT', model=tiny_openai(), quick_gelu=quick)
        return MODELS.build(cfg)

    for quick in (None, False, True):
        check_text_tower(
            build(quick), dict(model=tiny_openai(), quick_gelu=quick)
        )
    with pytest.raises(ValueError) as error:
        check_text_tower(
            build(True), dict(model=tiny_openai(), quick_gelu=False)
        )
    for part in (
        'the backbone has activation quick_gelu (quick_gelu)',
        'the text tower (quick_gelu) has gelu',
        'set quick_gelu of both',
    ):
        assert part in str(error.value)
    with torch.device('meta'):  # two names of one CLIP
        backbone = MODELS.build(
            dict(type='DeCLIPViT', model='ViT-B-16-quickgelu')
        )
    check_text_tower(backbone, dict(model='ViT-B-16', pretrained='openai'))
    with pytest.raises(ValueError, match='nothing tells. has gelu'):
        check_text_tower(backbone, dict(model='ViT-B-16'))


def test_a_crop_teacher_with_the_other_activation():
    def part(**options):
        return dict(type='DeCLIPViT', model=tiny_openai(), **options)

    cfg = dict(
        type='DecoupledDistiller',
        backbone=part(quick_gelu=True),
        content_teacher=dict(type='CLIPCropTeacher', backbone=part()),
    )
    with pytest.raises(ValueError, match='quick_gelu.*content teacher.*gelu'):
        MODELS.build(cfg)


def test_the_text_tower_that_the_file_was_measured_with():
    backbone = MODELS.build(dict(type='DeCLIPViT', model=tiny_eva()))
    right, wrong = encoder(seed=0), encoder(seed=1)
    check_text_weights(backbone, wrong)  # nothing is recorded
    backbone.file_says = dict(text_tower=right.fingerprint)
    check_text_weights(backbone, right)
    with pytest.raises(FingerprintError) as error:
        check_text_weights(backbone, wrong)
    for part in (right.fingerprint['weights'][:12], 'give text_encoder'):
        assert part in str(error.value)


def predictor(path, **options):
    found = MODELS.build(
        dict(
            type='OpenVocabPredictor',
            text_encoder=dict(type='DeCLIPTextEncoder', model=tiny_eva()),
            classes=['cat', 'dog'],
            embeddings=str(path),
            **options,
        )
    )
    # what a file is compared with: random weights differ at every build
    found._encoder = encoder(seed=0)
    return found


def encoder(seed):
    torch.manual_seed(seed)
    built = MODELS.build(dict(type='DeCLIPTextEncoder', model=tiny_eva()))
    assert built.tower is not None  # filled now, by this seed
    return built


def test_wrong_embedding_file_is_refused(tmp_path):
    path = tmp_path / 'names.npz'
    right = build_class_embeddings(encoder(seed=0), ['cat', 'dog'], 'name')
    right.save(path)
    matrix = predictor(path, prompts='name').class_matrix(torch.zeros(1))
    torch.testing.assert_close(matrix, right.matrix)
    with pytest.raises(FingerprintError) as error:
        predictor(path).class_matrix(torch.zeros(1))
    assert "prompts: file has 'name" in str(error.value)
    assert "wanted is 'vild (63 prompts)'" in str(error.value)
    other = build_class_embeddings(encoder(seed=1), ['cat', 'dog'], 'name')
    other.save(path)
    with pytest.raises(FingerprintError) as error:
        predictor(path, prompts='name').class_matrix(torch.zeros(1))
    said = str(error.value)
    assert said.startswith(f'class embeddings {path} do not fit. weights: ')
    assert 'class_embeddings.py' in said
    swapped = build_class_embeddings(encoder(seed=0), ['dog', 'cat'], 'name')
    swapped.save(path)
    found = predictor(path, prompts='name').class_matrix(torch.zeros(1))
    torch.testing.assert_close(found, right.matrix)  # rows go by name
