#!/usr/bin/env bash
# Pre-finetunes the miniature CLIP with DeCLIP and measures it before and after.
#
#     bash tools/quickstart.sh [options of tools/miniature/quickstart.py]
#
# Needs Python 3.10-3.12; no GPU, no root, no C++ compiler.
set -uo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

cat <<'TEXT'
DeCLIP quickstart. What will happen:
  1. environment   .venv with torch, mmengine, open_clip (first time: 2 to 6
                   minutes and about 6 GB; afterwards: a second)
  2. data, model   the miniature world and its tiny CLIP (first time only)
  3. the job       pre-finetune, then measure regions and segmentation: about
                   5 minutes on 2 cores, 20 where the tiny CLIP must be built
  4. results       work_dirs/quickstart/: table, log, backbone, picture sheet
TEXT
declip_env core || exit 1
cd "$DECLIP_ROOT" || exit 1
exec "$DECLIP_PYTHON" tools/miniature/quickstart.py "$@"
