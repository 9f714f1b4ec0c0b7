"""Who may import whom, and how files have to look.

The package is read, not imported: this also holds for code paths that no other
test takes.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / 'declip_mm'
# Past this, ask whether a file is one concept.
MAX_LINES = 400

# A part imports from lower layers and from itself, never sideways or upwards.
LAYERS = {
    'version': 0,
    'deprecation': 0,
    'assets': 0,
    'registration': 0,
    'trust': 0,
    'checkpoint': 1,
    'models': 2,
    'datasets': 2,
    'evaluation': 2,
    'visualization': 2,
    'engine': 3,
    'detection': 4,
    'segmentation': 4,
    'apis': 5,
    'cli': 6,
    '__main__': 7,
    # on top: may use everything, and nothing uses it
    'miniature': 6,
    'benchmark': 6,
}
# Inside models, these know no other part of the package.
PURE = ('models.attention', 'models.losses', 'models.regions')
# ... and these only what is named.
NARROW = {
    'models.towers': ('models.towers', 'checkpoint', 'assets'),
    'models.last_block': ('models.attention', 'models.towers'),
}
OPENMMLAB = {'mmcv', 'mmdet', 'mmseg', 'mmpretrain'}
MAY_IMPORT_OPENMMLAB = {'detection', 'segmentation', 'apis', 'miniature'}
CORE_THIRD_PARTY = {
    'filelock',
    'matplotlib',
    'mmengine',
    'numpy',
    'open_clip',
    'packaging',
    'PIL',
    'pycocotools',
    'safetensors',
    'timm',
    'torch',
    'torchvision',
    'tqdm',
}


def imports(source: str, module: str, is_package: bool) -> Iterator[tuple]:
    """Yields (absolute module name, at module level) of every import.

    Args:
        source: Python source.
        module: Dotted name of the file that holds it.
        is_package: Whether the file is an ``__init__.py``.
    """
    tree = ast.parse(source)
    top = {id(node) for node in tree.body}
    parts = module.split('.')
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) in top
        elif isinstance(node, ast.ImportFrom):
            keep = len(parts) - node.level + is_package
            base = parts[:keep] if node.level else []
            if node.module:
                yield '.'.join([*base, node.module]), id(node) in top
            else:
                for alias in node.names:
                    yield '.'.join([*base, alias.name]), id(node) in top


def complaint(module: str, target: str, at_top: bool) -> str | None:
    """Says what is wrong with ``module`` importing ``target``, if anything."""
    own = module.partition('.')[2]
    part = own.split('.')[0]
    package, _, theirs = target.partition('.')
    if package == 'declip_mm':
        return _inner_complaint(own, part, theirs)
    if package in OPENMMLAB and part not in MAY_IMPORT_OPENMMLAB:
        return f'{module} imports {package}: the core must do without'
    third_party = package not in sys.stdlib_module_names
    known = CORE_THIRD_PARTY | OPENMMLAB
    if at_top and third_party and package not in known:
        return f'{module} imports {package} at module level'
    return None


def _inner_complaint(own: str, part: str, theirs: str) -> str | None:
    if part == '':  # declip_mm/__init__.py gathers the core
        target = theirs.split('.')[0]
        if LAYERS.get(target, 0) >= LAYERS['detection']:
            return f'declip_mm imports {theirs}: not part of the core'
        return None
    if own.startswith(PURE):
        return f'{own} imports {theirs}: it has to know nothing of ours'
    for name, allowed in NARROW.items():
        if own.startswith(name) and not theirs.startswith(allowed):
            return f'{own} imports {theirs}, allowed: {allowed}'
    target = theirs.split('.')[0]
    if target == part:
        return None
    if target not in LAYERS:
        return f'{own} imports the package root or an unknown part: {theirs!r}'
    if LAYERS[target] >= LAYERS[part]:
        return f'{own} imports {theirs}: imports point one way'
    return None


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob('*.py')):
        parts = path.relative_to(ROOT).with_suffix('').parts
        if parts[-1] == '__init__':
            parts = parts[:-1]
        yield '.'.join(parts), path


def own_files(*patterns: str) -> list[Path]:
    folders = ('declip_mm', 'configs', 'tools', 'tests', 'docs', '.ci')
    found = [
        path
        for folder in folders
        for pattern in patterns
        for path in (ROOT / folder).rglob(pattern)
        if path.is_file() and '__pycache__' not in path.parts
    ]
    found += [p for pattern in patterns for p in ROOT.glob(pattern)]
    assert found, f'no file matches {patterns}'
    return sorted(found)


def test_every_part_has_a_layer():
    parts = {name.split('.')[1] for name, _ in modules() if '.' in name}
    assert parts <= set(LAYERS)


def test_imports_point_one_way():
    wrong = []
    for module, path in modules():
        is_package = path.name == '__init__.py'
        for target, top in imports(path.read_text(), module, is_package):
            wrong.append(complaint(module, target, top))
    assert [w for w in wrong if w] == []


def test_nothing_of_the_product_imports_the_miniature_world():
    wrong = []
    for module, path in modules():
        if not module.startswith('declip_mm.miniature'):
            is_package = path.name == '__init__.py'
            for target, _ in imports(path.read_text(), module, is_package):
                if target.startswith('declip_mm.miniature'):
                    wrong.append(f'{module} imports {target}')
    assert wrong == []


@pytest.mark.parametrize(
    'module, source',
    [
        ('declip_mm.models.losses', 'from .distiller import X'),
        ('declip_mm.models.attention', 'from ..checkpoint import X'),
        ('declip_mm.checkpoint.export', 'from ..models import DeCLIPViT'),
        ('declip_mm.checkpoint.export', 'from declip_mm import models'),
        ('declip_mm.datasets.images', 'from ..models.text import X'),
        ('declip_mm.engine.hooks', 'from .. import apis'),
        ('declip_mm.detection.f_vit', 'from ..segmentation import X'),
        ('declip_mm.models.teachers', 'def f():\n    import mmpretrain'),
        ('declip_mm.models.teachers', 'from mmcv.ops import roi_align'),
        ('declip_mm.evaluation.table', 'import pandas'),
        ('declip_mm.apis.backbones', 'from ..miniature.vfm import X'),
        ('declip_mm.apis', 'def f():\n    import declip_mm.miniature'),
        ('declip_mm', 'from declip_mm.miniature import X'),
        ('declip_mm.miniature.ladder.report', 'from scipy.stats import t'),
    ],
)
def test_a_wrong_import_is_found(module, source):
    found = [complaint(module, *i) for i in imports(source, module, False)]
    assert any(found)


@pytest.mark.parametrize(
    'module, source',
    [
        ('declip_mm.models.distiller', 'from .losses import content_loss'),
        ('declip_mm.engine.fingerprint', 'from ..version import __version__'),
        ('declip_mm.detection.f_vit', 'from mmdet.models import X'),
        ('declip_mm.apis.launch', 'from ..detection import X'),
        ('declip_mm.evaluation.table', 'import json, numpy'),
        ('declip_mm.miniature.ladder.run', 'from ...apis import X'),
        ('declip_mm.miniature.vfm', 'def f():\n    import onnx'),
    ],
)
def test_a_right_import_passes(module, source):
    found = [complaint(module, *i) for i in imports(source, module, False)]
    assert not any(found)


GUIDE = (ROOT / 'CONTRIBUTING.md').read_text('utf-8')


def test_the_guide_has_the_same_floors():
    rows = re.findall(r'^\| (\d) \| `(\w+)` \|', GUIDE, re.M)
    assert {part: int(floor) for floor, part in rows} == LAYERS


def test_paths_in_the_guide_are_there():
    """Also of a file that is named alone, beside the one before it."""
    missing, found, folder = [], 0, ROOT
    for span in re.findall('`([^`\n]+)`', GUIDE):
        if re.fullmatch(r'\.?\w[\w.-]*(/[\w.-]+)+/?|[\w-]+/', span):
            found, path = found + 1, ROOT / span
            folder = path if span.endswith('/') else path.parent
        elif re.fullmatch(r'\.?[\w-]+\.(py|md|toml|yaml)', span):
            found, path = found + 1, ROOT / span
            path = path if path.exists() else folder / span
        else:
            continue
        if span != 'utils.py' and not path.exists():
            missing.append(span)
    assert missing == [] and found > 40


def test_files_are_short():
    long = {
        str(path.relative_to(ROOT)): lines
        for path in own_files('*.py')
        if (lines := len(path.read_text().splitlines())) > MAX_LINES
    }
    assert long == {}


def test_no_file_is_called_utils():
    vague = ('utils.py', 'util.py', 'helpers.py', 'common.py', 'misc.py')
    found = [p for p in own_files('*.py') if p.name in vague]
    assert found == []


@pytest.mark.parametrize(
    'pattern',
    [
        # put together here, so that this file does not find itself
        r'\b(TO' + r'DO|FIX' + r'ME|XX' + r'X)\b',
        r'raise NotImpl' + r'ementedError',
        r'/(root|home|work|opt|Users)' + r'/\w',
        r'(pypi\.' + r'org|python' + r'hosted|--(extra-)?index-' + r'url)',
    ],
    ids=['leftovers', 'stubs', 'machine-paths', 'registry-hosts'],
)
def test_nothing_unfinished_or_local(pattern):
    files = own_files('*.py', '*.sh', '*.md', '*.toml', '*.txt', '*.yml')
    found = [
        f'{path.relative_to(ROOT)}:{number}: {line.strip()}'
        for path in files + [ROOT / '.ci' / 'run']
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(pattern, line)
    ]
    assert found == []
