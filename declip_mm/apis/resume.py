"""The checkpoint that an interrupted run goes on from."""

import sys
from pathlib import Path

from ..checkpoint import DamagedFileError, check_whole
from .options import OptionError

__all__ = ['find_resume_point', 'how_to_go_on']


def find_resume_point(work_dir: str) -> str | None:
    """Path of the newest whole checkpoint in ``work_dir``, or ``None``.

    The note ``last_checkpoint`` decides; a file that was cut short is named
    on stderr and the one before it is taken. A work folder that was moved or
    copied still names its old place; the file beside the note goes first.

    Raises:
        OptionError: The note names a checkpoint that is gone and there is no
            other, or none of them is whole.
    """
    folder = Path(work_dir)
    note = folder / 'last_checkpoint'
    named = note.read_text('utf-8').strip() if note.is_file() else ''
    if named and Path(named).is_dir():
        return named  # of a sharded strategy, which checks its own files
    first = [p for p in (folder / Path(named).name, Path(named)) if named]
    there = [p for p in first if p.exists()][:1]
    if named and not there and not _saved(folder):
        raise OptionError(
            f'{note} names {named}, which is gone; name another checkpoint: '
            '--resume FILE, or train anew without --resume'
        )
    return _newest_whole(folder, there)


def how_to_go_on(work_dir: str) -> str:
    """What a stopped training says: its newest checkpoint, and the option."""
    saved = _saved(Path(work_dir))
    if not saved:
        return f'There is no checkpoint in {work_dir} yet.'
    return f'The newest checkpoint is {saved[0]}; go on with --resume.'


def _saved(folder: Path) -> list[Path]:
    """Checkpoints of the runner, newest first."""
    found = [*folder.glob('epoch_*.pth'), *folder.glob('iter_*.pth')]
    return sorted(found, key=lambda p: p.stat().st_mtime_ns, reverse=True)


def _newest_whole(folder: Path, first: list[Path]) -> str | None:
    rest = [p for p in _saved(folder) if p.name not in {f.name for f in first}]
    problems = []
    for path in [*first, *rest]:
        try:
            check_whole(str(path))
        except DamagedFileError as error:
            problems.append(str(error))
            print(f'--resume: {error}', file=sys.stderr)
            continue
        if problems:
            print(f'--resume: going on from {path}', file=sys.stderr)
        return str(path)
    if problems:
        raise OptionError(
            f'no checkpoint in {folder} is whole: {" ".join(problems)} Name '
            'another: --resume FILE, or train anew without --resume'
        )
    return None
