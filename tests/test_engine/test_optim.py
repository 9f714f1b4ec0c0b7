"""The optimiser sees what trains, and nothing warns about teachers."""

import logging

from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS
from tiny import distiller_cfg


def test_frozen_modules_make_no_groups(caplog):
    model = MODELS.build(distiller_cfg())
    with caplog.at_level(logging.WARNING):
        wrapper = build_optim_wrapper(
            model,
            dict(
                type='OptimWrapper',
                constructor='TrainableConstructor',
                optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.1),
                paramwise_cfg=dict(flat_decay_mult=0.0),
            ),
        )
    assert 'teacher' not in caplog.text
    groups = wrapper.optimizer.param_groups
    told = {id(p) for g in groups for p in g['params']}
    wanted = {id(p) for p in model.parameters() if p.requires_grad}
    assert wanted <= told
    for group in groups:
        (parameter,) = group['params']
        assert group['weight_decay'] == (0.1 if parameter.ndim > 1 else 0)
