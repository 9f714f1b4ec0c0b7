"""Pre-finetune the miniature CLIP with DeCLIP and show what it changed.

    python tools/miniature/quickstart.py

Writes to work_dirs/quickstart/: table.md, summary.json, sheet.png, the
exported backbone declip_tiny.pth and the training log.
"""

import argparse
import time
from pathlib import Path

from ..apis import at_least, command, help_first
from .paths import CONFIGS
from .world import build_world


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--out', type=Path, default='work_dirs/quickstart')
    parser.add_argument('--epochs', type=at_least(1), default=6)
    return parser.parse_args()


help_first(__name__, parse_args, 'quickstart.py')

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import MODELS
from mmengine.runner import Runner
from PIL import Image

from ..apis import write_json
from ..apis.caching import fill_caches, use_caches
from ..checkpoint import export_backbone
from ..models.vfm_cache import write_cache
from ..visualization import SheetRow, affinity_map, draw_sheet
from .features import load_vfm_features
from .ladder.config import with_weights
from .ladder.report import table
from .vfm import fetch_vit_s

SCENES = 400  # training scenes; six epochs of 50 steps

#: Name in the summary -> what the tables and pictures call it.
STAGES = dict(
    before='original CLIP',
    untrained_block='untrained decoupled block',
    after='DeCLIP',
)
#: Column -> its heading, and the metric that it shows.
COLUMNS = dict(
    region_macc=('box mAcc', 'region/box_macc'),
    mask_macc=('mask mAcc', 'region/mask_macc'),
    miou=('mIoU', 'seg/mIoU'),
)


def say(text: str) -> None:
    print(f'\n== {text}', flush=True)


def context_teacher(cfg: Config, world: Path) -> int:
    """Point the config at the ViT-S, or at shipped features of its own.

    Returns:
        How many training scenes there are features for.
    """
    teacher = cfg.model.context_teacher
    try:
        teacher.teacher.pretrained = str(fetch_vit_s())
        # The ladder's name for it; rows count in the whole list of scenes.
        inner, views = teacher.teacher, cfg.train_dataloader.dataset.views
        name = f'vfm_vit_s_{inner.layer}_{inner.norm}_{views.vfm_size}.npy'
        teacher.path = str(world / 'caches' / name)
        teacher.num_images = len(list((world / 'train/images').iterdir()))
        return SCENES
    except RuntimeError as error:
        print(f'The ViT-S cannot be had ({error}).')
    stored = load_vfm_features()
    count = len(stored.tokens)
    print(f'Using the shipped features of the first {count} scenes instead.')
    for index in (0, count - 1):
        picture = sorted((world / 'train/images').iterdir())[index]
        stored.check(index, Image.open(picture))
    teacher.path = str(world / 'caches/stored_vfm.npy')
    # (N, h * w, D') -> (N, D', h, w)
    maps = stored.tokens.transpose(1, 2).unflatten(-1, stored.grid)
    views = cfg.train_dataloader.dataset.views
    write_cache(teacher.path, maps, (views.vfm_size,) * 2)
    teacher.teacher, teacher.num_images = None, count
    return count


def training_config(world: Path, out: Path, epochs: int) -> Config:
    """The shipped config, pointed at the world and its VFM features."""
    cfg = Config.fromfile(CONFIGS / 'miniature/pretune.py')
    scenes = context_teacher(cfg, world)
    epochs = round(epochs * SCENES / scenes)  # the same number of steps
    cfg.train_dataloader.dataset.data_root = str(world)
    cfg.train_dataloader.dataset.indices = scenes
    for loader in (cfg.val_dataloader, cfg.test_dataloader):
        loader.dataset.data_root = str(world)
    cfg.train_cfg.max_epochs = epochs
    cfg.train_cfg.val_interval = epochs
    cfg.param_scheduler[1].update(T_max=epochs, end=epochs)
    cfg.work_dir = str(out / 'train')
    return cfg


def store_teachers(cfg: Config, world: Path) -> None:
    """Ask both teachers once, in two processes, and train from the answers.

    Four grids a picture and six epochs draw more cells than there are.
    """
    views = cfg.train_dataloader.dataset.views
    name = f'crops_{views.crop_size}_{views.max_split}.npy'
    paths = dict(crops=str(world / 'caches' / name))
    if cfg.model.context_teacher.teacher is not None:
        paths['vfm'] = cfg.model.context_teacher.path
    fill_caches(cfg, **paths, processes=2)
    use_caches(cfg, **paths)
    views.vfm_size = None


def measure(cfg: Config, backbone: dict, out: Path) -> dict[str, float]:
    """Box and mask mAcc and mIoU of a backbone, in percent."""
    test = Config.fromfile(CONFIGS / 'miniature/region_cls.py')
    test.test_dataloader = cfg.test_dataloader
    test.model.backbone = backbone
    test.work_dir = str(out / 'measure')
    runner = Runner.from_cfg(test)
    runner.model.backbone.init_weights()
    metrics = runner.test()
    return {name: round(metrics[m], 2) for name, (_, m) in COLUMNS.items()}


def backbones(cfg: Config, exported: Path) -> dict[str, dict]:
    """The three that are compared, by stage."""
    original = cfg.model.backbone
    return dict(
        before=dict(original, affinity='vanilla'),
        untrained_block=original,
        after=with_weights(original, exported),
    )


def point_inside(mask: torch.Tensor) -> tuple[float, float]:
    """(x, y) in [0, 1] of the mask's pixel that is nearest its centre."""
    pixels = mask.nonzero().float()  # (n, 2), y and x
    centre = pixels.mean(dim=0)
    y, x = pixels[(pixels - centre).norm(dim=1).argmin()].tolist()
    height, width = mask.shape
    return (x + 0.5) / width, (y + 0.5) / height


@torch.no_grad()
def draw(cfg: Config, stages: dict[str, dict], path: Path) -> None:
    """The picture sheet, on held-back scenes."""
    dataset = Runner.build_dataloader(cfg.test_dataloader).dataset
    names = dataset.metainfo['classes']
    preprocess = MODELS.build(cfg.model.data_preprocessor)
    predictor = MODELS.build(cfg.model.predictor)
    predictor.set_vocabulary(names)
    models = {}
    for stage, config in stages.items():
        models[STAGES[stage]] = MODELS.build(config).eval()
        models[STAGES[stage]].init_weights()
    rows: list[SheetRow] = []
    for index in range(4):
        item = dataset[index]
        data = preprocess(pseudo_collate([item]))
        sample = data['data_samples'][0]
        anchor = point_inside(sample.masks[0])
        affinity, labels = {}, {}
        for name, model in models.items():
            dense = model.forward_dense(data['inputs']['image'])
            grid = dense.content.shape[-2:]
            tokens = [t[0] for t in dense.context]
            affinity[name] = affinity_map(tokens, grid, anchor).numpy()
            labels[name] = predictor.segment(dense.content[0], sample).numpy()
        image = np.asarray(item['inputs']['image']).transpose(1, 2, 0)
        truth = np.asarray(sample.gt_sem_seg)
        rows.append(SheetRow(image, anchor, truth, affinity, labels))
    draw_sheet(
        rows,
        names,
        str(path),
        'Miniature world (composed scenes of drawings), held-back scenes',
    )


def write_table(summary: dict, path: Path) -> str:
    head = {
        'name': 'backbone',
        **{k: text for k, (text, _) in COLUMNS.items()},
    }
    rows = [dict(summary[s], name=name) for s, name in STAGES.items()]
    text = table(head, rows)
    path.write_text(text + '\n', 'utf-8')
    return text


@command
def main() -> None:
    options = parse_args()
    out, start = options.out, time.time()
    out.mkdir(parents=True, exist_ok=True)
    say('1/4 The miniature world')
    world = Path(build_world())
    say('2/4 Pre-finetuning (content: CLIP on crops; context: VFM)')
    cfg = training_config(world, out, options.epochs)
    store_teachers(cfg, world)
    runner = Runner.from_cfg(cfg)
    runner.train()
    exported = out / 'declip_tiny.pth'
    last = f'epoch_{cfg.train_cfg.max_epochs}.pth'
    export_backbone(str(Path(cfg.work_dir) / last), str(exported))
    say('3/4 Measuring on held-back scenes')
    stages = backbones(cfg, exported)
    summary = {s: measure(cfg, b, out) for s, b in stages.items()}
    say('4/4 Drawing')
    draw(cfg, stages, out / 'sheet.png')
    summary['seconds'] = round(time.time() - start)
    write_json(out / 'summary.json', summary, indent=2)
    log = max(Path(cfg.work_dir).glob('*/*.log'), key=lambda f: f.name)
    (out / 'train.log').write_text(log.read_text('utf-8'), 'utf-8')
    say(f'Done in {summary["seconds"]} s')
    print(write_table(summary, out / 'table.md'))
    print(f'\nPictures: {out / "sheet.png"}   weights: {exported}')


if __name__ == '__main__':
    main()
