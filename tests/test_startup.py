"""Nothing heavy is imported before it is needed, and every name is known."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import mmengine.registry.root as roots
import pytest
from tool_modules import TOOLS, load_tool

from declip_mm.registration import NAMES, import_classes

ROOT = TOOLS.parent
#: Parts that ``import declip_mm`` speaks for.
CORE = ('datasets', 'deprecation', 'engine', 'evaluation', 'models')


def text(path: Path) -> str:
    return path.read_text('utf-8')


def imported(*arguments: str) -> set[str]:
    """Top-level packages that a command has imported when it ends."""
    done = subprocess.run(
        [sys.executable, '-X', 'importtime', *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [line for line in done.stderr.splitlines() if '|' in line]
    return {line.rpartition('|')[2].strip().split('.')[0] for line in lines}


HEAVY = {
    'matplotlib',
    'mmcv',
    'mmengine',
    'open_clip',
    'pycocotools',
    'scipy',
    'timm',
    'torch',
    'torchvision',
    'transformers',
}


#: pycocotools takes a few hundredths of a second.
LIGHT = HEAVY - {'pycocotools'}


def test_the_package_alone_imports_nothing_heavy():
    found = imported('-c', 'import declip_mm')
    assert 'declip_mm' in found and not found & HEAVY


def test_classes_draw_nothing_and_need_no_toolbox():
    program = (
        'from declip_mm.registration import import_classes; import_classes()'
    )
    found = imported('-c', program)
    assert 'torch' in found
    assert not found & {'matplotlib', 'mmcv', 'mmdet', 'mmseg', 'mmpretrain'}


@pytest.mark.parametrize(
    'arguments',
    [
        ('-m', 'declip_mm', '--help'),
        ('-m', 'declip_mm', 'train', '--help'),
        ('tools/train.py', '--help'),
        ('-m', 'declip_mm', 'segment', '--help'),
        ('-m', 'declip_mm', 'quickstart', '--help'),
    ],
    ids=' '.join,
)
def test_help_imports_no_torch(arguments):
    found = imported(*arguments)
    assert 'argparse' in found and not found & LIGHT


SCRIPTS = [
    path.relative_to(ROOT).as_posix()
    for path in sorted(TOOLS.rglob('*.py'))
    if re.search(r'tool_parser|step_parser\(|declip_mm\.miniature', text(path))
    and '__main__' in text(path)
]


def test_no_tool_is_forgotten():
    assert len(SCRIPTS) > 40


#: Prints the help of each script that it is given, in a fork of its own, and
#: what of the heavy packages each has imported.
EVERY_HELP = """
import json, os, runpy, sys
sys.path.insert(0, os.getcwd())
import declip_mm.apis
heavy = set(json.loads(sys.argv[1]))
for path in sys.argv[2:]:
    sys.stdout.flush()
    child = os.fork()
    if not child:
        sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
        sys.argv = [path, '--help']
        try:
            runpy.run_path(path, run_name='__main__')
        except SystemExit as stop:
            found = sorted(heavy & set(sys.modules))
            print('\\n@', path, stop.code, *found, flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""


def test_every_tool_says_its_help_without_torch():
    done = subprocess.run(
        [sys.executable, '-c', EVERY_HELP, json.dumps([*LIGHT]), *SCRIPTS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    lines = [n for n in done.stdout.splitlines() if n.startswith('@ ')]
    assert lines == [f'@ {path} 0' for path in SCRIPTS], done.stderr[-2000:]


def core_names() -> dict[str, set[str]]:
    """Root registry -> what importing the core registers in it."""
    import_classes()
    return {
        registry: {
            name
            for name, found in getattr(roots, registry).module_dict.items()
            if found.__module__.startswith(
                tuple(f'declip_mm.{part}' for part in CORE)
            )
        }
        for registry, value in vars(roots).items()
        if isinstance(value, roots.Registry)
    }


def test_names_are_those_that_are_registered():
    """Who adds a class to the core adds its name to the table."""
    said = {
        registry: set(' '.join(parts.values()).split())
        for registry, parts in NAMES.items()
    }
    assert said == {k: v for k, v in core_names().items() if v}


PROGRAM = """
import sys
{first}
assert 'declip_mm.datasets' not in sys.modules
from mmengine.registry import DATASETS, Registry
child = Registry('dataset', parent=DATASETS, scope='elsewhere')
found = child.get('DeCLIPNounDataset')
assert found.__module__ == 'declip_mm.datasets.nouns'
assert DATASETS.get('declip_mm.datasets.DeCLIPNounDataset') is found
assert 'DeCLIPImageDataset' in DATASETS.module_dict
assert DATASETS.get('DeCLIPImageDatase') is None
@DATASETS.register_module()
class Mine:
    pass
assert DATASETS.get('Mine') is Mine
try:
    DATASETS.register_module(name='DeCLIPMosaicDataset', module=Mine)
except KeyError:
    sys.exit(0)
sys.exit('a name of ours was taken without a word')
"""


@pytest.mark.parametrize(
    'first',
    [
        'import declip_mm',
        'import mmengine; import declip_mm',
        'from mmengine.utils import import_modules_from_strings as i; '
        "i(['declip_mm'])",
    ],
)
def test_names_are_known_whatever_is_imported_first(first):
    done = subprocess.run(
        [sys.executable, '-c', PROGRAM.format(first=first)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_an_import_that_fails_says_why():
    """Not that a name is unknown."""
    from declip_mm.registration import _Modules

    own = _Modules({}, dict(Lost='declip_mm.no_such_part'))
    with pytest.raises(ModuleNotFoundError, match='no_such_part'):
        own['Lost']
    with pytest.raises(KeyError, match='Other'):
        own['Other']


def test_choices_that_are_written_out_are_the_real_ones():
    from declip_mm.checkpoint import LAYOUTS
    from declip_mm.models.attention import AFFINITIES
    from declip_mm.models.text import PROMPT_SETS

    convert = load_tool('model_converters/convert.py')
    assert list(LAYOUTS) == convert.LAYOUTS
    assert sorted(AFFINITIES) == convert.AFFINITIES
    from declip_mm.apis.weighing import WEIGHTS

    pseudo = load_tool('dataset_converters/pseudo_labels.py')
    assert pseudo.WEIGHTS == WEIGHTS
    embed = load_tool('misc/class_embeddings.py')
    assert list(embed.PROMPT_SETS) == list(PROMPT_SETS)


def test_type_checkers_see_what_comes_late():
    from declip_mm import apis

    tree = ast.parse((ROOT / 'declip_mm/apis/__init__.py').read_text('utf-8'))
    (block,) = (n for n in tree.body if isinstance(n, ast.If))
    seen = {
        alias.name: '.' * node.level + node.module
        for node in block.body
        for alias in node.names
    }
    assert seen == apis._LATE


def test_all_that_the_package_offers_is_there():
    import declip_mm
    from declip_mm import apis

    for module in (declip_mm, apis):
        for name in module.__all__:
            if not name.endswith('Inferencer'):
                assert getattr(module, name) is not None
        assert set(module.__all__) <= set(dir(module))
        with pytest.raises(AttributeError, match='no_such_name'):
            module.no_such_name  # noqa: B018
    # modules that have a function of their name
    assert callable(apis.command) and callable(apis.figure_key)
