# PC-459: Pascal Context, all 459 names;
# tools/dataset_converters/pascal_context459.py writes maps and names.
_base_ = './cat_seg_test.py'
test_dataloader = dict(
    dataset=dict(
        type='OVContext459Dataset',
        data_root='data/context459',
        data_prefix=dict(
            img_path='images/validation', seg_map_path='annotations/validation'
        ),
    )
)
