#!/usr/bin/env bash
# Measures a checkpoint on a Slurm cluster (variables: tools/slurm_launch.sh):
#
#     GPUS=16 bash tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT \
#         [options of tools/test.py]
set -euo pipefail
if [ $# -lt 4 ]; then
  echo "usage: [GPUS=8] bash tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [options of tools/test.py]" >&2
  exit 2
fi
PARTITION="$1"
JOB_NAME="$2"
CONFIG="$3"
CHECKPOINT="$4"
shift 4
exec bash "$(dirname "${BASH_SOURCE[0]}")/slurm_launch.sh" "$PARTITION" "$JOB_NAME" test.py "$CONFIG" "$CHECKPOINT" --launcher slurm "$@"
