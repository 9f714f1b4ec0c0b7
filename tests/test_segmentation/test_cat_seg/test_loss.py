"""CAT-Seg's loss against an explicit one-hot target."""

import pytest
import torch
import torch.nn.functional as F

from declip_mm.segmentation.cat_seg import OVBCELoss, dense_bce


def inputs():
    make = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(2, 5, 4, 4, generator=make)
    labels = torch.randint(0, 5, (2, 16, 16), generator=make)
    labels[0, :5] = 255
    return logits.requires_grad_(), labels


def explicit(logits, labels):
    """Per-pixel loss (B, T, H, W); ignored pixels have an all-zero target."""
    full = F.interpolate(
        logits, size=labels.shape[-2:], mode='bilinear', align_corners=False
    )
    target = F.one_hot(labels.clamp(max=logits.shape[1] - 1), logits.shape[1])
    target = target.permute(0, 3, 1, 2) * (labels != 255)[:, None]
    return F.binary_cross_entropy_with_logits(
        full, target.float(), reduction='none'
    )


@pytest.mark.parametrize('chunk', [None, 1, 2, 5, 9])
def test_equals_explicit_one_hot(chunk):
    logits, labels = inputs()
    wanted = explicit(logits, labels).mean()
    (gradient,) = torch.autograd.grad(wanted, logits)
    found = dense_bce(logits, labels, class_chunk=chunk)
    assert torch.allclose(found, wanted, atol=1e-6)
    (own,) = torch.autograd.grad(found, logits)
    assert torch.allclose(own, gradient, atol=1e-7)


def test_switch_changes_the_ignored_pixels_alone():
    logits, labels = inputs()
    terms = explicit(logits, labels)
    valid = (labels != 255)[:, None].expand_as(terms)
    found = dense_bce(logits, labels, ignore_as_negative=False)
    assert torch.allclose(found, terms[valid].mean(), atol=1e-6)
    assert not torch.allclose(found, terms.mean(), atol=1e-3)
    whole = labels.clamp(max=4)
    assert torch.allclose(
        dense_bce(logits, whole, ignore_as_negative=False),
        dense_bce(logits, whole),
    )


def test_own_ignore_index_and_class_255():
    """With 300 classes 255 is a class, 65535 is nothing."""
    logits = torch.randn(1, 300, 2, 2)
    labels = torch.tensor([[[255, 65535], [0, 299]]])
    found = OVBCELoss()(logits, labels, ignore_index=65535)
    target = torch.zeros(1, 300, 2, 2)
    target[0, 255, 0, 0] = target[0, 0, 1, 0] = target[0, 299, 1, 1] = 1
    wanted = F.binary_cross_entropy_with_logits(logits, target)
    assert torch.allclose(found, wanted, atol=1e-6)


def test_nothing_to_count_is_zero_and_strange_labels_are_named():
    logits = torch.randn(1, 3, 2, 2)
    empty = torch.full((1, 2, 2), 255)
    assert dense_bce(logits, empty, ignore_as_negative=False) == 0
    with pytest.raises(ValueError, match=r'labels \[7\] are none of the 3'):
        OVBCELoss()(logits, torch.tensor([[[0, 7], [1, 2]]]))
