"""Rows of a vocabulary, from a tower or from a file."""

import pytest
import torch
import torch.nn.functional as F
from bad_input import logged
from mmengine.registry import MODELS
from tiny import backbone_cfg, tiny_eva, tiny_openai

from declip_mm.checkpoint import FingerprintError
from declip_mm.models.text import build_class_embeddings
from declip_mm.models.text.embedder import TextEmbedder
from declip_mm.models.text.vocabulary import Vocabulary

NAMES = ['a red car', 'dog', 'sky']
ENCODER = dict(type='DeCLIPTextEncoder', model=tiny_eva())


def rows_of(embedder, names, **options):
    return embedder.class_rows(Vocabulary.of(names, **options))


@pytest.fixture(scope='module')
def tower():
    torch.manual_seed(0)
    return MODELS.build(ENCODER)


@pytest.fixture(scope='module')
def dumped(tower, tmp_path_factory):
    names = [*NAMES, 'speaker_(stero_equipment)']
    found = build_class_embeddings(
        tower, names, 'name', background='background'
    )
    path = tmp_path_factory.mktemp('text') / 'classes.npz'
    found.save(path)
    return found, str(path)


def test_classes_have_the_mean_of_their_texts_and_texts_a_row_each(tower):
    embedder = TextEmbedder(tower, prompts='name')
    found = Vocabulary.of(['person; man', 'sofa|couch'])
    person, man, sofa, couch = tower.encode(['person', 'man', 'sofa', 'couch'])
    wanted = F.normalize(torch.stack([person + man, sofa + couch]), dim=-1)
    torch.testing.assert_close(embedder.class_rows(found), wanted)
    texts = embedder.text_rows(found)
    torch.testing.assert_close(texts[:2], torch.stack([person, man]))
    torch.testing.assert_close(texts[2:], wanted[1:])


def test_shared_texts_are_embedded_once(tower, monkeypatch):
    seen = []
    tokenize = tower.tokenize
    monkeypatch.setattr(
        tower, 'tokenize', lambda texts: seen.append(texts) or tokenize(texts)
    )
    embedder = TextEmbedder(tower, prompts='name')
    found = Vocabulary.of({'a': ['cat', 'dog'], 'b': ['Dog', 'sky']})
    matrix = embedder.text_rows(found)
    assert [len(texts) for texts in seen] == [3]
    assert torch.equal(matrix[1], matrix[2]) and len(matrix) == 4
    embedder.text_rows(found)
    assert len(seen) == 1  # kept


def test_prompts_change_rows(tower):
    embedder = TextEmbedder(tower, prompts='name')
    before = rows_of(embedder, NAMES)
    embedder.prompts = 'a photo of a {}.'
    assert not torch.allclose(rows_of(embedder, NAMES), before)
    embedder.prompts = 'name'
    assert torch.equal(rows_of(embedder, NAMES), before)


@pytest.mark.parametrize('own', [True, False])
def test_names_are_embedded_where_their_rows_are_wanted(
    tower, monkeypatch, own
):
    embedder = TextEmbedder(dict(ENCODER) if own else tower)
    places = []
    monkeypatch.setattr(embedder.encoder, 'to', places.append)
    embedder.text_rows(Vocabulary.of('cat'), torch.device('cpu'))
    # a tower of the model goes where the model goes
    assert places == [torch.device('cpu')] * own


def test_features_of_another_width_are_refused(tower):
    embedder = TextEmbedder(tower)
    with pytest.raises(ValueError, match='13 dimensions, class embeddings 12'):
        embedder.class_rows(Vocabulary.of('cat'), width=13)


def test_a_file_gives_rows_by_name(dumped):
    found, path = dumped
    embedder = TextEmbedder(embeddings=path, background='background')
    matrix = rows_of(embedder, [NAMES[2], NAMES[0]])
    wanted = [found.matrix[2], found.matrix[0], found.background]
    assert torch.equal(matrix, torch.stack(wanted))
    texts = embedder.text_rows(Vocabulary.of([NAMES[1]]))
    assert torch.equal(texts, found.matrix[1:2])  # no background


def test_lvis_misspelling_is_one_class(dumped):
    embedder = TextEmbedder(embeddings=dumped[1])
    matrix = rows_of(embedder, ['speaker_(stereo_equipment)'])
    assert torch.equal(matrix[0], dumped[0].matrix[3])


def test_missing_names_are_named(dumped, tower):
    with pytest.raises(ValueError, match="'zebra'.*class_embeddings.py,"):
        rows_of(TextEmbedder(embeddings=dumped[1]), ['zebra'])
    both = TextEmbedder(tower, dumped[1], 'name', background='background')
    with logged() as lines:
        assert rows_of(both, ['zebra']).shape == (2, 12)
    assert "lacks 1 of 1 names, such as ['zebra']" in lines[0]


def test_a_file_of_another_tower_or_prompts_is_refused(dumped, tower):
    assert len(rows_of(TextEmbedder(tower, dumped[1], 'name'), NAMES)) == 3
    with pytest.raises(FingerprintError, match="prompts: file has 'name"):
        rows_of(TextEmbedder(tower, dumped[1], 'simple'), NAMES)
    torch.manual_seed(1)
    other = MODELS.build(ENCODER)
    with pytest.raises(FingerprintError, match='weights'):
        rows_of(TextEmbedder(other, dumped[1], 'name'), NAMES)


@pytest.mark.parametrize('beside', [True, False])
def test_a_file_takes_no_other_prompts(dumped, tower, beside):
    embedder = TextEmbedder(tower if beside else None, dumped[1], 'name')
    rows_of(embedder, NAMES)
    with pytest.raises(FingerprintError, match="wanted is 'simple"):
        embedder.use_prompts('simple')
    assert embedder.prompts == 'name'
    embedder.use_prompts('{}')  # the same by another name
    assert len(rows_of(embedder, NAMES)) == 3


def test_a_tower_that_is_not_here_is_not_fetched_for_a_file(dumped):
    tag = dict(ENCODER, model='ViT-B-16', pretrained='openai')
    embedder = TextEmbedder(tag, dumped[1], 'name', background='background')
    assert len(rows_of(embedder, NAMES)) == 4
    assert not embedder.has_weights and embedder._encoder is None
    # prompts are known without it
    with pytest.raises(FingerprintError, match="prompts: file has 'name"):
        rows_of(TextEmbedder(tag, dumped[1], 'simple'), NAMES)


def test_a_file_of_another_clip_is_refused(dumped):
    embedder = TextEmbedder(embeddings=dumped[1])
    with torch.device('meta'):
        large = MODELS.build(dict(type='DeCLIPViT', model='EVA02-L-14-336'))
    with pytest.raises(FingerprintError, match='768'):
        embedder.check(large)
    tiny = MODELS.build(dict(type='DeCLIPViT', model=tiny_openai()))
    embedder.check(tiny)  # neither has a name
    tiny.model = 'EVA02-B-16'
    embedder.file.fingerprint['model'] = 'ViT-B-16'
    with pytest.raises(FingerprintError, match='ViT-B-16.*EVA02-B-16'):
        embedder.check(tiny)


def test_a_tower_that_the_weights_were_not_measured_with(tower):
    backbone = MODELS.build(backbone_cfg())
    embedder = TextEmbedder(dict(ENCODER), prompts='name')
    embedder.check(backbone)
    assert embedder._encoder is None  # nothing to compare with yet
    said = dict(tower.fingerprint, weights='0' * 64)
    backbone.file_says = dict(text_tower=said)
    with pytest.raises(FingerprintError, match='000000000000'):
        embedder.check(backbone)
    backbone.file_says = dict(text_tower=embedder.encoder.fingerprint)
    embedder.check(backbone)
    # what was compared is known by its content, not by its place in memory
    backbone.file_says['text_tower'] = said
    with pytest.raises(FingerprintError, match='000000000000'):
        embedder.check(backbone)


def test_a_file_without_background_is_refused(tower, tmp_path):
    path = tmp_path / 'bare.npz'
    build_class_embeddings(tower, NAMES, 'name').save(path)
    with pytest.raises(ValueError, match='--background'):
        TextEmbedder(embeddings=str(path), background='background')


def test_neither_tower_nor_file():
    with pytest.raises(ValueError, match='text_encoder'):
        TextEmbedder()


def test_rows_are_kept_on_disk(tower, tmp_path):
    first = rows_of(
        TextEmbedder(tower, prompts='name', cache_dir=str(tmp_path)), NAMES
    )
    (path,) = tmp_path.glob('*.npz')
    stamp = path.stat().st_mtime_ns
    again = TextEmbedder(tower, prompts='name', cache_dir=str(tmp_path))
    assert torch.equal(rows_of(again, NAMES), first)
    assert path.stat().st_mtime_ns == stamp


def test_rows_of_a_file_win_over_texts_and_it_is_said(dumped):
    embedder = TextEmbedder(embeddings=dumped[1])
    with logged() as lines:
        found = rows_of(embedder, {NAMES[0]: ['scarlet thing']})
    assert torch.equal(found[0], dumped[0].matrix[0])
    assert 'which are taken as they are' in lines[0]


def test_rows_of_texts_are_not_taken_for_those_of_names_in_silence(
    tower, tmp_path
):
    path = str(tmp_path / 'classes.npz')
    texts = {'tvmonitor': ['tv monitor'], 'sky': ['sky']}
    build_class_embeddings(tower, texts, 'name').save(path)
    with logged() as lines:
        rows_of(TextEmbedder(embeddings=path), texts)
        assert not lines
        rows_of(TextEmbedder(embeddings=path), ['tvmonitor', 'sky'])
    assert 'other texts than the class names' in lines[0]
