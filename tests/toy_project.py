"""A model, a data set and a metric that train in a blink, for the tools."""

import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, METRICS, MODELS

CONFIG = """
custom_imports = dict(imports=['toy_project'], allow_failed_imports=False)
model = dict(type='ToyModel', width=3)
train_dataloader = dict(
    batch_size=2, num_workers=0, dataset=dict(type='ToyData'),
    sampler=dict(type='DefaultSampler', shuffle=False))
test_dataloader = dict(
    batch_size=2, num_workers=0, dataset=dict(type='ToyData'),
    sampler=dict(type='DefaultSampler', shuffle=False))
train_cfg = dict(by_epoch=True, max_epochs=2)
test_cfg = dict()
test_evaluator = dict(type='ToyMetric')
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1))
auto_scale_lr = dict(enable=False, base_batch_size=8)
default_hooks = dict(logger=dict(type='LoggerHook', interval=1))
randomness = dict(seed=1)
"""


@MODELS.register_module()
class ToyModel(BaseModel):
    """Learns that every number is one."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(width, 1)

    def forward(self, inputs, mode='tensor'):
        out = self.layer(torch.stack(inputs))
        if mode == 'loss':
            return dict(loss=(out - 1).square().mean())
        return list(out)


@DATASETS.register_module()
class ToyData(torch.utils.data.Dataset):
    """Eight rows of three numbers."""

    metainfo: dict = {}

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> dict:
        return dict(inputs=torch.full((3,), index / 8))


@METRICS.register_module()
class ToyMetric(BaseMetric):
    """Mean of the outputs."""

    def process(self, data_batch, data_samples) -> None:
        self.results += [float(x) for x in data_samples]

    def compute_metrics(self, results) -> dict:
        return dict(mean=sum(results) / len(results))
