#!/usr/bin/env bash
# headers.sh TREE CC CXX: does every header compile alone, without what another one happens to include before it?
# All of them as C11; the public ones (those src/mrcycle.h names, and itself) as C++17 too; and are all exporting headers public?
set -euo pipefail

tree=$1 cc=$2 cxx=$3
cd "$tree"
folders=()
for folder in src io preprocess model; do [ ! -d "$folder" ] || folders+=("$folder"); done
warnings=(-Wall -Wextra -Wpedantic -Wshadow -Wundef -Werror)
wrong=0 seen=0

# compile HEADER COMPILER LANGUAGE STANDARD
compile() {
    seen=$((seen + 1))
    printf '#include "%s"\n#include "%s"\ntypedef int mrc_not_empty;\n' "$1" "$1" |
        "$2" -x "$3" "-std=$4" -D_POSIX_C_SOURCE=200809L "${warnings[@]}" -I. -Isrc -fsyntax-only - ||
        { wrong=$((wrong + 1)); printf '%s does not compile alone as %s\n' "$1" "$4"; }
}

public=(src/mrcycle.h)
while read -r header; do
    if [ -f "$header" ]; then public+=("$header"); else public+=("src/$header"); fi
done < <(sed -n 's/^#include "\(.*\)".*/\1/p' src/mrcycle.h)
# what marks its functions as exported must be public, or nobody outside could declare them
while read -r header; do
    [[ $header == src/base/export.h || " ${public[*]} " == *" $header "* ]] ||
        { wrong=$((wrong + 1)); printf '%s: MRC_API or MRC_STATUS in a header that src/mrcycle.h does not name\n' "$header"; }
done < <(grep -rlE --include='*.h' '\b(MRC_API|MRC_STATUS)\b' "${folders[@]}" | LC_ALL=C sort)
mapfile -t all < <(find "${folders[@]}" -name '*.h' | LC_ALL=C sort)

for header in "${all[@]}"; do compile "$header" "$cc" c c11; done
for header in "${public[@]}"; do compile "$header" "$cxx" c++ c++17; done
printf '%d compilations, %d failed\n' "$seen" "$wrong"
[ "$wrong" -eq 0 ]
