"""Options that cannot be, or that contradict each other."""

import pytest
import torch
from bad_input import Case, check
from mmengine.registry import HOOKS, MODELS
from tiny import backbone_cfg, batch, distiller_cfg, tiny_eva, tiny_openai

from declip_mm.models import DeCLIPViT
from declip_mm.models.text import DeCLIPTextEncoder


def vit(model=None, **options):
    return lambda folder: DeCLIPViT(model or tiny_eva(), **options)


def encoder(**options):
    return lambda folder: DeCLIPTextEncoder(tiny_eva(), **options)


def eva(**changes):
    return dict(tiny_eva(), **changes)


def distiller(**options):
    return lambda folder: MODELS.build(distiller_cfg(**options))


def dense(*shape):
    return lambda folder: DeCLIPViT(tiny_eva()).forward_dense(
        torch.zeros(shape)
    )


def file_as_model(text):
    def act(folder):
        path = folder / 'model.json'
        path.write_text(text)
        return DeCLIPViT(str(path))

    return act


def hook(**cfg):
    return lambda folder: HOOKS.build(cfg)


def init_cfg(**cfg):
    def act(folder):
        DeCLIPViT(tiny_eva(), init_cfg=cfg).init_weights()

    return act


def trunk(name, **vision):
    vision = dict(timm_model_name=name, image_size=64, **vision)
    return dict(embed_dim=12, vision_cfg=vision)


BACKBONE = [
    ('affinity unknown', vit(affinity='qk'), "'qk'", 'allowed: qq, kk'),
    ('affinity as seen in DeCLIP', vit(affinity='q+k'), "'q+k'", 'csa'),
    ('affinity None', vit(affinity=None), 'None', 'allowed: qq'),
    ('scale a word', vit(scale='sqrt'), "'sqrt'", "'rsqrt'"),
    ('scale 0', vit(scale=0.0), '0.0', "'rsqrt'"),
    ('scale negative', vit(scale=-1), '-1', 'positive'),
    ('scale infinite', vit(scale=float('inf')), 'inf', 'finite'),
    ('scale NaN', vit(scale=float('nan')), 'nan', 'positive'),
    ('scale a boolean', vit(scale=True), 'True', 'number'),
    ('last_tap unknown', vit(last_tap='value'), "'value'", 'maskclip'),
    ('no residual', vit(affinity='maskclip', residual=False),
     "'maskclip'", 'belong to the decoupled'),
    ('stage out of range', vit(out_indices=(0, 3)), '[3]', '-3 to 2'),
    ('frozen stages', vit(frozen_stages=9), '9', 'allowed'),
    ('frozen stages below', vit(frozen_stages=-2), '-2', 'allowed'),
    ('both weights', vit(pretrained='a.pth', init_cfg=dict(type='Pretrained')),
     "pretrained='a.pth'", 'only one'),
    ('init_cfg unknown', init_cfg(type='Xavier'), "'Xavier'", 'Pretrained'),
    ('init_cfg without a file', init_cfg(type='Pretrained'),
     "{'type': 'Pretrained'}", 'checkpoint='),
    ('model unknown', vit('EVA02-B-61'), "'EVA02-B-61'", 'Close names'),
    ('model a number', vit(3), 'int', 'open_clip name'),
    ('model without a tower', vit(dict(embed_dim=3)), "['vision_cfg']",
     'Allowed'),
    ('model with a wrong key', vit(eva(depth=3)), "['depth']", 'Allowed'),
    ('model a convolution', vit(trunk('convnext_base')), 'convnext_base',
     'Trunks that fit'),
    ('model of no library', vit(trunk('vit_of_mine')), 'vit_of_mine',
     'Trunks that fit'),
    ('model windows', vit(trunk('swin_base_patch4_window7_224')),
     'swin', 'Trunks that fit'),
    ('model a plain ViT', vit(trunk('vit_base_patch16_224')),
     'vit_base_patch16_224', 'Trunks that fit'),
    ('quick_gelu of an EVA', vit(quick_gelu=True), 'quick_gelu=True',
     'Leave quick_gelu at None'),
    ('tag unknown', vit('EVA02-B-16', pretrained='openai'), "'openai'",
     'Tags: merged2b'),
    ('tag of a dict', vit(pretrained='openai'), "'openai'", 'Tags: none'),
    ('tag is a missing file', vit('ViT-B-16', pretrained='x/a.pth'),
     "'x/a.pth'", 'existing file'),
    ('no such asset', vit('declip_mm://tiny.json'), 'declip_mm://tiny.json',
     'Shipped files'),
    ('no such json', vit('no/model.json'), 'no/model.json', 'open_clip name'),
    ('json of a list', file_as_model('[]'), 'model.json', 'embed_dim'),
    ('json of nothing', file_as_model(''), 'model.json', 'embed_dim'),
    ('json without sizes', file_as_model('{}'), 'model.json', 'embed_dim'),
]  # fmt: skip

SIZES = [
    ('no multiple of the patch', dense(1, 3, 40, 64), '40x64', 'Pad to 48x64'),
    ('one pixel', dense(1, 3, 1, 1), '1x1', 'Pad to 16x16'),
    ('no pixel', dense(1, 3, 0, 64), '0x64', 'multiple of the patch size 16'),
    ('one channel', dense(1, 1, 64, 64), '(1, 1, 64, 64)', '(B, 3, H, W)'),
    ('no batch', dense(3, 64, 64), '(3, 64, 64)', '(B, 3, H, W)'),
]


def wrong_boxes(folder):
    model = MODELS.build(distiller_cfg())
    inputs, samples = batch()
    inputs['crops'] = inputs['crops'][:-1]
    model(inputs, samples, mode='loss')


def wrong_mode(folder):
    MODELS.build(distiller_cfg())(*batch(), mode='train')


OTHER = [
    ('all frozen', distiller(
        backbone=backbone_cfg(frozen_stages=3, train_head=False)),
     'frozen_stages=3', 'lower frozen_stages'),
    ('teacher of another size', distiller(
        content_teacher=dict(
            type='CLIPCropTeacher',
            backbone=backbone_cfg(tiny_eva(), affinity='vanilla')
            | dict(model=dict(tiny_openai(), embed_dim=16)))),
     '16', 'same CLIP model'),
    ('crops and boxes differ', wrong_boxes, '4', '5'),
    ('mode unknown', wrong_mode, "'train'", 'loss'),
    ('ensemble 0', hook(type='WeightEnsembleHook', ensemble_alpha=0),
     'got 0', '(0, 1]'),
    ('ensemble above 1', hook(type='WeightEnsembleHook', ensemble_alpha=1.5),
     '1.5', '(0, 1]'),
    ('encoder: chunk 0', encoder(chunk_size=0), 'got 0', '1 or more'),
    ('encoder: no file', encoder(pretrained='x/no.pth'), 'x/no.pth',
     'Check the path'),
    ('encoder: texts a string', lambda f: DeCLIPTextEncoder(
        tiny_eva()).encode('cat'), "'cat'", 'list of strings'),
    ('encoder: texts of numbers', lambda f: DeCLIPTextEncoder(
        tiny_eva()).encode([3]), '[3]', 'must be strings'),
]  # fmt: skip

CASES = [Case(*row) for row in (*BACKBONE, *SIZES, *OTHER)]


@pytest.mark.parametrize('case', CASES, ids=[c.name for c in CASES])
def test_option(case, tmp_path):
    check(case, tmp_path)
