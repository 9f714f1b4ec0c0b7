"""Options that make detectors narrow and their pictures small."""

from narrow_hub import WIDTH

F_VIT_HEADS = [
    f'model.neck.in_channels=[{WIDTH},{WIDTH},{WIDTH},{WIDTH}]',
    'model.roi_head.bbox_head.conv_out_channels=16',
]


def f_vit_side(side):
    """A padded picture of F-ViT; its own sides are 640, 896 and 1024."""
    return [
        f'model.data_preprocessor.pad_size_divisor={side}',
        f'test_dataloader.dataset.pipeline.1.scale=({side},{side})',
    ]


def f_vit_train_side(side):
    pipeline = 'train_dataloader.dataset.pipeline'
    return [
        f'{pipeline}.2.scale=({side},{side})',
        f'{pipeline}.3.crop_size=({side},{side})',
        f'val_dataloader.dataset.pipeline.1.scale=({side},{side})',
    ]


#: Twenty queries and one layer each; widths stay, for they are many options.
OV_DQUO_HEADS = [
    f'model.neck.in_channels=[{WIDTH},{WIDTH},{WIDTH}]',
    'model.num_queries=20',
    'model.encoder.num_layers=1',
    'model.decoder.num_layers=1',
]


def ov_dquo_train_side(side):
    """Both of its augmentations end in the same side."""
    pipeline = 'train_dataloader.dataset.pipeline'
    return [
        f'{pipeline}.3.transforms.0.0.scale=({side},{side})',
        f'{pipeline}.3.transforms.1.2.scale=({side},{side})',
        f'val_dataloader.dataset.pipeline.1.scale=({side},{side})',
    ]
