#!/usr/bin/env bash
# Trains on a Slurm cluster (variables: tools/slurm_launch.sh):
#
#     GPUS=16 bash tools/slurm_train.sh PARTITION JOB_NAME CONFIG \
#         [options of tools/train.py]
set -euo pipefail
if [ $# -lt 3 ]; then
  echo "usage: [GPUS=8] bash tools/slurm_train.sh PARTITION JOB_NAME CONFIG [options of tools/train.py]" >&2
  exit 2
fi
PARTITION="$1"
JOB_NAME="$2"
CONFIG="$3"
shift 3
exec bash "$(dirname "${BASH_SOURCE[0]}")/slurm_launch.sh" "$PARTITION" "$JOB_NAME" train.py "$CONFIG" --launcher slurm "$@"
