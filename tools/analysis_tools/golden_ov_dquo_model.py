"""Golden checks of a whole OV-DQUO, from its recorded state dict."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from golden_ov_dquo import (
    Arrays,
    close,
    detections_against,
    drawn,
    losses_against,
    pairs_of_image,
    read_objects,
    same,
)
from golden_towers import Errors, part, tensors
from mmdet.models import ChannelMapper
from mmdet.registry import MODELS
from mmengine.config import Config
from torch import Tensor

from declip_mm.checkpoint import check_fit
from declip_mm.detection.ov_dquo.convert import official_detector_keys
from declip_mm.detection.ov_dquo.inference import detections
from declip_mm.models.text.vocabulary import Vocabulary

CONFIG = (
    Path(__file__).parents[2] / 'configs/_base_/models/ov_dquo_eva02-b16.py'
)
STATE = 'full_forward_state_dict.npz'
HEADS = 8


class Recorded(dict):
    """Arguments of the steps of a forward pass."""

    def watch(self, model: torch.nn.Module, step: str) -> None:
        inner = getattr(model, step)

        def outer(*args, **kwargs):
            found = inner(*args, **kwargs)
            self[step] = dict(kwargs, found=found)
            return found

        setattr(model, step, outer)


def check_model(data: Arrays, path: Path) -> Errors:
    """What the file of one model asks for; the others lie beside it.

    Args:
        data: The recording.
        path: Its file.
    """
    if path.name == STATE:
        model = build(data, dict(np.load(_beside(path, 'full_forward.npz'))))
        state = model.state_dict()
        wanted = official_detector_keys(tensors(data), path.name)
        return {k: float(not state[k].equal(v)) for k, v in wanted.items()}
    weights = dict(np.load(_beside(path, STATE)))
    if 'train.total_loss' in data:
        model = build(weights, data)
        return {**check_eval(model, data), **check_train(model, data)[0]}
    recording = dict(np.load(_beside(path, 'full_forward.npz')))
    model = build(weights, recording)
    check_train(model, recording)[1].backward()
    wanted = official_detector_keys(tensors(data), path.name)
    own = dict(model.named_parameters())
    most = max(float(v.abs().max()) for v in wanted.values())
    return {k: _gradient(own[k].grad, v, most) for k, v in wanted.items()}


def _gradient(found: Tensor, wanted: Tensor, most: float) -> float:
    """Relative error; of one that is 0 but for rounding, against ``most``.

    Such is that of a bias before a norm that has each channel to itself.
    """
    if wanted.abs().max() < 1e-6 * most:
        return float(found.abs().max()) / most
    return close(found, wanted.numpy())


def _beside(path: Path, name: str) -> Path:
    found = path.parent / name
    if not found.is_file():
        raise ValueError(f'{path} needs {name} beside it.')
    return found


def build(weights: Arrays, data: Arrays) -> torch.nn.Module:
    """The product's detector with the sizes and weights of a recording."""
    named = official_detector_keys(tensors(weights), STATE)
    queries, d = named['query_embedding.weight'].shape
    hidden = named['encoder.layers.0.ffn.layers.0.0.weight'].shape[0]
    layers = 1 + max(int(k.split('.')[2]) for k in named if 'coder.l' in k)
    width, maps = data['text'].shape[1], part(data, 'map')
    clip = dict(
        embed_dim=width,
        vision_cfg=dict(
            timm_model_name='eva02_base_patch16_clip_224',
            image_size=64,
            timm_kwargs=dict(embed_dim=24, depth=3, num_heads=2),
        ),
        text_cfg=dict(
            context_length=8, vocab_size=64, width=8, heads=2, layers=1
        ),
    )
    cfg = Config.fromfile(CONFIG)
    attention = dict(embed_dims=d, num_heads=HEADS)
    ffn = dict(embed_dims=d, feedforward_channels=hidden)
    layer = dict(self_attn_cfg=attention, ffn_cfg=ffn)
    cfg.merge_from_dict(
        dict(
            model=dict(
                pixel_stats='backbone',
                data_preprocessor=dict(foreign_pixels=None),
                embedder=dict(
                    text_encoder=dict(
                        _delete_=True, type='DeCLIPTextEncoder', model=clip
                    ),
                ),
                # never run: its maps are recorded
                backbone=dict(
                    _delete_=True,
                    type='DeCLIPViT',
                    model=clip,
                    out_indices=(0, 1, 2),
                ),
                neck=dict(
                    in_channels=[maps['0'].shape[1]] * 3, out_channels=d
                ),
                num_queries=queries,
                positional_encoding=dict(num_feats=d // 2),
                encoder=dict(num_layers=layers, layer_cfg=layer),
                decoder=dict(
                    num_layers=layers,
                    layer_cfg=dict(layer, cross_attn_cfg=attention),
                ),
                bbox_head=dict(embed_dims=d),
                train_classes=len(
                    named['dn_query_generator.label_embedding.weight']
                )
                - 1,
                novel_factor=float(data['novel_factor_eval']),
                round_trip_eps=1e-3,
                test_cfg=dict(max_per_img=300, clip=False),
            )
        )
    )
    model = MODELS.build(cfg.model)
    own = model.state_dict()
    rest = {
        k: v
        for k, v in own.items()
        if k.startswith(('backbone.', 'neck.adapters.', 'steps'))
    }
    model.load_state_dict(
        check_fit(model, {**named, **rest}, STATE, 'detector')
    )
    return model


def pictures(data: Arrays) -> list[SimpleNamespace]:
    """Sizes of the pictures, from their padding."""
    masks = ~torch.from_numpy(data['image_pad_mask'])
    return [
        SimpleNamespace(
            img_shape=(int(mask[:, 0].sum()), int(mask[0].sum())),
            batch_input_shape=tuple(mask.shape),
        )
        for mask in masks
    ]


def run(
    model: torch.nn.Module, data: Arrays, mode: str, text: Tensor, targets=None
) -> tuple[dict, Errors]:
    """A forward pass on recorded maps; what differs on the way."""
    arrays, own = tensors(data), part(data, f'{mode}.')
    seen = Recorded()
    for step in ('forward_encoder', 'pre_decoder', '_select', '_tie'):
        seen.watch(model, step)
    order = torch.from_numpy(own['class_sort_index'])
    model._query_order = lambda classes: order
    maps = tuple(arrays[f'map{i}'] for i in range(3))
    found = model.forward_transformer(
        ChannelMapper.forward(model.neck, maps),
        pictures(data),
        arrays['dense'],
        text,
        targets,
    )
    queries = seen['pre_decoder']['found'][0]
    errors = dict(
        encoder_memory=close(queries['memory'], own['encoder_memory']),
        topk_token_index=same(
            seen['_select']['found'], own['topk_token_index']
        ),
        query_class=same(
            seen['_tie']['found'].gather(1, order), own['query_class']
        ),
        level_and_sine_pos=close(
            seen['forward_encoder']['feat_pos'], data['level_and_sine_pos']
        ),
        valid_ratios=close(
            seen['forward_encoder']['valid_ratios'], data['valid_ratios_wh']
        ),
        decoder_input_content=close(
            queries['query'], own['decoder_input_content']
        ),
        decoder_input_boxes=close(
            queries['reference_points'],
            torch.from_numpy(own['decoder_input_boxes_logit'])
            .sigmoid()
            .numpy(),
        ),
    )
    return found, errors


def check_eval(model: torch.nn.Module, data: Arrays) -> Errors:
    """Detections, and everything on the way there."""
    model.eval()
    arrays, own = tensors(data), part(data, 'eval.')
    text, samples = arrays['text'][:-1], pictures(data)
    names = [str(i) for i in range(len(text))]
    novel = data['novel_index_eval'].tolist()
    base = [name for i, name in enumerate(names) if i not in novel]
    model.vocabulary = Vocabulary.of(names, base=base)
    with torch.no_grad():
        found, errors = run(model, data, 'eval', text)
        logits, boxes = model.bbox_head(**found)
        last, scores = model.score(
            logits, boxes, arrays['dense'], samples, text
        )
    for layer in range(len(logits)):
        name = f'decoder{layer}'
        errors[f'{name}_boxes'] = close(boxes[layer], own[f'{name}_boxes'])
        errors[f'{name}_logits'] = close(
            logits[layer], own[f'{name}_logits'][..., 0]
        )
    wanted = torch.from_numpy(own['decoder1_final_score_logits']).sigmoid()
    errors['scores'] = close(scores, wanted.numpy())
    for i, size in enumerate(own['target_size_hw'].tolist()):
        kept = detections(last[i], scores[i], tuple(size), model.test_cfg)
        errors.update(detections_against(kept, own, f'det_image{i}_'))
    return {f'eval.{k}': v for k, v in errors.items()}


def check_train(model: torch.nn.Module, data: Arrays) -> tuple[Errors, Tensor]:
    """Losses, pairs and what leads to them; and the sum of the losses."""
    model.train()
    own, targets = part(data, 'train.'), read_objects(data)
    text = torch.from_numpy(data['text'])
    text = torch.cat([text[data['categories_train']], text[-1:]])
    with drawn(own):
        found, errors = run(model, data, 'train', text, targets)
    head, noisy = model.bbox_head, found['denoising']
    logits, boxes = head(found['hidden_states'], found['references'])
    layers = len(logits)
    for kind, kept in (
        ('decoder', slice(noisy.count, None)),
        ('dn_decoder', slice(noisy.count)),
    ):
        for layer in range(layers):
            name = f'{kind}{layer}'
            errors[f'{name}_boxes'] = close(
                boxes[layer][:, kept], own[f'{name}_boxes']
            )
            errors[f'{name}_logits'] = close(
                logits[layer][:, kept], own[f'{name}_logits'][..., 0]
            )
    matching = slice(noisy.count, None)
    matches = {
        f'decoder{layer}': head.assigner.match(
            logits[layer][:, matching],
            boxes[layer][:, matching],
            targets,
            found['query_classes'],
            found['wildcard'],
        )
        for layer in range(layers)
    }
    matches['encoder'] = head.assigner.match(*found['encoder_output'], targets)
    for name, pairs in matches.items():
        for i in range(len(targets)):
            for kind, both in pairs_of_image(pairs, i).items():
                key = f'{name}_match_image{i}_{kind}'
                errors[key] = same(both, own[key])
    errors['encoder_logits'] = close(
        found['encoder_output'][0], own['encoder_logits'][..., 0]
    )
    errors['encoder_boxes'] = close(
        found['encoder_output'][1], own['encoder_boxes']
    )
    errors['attn_mask'] = same(noisy.mask, own['attn_mask'])
    errors['dn_groups'] = float(noisy.groups != own['dn_groups'])
    losses = head.loss(**found, targets=targets)
    errors.update(losses_against(losses, part(own, 'loss.'), layers))
    total = sum(losses.values())
    errors['total_loss'] = close(total, own['total_loss'])
    return {f'train.{k}': v for k, v in errors.items()}, total
