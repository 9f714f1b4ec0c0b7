"""What --cfg-options lets through and refuses, and the shared options."""

import pytest
from mmengine.config import Config

from declip_mm.apis import (
    OptionError,
    add_shared,
    check_options,
    tool_parser,
)

CFG = dict(
    model=dict(type='Toy', backbone=dict(type='Part', depth=2)),
    train_dataloader=dict(batch_size=2, dataset=dict(type='Data')),
    train_cfg=dict(by_epoch=True, max_epochs=3),
    custom_hooks=[dict(type='HookA', priority=1)],
    data=dict(root='x'),
    seed=1,
)


@pytest.mark.parametrize(
    'option',
    [
        'model.backbone.depth',
        'seed',
        'custom_hooks.0.priority',
        # beside a type: its constructor refuses what it does not know
        'model.backbone.with_cp',
        'custom_hooks.0.interval',
        # mmengine unpacks these into a call
        'train_dataloader.num_workers',
        'train_cfg.val_interval',
        # arguments of the Runner
        'randomness',
        'load_from',
        'auto_scale_lr.enable',
        # read by it beside those
        'compile',
        'default_hooks.logger.interval',
    ],
)
def test_known_options_pass(option):
    check_options(Config(CFG), {option: 1})


@pytest.mark.parametrize(
    'option, said',
    [
        ('modle.backbone.depth', "did you mean 'model'?"),
        ('data.rot', "'data' has no 'rot'; did you mean 'root'?"),
        ('max_epochs', "the config has no 'max_epochs'. It has: "),
        ('custom_hooks.3.priority', 'allowed are 0 to 0'),
        ('custom_hooks.first.priority', "got 'first' for a position"),
        ('seed.value', "'seed' is 1, which has no 'value'"),
    ],
)
def test_unknown_options_are_refused_by_name(option, said):
    with pytest.raises(OptionError) as error:
        check_options(Config(CFG), {option: 1})
    assert f'--cfg-options {option}' in str(error.value)
    assert said in str(error.value)


def test_help_says_a_default_of_the_tool_s_own():
    parser = tool_parser('A tool.')
    add_shared(parser, '--device', default='cpu')
    add_shared(parser, '--limit')
    said = parser.format_help()
    assert 'cuda:0, cpu ... (default: cpu)' in said
    assert said.count('default') == 1


def test_old_flags_are_read_with_a_notice(said):
    parser = tool_parser('A tool.')
    add_shared(parser, '--license')
    parser.add_argument('rest', nargs='*')
    assert parser.parse_args(['--licence', 'MIT']).license == 'MIT'
    assert parser.parse_args(['--licence=MIT']).license == 'MIT'
    (line,) = said
    assert '--licence is called --license now' in line
    assert '--licence' not in parser.format_help()
    with pytest.raises(SystemExit):  # not an option of this tool
        parser.parse_args(['--pictures', 'a.jpg'])
