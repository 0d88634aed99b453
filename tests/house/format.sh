#!/usr/bin/env bash
# format.sh TREE: is every source laid out as .clang-format says? Exit code 77 (skipped) without clang-format 14, Debian 12's:
# another version breaks lines in other places.
set -euo pipefail

cd "$1"
for name in clang-format-14 clang-format; do
    if command -v "$name" >/dev/null && [[ $("$name" --version) == *'version 14.'* ]]; then
        mapfile -t files < <(find src io preprocess model tests -type f \( -name '*.[ch]' -o -name '*.cpp' -o -name '*.hpp' \) | LC_ALL=C sort)
        "$name" --dry-run --Werror "${files[@]}"
        printf '%d files\n' "${#files[@]}"
        exit 0
    fi
done
printf 'skipped: clang-format 14 is not installed\n'
exit 77
