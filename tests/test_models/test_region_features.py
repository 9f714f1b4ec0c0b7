"""Region features on maps whose answers are known."""

import pytest
import torch

from declip_mm.models.regions import box_features, mask_features


def ramp(h, w):
    """(1, 2, h, w): channel 0 is the column's centre, 1 the row's."""
    y = (torch.arange(h) + 0.5) / h
    x = (torch.arange(w) + 0.5) / w
    return torch.stack((x.expand(h, w), y[:, None].expand(h, w)))[None]


def test_box_feature_of_a_ramp_is_the_boxs_centre():
    boxes = [torch.tensor([[0.25, 0.25, 0.75, 0.5], [0.5, 0.5, 0.75, 0.75]])]
    found = box_features(ramp(16, 8), boxes)
    wanted = torch.tensor([[0.5, 0.375], [0.625, 0.625]])
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


def test_boxes_keep_their_images():
    content = torch.cat((torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)))
    box = torch.tensor([[0.0, 0.0, 1.0, 1.0]])
    found = box_features(content, [box, box.repeat(2, 1)])
    assert found.flatten().tolist() == [0.0, 1.0, 1.0]
    assert box_features(content, [box[:0], box]).shape == (1, 1)


def test_box_features_in_half_precision_inputs():
    box = [torch.tensor([[0.0, 0.0, 1.0, 1.0]])]
    assert box_features(ramp(4, 4).bfloat16(), box).dtype == torch.float32


def test_mask_feature_is_the_mean_under_the_mask():
    content = torch.arange(16.0).reshape(1, 1, 4, 4)
    mask = torch.zeros(2, 4, 4, dtype=torch.bool)
    mask[0, 1, 2] = mask[0, 3, 3] = True
    mask[1, :2] = True
    found = mask_features(content, [mask])
    assert found.flatten().tolist() == [(6 + 15) / 2, 3.5]


def test_fine_masks_are_resized():
    mask = torch.zeros(1, 64, 64, dtype=torch.bool)
    mask[:, :32] = True
    (found,) = mask_features(ramp(4, 4), [mask])
    assert found[0] == pytest.approx(0.5, abs=1e-5)
    assert found[1] < 0.5


def test_a_mask_too_thin_for_the_grid_takes_its_best_cell():
    mask = torch.zeros(1, 64, 64, dtype=torch.bool)
    mask[0, 18, 40] = True  # between bicubic's sample points
    found = mask_features(ramp(2, 2), [mask])
    torch.testing.assert_close(found, torch.tensor([[0.75, 0.25]]))


def test_no_masks():
    found = mask_features(ramp(2, 2), [torch.zeros(0, 8, 8).bool()])
    assert found.shape == (0, 2)
