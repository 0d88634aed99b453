#!/usr/bin/env bash
# bad_input.sh MRCYCLE MAKE_INPUTS: every row of bad_input.txt gives its exit code and its one line, and leaves nothing
# behind. Then the same for a disk that is full.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mrcycle=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
in=$work/in out=$work/out
mkdir "$in" "$out"
"$2" "$in" || exit 1

# Spoils copies of what make_inputs wrote.
make_bad_inputs() {
    local in=$1 n
    mkdir "$in"/{empty,series,truncated,ct,two,gap,bad_set,half_set} "$in"/bad_set/{T1w,T2w}
    mkdir -p "$in/half_set/T1w"
    printf '# words\nepoch = 3\n' >"$in/bad.conf"
    printf 'only words\n' | tee "$in/text.txt" >"$in/text.nii"
    cp "$in"/axial/*.dcm "$in/truncated/"
    head -c 3000 "$in/axial/IM0020.dcm" >"$in/truncated/IM0020.dcm"
    head -c "$(($(stat -c %s "$in/axial.nii.gz") / 2))" "$in/axial.nii.gz" >"$in/truncated.nii.gz"
    head -c 500 "$in/model.safetensors" >"$in/truncated.safetensors"
    cp "$in"/axial/IM000[12].dcm "$in/two/"
    cp -r "$in/axial" "$in/t2" "$in/series/"
    cp "$in"/axial/*.dcm "$in/gap/"
    rm "$in/gap/IM0020.dcm"
    cp "$in/axial.nii.gz" "$in/half_set/T1w/"
    cp "$in/text.txt" "$in/bad_set/T1w/"
    # the modality and the class of the object, in place
    for n in "$in"/axial/*.dcm; do
        LC_ALL=C sed 's/\x08\x00\x60\x00CS\x02\x00MR/\x08\x00\x60\x00CS\x02\x00CT/
            s/1\.2\.840\.10008\.5\.1\.4\.1\.1\.4\x00/1.2.840.10008.5.1.4.1.1.2\x00/g' "$n" >"$in/ct/${n##*/}"
    done
}
make_bad_inputs "$in"
before=$(cd "$in" && find . | sort)
failed=0 seen=0

# check NAME CODE PATTERN: of the run that left $code and $work/stderr
check() {
    local words
    seen=$((seen + 1))
    words=$(cat "$work/stderr")
    if [ "$code" -ne "$2" ] || ! grep -qxE "mrcycle: $3" "$work/stderr" || [ "$(wc -l <"$work/stderr")" -ne 1 ]; then
        failed=$((failed + 1))
        printf '%s: exit code %d, expected %d; said\n  %s\nexpected\n  mrcycle: %s\n' "$1" "$code" "$2" "$words" "$3"
    fi
    if [ -n "$(ls -A "$out")" ] || [ "$(cd "$in" && find . | sort)" != "$before" ]; then
        failed=$((failed + 1))
        printf '%s: left behind: %s\n' "$1" "$(ls -A "$out")"
        rm -rf "${out:?}"/*
    fi
}

while IFS='|' read -r name expected pattern arguments; do
    case $name in '#'* | '') continue ;; esac
    read -r name <<<"$name"
    read -r pattern <<<"$pattern"
    pattern=${pattern//\{in\}/$in} pattern=${pattern//\{out\}/$out}
    arguments=${arguments//\{in\}/$in} arguments=${arguments//\{out\}/$out}
    read -ra words <<<"$arguments"
    case ${words[0]-} in
        translate)
            words+=(-q --allow-synthetic)
            case " ${words[*]} " in *' --model '*) ;; *) words+=(--model "$in/model.safetensors") ;; esac ;;
        train) words+=(-q --allow-synthetic --epochs 1 --size 32 --generator local --width 4) ;;
    esac
    code=0
    options=${ASAN_OPTIONS-}
    # Of a wrong command line no leaks are looked for: a third of a start. A line that begins with a path took more than that.
    [[ $((expected)) -ne 1 || $pattern == /* ]] || options+=:detect_leaks=0
    ASAN_OPTIONS=$options "$mrcycle" "${words[@]}" >"$work/stdout" 2>"$work/stderr" </dev/null || code=$?
    check "$name" "$((expected))" "$pattern"
    if [ -s "$work/stdout" ] && [ "${words[0]}" != info ]; then
        failed=$((failed + 1))
        printf '%s: standard output is not empty\n' "$name"
    fi
done < <(sed 's/\\|/\x01/g' "$here/bad_input.txt")

# A full disk, as a limit on the size of a file: writes beyond it fail like those to a full disk.
limited() { (trap '' XFSZ && ulimit -f 1 && exec "$mrcycle" "$@" -q --allow-synthetic --model "$in/model.safetensors" --to T2w) \
    >"$work/stdout" 2>"$work/stderr" </dev/null; }
for case in axial:x axial.nii.gz:x.nii.gz png:x; do
    code=0
    limited translate "$in/${case%%:*}" -o "$out/${case##*:}" --from T1w --no-report || code=$?
    check "full-disk-${case%%:*}" 40 ".*$out/x.*: .*"
done
code=0
limited translate "$in/axial" -o "$out/x" --sheet "$out/sheet.png" || code=$?
check full-disk-sheet 40 ".*$out/sheet\.png.*: .*"
code=0
limited translate "$in/axial" -o "$out/x" || code=$?
check full-disk-report 40 ".*$out/x_report.*: .*"

# A real one, where this user may mount.
mkdir "$work/small"
if mount -t tmpfs -o size=64k none "$work/small" 2>/dev/null; then
    code=0
    "$mrcycle" translate "$in/axial" -o "$work/small/x" --to T2w -q --allow-synthetic --model "$in/model.safetensors" \
        >/dev/null 2>"$work/stderr" || code=$?
    check full-tmpfs 40 ".*$work/small/x.*: .*"
    [ -z "$(ls -A "$work/small")" ] || { failed=$((failed + 1)); ls -A "$work/small"; }
    umount "$work/small"
    # Room for one of two images: neither is there in the end.
    mount -t tmpfs -o "size=$(($(gzip -dc "$in/axial.nii.gz" | wc -c) * 3 / 2))" none "$work/small"
    code=0
    "$mrcycle" translate "$in/axial.nii.gz" -o "$work/small/x.nii" --uncertainty "$work/small/e.nii" --to T2w --from T1w -q \
        --no-report --allow-synthetic --model "$in/model.safetensors" >/dev/null 2>"$work/stderr" || code=$?
    check full-tmpfs-uncertainty 40 ".*$work/small/[ex]\.nii.*: .*"
    [ -z "$(ls -A "$work/small")" ] || { failed=$((failed + 1)); ls -A "$work/small"; }
    umount "$work/small"
else
    printf 'not run: a full tmpfs (mounting is not permitted here)\n'
fi

code=0
"$mrcycle" info "$in/axial" >/dev/full 2>"$work/stderr" || code=$?
check full-stdout 40 'standard output: cannot be written'

printf '%d cases, %d failed\n' "$seen" "$failed"
[ "$failed" -eq 0 ] && [ "$seen" -gt 30 ]
