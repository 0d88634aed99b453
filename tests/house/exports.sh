#!/usr/bin/env bash
# exports.sh LIBRARY MANIFEST [--write]: is what the shared library exports what the manifest says?
# A new line is an interface we promise; a missing one breaks whoever linked it. So a change of the list is a change of
# the manifest, seen in review. --write (the target mrc_update_exports) writes it.
set -euo pipefail

library=$1 manifest=$2
now=$(nm -D --defined-only "$library" | awk '$2 != "A" && $3 !~ /^(__odr_asan|__asan|__gcov|__llvm|__sancov)/ { sub(/@.*/, "", $3); print $3 }' | LC_ALL=C sort -u)
if [ "${3-}" = --write ]; then
    printf '%s\n' "$now" >"$manifest"
    exit 0
fi
[ -n "$now" ] || { printf '%s exports nothing\n' "$library"; exit 1; }
if ! diff -u --label "$manifest" --label "$library" "$manifest" <(printf '%s\n' "$now"); then
    printf 'the exported symbols changed; if that is meant: cmake --build --preset <preset> --target mrc_update_exports\n'
    exit 1
fi
printf '%d symbols\n' "$(wc -l <"$manifest")"
