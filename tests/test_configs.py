"""Every shipped config builds what it names, at full size."""

import json
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
    RUNNERS,
    STRATEGIES,
    TRANSFORMS,
    VISBACKENDS,
    init_default_scope,
)
from shapes import shapes_alone

import declip_mm  # noqa: F401  (registers everything)
from declip_mm.apis import switch_amp
from declip_mm.apis.options import check_options

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
    cfg = Config.fromfile(ROOT / request.param)
    init_default_scope(cfg.default_scope)
    return cfg


@pytest.fixture(scope='session')
def lvis_file(tmp_path_factory):
    """What a metric reads in its constructor."""
    path = tmp_path_factory.mktemp('lvis') / 'lvis.json'
    image = dict(id=1, file_name='1.jpg', height=9, width=9)
    thing = dict(id=1, image_id=1, category_id=1, bbox=[0, 0, 5, 5], area=25)
    thing['segmentation'] = [[0, 0, 5, 0, 5, 5, 0, 5]]
    image.update(neg_category_ids=[], not_exhaustive_category_ids=[])
    category = dict(id=1, name='cat', frequency='r')
    content = dict(images=[image], annotations=[thing], categories=[category])
    path.write_text(json.dumps(content))
    return str(path)


def is_known(registry, kind):
    """Whether the config's scope, or root, has this type."""
    with registry.switch_scope_and_registry(None) as child:
        return child.get(kind) is not None


def test_there_are_configs():
    assert 'declip/pretune_dinov2.py' in CONFIGS
    assert 'declip/pretune_dinov2_released.py' in CONFIGS


def test_model_builds_and_has_something_to_train(cfg):
    with shapes_alone():
        model = MODELS.build(cfg.model)
    assert model.data_preprocessor is not None
    if cfg.get('optim_wrapper'):
        if cfg.get('strategy'):  # it wraps the optimizer itself
            cfg.optim_wrapper.type = 'OptimWrapper'
        switch_amp(cfg, False)
        wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
        assert any(p.requires_grad for p in model.parameters())
        for scheduler in cfg.param_scheduler:
            build_scheduler(dict(scheduler), wrapper)


def test_types_are_registered(cfg, lvis_file):
    for hook in cfg.get('custom_hooks', []):
        HOOKS.build(hook)
    for evaluator in ('val_evaluator', 'test_evaluator'):
        for metric in as_list(cfg.get(evaluator) or []):
            if 'ann_file' in metric:
                metric.ann_file = lvis_file
            METRICS.build(metric)
    if cfg.get('strategy'):
        assert RUNNERS.get(cfg.runner_type)
        assert STRATEGIES.get(cfg.strategy.type)
    for loop in ('train_cfg', 'val_cfg', 'test_cfg'):
        if cfg.get(loop):
            assert is_known(LOOPS, cfg[loop].type)
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        loader = cfg.get(name)
        if loader:
            assert is_known(DATA_SAMPLERS, loader.sampler.type)
            assert is_known(DATASETS, loader.dataset.type)
            if 'views' in loader.dataset:
                TRANSFORMS.build(loader.dataset.views)


def test_token_grids_of_student_and_vfm_agree(cfg):
    loader = cfg.get('train_dataloader')
    if not loader or 'context_teacher' not in cfg.model:
        return
    views = loader.dataset.get('views')
    if not views:  # mosaics: neither crops nor a VFM look at pictures
        return
    with shapes_alone():
        model = MODELS.build(cfg.model)
    ours = views.image_size / model.backbone.visual.patch_size
    assert ours == int(ours)
    teacher = model.context_teacher
    teacher = getattr(teacher, 'teacher', teacher)
    if teacher is not None:
        assert ours == views.vfm_size / teacher.stride
    crops = getattr(model.content_teacher, 'backbone', None)
    if crops is not None:
        assert views.crop_size == crops.visual.native_size


@pytest.mark.parametrize(
    'name', [name for name in CONFIGS if name.startswith('region_cls/')]
)
def test_regions_fit_the_patches_and_the_text_tower(name):
    cfg = Config.fromfile(ROOT / name)
    with shapes_alone():
        backbone = MODELS.build(cfg.model.backbone)
    size = cfg.test_dataloader.dataset.image_size
    assert size % backbone.visual.patch_size == 0
    text = cfg.model.predictor.text_encoder
    for key in ('model', 'pretrained'):
        assert text[key] == cfg.model.backbone[key]


@pytest.mark.parametrize(
    'name', [name for name in CONFIGS if name.startswith('dense_seg/')]
)
def test_dense_segmentation_asks_its_own_text_tower(name):
    model = Config.fromfile(ROOT / name).model
    for key in ('model', 'pretrained'):
        assert model.text_encoder[key] == model.backbone[key]


@pytest.mark.parametrize('name', CONFIGS)
def test_header_says_how_to_run(name):
    head = (ROOT / name).read_text('utf-8').split('_base_')[0]
    assert f'configs/{name}' in head
    if name.startswith(('dense_seg/', 'region_cls/')):
        for word in ('Hardware', 'Figure', 'Source'):
            assert word in head, word
    if name.startswith(('declip/', 'f_vit/', 'ov_dquo/ov-dquo')):
        for word in ('Hardware', 'Memory', 'Figure', 'Source'):
            assert word in head, word


def test_tensorboard_is_one_option_away():
    cfg = Config.fromfile(ROOT / 'declip/pretune_dinov2.py')
    assert cfg.visualizer.vis_backends[0].type == 'LocalVisBackend'
    options = {'visualizer.vis_backends.0.type': 'TensorboardVisBackend'}
    check_options(cfg, options)
    cfg.merge_from_dict(options)
    (backend,) = cfg.visualizer.vis_backends
    assert VISBACKENDS.get(backend.type) is not None
