# Training-free segmentation: cosine of dense features and class names, EVA-02
# B/16. The values are DeCLIP's; per-set ones are in configs/dense_seg.
clip = dict(model='EVA02-B-16', pretrained='merged2b_s8b_b131k')
model = dict(
    type='DenseCLIPSegmentor',
    data_preprocessor=dict(
        type='DenseSegPreprocessor', short_side=448, long_side=2048
    ),
    backbone=dict(type='DeCLIPViT', affinity='csa', scale='rsqrt', **clip),
    text_encoder=dict(type='DeCLIPTextEncoder', **clip),
    prompts='openai',
    test_cfg=dict(
        window=336,
        stride=112,
        window_batch=8,
        logit_scale=40.0,
        threshold=0.0,
        below='background',
        memory=256,
    ),
)
