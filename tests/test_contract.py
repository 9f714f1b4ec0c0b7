"""No consumer of a backbone runs with the wrong weights in silence.

Every consumer meets everything that may silently be wrong with its weights.
Each combination that exists is refused, naming both sides and what to do.
``pytest tests/test_contract.py --co -q`` lists the cases,
``python tests/test_contract.py`` prints the table with what cannot exist.
"""

import pytest
import torch
from consumers import (
    CONSUMERS,
    NAMES,
    Asked,
    Detector,
    backbone,
    checkpoint_of,
    text,
)
from mmengine.registry import MODELS, DefaultScope
from tiny import tiny_openai

from declip_mm.checkpoint import save_weights
from declip_mm.models.text import build_class_embeddings

OTHER_ORDER = ['dog', 'cat', 'red car']
PIXELS = dict(mean=[1.0, 2.0, 3.0], std=[4.0, 5.0, 6.0])


def donor(kind, folder, **tower):
    path = folder / f'{kind}.pth'
    written = checkpoint_of(CONSUMERS[kind], Asked(tower=tower), path)
    DefaultScope._instance_dict.clear()  # that of the donor's toolbox
    return written


def whose(name):
    """Whose checkpoints a consumer takes."""
    same = dict(
        region_classification='distiller',
        dense_segmentor='distiller',
        seg_inferencer='distiller',
        dense_encoder='distiller',
        det_inferencer='f_vit',
    )
    return same.get(name, name)


# -- what may be wrong: act, and what its message has to say ---------------


def text_tower(name, folder):
    asked = Asked(words=dict(model=tiny_openai()), folder=folder)
    CONSUMERS[name].build(asked)


def encoder(seed):
    torch.manual_seed(seed)
    built = MODELS.build(text())
    assert built.tower is not None  # filled now, by this seed
    return built


def class_embeddings(name, folder):
    """The backbone's file says which tower it was measured with."""
    right, wrong = encoder(1), encoder(2)
    found = build_class_embeddings(
        wrong, NAMES, 'name', background='background'
    )
    found.save(folder / 'classes.npz')
    path = folder / 'backbone.pth'
    model = MODELS.build(backbone())
    weights = {f'backbone.{k}': v for k, v in model.state_dict().items()}
    tower = dict(text_tower=right.fingerprint)
    save_weights(weights, path, dict(model.fingerprint, **tower))
    asked = Asked(
        tower=dict(pretrained=str(path)),
        embeddings=str(folder / 'classes.npz'),
        folder=folder,
    )
    if name != 'det_inferencer':
        CONSUMERS[name].build(asked)
        return
    whole = checkpoint_of(
        Detector(), Asked(), folder / 'detector.pth', **tower
    )
    asked.backbone['pretrained'] = None
    CONSUMERS[name].build(asked, whole)


def pixels(name, folder):
    CONSUMERS[name].build(Asked(pixels=PIXELS, folder=folder))


def channels(name, folder):
    CONSUMERS[name].build(Asked(pixels=dict(bgr_to_rgb=False), folder=folder))


def affinity(name, folder):
    path = donor(whose(name), folder, affinity='csa')
    CONSUMERS[name].load(path, folder)


def scale(name, folder):
    path = donor(whose(name), folder, scale=2.5)
    CONSUMERS[name].load(path, folder)


def activation_of_towers(name, folder):
    asked = Asked(
        tiny_openai(),
        tower=dict(quick_gelu=True),
        words=dict(quick_gelu=False),
        folder=folder,
    )
    CONSUMERS[name].build(asked)


def activation_of_file(name, folder):
    """OpenAI's layout, and a config that says GELU."""
    import open_clip

    clip = open_clip.model.CLIP(**tiny_openai(), quick_gelu=True)
    sizes = dict(input_resolution=64, context_length=16, vocab_size=49408)
    stated = {k: torch.tensor(v) for k, v in sizes.items()}
    path = str(folder / 'openai.pt')
    torch.save({**clip.state_dict(), **stated}, path)
    tower = dict(pretrained=path, quick_gelu=False, affinity='vanilla')
    CONSUMERS[name].build(Asked(tiny_openai(), tower=tower, folder=folder))


def names(name, folder):
    CONSUMERS[name].name(NAMES, OTHER_ORDER)


def checkpoint(kind):
    def act(name, folder):
        CONSUMERS[name].load(donor(kind, folder), folder)

    return act


#: Wrong -> act, got, expected, remedy.
WRONGS = dict(
    text_tower=(text_tower, 'width 24', 'eva02_base', 'give text_encoder'),
    class_embeddings=(class_embeddings, '', '', 'embeddings'),
    pixels=(pixels, '[1.0, 2.0, 3.0]', '[122.77', 'foreign_pixels'),
    channels=(channels, 'bgr_to_rgb=False', 'RGB', 'foreign_pixels'),
    affinity=(affinity, "'csa'", "'qq'", 'Change the config'),
    scale=(scale, '2.5', '0.28', 'Change the config'),
    activation_of_towers=(
        activation_of_towers, 'gelu', 'quick_gelu', 'set quick_gelu of both',
    ),
    activation_of_file=(
        activation_of_file, 'openai.pt wants quick_gelu', 'says gelu',
        'leave quick_gelu out',
    ),
    names=(names, 'cat', 'dog', 'out'),
    checkpoint_of_cat_seg=(
        checkpoint('cat_seg'), 'a CAT-Seg segmentor', None, 'ive the',
    ),
    checkpoint_of_f_vit=(
        checkpoint('f_vit'), 'an F-ViT detector', None, 'ive the',
    ),
    checkpoint_of_ov_dquo=(
        checkpoint('ov_dquo'), 'an OV-DQUO detector', None, 'ive the',
    ),
    checkpoint_of_backbone=(
        checkpoint('distiller'), 'a pre-finetuned backbone', None, 'ive the',
    ),
)  # fmt: skip

_VERIFIED = 'takes no file of embeddings; its cache is verified on reading'
_OWN = 'this is what it takes'
_ORDERED = 'labels are positions in the names given; there is no data set'
#: (consumer, wrong) that cannot exist, and why.
ABSENT = {
    ('cat_seg', 'class_embeddings'): _VERIFIED,
    ('dense_encoder', 'class_embeddings'): 'takes no file of embeddings',
    ('dense_encoder', 'pixels'): 'normalises as the backbone wants',
    **{
        (name, 'channels'): 'our own reader gives RGB; there is no option'
        for name in ('distiller', 'region_classification', 'dense_encoder')
    },
    **{
        (name, 'names'): _ORDERED
        for name in ('seg_inferencer', 'det_inferencer', 'dense_encoder')
    },
    ('cat_seg', 'checkpoint_of_cat_seg'): _OWN,
    ('f_vit', 'checkpoint_of_f_vit'): _OWN,
    ('ov_dquo', 'checkpoint_of_ov_dquo'): _OWN,
    ('det_inferencer', 'checkpoint_of_f_vit'): _OWN,
    **{
        (name, 'checkpoint_of_backbone'): _OWN
        for name in CONSUMERS
        if whose(name) == 'distiller'
    },
}
CASES = [
    pytest.param(name, wrong, id=f'{name}-{wrong}')
    for name in CONSUMERS
    for wrong in WRONGS
    if (name, wrong) not in ABSENT
]


@pytest.fixture(autouse=True)
def _no_scope():
    DefaultScope._instance_dict.clear()


@pytest.mark.parametrize(('name', 'wrong'), CASES)
def test_refused(name, wrong, tmp_path):
    act, got, expected, remedy = WRONGS[wrong]
    if expected is None:
        expected = CONSUMERS[name].own
    with pytest.raises(ValueError) as error:
        act(name, tmp_path)
    for part in (got, expected, remedy):
        assert part in str(error.value), part


@pytest.mark.parametrize('name', CONSUMERS)
def test_what_fits_is_taken(name, tmp_path):
    """Else everything above would be refused for another reason."""
    CONSUMERS[name].build(Asked(folder=tmp_path))
    CONSUMERS[name].load(donor(whose(name), tmp_path), tmp_path)


@pytest.mark.parametrize(
    'name', [n for n in CONSUMERS if (n, 'pixels') not in ABSENT]
)
def test_foreign_pixels_may_be_declared(name, tmp_path):
    declared = dict(PIXELS, foreign_pixels='to see what it costs')
    CONSUMERS[name].build(Asked(pixels=declared, folder=tmp_path))


def table():
    """The contract as lines of text."""
    wide = max(map(len, WRONGS))
    for name in CONSUMERS:
        yield f'{name}: {type(CONSUMERS[name]).__doc__}'
        for wrong in WRONGS:
            key = (name, wrong)
            said = f'cannot be: {ABSENT[key]}' if key in ABSENT else 'refused'
            yield f'  {wrong:{wide}}  {said}'


def test_the_table_has_every_pair():
    lines = list(table())
    assert len(lines) == len(CONSUMERS) * (len(WRONGS) + 1)
    assert set(ABSENT) <= {
        (name, wrong) for name in CONSUMERS for wrong in WRONGS
    }


if __name__ == '__main__':
    print('\n'.join(table()))
