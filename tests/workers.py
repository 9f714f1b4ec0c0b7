"""Which tests share a process where pytest-xdist has several.

A file stays together, for its fixtures are made once in every process that
needs them. What is made once for several files keeps those together.
"""

import zlib
from pathlib import PurePosixPath

from xdist.scheduler import LoadScopeScheduling

#: Files that ask one desk for what they typed: it begins with everything at
#: once, and has a process for each of two cores.
ENTRANCES = {
    'test_every_config.py',
    'test_quick_commands.py',
    'test_real_files.py',
}
#: Folders with runs that their files share.
FOLDERS = {'test_smoke'}
#: Long files in which no test waits for another, and into how many parts.
PARTS = {'test_configs.py': 4, 'test_contract.py': 2}


def share_of(nodeid: str) -> str:
    """What runs in the same process as this test."""
    path = PurePosixPath(nodeid.partition('::')[0])
    if path.name in ENTRANCES:
        return 'entrances'
    if path.parent.name in FOLDERS:
        return path.parent.name
    parts = PARTS.get(path.name, 1)
    return f'{path}:{zlib.crc32(nodeid.encode()) % parts}'


class Shares(LoadScopeScheduling):
    """Hands :func:`share_of` out in the order of the collection."""

    def _split_scope(self, nodeid: str) -> str:
        return share_of(nodeid)
