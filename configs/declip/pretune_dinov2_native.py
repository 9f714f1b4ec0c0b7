# DeCLIP, recipe `native`: as `paper`, with the aspect kept and no padding.
#
#   bash tools/dist_train.sh configs/declip/pretune_dinov2_native.py 8
#   python tools/train.py configs/declip/pretune_dinov2_native.py \
#       --auto-scale-lr
#
# Views have their longest side at 1024 px (VFM: 896) and one of eleven shapes
# of whole patches; a batch has one shape, the same on all ranks. A picture's
# aspect changes by 12 % at most; one beyond 2:1 is padded. On 53 pictures of
# COCO the aspect changes by 1.1 % on average, and 73 % of the tokens of the
# padded squares are left. Not the authors' loss: theirs counts black tokens.
#
# Hardware  8 GPUs x 2 images at 1024 px. Memory: not measured on a GPU.
# Figure    none published for this recipe.
# Source    ours. tools/miniature/ladder.py --table aspect asks in miniature
#           what padding costs.
_base_ = './pretune_dinov2.py'

train_dataloader = dict(
    drop_last=False,  # the batch sampler's part
    batch_sampler=dict(type='BucketBatchSampler', drop_last=True),
    dataset=dict(views=dict(native_patch=16)),
)
custom_hooks = [
    dict(type='EpochSyncHook'),
    dict(type='VocabularyHook'),
    dict(
        type='FingerprintHook',
        recipe='native',
        license='EVA-CLIP weights: MIT; DINOv2 weights: Apache-2.0',
    ),
]
