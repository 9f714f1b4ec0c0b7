"""Names of shipped files, wherever their part of the package keeps them."""

from pathlib import Path

import pytest

import declip_mm
from declip_mm.assets import resolve_asset

PACKAGE = Path(declip_mm.__file__).resolve().parent


@pytest.mark.parametrize(
    'name, path',
    [
        ('miniature/tiny_clip.json', 'miniature/assets/tiny_clip.json'),
        ('segmentation/ade847.txt', 'assets/segmentation/ade847.txt'),
    ],
)
def test_a_part_keeps_its_files_here_or_at_home(name, path):
    found = Path(resolve_asset(f'declip_mm://{name}'))
    assert found.resolve() == PACKAGE / path and found.is_file()


def test_any_other_path_comes_back():
    assert resolve_asset('miniature/x.json') == 'miniature/x.json'


@pytest.mark.parametrize(
    'name', ['', 'miniature', 'miniature/', 'miniature/x.pth', 'datasets/a']
)
def test_unknown_names_list_those_there_are(name):
    with pytest.raises(FileNotFoundError) as error:
        resolve_asset(f'declip_mm://{name}')
    text = str(error.value)
    assert f'declip_mm://{name} is not shipped' in text
    assert 'miniature/tiny_clip.safetensors' in text
    assert 'segmentation/ade847.txt' in text and '.py' not in text
