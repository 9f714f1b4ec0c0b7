# The miniature CLIP (its model card is beside the weights).
clip = dict(
    model='declip_mm://miniature/tiny_clip.json',
    pretrained='declip_mm://miniature/tiny_clip.safetensors',
)
text_encoder = dict(type='DeCLIPTextEncoder', **clip)
model = dict(
    type='DecoupledDistiller',
    data_preprocessor=dict(type='DeCLIPPreprocessor'),
    backbone=dict(
        type='DeCLIPViT',
        frozen_stages=0,
        train_head=False,
        affinity='qq',
        scale='rsqrt',
        **clip,
    ),
    content_teacher=dict(
        type='CLIPCropTeacher', backbone=dict(type='DeCLIPViT', **clip)
    ),
    predictor=dict(
        type='OpenVocabPredictor',
        text_encoder=text_encoder,
        prompts='name',
        regions=('box', 'mask'),
        segmentation=True,
    ),
)
