#!/usr/bin/env bash
# little_memory.sh MRCYCLE SANITIZED: in a small address space a command that needs networks ends with one line and code 80, and soon:
# OpenBLAS by itself would ask for its buffers for ever.
set -euo pipefail
mrcycle=$1
[ -z "$2" ] || { echo 'skipped: sanitizers need more address space than there is'; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$mrcycle" phantom -o "$work/made" --seed 3 --voxel 8,8,8 -q >/dev/null
begin=100000
until (ulimit -v $begin; "$mrcycle" --version >/dev/null 2>&1); do begin=$((begin + 10000)); done # what the loader needs
for space in "$begin" $((begin + 20000)) $((begin + 50000)) 250000 300000 400000; do
    code=0
    said=$(ulimit -v "$space"; timeout 60 "$mrcycle" translate "$work/made/sub-01/dicom/T1w" -o "$work/out" --to T2w -q 2>&1) || code=$?
    [ "$code" -eq 80 ] || [ "$code" -eq 0 ] || { echo "$space kB: exit code $code, expected 80: $said"; exit 1; }
    [ "$code" -eq 0 ] || [ "$(wc -l <<<"$said")" -eq 1 ] || { echo "$space kB: said $said"; exit 1; }
    [ "$code" -eq 0 ] || [ ! -e "$work/out" ] || { echo "$space kB: half a result"; exit 1; }
    rm -rf "$work/out"
done
