"""Sizes of the shipped F-ViT configs agree, and each trains and predicts."""

from pathlib import Path

import pytest
import torch
from det_model import BASE, NAMES, samples, text_encoder
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS, init_default_scope
from shapes import shapes_alone
from tiny import tiny_eva
from tool_modules import load_tool

ROOT = Path(__file__).parents[2] / 'configs'
CONFIGS = [
    *sorted((ROOT / 'f_vit').glob('*.py')),
    *sorted((ROOT / 'miniature').glob('f_vit*.py')),
]


def names(paths):
    return [path.stem for path in paths]


@pytest.fixture(params=CONFIGS, ids=names(CONFIGS))
def cfg(request):
    cfg = Config.fromfile(request.param)
    init_default_scope('mmdet')
    return cfg


def test_sizes_agree(cfg):
    with shapes_alone():
        model = MODELS.build(cfg.model)
    tower, head = model.backbone.visual, model.roi_head
    patch, options = tower.patch_size, cfg.model
    strides = [patch / s for s in options.neck.scales]
    assert options.neck.in_channels == [tower.width] * len(strides)
    assert head.bbox_roi_extractor.featmap_strides == strides
    assert head.vlm_roi_extractor.featmap_strides == [patch]
    wanted = [(s, s) for s in (*strides, 2 * strides[-1])]
    assert model.rpn_head.prior_generator.strides == wanted
    if head.with_mask:
        assert head.mask_roi_extractor.featmap_strides == strides
    assert head.bbox_head.fc_cls.in_features == tower.out_dim
    size = options.data_preprocessor.pad_size_divisor
    assert size % patch == 0
    steps = list(cfg.test_dataloader.dataset.pipeline)
    if cfg.get('train_dataloader'):
        steps += cfg.train_dataloader.dataset.pipeline
    for step in steps:
        for key in ('scale', 'crop_size'):
            assert step.get(key, (size, size)) == (size, size)


def test_text_and_image_towers_belong_together(cfg):
    text, backbone = cfg.model.embedder.text_encoder, cfg.model.backbone
    assert text.model == backbone.model
    if backbone.pretrained:
        assert text.pretrained == backbone.pretrained


def test_backbones_run_as_they_were_distilled(cfg):
    backbone = cfg.model.backbone
    decoupled = backbone.affinity not in ('maskclip', 'vanilla')
    assert (backbone.last_tap == 'decoupled') == decoupled
    assert decoupled or backbone.last_tap == backbone.affinity
    if backbone.get('init_cfg'):
        # CLIPSelf's file is a bare tower, ours an exported backbone
        assert (backbone.init_cfg.get('prefix') == 'backbone.') == decoupled


def shrink(cfg):
    """The config's own structure on a tiny tower, at 64 or 56 px."""
    patch = cfg.model.roi_head.vlm_roi_extractor.featmap_strides[0]
    model = tiny_eva(patch_size=patch)
    model['vision_cfg']['image_size'] = 4 * patch
    levels = len(cfg.model.neck.scales)
    few = dict(nms_pre=50, max_per_img=20)
    cfg.merge_from_dict(
        {
            'model.data_preprocessor.pad_size_divisor': patch,
            'model.backbone.model': dict(model, _delete_=True),
            'model.backbone.pretrained': None,
            'model.backbone.init_cfg': None,
            'model.backbone.frozen_stages': 3,
            'model.backbone.out_indices': (0, 1, 2, 2)[-levels:],
            'model.embedder': dict(
                _delete_=True, text_encoder=text_encoder(), prompts='name'
            ),
            'model.neck.in_channels': [24] * levels,
            'model.roi_head.bbox_head.fc_out_channels': 12,
            'model.roi_head.vlm_roi_extractor.out_channels': 12,
            'model.train_cfg.rpn_proposal': few,
            'model.train_cfg.rcnn.sampler.num': 16,
            'model.test_cfg.rpn': few,
            # untrained scores are small
            'model.test_cfg.rcnn.score_thr': 0.0,
        }
    )
    return cfg.model


@pytest.mark.slow
def test_trains_a_step_and_predicts(cfg):
    model = revert_sync_batchnorm(MODELS.build(shrink(cfg)))
    model.init_weights()
    model.set_vocabulary(NAMES, base=BASE)
    masks = model.roi_head.with_mask
    data = model.data_preprocessor(samples(masks=masks), True)
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=1e-4)
    loss, _ = model.parse_losses(model.train()(**data, mode='loss'))
    loss.backward()
    unused = [
        name
        for name, p in model.named_parameters()
        if p.requires_grad and p.grad is None
    ]
    assert loss.isfinite() and unused == []
    optimizer.step()
    with torch.no_grad():
        first, _ = model.eval().test_step(samples(masks=masks))
    found = first.pred_instances
    assert len(found) and found.scores.isfinite().all()
    assert ('masks' in found) == masks


@pytest.mark.slow
@pytest.mark.parametrize(('data', 'names'), [('coco', 65), ('lvis', 1203)])
def test_the_full_size_tool_measures_a_step(data, names):
    path = ROOT / f'f_vit/f-vit_eva02-b16_declip_ov-{data}.py'
    cfg = Config.fromfile(path)
    init_default_scope('mmdet')
    shrink(cfg)
    tool = load_tool('analysis_tools/step_detectors.py')
    found = tool.measure(cfg, 128)
    assert found['names'] == names and found['detections'] > 0
    assert 0 < found['trained_m'] <= found['weights_m']
    assert ('loss_mask' in found['losses']) == (data == 'lvis')
    assert list(found['peak_gib']) == [
        'build',
        'vocabulary',
        'step',
        'predict',
    ]
