# DeCLIP without training: Pascal VOC 2012, 20 objects; background is ignored.
#
#   python tools/test.py configs/dense_seg/voc20.py DECLIP_CHECKPOINT
#
# Other methods: configs/dense_seg/methods, tools/dense_seg_benchmarks.py.
#
# Data      1449 pictures of val; maps:
#           as the VOC devkit comes.
# Hardware  one GPU or a CPU. Time and memory: not measured on this set.
# Figure    85.0 mIoU in the paper's Table 5, none measured here.
# Source    DeCLIP, CVPR 2025.
_base_ = [
    '../_base_/models/dense_seg.py',
    '../_base_/datasets/dense_seg.py',
    '../_base_/seg_runtime.py',
]
test_dataloader = dict(
    dataset=dict(
        type='OVVOC20Dataset',
        data_root='data/VOCdevkit/VOC2012',
        ann_file='ImageSets/Segmentation/val.txt',
        data_prefix=dict(
            img_path='JPEGImages', seg_map_path='SegmentationClass'
        ),
    )
)
custom_hooks = [dict(type='VocabularyHook'), dict(type='FingerprintHook')]
