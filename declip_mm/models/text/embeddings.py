"""Class embeddings: names, one unit vector each, and where they came from."""

import json
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import print_log
from torch import Tensor

from ...checkpoint import FingerprintError, atomically
from .fingerprint import compare_text_fingerprints, names_digest

__all__ = ['ClassEmbeddings']

_FIELDS = ('names', 'matrix', 'background', 'fingerprint')


@dataclass(frozen=True)
class ClassEmbeddings:
    """Text side of an open-vocabulary classifier.

    Attributes:
        names: N class names.
        matrix: (N, C) float32, unit rows.
        fingerprint: Text tower, weights, prompts, names; plain values.
        background: (C,) unit vector of a background phrase, if asked for.

    Raises:
        ValueError: Shapes, norms or names contradict each other.
    """

    names: tuple[str, ...]
    matrix: Tensor
    fingerprint: dict[str, Any]
    background: Tensor | None = None

    def __post_init__(self) -> None:
        rows = [self.matrix]
        if self.background is not None:
            rows.append(self.background[None])
        if self.matrix.ndim != 2 or len(self.names) != len(self.matrix):
            raise ValueError(
                f'{len(self.names)} class names need a matrix of as many '
                f'rows, got shape {tuple(self.matrix.shape)}.'
            )
        norms = torch.cat(rows).float().norm(dim=-1)
        if not bool(((norms - 1).abs() < 1e-3).all()):
            worst = int((norms - 1).abs().nan_to_num(nan=9e9).argmax())
            raise ValueError(
                f'class embeddings must have unit rows; row {worst} has norm '
                f'{float(norms[worst]):.4g}.'
            )
        said = self.fingerprint.get('names')
        if said is not None and said != names_digest(self.names):
            raise ValueError(
                'the class names are not those of the fingerprint; they were '
                'edited after the embeddings were made.'
            )

    def __len__(self) -> int:
        return len(self.names)

    def with_background(self) -> Tensor:
        """(N + 1, C): the matrix with the background as its last row."""
        if self.background is None:
            raise ValueError(
                'these class embeddings have no background row; build them '
                "with background='background'."
            )
        return torch.cat((self.matrix, self.background[None]))

    def save(self, path: str | Path) -> None:
        """Write an ``.npz``; no half-written file is ever seen."""
        path = Path(path)
        if path.suffix != '.npz':
            raise ValueError(f'class embeddings go into .npz, got {path}.')
        arrays: dict[str, Any] = {
            'names': np.array(self.names, dtype=np.str_),
            'matrix': self.matrix.float().cpu().numpy(),
            'fingerprint': np.array(json.dumps(self.fingerprint)),
        }
        if self.background is not None:
            arrays['background'] = self.background.float().cpu().numpy()
        with atomically(path) as part, part.open('wb') as file:
            np.savez(file, **arrays)

    @classmethod
    def load(
        cls,
        path: str | Path,
        expected: dict[str, Any] | None = None,
        names: Sequence[str] | None = None,
    ) -> 'ClassEmbeddings':
        """Read and verify a file of :meth:`save`.

        Args:
            path: ``.npz`` file.
            expected: Fingerprint that is wanted, or a part of one, such as
                ``encoder.fingerprint``; its fields must agree.
            names: Class names that are wanted, in order.

        Raises:
            FileNotFoundError: No such file.
            FingerprintError: Names both sides of every field that differs.
            ValueError: The file is damaged or no file of class embeddings.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(
                f'class embeddings {path} do not exist. Check the path, or '
                'dump them with tools/misc/class_embeddings.py.'
            )
        try:
            found = cls(**_read(path))
        except (ValueError, TypeError, EOFError, OSError, zipfile.error) as e:
            raise ValueError(
                f'{path} is no readable file of class embeddings: {e} Dump it '
                'anew with tools/misc/class_embeddings.py.'
            ) from e
        found.verify(expected, names, str(path))
        return found

    @property
    def declared(self) -> str | None:
        """File these were imported from; None if we computed them."""
        return self.fingerprint.get('imported_from')

    def verify_declared(self, model: Any, origin: str) -> None:
        """Compare the model that an imported file was said to belong to.

        Args:
            model: open_clip name or ``.json`` file of the text tower; a dict
                is not compared.
            origin: File name, for the message.

        Raises:
            FingerprintError: Names both models.
        """
        theirs = self.fingerprint.get('model')
        ours = os.path.basename(model) if isinstance(model, str) else None
        if ours not in (None, theirs):
            raise FingerprintError(
                f'class embeddings {origin}, imported from {self.declared}, '
                f'were declared to belong to {theirs}; the text tower is '
                f'{ours}. Name the file that was made for {ours}.'
            )
        print_log(
            f'class embeddings {origin} were imported from {self.declared} '
            f'and declared to belong to {theirs}; prompts and weights are '
            'not compared.',
            logger='current',
        )

    def verify(
        self,
        expected: dict[str, Any] | None = None,
        names: Sequence[str] | None = None,
        origin: str = 'in memory',
    ) -> None:
        """Raise :class:`FingerprintError` unless made of what is expected."""
        compare_text_fingerprints(
            self.fingerprint, expected or {}, origin, self.names, names
        )


def _read(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as file:
        unknown = sorted(set(file.files) - set(_FIELDS))
        lacking = {'names', 'matrix', 'fingerprint'} - set(file.files)
        if unknown or lacking:
            raise ValueError(
                f'unknown arrays {unknown}, missing ones {sorted(lacking)}.'
            )
        arrays = {name: file[name] for name in file.files}
    background = arrays.get('background')
    if background is not None:
        background = torch.from_numpy(background)
    return {
        'names': tuple(str(name) for name in arrays['names']),
        'matrix': torch.from_numpy(arrays['matrix']),
        'fingerprint': json.loads(str(arrays['fingerprint'])),
        'background': background,
    }
