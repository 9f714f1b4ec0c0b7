"""Runs command-line tools in forks of a process that has imported much.

    python tests/entrance_server.py CLIPS MODULE ...

Reads a json job a line: ``argv`` of the tool, ``cwd``, ``env``, ``log`` and
``result`` (files to write), ``timeout`` in seconds. Every job is a process of
its own that runs the tool as ``python TOOL ARGUMENTS`` would, only that
importing torch and OpenMMLab is done. A process that dies takes nothing with
it.
"""

import faulthandler
import gc
import importlib
import json
import os
import runpy
import signal
import sys
import time
import traceback

POLL = 0.02


def act(job):
    """The tool, in this process; returns the exit code."""
    os.chdir(job['cwd'])
    os.environ.update(job['env'])
    log = os.open(job['log'], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    faulthandler.enable()
    sys.argv = list(job['argv'])
    tool = os.path.realpath(sys.argv[0])
    sys.path.insert(0, os.path.dirname(tool))
    code = 0
    try:
        runpy.run_path(tool, run_name='__main__')
    except SystemExit as stop:
        code = stop.code
        if not isinstance(code, (int, type(None))):
            print(code, file=sys.stderr)
            code = 1
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code or 0


def mind(job):
    """Fork the tool, stop it when its time is up, write down what came."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    start, late = time.time(), False
    child = os.fork()
    if not child:
        os.setsid()
        os._exit(act(job))
    while True:
        done, status, usage = os.wait4(child, os.WNOHANG)
        if done:
            break
        if time.time() - start > job['timeout'] and not late:
            late = True
            os.killpg(child, signal.SIGKILL)
        time.sleep(POLL)
    found = dict(
        code=os.waitstatus_to_exitcode(status),
        late=late,
        seconds=round(time.time() - start, 2),
        cpu=round(usage.ru_utime + usage.ru_stime, 2),
        mib=usage.ru_maxrss // 1024,
    )
    part = job['result'] + '.part'
    with open(part, 'w') as file:
        json.dump(found, file)
    os.replace(part, job['result'])


def lay_out_once():
    """A run prints and writes its config four times, each laid out anew."""
    from yapf.yapflib import yapf_api

    lay_out, done = yapf_api.FormatCode, {}

    def kept(text, **options):
        if text not in done:
            done[text] = lay_out(text, **options)
        return done[text]

    yapf_api.FormatCode = kept


def main(clips, modules):
    import open_clip
    import torch

    lay_out_once()

    # One thread: a fork of a process that has run a pool of them may hang.
    torch.set_num_threads(1)
    open_clip.add_model_config(clips)
    for name in modules:
        importlib.import_module(name)
    gc.freeze()  # what is imported is no garbage of any tool's
    # nobody waits for those who mind a job
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        if not os.fork():
            mind(json.loads(line))
            os._exit(0)


if __name__ == '__main__':
    main(sys.argv[1], sys.argv[2:])
