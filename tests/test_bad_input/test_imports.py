"""Class embeddings that others computed."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from bad_input import Case, check
from tiny import tiny_eva

from declip_mm.models.text.importing import import_class_embeddings

EYE = np.eye(12, dtype=np.float32)[:2]


def imported(content, name='rows.npy', names='cat,dog', **options):
    def act(folder):
        path = folder / name
        if name.endswith('.npy'):
            np.save(path, content)
        else:
            torch.save(content, path)
        (folder / 'tiny.json').write_text(json.dumps(tiny_eva()))
        found, _ = import_class_embeddings(
            path, names, str(folder / 'tiny.json'), **options
        )
        return [*found.names, *found.matrix.argmax(1).tolist()]

    return act


def vectors(**rows):
    return {k: torch.as_tensor(EYE[v]) for k, v in rows.items()}


IMPORTED = [
    ('no file', lambda f: import_class_embeddings(f / 'no.npy', 'cat',
     'ViT-B-16'), 'no.npy', 'Check the path'),
    ('no names', imported(EYE, names=None), 'rows.npy', 'give the names'),
    ('other dimension', imported(EYE[:, :8]), '8 dimensions', 'Name the'),
    ('too few', imported(EYE, names='a,b,c'), '2 rows for 3', 'in their'),
    ('background row', imported(np.eye(12)[:3]), '3 rows for 2',
     '--background background'),
    ('three axes', imported(EYE[None]), '(1, 2, 12)', '(2, 12)'),
    ('zero row', imported(EYE * [[1], [0]]), "row 1 ('dog', norm 0)",
     'Make the file anew'),
    ('NaN', imported(EYE + [[np.nan], [0]]), "row 0 ('cat', norm nan)",
     'Make the file anew'),
    ('objects', imported(np.array([dict()], object)), 'rows.npy',
     'array of floats'),
    ('texts', imported(np.array(['cat', 'dog'])), 'rows.npy',
     'array of floats'),
    ('suffix', lambda f: (f / 'a.csv').write_text('1') and
     import_class_embeddings(f / 'a.csv', 'cat', 'ViT-B-16'), 'a.csv',
     'numpy.save'),
    ('code', imported(SimpleNamespace(), 'rows.pth'), 'rows.pth',
     'Nothing in it was run'),
    ('no vectors', imported(dict(cat=3), 'rows.pth'), "['cat']",
     'name -> vector'),
    ('lacks a name', imported(vectors(cat=0), 'rows.pth'), "['dog']",
     'such as'),
    ('lengths', imported({'cat': torch.ones(12), 'dog': torch.ones(9)},
     'rows.pth'), '12: 1', 'different lengths'),
]  # fmt: skip

IMPORT_READ = [
    ('rows', imported(EYE), ['cat', 'dog', 0, 1]),
    ('half', imported(EYE.astype(np.float16) * 3), ['cat', 'dog', 0, 1]),
    ('columns', imported(EYE.T), ['cat', 'dog', 0, 1]),
    ('tensor', imported(torch.as_tensor(EYE), 'rows.pt'),
     ['cat', 'dog', 0, 1]),
    ('dict', imported(vectors(dog=1, cat=0), 'rows.pth'),
     ['cat', 'dog', 0, 1]),
    ('dict without names', imported(vectors(dog=1, cat=0), 'rows.pth', None),
     ['dog', 'cat', 1, 0]),
]  # fmt: skip

CASES = [
    *(Case(*row) for row in IMPORTED),
    *(Case(f'reads {r[0]}', *r[1:], outcome='read') for r in IMPORT_READ),
]


@pytest.mark.parametrize('case', CASES, ids=[c.name for c in CASES])
def test_import(case, tmp_path):
    check(case, tmp_path)
