"""The cost aggregation head."""

import pytest
import torch
import torch.nn.functional as F
from tiny_cat_seg import head, head_inputs

from declip_mm.segmentation.cat_seg.attention import shift_mask
from declip_mm.segmentation.cat_seg.cost import PRUNED, cost_volume


@pytest.mark.parametrize('classes', [1, 3, 7, 8, 11])
def test_shapes_and_pruning(classes):
    logits = head()(*head_inputs(classes=classes))
    assert logits.shape == (2, classes, 16, 16)
    pruned = (logits == PRUNED).flatten(2).all(dim=2)
    assert pruned.sum(dim=1).tolist() == [max(0, classes - 8)] * 2
    assert not (logits[~pruned] == PRUNED).any()


@pytest.mark.slow
@pytest.mark.parametrize('classes', [1, 3, 171, 256, 300])
def test_full_size_shapes(classes):
    """At the sizes of B/16; 300 classes prune exactly 44 an image."""
    torch.manual_seed(0)
    built = head(
        embed_dim=512,
        tap_dim=768,
        dim=128,
        guidance_dim=128,
        tap_dims=(256, 128),
        decoder_dims=(64, 32),
        decoder_guidance_dims=(32, 16),
        window=12,
        max_classes=256,
        class_chunk=16,
        pixel_chunk=96,
    )
    content = torch.randn(1, 512, 24, 24)
    taps = [torch.randn(1, 768, 24, 24)] * 2
    with torch.no_grad():
        logits = built(content, taps, torch.randn(classes, 1, 512))
    assert logits.shape == (1, classes, 96, 96)
    pruned = (logits == PRUNED).flatten(2).all(dim=2).sum()
    assert pruned == max(0, classes - 256)
    share = (logits == PRUNED).float().mean().item()
    assert share == pytest.approx(max(0, classes - 256) / classes, abs=1e-6)


@pytest.mark.parametrize(
    'width, own, upsamplers',
    [(512, 2308961, 2359680), (768, 2636641, 3146112)],
)
def test_full_size_has_as_many_weights_as_the_authors(width, own, upsamplers):
    tap = 768 if width == 512 else 1024
    with torch.device('meta'):
        from declip_mm.segmentation.cat_seg import CATSegHead

        built = CATSegHead(embed_dim=width, tap_dim=tap)
    count = sum(p.numel() for p in built.upsamplers.parameters())
    assert count == upsamplers
    assert sum(p.numel() for p in built.parameters()) == own + upsamplers


def test_pruning_keeps_the_best_cosines_of_each_image():
    content, taps, text = head_inputs(classes=11)
    best = cost_volume(content, text).flatten(2).amax(dim=-1)
    kept = (head()(content, taps, text) != PRUNED).flatten(2).any(dim=2)
    for row, found in zip(best, kept):
        assert found.nonzero()[:, 0].tolist() == sorted(
            row.topk(8).indices.tolist()
        )
    assert not torch.equal(kept[0], kept[1])  # a decision of each image


def test_batched_images_equal_single_ones():
    """Guidance goes to its own image (a known bug of a port of CAT-Seg)."""
    content, taps, text = head_inputs(batch=3, classes=5)
    built = head()
    together = built(content, taps, text)
    for index in range(3):
        part = slice(index, index + 1)
        alone = built(content[part], [t[part] for t in taps], text)
        assert torch.allclose(together[part], alone, atol=1e-5)


@pytest.mark.parametrize('training', [False, True])
@pytest.mark.parametrize('chunks', [(1, 1), (2, 3), (100, 100)])
def test_chunks_change_nothing(chunks, training):
    whole, inputs = head(), head_inputs(classes=5)
    part = head(class_chunk=chunks[0], pixel_chunk=chunks[1], with_cp=training)
    whole.train(training)
    part.train(training)
    found, wanted = part(*inputs), whole(*inputs)
    assert torch.allclose(found, wanted, atol=1e-5)
    found.square().mean().backward()
    wanted.square().mean().backward()
    for (name, a), b in zip(part.named_parameters(), whole.parameters()):
        assert torch.allclose(a.grad, b.grad, atol=1e-5), name


def test_order_of_classes_is_of_no_account():
    content, taps, text = head_inputs(classes=5)
    order = torch.tensor([3, 0, 4, 1, 2])
    built = head()
    moved = built(content, taps, text[order])
    assert torch.allclose(
        moved, built(content, taps, text)[:, order], atol=1e-5
    )


def test_padding_stands_for_real_classes():
    """Padding to 8 = 8 - T explicit padding tokens in the attention."""
    attention = head().layers[0].classes.attn
    x = torch.randn(2, 4, 3, 16)
    guidance = torch.randn(2, 1, 3, 8)
    pad, pad_guidance = torch.randn(16), torch.randn(8)
    found = attention(x, guidance, pad, pad_guidance, 5)
    long = torch.cat((x, pad.expand(2, 4, 5, 16)), dim=2)
    long_guidance = torch.cat(
        (guidance, pad_guidance.expand(2, 1, 5, 8)), dim=2
    )
    wanted = attention(long, long_guidance, pad, pad_guidance, 0)
    assert torch.allclose(found, wanted[:, :, :3], atol=1e-5)


def test_both_poolings_share_one_state_dict():
    pooled, plain = head(test_pooling=2), head(test_pooling=1)
    plain.load_state_dict(pooled.state_dict())
    inputs = head_inputs()
    assert not torch.allclose(pooled(*inputs), plain(*inputs), atol=1e-4)
    plain.train()
    assert torch.equal(plain(*inputs), pooled(*inputs))


@pytest.mark.parametrize('classes', [3, 8, 11])
def test_every_parameter_gets_a_gradient(classes):
    """So DDP never waits, also where nothing is padded."""
    built = head().train()
    built(*head_inputs(classes=classes)).square().mean().backward()
    assert [n for n, p in built.named_parameters() if p.grad is None] == []


def test_guidance_norm_matters_and_cost_norm_does_not():
    content, taps, text = head_inputs()
    unit, raw = head(unit_guidance=True), head(unit_guidance=False)
    assert torch.allclose(
        unit(content, taps, text), unit(3 * content, taps, 2 * text), atol=1e-5
    )
    assert not torch.allclose(
        raw(content, taps, text), raw(3 * content, taps, text), atol=1e-4
    )
    same = raw(F.normalize(content, dim=1), taps, text)
    assert torch.allclose(unit(content, taps, text), same, atol=1e-5)


def test_shift_mask_separates_rolled_cells():
    mask = shift_mask((4, 4), 2, 1, torch.device('cpu'))
    assert mask.shape == (4, 4, 4)
    assert (mask[0] == 0).all()  # no rolled border inside the first window
    # the last window holds cells of all four corners: each sees itself only
    assert torch.equal(mask[3] == 0, torch.eye(4, dtype=torch.bool))


def test_wrong_grid_and_taps_are_refused():
    content, taps, text = head_inputs(grid=4)
    with pytest.raises(ValueError, match='no multiple of the window 2'):
        head()(*head_inputs(grid=5))
    with pytest.raises(ValueError, match='two taps on the grid'):
        head()(content, taps[:1], text)
    with pytest.raises(ValueError, match='class_chunk must be 1 or more'):
        head(class_chunk=0)
