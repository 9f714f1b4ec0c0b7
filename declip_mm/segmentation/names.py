"""Texts that benchmarks of training-free segmentation put for class names.

They move results by points, so they are data with a source: SCLIP's lists
(ECCV 2024), which later work shares; where DeCLIP's own list is not known,
this is what we use.
"""

from ..models.text import STUFF_BACKGROUND

__all__ = [
    'COCO_OBJECT_TEXTS',
    'PERSON',
    'VOC_TEXTS',
    'VOC_WORDS',
    'closed_up',
]

#: A person is recognised by clothes.
PERSON = (
    'person',
    *(
        f'person in {clothes}'
        for clothes in 'shirt jeans dress sweater skirt jacket'.split()
    ),
)

#: VOC writes some names as one word; a text tower should read two.
VOC_WORDS = dict(
    diningtable=('dining table',),
    pottedplant=('potted plant',),
    tvmonitor=('tv monitor',),
)

VOC_TEXTS = dict(
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


def closed_up(names) -> dict:
    """Names of several words, written as one: ``'traffic light'`` ->
    ``'trafficlight'``, as the lists for Cityscapes, ADE20K and COCO-Stuff
    have them."""
    return {n: (n.replace(' ', ''),) for n in names if ' ' in n}
