#!/usr/bin/env bash
# Starts one of the tools on a Slurm cluster; slurm_train.sh and slurm_test.sh
# call it. Not run where this was written.
#
#     bash tools/slurm_launch.sh PARTITION JOB_NAME TOOL [arguments of the tool]
#
# GPUS (8), GPUS_PER_NODE (8), CPUS_PER_TASK (5) and SRUN_ARGS are read from
# the environment.
set -euo pipefail
if [ $# -lt 3 ]; then
  echo "usage: [GPUS=8] bash tools/slurm_launch.sh PARTITION JOB_NAME TOOL [arguments]" >&2
  exit 2
fi
PARTITION="$1"
JOB_NAME="$2"
TOOL="$3"
shift 3
GPUS="${GPUS:-8}"
GPUS_PER_NODE="${GPUS_PER_NODE:-8}"
if [ "$GPUS" -lt "$GPUS_PER_NODE" ]; then GPUS_PER_NODE="$GPUS"; fi
HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
VENV="$HERE/../.venv/bin/python"
if [ -z "${PYTHON:-}" ]; then
  if [ -x "$VENV" ]; then PYTHON="$VENV"; else PYTHON=python; fi
fi

# shellcheck disable=SC2086  # SRUN_ARGS is a list of options
exec srun -p "$PARTITION" --job-name="$JOB_NAME" \
  --gres="gpu:$GPUS_PER_NODE" --ntasks="$GPUS" \
  --ntasks-per-node="$GPUS_PER_NODE" \
  --cpus-per-task="${CPUS_PER_TASK:-5}" --kill-on-bad-exit=1 \
  ${SRUN_ARGS:-} \
  "$PYTHON" -u "$HERE/$TOOL" "$@"
