# DeCLIP without training: Pascal Context, 59 classes; background is ignored.
#
#   python tools/test.py configs/dense_seg/context59.py DECLIP_CHECKPOINT
#
# Other methods: configs/dense_seg/methods, tools/dense_seg_benchmarks.py.
#
# Data      5104 pictures of val; maps:
#           mmseg's tools/dataset_converters/pascal_context.py.
# Hardware  one GPU or a CPU. Time and memory: not measured on this set.
# Figure    39.2 mIoU in the paper's Table 5, none measured here.
# Source    DeCLIP, CVPR 2025.
_base_ = [
    '../_base_/models/dense_seg.py',
    '../_base_/datasets/dense_seg.py',
    '../_base_/seg_runtime.py',
]
test_dataloader = dict(
    dataset=dict(
        type='OVContext59Dataset',
        data_root='data/VOCdevkit/VOC2010',
        ann_file='ImageSets/SegmentationContext/val.txt',
        data_prefix=dict(
            img_path='JPEGImages', seg_map_path='SegmentationClassContext'
        ),
    )
)
custom_hooks = [dict(type='VocabularyHook'), dict(type='FingerprintHook')]
