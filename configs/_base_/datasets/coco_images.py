# Unlabelled COCO images. Put train2017/ under data/coco; any folder of images
# does as well: --cfg-options train_dataloader.dataset.data_root=MY_FOLDER
# train_dataloader.dataset.img_dir=.
train_dataloader = dict(
    batch_size=2,
    num_workers=4,
    persistent_workers=True,
    pin_memory=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='DeCLIPImageDataset',
        data_root='data/coco',
        img_dir='train2017',
        views=dict(
            type='DeCLIPViews',
            image_size=1024,
            crop_size=224,
            vfm_size=896,
            max_split=6,
            max_boxes=20,
            resize='torch',
        ),
    ),
)
