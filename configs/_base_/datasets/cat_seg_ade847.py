# ADE20K validation, all 847 names; tools/dataset_converters/ade847.py
# writes maps of 16 bits and the names, of which the first synonym is read.
_base_ = './cat_seg_test.py'
test_dataloader = dict(
    dataset=dict(
        type='OVADE847Dataset',
        data_root='data/ade847',
        data_prefix=dict(
            img_path='images/validation', seg_map_path='annotations/validation'
        ),
    )
)
