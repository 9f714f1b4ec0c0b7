"""Version checks, requirement files and the wheel."""

import re
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from declip_mm import version

ROOT = Path(__file__).resolve().parents[1]
RANGES = {**version.CORE, **version.OPTIONAL}


def pins(*names: str) -> dict[str, Requirement]:
    """Requirements of requirements/<name>.txt by distribution name."""
    found = {}
    for name in names or [p.stem for p in ROOT.glob('requirements/*.txt')]:
        text = (ROOT / 'requirements' / f'{name}.txt').read_text()
        for line in text.splitlines():
            line = line.split('#')[0].strip()
            if line:
                requirement = Requirement(line)
                found[requirement.name] = requirement
    return found


# ---- versions -------------------------------------------------------------


@pytest.mark.parametrize('name', sorted(RANGES))
@pytest.mark.parametrize('found', [None, '0.0.1', '99.0', 'unknown'])
def test_version_error_names_bounds_found_and_remedy(name, found):
    wanted = RANGES[name]
    with pytest.raises(version.VersionError) as error:
        version.check(name, wanted, found)
    text = str(error.value)
    assert f'{name}>={wanted.minimum},<{wanted.below}' in text
    assert f'pip install {wanted.install}' in text
    assert (found or 'none is installed') in text


@pytest.mark.parametrize('name', sorted(RANGES))
def test_lower_bound_is_in_and_upper_is_out(name):
    wanted = RANGES[name]
    version.check(name, wanted, wanted.minimum)
    version.check(name, wanted, wanted.minimum + '+cu118')
    with pytest.raises(version.VersionError):
        version.check(name, wanted, wanted.below)


def test_this_environment_passes():
    version.check_versions()


def test_upstream_and_fork_both_count(monkeypatch):
    installed = {'onedl-mmcv': '2.3.6'}

    def lookup(name):
        if name not in installed:
            raise metadata.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(metadata, 'version', lookup)
    version.require('mmcv')
    installed = {'mmcv': '2.1.0'}
    version.require('mmcv')
    installed = {'mmcv-full': '1.7.0'}
    with pytest.raises(version.VersionError, match='none is installed'):
        version.require('mmcv')


def test_require_refuses_unknown_names():
    with pytest.raises(ValueError, match='allowed are mmcv, mmdet'):
        version.require('mmrotate')


# ---- pins and metadata ----------------------------------------------------


def test_pins_satisfy_the_ranges():
    exact = pins()
    for name, wanted in RANGES.items():
        for distribution in wanted.distributions:
            if distribution in exact:
                (spec,) = exact[distribution].specifier
                version.check(name, wanted, spec.version)
                break
        else:
            pytest.fail(f'{name} is pinned in no requirement file')


def test_metadata_and_checks_name_the_same_bounds():
    text = (ROOT / 'pyproject.toml').read_text()
    for wanted in RANGES.values():
        lines = [
            Requirement(line)
            for d in wanted.distributions
            for line in re.findall(rf'"({re.escape(d)}[<>=][^"]*)"', text)
        ]
        assert lines, f'{wanted.distributions} is not in pyproject.toml'
        for line in lines:
            bounds = {s.operator: Version(s.version) for s in line.specifier}
            assert bounds['>='] == Version(wanted.minimum), line
            assert bounds.get('<', Version(wanted.below)) == Version(
                wanted.below
            ), line


def test_tools_have_one_version_everywhere():
    text = (ROOT / 'pyproject.toml').read_text()
    (extra,) = re.findall(r'^tests = \[(.*)\]$', text, re.M)
    extra = {Requirement(line) for line in re.findall('"(.*?)"', extra)}
    assert extra == set(pins('tests').values())
    exact = {r.name: next(iter(r.specifier)).version for r in extra}
    hooks = yaml.safe_load((ROOT / '.pre-commit-config.yaml').read_text())
    (ruff,) = [
        r for r in hooks['repos'] if r['repo'].endswith('/ruff-pre-commit')
    ]
    assert ruff['rev'] == f'v{exact["ruff"]}'
    (local,) = [r for r in hooks['repos'] if r['repo'] == 'local']
    (mypy,) = local['hooks']
    assert 'mypy' in exact  # the hook takes that of the environment
    assert mypy['entry'] == '.venv/bin/python -m mypy'


# ---- wheel ----------------------------------------------------------------


@pytest.mark.slow
def test_wheel_carries_package_assets_configs_and_tools(tmp_path):
    source = tmp_path / 'source'
    listing = 'declip_mm configs tools requirements setup.py pyproject.toml'
    source.mkdir()
    for name in [*listing.split(), 'MANIFEST.in', 'LICENSE', 'README.md']:
        if (ROOT / name).exists():
            subprocess.run(['cp', '-r', ROOT / name, source], check=True)
    command = [sys.executable, '-m', 'pip', 'wheel', '.', '--no-deps', '-q']
    command += ['--no-build-isolation', '-w', str(tmp_path)]
    subprocess.run(command, cwd=source, check=True)
    (wheel,) = tmp_path.glob('*.whl')
    assert wheel.name.startswith(f'declip_mm-{version.__version__}-')
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    wanted = {'declip_mm/.mim/tools/train.py', 'declip_mm/version.py'}
    for folder, prefix in [
        ('declip_mm', ''),
        ('configs', 'declip_mm/.mim/'),
    ]:
        for path in (ROOT / folder).rglob('*'):
            inside = path.relative_to(ROOT).as_posix()
            if path.is_file() and '__pycache__' not in inside:
                wanted.add(prefix + inside)
    assert wanted <= names, sorted(wanted - names)
    assert not [n for n in names if n.startswith(('tests/', 'tools/'))]
