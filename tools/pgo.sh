#!/bin/bash
# Profile-guided optimisation of the core, by GCC: what branches do in three small runs is written to build/pgo, by
# which the core is then compiled.
#
#     bash tools/pgo.sh train     builds with counters, in place, and runs; the next build with the flags of `use` reads them
#     bash tools/pgo.sh use       prints these flags, for MESSSIM_CFLAGS and MESSSIM_LDFLAGS
#     bash tools/pgo.sh build     both, and builds in place
#
# PYTHON names the interpreter, which needs what messsim needs, and Cython and setuptools.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python}
PROFILE=${MESSSIM_PROFILE:-$PWD/build/pgo}
USE="-fprofile-use -fprofile-dir=$PROFILE -fprofile-partial-training -fprofile-correction -Wno-missing-profile"

# Functions of several versions are left out: what picks among them runs before the counters have an address.
CLONED=$(grep -l '^MS_CLONES\|^static MS_CLONES' csrc/*.c | paste -sd ';')

compile() {
    rm -rf build/temp.*
    MESSSIM_CFLAGS="$1" MESSSIM_LDFLAGS="$1" "$PYTHON" setup.py -q build_ext --inplace --force -j2
}

run() {
    "$PYTHON" -m messsim.cli run "$@" --json > /dev/null
}

train() {
    rm -rf "$PROFILE"
    mkdir -p "$PROFILE"
    compile "-fno-lto -fprofile-generate -fprofile-update=single -fprofile-dir=$PROFILE -fprofile-exclude-files=$CLONED"
    run scenarios/synthetic.toml --requests 100000
    run scenarios/synthetic.toml --requests 100000 --set cluster.mode=none
    run scenarios/peer-workload.toml --requests 50000
    [ -n "$(find "$PROFILE" -name '*.gcda' -print -quit)" ] || { echo "no profile was written to $PROFILE" >&2; exit 1; }
    rm -rf build/temp.*
}

case "${1:-}" in
train) train ;;
use) echo "$USE" ;;
build) train && compile "$USE" ;;
*) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
