"""Two processes over gloo give the figures of one, padding left out."""

import json
import os
import socket
import subprocess
import sys

import pytest
import torch
import torch.distributed as dist

from declip_mm.apis import leave_distributed
from declip_mm.evaluation import DenseIoUMetric, RegionClassificationMetric

IMAGES = 5


def samples():
    """Five images with 0 to 4 regions and random predictions."""
    generator = torch.Generator().manual_seed(0)

    def draw(high, *shape):
        return torch.randint(0, high, shape, generator=generator)

    return [
        {
            'img_id': n,
            'region_labels': draw(6, n),
            'region_isthing': draw(2, n).bool(),
            'region_topk': {
                'box': torch.rand(n, 6, generator=generator).topk(5).indices
            },
            'pred_sem_seg': draw(6, 8, 9),
            'gt_sem_seg': draw(6, 8, 9),
        }
        for n in range(IMAGES)
    ]


def evaluate(indices):
    found = {}
    for metric in (RegionClassificationMetric(['box']), DenseIoUMetric()):
        metric.dataset_meta = {'classes': list('abcdef')}
        for index in indices:
            metric.process(None, [samples()[index]])
        found.update(metric.evaluate(IMAGES))
    return found


def worker(rank, port, folder):
    os.chdir(folder)  # mmengine collects through files in the working folder
    dist.init_process_group(
        'gloo', f'tcp://127.0.0.1:{port}', rank=rank, world_size=2
    )
    # As mmengine's sampler deals them out: image 0 again, to even the count.
    found = evaluate([0, 2, 4] if rank == 0 else [1, 3, 0])
    with open(f'{rank}.json', 'w') as file:
        json.dump(found, file)
    leave_distributed()


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path):
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    root = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
    environment = dict(os.environ, PYTHONPATH=root, OMP_NUM_THREADS='1')
    ranks = [
        subprocess.Popen(
            [sys.executable, __file__, str(rank), str(port), str(tmp_path)],
            env=environment,
        )
        for rank in (0, 1)
    ]
    assert [process.wait(timeout=120) for process in ranks] == [0, 0]
    expected = evaluate(range(IMAGES))
    assert expected['region/num_regions'] == 10
    for rank in (0, 1):
        assert json.loads((tmp_path / f'{rank}.json').read_text()) == expected


if __name__ == '__main__':
    worker(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
