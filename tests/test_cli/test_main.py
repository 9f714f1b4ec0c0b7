"""The command ``declip``: its table, and where it leads."""

import importlib
import subprocess
import sys

import pytest

from declip_mm.assets import ROOT
from declip_mm.cli.main import main, overview
from declip_mm.cli.table import COMMANDS

NAMES = [command.name for command in COMMANDS]


def test_alone_it_lists_all_with_an_example(capsys):
    assert main([]) == 0
    said = capsys.readouterr().out
    for command in COMMANDS:
        assert f'  {command.name} ' in said
        assert command.what in said and command.example in said
    assert said.strip() == overview().strip()


def test_names_are_unique_and_examples_are_their_own():
    assert len(set(NAMES)) == len(NAMES)
    for command in COMMANDS:
        assert command.example.split()[:2] == ['declip', command.name]


@pytest.mark.parametrize('command', COMMANDS, ids=NAMES)
def test_what_it_runs_is_there(command):
    if command.is_script:
        assert (ROOT / 'tools' / command.runs).is_file()
    else:
        assert callable(importlib.import_module(command.runs).main)


def test_an_unknown_command_is_told_the_close_ones(capsys):
    with pytest.raises(SystemExit) as left:
        main(['segmnt'])
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert "no command 'segmnt'" in said and 'Did you mean segment' in said


def test_version(capsys):
    from declip_mm import __version__

    main(['--version'])
    assert capsys.readouterr().out.strip() == __version__


@pytest.mark.parametrize('name', ['inspect', 'segment'])
def test_help_begins_with_the_example(name, capsys):
    with pytest.raises(SystemExit) as left:
        main([name, '--help'])
    assert left.value.code == 0
    said = capsys.readouterr().out
    (command,) = [c for c in COMMANDS if c.name == name]
    assert said.startswith(f'example: {command.example}')
    assert f'usage: declip {name}' in said


def test_a_tool_leaves_as_it_does_on_its_own(capsys):
    with pytest.raises(SystemExit) as left:
        main(['inspect', 'nowhere.pth'])
    assert left.value.code == 1
    assert 'nowhere.pth' in capsys.readouterr().err


def test_as_a_module():
    done = subprocess.run(
        [sys.executable, '-m', 'declip_mm', '--version'],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
