#!/usr/bin/env bash
# smoke.sh MRCYCLE_BENCH: every benchmark answers, on problems too small to say anything about speed.
set -euo pipefail

bench=$1
for problem in forward:w=1,b=2,slices=3,n=1,side=32 step:w=1,b=1,n=1,side=32,threads=2 translate:w=1,b=2,n=1,side=32,matrix=32,slices=24; do
    said=$("$bench" "$problem")
    for field in "\"problem\": \"$problem\"" '"median_s": [0-9]' '"cpu_s": [0-9]' '"peak_mib": [1-9]'; do
        grep -q "$field" <<<"$said" || { printf '%s: expected %s in %s\n' "$problem" "$field" "$said"; exit 1; }
    done
    printf '%s\n' "$said"
done
said=$("$bench" layers:w=1,b=1,n=1)
grep -q '^enc2 ' <<<"$said" || { printf 'layers: said %s\n' "$said"; exit 1; }
for wrong in nothing step:w=0 step:speed=3 step:generator=none; do
    ! "$bench" "$wrong" 2>/dev/null || { printf '%s: expected a refusal\n' "$wrong"; exit 1; }
done
