"""The proxy-token figure, by hand."""

import pytest
import torch

from declip_mm.evaluation import patch_objects, proxy_shares


def test_patches_take_the_object_that_covers_them():
    masks = torch.zeros(2, 4, 8, dtype=torch.bool)
    masks[0, :, :3] = True  # covers the first patch, half of the second
    masks[1, :2, 4:8] = True
    found = patch_objects(masks, (2, 4))
    assert found.tolist() == [0, 0, 1, 1, 0, 0, -1, -1]
    strict = patch_objects(masks, (2, 4), least=0.6)
    assert strict.tolist() == [0, -1, 1, 1, 0, -1, -1, -1]
    none = patch_objects(torch.zeros(0, 4, 8, dtype=torch.bool), (1, 2))
    assert none.tolist() == [-1, -1]


def test_even_attention_gives_k_in_n():
    objects = torch.tensor([0, 0, 1, -1, -1, -1, -1, -1])
    found = proxy_shares(torch.ones(8, 8), objects, k=2)
    torch.testing.assert_close(found.proxy, found.proxy_even.double())
    assert found.proxy_even.tolist() == [0.25] * 3
    assert found.own.tolist() == [0.125, 0.125, 0]
    assert found.own_even.tolist() == [0.125, 0.125, 0]
    assert found.itself.tolist() == [0.125] * 3


def test_proxies_are_common_and_outside():
    # patches 0 and 1 are object 0, patch 2 is object 1, 3 to 5 background
    objects = torch.tensor([0, 0, 1, -1, -1, -1])
    attention = torch.zeros(6, 6)
    attention[0] = torch.tensor([4.0, 1, 1, 0, 4, 0])
    attention[1] = torch.tensor([1.0, 1, 0, 5, 3, 0])
    attention[2] = torch.tensor([6.0, 0, 2, 0, 2, 0])
    attention[3:] = 1e9  # the background's own attention counts nowhere
    found = proxy_shares(attention, objects, k=1)
    # received from other objects: 0: .6 (of patch 2), 1: 0, 2: .05,
    # 3: 1/6, 4: .3; 0 is of the first two patches' own object, so that they
    # have 4 for a proxy
    assert found.proxy.tolist() == pytest.approx([0.4, 0.3, 0.6])
    assert found.own.tolist() == pytest.approx([0.1, 0.1, 0])
    assert found.itself.tolist() == pytest.approx([0.4, 0.1, 0.2])


def test_no_object_no_value():
    found = proxy_shares(torch.ones(4, 4), torch.full((4,), -1), k=2)
    assert len(found.proxy) == len(found.own) == 0


def test_wrong_arguments_are_refused():
    objects = torch.zeros(4, dtype=torch.int64)
    with pytest.raises(ValueError, match=r'shape \(4, 5\) and k=5'):
        proxy_shares(torch.ones(4, 5), objects)
    with pytest.raises(ValueError, match='k=0'):
        proxy_shares(torch.ones(4, 4), objects, k=0)
