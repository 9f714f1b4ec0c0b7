"""Commands of the documents that take seconds are really typed.

In the folder of tests/entrance_world.py; what a reader has to put in, and
what keeps a run short, is ``QUICK``.
"""

import shlex

import pytest
from command_lines import every_command
from entrance_table import changes, entrance

pytestmark = pytest.mark.slow
PRETUNED = 'work_dirs/pretune_dinov2/epoch_1.pth'
TINY = 'work_dirs/quickstart/declip_tiny.pth'
DETECTOR = 'f_vit/f-vit_eva02-b16_declip_ov-coco.py'
PRETUNE, REGIONS = (
    'declip/pretune_dinov2.py',
    'region_cls/declip_eva02-b16_coco-panoptic.py',
)


#: Files that a metric writes go beside the log, whatever its time.
BESIDE_LOG = [
    f'work_dirs/declip_eva02-b16_coco-panoptic/*/{name}'
    for name in ('classes.md', 'confusion.png')
]


def options(name, tool='test'):
    return ['--cfg-options', *changes(name, tool)]


#: Where it stands -> default_scope, needed runs, words that are put in the
#: place of others, words that are added, files that it has to write.
QUICK = {
    'README.md: export_backbone.py': (
        *('mmengine', [f'train {PRETUNE}']),
        {'work_dirs/pretune_dinov2/epoch_6.pth': PRETUNED},
        *([], ['declip.pth']),
    ),
    'README.md: inspect_checkpoint.py': (
        *('mmengine', [f'train {PRETUNE}'], {'FILE': PRETUNED}, [], []),
    ),
    'README.md: --auto-scale-lr': (
        *('mmengine', [], {'MY_FOLDER': 'data/coco/val2017'}),
        [*changes(PRETUNE, 'train'), 'work_dir=work_dirs/own'],
        ['work_dirs/own/epoch_1.pth'],
    ),
    'README.md: --resume': (
        *('mmengine', [f'train {PRETUNE}'], {}),
        [*options(PRETUNE, 'train'), 'train_cfg.max_epochs=2'],
        ['work_dirs/pretune_dinov2/epoch_2.pth'],
    ),
    'README.md: demo_seg.py': (
        *('mmseg', [f'train {PRETUNE}']),
        {'CHECKPOINT': PRETUNED, 'photos/': 'data/coco/val2017'},
        *([], ['work_dirs/demo_seg/results.json']),
    ),
    'README.md: demo_det.py': (
        *('mmdet', [f'train {DETECTOR}']),
        {
            'CONFIG': 'narrow_f_vit.py',
            'CHECKPOINT': entrance(DETECTOR).checkpoint,
            'picture.jpg': 'data/coco/val2017/000000000101.jpg',
        },
        *([], ['work_dirs/demo_det']),
    ),
    'docs/figures.md: per_class_file': (
        *('mmengine', [f'train {PRETUNE}']),
        {'work_dirs/pretune_dinov2/epoch_6.pth': PRETUNED},
        *(changes(REGIONS, 'test'), BESIDE_LOG),
    ),
    'docs/figures.md: region_sweep.py': (
        *('mmengine', [f'train {PRETUNE}']),
        {'DeCLIP=work_dirs/pretune_dinov2/epoch_6.pth': f'DeCLIP={PRETUNED}'},
        ['--sizes', '96', '112', *options(REGIONS)],
        ['work_dirs/sweep/sweep.png', 'work_dirs/sweep/sweep.md'],
    ),
    'docs/figures.md: proxy_tokens.py': (
        *('mmengine', [TINY], {}, ['--limit', '2']),
        ['work_dirs/proxy_tokens.json'],
    ),
    'docs/figures.md: class_embeddings.py': (
        *('mmengine', []),
        {
            'FILE': 'hub/models--timm--eva02_base_patch16_clip_224.'
            'merged2b_s8b_b131k/snapshots/' + '0' * 40 + '/'
            'open_clip_model.safetensors'
        },
        *([], ['OUT.npz']),
    ),
    'docs/detection.md: sweep_fusion.py dump': (
        *('mmdet', [f'train {DETECTOR}']),
        {
            'CONFIG': f'configs/{DETECTOR}',
            'CHECKPOINT': entrance(DETECTOR).checkpoint,
        },
        *(options(DETECTOR), ['scores.npz']),
    ),
    'docs/detection.md: sweep_fusion.py sweep': (
        *('mmdet', ['docs/detection.md: sweep_fusion.py dump'], {}, []),
        ['work_dirs/sweep_fusion'],
    ),
    'docs/detection.md: proposals.py': (
        *('mmdet', [f'train {DETECTOR}']),
        {
            'CONFIG': f'configs/{DETECTOR}',
            'CHECKPOINT': entrance(DETECTOR).checkpoint,
        },
        *(options(DETECTOR, 'train'), ['proposals.json']),
    ),
    'docs/pretuning.md: convert.py': (
        *('mmengine', [f'train {PRETUNE}']),
        {'IN': PRETUNED, 'OUT': 'eva.pth', 'NAME': 'eva'},
        *(['--head-dim', '12'], ['eva.pth']),
    ),
    'docs/pretuning.md: publish.py': (
        *('mmengine', [f'train {PRETUNE}']),
        *({'CHECKPOINT': PRETUNED, 'OUT': 'published.pth'}, [], []),
    ),
    'docs/miniature.md: cache_teachers.py': (
        *('mmengine', []),
        {
            'CONFIG': 'configs/miniature/pretune.py',
            '--crops FILE': '--crops crops.npy',
            '--vfm FILE': '--vfm vfm.npy',
            'cuda': 'cpu',
        },
        options('miniature/pretune.py', 'train'),
        ['crops.npy', 'vfm.npy'],
    ),
    'docs/pretuning.md: --drawn': (
        *('mmengine', []),
        {
            'configs/declip/pretune_dinov2.py': 'configs/miniature/pretune.py',
            'data/crops.npy': 'drawn.npy',
            'data/vfm.npy': 'components.npy',
            '--components 64': '--components 4',
            '--device cuda --processes 8': '--processes 2',
        },
        options('miniature/pretune.py', 'train'),
        ['drawn.keys.npy', 'components.moved.npy', 'cached.py'],
    ),
    'docs/segmentation.md: clearclip_openai-b16.py': (
        *('mmseg', ['OVCOCOObjectDataset'], {}),
        [
            *('--limit', '1', '--out', 'benchmarks.json'),
            *options('dense_seg/methods/clearclip_openai-b16.py'),
        ],
        ['benchmarks.json'],
    ),
}


def line(key):
    """The one command of a document that has the words of a key."""
    source, words = key.split(': ')
    found = [
        c
        for c in every_command()
        if c.source.startswith(source) and words in ' '.join(c.words)
    ]
    assert len(found) == 1, (key, [str(c) for c in found])
    return shlex.join(found[0].words[1:])


def typed(key):
    """Words as typed: the document's, those put in, those added."""
    _, _, instead, more, _ = QUICK[key]
    text = line(key)
    for word, own in instead.items():
        assert word in text, (word, text)
        text = text.replace(word, own)
    return [*shlex.split(text), *more]


@pytest.fixture(scope='module')
def quick(entrances):
    """Runs a command of ``QUICK`` once, after what it needs."""
    done = {}

    def run(key):
        if key in done:
            return done[key]
        scope, needs, *_ = QUICK[key]
        for need in needs:
            found = (
                run(need) if need in QUICK else entrances.ask(need).result()
            )
            assert not found.problem, found.problem
        if 'demo_det' in key:  # it takes no --cfg-options: a file has them
            save = ['--save-path', 'narrow_f_vit.py']
            found = entrances.desk.run(
                'mmengine',
                *('tools/misc/print_config.py', f'configs/{DETECTOR}'),
                *(*save, *options(DETECTOR)),
            )
            assert not found.problem, found.problem
        if 'class_embeddings' in key:
            (entrances.desk.root / 'names.txt').write_text('cat\nred car\n')
        done[key] = entrances.desk.run(scope, *typed(key))
        return done[key]

    return run


@pytest.mark.parametrize('key', QUICK)
def test_runs(quick, entrances, key):
    found = quick(key)
    assert not found.problem, f'{found.problem}\n{found.log[-5000:]}'
    for path in QUICK[key][-1]:
        made = list(entrances.desk.root.glob(path))
        assert made, sorted(p.name for p in entrances.desk.root.iterdir())
        assert all(not p.is_dir() or any(p.iterdir()) for p in made)
