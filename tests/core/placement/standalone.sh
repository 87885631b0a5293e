#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# standalone.sh SOURCE COMPILER: builds the placement engine and its tests where nothing else of the tree is, and runs them.
set -euo pipefail
source_dir=$1 compiler=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/core" "$work/tests/core"
cp -r "$source_dir/core/placement" "$work/core/placement"
cp -r "$source_dir/tests/core/placement" "$work/tests/core/placement"
launcher=()
if command -v ccache >/dev/null; then
  launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  export CCACHE_BASEDIR=$work CCACHE_NOHASHDIR=1
fi
cmake -G Ninja -S "$work/core/placement" -B "$work/build" -DCMAKE_CXX_COMPILER="$compiler" -DBERTH_PLACEMENT_TESTS=ON \
  -DCMAKE_CXX_FLAGS="-Wall -Wextra -Wpedantic -Wconversion -Werror" "${launcher[@]}" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
cmake --build "$work/build" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
ctest --test-dir "$work/build" --output-on-failure
# A soak that cannot read its orders says so.
for order in "--operations" "--operations x" "--seeds 1" "--nodes 100001"; do
  # shellcheck disable=SC2086 -- each is two words
  if "$work/build/oracle_soak" $order >/dev/null 2>&1; then echo "oracle_soak takes $order"; exit 1; fi
done
