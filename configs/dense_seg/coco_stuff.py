# DeCLIP without training: COCO-Stuff 164k, 171 classes.
#
#   python tools/test.py configs/dense_seg/coco_stuff.py DECLIP_CHECKPOINT
#
# Other methods: configs/dense_seg/methods, tools/dense_seg_benchmarks.py.
#
# Data      5000 pictures of val; maps:
#           tools/dataset_converters/coco_object.py data/coco_stuff164k \
#               --stuff
# Hardware  one GPU or a CPU. Time and memory: not measured on this set.
# Figure    25.3 mIoU in the paper's Table 5, none measured here.
# Source    DeCLIP, CVPR 2025.
_base_ = [
    '../_base_/models/dense_seg.py',
    '../_base_/datasets/dense_seg.py',
    '../_base_/seg_runtime.py',
]
test_dataloader = dict(
    dataset=dict(
        type='OVCOCOStuffDataset',
        data_root='data/coco_stuff164k',
        data_prefix=dict(
            img_path='images/val2017', seg_map_path='annotations/val2017'
        ),
    )
)
custom_hooks = [dict(type='VocabularyHook'), dict(type='FingerprintHook')]
