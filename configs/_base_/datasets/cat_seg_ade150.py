# ADE20K validation, 150 names of SceneParse.
_base_ = './cat_seg_test.py'
test_dataloader = dict(
    dataset=dict(
        type='OVADE20KDataset',
        data_root='data/ade/ADEChallengeData2016',
        data_prefix=dict(
            img_path='images/validation', seg_map_path='annotations/validation'
        ),
    )
)
