"""What DeCLIPDetInferencer believes of a checkpoint."""

import json

import numpy as np
import pytest
import torch
from det_model import BASE, NAMES
from det_world import write_project
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import DefaultScope, init_default_scope
from PIL import Image

from declip_mm.apis import DeCLIPDetInferencer, DeCLIPSegInferencer
from declip_mm.apis.results import tell_failed
from declip_mm.checkpoint import FINGERPRINT_KEY, FingerprintError, publish
from declip_mm.visualization import fonts


class Code:
    """Says so if a file's code is run."""

    def __reduce__(self):
        return print, ('code ran',)


def detector(config, path):
    return DeCLIPDetInferencer(
        str(config), str(path), device='cpu', show_progress=False
    )


def test_names_outlive_publishing_and_misfits_are_refused(tmp_path, capsys):
    init_default_scope('mmdet')
    config = write_project(tmp_path)
    model = MODELS.build(Config.fromfile(config).model)
    told = dict(classes=tuple(NAMES), base_classes=tuple(BASE))
    content = dict(
        meta={
            FINGERPRINT_KEY: model.backbone.fingerprint,
            'dataset_meta': told,
        },
        state_dict=model.state_dict(),
    )
    path = tmp_path / 'epoch_1.pth'
    torch.save(content, path)
    for suffix in ('pth', 'safetensors'):
        public = publish(str(path), str(tmp_path / f'public.{suffix}'))
        found = detector(config, public).model
        assert list(found.names) == NAMES
        # as in training: one name and the background are not novel
        assert found.roi_head.is_base.tolist() == [True, True, False, True]
    torch.save(dict(content, args=Code()), path)
    with pytest.raises(ValueError, match='pickled code'):
        detector(config, path)
    assert 'code ran' not in capsys.readouterr().out
    content['meta'][FINGERPRINT_KEY] = dict(affinity='qq')
    torch.save(content, path)
    with pytest.raises(FingerprintError, match="file has 'qq'"):
        detector(config, path)


@pytest.fixture(scope='module', params=[False, True], ids=['boxes', 'masks'])
def detect(request, tmp_path_factory):
    """A tiny detector that was never trained."""
    folder = tmp_path_factory.mktemp('project')
    config = write_project(folder, lvis=request.param)
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(Config.fromfile(config).model)
    path = folder / 'w.pth'
    told = dict(classes=tuple(NAMES), base_classes=tuple(BASE))
    torch.save(
        dict(meta=dict(dataset_meta=told), state_dict=model.state_dict()), path
    )
    return detector(config, path)


@pytest.fixture
def pictures(tmp_path):
    """Five names, of which three can be read; two share a stem."""
    folder = tmp_path / 'pictures'
    folder.mkdir()
    draw = np.random.default_rng(0)
    for name in ('a.jpg', 'a.png', '写真 ä.png'):
        image = draw.integers(0, 255, (40, 60, 3), np.uint8)
        Image.fromarray(image).save(folder / name)
    (folder / 'text.jpg').write_text('no picture')
    (folder / 'cut.png').write_bytes((folder / 'a.png').read_bytes()[:200])
    return folder


def test_a_folder_with_damaged_pictures(detect, pictures, tmp_path, capsys):
    out = tmp_path / 'out'
    found = detect(
        str(pictures), out_dir=str(out), no_save_pred=False, pred_score_thr=0
    )
    assert [p['name'] for p in found['predictions']] == ['a', 'a_2', '写真 ä']
    assert {f['path'] for f in found['failed']} == {
        str(pictures / 'text.jpg'),
        str(pictures / 'cut.png'),
    }
    content = json.loads((out / 'results.json').read_text())
    assert content['failed'] == found['failed'] and content['left'] == []
    for own, kept in zip(found['predictions'], content['pictures']):
        assert kept['objects'] == len(own['scores']) > 0
        assert Image.open(out / 'vis' / f'{own["name"]}.png').size == (60, 40)
        stored = json.loads(
            (out / 'preds' / f'{own["name"]}.json').read_text()
        )
        assert stored['bboxes'] == own['bboxes']
        assert set(own['names']) <= set(NAMES)
    assert tell_failed('demo_det.py', found) == 1
    said = capsys.readouterr().err
    assert '2 of 5 pictures could not be used' in said and 'text.jpg' in said


def test_the_file_and_its_pixels_agree(detect, pictures):
    path = pictures / 'a.png'
    array = np.asarray(Image.open(path))[..., ::-1]  # as mmcv loads it
    one, two = (
        detect(x, return_vis=True, batch_size=2) for x in (str(path), array)
    )
    assert one['predictions'][0]['bboxes'] == two['predictions'][0]['bboxes']
    painted = [found['visualization'][0] for found in (one, two)]
    assert (painted[0] == painted[1]).all()


def test_shapes_without_pixels_left_are_named(detect, tmp_path):
    for name, size in (('one', (1, 1)), ('long', (6000, 4))):
        Image.new('RGB', size).save(tmp_path / f'{name}.png')
    found = detect(str(tmp_path))
    assert [p['name'] for p in found['predictions']] == ['one']
    (failed,) = found['failed']
    assert '4 x 6000 pixels' in failed['reason']
    assert 'less long' in failed['reason']


def test_large_pictures_are_drawn_small_and_can_be_bounded(detect, tmp_path):
    path = str(tmp_path / 'large.png')
    Image.new('RGB', (4100, 200), 'green').save(path)
    found = detect(path, return_vis=True, max_side=3000)
    assert found['visualization'][0].shape == (99, 2048, 3)
    boxes = np.array(found['predictions'][0]['bboxes'])
    assert boxes[:, 2].max() <= 3000
    with pytest.raises(ValueError, match='16 pixels or more'):
        detect(path, max_side=2)
    with pytest.raises(ValueError, match='score from 0 to 1, got 2'):
        detect(path, pred_score_thr=2)


def test_masks_that_fill_the_memory_are_refused_with_a_remedy(detect):
    problem = detect._problem(8000, 11500)
    if detect.model.roi_head.with_mask:
        assert '--max-side 1600' in problem and 'GiB' in problem
    else:
        assert problem == ''


def test_ctrl_c_keeps_what_was_done(detect, pictures, tmp_path, monkeypatch):
    whole, calls = type(detect)._detect, []

    def stopped(self, *args):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return whole(self, *args)

    monkeypatch.setattr(type(detect), '_detect', stopped)
    with pytest.raises(KeyboardInterrupt) as stop:
        detect(str(pictures), out_dir=str(tmp_path), no_save_pred=False)
    content = json.loads((tmp_path / 'results.json').read_text())
    assert [p['name'] for p in content['pictures']] == ['a']
    assert str(pictures / 'a.png') in content['left']
    assert (tmp_path / 'preds' / 'a.json').is_file()
    assert '1 pictures are done' in stop.value.kept


def test_with_a_segmentor_in_one_process(detect, pictures):
    """Each works in the registries of its own library."""
    config = 'configs/miniature/dense_seg.py'
    segment = DeCLIPSegInferencer(config, names='cat,cup', show_progress=False)
    path = str(pictures / 'a.png')
    for one in (detect, segment, detect, segment):
        assert len(one(path)['predictions']) == 1
    again = DeCLIPSegInferencer(config, names='cup,cat', show_progress=False)
    assert again.classes == ['cup', 'cat']


def test_letters_of_other_fonts_are_no_boxes(detect, pictures, monkeypatch):
    if fonts._font_with('猫') is None:
        pytest.skip('no font with CJK letters is installed')
    painted = []
    for name in ('猫', '犬'):
        meta = dict(classes=(name,) * 3, palette=[(0, 200, 0)] * 3)
        monkeypatch.setattr(detect.visualizer, 'dataset_meta', meta)
        found = detect(
            str(pictures / 'a.png'), return_vis=True, pred_score_thr=0
        )
        painted.append(found['visualization'][0])
    assert (painted[0] != painted[1]).any()


@pytest.mark.parametrize('name', ['$5 and $6', '猫', 'a_{b', '%s'])
def test_any_name_can_be_drawn(detect, pictures, name, monkeypatch):
    meta = dict(classes=(name,) * 3, palette='random')
    monkeypatch.setattr(detect.visualizer, 'dataset_meta', meta)
    found = detect(str(pictures / 'a.png'), return_vis=True, pred_score_thr=0)
    assert found['visualization'][0].shape == (40, 60, 3)
