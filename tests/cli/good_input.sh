#!/usr/bin/env bash
# good_input.sh MRCYCLE MAKE_INPUTS: the commands do what they say, print the path they wrote, and stop when asked.
set -euo pipefail

mrcycle=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
in=$work/in out=$work/out
mkdir "$in" "$out"
"$2" "$in"
model=(--model "$in/model.safetensors" --allow-synthetic -q)

fail() { printf '%s\n' "$*"; exit 1; }
# prints LINE COMMAND...: the command succeeds and says just that on standard output, nothing on standard error
prints() {
    local line=$1 said
    shift
    said=$("$@" 2>"$work/stderr") || fail "failed: $*: $(cat "$work/stderr")"
    [ "$said" = "$line" ] || fail "$*: printed '$said', expected '$line'"
    [ ! -s "$work/stderr" ] || fail "$*: said $(cat "$work/stderr")"
}

[[ $("$mrcycle" --version) =~ ^mrcycle\ [0-9.]+$ ]] || fail version
# says PATTERN COMMAND...: its standard output holds the pattern (all of it is read: grep -q would close the pipe early)
says() {
    local said
    said=$("${@:2}") || return
    grep -q "$1" <<<"$said"
}
"$mrcycle" --help >"$work/help"
for command in translate train evaluate export info check phantom simulate prepare deidentify; do
    grep -q "^  $command " "$work/help" || fail "help lacks $command"
    "$mrcycle" help "$command" >"$work/of_command" || fail "help $command"
    grep -q "^Usage: mrcycle $command " "$work/of_command" || fail "help $command: no usage"
    ! grep -q '.\{81\}\| $' "$work/of_command" || fail "help $command: a line beyond 80 columns, or a space at its end"
done
for option in -h --help; do # the same for all commands
    prints "$(cat "$work/of_command")" "$mrcycle" deidentify "$option"
done

prints "$out/dicom" "$mrcycle" translate "$in/axial" -o "$out/dicom" --to T2w "${model[@]}" --sheet "$out/sheet.png"
[ "$(find "$out/dicom" -name '*.dcm' | wc -l)" -eq "$(find "$in/axial" -name '*.dcm' | wc -l)" ]
says '^.*: consistent, a synthetic series of ' "$mrcycle" check "$out/dicom" || fail "check of a translation"
says '"consistent":	true' "$mrcycle" check --json "$in/axial" || fail "check --json"
mkdir "$work/study" && cp -r "$in/axial" "$out/dicom" "$work/study"
"$mrcycle" check "$work/study" >"$work/stdout" 2>"$work/stderr" || fail "check of a study: $(<"$work/stderr")"
[ "$(grep -c ': consistent, ' "$work/stdout")" -eq 2 ] || fail "check of a study: $(<"$work/stdout")"
prints "$out/dicom" "$mrcycle" translate "$in/sagittal" -o "$out/dicom" --to T2w "${model[@]}" --replace
prints "$out/a.nii" "$mrcycle" translate "$in/axial" -o "$out/a.nii" --to T2w "${model[@]}"
prints "$out/b.nii.gz" "$mrcycle" translate "$in/coronal.nii.gz" --from T2w -o "$out/b.nii.gz" --to T1w "${model[@]}" --threads 1
prints "$out/png" "$mrcycle" translate "$in/png" --from T1w -o "$out/png" --to T2w "${model[@]}"
prints "$out/png2" "$mrcycle" translate "$in/axial" -o "$out/png2" --to T2w "${model[@]}" --format png --grid model --no-report
[ ! -e "$out/png2_report" ] || fail "--no-report wrote one"

# The report lies beside the output, which holds images only; the uncertainty is a series as sound as the other.
[ -z "$(find "$out/dicom" ! -type d ! -name '*.dcm')" ] || fail "the series holds more than images"
[ "$(ls "$out/b_report")" = "$(printf 'report.html\nreport.json')" ] || fail "report of a NIfTI file: $(ls "$out/b_report")"
prints "$out/sure" "$mrcycle" translate "$in/axial" -o "$out/sure" --to T2w "${model[@]}" --uncertainty "$out/sure_error"
says '^.*: consistent, a synthetic series of ' "$mrcycle" check "$out/sure_error" || fail "check of the uncertainty"

# A folder that was named for the model is the only one looked into.
code=0
MRCYCLE_MODEL_DIR=$work "$mrcycle" translate "$in/axial" -o "$out/none" --to T2w --allow-synthetic 2>"$work/stderr" || code=$?
[ "$code" -eq 20 ] || fail "a MRCYCLE_MODEL_DIR without a model: exit code $code"
grep -qx "mrcycle: $work: holds no brain-contrast.safetensors, expected .*" "$work/stderr" || fail "said $(cat "$work/stderr")"

# The same in, the same out, byte for byte, with any number of threads.
prints "$out/one" "$mrcycle" translate "$in/axial" -o "$out/one" --to T2w "${model[@]}" --threads 1
prints "$out/two" "$mrcycle" translate "$in/axial" -o "$out/two" --to T2w "${model[@]}" --threads 2
for file in "$out"/one/*.dcm; do
    # dates and times of creation differ
    a=$(strings -n 20 "$file" | grep '^2\.25\.' | sort)
    [ "$a" = "$(strings -n 20 "$out/two/${file##*/}" | grep '^2\.25\.' | sort)" ] || fail "UIDs of $file differ"
    [ -n "$a" ] || fail "$file holds no UID"
done

says '"kind":	"dicom"' "$mrcycle" info "$in" --json || fail "info --json"
says conv "$mrcycle" info "$in/model.safetensors" --plan || fail "info --plan"
! says '.\{81\}' "$mrcycle" info "$in/model.safetensors" --plan || fail "info: a line beyond 80 columns"
says '^kernel  ' "$mrcycle" info --system || fail "info --system"
says '^fit        yes' "$mrcycle" info --system || fail "a machine that runs these tests is not fit"
says '^model      NOT to be had; .*holds no brain-contrast' env MRCYCLE_MODEL_DIR="$out" "$mrcycle" info --system || fail "a model that is not there"
says '^fit        NO' env MRCYCLE_MODEL_DIR="$out" "$mrcycle" info --system || fail "fit without a model"
says '"sums_right":	true' "$mrcycle" info --system --json || fail "info --system --json"
! says 'Head^Test' "$mrcycle" info "$in" "$in/model.safetensors" || fail "info prints a name"

# An interrupt during training: exit code 82, one line, the state saved.
mkdir -p "$work/set/T1w" "$work/set/T2w"
cp "$in/axial.nii.gz" "$work/set/T1w/"
cp "$in/t2.nii.gz" "$work/set/T2w/"
train=("$mrcycle" train "$work/set" --allow-synthetic --size 32 --generator local --width 4 --disc-width 4)
prints "$out/run/model.safetensors" "${train[@]}" -o "$out/run" --epochs 2 -q --half
# A preset is a file; what the command line says goes first, wherever it stands; the run is made again from its folder.
for key in '"preset":	"mrcycle"' '"generator_f":	"local"' '"ema_decay":	0.99' '"lambda_identity":	0,' '"warm_up":	300' '"epochs":	2,'; do
    grep -qF "$key" "$out/run/settings.json" || fail "settings.json of the default preset: no $key"
done
printf '# small\n\nema = 0.9 # of G and F\nepochs = 7\nno-flip\n' >"$work/small.conf"
prints "$out/small/model.safetensors" "${train[@]}" --epochs 1 -o "$out/small" -q --preset="$work/small.conf"
for key in '"preset":	"file"' '"ema_decay":	0.9,' '"flip":	false' '"epochs":	1,' '"lambda_identity":	5,'; do
    grep -qF "$key" "$out/small/settings.json" || fail "settings.json of a preset of one's own: no $key"
done
# The other presets of the program; the one for pairs finds them by their names.
prints "$out/paper/model.safetensors" "${train[@]}" --preset paper --epochs 1 -o "$out/paper" -q
code=0
"${train[@]}" --preset paired --epochs 1 -o "$out/paired" -q >"$work/stdout" 2>"$work/stderr" || code=$?
[ "$code" -ne 0 ] || fail "preset paired without pairs: exit code 0"
grep -q "no pairs" "$work/stderr" || fail "preset paired without pairs: said $(cat "$work/stderr")"
mkdir -p "$work/pairs/T1w" "$work/pairs/T2w"
cp "$in/axial.nii.gz" "$work/pairs/T1w/a.nii.gz"
cp "$in/t2.nii.gz" "$work/pairs/T2w/a.nii.gz"
prints "$out/paired/model.safetensors" "$mrcycle" train "$work/pairs" --allow-synthetic --size 32 --width 4 --disc-width 4 --preset paired --epochs 1 \
    --warm-up 2 -o "$out/paired" -q --replace
for key in '"preset":	"paired"' '"generator_f":	"hybrid"' '"lambda_paired":	50,' '"warm_up":	2,'; do
    grep -qF "$key" "$out/paired/settings.json" || fail "settings.json of the preset paired: no $key"
done
mv "$work/set" "$work/moved"
prints "$out/again/model.safetensors" "$mrcycle" train --repeat "$out/run" "$work/moved" -o "$out/again" -q --threads 1
mv "$work/moved" "$work/set"
cmp "$out/run/checkpoints/last.safetensors" "$out/again/checkpoints/last.safetensors" || fail "train --repeat: other bytes"
cmp "$out/run/model.safetensors" "$out/again/model.safetensors" || fail "train --repeat: another model"
code=0
"$mrcycle" train --repeat "$work/set" -o "$out/never" -q 2>"$work/stderr" || code=$?
[ "$code" -eq 20 ] || fail "train --repeat of no run: exit code $code, expected 20"
"${train[@]}" -o "$out/stopped" --epochs 100000 --sample-every 0 >/dev/null 2>"$work/stderr" &
child=$!
for _ in $(seq 300); do [ ! -s "$out/stopped/log.csv" ] || break; sleep 0.1; done
kill -INT "$child"
code=0
wait "$child" || code=$?
[ "$code" -eq 82 ] || fail "interrupted training: exit code $code, expected 82: $(tail -n 1 "$work/stderr")"
tail -n 1 "$work/stderr" | grep -q "^mrcycle: $out/stopped: stopped in epoch .* state saved (train --resume goes on)$"
rows=$(wc -l <"$out/stopped/log.csv")
prints "$out/stopped/model.safetensors" "${train[@]}" -o "$out/stopped" --epochs $((rows + 3)) --sample-every 0 -q --resume
[ "$(wc -l <"$out/stopped/log.csv")" -eq $((rows + 4)) ] || fail "a run taken up again: $(wc -l <"$out/stopped/log.csv") lines in log.csv, expected $((rows + 4))"
code=0
"${train[@]}" -o "$out/stopped" --epochs $((rows + 3)) --gamma 1.5 -q --resume 2>"$work/stderr" || code=$?
[ "$code" -eq 1 ] || fail "--resume with another gamma: exit code $code, expected 1"
grep -q "the run began with another gamma" "$work/stderr" || fail "--resume with another gamma: $(cat "$work/stderr")"
if command -v python3 >/dev/null; then
    for run in run stopped; do
        python3 "$(dirname "$0")/event_file.py" "$out/$run" || fail "the event file of $out/$run"
    done
else
    printf 'good_input: no python3, so nobody else has read the event files\n'
fi
for again in '' --replace; do # also of generators alone
    prints "$out/g.onnx" "$mrcycle" export "$in/model.safetensors" -o "$out/g.onnx" --format onnx --to T2w $again
done
prints "$out/half.safetensors" "$mrcycle" export "$out/stopped" -o "$out/half.safetensors" --half

# A model scored on a set of pairs, and two folders of images.
mkdir -p "$work/scored/T1w" "$work/scored/T2w"
cp "$in/axial.nii.gz" "$work/scored/T1w/head_T1w.nii.gz"
cp "$in/t2.nii.gz" "$work/scored/T2w/head_T2w.nii.gz"
says 'paired-lut' "$mrcycle" evaluate "$work/scored" --allow-synthetic -q --model "$out/run" -o "$out/scores" || fail "evaluate"
says 'head SSIM' cat "$out/scores/report.html" || fail "evaluate: no report"
says 'result' "$mrcycle" evaluate --truth "$in/t2.nii.gz" --result "$in/t2.nii.gz" -q || fail "evaluate of two images"

# An interrupt during a translation: nothing is left.
"$mrcycle" translate "$in/axial" -o "$out/never" --to T2w "${model[@]}" >/dev/null 2>"$work/stderr" &
child=$!
# until it runs it is a copy of this shell, with this shell's trap
for _ in $(seq 200); do [ "$(cat "/proc/$child/comm" 2>/dev/null || true)" = bash ] || break; sleep 0.01; done
kill -TERM "$child" 2>/dev/null || true
code=0
wait "$child" || code=$?
case $code in
    0) ;; # it was quicker
    82 | 143) [ -z "$(find "$out" -name 'never*')" ] || fail "an interrupted translation left $(find "$out" -name 'never*')" ;;
    *) fail "interrupted translation: exit code $code" ;;
esac
printf 'good\n'
