"""Names that the demos refuse, before they read any weights."""

import pytest
import torch
from PIL import Image
from tool_modules import load_tool

WRONG = [
    ('cat,Cat', "['cat', 'Cat']"),
    ('', 'are empty'),
    ('person; man', "Write 'person,man'"),
    ('nowhere.json', 'does not exist'),
    ('{folder}/empty.txt', 'empty.txt: there are no class names'),
    ('{folder}/numbers.json', 'must be strings'),
    ('{folder}/utf16.txt', 'Save it in UTF-8'),
]


@pytest.mark.parametrize('names, words', WRONG)
@pytest.mark.parametrize('tool', ['demo_det.py', 'demo_seg.py'])
def test_one_line_and_no_traceback(tool, names, words, tmp_path, monkeypatch):
    (tmp_path / 'empty.txt').write_text('\n')
    (tmp_path / 'numbers.json').write_text('[1, 2]')
    (tmp_path / 'utf16.txt').write_text('cat', 'utf-16')
    (tmp_path / 'config.py').write_text('model = dict()')
    torch.save({}, tmp_path / 'w.pth')
    Image.new('RGB', (8, 8)).save(tmp_path / 'a.png')
    files = [str(tmp_path / n) for n in ('config.py', 'w.pth', 'a.png')]
    names = names.format(folder=tmp_path)
    monkeypatch.setattr('sys.argv', [tool, *files, '--names', names])
    with pytest.raises(SystemExit) as left:
        load_tool(tool).main()
    # a text: Python writes it to stderr and leaves with 1
    assert left.value.code.startswith(f'{tool}: ')
    assert words in left.value.code and '\n' not in left.value.code
