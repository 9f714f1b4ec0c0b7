"""Losses against loops and hard numbers (paper eq. 7-10)."""

import pytest
import torch

from declip_mm.models import losses
from declip_mm.models.losses import content_loss, context_loss


def test_content_hard_numbers():
    regions = torch.tensor([[1.0, 0.0], [3.0, 4.0]])
    targets = torch.tensor([[2.0, 0.0], [1.0, 0.0]])
    # cosines 1 and 0.6
    assert content_loss(regions, targets).item() == pytest.approx(0.2)
    assert content_loss(regions, targets, 4).item() == pytest.approx(0.1)


def test_content_without_boxes_has_a_gradient_path():
    regions = torch.zeros(0, 4, requires_grad=True)
    loss = content_loss(regions, torch.zeros(0, 4))
    loss.backward()
    assert loss.item() == 0


def loop(context, teacher, valid):
    """The definition, an element at a time."""
    images = []
    for b in range(len(teacher)):
        keep = [i for i in range(teacher.shape[1]) if valid[b, i]]
        rows = []
        for i in keep:
            total = 0.0
            for j in keep:
                ours = sum(
                    torch.cosine_similarity(t[b, i], t[b, j], dim=0)
                    for t in context
                ) / len(context)
                theirs = torch.cosine_similarity(
                    teacher[b, i], teacher[b, j], dim=0
                )
                total += (ours - theirs) ** 2
            rows.append(total**0.5)
        images.append(sum(rows) / len(rows))
    return sum(images) / len(images)


@pytest.mark.parametrize('tensors', [1, 2, 3])
@pytest.mark.parametrize('masked', [False, True])
def test_context_matches_loop(tensors, masked):
    torch.manual_seed(tensors)
    context = list(torch.randn(tensors, 2, 6, 4))
    teacher = torch.randn(2, 6, 5)
    valid = torch.ones(2, 6, dtype=torch.bool)
    if masked:
        valid[0, 4:], valid[1, 2] = False, False
    found = context_loss(context, teacher, valid if masked else None)
    torch.testing.assert_close(found, loop(context, teacher, valid))


def test_context_chunks_are_exact_with_gradients():
    torch.manual_seed(0)
    teacher = torch.randn(2, 10, 5, dtype=torch.float64)
    values, gradients = [], []
    for chunk in (3, 100):
        student = torch.linspace(-1, 1, 80).double().reshape(2, 10, 4)
        student = student.sin().requires_grad_()
        loss = context_loss([student], teacher, chunk=chunk)
        loss.backward()
        values.append(loss.detach())
        gradients.append(student.grad)
    torch.testing.assert_close(*values, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-6)


def plain(context, teacher, valid):
    """All rows at once, by autograd."""
    units = [torch.nn.functional.normalize(t, dim=-1) for t in context]
    ours = sum(u @ u.transpose(1, 2) for u in units) / len(units)
    unit = torch.nn.functional.normalize(teacher, dim=-1)
    both = valid[:, :, None] & valid[:, None]
    difference = (ours - unit @ unit.transpose(1, 2)) * both
    rows = torch.linalg.vector_norm(difference, dim=-1)
    return (rows.sum(1) / valid.sum(1)).mean()


@pytest.mark.parametrize('way', ['rows', 'closed form'])
@pytest.mark.parametrize('tensors', [1, 2])
def test_context_gradients_are_those_of_autograd(way, tensors, monkeypatch):
    if way == 'closed form':
        monkeypatch.setattr(losses, '_CLOSED_FORM', 0)
    torch.manual_seed(tensors)
    teacher = torch.randn(2, 30, 7)
    valid = torch.ones(2, 30, dtype=torch.bool)
    valid[0, 20:], valid[1, :3] = False, False
    found = []
    for loss in (
        lambda *inputs: context_loss(*inputs, chunk=8),
        plain,
    ):
        torch.manual_seed(5)
        context = [
            torch.randn(2, 30, 6, requires_grad=True) for _ in range(tensors)
        ]
        value = 3 * loss(context, teacher, valid)  # a weight from outside
        value.backward()
        found.append([value.detach(), *(t.grad for t in context)])
    for ours, theirs in zip(*found):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)
    assert not found[0][1][0, 20:].any()  # padding has no gradient


def test_context_of_equal_affinity_in_closed_form(monkeypatch):
    monkeypatch.setattr(losses, '_CLOSED_FORM', 0)
    student = torch.randn(1, 50, 4, requires_grad=True)
    loss = context_loss([student], student.detach() * 3, chunk=10)
    loss.backward()
    assert loss.item() == 0 and not student.grad.any()


def matmul_precision():
    matmul = torch.backends.cuda.matmul
    return getattr(matmul, 'fp32_precision', None), matmul.allow_tf32


@pytest.mark.parametrize('tensors', [1, 2])
def test_context_in_tf32_is_the_same_loss(tensors, monkeypatch):
    """Rounded unit rows, as on a GPU; products here are exact."""
    torch.manual_seed(0)
    teacher = torch.randn(2, 64, 48)
    before = matmul_precision()
    found, flags = [], []
    product = torch.Tensor.baddbmm_

    def watch(*args, **kwargs):
        flags.append(torch.backends.cuda.matmul.allow_tf32)
        return product(*args, **kwargs)

    monkeypatch.setattr(torch.Tensor, 'baddbmm_', watch)
    for quick in (False, True):
        monkeypatch.setattr(losses, '_by_tf32', lambda rows, q=quick: q)
        torch.manual_seed(1)
        context = [
            torch.randn(2, 64, 32, requires_grad=True) for _ in range(tensors)
        ]
        value = context_loss(context, teacher, chunk=40)
        value.backward()
        found.append((value.detach(), *(t.grad for t in context)))
        assert flags and {*flags} == {quick}
        assert not torch.backends.cuda.matmul.allow_tf32
        assert matmul_precision() == before
        flags.clear()
    torch.testing.assert_close(found[1][0], found[0][0], rtol=1e-4, atol=0)
    for ours, theirs in zip(found[1][1:], found[0][1:]):
        assert not torch.equal(ours, theirs)
        assert (ours - theirs).norm() < 1e-3 * theirs.norm()


def test_rounding_to_tf32():
    x = torch.randn(10_000)
    rounded = losses._rounded(x)
    bits = rounded.view(torch.int32)
    assert not (bits & 0x1FFF).any()
    assert ((rounded - x).abs() <= x.abs() * 2**-11).all()


@pytest.mark.parametrize('count', [0, 4])
def test_a_count_on_the_device_is_one_on_the_host(count):
    total = torch.tensor(3.0, requires_grad=True)
    found = losses.mean_over(total, torch.tensor(float(count)))
    assert found == losses.mean_over(total, count)
    found.backward()
    assert total.grad == 1 / max(count, 1)


def test_context_keeps_no_matrix_for_the_backward_pass():
    student = torch.randn(1, 64, 4, requires_grad=True)
    saved = []

    def pack(tensor):
        saved.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        context_loss([student, student * 2], torch.randn(1, 64, 5), chunk=16)
    assert saved and max(saved) <= 64 * 4


def test_context_is_zero_and_safe_for_equal_affinity():
    student = torch.randn(1, 5, 4, requires_grad=True)
    loss = context_loss([student], student.detach() * 3)
    loss.backward()
    assert loss.item() < 1e-5
    assert student.grad.isfinite().all()


def test_context_refuses_another_grid():
    with pytest.raises(ValueError, match='same patch grid'):
        context_loss([torch.randn(1, 4, 3)], torch.randn(1, 9, 3))
