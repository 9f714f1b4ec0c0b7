"""The rows of every table of the ladder: what each changes in the config.

A row is a set of options on top of configs/miniature/pretune.py, which is the
row ``decoupled``. Hyper-parameters were chosen on the split tune_known alone
(``--table tune``), for each trained row of Table 1 from the same grid of
learning rates and lambdas: the largest sum of box mAcc, mask mAcc and mIoU.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

BACKBONE = 'model.backbone'
LAMBDA = 'model.context_weight'
LR = 'optim_wrapper.optimizer.lr'
VFM = 'model.context_teacher.teacher'
#: Of the shipped CLIP's image tower.
BLOCKS = 6
VIEWS = 'train_dataloader.dataset.views'
COMPONENTS = 'model.context_teacher.components'
#: Folder of the scenes that are cut to aspects, in the world.
ASPECTS = 'train_aspects/images'

#: Folder of a split -> what its columns begin with.
FINAL = dict(
    val_known='',
    val_heldout='heldout_',
    val_photo='photo_',
    val_unseen='unseen_',
)
TUNE = dict(tune_known='')


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
        name: As printed.
        options: Dotted key -> value, on top of pretune.py.
        trained: False measures the original weights.
        side: Of the pictures that are measured, in pixels.
        cached: False asks the teachers in every epoch.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    trained: bool = True
    side: int = 168
    cached: bool = True


VANILLA = {f'{BACKBONE}.affinity': 'vanilla'}
NO_VFM = {'model.context_teacher': None}
ORIGINAL = Row('original', VANILLA, trained=False)
ORIGINAL_QQ = Row('original-qq', trained=False)
DECOUPLED = Row('decoupled')


def table_1() -> list[Row]:
    return [
        ORIGINAL,
        ORIGINAL_QQ,
        Row('self-distillation', {**VANILLA, **NO_VFM, LR: 1e-3}),
        Row('coupled', {**VANILLA, LAMBDA: 0.05, LR: 1e-3}),
        Row('decoupled-no-vfm', {**NO_VFM, LR: 5e-4}),
        DECOUPLED,
    ]


def table_1_deep() -> list[Row]:
    """Table 1 for a CLIP of 12 blocks (``--clip``), with what suits it.

    Chosen on tune_known as for six blocks: 5e-4 and 0.01 in every row.
    """
    rows = []
    for row in table_1():
        ours = {LR: 5e-4} if row.trained else {}
        if row.name in ('coupled', 'decoupled'):
            ours[LAMBDA] = 0.01
        rows.append(replace(row, options={**row.options, **ours}))
    return rows


def table_6() -> list[Row]:
    """The one real VFM at hand, at several depths; a control; none."""
    layers = {f'vit-s-block-{n}': {f'{VFM}.layer': n - 1} for n in (8, 12)}
    final = {f'{VFM}.layer': 11, f'{VFM}.norm': 'model'}
    return [
        ORIGINAL_QQ,
        Row('no-vfm', NO_VFM),
        Row('random-vit-s', {f'{VFM}.pretrained': 'random'}),
        *(Row(name, options) for name, options in layers.items()),
        Row('vit-s-block-12-own-norm', final),
        Row('vit-s-block-10'),
    ]


def table_7() -> list[Row]:
    """The context type, before and after training."""
    rows = []
    for kind in ('qq', 'kk', 'vv', 'csa', 'all'):
        options = {f'{BACKBONE}.affinity': kind}
        rows.append(Row(f'original-{kind}', options, trained=False))
        rows.append(Row(kind, options))
    return rows


def table_8() -> list[Row]:
    """How many of the six blocks train, counted from the last."""
    frozen = f'{BACKBONE}.frozen_stages'
    rows = [Row(f'blocks-{n}', {frozen: BLOCKS - n}) for n in range(1, 7)]
    return [ORIGINAL_QQ, *rows]


def table_11() -> list[Row]:
    """lambda; 0 keeps the VFM out."""
    values = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5)
    return [
        ORIGINAL_QQ,
        Row('lambda-0', NO_VFM),
        *(Row(f'lambda-{v:g}', {LAMBDA: v}) for v in values),
    ]


def conflict() -> list[Row]:
    """What a growing lambda costs where both losses act on one feature."""
    named = {row.name: row for row in table_1()}
    rows = [ORIGINAL_QQ]
    for form, alone in (
        ('coupled', 'self-distillation'),
        ('decoupled', 'decoupled-no-vfm'),
    ):
        rows.append(Row(f'{form}-0', named[alone].options))
        for weight in (0.05, 0.25, 1.0):
            options = {**named[form].options, LAMBDA: weight}
            rows.append(Row(f'{form}-{weight:g}', options))
    return rows


RANKS = 4


def one_rank() -> dict[str, Any]:
    """What rank 0 of several does that never share a gradient."""
    return {
        'train_dataloader.batch_size': 8 // RANKS,
        'train_dataloader.sampler': dict(
            type='PartialSampler', shuffle=True, parts=RANKS
        ),
    }


def sync() -> list[Row]:
    """Gradients shared by four ranks, or not and rank 0 saved."""
    return [ORIGINAL_QQ, Row('sync-on'), Row('sync-off', one_rank())]


def recipes() -> list[Row]:
    """The two named recipes, with the miniature's learning rate and sizes."""
    released = {
        **one_rank(),
        LAMBDA: 0.1,
        'model.mask_padding': False,
        'ensemble_alpha': 0.7,
    }
    csa = {f'{BACKBONE}.affinity': 'csa'}
    return [
        ORIGINAL_QQ,
        Row('original-csa', csa, trained=False),
        Row('paper', {**csa, LAMBDA: 0.25}),
        Row('released', released),
        Row('miniature'),
    ]


def grid() -> list[Row]:
    """Largest grid of crops; the paper has 6."""
    six = {f'{VIEWS}.max_split': 6, f'{VIEWS}.max_boxes': 20}
    return [ORIGINAL_QQ, Row('grid-4'), Row('grid-6', six)]


def resolution() -> list[Row]:
    """Side of the student's view in training and of the picture in test."""
    sides = (84, 126, 168, 252)
    rows = [Row(f'original-qq-test{t}', {}, False, t) for t in sides]
    for train in sides:
        options = {f'{VIEWS}.image_size': train, f'{VIEWS}.vfm_size': train}
        rows += [Row(f'train{train}-test{t}', options, side=t) for t in sides]
    return rows


def aspect() -> list[Row]:
    """Pictures that are no squares: padded, or their aspect kept."""
    loader = 'train_dataloader'
    cut = {f'{loader}.dataset.img_dir': ASPECTS}
    native = {
        f'{loader}.drop_last': False,
        f'{loader}.batch_sampler': dict(
            type='BucketBatchSampler', drop_last=True
        ),
        f'{VIEWS}.native_patch': 14,
    }
    return [
        ORIGINAL_QQ,
        Row('padded', cut),
        Row('padded-unmasked', {**cut, 'model.mask_padding': False}),
        Row('native', {**cut, **native}),
    ]


def tune() -> list[Row]:
    """From which every trained row of Table 1 takes its own.

    Three learning rates at one lambda, and a second lambda at the middle one.
    """
    rows = []
    for row in table_1():
        if not row.trained:
            rows.append(row)
            continue
        grid = [(lr, 0.05) for lr in (2.5e-4, 5e-4, 1e-3)] + [(5e-4, 0.01)]
        alone = 'model.context_teacher' in row.options
        for lr, weight in grid[:3] if alone else grid:
            options = {**row.options, LR: lr}
            name = f'{row.name} lr {lr:g}'
            if not alone:
                options[LAMBDA] = weight
                name += f' lambda {weight:g}'
            rows.append(Row(name, options))
    return rows


def block() -> list[Row]:
    """What the last block's residual and FFN are worth to six blocks."""
    whole = {f'{BACKBONE}.residual': True, f'{BACKBONE}.ffn': True, LR: 1e-3}
    named = {row.name: row for row in table_1()}
    return [
        ORIGINAL_QQ,
        Row('original-qq-whole', whole, trained=False),
        named['self-distillation'],
        named['coupled'],
        DECOUPLED,
        Row('decoupled-whole-block-no-vfm', {**whole, **NO_VFM}),
        Row('decoupled-whole-block', whole),
    ]


def caches() -> list[Row]:
    """What caches change: nothing, rounding, or the maps' directions."""
    return [
        ORIGINAL_QQ,
        Row('uncached', cached=False),
        Row('cached'),
        *(Row(f'components-{n}', {COMPONENTS: n}) for n in (64, 16)),
    ]


TABLES = {
    '1': table_1,
    '1-deep': table_1_deep,
    '6': table_6,
    '7': table_7,
    '8': table_8,
    '11': table_11,
    'conflict': conflict,
    'recipes': recipes,
    'sync': sync,
    'grid': grid,
    'block': block,
    'caches': caches,
    'resolution': resolution,
    'aspect': aspect,
    'tune': tune,
}
