"""Softmax over base classes and background."""

import pytest
import torch
import torch.nn.functional as F

from declip_mm.detection import FViTClassificationLoss


def loss(background_weight=0.6):
    module = FViTClassificationLoss(background_weight)
    module.set_vocabulary(['cat', 'dog', 'bus'], [True, False, True])
    return module


def test_equals_the_formula():
    logits = torch.randn(6, 4)
    labels = torch.tensor([0, 2, 3, 3, 0, 2])
    found = loss()(logits, labels, torch.ones(6), avg_factor=6)
    kept = logits[:, [0, 2, 3]].log_softmax(-1)
    column = {0: 0, 2: 1, 3: 2}
    weight = {0: 1.0, 2: 1.0, 3: 0.6}
    wanted = [
        -weight[y] * kept[i, column[y]] for i, y in enumerate(labels.tolist())
    ]
    # weights are not normalised: N is the number of regions
    assert found == pytest.approx(float(sum(wanted) / 6), rel=1e-6)


def test_novel_logits_get_no_gradient():
    logits = torch.randn(4, 4, requires_grad=True)
    loss()(logits, torch.tensor([0, 2, 3, 3])).backward()
    assert logits.grad.isfinite().all()
    assert torch.equal(logits.grad[:, 1], torch.zeros(4))
    assert (logits.grad[:, [0, 2, 3]] != 0).all()


def test_a_novel_label_is_named_instead_of_nan():
    with pytest.raises(ValueError, match="'dog'"):
        loss()(torch.randn(2, 4), torch.tensor([0, 1]))


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_logits(dtype):
    logits = torch.tensor([[50.0, 0, -50, 20], [-50, 50, 10, 50]], dtype=dtype)
    labels = torch.tensor([2, 3])
    found = loss()(logits, labels)
    assert found.dtype == torch.float32
    wanted = F.cross_entropy(
        logits.float()[:, [0, 2, 3]],
        torch.tensor([1, 2]),
        weight=torch.tensor([1.0, 1.0, 0.6]),
        reduction='sum',
    )
    assert float(found) == pytest.approx(float(wanted) / 2, rel=1e-6)


def test_background_needs_a_weight():
    with pytest.raises(ValueError, match='background_weight'):
        FViTClassificationLoss(0.0)
