"""The converter to COCO panoptic, and the tools that draw from it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, METRICS
from PIL import Image
from pycocotools import mask as coco_mask
from tool_modules import load_tool

import declip_mm  # noqa: F401  (registers everything)
from declip_mm.miniature.converters import coco_panoptic

ROOT = Path(__file__).resolve().parents[2]
CONFIG = str(ROOT / 'configs/region_cls/declip_tiny_coco-panoptic.py')
QUIET = [
    'log_level=ERROR',
    'test_dataloader.num_workers=0',
    'test_dataloader.persistent_workers=False',
]


def note(image, category, box):
    x0, y0, x1, y1 = box
    mask = np.zeros((80, 96), np.uint8, order='F')
    mask[y0:y1, x0:x1] = 1
    encoded = coco_mask.encode(mask)
    encoded['counts'] = encoded['counts'].decode()
    return dict(
        image_id=image,
        category_id=category,
        bbox=[x0, y0, x1 - x0, y1 - y0],
        area=int(mask.sum()),
        iscrowd=0,
        segmentation=encoded,
    )


@pytest.fixture
def world(tmp_path):
    """Two scenes of grey rectangles under a split's name."""
    split = tmp_path / 'world' / 'val_known'
    (split / 'images').mkdir(parents=True)
    notes = [
        note(1, 1, (4, 4, 40, 40)),
        note(1, 3, (40, 30, 90, 70)),
        note(2, 2, (10, 20, 80, 79)),
    ]
    rng = np.random.default_rng(0)
    for number in (1, 2):
        pixels = rng.integers(60, 190, (80, 96, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(split / 'images' / f'{number}.jpg')
    content = dict(
        images=[
            dict(id=n, file_name=f'{n}.jpg', height=80, width=96)
            for n in (1, 2)
        ],
        annotations=[dict(n, id=i) for i, n in enumerate(notes)],
        categories=[
            dict(id=i, name=n, isthing=1)
            for i, n in enumerate(['apple', 'ball', 'book'], 1)
        ],
    )
    (split / 'annotations.json').write_text(json.dumps(content))
    return tmp_path / 'world'


def convert(world, out, *more):
    coco_panoptic.main([str(out), '--world', str(world), *more])
    return str(out)


def dataset(**options):
    return DATASETS.build(
        dict(type='DeCLIPRegionDataset', image_size=84, **options)
    )


PANOPTIC = dict(
    ann_file='annotations/panoptic_val2017.json',
    panoptic_dir='annotations/panoptic_val2017',
    img_dir='val2017',
)


def test_panoptic_layout_has_the_same_regions(world, tmp_path):
    out = convert(world, tmp_path / 'coco')
    found = dataset(data_root=out, **PANOPTIC)
    wanted = dataset(
        data_root=str(world / 'val_known'),
        ann_file='annotations.json',
        img_dir='images',
    )
    assert found.metainfo['classes'] == wanted.metainfo['classes']
    assert len(found) == len(wanted) == 2
    for one, two in zip(found, wanted):
        one, two = one['data_samples'], two['data_samples']
        assert torch.equal(one.boxes, two.boxes)
        assert torch.equal(one.masks, two.masks)
        assert torch.equal(one.region_labels, two.region_labels)
    picture = Image.open(
        Path(out, PANOPTIC['panoptic_dir'], '000000000001.png')
    )
    assert np.asarray(picture).any(axis=(0, 1)).all()  # all bytes of the ids


def test_background_as_stuff(world, tmp_path):
    out = convert(world, tmp_path / 'coco', '--stuff', 'ground')
    found = dataset(data_root=out, **PANOPTIC)
    assert found.metainfo['classes'] == ('apple', 'ball', 'book', 'ground')
    assert found.metainfo['isthing'] == (True, True, True, False)
    sample = found[0]['data_samples']
    assert sample.region_labels.tolist() == [0, 2, 3]
    assert sample.masks[:, :70].sum(dim=0).max() == 1
    assert sample.boxes[2].tolist() == pytest.approx(
        [0, 0, 1, 5 / 6], abs=0.01
    )


@pytest.mark.parametrize('model', ['declip_eva02-b16', 'eva02-l14-336'])
def test_full_size_configs_need_another_data_root_only(world, tmp_path, model):
    cfg = Config.fromfile(
        ROOT / f'configs/region_cls/{model}_coco-panoptic.py'
    )
    data = cfg.test_dataloader.dataset
    data.data_root = convert(world, tmp_path / 'coco')
    found = DATASETS.build(data)
    item = found[0]
    side = data.image_size
    assert item['inputs']['image'].shape == (3, side, side)
    metric = METRICS.build(cfg.test_evaluator)
    metric.dataset_meta = found.metainfo
    sample = item['data_samples'].to_dict()
    best = sample['region_labels'][:, None].repeat(1, 5)
    metric.process(None, [dict(sample, region_topk=dict(box=best, mask=best))])
    assert metric.evaluate(1)['region/mask_thing_macc'] == 100


def test_converter_refuses(world, tmp_path):
    out = tmp_path / 'coco'
    convert(world, out)
    with pytest.raises(SystemExit, match='is not empty'):
        convert(world, out)
    with pytest.raises(SystemExit, match=r"no split 'x', only \['val_known"):
        convert(world, tmp_path / 'b', '--split', 'x')
    with pytest.raises(SystemExit, match="'apple' is the name of an object"):
        convert(world, tmp_path / 'c', '--stuff', 'apple')
    path = world / 'val_known' / 'annotations.json'
    content = json.loads(path.read_text())
    content['annotations'].append(dict(note(1, 2, (30, 30, 50, 50)), id=9))
    path.write_text(json.dumps(content))
    with pytest.raises(SystemExit, match='picture 1 overlap'):
        convert(world, tmp_path / 'd')


@pytest.mark.slow
def test_sweep_goes_on_where_it_was(world, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root = convert(world, tmp_path / 'coco')
    options = [*QUIET, f'test_dataloader.dataset.data_root={root}']
    sweep = load_tool('analysis_tools/region_sweep.py')
    first = [CONFIG, 'none', '--out', 'out', '--cfg-options', *options]
    sweep.main([*first[:2], '--sizes', '30', *first[2:]])
    assert '[1/1] none at 28 px: boxes, things' in capsys.readouterr().out
    sweep.main([*first[:2], 'original', '--sizes', '28', '56', *first[2:]])
    said = capsys.readouterr().out
    assert said.count('(kept)') == 1
    assert '[4/4] original at 56 px' in said
    found = json.loads(Path('out/sweep.json').read_text())
    assert list(found) == ['none', 'original']
    assert list(found['none']) == ['28', '56']
    assert found['none']['28']['region/num_regions'] == 3
    assert Path('out/sweep.png').stat().st_size > 5000
    assert '| none | boxes, things |' in Path('out/sweep.md').read_text()


@pytest.mark.slow
def test_proxy_tokens_and_affinity_pictures(world, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root = convert(world, tmp_path / 'coco')
    options = [
        f'test_dataloader.dataset.data_root={root}',
        'test_dataloader.dataset.image_size=84',
    ]
    lines = [CONFIG, 'CLIP=original', 'block=none']
    load_tool('analysis_tools/proxy_tokens.py').main(
        [*lines, '--out', 'proxy.json', '--cfg-options', *options]
    )
    found = json.loads(Path('proxy.json').read_text())
    assert [row['name'] for row in found['rows']] == ['CLIP', 'block']
    first, second = (row['layers'] for row in found['rows'])
    assert len(first) == 6 and first[:5] == second[:5]
    assert first[5]['proxy'] != second[5]['proxy']
    even = first[0]['proxy_even']['mean']
    assert even == pytest.approx(100 * 5 / 36)
    assert '(even attention)' in Path('proxy.md').read_text()
    picture = str(world / 'val_known/images/1.jpg')
    load_tool('analysis_tools/vis_affinity.py').main(
        [*lines, '--pictures', picture, '--size', '84', '--out', 'vis']
        + ['--layers', '1', '6', '--points', '0.2,0.3', '0.7,0.6']
    )
    assert sorted(p.name for p in Path('vis').iterdir()) == [
        '1_attention_CLIP.png',
        '1_attention_block.png',
        '1_correlation.png',
        '1_parts.png',
        'correlation.html',
    ]


def test_options_that_would_reach_no_backbone_are_refused():
    with pytest.raises(SystemExit, match='--config-of LABEL=CONFIG'):
        load_tool('analysis_tools/proxy_tokens.py').main(
            [CONFIG, 'none', '--cfg-options', 'model.backbone.affinity=csa']
        )


def test_points_lie_in_the_picture(capsys):
    parse = load_tool('analysis_tools/vis_affinity.py').parse_args
    given = [CONFIG, 'none', '--pictures', 'a.jpg', '--points']
    assert parse([*given, '0,0.5', '1,1']).points == [(0, 0.5), (1, 1)]
    for wrong in ('2,0.5', '0.5', 'a,b'):
        with pytest.raises(SystemExit):
            parse([*given, wrong])
        assert 'is no point: x,y in [0, 1]' in capsys.readouterr().err
