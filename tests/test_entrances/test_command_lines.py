"""Every command line of README, docs and config headers is right.

The tool's own parser takes it, the files of the repository that it names are
there, its placeholders are known words, and its ``--cfg-options`` are keys of
its config.
"""

import argparse
import ast
import importlib
import re
import sys

import pytest
from command_lines import ROOT, Command, every_command
from mmengine.config import Config
from tool_modules import TOOLS, load_tool

from declip_mm.apis.options import check_options

#: Words in capitals that stand for something of the reader's, and what the
#: parsers may be given in their place.
PLACEHOLDERS = {
    'AUTHORS.pt': None,
    'CHECKPOINT': None,
    'CLIPSELF.pt': None,
    'CONFIG': None,
    'DECLIP_CHECKPOINT': None,
    'DIR': None,
    'FILE': None,
    'DQUO.pth': None,
    'FVIT.pth': None,
    'IN': None,
    'MY_FOLDER': None,
    'MY_RUN': None,
    'NAME': 'eva',
    'OUT': None,
    'OUT.npz': None,
    'OUT.pth': None,
    'OUT.safetensors': None,
    'PHOTO.jpg': None,
    'PHOTOS': None,
    'PICTURES': None,
    'SOURCE': None,
}
_CAPITALS = re.compile(r'(?<![\w-])[A-Z][A-Z_]+(?:\.\w+)?(?![\w-])')
#: Not placeholders: names of models and rows.
MODELS = {'CLIP=openai', 'EVA02-B-16', 'ViT-B-16'}
_CONFIG = re.compile(r'configs/[\w./-]+\.py')
COMMANDS = [c for c in every_command() if c.tool is not None]
#: Shell scripts that hand their options on: tool, words before those.
LAUNCHERS = {
    'dist_train.sh': ('train.py', 1),
    'dist_test.sh': ('test.py', 2),
    'dist_cache.sh': ('misc/cache_teachers.py', 1),
    'slurm_train.sh': ('train.py', 1),
    'slurm_test.sh': ('test.py', 2),
}


class Parsed(Exception):
    """Carries what a parser made of a command line."""


def parse(tool, words, monkeypatch):
    """What the tool's own parser makes of words; the tool does nothing."""
    whole = argparse.ArgumentParser.parse_args

    def stop(parser, args=None, namespace=None):
        raise Parsed(whole(parser, args, namespace))

    module = load_tool(tool) if isinstance(tool, str) else tool
    monkeypatch.setattr(argparse.ArgumentParser, 'parse_args', stop)
    monkeypatch.setattr(sys, 'argv', [str(tool), *words])
    monkeypatch.setenv('LOCAL_RANK', '0')
    try:
        module.main()
    except Parsed as found:
        return found.args[0]
    raise AssertionError(f'{tool} parses no command line')


def stand_ins(words):
    return [PLACEHOLDERS.get(word) or word for word in words]


def ids(command):
    return command.source


def test_there_are_commands():
    assert len(COMMANDS) > 150
    sources = {c.source.split(':')[0] for c in COMMANDS}
    assert {'README.md', 'docs/figures.md', 'docs/detection.md'} <= sources


@pytest.mark.parametrize('command', COMMANDS, ids=ids)
def test_files_exist_and_placeholders_are_known(command):
    assert command.tool.is_file(), command
    for word in command.words:
        for path in _CONFIG.findall(word):
            assert (ROOT / path).is_file(), command
        if word in MODELS:
            continue
        for found in _CAPITALS.findall(word):
            assert found in PLACEHOLDERS or ' ' in word, (found, command)


@pytest.mark.parametrize('command', COMMANDS, ids=ids)
def test_the_tool_takes_it(command, monkeypatch, capsys):
    words = stand_ins(command.arguments)
    if command.tool.suffix == '.sh':
        launcher = LAUNCHERS.get(command.tool.name)
        if launcher is None:
            # run_tests.sh takes pytest's options, the others none
            assert not words or command.tool.name == 'run_tests.sh'
            assert all((ROOT / w).exists() for w in words if '/' in w)
            return
        tool, before = launcher
        assert words[before].isdigit(), command
        words = words[:before] + words[before + 1 :]
    elif command.tool.is_relative_to(ROOT / 'declip_mm/cli'):
        tool = importlib.import_module(f'declip_mm.cli.{command.tool.stem}')
    elif not command.tool.is_relative_to(TOOLS):
        assert not words
        return
    else:
        tool = command.tool.relative_to(TOOLS).as_posix()
    try:
        found = parse(tool, words, monkeypatch)
    except SystemExit as stop:
        said = capsys.readouterr()
        wanted_help = '--help' in words and stop.code == 0
        assert wanted_help, f'{command}\n{said.err}'
        return
    options = getattr(found, 'cfg_options', None)
    if options:
        check_options(Config.fromfile(ROOT / found.config), options)


@pytest.mark.parametrize(
    'tool',
    sorted(
        path.relative_to(TOOLS).as_posix()
        for path in TOOLS.rglob('*.py')
        if re.search(
            r'(ArgumentParser|tool_parser|step_parser)\(|declip_mm\.miniature',
            text := path.read_text('utf-8'),
        )
        and '__main__' in text
    ),
)
def test_help(tool, monkeypatch, capsys):
    """No entry is so broken that it cannot say what it is."""
    monkeypatch.setattr(sys, 'argv', [tool, '--help'])
    with pytest.raises(SystemExit) as stop:
        load_tool(tool).main()
    assert stop.value.code == 0
    assert 'usage' in capsys.readouterr().out


def test_headers_and_documents_are_read_as_written(tmp_path):
    found = {c.source: c for c in COMMANDS}
    name = 'configs/region_cls/declip_eva02-b16_coco-panoptic.py'
    own = [c for c in COMMANDS if c.config == name]
    assert [c.arguments[:2] for c in own] == [
        [name, 'work_dirs/pretune_dinov2/epoch_6.pth'],
        [name, 'none'],
    ]
    assert own[1].arguments[-1] == 'model.backbone.scale=1.0'
    inline = [c for c in found.values() if c.source.startswith('docs/pret')]
    assert any('--layout' in c.words for c in inline)
    assert isinstance(own[0], Command)


@pytest.mark.parametrize('path', sorted(TOOLS.rglob('*.py')), ids=str)
def test_help_shows_lines_as_they_are_written(path):
    # a single back-slash at the end of a line joins it with the next
    said = ast.get_docstring(ast.parse(path.read_text('utf-8'))) or ''
    assert [line for line in said.splitlines() if len(line) > 79] == []
