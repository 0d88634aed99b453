#!/usr/bin/env bash
# shell.sh TREE: shellcheck over every shell script of the tree. Exit code 77 (skipped) where it is not installed.
set -euo pipefail

cd "$1"
command -v shellcheck >/dev/null || { printf 'skipped: shellcheck is not installed\n'; exit 77; }
mapfile -t files < <(grep -rlE '^#!.*\b(bash|sh)$' scripts .ci tests | LC_ALL=C sort)
shellcheck "${files[@]}"
printf '%d scripts\n' "${#files[@]}"
