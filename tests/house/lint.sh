#!/usr/bin/env bash
# lint.sh TREE [RULES]: words that the sources must not use, with the word to use instead. Comments and strings do not count.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
rules=${2:-$here/lint.txt}
cd "$1"
folders=()
for folder in src io preprocess model; do [ ! -d "$folder" ] || folders+=("$folder"); done
mapfile -t files < <(find "${folders[@]}" -type f \( -name '*.[ch]' -o -name '*.cc' -o -name '*.cpp' -o -name '*.hpp' \) | LC_ALL=C sort)
[ "${#files[@]}" -gt 0 ] || { printf '%s: no source files\n' "$1"; exit 1; }

awk -v rules="$rules" '
function trim(s) { gsub(/^[ \t]+|[ \t]+$/, "", s); return s }

# The line without comments, strings and character constants; in_comment carries over lines.
function code_of(line,    out, c, two, quote, i, n) {
    out = ""; quote = ""; n = length(line)
    for (i = 1; i <= n; ++i) {
        c = substr(line, i, 1); two = substr(line, i, 2)
        if (in_comment) { if (two == "*/") { in_comment = 0; ++i } continue }
        if (quote != "") { if (c == "\\") ++i; else if (c == quote) quote = ""; continue }
        if (two == "//") break
        if (two == "/*") { in_comment = 1; ++i; continue }
        if (c == "\"" || c == "\x27") { quote = c; out = out " "; continue }
        out = out c
    }
    return out
}

# Does the file match one of the patterns ("*" only at the end)?
function allowed(file, patterns,    list, n, i, p) {
    n = split(patterns, list, " ")
    for (i = 1; i <= n; ++i) {
        p = list[i]
        if (p == file) return 1
        if (p ~ /\*$/ && index(file, substr(p, 1, length(p) - 1)) == 1) return 1
    }
    return 0
}

BEGIN {
    while ((getline line < rules) > 0) {
        if (line ~ /^#/ || line ~ /^[ \t]*$/) continue
        split(line, part, "|")
        n = split(trim(part[1]), word, " ")
        for (i = 1; i <= n; ++i) { who[word[i]] = trim(part[2]); instead[word[i]] = trim(part[3]); ++count }
    }
    if (count == 0) { print rules ": no rules"; bad = 1; exit 1 }
}
FNR == 1 { in_comment = 0; ++seen }
{
    rest = code_of($0)
    if (rest ~ /^[ \t]*#[ \t]*include/) next
    before = ""
    while (match(rest, /[A-Za-z_][A-Za-z0-9_]*/)) {
        name = substr(rest, RSTART, RLENGTH)
        before = before substr(rest, 1, RSTART - 1)
        # a member of a record may have any name
        if ((name in who) && before !~ /(\.|->)[ \t]*$/ && !allowed(FILENAME, who[name])) {
            printf "%s:%d: %s is not used here; instead: %s\n", FILENAME, FNR, name, instead[name]
            ++wrong
        }
        before = before name
        rest = substr(rest, RSTART + RLENGTH)
    }
}
END {
    if (bad) exit 1
    printf "%d files, %d findings\n", seen, wrong
    exit wrong > 0
}' "${files[@]}"
