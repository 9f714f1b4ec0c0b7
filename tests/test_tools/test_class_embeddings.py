"""tools/misc/class_embeddings.py."""

import json

import pytest
from tiny_text import clip, save, text_config
from tool_modules import load_tool


@pytest.fixture(scope='module')
def tool():
    return load_tool('misc/class_embeddings.py')


def test_command_line(tool, tmp_path, capsys):
    weights = [
        save(clip(s).state_dict(), tmp_path / f'{s}.pt') for s in (0, 1)
    ]
    (tmp_path / 'tiny.json').write_text(json.dumps(text_config()))
    out, names = str(tmp_path / 'out.npz'), tmp_path / 'names.txt'
    names.write_text('dog\ntraffic light\n')
    model = ['--model', str(tmp_path / 'tiny.json'), '--names', str(names)]
    first = [*model, '--pretrained', weights[0]]
    assert tool.main(['dump', out, *first, '--background', 'sky']) == 0
    shown = capsys.readouterr().out
    assert 'encoding prompts: 189/189' in shown
    assert '2 classes, 24 dimensions, vild (63 prompts)' in shown
    assert tool.main(['verify', out, *first, '--background', 'sky']) == 0
    assert 'verified: file, names, model' in capsys.readouterr().out
    assert tool.main(['verify', out]) == 0
    for command in ('dump', 'verify'):
        with pytest.raises(SystemExit, match='give --pretrained'):
            tool.main([command, out, *model])
    other = [*model, '--pretrained', weights[1], '--background', 'sky']
    with pytest.raises(SystemExit, match='embeddings.py: class embeddings'):
        tool.main(['verify', out, *other])
    with pytest.raises(SystemExit, match="only wanted: 'cat'"):
        tool.main(['verify', out, '--names', 'cat,dog'])
