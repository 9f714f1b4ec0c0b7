"""mmdet's scope for every detection test."""

import pytest
from mmengine.registry import init_default_scope

import declip_mm.detection  # noqa: F401  (registers everything)


@pytest.fixture(autouse=True)
def _mmdet_scope(_fresh_scope):
    init_default_scope('mmdet')
