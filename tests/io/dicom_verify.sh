#!/usr/bin/env bash
# dicom_verify.sh EXAMPLES: what do dicom3tools say of the series that EXAMPLES writes?
# dciodvfy: no error but the one about (0008,001C), which is younger than it. dcentvfy: source and derived series say the
# same of patient, study and frame of reference. Exit code 77: the tools are not there.
set -euo pipefail

for tool in dciodvfy dcentvfy; do
    command -v "$tool" >/dev/null || { printf 'skipped: %s is not installed (Debian: dicom3tools)\n' "$tool"; exit 77; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$1" "$work" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }

wrong=0 seen=0
for folder in generated generated_ir generated_coronal derived model_grid derived_sparse; do
    for file in "$work/$folder"/*.dcm; do
        seen=$((seen + 1))
        errors=$(dciodvfy "$file" 2>&1 | grep '^Error' |
            grep -v 'not a recognized standard attribute - (0x0008,0x001c)' || true)
        [ -z "$errors" ] || { wrong=$((wrong + 1)); printf '%s/%s\n%s\n' "$folder" "${file##*/}" "$errors"; }
    done
done
check_entities() {
    local words
    words=$(dcentvfy "$@" 2>&1 || true)
    [ -z "$words" ] || { wrong=$((wrong + 1)); printf '%s\n' "$words"; }
}
check_entities "$work"/generated/* "$work"/derived/* "$work"/model_grid/*
printf '%d files, %d with errors\n' "$seen" "$wrong"
[ "$seen" -eq 29 ] && [ "$wrong" -eq 0 ]
