#!/usr/bin/env bash
# Tests a checkpoint on several GPUs (variables: tools/dist_launch.sh):
#
#     bash tools/dist_test.sh CONFIG CHECKPOINT GPUS [options of tools/test.py]
set -euo pipefail
if [ $# -lt 3 ]; then
  echo "usage: bash tools/dist_test.sh CONFIG CHECKPOINT GPUS [options of tools/test.py]" >&2
  exit 2
fi
CONFIG="$1"
CHECKPOINT="$2"
GPUS="$3"
shift 3
exec bash "$(dirname "${BASH_SOURCE[0]}")/dist_launch.sh" "$GPUS" test.py "$CONFIG" "$CHECKPOINT" "$@"
