"""Tools as users type them, in a folder that looks like their clone."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).resolve().parent
CLONE = TESTS.parent
SERVER = TESTS / 'entrance_server.py'
TIMEOUT = 400
#: default_scope -> what a run imports anyway before anything else happens.
#: No family sees the packages of another.
PRELOADED = dict(
    mmengine=('mmengine.runner', 'declip_mm'),
    mmdet=('mmengine.runner', 'declip_mm', 'declip_mm.detection'),
    mmseg=('mmengine.runner', 'declip_mm', 'declip_mm.segmentation'),
)


class Run(NamedTuple):
    """A finished command.

    Attributes:
        code: Exit code, negative for a signal.
        seconds: From its fork to its end; importing is not in it.
        cpu: Seconds of a core.
        log: What it printed.
        late: Stopped, because its time was up.
        mib: Most memory it had.
    """

    code: int
    seconds: float
    cpu: float
    log: str
    late: bool
    mib: int

    @property
    def problem(self):
        """Why it failed in a line; empty where it did not."""
        if not self.code:
            return ''
        if self.late:
            return f'not done after {TIMEOUT} s'
        lines = [n for n in self.log.splitlines() if n.strip()]
        return f'exit {self.code}: {lines[-1] if lines else "silence"}'


class Desk:
    """A folder with ``configs``, ``tools`` and ``data``; runs tools in it.

    Args:
        root: The folder, to be filled by the caller: ``data``, ``weights``
            and so on.
        clips: Folder of open_clip configurations that go over its own.
        cache: Cache folder of the model hub.
    """

    def __init__(self, root, clips, cache):
        self.root, self.clips, self.cache = root, clips, cache
        self.servers, self.lock, self.count = {}, threading.Lock(), 0
        (root / 'jobs').mkdir(parents=True, exist_ok=True)
        for name in ('configs', 'tools'):
            (root / name).symlink_to(CLONE / name)

    def _server(self, scope):
        if scope not in self.servers:
            path = os.pathsep.join(map(str, (CLONE, TESTS)))
            environment = dict(
                os.environ,
                PYTHONPATH=path,
                OMP_NUM_THREADS='1',
                HF_HUB_OFFLINE='1',
                HF_HUB_CACHE=str(self.cache),
                XDG_CACHE_HOME=str(self.root / 'cache'),
                MPLBACKEND='agg',
            )
            environment.pop('LOCAL_RANK', None)
            self.servers[scope] = subprocess.Popen(
                [sys.executable, SERVER, self.clips, *PRELOADED[scope]],
                stdin=subprocess.PIPE,
                text=True,
                env=environment,
            )
        return self.servers[scope]

    def run(self, scope, *argv, cwd=None, env=None):
        """``python ARGV`` in the folder; waits for its end."""
        with self.lock:
            self.count += 1
            files = self.root / 'jobs' / f'{self.count:04d}'
            job = dict(
                argv=[str(a) for a in argv],
                cwd=str(cwd or self.root),
                env=env or {},
                log=f'{files}.log',
                result=f'{files}.json',
                timeout=TIMEOUT,
            )
            Path(job['result']).unlink(missing_ok=True)
            server = self._server(scope)
            server.stdin.write(json.dumps(job) + '\n')
            server.stdin.flush()
        result = Path(job['result'])
        while not result.is_file():
            if server.poll() is not None:
                raise RuntimeError(f'the server of {scope} is gone')
            time.sleep(0.05)
        found = json.loads(result.read_text())
        log = Path(job['log']).read_text(errors='replace')
        return Run(
            found['code'],
            found['seconds'],
            found['cpu'],
            log,
            found['late'],
            found['mib'],
        )

    def close(self):
        for server in self.servers.values():
            server.stdin.close()
            server.wait(timeout=30)


def figures(folder):
    """Of the last validation or test in a work folder."""
    newest = max(
        folder.glob('*/*.json'), key=lambda path: path.stat().st_mtime_ns
    )
    return json.loads(newest.read_text().splitlines()[-1])
