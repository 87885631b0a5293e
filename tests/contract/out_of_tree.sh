#!/usr/bin/env bash
# out_of_tree.sh SOURCE BUILD: builds the example as a vendor does, from an installed SDK alone, and checks it.
set -euo pipefail
source_dir=$1 build_dir=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build_dir" --component sdk --prefix "$work/prefix" >/dev/null
cp -r "$source_dir/sdk/example" "$work/example"  # nothing of the tree is near
launcher=()
if command -v ccache >/dev/null; then launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi
cmake -S "$work/example" -B "$work/build" -G Ninja -DCMAKE_PREFIX_PATH="$work/prefix" \
  -DCMAKE_CXX_FLAGS="-Wall -Wextra -Wpedantic -Wconversion -Werror" "${launcher[@]}" >/dev/null
cmake --build "$work/build" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
lines=$(wc -l <"$work/example/processes.cpp")
[ "$lines" -lt 150 ] || { echo "the example has $lines lines; it must stay below 150"; exit 1; }
"$work/prefix/bin/berth-plugin-check" "$work/build/libprocesses.so"
cmake --install "$work/build" --prefix "$work/plugins" >/dev/null
test -f "$work/plugins/lib/berth/plugins/libprocesses.so"
