#!/usr/bin/env bash
# Starts one of the tools in several processes; dist_train.sh, dist_test.sh and
# dist_cache.sh call it:
#
#     bash tools/dist_launch.sh GPUS TOOL [arguments of the tool]
#
# Several machines: NNODES, NODE_RANK, MASTER_ADDR, PORT. Without a GPU the
# processes talk over gloo.
set -euo pipefail
if [ $# -lt 2 ]; then
  echo "usage: bash tools/dist_launch.sh GPUS TOOL [arguments]" >&2
  exit 2
fi
GPUS="$1"
TOOL="$2"
shift 2
HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
VENV="$HERE/../.venv/bin/python"
if [ -z "${PYTHON:-}" ]; then
  if [ -x "$VENV" ]; then PYTHON="$VENV"; else PYTHON=python; fi
fi

exec "$PYTHON" -m torch.distributed.run \
  --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" \
  --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" \
  --nproc_per_node="$GPUS" \
  "$HERE/$TOOL" "$@" --launcher pytorch
