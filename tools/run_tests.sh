#!/usr/bin/env bash
# The whole test suite: syntax, style, types, core import, unit, config and slow tests.
#
#     bash tools/run_tests.sh [options of pytest]     # -m 'not slow': quick part
#
# A process of tests for each core, four at most; -n 0 or -n N choose otherwise.
# Needs Python 3.10-3.12 and, the first time, a C++ compiler; no GPU, no root.
set -uo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

declip_say 'environment: first time about 12 minutes (mmcv is compiled), then a second'
declip_env full || exit 1
cd "$DECLIP_ROOT" || exit 1

# Small tensors on few cores: threads of one process fight each other, and
# those of several processes still more.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
export OPENBLAS_NUM_THREADS="${OPENBLAS_NUM_THREADS:-$OMP_NUM_THREADS}"
export TOKENIZERS_PARALLELISM=false

failed=''
check() {
  local title="$1"
  shift
  declip_say "$title"
  "$@" || failed="$failed [$title]"
}

check 'syntax' "$DECLIP_PYTHON" -m compileall -q declip_mm tools tests configs
check 'style: ruff check' "$DECLIP_PYTHON" -m ruff check .
check 'style: ruff format' "$DECLIP_PYTHON" -m ruff format --check .
check 'types: mypy' "$DECLIP_PYTHON" -m mypy
check 'core import without mmcv, mmdet, mmseg, mmpretrain' "$DECLIP_PYTHON" - <<'PY'
import sys

for name in ('mmcv', 'mmdet', 'mmseg', 'mmpretrain'):
    sys.modules[name] = None
from declip_mm import visualization
from declip_mm.registration import import_classes

import_classes()
PY
if [ -n "$failed" ]; then
  declip_die "failed before the tests:$failed (messages above); the tests run all the same"
fi
# -p no:cacheprovider: a test run leaves nothing in the clone
# without the number above, which nproc would take for that of the cores
jobs="$(env -u OMP_NUM_THREADS nproc)"
if [ "$jobs" -gt 4 ]; then jobs=4; fi # each takes about 2 GB
"$DECLIP_PYTHON" -m pytest -p no:cacheprovider -n "$jobs" "$@"
status=$?
if [ -n "$failed" ]; then
  declip_die "failed before the tests:$failed (see above)"
  exit 1
fi
exit $status
