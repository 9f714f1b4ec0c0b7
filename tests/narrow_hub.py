"""Narrow networks under their true names, as if fetched from the hub.

Configs name CLIPs by open_clip's name and tag, and VFMs by timm's name. Here
open_clip's list of models holds the same architectures made narrow, and a
cache folder of the model hub holds weights for their tags, in the files that
the hub has. So a config's own names are resolved, looked up, read and checked
as they are where the weights were fetched before.
"""

import json
import re

import open_clip
import timm
import torch
from mmengine.registry import MODELS
from safetensors.torch import save_file

import declip_mm  # noqa: F401  (registers the models)
from declip_mm.models.towers import read_model_config

COMMIT = '0' * 40
NORM = re.compile(r'(norm\w*|ln_\w+)\.(weight|bias)$')
WIDTH, HEADS = 24, 2
#: open_clip name -> tag of the configs. Depth, patch, picture and joint
#: dimension stay; so do taps, strides and stages that configs count.
CLIPS = {
    'EVA02-B-16': 'merged2b_s8b_b131k',
    'EVA02-L-14-336': 'merged2b_s6b_b61k',
    'ViT-B-16': 'openai',
    'ViT-B-16-quickgelu': 'openai',
    'ViT-L-14-336-quickgelu': 'openai',
    'ViT-B-16-SigLIP2': 'webli',
    'PE-Core-B-16': 'meta',
}
#: timm name -> what makes it narrow.
VIT = dict(embed_dim=WIDTH, num_heads=HEADS)
VFMS = {
    'vit_base_patch8_224.dino': VIT,
    'vit_base_patch14_dinov2.lvd142m': VIT,
    'vit_base_patch14_reg4_dinov2.lvd142m': VIT,
    'vit_large_patch14_dinov2.lvd142m': VIT,
    'vit_base_patch16_dinov3.lvd1689m': VIT,
    'samvit_base_patch16.sa1b': VIT,
    'sam2_hiera_base_plus.fb_r896_2pt1': dict(embed_dim=8, num_heads=1),
}


def narrow_clip(name):
    """open_clip's configuration of a model with narrow towers."""
    config = read_model_config(name)
    vision, text = config['vision_cfg'], config['text_cfg']
    trunk = vision.get('timm_model_name', '')
    if trunk:
        vision['timm_kwargs'] = dict(embed_dim=WIDTH, num_heads=HEADS)
        if 'pe_core' in trunk:
            vision['timm_kwargs'].update(attn_pool_num_heads=4)
        if 'siglip' in trunk:  # no projection: joint dimension is the width
            config['embed_dim'] = WIDTH
    else:
        vision.update(width=WIDTH, head_width=WIDTH // HEADS)
    text.update(width=16, heads=2, layers=2)
    return config


def write_configs(folder):
    """What ``open_clip.add_model_config`` takes."""
    folder.mkdir(parents=True)
    for name in CLIPS:
        path = folder / f'{name}.json'
        path.write_text(json.dumps(narrow_clip(name)))


def clip_weights(config):
    """Random weights of both towers under open_clip's key names.

    Norm layers are moved a little: a tower whose norms are as made looks
    untrained, and is refused for that.
    """
    if config.get('custom_text') or 'timm_model_name' in config['vision_cfg']:
        tower = MODELS.build(dict(type='DeCLIPViT', model=config))
        found = {
            f'visual.trunk.{k}': v
            for k, v in tower.visual.trunk.state_dict().items()
        }
        if 'hf_tokenizer_name' not in config['text_cfg']:
            text = dict(type='DeCLIPTextEncoder', model=config)
            text = MODELS.build(text).tower.state_dict()
            found.update({f'text.{k}': v for k, v in text.items()})
    else:
        parts = ('embed_dim', 'vision_cfg', 'text_cfg')
        model = open_clip.model.CLIP(
            **{k: config[k] for k in parts}, quick_gelu=True
        )
        found = dict(model.state_dict())
        found.pop('attn_mask', None)
    found['logit_scale'] = torch.tensor(4.6)
    return {
        k: v + 0.02 * torch.randn_like(v) if NORM.search(k) else v
        for k, v in found.items()
    }


def put(cache, repository, file_name, weights):
    """A file in a hub cache, where ``hf_hub_download`` finds it."""
    folder = cache / f'models--{repository.replace("/", "--")}'
    snapshot = folder / 'snapshots' / COMMIT
    snapshot.mkdir(parents=True, exist_ok=True)
    (folder / 'refs').mkdir(exist_ok=True)
    (folder / 'refs' / 'main').write_text(COMMIT)
    weights = {k: v.clone().contiguous() for k, v in weights.items()}
    save_file(weights, str(snapshot / file_name))
    return snapshot / file_name


def write_hub(cache):
    """Weights of every tag and VFM; returns tag files by open_clip name."""
    files = {}
    for name, tag in CLIPS.items():
        torch.manual_seed(len(name))
        settings = open_clip.get_pretrained_cfg(name, tag)
        repository = settings['hf_hub'].rstrip('/')
        weights = clip_weights(narrow_clip(name))
        target = 'open_clip_model.safetensors'
        files[name] = put(cache, repository, target, weights)
    for name, options in VFMS.items():
        torch.manual_seed(len(name))
        model = timm.create_model(name, num_classes=0, **options)
        repository = model.pretrained_cfg['hf_hub_id']
        put(cache, repository, 'model.safetensors', model.state_dict())
    return files


def write_vit_s(path):
    """The miniature's VFM, narrow, in the file that its builder writes."""
    model = timm.create_model('vit_small_patch14_dinov2', num_classes=0, **VIT)
    weights = {k: v.half().contiguous() for k, v in model.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(weights, str(path))
