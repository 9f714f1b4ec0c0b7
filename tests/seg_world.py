"""Segmentation folders small enough to read by eye."""

import numpy as np
from mmseg.registry import DATASETS
from PIL import Image

import declip_mm.segmentation  # noqa: F401  (registers the data sets)

#: Labels of the map of each picture; 255 has no class.
LABELS = np.array([[0, 1, 1], [2, 2, 255]], np.uint8)
NAMES = ('background', 'cat', 'dog')
SIZE = LABELS.shape[::-1]
LOAD = [
    dict(type='LoadLabelledImage'),
    dict(type='mmseg.LoadOVAnnotations'),
    dict(type='mmseg.PackSegInputs'),
]


def write_set(folder, names=('a', 'b'), images='.jpg', labels=LABELS):
    """Pictures ``images/NAME.jpg``, maps ``maps/NAME.png``, classes.txt."""
    for kind in ('images', 'maps'):
        (folder / kind).mkdir()
    for name in names:
        save(folder / 'images' / f'{name}{images}', Image.new('RGB', SIZE))
        save(folder / 'maps' / f'{name}.png', labels)
    (folder / 'classes.txt').write_text('\n'.join(NAMES))
    return folder


def save(path, content, **options):
    """An array or picture; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, np.ndarray):
        content = Image.fromarray(content)
    content.save(path, **options)
    return path


def load_set(folder, **options):
    """The data set of :func:`write_set`."""
    cfg = dict(
        type='mmseg.OVSegDataset',
        data_root=str(folder),
        data_prefix=dict(img_path='images', seg_map_path='maps'),
        classes_file='classes.txt',
        pipeline=LOAD,
        # Serialising collects garbage, of all the process has.
        serialize_data=False,
    )
    return DATASETS.build({**cfg, **options})


def labels_of(data, index=0):
    """Class map of a picture, as a list."""
    sample = data[index]['data_samples']
    return sample.gt_sem_seg.data[0].tolist()


def names_of(data):
    """Pictures of a data set, below its folder."""
    root = data.data_prefix['img_path']
    paths = (data.get_data_info(i)['img_path'] for i in range(len(data)))
    return [path[len(root) + 1 :] for path in paths]
