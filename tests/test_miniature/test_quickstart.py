"""The quickstart without the ViT-S: stored features."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.registry import MODELS
from mmengine.structures import BaseDataElement
from PIL import Image

from declip_mm.miniature import load_pack, make_scene, quickstart
from declip_mm.miniature.features import load_vfm_features


@pytest.fixture
def offline(monkeypatch):
    def refuse():
        raise RuntimeError('no package index')

    monkeypatch.setattr(quickstart, 'fetch_vit_s', refuse)


@pytest.fixture(scope='module')
def world(tmp_path_factory):
    """The first and the last scene with stored features, and blanks."""
    folder = tmp_path_factory.mktemp('world')
    images = folder / 'train/images'
    images.mkdir(parents=True)
    pack, count = load_pack(), len(load_vfm_features().tokens)
    for index in range(count):
        path = images / f'{index:06d}.jpg'
        if index in (0, count - 1):
            picture, _ = make_scene(pack, 'train', index, 0)
            Image.fromarray(picture).save(path, quality=92, subsampling=0)
        else:
            Image.new('RGB', (8, 8)).save(path)
    return folder


def config():
    return Config.fromfile(quickstart.CONFIGS / 'miniature/pretune.py')


def test_offline_run_uses_the_stored_features(offline, world):
    cfg, stored = config(), load_vfm_features()
    count = quickstart.context_teacher(cfg, world)
    assert count == len(stored.tokens) >= 200
    teacher = MODELS.build(cfg.model.context_teacher)
    samples = [
        BaseDataElement(
            metainfo=dict(img_id=i, source='this world'),
            valid_hw=torch.ones(2),
        )
        for i in (3, count - 1)
    ]
    for view in (torch.zeros(2, 3, 168, 168), None):
        maps = teacher(view, samples)
        tokens = maps.flatten(2).transpose(1, 2)
        wanted = stored.tokens[[3, count - 1]]
        cosines = F.cosine_similarity(tokens, wanted, dim=-1)
        assert cosines.min() > 0.999
    side = cfg.train_dataloader.dataset.views.vfm_size
    assert maps.shape[-2:] == (side // 14, side // 14)


def test_offline_training_takes_as_many_steps(offline, world):
    cfg = quickstart.training_config(world, world, epochs=6)
    scenes = cfg.train_dataloader.dataset.indices
    assert scenes * cfg.train_cfg.max_epochs == 6 * quickstart.SCENES
    assert cfg.param_scheduler[1].end == cfg.train_cfg.max_epochs


def test_another_world_is_refused(offline, world, tmp_path):
    images = tmp_path / 'train/images'
    images.mkdir(parents=True)
    for path in (world / 'train/images').iterdir():
        Image.new('RGB', (224, 224), 'white').save(images / path.name)
    with pytest.raises(ValueError, match='grey levels'):
        quickstart.context_teacher(config(), tmp_path)


def test_with_the_network_rows_count_in_all_scenes(world, monkeypatch):
    monkeypatch.setattr(quickstart, 'fetch_vit_s', lambda: Path('vit.pth'))
    cfg = config()
    assert quickstart.context_teacher(cfg, world) == quickstart.SCENES
    cache = cfg.model.context_teacher
    assert cache.num_images == len(load_vfm_features().tokens)
    assert cache.teacher.pretrained == 'vit.pth'
    assert Path(cache.path).parent == world / 'caches'
