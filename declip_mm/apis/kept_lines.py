"""What was found of one picture after another, kept when a run stops."""

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any

from .command import was_stopped

__all__ = ['KeptLines']


class KeptLines:
    """A file of lines beside the one to be made, for going on later.

    The first line says what the others belong to. Lines of another run, and
    one that was cut short, are dropped. A context manager: a run that ends
    well removes the file after :meth:`finish`; of one that is stopped the
    command's last line says what is kept.

    Args:
        out: File to be made; the lines lie in ``out`` + ``.part``.
        key: Of all that decides the lines, as
            :func:`~declip_mm.apis.figure_key` makes them.
    """

    def __init__(self, out: str | Path, key: str) -> None:
        self.path = Path(f'{out}.part')
        self.key = key
        self.found: dict[Any, Any] = {}
        self._finished = False

    def __enter__(self) -> 'KeptLines':
        self._read()
        self._file = self.path.open('w', encoding='utf-8')
        self._write(self.key)
        for name, value in self.found.items():
            self._write([name, value])
        self._file.flush()
        return self

    def _read(self) -> None:
        if not self.path.is_file():
            return
        with self.path.open(encoding='utf-8') as file:
            for number, line in enumerate(file):
                try:
                    content = json.loads(line)
                except ValueError:
                    return  # cut short
                if number == 0 and content != self.key:
                    return
                if number:
                    self.found[content[0]] = content[1]

    def _write(self, content: Any) -> None:
        self._file.write(json.dumps(content) + '\n')

    def add(self, name: Any, value: Any) -> None:
        """Keep what was found of a picture.

        Args:
            name: Its id, a number or a text.
            value: Plain values.
        """
        self.found[name] = value
        self._write([name, value])

    def flush(self) -> None:
        """Bring all lines to the disk, after each batch."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def finish(self) -> None:
        """The file to be made is there; this one is not needed any more."""
        self._finished = True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        if self._finished and error is None:
            self.path.unlink()
        elif was_stopped(error) and not hasattr(error, 'kept'):
            error.kept = (
                f'{len(self.found)} pictures are in {self.path}; the same '
                'command goes on there.'
            )
