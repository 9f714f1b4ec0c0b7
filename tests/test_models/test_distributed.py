"""Two processes over gloo equal one process with the global batch."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from mmengine.registry import MODELS
from tiny import batch, distiller_cfg

import declip_mm  # noqa: F401  (registers the models)
from declip_mm.apis import leave_distributed

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent
COUNTS = (5, 1, 0, 2)  # boxes per image: ranks see 6 and 2


def step(counts_index, ranks):
    """One optimiser step on some images; returns losses and weights."""
    torch.manual_seed(0)
    model = MODELS.build(distiller_cfg()).train()
    inputs, samples = batch(COUNTS)
    bounds = [0, *torch.tensor(COUNTS).cumsum(0).tolist()]
    crops = torch.cat(
        [inputs['crops'][bounds[i] : bounds[i + 1]] for i in counts_index]
    )
    data = dict(
        inputs=dict(
            image=inputs['image'][counts_index],
            vfm=inputs['vfm'][counts_index],
            crops=crops,
        ),
        data_samples=[samples[i] for i in counts_index],
    )
    optimizer = torch.optim.SGD(
        [p for p in model.parameters() if p.requires_grad], lr=1.0
    )
    wrapper = OptimWrapper(optimizer)
    wrapped = MMDistributedDataParallel(model) if ranks > 1 else model
    logs = wrapped.train_step(data, wrapper)
    gradients = {
        n: p.grad.clone()
        for n, p in model.named_parameters()
        if p.grad is not None
    }
    return logs, gradients, model.state_dict()


def worker(rank, port, folder):
    torch.set_num_threads(1)
    dist.init_process_group(
        'gloo', f'tcp://127.0.0.1:{port}', rank=rank, world_size=2
    )
    torch.save(step([2 * rank, 2 * rank + 1], 2), f'{folder}/{rank}.pth')
    leave_distributed()


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path):
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    ranks = [
        subprocess.Popen(
            [sys.executable, __file__, str(rank), str(port), str(tmp_path)],
            env=dict(os.environ, PYTHONPATH=f'{TESTS}{os.pathsep}{ROOT}'),
        )
        for rank in (0, 1)
    ]
    assert [process.wait() for process in ranks] == [0, 0]
    first, second = (
        torch.load(tmp_path / f'{r}.pth', weights_only=False) for r in (0, 1)
    )
    alone = step([0, 1, 2, 3], 1)
    # the global losses are the means over the ranks
    for name, value in alone[0].items():
        mean = (first[0][name] + second[0][name]) / 2
        torch.testing.assert_close(mean, value, rtol=1e-5, atol=1e-6)
    for kind in (1, 2):  # gradients, weights
        assert alone[kind].keys() == first[kind].keys()
        for name, value in alone[kind].items():
            assert torch.equal(first[kind][name], second[kind][name]), name
            error = (first[kind][name] - value).abs().max()
            assert error <= 1e-5 * max(value.abs().max(), 1e-3), name


if __name__ == '__main__':  # one rank of the test
    worker(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
