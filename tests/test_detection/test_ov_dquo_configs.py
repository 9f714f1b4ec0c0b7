"""Sizes of the shipped OV-DQUO configs agree; each trains and predicts."""

from pathlib import Path

import pytest
import torch
from det_model import BASE, NAMES, text_encoder
from mmengine.config import Config
from mmengine.registry import DATA_SAMPLERS, MODELS, init_default_scope
from ov_dquo_model import losses_of, pictures
from tiny import tiny_eva
from tool_modules import load_tool

ROOT = Path(__file__).parents[2] / 'configs'
CONFIGS = [
    *sorted((ROOT / 'ov_dquo').glob('ov-dquo*.py')),
    *sorted((ROOT / 'miniature').glob('ov_dquo*.py')),
]


@pytest.fixture(params=CONFIGS, ids=[path.stem for path in CONFIGS])
def cfg(request):
    cfg = Config.fromfile(request.param)
    init_default_scope('mmdet')
    return cfg


def scales(steps):
    """Sides of all resizing, inside of random choices, too."""
    for step in steps:
        for inner in step.get('transforms', ()):
            yield from scales(inner)
        if step['type'] == 'Resize':
            yield step['scale']


def test_sizes_agree(cfg):
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    tower, options = model.backbone.visual, cfg.model
    d, levels = model.embed_dims, model.num_feature_levels
    assert options.neck.in_channels == [tower.width] * levels
    assert len(options.neck.scales) == levels
    assert options.neck.out_channels == d == options.bbox_head.embed_dims
    assert options.positional_encoding.num_feats * 2 == d
    assert len(model.backbone.out_indices) == levels
    assert model.backbone.out_indices[-1] == tower.num_stages - 1
    assert model.text_proj[0].in_features == tower.out_dim
    side = options.data_preprocessor.pad_size_divisor
    # a fourth map of half the cells would not be whole
    assert side % (2 * tower.patch_size) == 0
    grid = side // tower.patch_size
    tokens = sum(int(grid * s) ** 2 for s in options.neck.scales)
    assert options.num_queries < tokens
    steps = list(cfg.test_dataloader.dataset.pipeline)
    if cfg.get('train_dataloader'):
        steps += cfg.train_dataloader.dataset.pipeline
        assert steps[-1]['type'] == 'PackOVDetInputs'
    found = set(map(tuple, scales(steps)))
    assert found == {(side, side)}


def test_towers_belong_together_and_run_as_they_were_distilled(cfg):
    text, backbone = cfg.model.embedder.text_encoder, cfg.model.backbone
    assert text.model == backbone.model
    if backbone.pretrained:
        assert text.pretrained == backbone.pretrained
    decoupled = backbone.affinity not in ('maskclip', 'vanilla')
    assert (backbone.last_tap == 'decoupled') == decoupled
    assert decoupled or backbone.last_tap == backbone.affinity
    if backbone.get('init_cfg'):
        assert (backbone.init_cfg.get('prefix') == 'backbone.') == decoupled


def test_recipes_are_the_authors(cfg):
    if 'miniature' in str(cfg.filename) or not cfg.get('train_dataloader'):
        return
    lvis = 'lvis' in Path(cfg.filename).stem
    model = cfg.model
    assert (model.train_classes, model.novel_names) == (
        (100, True) if lvis else (48, False)
    )
    assert model.test_cfg.max_per_img == (300 if lvis else 100)
    assert model.novel_factor == 1.0
    assert cfg.train_cfg.max_epochs == (35 if lvis else 30)
    kinds = [hook.type for hook in cfg.custom_hooks]
    assert kinds[0] == 'EMAHook' and cfg.custom_hooks[0].momentum == 4e-5
    sampler = cfg.train_dataloader.sampler
    assert DATA_SAMPLERS.get(sampler.type) is not None
    assert sampler.get('repeat_thr') == (1.0 if lvis else None)
    # theirs is float16; this one finds out what the device has
    assert cfg.optim_wrapper.type == 'MixedOptimWrapper'
    assert cfg.optim_wrapper.clip_grad.max_norm == 0.1


def shrink(cfg):
    """The config's own structure on a tiny tower, at 64 or 56 px."""
    patch = 14 if 'l14' in str(cfg.filename) else 16
    model = tiny_eva(patch_size=patch)
    model['vision_cfg']['image_size'] = 4 * patch
    levels = len(cfg.model.neck.scales)
    cfg.merge_from_dict(
        {
            'model.data_preprocessor.pad_size_divisor': 4 * patch,
            'model.backbone.model': dict(model, _delete_=True),
            'model.backbone.pretrained': None,
            'model.backbone.init_cfg': None,
            'model.backbone.frozen_stages': 3,
            'model.backbone.out_indices': (0, 1, 2)[-levels:],
            'model.embedder': dict(
                _delete_=True, text_encoder=text_encoder(), prompts='name'
            ),
            'model.neck.in_channels': [24] * levels,
            'model.num_queries': 15,
            'model.encoder.num_layers': 1,
            'model.decoder.num_layers': 2,
            # untrained scores are small
            'model.test_cfg.score_thr': 0.0,
        }
    )
    return cfg.model


@pytest.mark.slow
def test_trains_a_step_and_predicts(cfg):
    model = MODELS.build(shrink(cfg))
    model.init_weights()
    model.set_vocabulary(NAMES, base=BASE)
    total, _ = model.parse_losses(losses_of(model))
    total.backward()
    unused = [
        name
        for name, p in model.named_parameters()
        if p.requires_grad and p.grad is None
    ]
    assert total.isfinite() and unused == []
    with torch.no_grad():
        first, _ = model.eval().test_step(pictures())
    found = first.pred_instances
    assert len(found) and found.scores.isfinite().all()


@pytest.mark.slow
@pytest.mark.parametrize(('data', 'names'), [('coco', 65), ('lvis', 1203)])
def test_the_full_size_tool_measures_a_step(data, names):
    path = ROOT / f'ov_dquo/ov-dquo_eva02-b16_declip_ov-{data}.py'
    cfg = Config.fromfile(path)
    init_default_scope('mmdet')
    shrink(cfg)
    tool = load_tool('analysis_tools/step_detectors.py')
    found = tool.measure(cfg, 128)
    assert found['names'] == names and found['detections'] > 0
    assert 0 < found['trained_m'] <= found['weights_m']
    assert 'enc_loss_iou' in found['losses']
