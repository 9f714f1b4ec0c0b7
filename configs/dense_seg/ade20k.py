# DeCLIP without training: ADE20K, 150 classes.
#
#   python tools/test.py configs/dense_seg/ade20k.py DECLIP_CHECKPOINT
#
# Other methods: configs/dense_seg/methods, tools/dense_seg_benchmarks.py.
#
# Data      2000 pictures of val; maps:
#           as ADEChallengeData2016 comes.
# Hardware  one GPU or a CPU. Time and memory: not measured on this set.
# Figure    21.9 mIoU in the paper's Table 5, none measured here.
# Source    DeCLIP, CVPR 2025.
_base_ = [
    '../_base_/models/dense_seg.py',
    '../_base_/datasets/dense_seg.py',
    '../_base_/seg_runtime.py',
]
test_dataloader = dict(
    dataset=dict(
        type='OVADE20KDataset',
        data_root='data/ade/ADEChallengeData2016',
        data_prefix=dict(
            img_path='images/validation', seg_map_path='annotations/validation'
        ),
    )
)
custom_hooks = [dict(type='VocabularyHook'), dict(type='FingerprintHook')]
