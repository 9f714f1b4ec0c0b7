# PAS-20b: Pascal VOC 2012, 20 names against the 39 others of PC-59, which are
# one class background; maps of tools/dataset_converters/pas20b.py.
_base_ = './cat_seg_test.py'
test_dataloader = dict(
    dataset=dict(
        type='OVPAS20bDataset',
        data_root='data/VOCdevkit/VOC2012',
        ann_file='ImageSets/Segmentation/val.txt',
        data_prefix=dict(
            img_path='JPEGImages', seg_map_path='SegmentationClassPAS20b'
        ),
    )
)
