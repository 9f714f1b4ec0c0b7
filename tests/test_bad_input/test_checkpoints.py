"""Weight files that are cut, foreign, poisoned, or of another model."""

import json
import pickle

import pytest
import torch
from bad_input import Case, check
from bad_weights import full, into, stored, text_into, weights
from mmengine.registry import MODELS
from tiny import backbone_cfg, tiny_eva, tiny_openai

from declip_mm.checkpoint import (
    FINGERPRINT_KEY,
    TRUST,
    export_backbone,
    read_checkpoint,
)
from declip_mm.checkpoint.files import save_weights
from declip_mm.models import DeCLIPViT


class Code:
    """What a malicious file is made of."""

    def __reduce__(self):
        return exec, ('raise SystemExit("code ran")',)


def raw(content, name='a.pth', read=read_checkpoint):
    """A file with these bytes."""

    def act(folder):
        (folder / name).write_bytes(content)
        return read(str(folder / name))

    return act


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


CASES = [
    *(Case(*row) for row in (*UNREADABLE, *UNFIT)),
    Case('trusted', stored(dict(a=torch.ones(1)), lambda p: len(
        read_checkpoint(p, TRUST)[0])), 1, outcome='read'),
]  # fmt: skip


@pytest.mark.parametrize('case', CASES, ids=[c.name for c in CASES])
def test_checkpoint(case, tmp_path):
    check(case, tmp_path)
