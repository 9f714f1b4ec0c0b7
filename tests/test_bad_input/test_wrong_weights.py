"""Weights that fit, and are wrong: activation, model, consumer, pixels."""

import json

import open_clip
import pytest
import torch
from bad_input import Case, check
from bad_weights import full, into, stored, text_into, weights
from mmengine.registry import MODELS
from tiny import backbone_cfg, tiny_eva, tiny_openai

from declip_mm.checkpoint import FINGERPRINT_KEY, convert
from declip_mm.models import DeCLIPPreprocessor, DeCLIPViT
from declip_mm.models.pairing import check_class_embeddings, check_text_tower
from declip_mm.models.text import DeCLIPTextEncoder
from declip_mm.models.towers import settle_activation


def openai(**more):
    """OpenAI's own layout: its code has QuickGELU."""
    torch.manual_seed(0)
    clip = open_clip.model.CLIP(**tiny_openai(), quick_gelu=True)
    sizes = dict(input_resolution=64, context_length=16, vocab_size=49408)
    stated = {k: torch.tensor(v) for k, v in sizes.items()}
    return {**clip.state_dict(), **stated, **more}


def open_clip_layout():
    """The same without the three statements."""
    sizes = ('input_resolution', 'context_length', 'vocab_size', 'attn_mask')
    return {k: v for k, v in openai().items() if k not in sizes}


def plain(quick_gelu=None, model=None):
    """Into an OpenAI-type backbone; returns the activation it gets."""

    def read(path):
        cfg = backbone_cfg(
            model or tiny_openai(), pretrained=path, quick_gelu=quick_gelu
        )
        backbone = MODELS.build({**cfg, 'affinity': 'vanilla'})
        backbone.init_weights()
        return backbone.visual.activation

    return read


def initialised(path):
    init = dict(type='Pretrained', checkpoint=path)
    cfg = backbone_cfg(tiny_openai(), init_cfg=init, quick_gelu=False)
    return MODELS.build(cfg).init_weights()


def plain_text(quick_gelu=None):
    def read(path):
        encoder = DeCLIPTextEncoder(tiny_openai(), path, quick_gelu=quick_gelu)
        encoder.encode(['cat'])
        return encoder.fingerprint['dim'] and encoder.quick_gelu

    return read


def told(activation, **more):
    """A file of ours that says its activation, and weights of its tower."""
    model = MODELS.build(backbone_cfg(tiny_openai(), affinity='vanilla'))
    said = {**model.fingerprint, 'activation': activation, **more}
    state = {f'backbone.{k}': v for k, v in model.state_dict().items()}
    return dict(meta={FINGERPRINT_KEY: said}, state_dict=state)


def named(name, quick_gelu, model='ViT-B-16'):
    """What a name tells, of a file that nothing else tells anything of."""

    def act(folder):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save({'a.weight': torch.ones(1)}, path)
        return settle_activation(model, str(path), quick_gelu).name

    return act


def beside(quick, quick_gelu):
    """open_clip's own configuration lies beside the weights."""

    def act(folder):
        content = dict(model_cfg=dict(tiny_openai(), quick_gelu=quick))
        (folder / 'open_clip_config.json').write_text(json.dumps(content))
        path = folder / 'open_clip_pytorch_model.bin'
        torch.save(open_clip_layout(), path)
        return plain(quick_gelu)(str(path))

    return act


def converted(**options):
    said = dict(affinity='vanilla', scale='rsqrt', head_dim=12)
    return lambda path: convert(path, f'{path}.pth', **{**said, **options})


def converted_and_read(path):
    convert(path, f'{path}.pth', affinity='vanilla', scale='rsqrt',
            head_dim=12)  # fmt: skip
    return plain()(f'{path}.pth')


def unchecked(path):
    """How many files were taken without knowing their activation."""
    return plain()(path) == 'gelu'


def cat_seg():
    """Keys of a checkpoint of our CAT-Seg."""
    state = {f'backbone.{k[9:]}': v for k, v in weights().items()}
    text = {k: v for k, v in full().items() if k.startswith('text.')}
    words = {f'text_encoder.tower.{k[5:]}': v for k, v in text.items()}
    return {**state, **words, 'decode_head.conv.weight': torch.ones(2)}


def f_vit():
    """Keys of a checkpoint of our F-ViT."""
    heads = ('neck.a.weight', 'rpn_head.b.weight', 'roi_head.c.weight')
    return {**weights(), **{k: torch.ones(2) for k in heads}}


def text_of(model):
    """A CLIP that says which one it is; as sized as the tiny one."""
    return dict(meta={FINGERPRINT_KEY: dict(model=model)}, state_dict=full())


def named_text(path):
    encoder = DeCLIPTextEncoder(dict(tiny_eva(), name='EVA02-B-16'), path)
    return encoder.encode(['cat'])


def eva_backbone():
    return MODELS.build(backbone_cfg())


def adopted(**pixels):
    return DeCLIPPreprocessor(**pixels).adopt(eva_backbone())


EXPORT = 'export_backbone.py'
LEAVE = 'leave quick_gelu out'
META = ('b16_400m.pt', 'metaclip_400m.safetensors',
        'ViT-B-16-metaclip_fullcc.pth')  # fmt: skip

ACTIVATION = [
    ('OpenAI layout as GELU', stored(openai, plain(False)),
     "the layout of OpenAI's own", LEAVE),
    ('OpenAI layout, config says GELU', stored(openai, plain(model=dict(
     tiny_openai(), quick_gelu=False))), 'the model config', LEAVE),
    ('OpenAI layout as init_cfg', stored(openai, initialised),
     'wants quick_gelu', LEAVE),
    ('OpenAI layout as text tower', stored(openai, plain_text(False)),
     'wants quick_gelu', LEAVE),
    ('OpenAI layout, from_pretrained', stored(openai, lambda p: (
     DeCLIPViT.from_pretrained(p, model=tiny_openai(), affinity='vanilla',
      scale='rsqrt', quick_gelu=False))), 'wants quick_gelu', LEAVE),
    ('fingerprint quick, option not', stored(lambda: told('quick_gelu'),
     plain(False)), 'its fingerprint says so', LEAVE),
    ('fingerprint gelu, option quick', stored(lambda: told('gelu'),
     plain(True)), 'wants gelu (its fingerprint', LEAVE),
    ('open_clip_config.json says quick', beside(True, False),
     'open_clip_config.json beside it', LEAVE),
    ('open_clip_config.json says gelu', beside(False, True),
     'open_clip_config.json beside it', LEAVE),
    *((f'MetaCLIP: {name}', named(name, False), name, LEAVE)
      for name in META),
    ('DFN by tag', named('dfn2b.pt', False), "'dfn2b'", LEAVE),
    ('DFN by folder', named('DFN2B-CLIP-ViT-B-16/model.bin', False),
     "'dfn2b-clip-vit-b-16'", LEAVE),
    ('DFN in the cache of the hub', named(
     'models--apple--DFN2B-CLIP-ViT-B-16/snapshots/a/model.bin', False),
     "'dfn2b-clip-vit-b-16'", LEAVE),
    ('LAION as QuickGELU', named('laion2b_s34b_b88k.bin', True),
     "'laion2b_s34b_b88k'", LEAVE),
    ('LAION under a -quickgelu name', named('laion2b_s34b_b88k.bin', None,
     'ViT-B-16-quickgelu'), 'the model config says quick_gelu', LEAVE),
    ('convert OpenAI layout as GELU', stored(openai, converted(
     quick_gelu=False)), 'quick_gelu=False is declared', 'leave it out'),
    ('convert EVA as QuickGELU', stored(full, converted(quick_gelu=True)),
     "kind 'eva'", 'Leave it out'),
    ('convert GELU into the OpenAI layout', stored(open_clip_layout,
     converted(quick_gelu=False, layout='openai')), 'wants GELU',
     "Write 'open_clip'"),
]  # fmt: skip

CONSUMERS = [
    ('CAT-Seg as backbone', stored(cat_seg, into()), 'a CAT-Seg segmentor',
     'give the whole file to tools/test.py'),
    ('CAT-Seg as text tower', stored(cat_seg, text_into),
     'a CAT-Seg segmentor', 'give the whole file'),
    ('CAT-Seg, converted', stored(cat_seg, converted()),
     'a CAT-Seg segmentor (configs/cat_seg', 'give the whole file'),
    ('F-ViT as backbone', stored(f_vit, into()), 'an F-ViT detector', EXPORT),
    ('F-ViT as text tower', stored(f_vit, text_into), 'an F-ViT detector',
     'Give the whole file'),
    ('F-ViT, converted', stored(f_vit, converted()),
     'an F-ViT detector (configs/f_vit', EXPORT),
    ('F-ViT, from_pretrained', stored(f_vit, lambda p: (
     DeCLIPViT.from_pretrained(p, model=tiny_eva(), affinity='csa',
      scale='rsqrt'))), 'an F-ViT detector', "prefix='backbone.'"),
    ('text tower of another CLIP', stored(lambda: text_of('ViT-B-16'),
     named_text), "file has 'ViT-B-16', model has 'EVA02-B-16'",
     'load another file'),
    ('text tower of another shape', lambda f: check_text_tower(
     eva_backbone(), dict(model=tiny_openai())), 'width 24, layers 3',
     'give text_encoder'),
    ('class embeddings of another width', lambda f: check_class_embeddings(
     eva_backbone(), dict(model='custom'), 768), 'with 768 dimensions',
     'dump the embeddings'),
]  # fmt: skip

PIXELS = [
    ('statistics of another network', lambda f: adopted(mean=(1, 2, 3)),
     '[1.0, 2.0, 3.0]', "foreign_pixels='why'"),
    ('a deviation of another network', lambda f: adopted(std=(9, 9, 9)),
     'pixel std [68.5', "foreign_pixels='why'"),
    ('statistics as shares of 1', lambda f: adopted(mean=(0.4, 0.4, 0.4)),
     '(0.4, 0.4, 0.4)', 'multiply it by 255'),
    ('two numbers', lambda f: adopted(mean=(1, 2)), '(1, 2)',
     'three numbers'),
    ('no reason', lambda f: adopted(mean=(1, 2, 3), foreign_pixels=' '),
     "foreign_pixels=' '", 'say in words why'),
    ('a flag for a reason', lambda f: adopted(foreign_pixels=True),
     'foreign_pixels=True', 'say in words why'),
]  # fmt: skip

READ = [
    ('OpenAI layout', stored(openai, plain()), 'quick_gelu'),
    ('OpenAI layout as text tower', stored(openai, plain_text()), True),
    ('OpenAI layout, converted', stored(openai, converted_and_read),
     'quick_gelu'),
    ('fingerprint that says quick', stored(lambda: told('quick_gelu'),
     plain()), 'quick_gelu'),
    ('fingerprint that says gelu', stored(lambda: told('gelu'), plain()),
     'gelu'),
    ('open_clip_config.json', beside(True, None), 'quick_gelu'),
    ('DFN by name', named('dfn2b.pt', None), 'quick_gelu'),
    ('DFN, another one', named('dfn2b_s39b.pt', None, 'ViT-L-14'), 'gelu'),
    ('LAION by name', named('laion2b_s34b_b88k.bin', None), 'gelu'),
]  # fmt: skip

CASES = [
    *(Case(*row) for row in (*ACTIVATION, *CONSUMERS, *PIXELS)),
    *(Case(f'taken: {name}', act, got, outcome='read')
      for name, act, got in READ),
    Case('activation that nothing tells', stored(open_clip_layout, unchecked,
         'unknown.pt'), 'unknown.pt', 'quick_gelu=True', 'skipped'),
]  # fmt: skip


@pytest.mark.parametrize('case', CASES, ids=[c.name for c in CASES])
def test_wrong_weights(case, tmp_path):
    check(case, tmp_path)
