# PC-59: Pascal Context, 59 names. CAT-Seg reads "diningtable" for "table".
_base_ = './cat_seg_test.py'
test_dataloader = dict(
    dataset=dict(
        type='OVContext59Dataset',
        data_root='data/VOCdevkit/VOC2010',
        ann_file='ImageSets/SegmentationContext/val.txt',
        data_prefix=dict(
            img_path='JPEGImages', seg_map_path='SegmentationClassContext'
        ),
        texts=dict(table=['diningtable']),
    )
)
