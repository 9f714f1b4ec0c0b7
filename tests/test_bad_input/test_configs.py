"""Config files and command lines that the tools have to refuse."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from bad_input import Case, check
from mmengine.config import Config
from mmengine.registry import HOOKS
from mmengine.structures import BaseDataElement
from tool_modules import load_tool
from toy_project import CONFIG

import declip_mm  # noqa: F401  (registers the classes)
from declip_mm import apis
from declip_mm.engine import EpochSyncHook

ROOT = Path(__file__).resolve().parents[2]
TOOLS = {name: load_tool(f'{name}.py') for name in ('train', 'test')}


def line(tool, *more, text=CONFIG):
    """A command line, as far as a run would be built."""

    def act(folder):
        path = folder / 'toy.py'
        path.write_text(text)
        given = [str(path), '--work-dir', str(folder), *more]
        given = [m.replace('@', str(folder)) for m in given]
        module = TOOLS[tool]
        apis.check_config(module.prepare(module.parse_args(given)))

    return act


def options(*pairs):
    return line('train', '--cfg-options', *pairs)


def config(**parts):
    """A config's content, checked before anything is built."""
    return lambda folder: apis.check_config(Config(parts))


def model(**options):
    return config(model=dict(type='DeCLIPViT', **options))


def near_miss(folder):
    apis.check_config(Config(dict(randomnes=dict(seed=3))))
    return 1


def unknown_type(folder):
    apis.check_config(Config(dict(model=dict(type='Xyzzy'))))
    return 1


def resume(make):
    def act(folder):
        make(folder)
        (folder / 'last_checkpoint').write_text(str(folder / 'epoch_2.pth'))
        return apis.find_resume_point(str(folder))

    return act


def cut(path):
    torch.save(dict(a=torch.zeros(1000)), path)
    path.write_bytes(path.read_bytes()[:900])


def all_cut(folder):
    cut(folder / 'epoch_1.pth')
    cut(folder / 'epoch_2.pth')


def newest_cut(folder):
    torch.save({}, folder / 'epoch_1.pth')
    cut(folder / 'epoch_2.pth')
    (folder / 'last_checkpoint').write_text(str(folder / 'epoch_2.pth'))
    return Path(apis.find_resume_point(str(folder))).name


def note_cut(folder):
    """Killed between the checkpoint and the note that names it."""
    torch.save({}, folder / 'epoch_1.pth')
    (folder / 'last_checkpoint').write_text('')
    return Path(apis.find_resume_point(str(folder))).name


def runner(dataset, hooks=()):
    hub = SimpleNamespace(get_info=lambda *_: 'work/epoch_2.pth')
    loader = SimpleNamespace(dataset=dataset)
    return SimpleNamespace(
        hooks=list(hooks),
        train_dataloader=loader,
        message_hub=hub,
        iter=6,
        epoch=2,
    )


GUARD = HOOKS.build(dict(type='RunGuardHook'))
DRAWS = type('Draws', (), dict(set_epoch=lambda *_: None))()


def loss(value, name='loss_content'):
    def act(folder):
        samples = [
            BaseDataElement(metainfo=dict(img_path=f'pictures/{n}.jpg'))
            for n in range(3)
        ]
        state = runner(DRAWS, [EpochSyncHook()])
        batch = dict(data_samples=samples)
        outputs = {name: torch.tensor(value), 'time': 1.0}
        GUARD.after_train_iter(state, 0, batch, outputs)
        return 'goes on'

    return act


def one_kept(folder):
    """Nothing is left out: a warning is all there is."""
    hooks = [EpochSyncHook(), SimpleNamespace(max_keep_ckpts=1)]
    GUARD.before_train(runner(DRAWS, hooks))
    return 1


NAN, INF = float('nan'), float('inf')
FILES = 'pictures/0.jpg, pictures/1.jpg, pictures/2.jpg'

CASES = [
    Case('no config', lambda f: apis.load_config(str(f / 'no.py')),
         'no.py', 'has no *.py either'),
    Case('unknown key', options('modle.width=3'), 'modle', "mean 'model'"),
    Case('value with keys', options('train_cfg.by_epoch.x=1'), 'True',
         "has no 'x'"),
    Case('list position', options('default_hooks.logger.interval.0=1'),
         "is 1, which has no '0'", 'config file'),
    Case('new top key', options('max_epochs=3'), 'max_epochs',
         '--allow-new-options'),
    Case('no checkpoint', line('test', '@/no.pth'), 'no.pth', 'either'),
    Case('checkpoint cut', lambda f: (
        cut(f / 'a.pth'), line('test', '@/a.pth')(f)),
        'a.pth', 'truncated'),
    Case('out of a wrong kind', line('test', 'none', '--out', 'a.csv'),
         'a.csv', '*.pkl'),
    Case('tta without a config', line('test', 'none', '--tta'), '--tta',
         'tta_pipeline'),
    Case('show without a hook', line('test', 'none', '--show'), '--show',
         'default_hooks.visualization'),
    Case('no lr base', line('train', '--auto-scale-lr', text=CONFIG.replace(
        ', base_batch_size=8', '')), '--auto-scale-lr', 'base_batch_size=N'),
    Case('type unknown', config(model=dict(type='DeCLIPVit')), "'DeCLIPVit'",
         'DeCLIPViT'),
    Case('type deep down', config(model=dict(
        type='DecoupledDistiller', backbone=dict(type='ViTDeCLIP'))),
        'model.backbone', 'custom_imports'),
    Case('hook unknown', config(custom_hooks=[dict(type='EpochSync')]),
         'custom_hooks.0', 'EpochSyncHook'),
    Case('data set unknown', config(train_dataloader=dict(
        dataset=dict(type='DeCLIPImages'))), 'train_dataloader.dataset',
        'DeCLIPImageDataset'),
    Case('argument unknown', model(afinity='qq'), "'afinity'",
         "mean 'affinity'"),
    Case('argument of another class', model(ensemble_alpha=0.7),
         "'ensemble_alpha'", 'It takes: affinity'),
    Case('argument of a hook', config(custom_hooks=[dict(
        type='WeightEnsembleHook', alpha=0.7)]), "'alpha'", 'ensemble_alpha'),
    Case('argument of the views', config(train_dataloader=dict(
        dataset=dict(type='DeCLIPImageDataset', views=dict(
            type='DeCLIPViews', img_size=3)))), "'img_size'",
        "mean 'image_size'"),
    Case('argument beside kwargs', config(d=dict(
        type='DeCLIPImageDataset', data_rot='x')), "'data_rot'",
        "mean 'data_root'"),
    Case('scope unknown', config(default_scope='mmdog'), "'mmdog'",
         'Install it'),
    Case('type of nobody', unknown_type, "type='Xyzzy'", 'custom_imports',
         'skipped'),
    Case('near an argument', near_miss, "'randomnes'", "'randomness'",
         'skipped'),
    Case('resume: all cut', resume(all_cut), 'epoch_1.pth', '--resume FILE'),
    Case('resume: gone', resume(lambda f: None), 'epoch_2.pth',
         '--resume FILE'),
    Case('resume: newest cut', newest_cut, 'epoch_1.pth', outcome='read'),
    Case('resume: note cut', note_cut, 'epoch_1.pth', outcome='read'),
    Case('loss NaN', loss(NAN), f'loss_content = nan. The batch: {FILES}',
         'work/epoch_2.pth'),
    Case('loss infinite', loss(INF, 'loss'), 'loss = inf', '--resume'),
    Case('loss -inf', loss(-INF), 'step 7 (epoch 3)', 'learning rate'),
    Case('loss fine', loss(1.5), 'goes on', outcome='read'),
    Case('time NaN is no loss', loss(NAN, 'time'), 'goes on', outcome='read'),
    Case('one checkpoint kept', one_kept, 'max_keep_ckpts=1', 'Keep 2',
         'skipped'),
    Case('no EpochSyncHook', lambda f: GUARD.before_train(runner(DRAWS)),
         'Draws', "type='EpochSyncHook'"),
]  # fmt: skip


@pytest.mark.parametrize('case', CASES, ids=[c.name for c in CASES])
def test_config(case, tmp_path, monkeypatch):
    monkeypatch.setenv('LOCAL_RANK', '0')
    check(case, tmp_path)
