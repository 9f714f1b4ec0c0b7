"""Class names of benchmarks whose files do not say which are novel."""

__all__ = [
    'OV_COCO_BASE',
    'OV_COCO_CLASSES',
    'OV_COCO_NOVEL',
    'VOC_PHRASES',
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
VOC_PHRASES = {
    'diningtable': ['dining table'],
    'pottedplant': ['potted plant'],
    'tvmonitor': ['tv monitor'],
}
