"""One folder, and two commands at a time, for all that is typed."""

import os
import time
from pathlib import Path

import pytest
from entrance_table import NAMES, NOT_HERE, entrance

#: A file for the table of configs; printed at the end in any case.
TABLE = 'DECLIP_ENTRANCES_TABLE'
_ROWS = pytest.StashKey[list]()


@pytest.fixture(scope='session')
def entrances(request, tmp_path_factory):
    """Everything that the chosen tests will ask for is begun at once."""
    from entrance_world import Entrances, make_desk

    start = time.time()
    runs = Entrances(make_desk(tmp_path_factory.mktemp('desk')))
    for item in request.session.items:
        case = getattr(item, 'callspec', None)
        if case and 'asked' in case.params:
            runs.ask(case.params['asked'])
    yield runs
    rows = table(runs.found)
    rows.append(f'{time.time() - start:.0f} s in all, two at a time.')
    request.config.stash[_ROWS] = rows
    if os.environ.get(TABLE):
        Path(os.environ[TABLE]).write_text('\n'.join(rows) + '\n')
    runs.close()


def table(found):
    """config, train, test, seconds: of the runs that were asked for."""
    rows = [
        '| config | train | test | seconds (core) |',
        '|---|---|---|---|',
    ]
    for name in NAMES:
        own = entrance(name)
        runs = {
            tool: found[f'{tool} {name}'].result()
            for tool in ('train', 'test')
            if f'{tool} {name}' in found
        }
        if name in NOT_HERE:
            rows.append(f'| {name} | not here: {NOT_HERE[name]} | - | - |')
        if not runs:
            continue
        cells = [
            runs[tool].problem[:60] or 'ok'
            if tool in runs
            else '-'
            if getattr(own, tool) is None
            else 'not asked'
            for tool in ('train', 'test')
        ]
        seconds = sum(run.seconds for run in runs.values())
        cpu = sum(run.cpu for run in runs.values())
        rows.append(
            f'| {name} | {cells[0]} | {cells[1]} | {seconds:.1f} ({cpu:.1f}) |'
        )
    return rows


def pytest_sessionfinish(session):
    """Of several processes the one with rows gives them to the first."""
    own = getattr(session.config, 'workeroutput', None)
    if own is not None:
        own['entrances'] = session.config.stash.get(_ROWS, [])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    if rows := getattr(node, 'workeroutput', {}).get('entrances'):
        node.config.stash[_ROWS] = rows


def pytest_terminal_summary(terminalreporter, config):
    rows = config.stash.get(_ROWS, ())
    if rows:
        terminalreporter.section('configs from the command line')
        for row in rows:
            terminalreporter.write_line(row)
