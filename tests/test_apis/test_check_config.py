"""Every shipped config passes the check that a run begins with."""

from pathlib import Path

import pytest
from bad_input import logged
from mmengine.config import Config

from declip_mm.apis import OptionError, check_config

ROOT = Path(__file__).parents[2] / 'configs'
CONFIGS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in ROOT.rglob('*.py')
    if '_base_' not in path.parts
)


@pytest.mark.parametrize('name', CONFIGS)
def test_shipped_configs_pass(name):
    with logged() as lines:
        check_config(Config.fromfile(ROOT / name))
    assert lines == []


def test_the_place_is_named():
    cfg = Config.fromfile(ROOT / 'miniature/pretune.py')
    cfg.model.backbone.afinity = 'qq'
    with pytest.raises(OptionError, match=r'^model\.backbone: DeCLIPViT tak'):
        check_config(cfg)
    cfg = Config.fromfile(ROOT / 'miniature/pretune.py')
    cfg.custom_hooks[0].type = 'EpochSynkHook'
    with pytest.raises(OptionError, match='Close names: EpochSyncHook'):
        check_config(cfg)
