"""Pseudo labels by command: made of base annotations alone, and resumable."""

import json
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
import torch
from pseudo_world import NOVEL, write_proposer_project, write_squares
from tool_modules import load_tool

from declip_mm.apis import proposals, pseudo_labels, weighing
from declip_mm.apis.kept_lines import KeptLines
from declip_mm.detection.pseudo.label_file import read_labels, write_labels

#: Rules for pictures of 64 x 64.
RULES = ['--min-area', '9', '--keep', '1', '--max-iou-base', '0.5']
TOOL = 'dataset_converters/pseudo_labels'


def run(monkeypatch, *words):
    tool = load_tool(f'{TOOL}.py')
    monkeypatch.setattr('sys.argv', ['pseudo_labels.py', *map(str, words)])
    return tool.main()


# ---- lines that are kept ---------------------------------------------------


def test_lines_of_a_stopped_run_are_there_again(tmp_path):
    out = tmp_path / 'out.json'
    with pytest.raises(KeyboardInterrupt) as stop, KeptLines(out, 'k') as kept:
        kept.add(7, [[1.5]])
        kept.add('b', [])
        kept.flush()
        raise KeyboardInterrupt
    assert '2 pictures are in' in stop.value.kept
    part = tmp_path / 'out.json.part'
    part.write_text(part.read_text() + '["c", [[1')  # cut short
    with KeptLines(out, 'k') as kept:
        assert kept.found == {7: [[1.5]], 'b': []}
        kept.finish()
    assert not part.exists()


def test_lines_of_another_run_are_dropped(tmp_path):
    with pytest.raises(OSError), KeptLines(tmp_path / 'out', 'a') as kept:
        kept.add(1, [])
        raise OSError
    with KeptLines(tmp_path / 'out', 'b') as kept:
        assert kept.found == {}


# ---- base ------------------------------------------------------------------


@pytest.fixture
def world(tmp_path):
    return make_world(tmp_path)


def make_world(folder):
    write_squares(folder)
    write_squares(folder, novel=False)
    return folder


def test_base_writes_what_the_data_set_may_see(world, monkeypatch, capsys):
    cfg = write_proposer_project(world)
    run(
        monkeypatch,
        *('base', cfg, world / 'made.json', '--cfg-options'),
        'train_dataloader.dataset.type=OpenVocabDetDataset',
        'train_dataloader.dataset.ann_file=all.json',
    )
    assert '24 objects of 2 base classes in 12 pictures' in (
        capsys.readouterr().out
    )
    made = json.loads((world / 'made.json').read_text())
    novel = [c['id'] for c in made['categories'] if c['novel']]
    assert len(novel) == 1
    assert not [n for n in made['annotations'] if n['category_id'] in novel]
    text = json.dumps(made['annotations'])
    for note in json.loads((world / 'all.json').read_text())['annotations']:
        if note['category_id'] in novel:
            assert json.dumps(note['bbox']) not in text


# ---- rounds ----------------------------------------------------------------


def rounds(monkeypatch, world, base, out, *words):
    cfg = world / 'proposer.py'
    run(monkeypatch, 'rounds', cfg, base, out, *RULES, *words)


def made_by(out):
    return [(out / f'round_{n}' / 'pseudo.json').read_bytes() for n in (1, 2)]


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    """A world with two rounds of labels."""
    world = make_world(tmp_path_factory.mktemp('rounds'))
    write_proposer_project(world)
    with pytest.MonkeyPatch.context() as patch:
        rounds(patch, world, world / 'base.json', world / 'work')
    return world


@pytest.fixture
def done(finished):
    return finished / 'work'


def test_rounds_make_labels_with_weights(finished, done, monkeypatch):
    for number in (1, 2):
        found = read_labels(done / f'round_{number}' / 'pseudo.json')
        entries = [e for own in found.values() for e in own]
        assert entries and len({e['weight'] for e in entries}) > 1
    # the second round learnt from the first one's labels
    first, second = made_by(done)
    assert first != second
    left = {p.name for p in (done / 'round_1').iterdir() if p.is_file()}
    assert left == {
        'counts.json',
        'filtered.json',
        'proposals.json',
        'proposer.pth',
        'pseudo.json',
    }
    # what is finished is not done again
    for part in ('write_proposals', 'weigh_labels', 'build_runner'):
        monkeypatch.setattr(pseudo_labels, part, None)
    rounds(monkeypatch, finished, finished / 'base.json', done)
    assert made_by(done) == [first, second]


def test_novel_annotations_cannot_reach_the_labels(world, done, monkeypatch):
    """Of all that the official file says of novel objects nothing is read."""
    write_proposer_project(world)
    content = json.loads((world / 'all.json').read_text())
    ids = {c['id'] for c in content['categories'] if c['name'] == NOVEL}
    for note in content['annotations']:
        if note['category_id'] in ids:
            note['bbox'] = [1, 1, 60, 60]
    (world / 'all.json').write_text(json.dumps(content))
    run(
        monkeypatch,
        *('base', world / 'proposer.py', world / 'other.json'),
        '--cfg-options',
        'train_dataloader.dataset.type=OpenVocabDetDataset',
        'train_dataloader.dataset.ann_file=all.json',
    )
    other = world / 'other'
    rounds(monkeypatch, world, world / 'other.json', other)
    assert made_by(other) == made_by(done)


def test_a_file_with_novel_annotations_is_refused_first(
    world, monkeypatch, capsys
):
    write_proposer_project(world)
    with pytest.raises(SystemExit) as stop:
        rounds(monkeypatch, world, world / 'all.json', world / 'w')
    assert NOVEL in str(stop.value) and not (world / 'w').exists()


def test_other_settings_want_another_folder(finished, done, monkeypatch):
    base = finished / 'base.json'
    with pytest.raises(SystemExit, match='begun with other weight'):
        rounds(monkeypatch, finished, base, done, '--weight', 'score')


def test_a_stopped_round_goes_on_to_the_same_labels(world, done, monkeypatch):
    """Stopped in the proposals and in the weights, each in the middle."""
    write_proposer_project(world)
    out = world / 'stopped'
    for module, name in ((proposals, 'boxes_of'), (weighing, '_maps')):
        whole = getattr(module, name)

        calls = iter([whole])

        def stop(*args, calls=calls, **kwargs):
            whole = next(calls, None)
            if whole is None:
                raise KeyboardInterrupt
            return whole(*args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(module, name, stop)
            with pytest.raises(SystemExit) as stopped:
                rounds(patch, world, world / 'base.json', out)
        assert stopped.value.code == 130
    rounds(monkeypatch, world, world / 'base.json', out)
    assert made_by(out) == made_by(done)


# ---- steps by hand ---------------------------------------------------------


def test_weights_by_score_and_none(tmp_path, monkeypatch):
    entries = [
        dict(
            image_id=1,
            bbox=[1.0, 1, 9, 9],
            category_id=-1,
            pseudo=1,
            score=0.4,
            weight=0.9,
        )
    ]
    write_labels(tmp_path / 'a.json', entries)
    for kind, weight in (('score', 0.4), ('const', 1.0)):
        out = tmp_path / f'{kind}.json'
        run(monkeypatch, 'weigh', tmp_path / 'a.json', out, '--weight', kind)
        assert read_labels(out)[1][0]['weight'] == weight
    with pytest.raises(SystemExit, match='--config and --checkpoint'):
        run(monkeypatch, 'weigh', tmp_path / 'a.json', tmp_path / 'b.json')


def test_kept_weights_belong_to_their_boxes():
    """As many boxes elsewhere must not take up the weights of a stopped run.

    Scores and weights decide nothing of it.
    """
    box = dict(bbox=[1.0, 1, 9, 9], weight=1.0)
    key = weighing._boxes_key({1: [box], 'b': []})
    assert weighing._boxes_key({1: [dict(box, weight=0.5)], 'b': []}) == key
    moved = dict(box, bbox=[2.0, 1, 9, 9])
    for other in ({1: [moved], 'b': []}, {2: [box], 'b': []}):
        assert weighing._boxes_key(other) != key


def test_damaged_pictures_teach_no_weights(monkeypatch):
    infos = [
        dict(img_id=i, instances=[dict(bbox=[4, 4, 20, 20])]) for i in (0, 1)
    ]
    data = MagicMock(damaged=['1.png'])
    data.__len__.return_value = 2
    data.get_data_info.side_effect = infos.__getitem__
    shown = [
        SimpleNamespace(img_id=i, img_path=f'{i}.png', ori_shape=(64, 64))
        for i in (0, 1)
    ]
    factor = torch.full((4,), 1 / 64)
    monkeypatch.setattr(
        weighing,
        '_maps',
        lambda *_: [(s, torch.rand(1, 4, 8, 8), factor) for s in shown],
    )
    told = {}
    monkeypatch.setattr(
        'declip_mm.detection.pseudo.foreground.fit_foreground',
        lambda **parts: told.update(parts) or MagicMock(separation=0.5),
    )
    weighing._fit(None, None, data, 2)
    assert len(told['known']) == 1 and len(told['tokens']) == 64


def test_a_filter_that_leaves_nothing_says_which_rule(
    world, done, monkeypatch
):
    with pytest.raises(SystemExit, match="'min_area'"):
        run(
            monkeypatch,
            *('filter', done / 'round_1/proposals.json', world / 'base.json'),
            *(world / 'none.json', '--min-area', '100000'),
        )
