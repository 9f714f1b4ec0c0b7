"""Class embeddings that others computed."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_text import text_config
from torch.nn.functional import normalize

from declip_mm.checkpoint import FingerprintError
from declip_mm.models.text import ClassEmbeddings
from declip_mm.models.text.importing import (
    import_class_embeddings,
    judge_order,
)

REAL = Path(__file__).resolve().parents[3] / 'shared' / 'real'
PANOPTIC = REAL / 'coco' / 'annotations' / 'panoptic_val2017.json'
#: File and the CLIP that its name says.
FILES = dict(
    EVACLIP_ViTB16='EVA02-B-16',
    EVACLIP_ViTL14x336='EVA02-L-14-336',
    ViTB16='ViT-B-16',
    ViTL14x336='ViT-L-14-336',
)
FILES['siglip-so400m-patch14-384'] = 'ViT-SO400M-14-SigLIP-384'
NAMES = ['cat', 'dog', 'red car']


@pytest.fixture
def tiny(tmp_path):
    path = tmp_path / 'tiny.json'
    path.write_text(json.dumps(text_config()))
    return str(path)


def rows(count=3):
    make = torch.Generator().manual_seed(0)
    return torch.randn(count, 24, generator=make)


def test_rows_become_unit_rows_with_the_tower_declared(tiny, tmp_path):
    np.save(tmp_path / 'rows.npy', rows().numpy())
    found, notes = import_class_embeddings(
        tmp_path / 'rows.npy', NAMES, tiny, background=None
    )
    torch.testing.assert_close(found.matrix, normalize(rows(), dim=-1))
    assert found.names == tuple(NAMES)
    assert found.declared == 'rows.npy'
    assert found.fingerprint['model'] == 'tiny.json'
    assert any('brought to 1' in note for note in notes)
    assert 'tiny.json is what you declared' in notes[-1]
    found.save(tmp_path / 'out.npz')
    again = ClassEmbeddings.load(tmp_path / 'out.npz', names=NAMES)
    assert torch.equal(again.matrix, found.matrix)
    assert again.declared == 'rows.npy'


def test_the_background_is_the_last_row_or_an_entry(tiny, tmp_path):
    table = rows(4)
    np.save(tmp_path / 'rows.npy', table.numpy())
    by_name = dict(zip(['background', *NAMES], table.roll(1, 0)))
    torch.save(by_name, tmp_path / 'rows.pth')
    for name, names in (('rows.npy', NAMES), ('rows.pth', None)):
        found, _ = import_class_embeddings(
            tmp_path / name, names, tiny, background='background'
        )
        assert found.names == tuple(NAMES)
        torch.testing.assert_close(
            found.with_background(), normalize(table, dim=-1)
        )


def test_a_dict_gives_rows_by_name_in_any_order(tiny, tmp_path):
    table = dict(zip(['Dog', 'red_car', 'cat'], rows()))
    torch.save(table, tmp_path / 'rows.pth')
    found, _ = import_class_embeddings(tmp_path / 'rows.pth', NAMES, tiny)
    wanted = normalize(rows()[[2, 0, 1]], dim=-1)
    torch.testing.assert_close(found.matrix, wanted)


def test_equal_rows_are_told(tiny, tmp_path):
    np.save(tmp_path / 'rows.npy', rows()[[0, 1, 0]].numpy())
    _, notes = import_class_embeddings(tmp_path / 'rows.npy', NAMES, tiny)
    assert any("('cat', 'red car')" in note for note in notes)


def test_another_model_is_refused(tiny, tmp_path):
    np.save(tmp_path / 'rows.npy', rows().numpy())
    found, _ = import_class_embeddings(tmp_path / 'rows.npy', NAMES, tiny)
    found.verify_declared('elsewhere/tiny.json', 'a.npz')
    with pytest.raises(FingerprintError, match=r'tiny\.json; the text.*B-16'):
        found.verify_declared('EVA02-B-16', 'a.npz')


def test_few_names_are_not_judged(tiny, tmp_path):
    np.save(tmp_path / 'rows.npy', rows().numpy())
    found, _ = import_class_embeddings(tmp_path / 'rows.npy', NAMES, tiny)
    order = judge_order(found)
    assert order.score is None and not order.shuffled
    assert len(order.nearest) == 3


@pytest.mark.skipif(not REAL.is_dir(), reason=f'{REAL} is not here')
@pytest.mark.parametrize('name, model', FILES.items())
def test_published_files(name, model, tmp_path):
    path = REAL / 'text_embeddings' / f'coco_panoptic_clip_hand_craft_{name}'
    path = path.with_name(f'{path.name}.npy')
    found, _ = import_class_embeddings(path, str(PANOPTIC), model)
    assert len(found) == 133
    raw = torch.from_numpy(np.load(path)).float()
    assert float((found.matrix * raw).sum(1).min()) > 0.999
    order = judge_order(found)
    assert order.score > 6.5 and not order.shuffled
    assert order.nearest[0][1:] == ('bear', 'teddy bear')
    cosines = (found.matrix @ found.matrix.t()).fill_diagonal_(-1)
    nearest = dict(zip(found.names, cosines.argmax(dim=1).tolist()))
    assert found.names[nearest['fork']] in ('spoon', 'knife')
    assert found.names[nearest['truck']] in ('car', 'bus')
    # other orders that such files come in
    names = list(found.names)
    made = np.random.default_rng(0)
    for other in (
        made.permutation(names).tolist(),
        sorted(names),
        [*names[80:], *names[:80]],
        [*names[1:], names[0]],
    ):
        wrong = ClassEmbeddings(tuple(other), found.matrix, {})
        assert judge_order(wrong).shuffled
