"""Parts of a batch on several ranks train as one big batch does."""

import os
import socket
import subprocess
import sys

import pytest
import torch
import torch.distributed as dist
from mmengine.dataset import pseudo_collate
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from mmengine.registry import MODELS
from mmengine.structures import BaseDataElement
from tiny import distiller_cfg

import declip_mm  # noqa: F401  (registers the models)
from declip_mm.apis import leave_distributed
from declip_mm.engine.accumulation import split_batch

COUNTS = (5, 1, 0, 2, 3, 0, 0, 1)  # boxes; some parts have none


def samples():
    """Eight pictures as the data set gives them."""
    generator = torch.Generator().manual_seed(1)
    for index, count in enumerate(COUNTS):
        corners = torch.rand(count, 2, 2, generator=generator).sort(1)[0]
        sizes = dict(
            image=(3, 96, 96), crops=(count, 3, 64, 64), vfm=(3, 96, 96)
        )
        inputs = {
            name: torch.randint(
                0, 256, size, dtype=torch.uint8, generator=generator
            )
            for name, size in sizes.items()
        }
        sample = BaseDataElement(
            metainfo=dict(img_id=index),
            boxes=corners.flatten(1),
            valid_hw=torch.tensor([1.0, 0.75]),
        )
        yield dict(inputs=inputs, data_samples=sample)


def step(chosen, parts, ranks=1, split=split_batch):
    """One optimiser step; returns what was logged and the update."""
    torch.manual_seed(0)
    half = [127.5] * 3
    views = dict(type='DeCLIPPreprocessor', vfm_mean=half, vfm_std=half)
    model = MODELS.build(distiller_cfg(data_preprocessor=views)).train()
    before = {n: v.clone() for n, v in model.state_dict().items()}
    optimizer = torch.optim.SGD(
        [p for p in model.parameters() if p.requires_grad], lr=1.0
    )
    wrapper = OptimWrapper(optimizer, accumulative_counts=parts)
    wrapper.initialize_count_status(model, 0, 3 * parts)
    wrapped = MMDistributedDataParallel(model) if ranks > 1 else model
    pictures = list(samples())
    batch = pseudo_collate([pictures[i] for i in chosen])
    logs = [wrapped.train_step(p, wrapper) for p in split(batch, parts)]
    mean = {n: sum(log[n] for log in logs).detach() / parts for n in logs[0]}
    update = {n: v - before[n] for n, v in model.state_dict().items()}
    return mean, torch.cat([v.flatten() for v in update.values()])


def difference(update, expected):
    return float((update - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize('parts', [2, 4, 8])
def test_parts_equal_the_whole(parts):
    logged, expected = step(range(8), 1)
    got, update = step(range(8), parts)
    torch.testing.assert_close(got, logged)
    assert difference(update, expected) < 1e-5


def test_without_the_count_of_the_whole_it_would_differ():
    def ignorant(batch, parts):
        cut = split_batch(batch, parts)
        for sample in batch['data_samples']:
            sample.pop('group_boxes')
            sample.pop('group_size')
        return cut

    _, expected = step(range(8), 1)
    _, update = step(range(8), 4, split=ignorant)
    assert difference(update, expected) > 1e-2


@pytest.mark.slow
def test_parts_on_two_ranks_equal_the_whole(tmp_path):
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    ranks = [
        subprocess.Popen(
            [sys.executable, __file__, str(rank), str(port), str(tmp_path)],
            env=environment,
        )
        for rank in (0, 1)
    ]
    assert [process.wait() for process in ranks] == [0, 0]
    logged, expected = step(range(8), 1)
    first, second = (torch.load(tmp_path / f'{r}.pth') for r in (0, 1))
    assert torch.equal(first[1], second[1])
    assert difference(first[1], expected) < 1e-5
    mean = {n: (first[0][n] + second[0][n]) / 2 for n in logged}
    torch.testing.assert_close(mean, logged)


def worker(rank, port, folder):
    torch.set_num_threads(1)
    dist.init_process_group(
        'gloo', f'tcp://127.0.0.1:{port}', rank=rank, world_size=2
    )
    own = range(4 * rank, 4 * rank + 4)
    torch.save(step(own, 2, ranks=2), f'{folder}/{rank}.pth')
    leave_distributed()


if __name__ == '__main__':  # one rank of the test
    worker(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
