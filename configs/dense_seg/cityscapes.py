# DeCLIP without training: Cityscapes, 19 classes.
#
#   python tools/test.py configs/dense_seg/cityscapes.py DECLIP_CHECKPOINT
#
# Other methods: configs/dense_seg/methods, tools/dense_seg_benchmarks.py.
#
# Data      500 pictures of val; maps:
#           mmseg's tools/dataset_converters/cityscapes.py.
# Hardware  one GPU or a CPU. Time and memory: not measured on this set.
# Figure    32.8 mIoU in the paper's Table 5, none measured here.
# Source    DeCLIP, CVPR 2025.
_base_ = [
    '../_base_/models/dense_seg.py',
    '../_base_/datasets/dense_seg.py',
    '../_base_/seg_runtime.py',
]
model = dict(
    data_preprocessor=dict(short_side=560),
)
test_dataloader = dict(
    dataset=dict(
        type='OVCityscapesDataset',
        data_root='data/cityscapes',
        data_prefix=dict(
            img_path='leftImg8bit/val', seg_map_path='gtFine/val'
        ),
    )
)
custom_hooks = [dict(type='VocabularyHook'), dict(type='FingerprintHook')]
