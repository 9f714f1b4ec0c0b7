"""Every shipped config builds what it names, at full size."""

from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import (
    DATA_SAMPLERS,
    DATASETS,
    HOOKS,
    LOOPS,
    METRICS,
    MODELS,
    PARAM_SCHEDULERS,
    TRANSFORMS,
)

import declip_mm  # noqa: F401  (registers everything)

ROOT = Path(__file__).parents[1] / 'configs'
CONFIGS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in ROOT.rglob('*.py')
    if '_base_' not in path.parts
)


def as_list(value):
    return value if isinstance(value, list) else [value]


def build_scheduler(scheduler, optimizer):
    by_iteration = scheduler.pop('convert_to_iter_based', False)
    if not by_iteration:
        return PARAM_SCHEDULERS.build(dict(scheduler, optimizer=optimizer))
    kind = PARAM_SCHEDULERS.get(scheduler.pop('type'))
    return kind.build_iter_from_epoch(
        **scheduler, optimizer=optimizer, epoch_length=100
    )


@pytest.fixture(params=CONFIGS)
def cfg(request):
    return Config.fromfile(ROOT / request.param)


def test_there_are_configs():
    assert 'declip/pretune_dinov2.py' in CONFIGS
    assert 'declip/pretune_dinov2_released.py' in CONFIGS


def test_model_builds_and_has_something_to_train(cfg):
    model = MODELS.build(cfg.model)
    assert model.data_preprocessor is not None
    if cfg.get('optim_wrapper'):
        wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
        assert any(p.requires_grad for p in model.parameters())
        for scheduler in cfg.param_scheduler:
            build_scheduler(dict(scheduler), wrapper)


def test_types_are_registered(cfg):
    for hook in cfg.get('custom_hooks', []):
        HOOKS.build(hook)
    for evaluator in ('val_evaluator', 'test_evaluator'):
        for metric in as_list(cfg.get(evaluator) or []):
            METRICS.build(metric)
    for loop in ('train_cfg', 'val_cfg', 'test_cfg'):
        if cfg.get(loop):
            assert LOOPS.get(cfg[loop].type)
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        loader = cfg.get(name)
        if loader:
            assert DATA_SAMPLERS.get(loader.sampler.type)
            assert DATASETS.get(loader.dataset.type)
            if 'views' in loader.dataset:
                TRANSFORMS.build(loader.dataset.views)


def test_token_grids_of_student_and_vfm_agree(cfg):
    loader = cfg.get('train_dataloader')
    if not loader:
        return
    model = MODELS.build(cfg.model)
    teacher = model.context_teacher
    teacher = getattr(teacher, 'teacher', teacher)
    views = loader.dataset.views
    patch = teacher.trunk.patch_embed.patch_size[0]
    ours = views.image_size / model.backbone.visual.patch_size
    assert ours == views.vfm_size / patch == int(ours)
    native = model.content_teacher.backbone.visual.native_size
    assert views.crop_size == native


@pytest.mark.parametrize('name', CONFIGS)
def test_header_says_how_to_run(name):
    head = (ROOT / name).read_text('utf-8').split('_base_')[0]
    assert f'configs/{name}' in head
    if name.startswith('declip/'):
        for word in ('Hardware', 'Memory', 'Figure', 'Source'):
            assert word in head, word
