"""Class embeddings that others computed, brought into our format.

N classes, C joint dimension.
"""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...checkpoint import read_content
from ..towers.config import read_model_config
from .embeddings import ClassEmbeddings
from .fingerprint import names_digest
from .name_lists import parse_names
from .names import name_key, tidy

__all__ = ['NeighbourTest', 'import_class_embeddings', 'judge_order']

#: Rows nearer than this to each other are one.
_EQUAL = 1 - 1e-6
#: Fewer pairs of names with a word in common say too little.
MIN_PAIRS = 15
#: Standard deviations above chance. With COCO's 133 names and five towers the
#: right order has 6.9 or more, the alphabet's 3.5 at most; of 1,225 parts of
#: the list with enough pairs 0.6 % had less than 4, of as many shuffled ones
#: none more than 2.8.
MIN_SCORE = 4.0


def import_class_embeddings(
    path: str | Path,
    names: Any,
    model: str,
    background: str | None = None,
) -> tuple[ClassEmbeddings, list[str]]:
    """Read embeddings of class names from another project's file.

    Args:
        path: ``.npy`` with a row a class, in the order of ``names``; or
            ``.pt`` / ``.pth`` with such a tensor, or with a dict name ->
            vector. Nothing pickled is run.
        names: See :func:`parse_names`. None takes those of a dict.
        model: open_clip name or ``.json`` file of the CLIP whose text tower
            made them. The file cannot tell; only the dimension is compared.
        background: Phrase of a background row: the last one of an array, the
            entry of this name in a dict.

    Returns:
        The embeddings, with unit rows, and what a person should know.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Not to be read; shape, names and model contradict each
            other; rows that are zero or not finite.
    """
    content = _read(Path(path))
    wanted = None if names is None else list(parse_names(names))
    if isinstance(content, Mapping):
        wanted, rows = _rows_by_name(content, wanted, background, path)
    else:
        if wanted is None:
            raise ValueError(
                f'{path} has rows without names: give the names in the order '
                'of its rows.'
            )
        rows = content
    dim = read_model_config(model)['embed_dim']
    rows, notes = _fitting(
        rows, len(wanted) + (background is not None), dim, path, model
    )
    rows, more = _unit(rows, [*wanted, background or ''], path)
    label = os.path.basename(model)
    found = ClassEmbeddings(
        names=tuple(wanted),
        matrix=rows[: len(wanted)].contiguous(),
        fingerprint=dict(
            model=label,
            dim=dim,
            imported_from=Path(path).name,
            imported_sha256=hashlib.sha256(
                Path(path).read_bytes()
            ).hexdigest(),
            prompts_label='unknown prompts',
            names=names_digest(wanted),
            num_names=len(wanted),
            background=background,
        ),
        background=None if background is None else rows[-1].clone(),
    )
    notes += [*more, *_equal_rows(found)]
    notes.append(
        f'{path} does not say which text tower made it; {label} is what you '
        'declared'
    )
    return found, notes


def _read(path: Path) -> Any:
    """An array or tensor, or a dict of them."""
    if not path.is_file():
        raise FileNotFoundError(f'{path} does not exist. Check the path.')
    suffix = path.suffix.lower()
    if suffix == '.npy':
        try:
            return torch.from_numpy(np.load(path, allow_pickle=False))
        except (ValueError, TypeError, EOFError, OSError) as error:
            raise ValueError(
                f'{path} is no readable array of numbers: {error} Save it '
                'with numpy.save as an array of floats, not of objects.'
            ) from error
    if suffix not in ('.pt', '.pth'):
        raise ValueError(
            f'class embeddings are imported from .npy, .pt and .pth files, '
            f'got {path}. Convert it with numpy.save.'
        )
    content = read_content(str(path))
    if isinstance(content, torch.Tensor):
        return content
    if isinstance(content, np.ndarray):
        return torch.from_numpy(content)
    if isinstance(content, Mapping):
        wrong = [k for k, v in content.items() if not _is_vector(v)]
        if content and not wrong:
            return {tidy(str(k)): _tensor(v) for k, v in content.items()}
        raise ValueError(
            f'{path} is a dict of {len(content)} entries, of which '
            f'{[str(k) for k in wrong[:5]]} are no vectors. Allowed are name '
            '-> vector, or a tensor with a row a class.'
        )
    raise ValueError(
        f'{path} holds a {type(content).__name__}. Allowed are name -> '
        'vector, or a tensor with a row a class.'
    )


def _tensor(value: Any) -> Tensor:
    return torch.as_tensor(value).squeeze()


def _is_vector(value: Any) -> bool:
    numbers = isinstance(value, torch.Tensor | np.ndarray | list)
    return numbers and _tensor(value).ndim == 1


def _rows_by_name(
    table: Mapping[str, Tensor],
    names: list[str] | None,
    background: str | None,
    path: str | Path,
) -> tuple[list[str], Tensor]:
    by_key = {name_key(name): name for name in table}
    if names is None:
        names = [n for n in table if background is None or n != background]
        names = list(parse_names(names))
    wanted = names if background is None else [*names, background]
    missing = [name for name in wanted if name_key(name) not in by_key]
    if missing:
        raise ValueError(
            f'{path} has no vector for {len(missing)} of {len(wanted)} names, '
            f'such as {missing[:5]}; it has {len(table)}, such as '
            f'{list(table)[:5]}.'
        )
    vectors = [table[by_key[name_key(name)]] for name in wanted]
    sizes = Counter(len(v) for v in vectors)
    if len(sizes) > 1:
        raise ValueError(
            f'{path} has vectors of different lengths: {dict(sizes)}.'
        )
    return names, torch.stack(vectors)


def _fitting(
    rows: Tensor, count: int, dim: int, path: str | Path, model: str
) -> tuple[Tensor, list[str]]:
    """(N, C) float64; an array the other way round is turned."""
    shape, notes = tuple(rows.shape), []
    if shape == (dim, count) and dim != count:
        rows = rows.t()
        notes.append(f'{path} is {shape}: a column a class, turned')
    if rows.ndim != 2 or rows.is_complex():
        raise ValueError(
            f'{path} has the shape {shape} ({rows.dtype}); needed is a row a '
            f'class: ({count}, {dim}). Average prompts, leave out other axes.'
        )
    if rows.shape[1] != dim:
        raise ValueError(
            f'{path} has {rows.shape[1]} dimensions, {model} has {dim}. Name '
            'the model whose text tower made the file.'
        )
    if len(rows) != count:
        extra = (
            ' If its last row is a background, say --background background.'
            if len(rows) == count + 1
            else ''
        )
        raise ValueError(
            f'{path} has {len(rows)} rows for {count} names (with the '
            'background, if one was named). Give the names of its rows, in '
            f'their order.{extra}'
        )
    return rows.double(), notes


def _unit(
    rows: Tensor, names: Sequence[str], path: str | Path
) -> tuple[Tensor, list[str]]:
    norms = rows.norm(dim=-1)
    bad = (~norms.isfinite() | (norms < 1e-6)).nonzero()[:, 0].tolist()
    if bad:
        raise ValueError(
            f'{path}: {len(bad)} rows are zero or not finite, such as row '
            f'{bad[0]} ({names[bad[0]]!r}, norm {float(norms[bad[0]]):.4g}). '
            'Make the file anew.'
        )
    low, high = float(norms.min()), float(norms.max())
    notes = []
    if max(abs(low - 1), abs(high - 1)) > 1e-5:
        notes.append(f'norms {low:.5g} to {high:.5g}, brought to 1')
    return F.normalize(rows, dim=-1).float(), notes


def _equal_rows(found: ClassEmbeddings) -> list[str]:
    near = (found.matrix @ found.matrix.t()).triu(1) > _EQUAL
    pairs = [(found.names[a], found.names[b]) for a, b in near.nonzero()]
    if not pairs:
        return []
    return [
        f'warning: {len(pairs)} pairs of classes have equal rows, so that '
        f'only the first can win: {pairs[:5]}'
    ]


class NeighbourTest(NamedTuple):
    """Whether names with a word in common have similar rows.

    Attributes:
        pairs: Pairs of names with a word in common.
        score: Their mean cosine, in standard deviations above that of
            shuffled names; None with fewer than :data:`MIN_PAIRS` pairs,
            which are too few to judge by.
        nearest: (cosine, name, name) of the most similar rows.
    """

    pairs: int
    score: float | None
    nearest: tuple[tuple[float, str, str], ...]

    @property
    def shuffled(self) -> bool:
        return self.score is not None and self.score < MIN_SCORE


def judge_order(found: ClassEmbeddings) -> NeighbourTest:
    """Look for rows in another order than the names.

    'wall-brick' and 'wall-tile' are neighbours to any text tower. In a file
    whose rows stand in another order they are as far apart as any two.

    Args:
        found: Embeddings of N names.
    """
    cosines = (found.matrix @ found.matrix.t()).double().numpy()
    count = len(found)
    upper = np.triu(np.full((count, count), True), 1)
    order = np.argsort(np.where(upper, cosines, -2), axis=None)[::-1]
    chosen = [divmod(int(i), count) for i in order[: min(3, upper.sum())]]
    nearest = tuple(
        (float(cosines[a, b]), found.names[a], found.names[b])
        for a, b in chosen
    )
    pairs = np.array(_related(found.names), dtype=int).reshape(-1, 2)
    if len(pairs) < MIN_PAIRS:
        return NeighbourTest(len(pairs), None, nearest)

    def mean_cosine(places: np.ndarray) -> float:
        first, second = places[pairs].T
        return float(cosines[first, second].mean())

    random = np.random.default_rng(0)
    chance = [mean_cosine(random.permutation(count)) for _ in range(500)]
    spread = max(float(np.std(chance)), 1e-9)
    score = (mean_cosine(np.arange(count)) - np.mean(chance)) / spread
    return NeighbourTest(len(pairs), float(score), nearest)


def _related(names: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of names with a word in common that few other names have."""
    words = [set(re.findall(r'[^\W\d]{3,}', name_key(n))) for n in names]
    counts = Counter(word for own in words for word in own)
    limit = max(5, len(names) // 20)  # 'merged', 'other' tell nothing
    words = [{w for w in own if counts[w] <= limit} for own in words]
    return [
        (i, j)
        for i, own in enumerate(words)
        for j in range(i)
        if own & words[j]
    ]
