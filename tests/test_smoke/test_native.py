"""The recipe `native` on pictures of several shapes: train, resume, refuse."""

import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS, MODELS
from mmengine.runner import Runner
from PIL import Image
from toy_runs import PRETUNE
from toy_world import make_clip, make_pictures, toy_options

from declip_mm.apis.caching import fill_caches, use_caches

SIZES = [(96, 80), (80, 96), (96, 64), (96, 96)]


@pytest.fixture
def cfg(tmp_path):
    make_pictures(tmp_path / 'train', 12)
    make_pictures(tmp_path / 'val', 2, seed=1)
    make_clip(tmp_path / 'clip.safetensors')
    for index, path in enumerate(
        sorted((tmp_path / 'train/images').iterdir())
    ):
        with Image.open(path) as image:
            image.resize(SIZES[index % 4]).save(path)
    cfg = Config.fromfile(PRETUNE)
    options = toy_options(tmp_path, tmp_path / 'run')
    native = 'train_dataloader.dataset.views.native_patch'
    cfg.merge_from_dict({**options, native: 16})
    loader = cfg.train_dataloader
    loader.drop_last = False
    loader.batch_sampler = dict(type='BucketBatchSampler', drop_last=True)
    cfg.train_cfg = dict(by_epoch=True, max_epochs=2)
    for part in ('val', 'test'):
        for key in ('dataloader', 'evaluator', 'cfg'):
            cfg[f'{part}_{key}'] = None
    return cfg


def trained(cfg):
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner


def test_a_run_and_a_resumed_one_end_alike(cfg, tmp_path):
    runner = trained(cfg)
    assert runner.iter == 8  # four shapes of three pictures, batches of two
    weights = runner.model.backbone.state_dict()
    scalars = runner.message_hub.log_scalars
    assert scalars['train/loss_context'].data[0].min() > 0
    again = copy.deepcopy(cfg)
    again.resume = True
    again.load_from = str(tmp_path / 'run/epoch_1.pth')
    again.experiment_name = 'again'
    other = trained(again).model.backbone.state_dict()
    for name, value in weights.items():
        torch.testing.assert_close(other[name], value)


def test_crops_can_be_cached_and_vfm_maps_are_refused(cfg, tmp_path):
    files = dict(vfm=str(tmp_path / 'v.npy'), crops=str(tmp_path / 'c.npy'))
    with pytest.raises(ValueError, match='keep the aspect of each'):
        use_one(copy.deepcopy(cfg), vfm=files['vfm'])
    fill_caches(copy.deepcopy(cfg), crops=files['crops'], batch=3)
    plain = losses(copy.deepcopy(cfg))
    cached = copy.deepcopy(cfg)
    use_caches(cached, crops=files['crops'])
    assert losses(cached)['loss_content'].item() == pytest.approx(
        plain['loss_content'].item(), abs=2e-3
    )


def use_one(cfg, **files):
    use_caches(cfg, **files)
    cfg.train_dataloader.dataset.views.vfm_size = 84
    cfg.model.context_teacher.num_images = 12
    return losses(cfg)


def losses(cfg):
    """Of two pictures of one shape."""
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    model.init_weights()
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    items = [dataset[1], dataset[5]]
    assert items[0]['inputs']['image'].shape == (3, 96, 80)
    data = model.data_preprocessor(pseudo_collate(items))
    return model(**data, mode='loss')
