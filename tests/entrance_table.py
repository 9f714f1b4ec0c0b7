"""What is typed for every config, and what is changed for it to be quick.

A command is the one of the config's header plus these options. Model names,
tags, weight files, data folders, annotation files, pipelines, losses, hooks
and metrics stay the config's.
"""

from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import NamedTuple

from entrance_detectors import (
    F_VIT_HEADS,
    OV_DQUO_HEADS,
    f_vit_side,
    f_vit_train_side,
    ov_dquo_train_side,
)
from mmengine.config import Config
from narrow_hub import HEADS, WIDTH

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'
NAMES = sorted(
    path.relative_to(CONFIGS).as_posix()
    for path in CONFIGS.rglob('*.py')
    if '_base_' not in path.parts
)


@cache
def read(name):
    """A config; not to be changed."""
    return Config.fromfile(CONFIGS / name)


LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


def epoch(pictures, batch=2):
    """One epoch of so few pictures, and a validation after it."""
    return [
        f'train_dataloader.dataset.indices={pictures}',
        f'train_dataloader.batch_size={batch}',
        'train_cfg.max_epochs=1',
        'train_cfg.val_interval=1',
    ]


VIEWS = 'train_dataloader.dataset.views'
VFM = [
    f'model.context_teacher.timm_kwargs.embed_dim={WIDTH}',
    f'model.context_teacher.timm_kwargs.num_heads={HEADS}',
]
HIERA = [
    'model.context_teacher.timm_kwargs.embed_dim=8',
    'model.context_teacher.timm_kwargs.num_heads=1',
]
CAT_SEG_HEAD = [
    'model.decode_head.dim=16',
    'model.decode_head.guidance_dim=8',
    'model.decode_head.tap_dims=(8,8)',
    'model.decode_head.decoder_dims=(8,8)',
    'model.decode_head.decoder_guidance_dims=(4,4)',
    'model.decode_head.window=6',
]


class Change(NamedTuple):
    """Options for all configs of some names.

    Attributes:
        names: Patterns of names below ``configs``.
        options: As typed after ``--cfg-options``.
        why: The kind of change.
        only: ``'train'`` or ``'test'``; empty for both.
    """

    names: tuple
    options: list
    why: str
    only: str = ''


#: Everything that differs from the configs, beside workers (none).
CHANGES = (
    # pre-finetuning ------------------------------------------------------
    Change(('declip/[!c]*', 'declip/clipself*'), epoch(2), 'epochs, batch'),
    # a round of three mosaics is a batch of its own
    Change(('declip/clim*',), epoch(None)[2:], 'epochs'),
    # two pictures may be of two shapes
    Change(
        ('declip/pretune_dinov2_native*',),
        ['train_dataloader.batch_sampler.drop_last=False'],
        'epochs, batch',
    ),
    # a quarter of the pictures each epoch
    Change(('declip/pretune_dinov2_released*',), epoch(8), 'epochs, batch'),
    Change(
        ('declip/[!c]*', 'declip/clipself*'),
        [f'{VIEWS}.image_size=96'],
        'image size',
    ),
    Change(
        ('declip/*',),
        [
            'val_dataloader.dataset.image_size=96',
            'test_dataloader.dataset.image_size=96',
        ],
        'image size',
    ),
    Change(
        ('declip/clim*',),
        ['train_dataloader.dataset.image_size=96'],
        'image size',
    ),
    Change(
        ('declip/*l14*',),
        [
            f'{VIEWS}.image_size=84',
            'val_dataloader.dataset.image_size=84',
            'test_dataloader.dataset.image_size=84',
        ],
        'image size',
    ),
    Change(('declip/pretune*',), [f'{VIEWS}.vfm_size=84'], 'image size'),
    Change(
        ('declip/pretune_dino.py',), [f'{VIEWS}.vfm_size=48'], 'image size'
    ),
    Change(
        ('declip/pretune_dinov3*', 'declip/pretune_sam*'),
        [f'{VIEWS}.vfm_size=96'],
        'image size',
    ),
    Change(('declip/pretune*',), VFM, 'narrow VFM'),
    Change(('declip/pretune_sam2*',), HIERA, 'narrow VFM'),
    # measuring regions ---------------------------------------------------
    Change(
        ('region_cls/*b16*',),
        ['test_dataloader.dataset.image_size=96'],
        'image size',
    ),
    Change(
        ('region_cls/*l14*',),
        ['test_dataloader.dataset.image_size=84'],
        'image size',
    ),
    # F-ViT ---------------------------------------------------------------
    Change(('f_vit/*ov-*',), epoch(2), 'epochs, batch'),
    Change(('f_vit/*',), F_VIT_HEADS, 'narrow towers and heads'),
    Change(
        ('f_vit/*ov-lvis*',),
        ['model.roi_head.mask_head.conv_out_channels=16'],
        'narrow towers and heads',
    ),
    Change(('f_vit/*b16*',), f_vit_side(64), 'image size'),
    Change(('f_vit/*l14*',), f_vit_side(56), 'image size'),
    Change(('f_vit/*b16*_ov-*',), f_vit_train_side(64), 'image size'),
    Change(('f_vit/*l14*_ov-*',), f_vit_train_side(56), 'image size'),
    # OV-DQUO -------------------------------------------------------------
    Change(('ov_dquo/ov-dquo*ov-*',), epoch(2), 'epochs, batch'),
    Change(
        # validation begins late in a training of 30 epochs
        ('ov_dquo/ov-dquo*ov-*',),
        ['train_cfg.val_begin=1'],
        'epochs, batch',
    ),
    Change(('ov_dquo/ov-dquo*',), OV_DQUO_HEADS, 'narrow towers and heads'),
    Change(('ov_dquo/ov-dquo*b16*',), f_vit_side(64), 'image size'),
    Change(('ov_dquo/ov-dquo*l14*',), f_vit_side(56), 'image size'),
    Change(
        ('ov_dquo/ov-dquo*b16*_ov-*',), ov_dquo_train_side(64), 'image size'
    ),
    Change(
        ('ov_dquo/ov-dquo*l14*_ov-*',), ov_dquo_train_side(56), 'image size'
    ),
    # proposers of pseudo labels -------------------------------------------
    Change(('ov_dquo/proposer*',), epoch(2), 'epochs, batch'),
    Change(
        ('ov_dquo/proposer*',),
        [F_VIT_HEADS[0], 'model.roi_head.bbox_head.fc_out_channels=16'],
        'narrow towers and heads',
    ),
    Change(
        ('ov_dquo/proposer*',),
        [*f_vit_side(128), *f_vit_train_side(128)],  # five levels
        'image size',
    ),
    # CAT-Seg -------------------------------------------------------------
    Change(
        ('cat_seg/*coco-stuff*',),
        [
            'train_cfg.max_iters=1',
            'train_cfg.val_interval=1',
            'default_hooks.checkpoint.interval=1',
            'default_hooks.logger.interval=1',
        ],
        'epochs',
    ),
    Change(
        ('cat_seg/*coco-stuff*',),
        [
            'model.data_preprocessor.size=(96,96)',
            'train_dataloader.dataset.pipeline.2.scale=96',
            'train_dataloader.dataset.pipeline.3.crop_size=(96,96)',
            'val_dataloader.dataset.pipeline.1.scale=96',
            'test_dataloader.dataset.pipeline.1.scale=96',
            'model.test_cfg.crop=96',
        ],
        'image size',
    ),
    Change(
        ('cat_seg/*_ade*', 'cat_seg/*_context*', 'cat_seg/*_pas*'),
        [
            'test_dataloader.dataset.pipeline.1.scale=160',
            'model.test_cfg.size=(160,160)',
            'model.test_cfg.crop=96',
            'model.test_cfg.stride=64',
        ],
        'image size',
    ),
    Change(('cat_seg/*l14*',), ['model.input_size=84'], 'image size'),
    Change(('cat_seg/*b16*', 'cat_seg/*l14*'), CAT_SEG_HEAD, 'narrow towers'),
    Change(
        ('cat_seg/*coco-stuff*',),
        ['custom_hooks.1.floor=0.0'],
        'random weights: the gate would refuse them, and rightly',
        only='train',
    ),
    # segmentation without training ---------------------------------------
    Change(
        ('dense_seg/*',),
        [
            'model.data_preprocessor.short_side=96',
            'model.test_cfg.window=64',
            'model.test_cfg.stride=32',
        ],
        'image size',
    ),
    # the miniature world's own models are small as they are --------------
    Change(('miniature/pretune.py',), epoch(8, batch=8), 'epochs'),
    Change(
        ('miniature/pretune.py',),
        [
            'model.context_teacher.num_images=16',
            f'model.context_teacher.teacher.timm_kwargs.embed_dim={WIDTH}',
            f'model.context_teacher.teacher.timm_kwargs.num_heads={HEADS}',
        ],
        'narrow VFM, sixteen pictures',
    ),
    Change(
        ('miniature/f_vit*', 'miniature/ov_dquo*', 'miniature/proposer*'),
        epoch(8, batch=8),
        'epochs',
    ),
    Change(
        ('cat_seg/miniature.py',),
        [
            'train_cfg.max_iters=1',
            'default_hooks.checkpoint.interval=1',
            'default_hooks.logger.interval=1',
        ],
        'epochs',
    ),
)

#: Checkpoint that a config is tested from, where it trains none itself: what
#: its header names, made by the command of the header.
DECLIP = dict(
    b16='work_dirs/pretune_dinov2/epoch_1.pth',
    l14='work_dirs/pretune_dinov2_eva02-l14-336/epoch_1.pth',
    openai='work_dirs/pretune_dinov2_openai-b16/epoch_1.pth',
)
CAT_SEG = 'work_dirs/declip_eva02-{}_coco-stuff/iter_1.pth'
OV_LVIS = 'work_dirs/f-vit_eva02-l14-336_{}_ov-lvis/epoch_1.pth'
OV_DQUO_LVIS = OV_LVIS.replace('f-vit', 'ov-dquo')
CHECKPOINTS = (
    ('ov_dquo/*_declip_lvis2*', OV_DQUO_LVIS.format('declip')),
    ('ov_dquo/*_clipself_lvis2*', OV_DQUO_LVIS.format('clipself')),
    ('cat_seg/declip_eva02-b16_*', CAT_SEG.format('b16')),
    ('cat_seg/declip_eva02-l14-336_*', CAT_SEG.format('l14-336')),
    ('dense_seg/methods/declip_eva02-b16*', DECLIP['b16']),
    ('dense_seg/methods/declip_openai-b16*', DECLIP['openai']),
    ('dense_seg/methods/*', 'none'),
    ('dense_seg/*', DECLIP['b16']),
    ('f_vit/*_declip_lvis2*', OV_LVIS.format('declip')),
    ('f_vit/*_clipself_lvis2*', OV_LVIS.format('clipself')),
    ('miniature/dense_seg.py', 'work_dirs/quickstart/declip_tiny.pth'),
    ('miniature/region_cls.py', 'work_dirs/pretune/epoch_1.pth'),
    ('region_cls/declip_eva02-b16*', DECLIP['b16']),
    ('region_cls/declip_eva02-l14*', DECLIP['l14']),
    ('region_cls/declip_openai*', DECLIP['openai']),
    ('region_cls/declip_tiny*', 'work_dirs/quickstart/declip_tiny.pth'),
    ('region_cls/*', 'none'),
)
#: What a header's command adds for measuring files of other people.
HEADER = {
    'region_cls/clipself_eva02-b16_coco-panoptic.py': [
        'model.backbone.pretrained=checkpoints/clipself_eva02-b16.pt'
    ],
    'region_cls/clipself_eva02-l14-336_coco-panoptic.py': [
        'model.backbone.pretrained=checkpoints/clipself_eva02-l14-336.pt'
    ],
}


#: A config that torchrun starts: the variables of its only process.
ALONE = dict(
    RANK='0',
    LOCAL_RANK='0',
    WORLD_SIZE='1',
    MASTER_ADDR='127.0.0.1',
    MASTER_PORT='0',
)
#: What has no machine here, and what its refusal says; README has the list.
NOT_HERE = {
    'declip/pretune_dinov2_deepspeed.py': 'needs the package deepspeed',
}


class Entrance(NamedTuple):
    """A config and what is typed for it.

    Attributes:
        name: Below ``configs``.
        scope: The config's ``default_scope``.
        train: Command of training, or None.
        checkpoint: What is tested.
        test: Command of testing, or None.
        env: Variables that its launcher sets.
    """

    name: str
    scope: str
    train: list | None
    checkpoint: str
    test: list | None
    env: dict

    @property
    def stem(self):
        """Name of its folder below ``work_dirs``."""
        return Path(self.name).stem


def changes(name, tool):
    """Options of a config, last one first served, for ``train`` or ``test``.

    An option of a loader that the config switches off is left out; a test
    has those of its model and data alone.
    """
    cfg = read(name)
    there = [loader for loader in LOADERS if cfg.get(loader)]
    found = {}
    for loader in there:
        found[f'{loader}.num_workers'] = '0'
        found[f'{loader}.persistent_workers'] = 'False'
    for change in CHANGES:
        if change.only not in ('', tool):
            continue
        if any(fnmatch(name, pattern) for pattern in change.names):
            found.update(o.split('=', 1) for o in change.options)
    found.update(o.split('=', 1) for o in HEADER.get(name, ()))
    kept = []
    for key, value in found.items():
        owner = key.split('.')[0]
        gone = owner in LOADERS and owner not in there
        if not gone and (tool == 'train' or owner in ('model', LOADERS[2])):
            kept.append(f'{key}={value}')
    return kept


@cache
def entrance(name):
    """What is typed for a config."""
    cfg = read(name)
    path, stem = f'configs/{name}', Path(name).stem
    train = test = None
    env = {}
    launcher = []
    if cfg.get('strategy'):
        env, launcher = ALONE, ['--launcher', 'pytorch']
    checkpoint = next(
        (c for pattern, c in CHECKPOINTS if fnmatch(name, pattern)), None
    )
    if cfg.get('train_dataloader'):
        iterations = cfg.train_cfg.type.startswith('Iter')
        saved = 'iter_1.pth' if iterations else 'epoch_1.pth'
        checkpoint = f'work_dirs/{stem}/{saved}'
        train = ['tools/train.py', path, *launcher]
        train += ['--cfg-options', *changes(name, 'train')]
    if cfg.get('test_dataloader'):
        out = f'work_dirs/{stem}/predictions.pkl'
        test = ['tools/test.py', path, checkpoint, *launcher, '--out', out]
        if cfg.default_scope != 'mmengine':
            test += ['--show-dir', f'shown/{name[:-3]}']
        test += ['--cfg-options', *changes(name, 'test')]
    return Entrance(name, cfg.default_scope, train, checkpoint, test, env)
