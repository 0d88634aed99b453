#!/usr/bin/env bash
# translate_killed.sh MRCYCLE MAKE_INPUTS: whatever a translation that is killed at some moment has left under its names is
# whole, and the next one with --replace ends with the bytes of one that never was killed and removes what those left under
# temporary names.
set -euo pipefail
mrcycle=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
    printf 'translate_killed: %s\n' "$*"
    exit 1
}
"$2" "$work" >/dev/null
# translate FOLDER INPUT OUTPUT ERROR
translate() {
    exec "$mrcycle" translate "$work/$2" -o "$1/$3" --uncertainty "$1/$4" --sheet "$1/sheet.png" --to T2w --from T1w -q --replace \
        --allow-synthetic --no-mirror --model "$work/model.safetensors" >/dev/null 2>"$work/stderr"
}
sums() { (cd "$1" && find . -type f ! -path '*.tmp-*' -exec sha256sum {} + | sort); }
for case in 'axial t2 error' 'axial.nii.gz t2.nii error.nii'; do
    read -r input output error <<<"$case"
    rm -rf "$work/whole" "$work/parts"
    mkdir "$work/whole" "$work/parts"
    (translate "$work/whole" "$input" "$output" "$error") || fail "$(cat "$work/stderr")"
    sums "$work/whole" >"$work/expected"
    killed=0 seen=0
    for n in 000 030 090 200 400; do # ms after the first thing appears
        (translate "$work/parts" "$input" "$output" "$error") &
        child=$!
        while kill -0 "$child" 2>/dev/null && [ -z "$(ls -A "$work/parts")" ]; do :; done
        sleep "0.$n"
        kill -KILL "$child" 2>/dev/null || true
        wait "$child" 2>/dev/null || killed=$((killed + 1))
        # a half-written file would be none of the whole ones; a half-written folder would lack some
        sums "$work/parts" >"$work/found"
        odd=$(comm -13 "$work/expected" "$work/found")
        [ -z "$odd" ] || fail "$input, killed after $n ms: not whole: $odd"
        for folder in "$output" "$error" "${output%.nii}_report"; do
            [ -d "$work/parts/$folder" ] || continue
            seen=$((seen + 1))
            [ "$(find "$work/parts/$folder" -type f | wc -l)" -eq "$(find "$work/whole/$folder" -type f | wc -l)" ] ||
                fail "$folder, killed after $n ms: files are missing"
        done
        rm -rf "${work:?}/parts"/*
    done
    # killed with something of each output under a temporary name
    for name in sheet.png "$output" "$error"; do
        left=
        for _ in 1 2 3 4 5; do
            (translate "$work/parts" "$input" "$output" "$error") &
            child=$!
            while kill -0 "$child" 2>/dev/null && ! compgen -G "$work/parts/$name.tmp-*" >/dev/null; do :; done
            kill -KILL "$child" 2>/dev/null || true
            wait "$child" 2>/dev/null || true
            left=$(compgen -G "$work/parts/$name.tmp-*" || true)
            [ -z "$left" ] || break
        done
        [ -n "$left" ] || printf 'not met: %s under a temporary name\n' "$name"
    done
    (translate "$work/parts" "$input" "$output" "$error") || fail "taken up again: $(cat "$work/stderr")"
    left=$(compgen -G "$work/parts/*.tmp-*" || true)
    [ -z "$left" ] || fail "left behind: $left"
    sums "$work/parts" >"$work/found"
    cmp "$work/expected" "$work/found" || fail "$input: other bytes in the end"
    [ "$killed" -gt 0 ] || fail 'never killed'
    printf '%s: killed %d times, %d folders met, all whole\n' "$input" "$killed" "$seen"
done
