# DeCLIP without training: Pascal VOC 2012, 20 objects and background.
#
#   python tools/test.py configs/dense_seg/voc21.py DECLIP_CHECKPOINT
#
# Other methods: configs/dense_seg/methods, tools/dense_seg_benchmarks.py.
#
# Data      1449 pictures of val; maps:
#           as the VOC devkit comes.
# Hardware  one GPU or a CPU. Time and memory: not measured on this set.
# Figure    59.7 mIoU in the paper's Table 5, none measured here.
# Source    DeCLIP, CVPR 2025.
_base_ = [
    '../_base_/models/dense_seg.py',
    '../_base_/datasets/dense_seg.py',
    '../_base_/seg_runtime.py',
]
model = dict(
    test_cfg=dict(threshold=0.4, logit_scale=80.0),
)
test_dataloader = dict(
    dataset=dict(
        type='OVVOC21Dataset',
        data_root='data/VOCdevkit/VOC2012',
        ann_file='ImageSets/Segmentation/val.txt',
        data_prefix=dict(
            img_path='JPEGImages', seg_map_path='SegmentationClass'
        ),
    )
)
custom_hooks = [dict(type='VocabularyHook'), dict(type='FingerprintHook')]
