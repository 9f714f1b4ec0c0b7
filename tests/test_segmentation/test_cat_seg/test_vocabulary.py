"""Classes, texts, templates; what is cached and when it is dropped."""

import pytest
import torch
from bad_input import logged
from tiny_cat_seg import samples, segmentor

IMAGE = torch.zeros(1, 3, 64, 64)


def count_calls(model):
    calls, embed = [], model.text_encoder.forward
    model.text_encoder.forward = lambda t: calls.append(t) or embed(t)
    return calls


def test_the_first_word_of_a_name_is_asked():
    model = segmentor(names=['bag, purse', 'sky'])
    assert model.vocabulary.queries == ('bag', 'sky')
    assert model.vocabulary.classes == ('bag, purse', 'sky')
    calls = count_calls(model)
    model.text_embeddings()
    assert calls[0] == (
        'A photo of a bag in the scene',
        'A photo of a sky in the scene',
    )


def test_equal_first_words_are_warned_of():
    with logged() as lines:
        segmentor(names=['pot, saucepan', 'pot, flowerpot', 'sky'])
    assert "['pot, saucepan', 'pot, flowerpot']" in lines[0]


@pytest.mark.parametrize('prompts', ['no brace', 'vild'])
def test_prompts_that_do_not_fit(prompts):
    model = segmentor(names=None)
    with pytest.raises(ValueError, match='with one {} each'):
        model.set_vocabulary(['a'], prompts=prompts)
    assert model.vocabulary is None
    with pytest.raises(ValueError, match='with one {} each'):
        segmentor(templates=prompts)


def test_averaging_is_the_unit_mean_of_all_prompts():
    model = segmentor(names=None)
    model.set_vocabulary(
        ['cat, puss'], synonyms='average', templates=['{}', 'one {}']
    )
    found = model.text_embeddings()
    rows = model.text_encoder(['cat', 'one cat', 'puss', 'one puss'])
    wanted = torch.nn.functional.normalize(rows.mean(dim=0), dim=-1)
    assert torch.allclose(found[0, 0], wanted, atol=1e-6)


def test_no_vocabulary_is_an_error():
    with pytest.raises(ValueError, match='set_vocabulary'):
        segmentor(names=None)(IMAGE)


def test_vocabulary_changes_after_build_and_after_load(tmp_path):
    model = segmentor(names=['cat'])
    assert model(IMAGE).shape[1] == 1
    torch.save(model.state_dict(), tmp_path / 'w.pth')
    model.set_vocabulary(['cat', 'dog'], palette=[(1, 2, 3), (4, 5, 6)])
    assert model.dataset_meta == dict(
        classes=['cat', 'dog'], palette=[[1, 2, 3], [4, 5, 6]]
    )
    before = model(IMAGE)
    model.load_state_dict(torch.load(tmp_path / 'w.pth'))
    assert torch.allclose(model(IMAGE), before, atol=1e-6)
    model.set_vocabulary(['dog', 'cat', 'sea'])
    assert len({*map(tuple, model.dataset_meta['palette'])}) == 3
    after = model(IMAGE)
    assert after.shape[1] == 3
    wanted = segmentor(names=['dog', 'cat', 'sea'])(IMAGE)
    assert torch.allclose(after, wanted, atol=1e-6)
    with pytest.raises(ValueError, match='has 1 colours for 2'):
        model.set_vocabulary(['a', 'b'], palette=[(0, 0, 0)])


def test_lists_alternate_between_train_and_eval():
    """Token and embedding caches of one list never serve another."""
    model = segmentor(names=['cat', 'dog'])
    for names in (['sea'], ['cat', 'dog'], ['sea', 'sky', 'sun']):
        model.train()
        model.set_vocabulary(names)
        data = samples(classes=len(names))
        model(torch.randn(2, 3, 64, 64), data, mode='loss')
        model.eval()
        model.set_vocabulary(['tree', *names])
        assert model(IMAGE).shape[1] == len(names) + 1
        prompts = [
            f'A photo of a {text} in the scene'
            for text in model.vocabulary.queries
        ]
        fresh = model.text_encoder(prompts)
        assert torch.equal(model.text_embeddings()[:, 0], fresh)


@pytest.mark.parametrize('how', ['optimizer', 'data', 'load', 'train'])
def test_no_stale_embedding_survives(how):
    model = segmentor()
    calls = count_calls(model)
    old = model.text_embeddings().clone()
    model.text_embeddings()
    assert len(calls) == 1
    weight = next(
        p for p in model.text_encoder.parameters() if p.requires_grad
    )
    if how == 'optimizer':
        weight.grad = torch.randn_like(weight)
        torch.optim.AdamW([weight], lr=1e-5).step()
    elif how == 'data':  # as weight averaging writes; no version counter moves
        weight.data.copy_(weight.data + 1e-4 * torch.randn_like(weight))
    elif how == 'load':
        state = model.state_dict()
        name = next(k for k, p in model.named_parameters() if p is weight)
        model.load_state_dict({**state, name: state[name] * 1.01})
    else:
        model.train()
        model.eval()
    new = model.text_embeddings()
    assert len(calls) == 2
    assert torch.equal(old, new) == (how == 'train')


def test_a_tower_that_is_wrapped_later_is_the_one_that_embeds():
    """FSDP puts a wrapper in its place, without which it has no weights."""
    model = segmentor()
    before = model.text_embeddings()
    model.text_encoder = segmentor().text_encoder
    model.forget_texts()
    calls = count_calls(model)
    assert torch.equal(model.text_embeddings(), before) and len(calls) == 1


def test_training_embeds_anew_with_gradient():
    model = segmentor().train()
    calls = count_calls(model)
    for _ in range(2):
        assert model.text_embeddings().requires_grad
    assert len(calls) == 2
    model.eval()
    assert not model.text_embeddings().requires_grad


def test_long_names_are_cut_with_a_warning(monkeypatch):
    model = segmentor(names=['cat ' * 30, 'dog'])
    found = []
    (source,) = model.text_encoder._source
    monkeypatch.setattr(source, 'warn_overlong', lambda x, w: found.append(x))
    model(IMAGE)
    model(IMAGE)
    assert len(found) == 1 and found[0][0].startswith('A photo of a cat cat')
