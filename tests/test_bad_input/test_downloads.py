"""Published files that a host does not give."""

import json

import pytest
from bad_input import Case, check
from stand_in_hub import nobody, point_at, silent_host, stand_in_hub

from declip_mm.apis.fetching import fetch_weights
from declip_mm.models import DeCLIPViT, download
from declip_mm.models.text import DeCLIPTextEncoder

EVA = dict(model='EVA02-B-16', pretrained='merged2b_s8b_b131k')
SAFE = 'open_clip_model.safetensors'


def hub(act, **options):
    """Against a hub with these files, this status, this fault."""

    def at(folder):
        with stand_in_hub(**options) as server, patched() as patch:
            point_at(patch, server.address, folder)
            return act()

    return at


def patched():
    """Faster than a user's patience and the library's pauses."""
    context = pytest.MonkeyPatch.context()

    class Both:
        def __enter__(self):
            patch = context.__enter__()
            patch.setattr(download, 'PATIENCE', 0.5)
            patch.setattr('time.sleep', lambda seconds: None)
            return patch

        def __exit__(self, *error):
            return context.__exit__(*error)

    return Both()


def unreachable(act):
    def at(folder):
        with patched() as patch:
            point_at(patch, nobody(), folder)
            return act()

    return at


def silent(act):
    def at(folder):
        with silent_host() as address, patched() as patch:
            point_at(patch, address, folder)
            return act()

    return at


def offline(act):
    def at(folder):
        with patched() as patch:
            point_at(patch, nobody(), folder)
            patch.setattr('huggingface_hub.constants.HF_HUB_OFFLINE', True)
            return act()

    return at


def forbidden(act):
    """The one switch is off."""

    def at(folder):
        with stand_in_hub({SAFE: b'x'}) as server, patched() as patch:
            point_at(patch, server.address, folder)
            patch.setenv(download.SWITCH, '0')
            try:
                return act()
            finally:
                assert server.asked == []

    return at


def tag():
    return download.fetch_tag(
        dict(hf_hub='timm/eva/'), 'DeCLIPViT(EVA02-B-16)'
    )


def text_tower():
    encoder = DeCLIPTextEncoder(**EVA)
    return encoder.encode(['cat'])


def run_of(**part):
    """What a run looks for before it starts."""
    return lambda: fetch_weights(dict(type='Model', inner=[part]))


def repository():
    return DeCLIPViT.from_pretrained('someone/declip')


LISTING = json.dumps(
    dict(id='a', siblings=[dict(rfilename=n) for n in ('a.pth', 'b.pth')])
).encode()
FETCH = 'give the path of the file'


def teacher():
    from declip_mm.models import VFMTeacher

    model = 'vit_small_patch16_224.dino'
    return VFMTeacher(model, pretrained=True).init_weights()


def switched(said):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(download.SWITCH, said)
        return tag()


#: Towers and teachers, which have one rule.
FORBIDDEN = {
    'image tower': lambda: DeCLIPViT(**EVA).init_weights(),
    'text tower': text_tower,
    'teacher': teacher,
    'repository': repository,
    'before a run': run_of(type='DeCLIPTextEncoder', **EVA),
    'an address': lambda: download.fetch_url('https://a.invalid/b', 'me'),
}

ROWS = [
    ('nobody answers', unreachable(tag), 'Connection refused', FETCH),
    ('silence', silent(tag), 'no answer within 0.5', 'HF_HUB_ETAG_TIMEOUT'),
    ('no such file', hub(tag), 'answers 404', FETCH),
    ('no such repository', hub(tag, status=401), 'answers 401', 'HF_TOKEN'),
    ('terms to accept', hub(tag, status=403, code='GatedRepo'), 'terms',
     'HF_TOKEN'),
    ('hub is down', hub(tag, status=503), 'answers 503', FETCH),
    ('half a file', hub(tag, files={SAFE: b'x' * 99}, half=True),
     'broke off', FETCH),
    ('offline mode', offline(tag), 'HF_HUB_OFFLINE is set', 'HF_HOME'),
    *((f'forbidden: {name}', forbidden(act), 'DECLIP_DOWNLOAD=0 forbids it',
       FETCH) for name, act in FORBIDDEN.items()),
    ('a switch that says neither', hub(lambda: switched('off')),
     "DECLIP_DOWNLOAD='off'", 'allowed are 0'),
    ('text tower', unreachable(text_tower), 'DeCLIPTextEncoder(EVA02-B-16',
     FETCH),
    ('a teacher of timm', unreachable(lambda: download.fetch_from_hub(
     'timm/resnet18.a1_in1k', ['model.safetensors'], 'VFMTeacher(resnet18)')),
     'VFMTeacher(resnet18)', FETCH),
    ('before a run: backbone', unreachable(run_of(type='DeCLIPViT', **EVA)),
     'DeCLIPViT(EVA02-B-16, merged2b', FETCH),
    ('before a run: text tower', unreachable(run_of(type='DeCLIPTextEncoder',
     **EVA)), 'DeCLIPTextEncoder(EVA02-B-16', FETCH),
    ('before a run: teacher', unreachable(run_of(type='VFMTeacher',
     model='vit_base_patch14_dinov2', pretrained=True)),
     'vit_base_patch14_dinov2.lvd142m', FETCH),
    ('before a run: no such tag', unreachable(run_of(type='DeCLIPViT',
     model='ViT-B-16', pretrained='opanai')), "'opanai'", 'Tags: openai'),
    ('a repository', unreachable(repository), 'list of someone/declip',
     FETCH),
    ('several files in a repository', hub(repository, files=dict(
     declip=LISTING)), 'a.pth, b.pth', 'Give filename'),
]  # fmt: skip

CASES = [Case(*row) for row in ROWS]


@pytest.mark.parametrize('case', CASES, ids=[c.name for c in CASES])
def test_download(case, tmp_path):
    check(case, tmp_path)
