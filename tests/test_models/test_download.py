"""Published files: from the cache, from a hub, or one clear sentence."""

import logging
import re
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from stand_in_hub import nobody, point_at, silent_host, stand_in_hub

from declip_mm.apis.fetching import fetch_weights
from declip_mm.models import download
from declip_mm.models.download import (
    DownloadError,
    fetch_from_hub,
    fetch_tag,
    fetch_url,
    list_hub,
)
from declip_mm.models.vfm import fetch_published

TAG = dict(hf_hub='someone/clip/')
SAFE, BIN = 'open_clip_model.safetensors', 'open_clip_pytorch_model.bin'


def test_a_tag_and_its_cache(tmp_path, monkeypatch):
    with stand_in_hub({SAFE: b'weights'}) as hub:
        point_at(monkeypatch, hub.address, tmp_path)
        path = fetch_tag(TAG, 'ViT-B-16')
        assert Path(path).read_bytes() == b'weights'
        hub.asked.clear()
        assert fetch_tag(TAG, 'ViT-B-16') == path
        assert hub.asked == []  # what is here is taken without asking
    assert fetch_tag(TAG, 'ViT-B-16') == path  # ... and without a hub


def test_the_second_name(tmp_path, monkeypatch):
    with stand_in_hub({BIN: b'older'}) as hub:
        point_at(monkeypatch, hub.address, tmp_path)
        assert fetch_tag(TAG, 'ViT-B-16').endswith(BIN)


def test_one_named_file(tmp_path, monkeypatch):
    with stand_in_hub({'b16.pt': b'named'}) as hub:
        point_at(monkeypatch, hub.address, tmp_path)
        path = fetch_tag(dict(hf_hub='someone/clip/b16.pt'), 'ViT-B-16')
        assert path.endswith('b16.pt')


REFUSALS = dict(
    gone=(dict(), 'the host answers 404: it has no such file'),
    private=(dict(status=401), '401: there is no such repository, or it wan'),
    gated=(dict(status=403, code='GatedRepo'), '403: its owner wants terms'),
    broken=(dict(status=500), 'the host answers 500'),
)


@pytest.mark.parametrize('kind', REFUSALS)
def test_a_hub_that_refuses(kind, tmp_path, monkeypatch):
    options, said = REFUSALS[kind]
    with stand_in_hub(**options) as hub:
        point_at(monkeypatch, hub.address, tmp_path)
        with pytest.raises(DownloadError) as error:
            fetch_tag(TAG, 'DeCLIPViT(ViT-B-16, openai)')
    text = str(error.value)
    assert text.startswith(
        f'DeCLIPViT(ViT-B-16, openai) wants {SAFE} or {BIN} of someone/clip, '
        f'which is not here and could not be fetched from {hub.address}: '
    )
    assert said in text
    for remedy in ('path of the file', str(tmp_path), 'HF_ENDPOINT'):
        assert remedy in text
    assert '\n' not in text


def test_nobody_there(tmp_path, monkeypatch):
    point_at(monkeypatch, nobody(), tmp_path)
    with pytest.raises(DownloadError, match='reached .Connection refused.'):
        fetch_tag(TAG, 'ViT-B-16')


def test_a_host_that_never_answers(tmp_path, monkeypatch):
    monkeypatch.setattr(download, 'PATIENCE', 0.2)
    with silent_host() as address:
        point_at(monkeypatch, address, tmp_path)
        with pytest.raises(DownloadError) as error:
            fetch_tag(TAG, 'ViT-B-16')
    assert 'no answer within 0.2 seconds (HF_HUB_ETAG_TIMEOUT=30' in str(
        error.value
    )


def test_a_name_that_is_looked_up_for_ever(tmp_path, monkeypatch):
    """The look-up of a host's name has no time limit of its own."""
    monkeypatch.setattr(download, 'PATIENCE', 0.2)
    monkeypatch.setattr(download, '_ask', lambda *_: time.sleep(9))
    point_at(monkeypatch, nobody(), tmp_path)
    with pytest.raises(DownloadError, match='no answer within 0.2 seconds'):
        fetch_tag(TAG, 'ViT-B-16')


def test_patience_is_the_users(monkeypatch):
    monkeypatch.setenv('HF_HUB_ETAG_TIMEOUT', '7')
    assert download._patience() == 7


def test_half_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(time, 'sleep', lambda _: None)
    with stand_in_hub({SAFE: b'x' * 999}, half=True) as hub:
        point_at(monkeypatch, hub.address, tmp_path)
        with pytest.raises(DownloadError) as error:
            fetch_tag(TAG, 'ViT-B-16')
    assert 'the transfer broke off' in str(error.value)
    assert not [p for p in tmp_path.rglob(SAFE) if p.is_file()]


def test_a_transfer_that_breaks_off_again_and_again(tmp_path, monkeypatch):
    """Newer hub libraries begin anew for ever, and log a line each time."""
    log = logging.getLogger('huggingface_hub.file_download')

    def transfer(*_, **__):
        while True:
            log.warning(
                'Error while downloading\nTrying to resume download...'
            )

    monkeypatch.setattr('huggingface_hub.hf_hub_download', transfer)
    with stand_in_hub({SAFE: b'x'}) as hub:
        point_at(monkeypatch, hub.address, tmp_path)
        with pytest.raises(DownloadError) as error:
            fetch_tag(TAG, 'ViT-B-16')
    assert f'broke off {download.BREAKS} times' in str(error.value)
    assert log.filters == []


def test_offline_mode(tmp_path, monkeypatch):
    monkeypatch.setattr('huggingface_hub.constants.HF_HUB_OFFLINE', True)
    point_at(monkeypatch, nobody(), tmp_path)
    with pytest.raises(DownloadError, match='HF_HUB_OFFLINE is set'):
        fetch_from_hub('someone/clip', ['a.bin'], 'somebody')


def test_the_list_of_a_repository(tmp_path, monkeypatch):
    listing = b'{"id": "a/b", "siblings": [{"rfilename": "x.pth"}]}'
    with stand_in_hub({'b': listing}) as hub:
        point_at(monkeypatch, hub.address, tmp_path)
        assert list_hub('a/b', 'somebody') == ['x.pth']
    with pytest.raises(DownloadError, match='the file list of a/b'):
        list_hub('a/b', 'somebody')


def test_an_address(tmp_path):
    with stand_in_hub({'a.pth': b'content'}) as hub:
        url = f'{hub.address}/some/a.pth'
        path = fetch_url(url, 'somebody', str(tmp_path))
        assert Path(path).read_bytes() == b'content'
    assert fetch_url(url, 'somebody', str(tmp_path)) == path
    with pytest.raises(DownloadError, match='b.pth.*Connection refused'):
        fetch_url(f'{hub.address}/b.pth', 'somebody', str(tmp_path))


@pytest.mark.parametrize('options', [dict(half=True), dict(status=404)])
def test_an_address_that_fails(options, tmp_path):
    with stand_in_hub({'a.pth': b'x' * 999}, **options) as hub:
        url = f'{hub.address}/a.pth'
        with pytest.raises(DownloadError, match='broke off|answers 404'):
            fetch_url(url, 'somebody', str(tmp_path))
    assert list(tmp_path.iterdir()) == []  # nothing half is left


def test_timm_takes_what_was_fetched(tmp_path, monkeypatch):
    from safetensors.torch import save
    from tiny import vfm_cfg

    from declip_mm.models.teachers import VFMTeacher

    cfg = vfm_cfg(pretrained=True)
    del cfg['type']
    cfg['model'] = 'vit_small_patch16_224.dino'
    torch.manual_seed(0)
    source = VFMTeacher(**dict(cfg, pretrained=None)).trunk.state_dict()
    with stand_in_hub({'model.safetensors': save(source)}) as hub:
        point_at(monkeypatch, hub.address, tmp_path)
        teacher = VFMTeacher(**cfg)
        teacher.init_weights()
    for name, value in teacher.trunk.state_dict().items():
        assert torch.equal(value, source[name]), name
    point_at(monkeypatch, nobody(), tmp_path / 'empty')
    with pytest.raises(DownloadError, match=r'VFMTeacher\(vit_small'):
        VFMTeacher(**cfg).init_weights()


def test_mmpretrain_comes_through_here(tmp_path, monkeypatch):
    package = pytest.importorskip('mmpretrain')
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    name = 'resnet18_8xb32_in1k'
    with stand_in_hub(status=404) as hub:
        known = SimpleNamespace(weights=f'{hub.address}/resnet18.pth')
        monkeypatch.setattr(package.ModelHub, 'get', lambda name: known)
        with pytest.raises(DownloadError) as error:
            fetch_published(f'mmpretrain:{name}')
    assert f'VFMTeacher(mmpretrain:{name}) wants resnet18.pth' in str(
        error.value
    )
    known.weights = None
    with pytest.raises(ValueError, match='no published weights'):
        fetch_published(f'mmpretrain:{name}')


def test_a_run_asks_for_what_it_needs(monkeypatch):
    """A checkpoint brings what trains, the text tower comes from its tag."""
    asked = []
    monkeypatch.setattr(
        'declip_mm.apis.fetching.fetch_tag',
        lambda _, who: asked.append(who),
    )
    eva = dict(model='EVA02-B-16', pretrained='merged2b_s8b_b131k')
    model = dict(
        backbone=dict(type='declip_mm.DeCLIPViT', **eva),
        neck=[dict(type='DeCLIPViT', model='EVA02-B-16', pretrained='a/b.pt')],
        predictor=dict(text_encoder=dict(type='DeCLIPTextEncoder', **eva)),
    )
    told = '(EVA02-B-16, merged2b_s8b_b131k)'
    fetch_weights(model)
    assert asked == [f'DeCLIPViT{told}', f'DeCLIPTextEncoder{told}']
    asked.clear()
    fetch_weights(model, filled=True)
    assert asked == [f'DeCLIPTextEncoder{told}']


def test_the_cache_is_read_where_fetching_is_forbidden(tmp_path, monkeypatch):
    with stand_in_hub({SAFE: b'weights'}) as hub:
        point_at(monkeypatch, hub.address, tmp_path)
        path = fetch_tag(TAG, 'ViT-B-16')
        hub.asked.clear()
        monkeypatch.setenv(download.SWITCH, '0')
        assert fetch_tag(TAG, 'ViT-B-16') == path
        with pytest.raises(DownloadError, match='DECLIP_DOWNLOAD=0 forbids'):
            fetch_from_hub('someone/clip', ['other.bin'], 'ViT-B-16')
        assert hub.asked == []
        monkeypatch.setenv(download.SWITCH, '1')
        with pytest.raises(DownloadError, match='answers 404'):
            fetch_from_hub('someone/clip', ['other.bin'], 'ViT-B-16')
        assert hub.asked


@pytest.mark.parametrize('old', [True, False])
def test_the_former_option_of_one_part_is_read_no_more(old, said):
    from declip_mm.models.text import DeCLIPTextEncoder

    encoder = DeCLIPTextEncoder('ViT-B-16', 'openai', allow_download=old)
    assert encoder.tag
    assert f'allow_download={old} is read no more' in said[0]
    assert 'DECLIP_DOWNLOAD=0' in said[0]


def test_nothing_else_in_the_package_downloads_weights(repo_root):
    found = [
        path.name
        for path in (repo_root / 'declip_mm').rglob('*.py')
        if re.search(
            'hf_hub_download|download_pretrained|urlopen|from_url|url_to_file',
            path.read_text('utf-8'),
        )
    ]
    assert found == ['download.py']


def test_a_text_tower_beside_a_file_of_embeddings_is_not_fetched():
    from declip_mm.apis.fetching import fetch_weights

    tag = dict(model='ViT-B-16', pretrained='openai')
    encoder = dict(type='DeCLIPTextEncoder', **tag)
    predictor = dict(type='OpenVocabPredictor', text_encoder=encoder)
    assert fetch_weights(dict(predictor, embeddings='rows.npz')) == []
