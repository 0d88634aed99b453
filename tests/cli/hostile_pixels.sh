#!/usr/bin/env bash
# hostile_pixels.sh MRCYCLE FAULT_HOOK: pixels that crash their decoder cost one series of a set, and a translation one
# line. Needs the test presets, where marked pixels crash their decoder.
set -euo pipefail
mrcycle=$1
[ "$2" = ON ] || { echo 'skipped: built without MRC_FAULT_HOOK'; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { printf '%s\n' "$*"; exit 1; }

for seed in 3 4; do
    "$mrcycle" phantom -o "$work/made$seed" --seed $seed --voxel 4,4,5 -q >/dev/null
    mkdir -p "$work/in/$seed"
    cp "$work/made$seed"/sub-01/dicom/T1w/* "$work/in/$seed/"
done
/usr/bin/python3 - "$(find "$work/in/4" -type f | sort | sed -n 3p)" <<'PY'
import sys
data = open(sys.argv[1], 'rb').read()
at = data.rindex(b'\xe0\x7f\x10\x00OW\0\0') + 12
open(sys.argv[1], 'wb').write(data[:at] + b'fault:crash' + data[at + 11:])
PY
broken=$(find "$work/in/4" -type f | sort | sed -n 3p)

code=0
said=$("$mrcycle" translate "$work/in/4" -o "$work/out" --to T2w --allow-synthetic -q 2>&1) || code=$?
said=$(grep '^mrcycle:' <<<"$said") # a sanitizer speaks of the child's end too
[ "$code" -eq 21 ] || fail "translate: exit code $code, expected 21: $said"
[[ $said == "mrcycle: $broken: crashes its reader"* ]] || fail "translate: said $said"
[ ! -e "$work/out" ] || fail "translate: half a result"

"$mrcycle" prepare "$work/in" -o "$work/set" --allow-synthetic --split 100,0,0 -q >/dev/null 2>&1 || fail "prepare: exit code $?"
grep -q '"series":	1,' "$work/set/report.json" || fail "prepare: $(head -30 "$work/set/report.json")"
grep -q 'crashes its reader' "$work/set.sources.tsv" || fail "prepare: no line of the crash"
grep -q 'crashes its reader' "$work/set/report.html" || fail "prepare: the report does not tell of the crash"
