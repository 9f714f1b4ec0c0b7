"""Published OV-DQUO checkpoints."""

import re
from argparse import Namespace

import pytest
import torch
from mmengine.config import Config
from ov_dquo_model import build, ov_dquo_cfg
from tool_modules import load_tool

from declip_mm.checkpoint import fill_model, read_parts, write_parts
from declip_mm.detection.ov_dquo.convert import from_official

NORMS = dict(
    encoder=dict(zip('01', '12')),
    # self, cross, FFN here; cross, self, FFN in the names there
    decoder=dict(zip('012', '213')),
)
PLAIN = dict(
    level_embed='transformer.level_embed',
    memory_trans_fc='transformer.enc_output',
    memory_trans_norm='transformer.enc_output_norm',
    query_embedding='transformer.tgt_embed',
    dn_query_generator='label_enc',
    text_proj='transformer.text_proj.layers',
)


def theirs(key, layers):
    """The authors' name of a tensor, and a second one if it has one."""
    part, _, rest = key.partition('.')
    if part == 'neck':
        kind, level, rest = rest.split('.', 2)
        if kind == 'adapters':
            return f'backbone.0.interpolate{int(level) + 1}.{rest}', None
        stage = '0' if rest.startswith('conv.') else '1'
        return f'input_proj.{level}.{stage}.{rest.split(".")[1]}', None
    if part in ('encoder', 'decoder'):
        rest = rest.replace('ffn.layers.0.0', 'linear1')
        rest = rest.replace('ffn.layers.1', 'linear2')
        rest = rest.replace('self_attn.attn', 'self_attn')
        rest = re.sub(
            r'norms\.(\d)', lambda m: f'norm{NORMS[part][m[1]]}', rest
        )
        return f'transformer.{part}.{rest}', None
    if part == 'bbox_head':
        kind, layer, rest = rest.split('.', 2)
        name = 'class_embed' if kind == 'cls_branches' else 'bbox_embed'
        if name == 'bbox_embed':
            number, leaf = rest.split('.')
            rest = f'layers.{int(number) // 2}.{leaf}'
        if int(layer) == layers:
            return f'transformer.enc_out_{name}.{rest}', None
        whole = f'{name}.{layer}.{rest}'
        return whole, f'transformer.decoder.{whole}'
    if part == 'text_proj':
        number, leaf = rest.split('.')
        return f'{PLAIN[part]}.{int(number) // 2}.{leaf}', None
    rest = rest.replace('label_embedding.', '')
    return f'{PLAIN[part]}.{rest}'.rstrip('.'), None


def foreign(model):
    """The model's weights as the authors' code names them."""
    state = model.state_dict()
    inner = {k: v for k, v in state.items() if k.startswith('backbone.')}
    tower = write_parts(read_parts(inner), 'eva', head_dim=12)
    found = {f'backbone.0.{k}': v for k, v in tower.items()}
    for key, value in state.items():
        if key.startswith('backbone.') or key == 'steps':
            continue
        for name in theirs(key, model.decoder.num_layers):
            if name:
                found[name] = value
    return found


def test_every_tensor_finds_its_place():
    model = build()
    names = foreign(model)
    for key in (
        'backbone.0.visual.blocks.0.attn.q_bias',
        'backbone.0.interpolate1.0.weight',
        'input_proj.2.1.bias',
        'transformer.decoder.layers.1.norm3.weight',
        'transformer.decoder.bbox_embed.0.layers.2.weight',
        'transformer.decoder.class_embed.1.bias',
        'transformer.enc_out_class_embed.weight',
    ):
        assert key in names
    found, wanted = from_official(names, 'file'), model.state_dict()
    assert set(found) == set(wanted)
    assert all(torch.equal(found[k], wanted[k]) for k in wanted)


def test_the_tool_takes_the_averaged_weights(tmp_path):
    model = build()
    last = {k: v + 1 for k, v in foreign(model).items()}
    content = dict(
        model=last, ema_model=foreign(model), args=Namespace(lr=1e-4)
    )
    torch.save(content, tmp_path / 'theirs.pth')
    cfg = Config(dict(model=ov_dquo_cfg()))
    cfg.dump(str(tmp_path / 'config.py'))
    convert = load_tool('model_converters/ov_dquo.py').convert
    paths = [
        str(tmp_path / n) for n in ('config.py', 'theirs.pth', 'ours.pth')
    ]
    with pytest.raises(ValueError, match='trust-pickle'):
        convert(*paths)
    count = convert(*paths, trust_pickle='i-trust-this-file')
    assert count == len(model.state_dict())
    other = build()
    torch.nn.init.zeros_(other.level_embed)
    fill_model(other, paths[2])
    wanted = model.state_dict()
    assert all(
        torch.equal(v, wanted[k]) for k, v in other.state_dict().items()
    )


def test_other_files_are_refused():
    model = build()
    with pytest.raises(ValueError, match='no OV-DQUO checkpoint on a ViT'):
        from_official(model.state_dict(), 'ours.pth')
    strange = dict(foreign(model), extra=torch.zeros(1))
    with pytest.raises(ValueError, match=r"no known part.*\['extra'\]"):
        from_official(strange, 'file')
    other = dict(foreign(model))
    other['transformer.decoder.class_embed.1.bias'] = torch.ones(1)
    with pytest.raises(ValueError, match='was not written by one model'):
        from_official(other, 'file')
