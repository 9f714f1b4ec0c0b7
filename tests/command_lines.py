"""Command lines in documents and in headers of configs."""

import re
import shlex
from pathlib import Path
from typing import NamedTuple

from declip_mm.cli.table import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
TOOLS = {}
for _path in sorted((ROOT / 'tools').rglob('*.py')):
    TOOLS.setdefault(_path.name, []).append(_path)
_START = re.compile(r'^(python|bash|pip|git|declip) ')
_INLINE = re.compile(
    r'`((?:python |bash |pip |declip |tools/)[^`]+|\w+\.py [^`]+)`'
)


def _runs(name):
    """What a subcommand of ``declip`` leads to."""
    (found,) = [c for c in COMMANDS if c.name == name]
    if found.is_script:
        return ROOT / 'tools' / found.runs
    return ROOT / f'{found.runs.replace(".", "/")}.py'


class Command(NamedTuple):
    """A command line.

    Attributes:
        source: File and line, for messages.
        words: As a shell splits it, ``[`` and ``]`` of options that may be
            left out taken away.
        config: The config in whose header it stands, or None.
    """

    source: str
    words: list
    config: str | None = None

    @property
    def tool(self):
        """The script, as a path; None where it is no script of ours."""
        if self.words[0] == 'declip':
            return _runs(self.words[1])
        if self.words[:2] == ['python', '-m']:
            place = ROOT / self.words[2].replace('.', '/')
            alone = place.with_suffix('.py')
            return alone if alone.is_file() else place / '__main__.py'
        if self.words[0] in ('python', 'bash'):
            return ROOT / self.words[1]
        return None

    @property
    def arguments(self):
        return self.words[3 if self.words[1] == '-m' else 2 :]

    def __str__(self):
        return f'{self.source}: {" ".join(self.words)}'


def _joined(lines):
    """(number, line), lines that end with a back-slash put together."""
    number, held = 0, ''
    for index, line in enumerate(lines, 1):
        number = number if held else index
        held = f'{held} {line.strip()}' if held else line
        if held.endswith('\\'):
            held = held[:-1].rstrip()
            continue
        yield number, held
        held = ''


def _words(text):
    text = text.replace('[', '').replace(']', '')
    return shlex.split(text, comments=True)


def of_document(path):
    """Commands of a document: code blocks and single back-quotes."""
    name, fence, found = path.relative_to(ROOT).as_posix(), None, []
    for number, line in _joined(path.read_text('utf-8').splitlines()):
        if line.startswith('```'):
            fence = None if fence is not None else line[3:]
            continue
        source = f'{name}:{number}'
        code = fence in ('', 'bash') or (fence is None and line[:4] == '    ')
        if code and _START.match(line.strip()):
            found.append(Command(source, _words(line.strip())))
        elif fence is None:
            for text in _INLINE.findall(line):
                words = _tool_first(_words(text))
                if words:
                    found.append(Command(source, words))
    return found


def _tool_first(words):
    """``python tools/...`` where a document says ``x.py IN OUT``.

    A script that is named without arguments is no command.
    """
    if words[0] in ('python', 'bash', 'pip', 'declip'):
        return words
    places = TOOLS.get(Path(words[0]).name, [])
    if len(words) < 2 or len(places) != 1:
        return None
    return ['python', places[0].relative_to(ROOT).as_posix(), *words[1:]]


def of_header(path):
    """Commands in the comments before a config's first line.

    ``...`` stands for the command above up to its config; options alone are
    those of a training.
    """
    name, lines, found = path.relative_to(ROOT).as_posix(), [], []
    for line in path.read_text('utf-8').splitlines():
        if not line.startswith('#'):
            break
        lines.append(line[1:].strip())
    for number, line in _joined(lines):
        if line.startswith('... '):
            above = found[-1].words
            end = next(i for i, w in enumerate(above) if w == name) + 1
            line = shlex.join(above[:end]) + line[3:]
        if line.startswith('--cfg-options') and '_base_' not in name:
            line = f'python tools/train.py {name} {line}'
        if _START.match(line):
            words = [name if w == 'CONFIG' else w for w in _words(line)]
            found.append(Command(f'{name}:{number}', words, name))
    return found


def every_command():
    """All of the documents and configs, and the examples of ``declip``."""
    documents = [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md']
    documents += sorted((ROOT / 'docs').glob('*.md'))
    found = [c for path in documents for c in of_document(path)]
    for path in sorted((ROOT / 'configs').rglob('*.py')):
        found += of_header(path)
    for command in COMMANDS:
        words = shlex.split(command.example)
        found.append(Command(f'declip: {command.name}', words))
    return found
