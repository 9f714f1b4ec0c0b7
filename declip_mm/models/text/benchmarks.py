"""Names and texts of benchmarks whose files do not have them.

They move results by points, so they are data with a source. Class lists of
data sets that mmdet and mmseg know are theirs and not repeated here.
"""

from collections.abc import Iterable

from .background import STUFF_BACKGROUND

__all__ = [
    'COCO_OBJECT_TEXTS',
    'OV_COCO_BASE',
    'OV_COCO_CLASSES',
    'OV_COCO_NOVEL',
    'PERSON',
    'VOC_FIELD_TEXTS',
    'VOC_TEXTS',
    'closed_up',
]

#: OV-COCO (Bansal et al., ECCV 2018): 65 of COCO's 80, in the order of ids.
OV_COCO_CLASSES = tuple(
    'person bicycle car motorcycle airplane bus train truck boat bench bird '
    'cat dog horse sheep cow elephant bear zebra giraffe backpack umbrella '
    'handbag tie suitcase frisbee skis snowboard kite skateboard surfboard '
    'bottle cup fork knife spoon bowl banana apple sandwich orange broccoli '
    'carrot pizza donut cake chair couch bed toilet tv laptop mouse remote '
    'keyboard microwave oven toaster sink refrigerator book clock vase '
    'scissors toothbrush'.split()
)
OV_COCO_NOVEL = tuple(
    'airplane bus cat dog cow elephant umbrella tie snowboard skateboard cup '
    'knife cake couch keyboard sink scissors'.split()
)
OV_COCO_BASE = tuple(n for n in OV_COCO_CLASSES if n not in OV_COCO_NOVEL)

#: VOC writes some names as one word; a text tower should read two.
VOC_TEXTS = dict(
    diningtable=('dining table',),
    pottedplant=('potted plant',),
    tvmonitor=('tv monitor',),
)

#: A person is recognised by clothes. This and what follows are SCLIP's lists
#: (ECCV 2024), which later work on training-free segmentation shares; where
#: DeCLIP's own list is not known, this is what we use.
PERSON = (
    'person',
    *(
        f'person in {clothes}'
        for clothes in 'shirt jeans dress sweater skirt jacket'.split()
    ),
)

VOC_FIELD_TEXTS = dict(
    pottedplant=('pottedplant',),
    boat=('ship',),
    diningtable=('table',),
    person=PERSON,
    tvmonitor=(
        'television monitor',
        'tv monitor',
        'monitor',
        'television',
        'screen',
    ),
)

COCO_OBJECT_TEXTS = dict(background=STUFF_BACKGROUND, person=(*PERSON, 'body'))


def closed_up(names: Iterable[str]) -> dict[str, tuple[str]]:
    """Names of several words, written as one: ``'traffic light'`` ->
    ``'trafficlight'``, as the lists for Cityscapes, ADE20K and COCO-Stuff
    have them."""
    return {n: (n.replace(' ', ''),) for n in names if ' ' in n}
