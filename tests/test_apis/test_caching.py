"""Processes that fill a cache."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from mmengine.config import Config

from declip_mm.apis import caching


def test_an_error_in_a_process_is_told_at_once(monkeypatch):
    done, stopped = [], threading.Event()

    def work(part):
        if part == [0]:
            raise OSError('no such disk')
        stopped.wait()  # the second part is under way until then
        done.append(part)

    class Pool(ThreadPoolExecutor):
        def shutdown(self, wait=True, *, cancel_futures=False):
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            stopped.set()
            super().shutdown(wait=wait)

    monkeypatch.setattr(caching, '_work', work)
    pool = Pool(1)
    monkeypatch.setattr(caching, 'ProcessPoolExecutor', lambda *_: pool)
    parts, cfg = [[i] for i in range(50)], Config()
    with pytest.raises(OSError, match='no such disk'):
        [*caching._run(None, parts, 2, (cfg,))]
    assert len(done) <= 1
