#!/usr/bin/env bash
# Fills the caches of teachers on several GPUs (variables: dist_launch.sh):
#
#     bash tools/dist_cache.sh CONFIG GPUS [options of misc/cache_teachers.py]
set -euo pipefail
if [ $# -lt 2 ]; then
  echo "usage: bash tools/dist_cache.sh CONFIG GPUS [options of tools/misc/cache_teachers.py]" >&2
  exit 2
fi
CONFIG="$1"
GPUS="$2"
shift 2
exec bash "$(dirname "${BASH_SOURCE[0]}")/dist_launch.sh" "$GPUS" misc/cache_teachers.py "$CONFIG" "$@"
