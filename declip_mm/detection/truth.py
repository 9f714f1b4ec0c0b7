"""True objects of a COCO file, the same for data sets and metrics."""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from math import inf
from typing import Any

from mmdet.datasets.api_wrappers import COCO

from ..datasets.coco_file import read_coco
from ..datasets.coco_json import clip_box, log_skipped, some
from ..datasets.masks import check_segmentation

__all__ = [
    'check_numbers',
    'coco_api',
    'ids_of_classes',
    'leave_out',
    'read_truth',
]


def coco_api(content: dict) -> COCO:
    """mmdet's index of the content of a json file."""
    api = COCO()
    api.dataset = content
    with redirect_stdout(StringIO()):  # it prints what nobody asked for
        api.createIndex()
    api.img_ann_map, api.cat_img_map = api.imgToAnns, api.catToImgs
    return api


def read_truth(
    path: str, masks: bool = False, may_be_empty: bool = False
) -> dict:
    """Content of a json for a metric, checked as a data set checks it.

    Annotations are numbered from 1: an evaluator marks what it found by these
    ids, and takes 0 for nothing.

    Args:
        path: Of the file.
        masks: Whether masks are measured; objects without are left out.
        may_be_empty: For results that are written and not measured.

    Raises:
        FileNotFoundError, ValueError: See
            :func:`~declip_mm.datasets.coco_file.read_coco`; or there is
            nothing to measure.
    """
    optional = ['annotations'] if may_be_empty else []
    content = read_coco(path, optional=optional)
    leave_out(path, content, masks=masks)
    if not content['annotations'] and not may_be_empty:
        what = 'object with a mask' if masks else 'object'
        raise ValueError(
            f'{path} has no {what}, so nothing can be measured on it. Give '
            'the metric the annotated file, or set format_only=True.'
        )
    for number, entry in enumerate(content['annotations'], 1):
        entry['id'] = number
    return content


def leave_out(
    path: str, content: dict, least: float = 0, masks: bool = False
) -> None:
    """Take out objects that are of no use; counted and named in the log.

    Args:
        path: Of the file, for messages.
        content: Of the file, checked.
        least: Side of a box, in pixels; also boxes flagged ``ignore`` are
            taken out if this is above 0, as mmdet's data sets do.
        masks: Whether objects need a mask.
    """
    # a picture of unknown size ends nowhere
    sizes = {
        image['id']: (image.get('height', inf), image.get('width', inf))
        for image in content['images']
    }
    kept, skipped = [], defaultdict(list)
    for entry in content['annotations']:
        bbox, size = entry['bbox'], sizes[entry['image_id']]
        problem = clip_box(bbox, size)[1]
        if not problem and (bbox[2] < least or bbox[3] < least):
            problem = f'a side shorter than {least:g} px'
        if not problem and least and entry.get('ignore'):
            problem = 'flagged ignore'
        if not problem and masks:
            problem = _check_mask(entry, size)
        if problem:
            skipped[problem].append(f'annotation {entry["id"]}')
        else:
            kept.append(entry)
    content['annotations'] = kept
    log_skipped(path, skipped)


def _check_mask(entry: dict, size: tuple[float, float]) -> str:
    """What is wrong with a mask; polygons that are none are dropped."""
    masks = entry.get('segmentation')
    if not masks:
        return 'without a mask'
    if isinstance(masks, list):
        usual = [
            p
            for p in masks
            if isinstance(p, list) and len(p) >= 6 and len(p) % 2 == 0
        ]
        if usual and len(usual) < len(masks):
            entry['segmentation'] = masks = usual
    elif isinstance(masks, dict) and inf in size:
        size = masks.get('size')
        if not isinstance(size, list) or len(size) != 2:
            return f'its size is {size!r:.40}'
    return check_segmentation(masks, *size)


def ids_of_classes(
    content: dict, names: Sequence[str], path: Any
) -> list[Any]:
    """Category ids in the order of class names.

    Args:
        content: Of the file, checked.
        names: Class names of the data set.
        path: Of the file, for messages.

    Raises:
        ValueError: The file lacks a name.
    """
    ids: dict[str, Any] = {c['name']: c['id'] for c in content['categories']}
    missing = [n for n in names if n not in ids]
    if missing:
        raise ValueError(
            f'{path}, the annotation file of the metric, lacks classes of the '
            f'data set: {some(missing, 8)}; it has {len(ids)}, such as '
            f'{some(ids, 8)}. Give both the same file.'
        )
    return [ids[n] for n in names]


def check_numbers(path: Any, content: dict) -> None:
    """Refuse ids that faster-coco-eval cannot take."""
    for part in ('images', 'categories'):
        texts = [e['id'] for e in content[part] if isinstance(e['id'], str)]
        if texts:
            raise ValueError(
                f'{path}: ids of {part} are texts ({some(texts)}); this '
                'evaluation takes whole numbers alone. Number them.'
            )
