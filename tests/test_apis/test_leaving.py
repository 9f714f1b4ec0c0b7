"""What is left of a process group when a tool ends."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from toy_project import CONFIG

ROOT = Path(__file__).parents[2]
CHILD = """
import sys
from pathlib import Path
from declip_mm import apis

def threads():
    tasks = Path('/proc/self/task').glob('*/comm')
    return sum('gloo' in task.read_text() for task in tasks)

cfg = apis.load_config(sys.argv[1], None, sys.argv[2])
cfg.custom_hooks = []
apis.init_distributed(cfg, 'pytorch')
apis.build_runner(cfg).test()
during = threads()
apis.leave_distributed()
print('threads', during, threads())
"""


@pytest.mark.skipif(
    not Path('/proc/self/task').is_dir(), reason='counts threads in /proc'
)
def test_no_gloo_thread_outlives_the_run(tmp_path):
    """One that does may abort the interpreter while it ends."""
    config = tmp_path / 'toy.py'
    config.write_text(CONFIG)
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    environment = dict(
        os.environ,
        PYTHONPATH=f'{ROOT / "tests"}{os.pathsep}{ROOT}',
        OMP_NUM_THREADS='1',
        RANK='0',
        LOCAL_RANK='0',
        WORLD_SIZE='1',
        MASTER_ADDR='127.0.0.1',
        MASTER_PORT=str(port),
    )
    done = subprocess.run(
        [sys.executable, '-c', CHILD, str(config), str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    during, after = done.stdout.split('threads ')[-1].split()
    assert int(during) > 0
    assert int(after) == 0
