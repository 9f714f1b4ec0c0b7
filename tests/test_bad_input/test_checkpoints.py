"""Weight files that are cut, foreign, poisoned, or of another model."""

import json
import pickle

import open_clip
import pytest
import torch
from bad_input import Case, check
from mmengine.registry import MODELS
from safetensors.torch import save_file
from tiny import backbone_cfg, tiny_eva, tiny_openai

from declip_mm.checkpoint import (
    FINGERPRINT_KEY,
    TRUST,
    convert,
    export_backbone,
    read_checkpoint,
)
from declip_mm.checkpoint.files import save_weights
from declip_mm.models import DeCLIPPreprocessor, DeCLIPViT
from declip_mm.models.pairing import check_class_embeddings, check_text_tower
from declip_mm.models.text import DeCLIPTextEncoder
from declip_mm.models.towers import settle_activation


class Code:
    """What a malicious file is made of."""

    def __reduce__(self):
        return exec, ('raise SystemExit("code ran")',)


def weights(**options):
    torch.manual_seed(0)
    model = MODELS.build(backbone_cfg(**options))
    return {f'backbone.{k}': v for k, v in model.state_dict().items()}


def full(model=None):
    state = MODELS.build(backbone_cfg(model)).visual.trunk.state_dict()
    encoder = DeCLIPTextEncoder(model or tiny_eva())
    text = {f'text.{k}': v for k, v in encoder.tower.state_dict().items()}
    return {**{f'visual.trunk.{k}': v for k, v in state.items()}, **text}


def raw(content, name='a.pth', read=read_checkpoint):
    """A file with these bytes."""

    def act(folder):
        (folder / name).write_bytes(content)
        return read(str(folder / name))

    return act


def stored(content, read=read_checkpoint, name='a.pth', damage=None):
    """A torch or safetensors file with this content."""

    def act(folder):
        path = folder / name
        value = content() if callable(content) else content
        (save_file if path.suffix == '.safetensors' else torch.save)(
            value, path
        )
        if damage:
            path.write_bytes(damage(path.read_bytes()))
        return read(str(path))

    return act


def into(model=None, **options):
    """Reads a file into a backbone."""

    def read(path):
        cfg = backbone_cfg(model, pretrained=path, **options)
        return MODELS.build(cfg).init_weights()

    return read


def text_into(path):
    return DeCLIPTextEncoder(tiny_eva(), path).encode(['cat'])


def signed(**changes):
    """A file of ours, with a fingerprint that says something else."""
    model = MODELS.build(backbone_cfg(affinity='qq'))
    said = {**model.fingerprint, **model.architecture, **changes}
    meta = {FINGERPRINT_KEY: said}
    return dict(meta=meta, state_dict=weights())


def without(part):
    state = weights()
    return {k: v for k, v in state.items() if part not in k}


def with_nan(value=float('nan')):
    state = weights()
    state['backbone.visual.trunk.head.bias'][0] = value
    return state


def half_cut(content):
    return content[: len(content) // 2]


def altered(content):
    at = content.index(b'head') if b'head' in content else len(content) // 2
    middle = len(content) // 2
    del at
    return content[:middle] + b'\xff' * 64 + content[middle + 64 :]


def header(content):
    """Bytes of a safetensors file with this header and no data."""
    text = content if isinstance(content, bytes) else json.dumps(content)
    text = text if isinstance(text, bytes) else text.encode()
    return len(text).to_bytes(8, 'little') + text


ENTRY = dict(a=dict(dtype='F32', shape=[4], data_offsets=[0, 16]))
SAFE = 'a.safetensors'

UNREADABLE = [
    ('no file', lambda f: read_checkpoint(str(f / 'no.pth')), 'no.pth',
     'Check the path'),
    ('a folder', lambda f: read_checkpoint(str(f)), 'pytest', 'path'),
    ('empty', raw(b''), 'is empty', 'fetch it again'),
    ('text', raw(b'not weights'), 'a.pth', 'pickled code'),
    ('web page', raw(b'<!DOCTYPE html><html>'), 'a.pth', 'no weight file'),
    ('LFS pointer', raw(b'version https://git-lfs.github.com/spec/v1\n'),
     'a.pth', 'no weight file'),
    ('zeros', raw(b'\0' * 999), 'a.pth', 'no weight file'),
    ('cut', stored(weights, damage=half_cut), 'truncated', 'earlier one'),
    ('cut at the end', stored(weights, damage=lambda c: c[:-1]), 'a.pth',
     'fetch it again'),
    ('altered', stored(weights, damage=altered), 'checksum', 'fetch it'),
    ('start of a zip', raw(b'PK\x03\x04abc'), 'truncated', 'fetch it'),
    ('old pickle', raw(pickle.dumps(dict(a=Code()))), 'a.pth', TRUST),
    ('code', stored(dict(a=Code())), 'a.pth', TRUST),
    ('code beside weights', stored(lambda: dict(state_dict=weights(),
     more=Code())), 'exec', TRUST),
    ('code in meta', stored(lambda: dict(state_dict=weights(),
     meta=dict(hook=Code()))), 'exec', 'Nothing in it was run'),
    ('trust in other words', stored(weights, lambda p: read_checkpoint(
     p, 'yes')), "'yes'", TRUST),
    ('safetensors empty', raw(b'', SAFE), 'is empty', 'fetch it'),
    ('safetensors text', raw(b'hello world', SAFE), SAFE, 'fetch it'),
    ('safetensors cut', stored(weights, name=SAFE, damage=half_cut),
     'bytes are announced', 'fetch it'),
    ('safetensors cut in header', stored(weights, name=SAFE,
     damage=lambda c: c[:99]), 'within its header', 'fetch it'),
    ('safetensors no json', raw(header(b'{"a": '), SAFE), 'header', 'fetch'),
    ('safetensors a list', raw(header([1]), SAFE), 'header', 'fetch it'),
    ('safetensors no data', raw(header(ENTRY), SAFE), 'truncated', 'fetch'),
    ('safetensors is torch', stored(weights, name='b.pth', read=lambda p: (
     read_checkpoint(p + 'x'))), 'b.pthx', 'Check the path'),
    ('no state dict', stored([1, 2]), 'list', 'looked under'),
    ('empty state dict', stored(dict(model={})), 'a.pth', 'looked under'),
    ('no tensor', stored(dict(epoch=3)), "'epoch'", 'state dict'),
    ('a tensor', stored(torch.zeros(3)), 'Tensor', 'looked under'),
]  # fmt: skip

UNFIT = [
    ('no image tower', stored({'a.weight': torch.ones(1)}, into()),
     'a.weight', 'starts with visual.'),
    ('text tower alone', stored(lambda: {k: v for k, v in full().items()
     if k.startswith('text.')}, into()), 'no image tower', 'inspect'),
    ('image tower alone', stored(weights, text_into), 'no text tower',
     'full CLIP file'),
    ('a key missing', stored(lambda: without('norm.weight'), into()),
     'norm.weight', 'Check the model name'),
    ('a block missing', stored(lambda: without('blocks.2.'), into()),
     'blocks.2.', 'Check the model name'),
    ('a key extra', stored(lambda: dict(weights(), adapter=torch.ones(2)),
     into()), 'adapter', 'Check the model name'),
    ('a block extra', stored(lambda: weights(model=tiny_eva(depth=4)),
     into()), 'blocks.3.', 'Check the model name'),
    ('another width', stored(lambda: weights(model=tiny_eva(embed_dim=36)),
     into()), '(36,) against (24,)', 'Check the model name'),
    ('another kind', stored(lambda: weights(model=tiny_openai()), into()),
     'conv1.weight', 'Check the model name'),
    ('NaN', stored(with_nan, into()), 'head.bias', 'take an earlier file'),
    ('infinite', stored(lambda: with_nan(float('inf')), into()), 'head.bias',
     'take an earlier file'),
    ('NaN in the text tower', stored(lambda: dict(full(), **{
     'text.ln_final.bias': torch.full((16,), float('nan'))}), text_into),
     'ln_final.bias', 'take an earlier file'),
    ('text tower of another size', stored(lambda: dict(full(), **{
     'text.ln_final.bias': torch.zeros(7)}), text_into),
     '(7,) against (16,)', 'Check the model name'),
    ('other affinity', stored(lambda: signed(), into(affinity='csa')),
     "file has 'qq', model has 'csa'", 'Change the config'),
    ('other scale', stored(lambda: signed(scale=1.0), into(affinity='qq')),
     'scale: file has 1.0', 'Change the config'),
    *((f'other {key}', stored(lambda key=key, value=value: signed(
        **{key: value}), into(affinity='qq')), f'{key}: file has {value!r}',
       'Change the config') for key, value in dict(
        activation='quick_gelu', patch_size=14, out_dim=512, num_heads=12,
        pixel_mean=[0.5, 0.5, 0.5], pixel_std=[0.5, 0.5, 0.5],
        model='ViT-B-16').items()),
    ('no key under the prefix', stored(weights, lambda p: MODELS.build(
     backbone_cfg(init_cfg=dict(type='Pretrained', checkpoint=p,
      prefix='student.'))).init_weights()), "'student.'", 'start with'),
    ('export: no fingerprint', stored(weights, lambda p: export_backbone(
     p, p + '.pth')), 'no fingerprint', 'FingerprintHook'),
    ('export: no such part', stored(signed, lambda p: export_backbone(
     p, p + '.pth', 'student.')), "'student.'", 'prefix'),
    ('write: suffix', lambda f: save_weights({}, f / 'a.bin'), 'a.bin',
     '.safetensors'),
    ('from_pretrained: unsigned', stored(weights,
     DeCLIPViT.from_pretrained), 'a.pth', 'model=...'),
    ('from_pretrained: no affinity', stored(weights, lambda p: (
     DeCLIPViT.from_pretrained(p, model=tiny_eva()))), 'affinity',
     'convert.py'),
    ('from_pretrained: contradiction', stored(signed, lambda p: (
     DeCLIPViT.from_pretrained(p, affinity='kk'))), "'kk'", 'Change'),
    ('from_pretrained: no path', lambda f: DeCLIPViT.from_pretrained(
     'a/b/c.pth'), 'a/b/c.pth', 'Check the path'),
    ('from_pretrained: empty folder', lambda f: DeCLIPViT.from_pretrained(
     str(f)), '(none)', 'Give filename'),
]  # fmt: skip


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
    state = {f'image_encoder.{k[9:]}': v for k, v in weights().items()}
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
    *(
        Case(*row)
        for row in (*UNREADABLE, *UNFIT, *ACTIVATION, *CONSUMERS, *PIXELS)
    ),
    *(Case(f'taken: {name}', act, got, outcome='read')
      for name, act, got in READ),
    Case('activation that nothing tells', stored(open_clip_layout, unchecked,
         'unknown.pt'), 'unknown.pt', 'quick_gelu=True', 'skipped'),
    Case('trusted', stored(dict(a=torch.ones(1)), lambda p: len(
        read_checkpoint(p, TRUST)[0])), 1, outcome='read'),
]  # fmt: skip


@pytest.mark.parametrize('case', CASES, ids=[c.name for c in CASES])
def test_checkpoint(case, tmp_path):
    check(case, tmp_path)
