"""How many floating-point operations a function asks for."""

from collections.abc import Callable

from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

__all__ = ['operations']


def operations(work: Callable[[], object]) -> int:
    """Of matrix products and convolutions, forward and backward.

    Attention is counted as the products that define it, not as what a fused
    kernel computes twice: these are the model's operations.
    """
    counter = FlopCounterMode(display=False)
    with sdpa_kernel(SDPBackend.MATH), counter:
        work()
    return counter.get_total_flops()
