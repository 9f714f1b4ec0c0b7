"""How many cases of bad input there are, by area and outcome.

    python tests/test_bad_input/count.py [--run]

``--run`` checks them, too, without pytest's own start and reports.
"""

import importlib.util
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1])]

from bad_input import check  # noqa: E402

OUTCOMES = ('refused', 'skipped', 'read')


def tables() -> dict:
    """Area -> its cases."""
    found = {}
    for path in sorted(HERE.glob('test_*.py')):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found[path.stem.removeprefix('test_')] = module.CASES
    return found


def main() -> None:
    os.environ.setdefault('LOCAL_RANK', '0')
    total, failed = Counter(), 0
    print(f'{"area":14}' + ''.join(f'{o:>9}' for o in (*OUTCOMES, 'all')))
    for area, cases in tables().items():
        counts = Counter(case.outcome for case in cases)
        total += counts
        columns = [*(counts[o] for o in OUTCOMES), len(cases)]
        print(f'{area:14}' + ''.join(f'{n:9}' for n in columns))
        if '--run' in sys.argv:
            failed += run(cases)
    columns = [*(total[o] for o in OUTCOMES), sum(total.values())]
    print(f'{"all":14}' + ''.join(f'{n:9}' for n in columns))
    sys.exit(bool(failed))


def run(cases: list) -> int:
    """Check an area; returns how many cases fail."""
    failed, began = 0, time.process_time()
    for case in cases:
        with tempfile.TemporaryDirectory(prefix='pytest') as folder:
            try:
                check(case, Path(folder))
            except AssertionError as error:
                failed += 1
                print(f'  FAILED {case.name}: {error}')
    seconds = time.process_time() - began
    print(f'  {len(cases) - failed} pass, {seconds:.1f} s of processor')
    return failed


if __name__ == '__main__':
    main()
