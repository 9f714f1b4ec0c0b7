"""Per-class tables for the log."""

from collections.abc import Sequence

__all__ = ['text_table']


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


def _cell(value: object) -> str:
    if value is None:
        return '-'
    return f'{value:.2f}' if isinstance(value, float) else str(value)
