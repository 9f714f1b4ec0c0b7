#!/usr/bin/env bash
# Trains on several GPUs (variables: tools/dist_launch.sh):
#
#     bash tools/dist_train.sh CONFIG GPUS [options of tools/train.py]
set -euo pipefail
if [ $# -lt 2 ]; then
  echo "usage: bash tools/dist_train.sh CONFIG GPUS [options of tools/train.py]" >&2
  exit 2
fi
CONFIG="$1"
GPUS="$2"
shift 2
exec bash "$(dirname "${BASH_SOURCE[0]}")/dist_launch.sh" "$GPUS" train.py "$CONFIG" "$@"
