"""Tokens, and compact tables of them."""

import open_clip
import pytest
import torch
from tiny_text import END, START, clip, collect_warnings, save, text_config

from declip_mm.models.text import (
    DeCLIPTextEncoder,
    TextTokenizer,
    build_class_embeddings,
    tokens_alike,
)


def table_for(text):
    body = sorted(set(open_clip.SimpleTokenizer().encode(text)))
    return [0, -1, *body, START, END]


def test_compact_table(tmp_path, monkeypatch):
    """Rows of the full table, cut out, give the full model's embeddings."""
    warnings_of = collect_warnings(monkeypatch)
    full = clip()
    path = save(full.state_dict(), tmp_path / 'full.pt')
    expected = DeCLIPTextEncoder(text_config(), path).encode(
        ['a cat', 'dog cat']
    )
    token_ids = table_for('a cat dog')
    weights = full.state_dict()
    rows = [max(i, 0) for i in token_ids]
    weights['token_embedding.weight'] = weights['token_embedding.weight'][rows]
    cfg = dict(text_config(vocab_size=len(token_ids)), token_ids=token_ids)
    small = DeCLIPTextEncoder(cfg, save(weights, tmp_path / 'small.pt'))
    torch.testing.assert_close(small.encode(['a cat', 'dog cat']), expected)
    assert not warnings_of
    small.encode(['a zebra', 'cat hydrant', 'zebra cat'])
    assert len(warnings_of) == 1
    assert "one unknown token: 'zebra', 'hydrant'." in warnings_of[0]


def test_tokenizer_positions():
    tokens = TextTokenizer(6, table_for('a cat'))(['a cat', 'a zebra', ''])
    ids = {w: open_clip.SimpleTokenizer().encode(w)[0] for w in ('a', 'cat')}
    a, cat = (2, 3) if ids['a'] < ids['cat'] else (3, 2)
    assert tokens.ids[0].tolist() == [4, a, cat, 5, 0, 0]
    assert tokens.ids[2].tolist() == [4, 5, 0, 0, 0, 0]
    assert tokens.ids[1, 1:3].tolist() == [a, 1]
    assert tokens.lengths[0] == 4
    assert tokens.unknown == ('zebra',)
    cut = TextTokenizer(4)(['one two three'])
    assert cut.overlong == (0,)
    assert cut.ids[0, -1] == END


@pytest.mark.parametrize(
    ('token_ids', 'message'),
    [
        ([0, 5, START, END], 'position 1 must hold -1'),
        ([0, -1, 7, 8], r'last two must be \[49406, 49407\]'),
        ([0, -1, 7, 7, START, END], 'must not repeat'),
        ([0, -1, 99999, START, END], r'\[0, 49408\)'),
    ],
)
def test_bad_tables(token_ids, message):
    with pytest.raises(ValueError, match=message):
        TextTokenizer(16, token_ids)


def test_table_and_vocabulary_must_agree():
    with pytest.raises(ValueError, match='5 entries, text_cfg vocab_size=6'):
        DeCLIPTextEncoder(
            dict(text_config(vocab_size=6), token_ids=[0, -1, 7, START, END])
        )


def test_alike_are_classes_with_the_same_tokens():
    tokens = TextTokenizer(5)(['cat', 'CAT', 'one two three four', 'dog',
                               'one two three five', 'cat'])  # fmt: skip
    owners = ['a', 'b', 'c', 'd', 'e', 'f']
    assert tokens_alike(owners, tokens) == [('a', 'b', 'f'), ('c', 'e')]
    # one text in common is not all
    assert tokens_alike(['a', 'b', 'c', 'b', 'd', 'd'], tokens) == []


def test_words_that_a_small_tower_lacks_are_only_warned_of(monkeypatch):
    warnings_of = collect_warnings(monkeypatch)
    token_ids = table_for('a cat dog')
    cfg = dict(text_config(vocab_size=len(token_ids)), token_ids=token_ids)
    build_class_embeddings(DeCLIPTextEncoder(cfg), ['zebra', 'bus'], 'name')
    assert any(
        "same tokens to custom, which lacks words of them: 'zebra', 'bus'"
        in line
        for line in warnings_of
    )
