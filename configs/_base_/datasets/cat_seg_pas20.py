# PAS-20: Pascal VOC 2012, 20 names as VOC writes them; background is ignored.
_base_ = './cat_seg_test.py'
test_dataloader = dict(
    dataset=dict(
        type='OVVOC20Dataset',
        data_root='data/VOCdevkit/VOC2012',
        ann_file='ImageSets/Segmentation/val.txt',
        data_prefix=dict(
            img_path='JPEGImages', seg_map_path='SegmentationClass'
        ),
        texts=dict(
            diningtable=['diningtable'],
            pottedplant=['pottedplant'],
            tvmonitor=['tvmonitor'],
        ),
    )
)
