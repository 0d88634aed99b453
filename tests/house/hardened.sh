#!/usr/bin/env bash
# hardened.sh PROGRAM LIBRARY SANITIZED: what the loader and the compiler were asked for, read back from what was built: libraries come
# from absolute places alone, whatever lies in the current folder; and without sanitizers, which bring their own, the release's hardening.
set -euo pipefail
program=$1 library=$2 sanitized=$3
fail() { printf '%s\n' "$*"; exit 1; }

for file in "$program" "$library"; do
    path=$(readelf -dW "$file" | sed -n 's/.*(R\(UN\)\?PATH).*\[\(.*\)\]/\2/p')
    while IFS= read -r -d : place; do
        [[ $place == /* || $place == \$ORIGIN* ]] || fail "$file: looks for libraries in '$place' of '$path', expected absolute places"
    done < <([ -z "$path" ] || printf '%s:' "$path")
done
empty=$(mktemp -d)
trap 'rm -rf "$empty"' EXIT
tried=$(cd "$empty" && env -u LD_LIBRARY_PATH LD_DEBUG=libs "$program" --version 2>&1 | sed -n 's/.*trying file=//p')
[ -n "$tried" ] || fail "$program: the loader does not say what it tries"
relative=$(grep -v '^/' <<<"$tried" || true)
[ -z "$relative" ] || fail "$program: a library is looked for in the current folder: $relative"

if [ -n "$sanitized" ]; then
    echo 'the rest is skipped: built with sanitizers'
    exit 0
fi
for file in "$program" "$library"; do
    headers=$(readelf -lW "$file") dynamic=$(readelf -dW "$file") symbols=$(readelf -sW --dyn-syms "$file")
    [[ $headers == *GNU_RELRO* && $dynamic == *BIND_NOW* ]] || fail "$file: no full RELRO"
    grep 'GNU_STACK' <<<"$headers" | grep -q ' RW ' || fail "$file: the stack can be executed"
    [[ $symbols == *__stack_chk_fail* ]] || fail "$file: no stack protector"
    grep -Eq '__(mem(cpy|set|move)|v?snprintf|v?fprintf|fread|read|pread|str(cpy|cat|ncpy))_chk' <<<"$symbols" || fail "$file: no fortified functions"
    if [ "$(uname -m)" = x86_64 ]; then
        [ "$(objdump -d --no-show-raw-insn "$file" | grep -c endbr64)" -gt 500 ] || fail "$file: jumps lead anywhere (no CET)"
    fi
done
readelf -hW "$program" | grep -q 'DYN' || fail "$program: no position-independent executable"
