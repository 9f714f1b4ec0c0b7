"""From a row of the ladder to configs that run here."""

import copy
import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from mmengine.config import Config, ConfigDict
from safetensors.torch import save_file

from ...apis.caching import plain_teacher, use_caches
from ...version import __version__
from ..paths import CONFIGS
from ..vfm import fetch_vit_s
from ..world.build import read_fingerprint
from .aspects import make_aspects
from .tables import ASPECTS, BACKBONE, BLOCKS, Row

#: The crops of grids up to this are cached: 86 an image. Of grids up to 6
#: there are 361, and three runs look at a quarter of them.
CACHED_SPLIT = 4
#: Parts of the config that hold a CLIP.
CLIP_USERS = (
    BACKBONE,
    'model.content_teacher.backbone',
    'model.predictor.text_encoder',
)
#: What decides a trained row; the rest of a config decides where it runs.
DECISIVE = (
    'model',
    'train_dataloader',
    'optim_wrapper',
    'param_scheduler',
    'train_cfg',
    'custom_hooks',
    'randomness',
)


def with_clip(rows: Sequence[Row], folder: Path | None) -> list[Row]:
    """The same rows on another CLIP than the shipped one.

    Args:
        rows: Of a table.
        folder: As train_tiny_clip.py writes it; None keeps the shipped one.

    Raises:
        FileNotFoundError: A file of the CLIP is not there.
        ValueError: A row counts blocks from the first, and the CLIP has
            another number of them than the shipped one.
    """
    if folder is None:
        return list(rows)
    files = [folder / f'tiny_clip.{end}' for end in ('json', 'safetensors')]
    for path in files:
        if not path.is_file():
            raise FileNotFoundError(
                f'{path} is not there; train_tiny_clip.py --out {folder} '
                'writes it'
            )
    config, weights = (str(path.resolve()) for path in files)
    info = json.loads(Path(config).read_text('utf-8'))
    depth = info['model_cfg']['vision_cfg']['layers']
    frozen = f'{BACKBONE}.frozen_stages'
    counted = [row.name for row in rows if row.options.get(frozen)]
    if counted and depth != BLOCKS:
        raise ValueError(
            f'{counted} freeze blocks of a CLIP that has {BLOCKS}; the one in '
            f'{folder} has {depth}'
        )
    options = {}
    for part in CLIP_USERS:
        options[f'{part}.model'] = config
        options[f'{part}.pretrained'] = weights
    return [replace(row, options={**options, **row.options}) for row in rows]


def train_config(row: Row, seed: int = 0) -> Config:
    """The shipped config with the options of a row; no path of this machine.

    ``ensemble_alpha`` among the options adds a WeightEnsembleHook.
    """
    cfg = Config.fromfile(CONFIGS / 'miniature/pretune.py')
    options = dict(row.options)
    alpha = options.pop('ensemble_alpha', None)
    sampler = options.pop('train_dataloader.sampler', None)
    cfg.merge_from_dict(options)
    if sampler is not None:
        cfg.train_dataloader.sampler = ConfigDict(sampler)
    if alpha is not None:
        hook = dict(type='WeightEnsembleHook', ensemble_alpha=alpha)
        cfg.custom_hooks.insert(-1, ConfigDict(hook))
    epochs = cfg.train_cfg.max_epochs
    cfg.param_scheduler[1].update(T_max=epochs, end=epochs)
    cfg.randomness = dict(seed=seed)
    return cfg


def with_weights(backbone: ConfigDict, weights: Path | None) -> ConfigDict:
    """A copy with weights that were exported; None leaves its own."""
    backbone = copy.copy(backbone)
    if weights is not None:
        start = dict(checkpoint=str(weights), prefix='backbone.')
        backbone.update(
            pretrained=None, init_cfg=dict(type='Pretrained', **start)
        )
    return backbone


def job_key(row: Row, cfg: Config, world: Path) -> str:
    """Hash of all that decides the weights of a row."""
    content = dict(version=__version__, trained=row.trained)
    if not row.cached:
        content['cached'] = False
    if row.trained:
        content.update({key: cfg.to_dict()[key] for key in DECISIVE})
        content['world'] = read_fingerprint(world / 'train')
    else:
        content['backbone'] = cfg.to_dict()['model']['backbone']
    if clip := clip_digest(cfg):  # a path does not say what is in the file
        content['clip'] = clip
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def clip_digest(cfg: Config) -> str:
    """sha256 of a CLIP that was given by its folder; '' for the shipped."""
    path = Path(cfg.model.backbone.model)
    if not path.is_file():
        return ''
    return json.loads(path.read_text('utf-8'))['sha256']


def localise(cfg: Config, world: Path) -> dict[str, str]:
    """Put the paths of this machine in; the caches that belong to it."""
    loader, folder, paths = cfg.train_dataloader, world / 'caches', {}
    loader.update(num_workers=0, persistent_workers=False)
    loader.dataset.data_root = str(world)
    views, of = loader.dataset.views, ''
    if loader.dataset.img_dir == ASPECTS:
        make_aspects(world)
        of = '_aspects'
    if cfg.model.context_teacher is not None:
        components = cfg.model.context_teacher.get('components')
        teacher = plain_teacher(cfg.model.context_teacher)
        kind = 'random' if teacher.pretrained == 'random' else 'vit_s'
        path = random_vit_s(teacher) if kind == 'random' else fetch_vit_s()
        teacher.pretrained = str(path)
        cfg.model.context_teacher = teacher
        name = f'vfm_{kind}_{teacher.layer}_{teacher.norm}_{views.vfm_size}'
        name += f'_{components}' if components else ''
        if not views.get('native_patch'):  # maps of several shapes
            paths['vfm'] = str(folder / f'{name}{of}.npy')
    else:
        views.vfm_size = None
    if views.max_split <= CACHED_SPLIT:
        clip = clip_digest(cfg)[:8]
        size = f'{clip}_{views.crop_size}' if clip else views.crop_size
        paths['crops'] = str(folder / f'crops_{size}_{CACHED_SPLIT}{of}.npy')
    return paths


def random_vit_s(teacher: dict) -> Path:
    """Weights of a ViT-S/14 as they are before any training, seed 0."""
    import timm

    path = fetch_vit_s().with_name('random_vit_s14.safetensors')
    if not path.is_file():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = timm.create_model(teacher['model'], num_classes=0)
        weights = {k: v.contiguous() for k, v in model.state_dict().items()}
        save_file(weights, path)
    return path


def running_config(cfg: Config, paths: dict[str, str], out: Path) -> Config:
    """A localised config with filled caches and without validation."""
    use_caches(cfg, **paths)
    for part in ('val', 'test'):
        for key in ('dataloader', 'evaluator', 'cfg'):
            cfg[f'{part}_{key}'] = None
    cfg.default_hooks.checkpoint = dict(
        type='CheckpointHook',
        interval=cfg.train_cfg.max_epochs,
        save_optimizer=False,
    )
    cfg.work_dir = str(out)
    return cfg


def measure_config(
    backbone: dict,
    world: Path,
    split: str,
    side: int,
    out: Path,
    text_encoder: dict | None = None,
) -> Config:
    """Region classification and segmentation of a split, crops included.

    ``text_encoder`` replaces the shipped CLIP's.
    """
    cfg = Config.fromfile(CONFIGS / 'miniature/region_cls.py')
    cfg.model.backbone = backbone
    if text_encoder is not None:
        cfg.model.predictor.text_encoder = text_encoder
    cfg.model.predictor.regions = ('box', 'mask', 'crop')
    loader = cfg.test_dataloader
    loader.update(num_workers=0, persistent_workers=False)
    dataset = loader.dataset
    dataset.data_root = str(world)
    dataset.ann_file = f'{split}/annotations.json'
    dataset.img_dir, dataset.seg_dir = f'{split}/images', f'{split}/semantic'
    dataset.image_size = side
    dataset.crops = dict(size=84, thing_scale=1.0)
    subsets = {}
    if split == 'val_unseen':
        path = world / split / 'annotations.json'
        info = json.loads(path.read_text('utf-8'))['info']
        subsets = dict(unseen=info['unseen'])
    cfg.test_evaluator = [
        dict(
            type='RegionClassificationMetric',
            features=('box', 'mask', 'crop'),
            subsets=subsets,
        ),
        dict(type='DenseIoUMetric', subsets=subsets),
    ]
    cfg.work_dir = str(out)
    return cfg
