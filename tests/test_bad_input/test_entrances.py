"""Shipped configs given to the tool, or started in the way, they are not for.

What happens to configs given to the right one is tests/test_entrances.
"""

from pathlib import Path

import pytest
from bad_input import Case, check
from mmengine.config import Config
from tool_modules import load_tool

from declip_mm import apis
from declip_mm.apis import launch

ROOT = Path(__file__).resolve().parents[2]
TOOLS = {name: load_tool(f'{name}.py') for name in ('train', 'test')}
MEASURING = (
    'region_cls/eva02-b16_coco-panoptic.py',
    'dense_seg/ade20k.py',
    'dense_seg/methods/clip_openai-b16.py',
    'cat_seg/declip_eva02-b16_ade150.py',
    'f_vit/f-vit_eva02-l14-336_declip_lvis2coco.py',
    'miniature/region_cls.py',
)
SHARDED = 'declip/pretune_dinov2_{}.py'


def typed(tool, name, *more):
    def act(folder):
        words = [str(ROOT / 'configs' / name), *more]
        work = ['--work-dir', str(folder)]
        return TOOLS[tool].prepare(TOOLS[tool].parse_args([*words, *work]))

    return act


def started(name):
    """Up to where the Runner would be built."""

    def act(folder):
        cfg = Config.fromfile(ROOT / 'configs' / name)
        apis.init_distributed(cfg, 'none')
        return cfg

    return act


def sharded_on_cpu(folder):
    """Without a GPU, FSDP has to be told where the model is."""
    cfg = Config.fromfile(ROOT / 'configs' / SHARDED.format('fsdp'))
    launch.check_strategy(cfg, 'pytorch')
    return cfg.strategy.model_wrapper.device_id


CASES = [
    *(
        Case(f'train {name}', typed('train', name), name, 'tools/test.py')
        for name in MEASURING
    ),
    Case('test what only trains',
         typed('test', 'declip/pretune_dinov2_siglip2-b16.py', 'none'),
         'pretune_dinov2_siglip2-b16.py', 'no test_dataloader'),
    Case('DeepSpeed is not there', started(SHARDED.format('deepspeed')),
         'DeepSpeedStrategy', 'pip install deepspeed'),
    Case('FSDP in one process', started(SHARDED.format('fsdp')),
         'FSDPStrategy', 'tools/dist_train.sh'),
    Case('FSDP without a GPU', sharded_on_cpu, 'cpu', outcome='read'),
]  # fmt: skip


@pytest.mark.parametrize('case', CASES, ids=[c.name for c in CASES])
def test_entrance(case, tmp_path, monkeypatch):
    monkeypatch.setenv('LOCAL_RANK', '0')
    monkeypatch.setattr(launch, 'accelerator_available', lambda: False)
    monkeypatch.setattr(launch, 'find_spec', lambda name: None)
    check(case, tmp_path)
