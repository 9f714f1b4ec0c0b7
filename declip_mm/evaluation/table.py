"""Per-class tables, for the log and for files."""

import csv
from collections.abc import Sequence
from pathlib import Path

from mmengine.logging import MMLogger

__all__ = [
    'beside_log',
    'check_table_file',
    'markdown_table',
    'text_table',
    'write_table',
]


def text_table(header: Sequence[str], rows: Sequence[Sequence]) -> str:
    """Aligned columns; the first is text, the others numbers.

    Args:
        header: Column titles.
        rows: Cells; floats are shown with two decimals, None as ``-``.
    """
    cells = [list(header), *([_cell(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        '  '.join(
            text.ljust(width) if index == 0 else text.rjust(width)
            for index, (text, width) in enumerate(
                zip(row, widths, strict=True)
            )
        ).rstrip()
        for row in cells
    ]
    rule = '  '.join('-' * width for width in widths)
    return '\n'.join([lines[0], rule, *lines[1:]])


def markdown_table(header: Sequence[str], rows: Sequence[Sequence]) -> str:
    """The same cells as a table of a ``.md`` file."""
    cells = [[_cell(value) for value in row] for row in rows]
    lines = [list(header), ['---', *['---:'] * (len(header) - 1)], *cells]
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


def check_table_file(path: str | None) -> str | None:
    """Raise ValueError unless the name ends in ``.md`` or ``.csv``."""
    if path is not None and Path(path).suffix not in ('.md', '.csv'):
        raise ValueError(f'a table is written to *.md or *.csv, got {path!r}.')
    return path


def write_table(
    path: Path, header: Sequence[str], rows: Sequence[Sequence]
) -> None:
    """Write a table as markdown or, in full precision, as csv."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == '.md':
        path.write_text(markdown_table(header, rows) + '\n', 'utf-8')
        return
    with path.open('w', newline='', encoding='utf-8') as file:
        csv.writer(file).writerows([header, *rows])


def beside_log(path: str) -> Path:
    """A relative path, as one in the folder of the run's log.

    A metric is not told the work folder, but its log file lies in it. Where
    nothing is logged to a file, the path is relative to the working folder.
    """
    log = getattr(MMLogger.get_current_instance(), 'log_file', None)
    return Path(log).parent / path if log else Path(path)


def _cell(value: object) -> str:
    if value is None:
        return '-'
    return f'{value:.2f}' if isinstance(value, float) else str(value)
