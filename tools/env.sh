# Makes the environment of this repository in `.venv`. Sourced, not run:
#
#     source tools/env.sh && declip_env core    # pre-finetuning, core measures
#     source tools/env.sh && declip_env full    # + mmcv, mmdet, mmseg, mmpretrain
#
# Afterwards $DECLIP_PYTHON is the interpreter to use. Installing again is
# quick: `.venv` keeps a stamp of what was installed, and an environment that
# was left half-way is completed. Choose an interpreter with PYTHON=python3.12.
# pip's own configuration (mirrors, constraints, proxies) is honoured.

DECLIP_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
DECLIP_VENV="$DECLIP_ROOT/.venv"
DECLIP_PYTHON="$DECLIP_VENV/bin/python"
# Measured: 6.0 GB in .venv (core 5.4 GB), plus the downloaded wheels, once while
# they are unpacked and once in pip's cache.
DECLIP_NEED_GB=12

declip_say() { printf '%s\n' "[env] $*"; }
declip_die() { printf '%s\n' "[env] ERROR: $*" >&2; return 1; }

# Prints "3.11" when the interpreter $1 can run, nothing otherwise.
declip_python_version() {
  "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}

# Sets DECLIP_BASE to a Python 3.10-3.12 that can make environments.
declip_find_python() {
  local seen='' name version
  local names=(python3.11 python3.12 python3.10 python3 python)
  [ -z "${PYTHON:-}" ] || names=("$PYTHON")
  for name in "${names[@]}"; do
    version="$(declip_python_version "$name")" || {
      [ -z "${PYTHON:-}" ] || seen=" $name, which does not run"
      continue
    }
    case "$version" in
      3.10 | 3.11 | 3.12) ;;
      *) seen="$seen $name=$version"; continue ;;
    esac
    if ! "$name" -c 'import venv, ensurepip' 2>/dev/null; then
      seen="$seen $name=$version(without venv: install python$version-venv)"
      continue
    fi
    DECLIP_BASE="$name"
    return 0
  done
  declip_die "no usable Python 3.10, 3.11 or 3.12 (found:${seen:- none});" \
    "install one, or name it: PYTHON=/path/to/python3.11 bash tools/..."
}

# mmcv is compiled: ask for the compiler before the minutes, not after.
declip_check_compiler() {
  local cxx="${CXX:-g++}" header
  command -v "$cxx" >/dev/null 2>&1 || {
    declip_die "no C++ compiler ($cxx), and mmcv has to be compiled:" \
      "install g++ (Debian: apt-get install g++) and run this again"
    return 1
  }
  header="$("$1" -c \
    'import sysconfig; print(sysconfig.get_path("include"))')/Python.h"
  [ -f "$header" ] || declip_die "no Python headers ($header), and mmcv has" \
    "to be compiled: install python$(declip_python_version "$1")-dev"
}

# $1: a folder; $2: gigabytes wanted on its file system.
declip_check_disk() {
  local free
  free="$(df -Pk "$1" | awk 'NR == 2 {print int($4 / 1048576)}')"
  [ "${free:-0}" -ge "$2" ] || declip_die "$1 has $free GB free, the" \
    "installation needs $2 GB: free some, or clone onto a larger disk"
}

# True when every line of the requirement files is met, asked without network.
declip_satisfied() {
  "$DECLIP_PYTHON" - "$@" 2>/dev/null <<'PY'
import sys
from importlib import metadata
from pip._vendor.packaging.requirements import Requirement
for path in sys.argv[1:]:
    for line in open(path):
        line = line.split('#')[0].strip()
        if line:
            want = Requirement(line)
            if not want.specifier.contains(
                    metadata.version(want.name), prereleases=True):
                sys.exit(1)
PY
}

# What the stamp holds: the recipe, the interpreter and the place (an editable
# install and a venv both keep absolute paths).
declip_recipe() {
  "$DECLIP_PYTHON" - "$DECLIP_ROOT" <<'PY'
import hashlib, pathlib, sys
root = pathlib.Path(sys.argv[1])
digest = hashlib.sha256((sys.version + str(root)).encode())
files = sorted(root.glob('requirements/*.txt'))
for path in files + [root / 'setup.py', root / 'pyproject.toml']:
    digest.update(path.read_bytes())
print(digest.hexdigest())
PY
}

# One line that says why pip failed, from its log $1.
declip_explain() {
  local log="$1" line
  if grep -q 'No space left on device' "$log"; then
    declip_die "the disk is full: free about $DECLIP_NEED_GB GB and run this again"
  elif grep -qE 'NewConnectionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError|NameResolutionError|Temporary failure in name|Connection refused|Network is unreachable' "$log"; then
    declip_die "the package registry cannot be reached: check network and" \
      "proxy, and what 'pip config list' names as index; log: $log"
  elif line="$(grep -m1 'No matching distribution found for' "$log")"; then
    declip_die "pip's registry has no ${line##*found for } for Python" \
      "$(declip_python_version "$DECLIP_PYTHON") here: another mirror or" \
      "PYTHON=python3.11 may help; log: $log"
  elif grep -qE "command '.*(g\+\+|gcc|c\+\+|nvcc)'|ninja: build stopped" "$log"
  then
    line="$(grep -m1 -E '(fatal )?error: ' "$log")"
    declip_die "a compilation failed (${line:-no message}); log: $log"
  else
    line="$(grep -m1 '^ERROR' "$log")"
    declip_die "pip failed: ${line:-no message}; log: $log"
  fi
}

# declip_step TITLE PIP-ARGUMENTS: runs pip install with a sign of life.
declip_step() {
  local title="$1" log="$DECLIP_VENV/install.log" beat start=$SECONDS status=0
  shift
  declip_say "$title"
  # 9 is the lock, which the sleep would hold after we are gone
  (
    exec 9>&-
    while sleep 30 </dev/null >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
      printf '[env]   ... %d s\n' $((SECONDS - start))
    done
  ) &
  beat=$!
  # a small /tmp does not hold torch's wheels; .venv's disk was checked
  mkdir -p "$DECLIP_VENV/tmp"
  TMPDIR="$DECLIP_VENV/tmp" "$DECLIP_PYTHON" -m pip install \
    --disable-pip-version-check --progress-bar off "$@" >"$log" 2>&1 ||
    status=$?
  rm -rf "$DECLIP_VENV/tmp"
  kill $beat 2>/dev/null
  wait $beat 2>/dev/null
  if [ $status -gt 128 ]; then
    declip_die 'the installation was stopped from outside: run this again,' \
      'it goes on where it was'
    return 1
  elif [ $status -ne 0 ]; then
    declip_explain "$log"
    return 1
  fi
  declip_say "  done in $((SECONDS - start)) s"
}

declip_has_ops() { "$DECLIP_PYTHON" -c 'import mmcv.ops' >/dev/null 2>&1; }

# mmcv with its compiled ops. pip keeps the wheel it built and knows nothing of
# the torch it was built against, so a wheel that does not load is built anew.
declip_install_mmcv() {
  local file="$DECLIP_ROOT/requirements/mmcv.txt"
  declip_satisfied "$file" && declip_has_ops && return 0
  declip_check_compiler "$DECLIP_PYTHON" || return 1
  # -g0 -O1 halves the time; local: nothing of it stays in a user's shell
  local MMCV_WITH_OPS=1 CFLAGS="${CFLAGS:--g0 -O1}"
  export MMCV_WITH_OPS CFLAGS
  if ! command -v nvcc >/dev/null 2>&1; then
    # without nvcc only the CPU ops can be built, GPU in the machine or not
    local CUDA_VISIBLE_DEVICES=''
    export CUDA_VISIBLE_DEVICES
  fi
  declip_step \
    'mmcv, compiled here: 6 to 8 minutes on 2 cores, seconds if pip has it' \
    --no-build-isolation -r "$file" || return 1
  declip_has_ops && return 0
  declip_step "mmcv's cached wheel does not fit this torch: compiling it anew" \
    --no-build-isolation --no-cache-dir --force-reinstall --no-deps \
    -r "$file" || return 1
  declip_has_ops || declip_die "mmcv was installed but its ops do not load:" \
    "see '$DECLIP_PYTHON -c \"import mmcv.ops\"' and $DECLIP_VENV/install.log"
}

# Makes `.venv`, or completes one that was left without pip.
declip_make_venv() {
  local version
  if [ -e "$DECLIP_PYTHON" ]; then
    version="$(declip_python_version "$DECLIP_PYTHON")"
    case "$version" in
      3.10 | 3.11 | 3.12) ;;
      *)
        declip_die ".venv holds Python ${version:-that does not run}, 3.10 to" \
          "3.12 is needed: rm -r $DECLIP_VENV and run this again"
        return 1
        ;;
    esac
    "$DECLIP_PYTHON" -m pip --version >/dev/null 2>&1 && return 0
    DECLIP_BASE="$DECLIP_PYTHON"
    "$DECLIP_PYTHON" -m ensurepip --upgrade >/dev/null 2>&1 && return 0
  fi
  declip_find_python || return 1
  declip_say "making .venv with $DECLIP_BASE" \
    "(Python $(declip_python_version "$DECLIP_BASE"))"
  "$DECLIP_BASE" -m venv "$DECLIP_VENV" || declip_die "'$DECLIP_BASE -m venv" \
    "$DECLIP_VENV' failed: see the message above"
}

# declip_env core|full
declip_env() {
  local mode="$1" req="$DECLIP_ROOT/requirements" stamp
  case "$mode" in
    core | full) ;;
    *) declip_die "declip_env: got '$mode', allowed are core and full"
       return 1 ;;
  esac
  declip_make_venv || return 1
  stamp="$(declip_recipe)" || return 1
  if [ "$(cat "$DECLIP_VENV/declip-full.stamp" 2>/dev/null)" = "$stamp" ] ||
    [ "$(cat "$DECLIP_VENV/declip-$mode.stamp" 2>/dev/null)" = "$stamp" ]; then
    return 0
  fi
  declip_lock || return 1
  declip_complete "$mode" "$req" "$stamp"
  set -- $?
  declip_unlock
  return "$1"
}

# Two runs at once would install into each other; the second waits.
declip_lock() {
  command -v flock >/dev/null 2>&1 || return 0
  exec 9>"$DECLIP_VENV/declip.lock" || return 1
  flock -n 9 && return 0
  declip_say 'another run is installing into .venv: waiting for it'
  flock 9
}

declip_unlock() { exec 9>&-; }

# Checks what the missing steps will need, takes them and leaves the stamp.
declip_complete() {
  local mode="$1" req="$2" stamp="$3" start=$SECONDS
  if [ "$mode" = full ] && ! declip_satisfied "$req/mmcv.txt"; then
    declip_check_compiler "$DECLIP_PYTHON" || return 1
  fi
  if ! declip_satisfied "$req/torch.txt"; then
    declip_check_disk "$DECLIP_VENV" "$DECLIP_NEED_GB" || return 1
    declip_say "installing the pinned stack into .venv (about 6 GB)"
  fi
  declip_install "$mode" "$req" || return 1
  declip_verify "$mode" || return 1
  printf '%s\n' "$stamp" >"$DECLIP_VENV/declip-$mode.stamp"
  declip_say "environment ($mode) ready after $((SECONDS - start)) s"
}

# What pip counts as installed may still miss a library of the system (cv2's
# libGL), or be half unpacked where an earlier run was killed.
declip_verify() {
  local names='torch, torchvision, cv2, mmengine.runner, open_clip, timm' line
  [ "$1" = core ] || names="$names, mmdet.models, mmseg.models, mmpretrain.models"
  declip_say 'checking that everything imports: 10 to 20 seconds'
  line="$("$DECLIP_PYTHON" -W ignore -c "import $names" 2>&1 >/dev/null)" ||
    declip_die "installed, but not importable: ${line##*$'\n'}; install what" \
      "it names, or make .venv anew: rm -r $DECLIP_VENV and run this again"
}

declip_install() {
  local mode="$1" req="$2"
  declip_satisfied "$req/build.txt" ||
    declip_step 'pip and build tools: seconds' \
      --upgrade -r "$req/build.txt" || return 1
  declip_satisfied "$req/torch.txt" ||
    declip_step 'torch and torchvision: 1 to 5 minutes, 3 GB to download' \
      -r "$req/torch.txt" || return 1
  declip_satisfied "$req/core.txt" "$req/miniature.txt" ||
    declip_step 'mmengine, open_clip, timm and their kin: half a minute' \
      -r "$req/core.txt" -r "$req/miniature.txt" -r "$req/torch.txt" ||
    return 1
  if [ "$mode" = full ]; then
    declip_install_mmcv || return 1
    declip_satisfied "$req/openmmlab.txt" "$req/tests.txt" ||
      declip_step 'mmdet, mmseg, mmpretrain and test tools: half a minute' \
        --no-build-isolation -r "$req/openmmlab.txt" -r "$req/tests.txt" \
        -r "$req/core.txt" -r "$req/torch.txt" || return 1
  fi
  declip_step 'declip_mm itself, editable' \
    --no-deps --no-build-isolation -e "$DECLIP_ROOT"
}
