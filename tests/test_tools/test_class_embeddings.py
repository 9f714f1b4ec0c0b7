"""tools/misc/class_embeddings.py."""

import json

import numpy as np
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
    with pytest.raises(SystemExit, match="only in what is wanted: 'cat'"):
        tool.main(['verify', out, '--names', 'cat,dog'])


@pytest.mark.parametrize(
    'names, words',
    [
        ('cat,cat', 'read the same'),
        ('', 'are empty'),
        ('cat;dog', "Write 'cat,dog'"),
        ('nowhere.txt', 'does not exist'),
        ('{folder}/empty.txt', 'empty.txt: there are no class names'),
        ('{folder}/numbers.json', 'must be strings'),
    ],
)
def test_names_are_refused_in_one_line(tool, tmp_path, names, words):
    (tmp_path / 'empty.txt').write_text('')
    (tmp_path / 'numbers.json').write_text('[1]')
    names = names.format(folder=tmp_path)
    given = ['--names', names, '--model', 'ViT-B-16', '--pretrained', 'x.pt']
    with pytest.raises(SystemExit) as left:
        tool.main(['dump', str(tmp_path / 'o.npz'), *given])
    line = left.value.code
    assert line.startswith('class_embeddings.py: ') and words in line
    assert '\n' not in line


def test_import_and_verify(tool, tmp_path, capsys):
    out, model = str(tmp_path / 'out.npz'), str(tmp_path / 'tiny.json')
    (tmp_path / 'tiny.json').write_text(json.dumps(text_config()))
    np.save(tmp_path / 'rows.npy', 2 * np.eye(24)[:3])
    given = ['--names', 'person; man,dog', '--model', model]
    source = ['--from', str(tmp_path / 'rows.npy')]
    with pytest.raises(SystemExit, match='--background background'):
        tool.main(['import', out, *source, *given])
    given += ['--background', 'sky']
    assert tool.main(['import', out, *source, *given]) == 0
    shown = capsys.readouterr().out
    assert '2 classes, 24 dimensions' in shown
    assert 'as declared; imported from rows.npy' in shown
    assert 'norms 2 to 2, brought to 1' in shown
    assert 'nearest pairs, look at them: person / dog (0.00)' in shown
    assert 'not judged, 0 pairs' in shown
    assert tool.main(['verify', out, *given]) == 0
    assert 'model name (as declared)' in capsys.readouterr().out
    given[3] = 'ViT-B-16'
    with pytest.raises(SystemExit, match='declared to belong to tiny.json'):
        tool.main(['verify', out, *given])


def test_prompts_and_synonyms_are_read_without_a_byte_order_mark(
    tool, tmp_path
):
    prompts, synonyms = tmp_path / 'p.txt', tmp_path / 's.json'
    prompts.write_text('\ufeffa {}.\nthe {}.\n', 'utf-8')
    synonyms.write_text('\ufeff{"cat": ["puss"]}', 'utf-8')
    args = ['dump', 'o.npz', '--names', 'cat', '--model', 'ViT-B-16']
    args += ['--prompts', str(prompts), '--synonyms', str(synonyms)]
    made = tool.recipe(tool.parse_args(args))
    assert made['prompts'] == ['a {}.', 'the {}.']
    assert made['synonyms'] == dict(cat=['puss'])
    synonyms.write_text('["cat"]')
    with pytest.raises(ValueError, match='must hold a dict'):
        tool.recipe(tool.parse_args(args))
