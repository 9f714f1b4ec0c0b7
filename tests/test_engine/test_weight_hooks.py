"""Weight ensemble, fingerprints and vocabulary, without a whole run."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.registry import HOOKS, MODELS
from tiny import backbone_cfg, distiller_cfg, tiny_eva

from declip_mm.checkpoint import FingerprintError


@pytest.fixture
def runner():
    torch.manual_seed(0)
    model = MODELS.build(distiller_cfg())
    return SimpleNamespace(model=model, _resume=False)


def saved(runner):
    state = {k: v.clone() for k, v in runner.model.state_dict().items()}
    return dict(meta={}, state_dict=state)


def move(runner):
    with torch.no_grad():
        for parameter in runner.model.backbone.parameters():
            parameter.add_(1.0)


NAME = 'visual.trunk.head.weight'


def test_mixture_is_evaluated_and_saved_student_goes_on(runner):
    hook = HOOKS.build(dict(type='WeightEnsembleHook', ensemble_alpha=0.7))
    hook.before_train(runner)
    original = runner.model.backbone.state_dict()[NAME].clone()
    move(runner)
    student = runner.model.backbone.state_dict()[NAME].clone()
    mixed = 0.7 * student + 0.3 * original
    hook.before_val_epoch(runner)
    torch.testing.assert_close(runner.model.backbone.state_dict()[NAME], mixed)
    hook.after_val_epoch(runner)
    assert torch.equal(runner.model.backbone.state_dict()[NAME], student)
    checkpoint = saved(runner)
    hook.before_save_checkpoint(runner, checkpoint)
    torch.testing.assert_close(
        checkpoint['state_dict'][f'backbone.{NAME}'], mixed
    )
    assert torch.equal(checkpoint['student_state_dict'][NAME], student)
    # a resumed run gets the student, a test gets the mixture
    hook.after_load_checkpoint(runner, test := dict(checkpoint))
    torch.testing.assert_close(test['state_dict'][f'backbone.{NAME}'], mixed)
    runner._resume = True
    hook.after_load_checkpoint(runner, checkpoint)
    assert torch.equal(checkpoint['state_dict'][f'backbone.{NAME}'], student)


def test_evaluation_alone_mixes_nothing(runner):
    hook = HOOKS.build(dict(type='WeightEnsembleHook', ensemble_alpha=0.7))
    move(runner)
    loaded = runner.model.backbone.state_dict()[NAME].clone()
    hook.before_val_epoch(runner)
    assert torch.equal(runner.model.backbone.state_dict()[NAME], loaded)
    hook.after_val_epoch(runner)


@pytest.mark.parametrize('alpha', [0, 1.5, -1])
def test_alpha_is_checked(alpha):
    with pytest.raises(ValueError, match='ensemble_alpha'):
        HOOKS.build(dict(type='WeightEnsembleHook', ensemble_alpha=alpha))


def test_fingerprint_is_written_and_compared(runner):
    hook = HOOKS.build(dict(type='FingerprintHook', recipe='paper'))
    checkpoint = saved(runner)
    hook.before_save_checkpoint(runner, checkpoint)
    written = checkpoint['meta']['declip']
    assert written['recipe'] == 'paper' and written['affinity'] == 'csa'
    hook.after_load_checkpoint(runner, checkpoint)
    other = MODELS.build(
        distiller_cfg(backbone=backbone_cfg(affinity='qq', scale=1.0))
    )
    with pytest.raises(FingerprintError) as error:
        hook.after_load_checkpoint(SimpleNamespace(model=other), checkpoint)
    assert "file has 'csa', model has 'qq'" in str(error.value)
    assert 'scale' in str(error.value)


def test_a_checkpoint_that_fills_the_backbone_in_part_is_refused(runner):
    hook = HOOKS.build(dict(type='FingerprintHook'))
    checkpoint = saved(runner)
    del checkpoint['state_dict'][f'backbone.{NAME}']
    with pytest.raises(ValueError, match=f'Missing: .*{NAME}'):
        hook.after_load_checkpoint(runner, checkpoint)


def loader(names):
    dataset = SimpleNamespace(metainfo=dict(classes=names))
    return SimpleNamespace(dataset=dataset)


@pytest.mark.parametrize('stages', [{}, dict(test=dict(prompts='name'))])
def test_names_without_a_predictor_are_an_error_in_words(runner, stages):
    runner.val_dataloader = loader(['a', 'b'])
    hook = HOOKS.build(dict(type='VocabularyHook', **stages))
    hook.before_train(runner)
    with pytest.raises(ValueError, match='needs a predictor for names'):
        hook.before_val_epoch(runner)


def test_vocabulary_comes_from_the_data_set():
    encoder = dict(type='DeCLIPTextEncoder', model=tiny_eva())
    predictor = dict(type='OpenVocabPredictor', text_encoder=encoder)
    model = MODELS.build(distiller_cfg(predictor=predictor))
    runner = SimpleNamespace(
        model=model,
        val_dataloader=loader(['a', 'b']),
        test_dataloader=loader(['c']),
    )
    hook = HOOKS.build(dict(type='VocabularyHook'))
    hook.before_train(runner)  # distillation needs no names
    assert model.vocabulary is None
    hook.before_val_epoch(runner)
    assert model.vocabulary.classes == ('a', 'b')
    hook.before_test_epoch(runner)
    assert model.predictor.vocabulary.classes == ('c',)
    model.set_vocabulary(['c', 'd'])  # given by hand
    with pytest.raises(ValueError, match="only in the model: 'd'"):
        hook.before_test_epoch(runner)
    runner.test_dataloader = loader(())
    with pytest.raises(ValueError, match='no class names'):
        hook.before_test_epoch(runner)
