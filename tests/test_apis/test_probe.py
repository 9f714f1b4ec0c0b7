"""The probe finds what a file was distilled with, or says it cannot."""

import pytest
import torch
from mmengine.registry import MODELS
from PIL import Image
from tiny import backbone_cfg, tiny_eva

from declip_mm.apis.probe import Candidate, judge, probe
from declip_mm.checkpoint import save_weights


@pytest.fixture
def pictures(tmp_path):
    paths = []
    for index in range(3):
        noise = torch.randint(0, 256, (40, 60, 3), dtype=torch.uint8)
        paths.append(tmp_path / f'{index}.png')
        Image.fromarray(noise.numpy()).save(paths[-1])
    return paths


def test_every_pair_is_measured_best_first(pictures, tmp_path):
    source = MODELS.build(backbone_cfg(tiny_eva()))
    weights = {f'backbone.{k}': v for k, v in source.state_dict().items()}
    path = tmp_path / 'a.safetensors'
    save_weights(weights, path)
    found = probe(str(path), pictures, ('qq', 'vv'), model=tiny_eva())
    assert {(c.affinity, round(c.scale, 4)) for c in found} == {
        (a, round(s, 4)) for a in ('qq', 'vv') for s in (1.0, 12**-0.5)
    }
    means = [float(c.cosine.mean()) for c in found]
    assert means == sorted(means, reverse=True)
    assert all(c.cosine.shape == c.found.shape == (3,) for c in found)
    assert all(bool((c.cosine.abs() <= 1).all()) for c in found)
    # with its own fingerprint, the file needs no model and gives the same
    said = dict(source.fingerprint, **source.architecture)
    save_weights(weights, path, said)
    again = probe(str(path), pictures, ('qq', 'vv'))
    for one, two in zip(found, again):
        assert one.label == two.label
        assert torch.equal(one.cosine, two.cosine)


def candidate(affinity, scale, *cosine):
    values = torch.tensor(cosine)
    return Candidate(affinity, scale, values, values)


def test_verdicts():
    found = [
        candidate('qq', 0.125, 0.8, 0.9, 0.85),
        candidate('csa', 0.125, 0.9, 0.8, 0.84),
        candidate('qq', 1.0, 0.5, 0.61, 0.55),
    ]
    scale = judge(found, 'scale')
    assert scale.certain and scale.gap == pytest.approx(0.29667, abs=1e-4)
    assert 'scale: gap 0.2967' in str(scale)
    assert '0.125 fits, 1 does not' in str(scale)
    affinity = judge(found, 'affinity')
    assert not affinity.certain
    assert 'qq and csa cannot be told apart' in str(affinity)
    with pytest.raises(ValueError, match='1 values of scale on 3 pictures'):
        judge(found[:2], 'scale')
