"""Golden checks of OV-DQUO's parts; see golden_ov_dquo_model.py for the whole.

C case, I image.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import numpy as np
import torch
from golden_towers import Errors, part, relative_error, tensors
from mmdet.registry import MODELS
from mmengine.config import ConfigDict
from torch import Tensor

import declip_mm.detection  # noqa: F401  (registers the parts)
from declip_mm.detection.ov_dquo import PSEUDO_LABEL, ConditionalMatcher
from declip_mm.detection.ov_dquo.assignment import (
    most_likely,
    tie_to_pseudo_objects,
)
from declip_mm.detection.ov_dquo.clip_regions import (
    ClipRegions,
    class_probabilities,
)
from declip_mm.detection.ov_dquo.denoising import (
    Denoising,
    WildcardQueryGenerator,
    objects_to_denoise,
)
from declip_mm.detection.ov_dquo.inference import detections, final_scores
from declip_mm.detection.ov_dquo.targets import Targets
from declip_mm.detection.ov_dquo.transformer import text_projection

Arrays = dict[str, np.ndarray]
HEAD = ConfigDict(
    type='OVDQUOHead',
    num_reg_fcs=2,
    loss_cls=dict(type='OVDQUOQualityLoss', loss_weight=2.0),
    loss_bbox=dict(type='L1Loss', loss_weight=5.0),
    loss_iou=dict(type='OVDQUOGIoULoss', loss_weight=2.0),
    loss_denoising=dict(type='OVDQUODenoisingLoss', loss_weight=2.0),
    train_cfg=dict(assigner=dict(type='ConditionalMatcher')),
)


def same(found: Tensor, wanted: Tensor | np.ndarray) -> float:
    """Share of whole numbers that differ; 1 for another shape."""
    wanted = torch.as_tensor(wanted)
    if found.shape != wanted.shape:
        return 1.0
    return float((found != wanted).float().mean()) if found.numel() else 0.0


def close(found: Tensor, wanted: np.ndarray) -> float:
    """Relative error; of an array of zeros, or none, the absolute one."""
    found = found.detach()
    if wanted.size and np.abs(wanted).max() > 0:
        return relative_error(found, wanted)
    return float(found.abs().sum()) + float(found.shape != wanted.shape)


def read_objects(data: Arrays, name: str = 'target') -> list[Targets]:
    """Objects of each picture of a recording."""
    found = []
    while f'{name}{len(found)}_boxes' in data:
        own = tensors(part(data, f'{name}{len(found)}_'))
        count = len(own['boxes'])
        pseudo = own.get('pseudo_mask', torch.zeros(count, dtype=torch.long))
        labels = own.get('labels', torch.zeros(count, dtype=torch.long))
        weights = own.get('weight', torch.ones(count))
        labels = labels.masked_fill(pseudo.bool(), PSEUDO_LABEL)
        found.append(Targets(own['boxes'], labels, weights))
    return found


def check_assignment(data: Arrays) -> Errors:
    """Which text each query is tied to, in training and at test time."""
    arrays = tensors(data)
    boxes, text = arrays['boxes'], arrays['text']
    valid = [tuple(int(v) for v in row) for row in data['valid_wh']]
    known = text[:-1]
    features = ClipRegions(arrays['dense'], valid).features(boxes)
    likely = class_probabilities(
        features,
        known,
        float(data['temperature']),
        float(data['extra_column_value']),
    )
    factor = torch.ones(len(known))
    factor[arrays['novel_index']] = float(data['novel_factor'])
    plain, targets = most_likely(likely), read_objects(data)
    found = dict(
        train=tie_to_pseudo_objects(plain, boxes, targets, len(known)),
        test=most_likely(likely, factor),
    )
    projection = text_projection(text.shape[1], 128, 32)
    weights = part(arrays, 'text_proj.layers.')
    projection.load_state_dict(
        {
            f'{2 * int(k[0])}{k[1:]}': v  # a ReLU between
            for k, v in weights.items()
        }
    )
    errors = dict(
        roi_features=close(features, data['roi_features']),
        class_before_override_and_factor=same(
            plain, data['class_before_override_and_factor']
        ),
        pseudo_override_mask=same(
            found['train'] == len(known), data['pseudo_override_mask']
        ),
    )
    for mode, classes in found.items():
        name = f'{mode}_softmax_with_extra_column'
        errors[name] = close(likely, data[name][..., :-1])
        name = f'{mode}_class_unsorted'
        errors[name] = same(classes, data[name])
        # the authors' sort is not stable: the recorded order is taken
        order = arrays[f'{mode}_sort_index']
        ordered = classes.gather(1, order)
        errors[f'{mode}_class_sorted'] = max(
            same(ordered, data[f'{mode}_class_sorted']),
            same(classes.sort(stable=True)[0], data[f'{mode}_class_sorted']),
        )
        name = f'{mode}_query_text_feature'
        errors[name] = close(projection(text)[ordered], data[name])
    return errors


def check_matching(data: Arrays) -> Errors:
    """Costs and pairs of both matchers."""
    arrays, matcher = tensors(data), ConditionalMatcher()
    targets, wildcard = read_objects(data), int(data['num_known_classes'])
    logits, boxes = arrays['pred_logits'][..., 0], arrays['pred_boxes']
    errors = {}
    for mode in ('decoder', 'encoder'):
        classes = arrays['query_class'] if mode == 'decoder' else None
        pairs = matcher.match(logits, boxes, targets, classes, wildcard)
        for i, objects in enumerate(targets):
            name = f'{mode}_image{i}'
            cost = matcher.cost(
                logits[i],
                boxes[i],
                objects,
                None if classes is None else classes[i],
                wildcard,
            )
            errors[f'{name}_cost'] = close(cost, data[f'{name}_cost'])
            for kind, own in pairs_of_image(pairs, i).items():
                for row, side in enumerate(('query', 'target')):
                    key = f'{name}_{kind}_{side}_idx'
                    errors[key] = same(own[row], data[key])
        weights = pairs.targets.weights[pairs.targets.pseudo]
        key = f'{mode}_pseudo_weight'
        errors[key] = close(weights, data[key])
    return errors


def pairs_of_image(pairs, image: int) -> dict[str, Tensor]:
    """(2, n) query and object of real and of pseudo pairs."""
    both = torch.stack([pairs.query, pairs.object])
    here, pseudo = pairs.image == image, pairs.targets.pseudo
    return dict(real=both[:, here & ~pseudo], pseudo=both[:, here & pseudo])


def check_losses(data: Arrays) -> Errors:
    """All losses and their gradients, in three cases."""
    errors = {}
    for case in sorted({k.split('.')[0] for k in data if '.n_real' in k}):
        found = check_case_of_losses(part(data, f'{case}.'))
        errors.update({f'{case}.{k}': v for k, v in found.items()})
    return errors


def check_case_of_losses(data: Arrays) -> Errors:
    """Losses of one case."""
    arrays = tensors(data)
    layers = len([k for k in data if k.startswith('grad_dn_decoder')])
    names = [f'decoder{i}' for i in range(layers)]
    inputs = {
        key.removeprefix('grad_'): arrays[key.removeprefix('grad_')]
        for key in data
        if key.startswith('grad_')
    }
    for tensor in inputs.values():
        tensor.requires_grad_()

    def layer(name: str) -> tuple[Tensor, Tensor]:
        return inputs[f'{name}_logits'][..., 0], inputs[f'{name}_boxes']

    head = MODELS.build(dict(HEAD, embed_dims=8, num_pred_layer=layers + 1))
    count = int(data['dn_pad_size'])
    content = torch.zeros(len(arrays['query_class']), count, 1)
    found = head.loss_by_feat(
        [layer(name) for name in names],
        layer('encoder'),
        [inputs[f'dn_{name}_logits'][..., 0] for name in names],
        arrays['query_class'],
        7,
        Denoising(
            content,
            content,
            content,
            int(data['dn_groups']),
            read_objects(data, 'dn_target'),
        ),
        read_objects(data),
    )
    total = sum(found.values())
    total.backward()
    errors = losses_against(found, part(data, 'loss.'), layers)
    errors['total'] = close(total, data['total'])
    for name, tensor in inputs.items():
        errors[f'grad_{name}'] = close(tensor.grad, data[f'grad_{name}'])
    return errors


#: Name there -> name here and weight.
_LOSSES = dict(
    loss_ce=('loss_cls', 2.0),
    loss_bbox=('loss_bbox', 5.0),
    loss_giou=('loss_iou', 2.0),
    loss_ce_dn=('dn_loss_cls', 2.0),
)


def losses_against(
    found: dict[str, Tensor], wanted: Arrays, layers: int
) -> Errors:
    """Errors of weighted losses against recorded ones without weights."""
    errors, left = {}, dict(found)
    for key, value in wanted.items():
        stem, _, tail = key.rpartition('_')
        if tail.isdigit():
            name, weight = _LOSSES[stem]
            name = f'd{tail}.{name}'
        elif tail == 'interm':
            name, weight = _LOSSES[stem]
            name = f'enc_{name}'
        else:
            name, weight = _LOSSES[key]
        errors[f'loss.{key}'] = close(left.pop(name) / weight, value)
    if left:
        raise ValueError(f'losses that the recording lacks: {list(left)}')
    return errors


@contextmanager
def drawn(data: Arrays) -> Iterator[None]:
    """The recorded draws in the place of random ones."""
    arrays = tensors(part(data, 'draw_'))
    uniform = iter([arrays['label_flip_uniform'], arrays['box_uniform_r']])
    whole = iter([arrays['label_flip_new_label'], arrays['box_sign_01']])

    def take(like: Tensor, *_, **__) -> Tensor:
        found = next(uniform if _ == () and not __ else whole)
        if found.shape != like.shape:
            raise ValueError(
                f'{tuple(like.shape)} draws are asked for, recorded are '
                f'{tuple(found.shape)}.'
            )
        return found.clone()

    with (
        patch.object(torch, 'rand_like', take),
        patch.object(torch, 'randint_like', take),
    ):
        yield


def check_denoising(data: Arrays) -> Errors:
    """Denoising queries of recorded draws, in three cases."""
    errors = {}
    for case in sorted({k.split('.')[0] for k in data}):
        own = part(data, f'{case}.')
        arrays, targets = tensors(own), read_objects(own)
        table = arrays['label_embedding']
        generator = WildcardQueryGenerator(
            len(table) - 1,
            table.shape[1],
            int(own['num_matching_queries']),
            num_dn_queries=int(own['dn_number']),
        )
        generator.load_state_dict({'label_embedding.weight': table})
        with drawn(own):
            found = generator(targets, arrays['projected_text'])
        chosen = read_objects(own, 'dn_target')
        ours = objects_to_denoise(targets)
        checks = dict(
            objects=max(
                close(a.boxes, b.boxes.numpy())
                + close(a.weights, b.weights.numpy())
                for a, b in zip(ours, chosen)
            ),
            query_content=close(found.content, own['query_content']),
            # a coordinate near 0 has no exact logit
            query_boxes=close(
                found.boxes.sigmoid(),
                arrays['query_boxes_logit'].sigmoid().numpy(),
            ),
            attn_mask=same(found.mask, own['attn_mask']),
            pad_size=float(found.count != own['pad_size']),
            num_groups=float(found.groups != own['num_groups']),
        )
        errors.update({f'{case}.{k}': v for k, v in checks.items()})
    return errors


def check_inference(data: Arrays) -> Errors:
    """Scores and detections of one picture."""
    arrays = tensors(data)
    padding = arrays['pad_mask'][0]
    valid = [(int((~padding[0]).sum()), int((~padding[:, 0]).sum()))]
    boxes, text = arrays['boxes'], arrays['text']
    features = ClipRegions(arrays['dense'], valid).features(boxes)
    likely = class_probabilities(
        features,
        text,
        float(data['param_tau']),
        float(data['param_extra_column_value']),
    )
    logits, power = arrays['logits'][..., 0], data['param_objectness_alpha']
    eps = float(data['param_roundtrip_eps'])
    scores = final_scores(likely, logits, float(power), eps)
    errors = dict(
        roi_features=close(features, data['roi_features']),
        similarity=close(features @ text.t(), data['similarity']),
        softmax=close(likely, data['softmax_with_extra_column'][..., :-1]),
        score_before_roundtrip=close(
            final_scores(likely, logits, float(power)),
            data['score_before_roundtrip'],
        ),
        scores=close(
            scores, arrays['pred_logits_roundtrip'].sigmoid().numpy()
        ),
    )
    for most in (300, 100, 20):
        found = detections(
            boxes[0],
            scores[0],
            tuple(float(v) for v in data['target_size_hw']),
            ConfigDict(
                score_thr=float(data['param_score_threshold']),
                nms=dict(
                    type='nms', iou_threshold=float(data['param_nms_iou'])
                ),
                max_per_img=most,
                clip=False,
            ),
        )
        errors.update(detections_against(found, data, f'det_top{most}_'))
    return errors


def detections_against(found, data: Arrays, name: str) -> Errors:
    """Errors of detections, best first."""
    return {
        f'{name}scores': close(found.scores, data[f'{name}scores']),
        f'{name}labels': same(found.labels, data[f'{name}labels']),
        f'{name}boxes': close(found.bboxes, data[f'{name}boxes']),
    }
