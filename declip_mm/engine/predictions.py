"""Predictions of a test in a file, whatever becomes of the test."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine import dist
from mmengine.evaluator import DumpResults
from mmengine.fileio import dump
from mmengine.logging import print_log
from mmengine.registry import METRICS

from ..checkpoint import atomically

__all__ = ['PredictionsFile']


@METRICS.register_module()
class PredictionsFile(DumpResults):
    """mmengine's ``DumpResults``, which forgives nothing.

    - The file is written whole or not at all.
    - A disk on which it cannot be written is warned of and named again at
      the end; the other metrics are computed all the same.
    - :meth:`rescue` writes what a test that is stopped has so far.

    Args:
        out_file_path: ``*.pkl`` or ``*.pickle``.

    Attributes:
        problem: Why the file was not written; '' if it was.
    """

    problem = ''

    def compute_metrics(self, results: list[Any]) -> dict:
        """Write all predictions; measures nothing."""
        try:
            self._write(Path(self.out_file_path), results)
        except OSError as error:
            self.problem = (
                f'{self.out_file_path} was not written: {error.strerror}.'
            )
            print_log(self.problem, 'current', level=logging.ERROR)
        return {}

    def rescue(self) -> str:
        """Write the predictions so far under a name that says so.

        Returns:
            What a last line says of it.
        """
        if not self.results:
            return ''
        path = Path(self.out_file_path)
        rank = f'.rank{dist.get_rank()}' if dist.is_distributed() else ''
        path = path.with_name(f'{path.stem}.partial{rank}{path.suffix}')
        try:
            self._write(path, self.results)
        except OSError as error:
            return f'{path} was not written: {error.strerror}.'
        return f'The {len(self.results)} predictions so far are in {path}.'

    def _write(self, path: Path, results: Sequence[Any]) -> None:
        with atomically(path) as part, part.open('wb') as file:
            dump(list(results), file, file_format='pkl')
