"""Class embeddings: how they are made, kept and verified."""

import hashlib
import json

import numpy as np
import pytest
import torch
from tiny_text import clip, collect_warnings, save, text_config
from torch.nn.functional import normalize

from declip_mm.checkpoint import FingerprintError
from declip_mm.models.text import (
    ClassEmbeddings,
    DeCLIPTextEncoder,
    build_class_embeddings,
    expand,
    expected_fingerprint,
)
from declip_mm.models.text.fingerprint import phrases_digest

NAMES = ['dog', 'traffic_light', 'couch']
SCALES = np.array([[1], [2], [1]], dtype=np.float32)


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """Two files of weights of one architecture."""
    folder = tmp_path_factory.mktemp('weights')
    return [save(clip(s).state_dict(), folder / f'{s}.pt') for s in (0, 1)]


@pytest.fixture
def encoder(weights):
    return DeCLIPTextEncoder(text_config(), weights[0])


def mean_embedding(encoder, texts):
    """The recipe in a loop: unit vectors, their sum, a unit vector."""
    total = 0
    for text in texts:
        vector = encoder.encode([text])[0].double()
        total = total + vector / vector.norm()
    return normalize(total, dim=0).float()


@pytest.mark.parametrize('prompts', ['vild', 'name', ['a {}', 'the {}']])
def test_equals_the_loop(encoder, prompts):
    found = build_class_embeddings(
        encoder,
        NAMES,
        prompts,
        synonyms={'couch': ['sofa']},
        background='background',
    )
    phrases = [['dog'], ['traffic_light'], ['couch', 'sofa'], ['background']]
    for row, own in zip(found.with_background(), phrases, strict=True):
        texts = [text for phrase in own for text in expand(phrase, prompts)]
        expected = mean_embedding(encoder, texts)
        torch.testing.assert_close(row, expected, atol=1e-6, rtol=0)
    assert found.names == tuple(NAMES)
    assert found.matrix.shape == (3, 24)
    norms = found.matrix.norm(dim=-1)
    torch.testing.assert_close(norms, torch.ones(3))


def test_a_config_builds_the_encoder(weights, encoder):
    cfg = {
        'type': 'DeCLIPTextEncoder',
        'model': text_config(),
        'pretrained': weights[0],
    }
    found = build_class_embeddings(cfg, NAMES, 'simple')
    expected = build_class_embeddings(encoder, NAMES, 'simple')
    assert torch.equal(found.matrix, expected.matrix)


def test_progress_reaches_the_end(weights):
    encoder = DeCLIPTextEncoder(text_config(), weights[0], chunk_size=100)
    seen = []
    build_class_embeddings(
        encoder, NAMES, progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(100, 189), (189, 189)]


def test_overlong_names_are_told_once_by_name(encoder, monkeypatch):
    warnings_of = collect_warnings(monkeypatch)
    long = 'one two three four five six seven eight nine ten eleven'
    build_class_embeddings(encoder, ['dog', long])
    assert len(warnings_of) == 1
    assert (
        f'1 class names in their prompts have more than the 16 tokens of'
        f" custom and are cut: '{long}'." in warnings_of[0]
    )


def test_save_and_load(encoder, tmp_path):
    made = build_class_embeddings(encoder, NAMES, 'name', background='sky')
    path = tmp_path / 'deep' / 'file.npz'
    made.save(path)
    wanted = expected_fingerprint(encoder, NAMES, 'name', background='sky')
    assert made.fingerprint == wanted
    for expected in (None, wanted, encoder.fingerprint):
        found = ClassEmbeddings.load(path, expected, NAMES)
        assert torch.equal(found.matrix, made.matrix)
        assert torch.equal(found.background, made.background)
        assert found.names == made.names
        assert found.fingerprint == made.fingerprint
    assert [p.name for p in path.parent.iterdir()] == ['file.npz']
    with pytest.raises(ValueError, match=r'\.npz'):
        made.save(tmp_path / 'file.pt')


def test_mismatches_name_both_sides(encoder, weights, tmp_path):
    path = tmp_path / 'file.npz'
    made = build_class_embeddings(encoder, NAMES, 'name')
    made.save(path)
    other = DeCLIPTextEncoder(
        dict(text_config(), name='other', quick_gelu=True), weights[1]
    )
    theirs, ours = (e.fingerprint['weights'][:12] for e in (encoder, other))
    with pytest.raises(FingerprintError) as error:
        ClassEmbeddings.load(path, expected_fingerprint(other, NAMES))
    message = str(error.value)
    assert (
        f"weights: file has 'custom' (sha256 {theirs}), "
        f"wanted is 'other' (sha256 {ours})"
    ) in message
    assert "architecture: file has 'custom'" in message
    assert "prompts: file has 'name (1 prompts)'" in message
    assert "wanted is 'vild (63 prompts)'" in message
    assert 'names:' not in message
    wanted = expected_fingerprint(encoder, NAMES, 'name', background='sky')
    with pytest.raises(
        FingerprintError, match="background: file has None, wanted is 'sky'"
    ):
        made.verify(wanted)
    wanted = expected_fingerprint(
        encoder, NAMES, 'name', synonyms={'dog': ['hound']}
    )
    with pytest.raises(FingerprintError, match=r'phrases: file has 3 .*is 4'):
        made.verify(wanted)


def test_differing_names_are_shown(encoder):
    made = build_class_embeddings(encoder, NAMES, 'name')
    with pytest.raises(
        FingerprintError,
        match='the file has 3, what is wanted has 3; only in the file: '
        "'couch'; only in what is wanted: 'sofa'",
    ):
        made.verify(names=['dog', 'traffic_light', 'sofa'])
    with pytest.raises(
        FingerprintError,
        match='another order; at position 1 the file has '
        "'traffic_light', what is wanted has 'couch'",
    ):
        made.verify(names=['dog', 'couch', 'traffic_light'])


def rewrite(path, **changes):
    with np.load(path) as file:
        arrays = dict(file)
    np.savez(path, **{**arrays, **changes})


def test_damaged_files_are_refused(encoder, tmp_path):
    path = tmp_path / 'file.npz'
    with pytest.raises(FileNotFoundError):
        ClassEmbeddings.load(path)
    made = build_class_embeddings(encoder, NAMES, 'name')
    for change, message in (
        ({'matrix': made.matrix.numpy() * SCALES}, 'row 1 has norm 2'),
        ({'matrix': made.matrix.numpy()[:2]}, '3 class names need a matrix'),
        ({'names': np.array(['a', 'b', 'c'])}, 'edited after'),
        ({'other': np.zeros(1)}, "unknown arrays .'other'"),
    ):
        made.save(path)
        rewrite(path, **change)
        with pytest.raises(ValueError, match=message):
            ClassEmbeddings.load(path)
    made.save(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match='no readable file'):
        ClassEmbeddings.load(path)
    path.write_bytes(b'')
    with pytest.raises(ValueError, match='no readable file'):
        ClassEmbeddings.load(path)


def test_no_background_row(encoder):
    made = build_class_embeddings(encoder, NAMES, 'name')
    with pytest.raises(ValueError, match='no background row'):
        made.with_background()


def test_rows_of_a_text_with_a_bar_are_not_those_of_its_synonyms():
    def literal(phrases):
        return hashlib.sha256(json.dumps([*phrases.items()]).encode())

    # files that were made when 'b|c' was one text are made anew, no others
    plain, synonyms = dict(a=('b', 'c')), dict(a=('b|c',))
    assert phrases_digest(plain) == literal(plain).hexdigest()
    assert phrases_digest(synonyms) != literal(synonyms).hexdigest()
    assert phrases_digest(synonyms) != phrases_digest(plain)
