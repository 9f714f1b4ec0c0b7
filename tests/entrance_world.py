"""The folder in which every config is run, and what is made there in time.

Data lie in it from the start. Weights and maps that a document says to make
with a tool are made with that tool, by the command that it names, before the
first config that reads them.
"""

import shutil
from concurrent.futures import Future, ThreadPoolExecutor

import narrow_hub
from entrance_runs import Desk, Run
from entrance_table import DECLIP, NAMES, entrance, read
from official_detection import write_detection
from official_segmentation import write_segmentation

WORKERS = 2
CONVERT = 'tools/model_converters/convert.py'
EXPORT = 'tools/model_converters/export_backbone.py'
SETS = 'tools/dataset_converters'
#: The rotary tables of official files depend on it; ours are narrow.
HEAD_DIM = ('--head-dim', str(narrow_hub.WIDTH // narrow_hub.HEADS))
#: What a config reads -> the command that makes it. The key is a piece of
#: the config or of its command.
MADE = {
    'checkpoints/declip_eva02-b16.pth': (EXPORT, DECLIP['b16'], 'OUT'),
    'checkpoints/declip_eva02-l14-336.pth': (EXPORT, DECLIP['l14'], 'OUT'),
    'weights/declip_eva02-b16.pth': (
        *(CONVERT, 'checkpoints/clipself_eva02-b16.pt', 'OUT'),
        *('--affinity', 'csa', '--scale', '1.0', *HEAD_DIM),
    ),
    'weights/declip_eva02-l14-336.pth': (
        *(CONVERT, 'checkpoints/clipself_eva02-l14-336.pt', 'OUT'),
        *('--affinity', 'csa', '--scale', '1.0', *HEAD_DIM),
    ),
    'work_dirs/quickstart/declip_tiny.pth': (
        *(EXPORT, 'work_dirs/pretune/epoch_1.pth', 'OUT'),
    ),
    'OVCOCOObjectDataset': (f'{SETS}/coco_object.py', 'data/coco_stuff164k'),
    'OVPAS20bDataset': (f'{SETS}/pas20b.py', 'data/VOCdevkit/VOC2012'),
    'data/ade847': (
        *(f'{SETS}/ade847.py', 'data/ADE20K_2021_17_01'),
        *('--out', 'data/ade847'),
    ),
    'data/context459': (
        *(f'{SETS}/pascal_context459.py', 'data/VOCdevkit/VOC2010'),
        *('data/pascal-context', '--out', 'data/context459'),
    ),
    'data/coco/annotations/instances_train2017_base.json': (
        *(f'{SETS}/pseudo_labels.py', 'base'),
        *('configs/f_vit/f-vit_eva02-b16_declip_ov-coco.py', 'OUT'),
    ),
    'data/lvis_v1/annotations/lvis_v1_train_base.json': (
        *(f'{SETS}/pseudo_labels.py', 'base'),
        *('configs/f_vit/f-vit_eva02-b16_declip_ov-lvis.py', 'OUT'),
    ),
    'data/miniature/detection/base.json': (
        *(f'{SETS}/pseudo_labels.py', 'base'),
        *('configs/miniature/f_vit_coco.py', 'OUT'),
    ),
    'data/mini_coco': (
        *(f'{SETS}/miniature_coco_panoptic.py', 'data/mini_coco'),
        *('--world', 'data/miniature'),
    ),
}


def write_miniature(root):
    """``data/miniature`` and its other layouts, from a few scenes."""
    from declip_mm.miniature import build_world
    from declip_mm.miniature.converters import cat_seg as sets
    from declip_mm.miniature.converters import detection

    world = build_world(root / 'data/miniature', 16, 4, processes=1)
    narrow_hub.write_vit_s(world / 'vit_s.safetensors')
    detection.write_detection_world(world)
    cat_seg = read('cat_seg/miniature.py')
    out = root / 'data/miniature_cat_seg'
    splits = ['val_known']
    sets.write_layouts(
        world,
        out,
        cat_seg.classes,
        cat_seg.base_classes,
        [*cat_seg.classes, *cat_seg.base_classes],
        splits,
    )
    (out / 'ade').symlink_to(out / splits[0])


def write_released(root, files):
    """``checkpoints/clipself_*.pt``: towers as that project releases them.

    Their key names are EVA-CLIP's own, below ``state_dict`` of a trainer.
    """
    from declip_mm.checkpoint import convert

    (root / 'checkpoints').mkdir()
    for name, short in (
        ('EVA02-B-16', 'eva02-b16'),
        ('EVA02-L-14-336', 'eva02-l14-336'),
    ):
        out = root / 'checkpoints' / f'clipself_{short}.pth'
        convert(
            str(files[name]),
            str(out),
            'eva',
            affinity='maskclip',
            scale='rsqrt',
            head_dim=narrow_hub.WIDTH // narrow_hub.HEADS,
        )
        out.rename(out.with_suffix('.pt'))


def make_desk(root):
    """A folder with the data and weights that everything starts from."""
    narrow_hub.write_configs(root / 'clips')
    files = narrow_hub.write_hub(root / 'hub')
    write_detection(root / 'data')
    write_segmentation(root / 'data')
    write_miniature(root)
    write_released(root, files)
    (root / 'weights').mkdir()
    (root / 'work_dirs/quickstart').mkdir(parents=True)
    return Desk(root, root / 'clips', root / 'hub')


class Entrances:
    """Runs commands at a desk, each once, and first what they need.

    Two at a time: a command is handed in after those that it needs, so the
    earliest that is not done never waits for a later one.
    """

    def __init__(self, desk):
        self.desk = desk
        self.found: dict[str, Future] = {}
        self.pool = ThreadPoolExecutor(WORKERS)
        self.trains = {
            e.checkpoint: f'train {e.name}'
            for e in map(entrance, NAMES)
            if e.train
        }

    def ask(self, what):
        """Future of a run: ``'train NAME'``, ``'test NAME'`` or a key of
        ``MADE``."""
        if what not in self.found:
            scope, command, text, env = self._command(what)
            needed = [
                self.ask(key)
                for key in (*MADE, *self.trains.values())
                if key != what and self._reads(key, text, command)
            ]
            self.found[what] = self.pool.submit(
                self._run, scope, command, needed, env
            )
        return self.found[what]

    def _command(self, what):
        if what in MADE:
            command = [what if a == 'OUT' else a for a in MADE[what]]
            scope = 'mmseg' if SETS in command[0] else 'mmengine'
            return scope, command, '', {}
        tool, name = what.split(' ', 1)
        own = entrance(name)
        text = read(name).pretty_text
        return own.scope, getattr(own, tool), text, own.env

    def _reads(self, key, text, command):
        for checkpoint, train in self.trains.items():
            if key == train:
                return checkpoint in command
        return key in text or any(key in word for word in command)

    def _run(self, scope, command, needed, env):
        for future in needed:
            problem = future.result().problem
            if problem:
                log = f'needs a command that failed: {problem}'
                return Run(1, 0.0, 0.0, log, False, 0)
        return self.desk.run(scope, *command, env=env)

    def close(self):
        self.pool.shutdown(wait=True, cancel_futures=True)
        self.desk.close()
        shutil.rmtree(self.desk.root, ignore_errors=True)
