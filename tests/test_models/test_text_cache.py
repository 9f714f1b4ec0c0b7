"""Class embeddings that are kept between runs."""

import torch
from tiny_text import clip, collect_warnings, save, text_config

from declip_mm.models.text import DeCLIPTextEncoder, cached_class_embeddings
from declip_mm.models.text import build as build_module

NAMES = ['dog', 'traffic_light', 'couch']


def test_cache(tmp_path_factory, tmp_path, monkeypatch):
    warnings_of = collect_warnings(monkeypatch)
    folder = tmp_path_factory.mktemp('weights')
    weights = [save(clip(s).state_dict(), folder / f'{s}.pt') for s in (0, 1)]
    builds = []
    real = build_module.build_class_embeddings

    def counting(*args):
        builds.append(args)
        return real(*args)

    monkeypatch.setattr(build_module, 'build_class_embeddings', counting)

    def cached(names=NAMES, weights=weights[0], prompts='simple', **kwargs):
        encoder = DeCLIPTextEncoder(text_config(), weights)
        return cached_class_embeddings(
            encoder, names, prompts, cache_dir=tmp_path, **kwargs
        )

    first = cached()
    assert torch.equal(cached().matrix, first.matrix)
    assert len(builds) == 1
    cached(weights=weights[1])
    cached(names=NAMES[::-1])
    cached(prompts='name')
    cached(synonyms={'dog': ['hound']})
    cached(background='sky')
    assert len(builds) == len(list(tmp_path.iterdir())) == 6
    assert not warnings_of
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:100])
    assert torch.equal(cached().matrix, first.matrix)
    assert len(builds) == 7
    assert 'Building these class embeddings anew' in warnings_of[0]
    assert torch.equal(cached().matrix, first.matrix)
    assert len(builds) == 7


def test_a_folder_that_cannot_be_written_is_warned_of(tmp_path, monkeypatch):
    warnings_of = collect_warnings(monkeypatch)
    weights = save(clip(0).state_dict(), tmp_path / 'w.pt')
    encoder = DeCLIPTextEncoder(text_config(), weights)
    (tmp_path / 'file').touch()
    folder = tmp_path / 'file' / 'cache'  # below a file, also for root
    found = cached_class_embeddings(encoder, NAMES, 'name', cache_dir=folder)
    assert list(found.names) == NAMES
    assert len(warnings_of) == 1
    assert str(folder) in warnings_of[0] and 'cache_dir' in warnings_of[0]
