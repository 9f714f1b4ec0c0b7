"""CAT-Seg's backbone was called image_encoder: all of it still loads."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import EMAHook
from mmengine.model import ExponentialMovingAverage
from mmengine.runner import Runner, load_checkpoint
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from tiny_cat_seg import segmentor, segmentor_cfg
from torch.utils.data import DataLoader

from declip_mm import apis
from declip_mm.checkpoint import (
    describe,
    export_backbone,
    fill_model,
    read_checkpoint,
)
from declip_mm.engine import (
    FingerprintHook,
    TrainableConstructor,
    WeightEnsembleHook,
)
from declip_mm.models import DeCLIPViT

ROOT = Path(__file__).parents[3]
OLD, NEW = 'image_encoder.', 'backbone.'


pytestmark = pytest.mark.usefixtures('said')


def aged(state):
    """A state dict as the releases before this one wrote it."""
    old = {k.replace(NEW, OLD, 1): v for k, v in state.items()}
    assert any(k.startswith(OLD) for k in old) and len(old) == len(state)
    return old


def old_file(model, path):
    hook, content = FingerprintHook(), dict(meta={}, state_dict={})
    hook.before_save_checkpoint(SimpleNamespace(model=model), content)
    content['state_dict'] = aged(model.state_dict())
    torch.save(content, path)
    return str(path)


def equal(model, other):
    pairs = zip(model.state_dict().items(), other.state_dict().values())
    return all(torch.equal(value, theirs) for (_, value), theirs in pairs)


def different():
    cfg = segmentor_cfg()
    torch.manual_seed(9)
    return MODELS.build(cfg).eval()


def load_in_a_runner(model, path):
    content = torch.load(path, weights_only=False)
    hook = FingerprintHook(module='image_encoder')
    runner = SimpleNamespace(model=model)
    hook.after_load_checkpoint(runner, content)
    model.load_state_dict(content['state_dict'], strict=False)


@pytest.mark.parametrize(
    'load',
    [
        lambda m, p: m.load_state_dict(torch.load(p)['state_dict']),
        lambda m, p: load_checkpoint(m, p, map_location='cpu'),
        fill_model,
        load_in_a_runner,
    ],
    ids=['torch', 'mmengine', 'inferencer', 'runner'],
)
def test_old_checkpoints_fill_the_model(load, tmp_path, said):
    source, model = segmentor(), different()
    path = old_file(source, tmp_path / 'old.pth')
    assert not equal(model, source)
    load(model, path)
    assert equal(model, source)
    assert 'checkpoint: image_encoder.* is called backbone.*' in ''.join(said)


def test_old_averages_are_resumed(said):
    """mmengine's EMAHook exchanges both state dicts key by key."""
    source, model = segmentor(), different()
    averaged = {k: v + 1 for k, v in aged(source.state_dict()).items()}
    content = dict(
        meta={},
        state_dict=aged(source.state_dict()),
        ema_state_dict={f'module.{k}': v for k, v in averaged.items()},
    )
    content['ema_state_dict']['steps'] = torch.tensor(3)
    runner = SimpleNamespace(model=model, _resume=True)
    FingerprintHook().after_load_checkpoint(runner, content)
    ema = EMAHook(strict_load=True)
    ema.ema_model = ExponentialMovingAverage(different())
    ema.after_load_checkpoint(runner, content)
    model.load_state_dict(content['state_dict'])
    assert equal(ema.ema_model.module, source)


def test_an_ensemble_by_the_old_name_is_saved(said):
    model = segmentor()
    runner = SimpleNamespace(model=model, _resume=False)
    hook = WeightEnsembleHook(0.5, module='image_encoder')
    hook.before_train(runner)
    original = {k: v.clone() for k, v in model.state_dict().items()}
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1)
    content = dict(state_dict=dict(model.state_dict()))
    hook.before_save_checkpoint(runner, content)
    assert content['state_dict'].keys() == original.keys()
    for key, value in original.items():
        if value.is_floating_point() and key.startswith(NEW):
            found = content['state_dict'][key]
            torch.testing.assert_close(found, value + 0.5)


@pytest.mark.parametrize('family', ['eva', 'openai'])
def test_the_tower_of_a_segmentor_can_be_taken_out(family, tmp_path):
    model = segmentor(family)
    path = old_file(model, tmp_path / 'old.pth')
    out = str(tmp_path / 'tower.pth')
    export_backbone(path, out)
    found = DeCLIPViT.from_pretrained(out)
    written = {f'{NEW}{key}' for key in found.state_dict()}
    assert torch.load(out)['state_dict'].keys() == written
    image = torch.randn(1, 3, 64, 64)
    wanted = model.backbone.forward_dense(image).content
    torch.testing.assert_close(found.forward_dense(image).content, wanted)


@pytest.mark.parametrize('suffix', ['pth', 'safetensors'])
def test_old_files_are_read_by_every_tool(suffix, tmp_path, monkeypatch):
    from declip_mm.checkpoint import publish, save_weights

    warned = []
    monkeypatch.setattr(
        'declip_mm.checkpoint.export.print_log',
        lambda text, **_: warned.append(text),
    )
    source = segmentor()
    path = tmp_path / f'old.{suffix}'
    mark = source.backbone.fingerprint
    save_weights(aged(source.state_dict()), path, mark)
    assert describe(str(path))['consumer'].startswith('a CAT-Seg segmentor')
    published = publish(str(path), str(tmp_path / f'new.{suffix}'))
    assert set(read_checkpoint(str(published))[0]) == set(source.state_dict())
    for prefix in (OLD, 'image_encoder', NEW):
        out = str(tmp_path / 'backbone.pth')
        export_backbone(str(path), out, prefix)
        assert len(read_checkpoint(out)[0]) == len(
            source.backbone.state_dict()
        )
        cfg = segmentor_cfg()['backbone']
        found = DeCLIPViT.from_pretrained(out, model=cfg['model'], prefix=NEW)
        assert equal(found, source.backbone)
        with pytest.raises(ValueError, match='of a CAT-Seg segmentor.*export'):
            DeCLIPViT.from_pretrained(
                str(path), model=cfg['model'], prefix=prefix
            )

    assert len(warned) == 3 and 'trained together' in warned[0]


def test_old_configs_build_the_model(said):
    cfg = segmentor_cfg()
    cfg['image_encoder'] = cfg.pop('backbone')
    assert equal(segmentor(**dict(cfg, backbone={})), segmentor())
    assert 'OVCATSegmentor: image_encoder is called backbone' in said[0]
    model = segmentor()
    assert model.image_encoder is model.backbone and len(said) == 1


def test_old_config_files_and_options_run(tmp_path, said):
    """On top of a base of ours, and as the command lines of a year ago."""
    (tmp_path / 'mine.py').write_text(
        f"_base_ = '{ROOT}/configs/cat_seg/eva02-b16_coco-stuff.py'\n"
        "model = dict(image_encoder=dict(affinity='qq'))\n"
        'custom_hooks = [dict(type="FingerprintHook",'
        ' module="image_encoder", licence="MIT")]\n'
    )
    init = 'model.image_encoder.init_cfg'
    cfg = apis.load_config(
        str(tmp_path / 'mine.py'),
        {f'{init}.type': 'Pretrained', f'{init}.checkpoint': 'a.pth'},
    )
    assert 'image_encoder' not in cfg.model
    assert cfg.model.backbone.affinity == 'qq'
    assert cfg.model.backbone.model == 'EVA02-B-16'
    assert cfg.model.backbone.init_cfg.checkpoint == 'a.pth'
    apis.check_config(cfg)
    assert [line.split(' is called')[0] for line in said] == [
        'OVCATSegmentor: image_encoder',
        'FingerprintHook: licence',
    ]


def optimiser(model, key):
    return TrainableConstructor(
        dict(
            type='OptimWrapper',
            optimizer=dict(type='AdamW', lr=1e-2, weight_decay=1e-4),
        ),
        dict(
            norm_decay_mult=0.0,
            custom_keys={key: dict(lr_mult=0.01), 'text': dict(lr_mult=0.5)},
        ),
    )(model)


@pytest.mark.parametrize('rest', ['', '.visual.trunk'])
def test_old_keys_of_the_optimiser_meet_the_same_parameters(rest, said):
    model = segmentor()
    rates = [
        [group['lr'] for group in optimiser(model, place + rest).param_groups]
        for place in ('image_encoder', 'backbone')
    ]
    assert rates[0] == rates[1] and {*rates[0]} == {1e-2, 5e-3, 1e-4}
    assert said[0].startswith('custom_keys: image_encoder is called backbone')


def train(folder, until, resume=None):
    """A run on one batch, saved after its last step."""
    make = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 3, (1, 64, 64), generator=make)
    item = dict(
        inputs=torch.rand(3, 64, 64, generator=make) * 255,
        data_samples=SegDataSample(
            gt_sem_seg=PixelData(data=labels),
            metainfo=dict(ori_shape=(64, 64)),
        ),
    )
    from mmengine.dataset import pseudo_collate

    pixels = dict(type='SegDataPreProcessor', size=(64, 64))
    model = segmentor(data_preprocessor=pixels)
    runner = Runner(
        model=model,
        work_dir=str(folder),
        train_dataloader=DataLoader([item], 1, collate_fn=pseudo_collate),
        train_cfg=dict(by_epoch=False, max_iters=until),
        optim_wrapper=optimiser(model, 'backbone'),
        default_hooks=dict(
            checkpoint=dict(
                type='CheckpointHook', by_epoch=False, interval=until
            )
        ),
        custom_hooks=[FingerprintHook()],
        load_from=resume,
        resume=resume is not None,
        default_scope='mmseg',
        experiment_name=f'{folder.name}{until}{bool(resume)}',
    )
    runner.train()
    return model, str(folder / f'iter_{until}.pth')


def test_an_old_run_is_resumed_where_it_stopped(tmp_path, said):
    """Moments of the optimiser are by the order of parameters."""
    wanted, _ = train(tmp_path / 'whole', 4)
    _, path = train(tmp_path / 'half', 2)
    content = torch.load(path, weights_only=False)
    content['state_dict'] = aged(content['state_dict'])
    torch.save(content, tmp_path / 'old.pth')
    assert said == []
    found, _ = train(tmp_path / 'rest', 4, str(tmp_path / 'old.pth'))
    assert equal(found, wanted)
    assert len(said) == 1 and 'checkpoint: image_encoder.*' in said[0]


def test_shipped_configs_say_nothing_old():
    for path in (ROOT / 'configs').rglob('*.py'):
        assert 'image_encoder' not in path.read_text('utf-8'), path
    cfg = Config.fromfile(ROOT / 'configs/cat_seg/openai-b16_coco-stuff.py')
    keys = cfg.optim_wrapper.paramwise_cfg.custom_keys
    assert set(keys) == {'backbone', 'text_encoder'}
