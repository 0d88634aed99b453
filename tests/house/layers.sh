#!/usr/bin/env bash
# layers.sh TREE [TABLE]: does every #include of the tree follow an arrow of the table? One line a wrong one.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tree=$1
table=${2:-$here/layers.txt}

package_names=() package_files=() package_may=() external_headers=() external_files=() cxx_files=
while read -r kind a b c _; do
    case $kind in
        package) package_names+=("$a") package_files+=("$b") package_may+=("$c") ;;
        external) external_headers+=("$a") external_files+=("$b") ;;
        cxx) cxx_files=$a ;;
    esac
done <"$table"

wrong=0 seen=0
complain() { wrong=$((wrong + 1)); printf '%s\n' "$*"; }

# matches TEXT PATTERN,PATTERN…
matches() {
    local pattern patterns
    IFS=, read -ra patterns <<<"$2"
    for pattern in "${patterns[@]}"; do
        # shellcheck disable=SC2053  # the right side is a pattern
        [[ $1 == $pattern ]] && return 0
    done
    return 1
}

# package_of FILE: sets `package` to the index of its package, or -1
package_of() {
    for package in "${!package_names[@]}"; do
        matches "$1" "${package_files[package]}" && return
    done
    package=-1
}

# check_own FILE LINE HEADER: an #include "…"
check_own() {
    local to=
    if [ -f "$tree/$3" ]; then to=$3; elif [ -f "$tree/src/$3" ]; then to=src/$3; fi
    if [ -z "$to" ] || [[ $3 == *..* ]]; then
        complain "$1:$2: \"$3\" is no path from the root or from src/, expected one such as \"io/volume.h\""
        return
    fi
    package_of "$1"
    local from_index=$package
    package_of "$to"
    [ "$from_index" -ge 0 ] && [ "$package" -ge 0 ] || return 0 # reported once, as files of no package
    [ "$from_index" -ne "$package" ] || return 0
    matches "${package_names[package]}" "${package_may[from_index]}" ||
        complain "$1:$2: ${package_names[from_index]} includes \"$3\" of ${package_names[package]}," \
            "allowed from ${package_names[from_index]}: ${package_may[from_index]}"
}

# check_external FILE LINE HEADER: an #include <…>
check_external() {
    local i
    for i in "${!external_headers[@]}"; do
        if matches "$3" "${external_headers[i]}" && ! matches "$1" "${external_files[i]}"; then
            complain "$1:$2: <$3> here, allowed only in ${external_files[i]}"
        fi
    done
}

cd "$tree"
folders=()
for folder in src io preprocess model; do [ ! -d "$folder" ] || folders+=("$folder"); done
while IFS= read -r file; do
    seen=$((seen + 1))
    package_of "$file"
    [ "$package" -ge 0 ] || complain "$file: belongs to no package of the table"
    if [[ $file != *.[ch] ]]; then
        matches "$file" "$cxx_files" || complain "$file: C++ here, allowed only in $cxx_files"
    fi
    while IFS=: read -r line text; do
        if [[ $text =~ \"(.*)\" ]]; then
            check_own "$file" "$line" "${BASH_REMATCH[1]}"
        elif [[ $text =~ \<(.*)\> ]]; then
            check_external "$file" "$line" "${BASH_REMATCH[1]}"
        fi
    done < <(grep -nE '^[[:space:]]*#[[:space:]]*include' "$file" || true)
done < <(find "${folders[@]}" -type f \( -name '*.[ch]' -o -name '*.cc' -o -name '*.cpp' -o -name '*.hpp' \) | LC_ALL=C sort)

[ "$seen" -gt 0 ] || complain "$tree: no source files, expected src, io, preprocess and model"
printf '%d files, %d wrong arrows\n' "$seen" "$wrong"
[ "$wrong" -eq 0 ]
