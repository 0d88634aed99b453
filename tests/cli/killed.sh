#!/usr/bin/env bash
# killed.sh TIMES MRCYCLE MAKE_INPUTS: a run that is killed at random moments, TIMES of them, and taken up again ends with the
# bytes of one that never was, with warm-up, image pool, moving average, R1, DiffAugment, hinge and structure loss, first weights of another
# kind, augmentation and a falling rate.
set -euo pipefail
times=$1 mrcycle=$2 make_inputs=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
    printf 'killed: %s\n' "$*"
    exit 1
}
"$make_inputs" "$work/in" >/dev/null
mkdir -p "$work/set/T1w" "$work/set/T2w"
cp "$work/in/axial.nii.gz" "$work/set/T1w/"
cp "$work/in/t2.nii.gz" "$work/set/T2w/"
train=("$mrcycle" train "$work/set" --allow-synthetic --size 32 --preset mrcycle --width 4 --disc-width 4 --depth 3 --warm-up 7
    --pool 5 --ema 0.9 --r1 1 --gan-mode hinge --diffaugment "color,translation,cutout" --lambda-structure 1 --structure-loss mind
    --init-type orthogonal --init-gain 0.1 --zoom 0.1 --shift 0.05 --resolution 2 --bias-field 0.2 --decay 0.5 --gamma 1.3 --rotate 5 --noise 0.01 --check-every 1 --keep-every 4 --sample-every 0
    --threads 1 -q --epochs "$((4 + times))")
begun=$(date +%s%N)
"${train[@]}" -o "$work/whole" >/dev/null || fail "the run that is left alone: exit code $?"
span=$((($(date +%s%N) - begun) / 1000000))
RANDOM=${KILLED_SEED:-$$}
printf 'killed: seed %s, %d ms\n' "${KILLED_SEED:-$$}" "$span"
resume=() killed=0
for ((n = 0; n < times; ++n)); do
    "${train[@]}" -o "$work/parts" "${resume[@]}" >/dev/null 2>"$work/stderr" &
    child=$!
    pause=$((RANDOM % (span / times + 1) + span / (2 * times)))
    sleep "$((pause / 1000)).$(printf '%03d' $((pause % 1000)))"
    kill -KILL "$child" 2>/dev/null || true
    code=0
    wait "$child" 2>/dev/null || code=$?
    case $code in
        137) killed=$((killed + 1)) ;;
        0) # it was done: the first run was slowed down by something else
            if [ "$killed" -eq 0 ] && [ "$span" -gt 20 ]; then
                span=$((span / 2)) n=-1 resume=()
                rm -rf "$work/parts"
                continue
            fi
            ;;
        *) fail "a run taken up again: exit code $code: $(cat "$work/stderr")" ;;
    esac
    [ ! -f "$work/parts/settings.json" ] || resume=(--resume)
done
"${train[@]}" -o "$work/parts" "${resume[@]}" >/dev/null || fail "the last part: exit code $?"
for file in model checkpoints/last checkpoints/newest checkpoints/best checkpoints/epoch_0004; do
    cmp "$work/whole/$file.safetensors" "$work/parts/$file.safetensors" || fail "$file differs"
done
cmp "$work/whole/checks.csv" "$work/parts/checks.csv" || fail "checks.csv differs"
[ "$killed" -gt 0 ] || fail "never killed"
printf 'killed: %d times, the same bytes\n' "$killed"
