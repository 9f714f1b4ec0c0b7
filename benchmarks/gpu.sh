#!/usr/bin/env bash
# Every measurement that needs a GPU, within 8 minutes; a second run goes on
# where the first was stopped.
#
#     bash benchmarks/gpu.sh [FOLDER]        # benchmarks/gpu
#     PYTHON=python3 SECONDS_EACH=100 bash benchmarks/gpu.sh
#
# Writes json, tables and a plot into FOLDER. Needs one CUDA device with about
# 60 GiB; what does not fit is recorded as such. `quick` is what a training
# does by default on a GPU (compiled blocks, CUDA graphs), `eager` is without.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
out="${1:-benchmarks/gpu}"
python="${PYTHON:-.venv/bin/python}"
each="${SECONDS_EACH:-180}"
mkdir -p "$out"
failed=''

piece() {
  local name="$1"
  shift
  echo "[gpu] $name"
  timeout --signal=INT "$each" "$@" >"$out/$name.txt" 2>"$out/$name.log" \
    || failed="$failed $name($?)"
  cat "$out/$name.txt"
  tail -n 3 "$out/$name.log"
}

bench() {
  local name="$1"
  shift
  piece "$name" "$python" tools/analysis_tools/benchmark.py --device cuda \
    --repeats 7 --warm-up 5 --json "$out/$name.json" "$@"
}

nvidia-smi --query-gpu=name,memory.total,clocks.sm --format=csv,noheader || true
bench quick --compile --batch 4 16 --curve 1024 --dense 1024 2048
bench eager --batch 4 16 --curve 336 560 784 1024 1568 2048 \
  --dense 336 560 784 1024 1568 2048 --no-data --no-windows --plot "$out/eager.png"
piece tests "$python" -m pytest -p no:cacheprovider -q -m 'not slow' \
  tests/test_engine/test_graphs.py tests/test_engine/test_precision.py \
  tests/test_models/test_losses.py tests/test_models/test_cropping.py
[ -z "$failed" ] || { echo "[gpu] not finished:$failed" >&2; exit 1; }
