# EVA-02-CLIP B/16 as student, crop teacher and text tower.
clip = dict(model='EVA02-B-16', pretrained='merged2b_s8b_b131k')
model = dict(
    type='DecoupledDistiller',
    data_preprocessor=dict(type='DeCLIPPreprocessor'),
    backbone=dict(
        type='DeCLIPViT',
        frozen_stages=0,
        train_head=False,
        affinity='csa',
        scale='rsqrt',
        **clip,
    ),
    content_teacher=dict(
        type='CLIPCropTeacher', backbone=dict(type='DeCLIPViT', **clip)
    ),
    predictor=dict(
        type='OpenVocabPredictor',
        text_encoder=dict(type='DeCLIPTextEncoder', **clip),
        prompts='vild',
        regions=('box', 'mask'),
    ),
)
