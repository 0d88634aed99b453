#!/usr/bin/env bash
# contrast_map.sh MRCYCLE MAKE_INPUTS: --map overrules what info, prepare, train and translate recognise, or names its fault.
set -euo pipefail

mrcycle=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
in=$work/in
mkdir "$in" "$work/scans"
"$2" "$in"

fail() { printf '%s\n' "$*"; exit 1; }
# expects CODE COMMAND...: its exit code; $said is all it says
expects() {
    local code=0
    said=$("${@:2}" 2>&1) || code=$?
    [ "$code" -eq "$1" ] || fail "${*:2}: exit code $code, expected $1: $said"
}

cp "$in/axial.nii.gz" "$work/scans/p1_scan.nii.gz"
cp "$in/tilted.nii.gz" "$work/scans/p2_scan.nii.gz"
printf 'path\t*/p1_*\tT1w\npath\t*/p2_*\tT2w\n' >"$work/map.tsv"
printf 'path\t*p1_*\tFLAIR\nSeriesNumber\t*\tFLAIR\n' >"$work/flair.tsv"
printf 'path\tFLAIR\n' >"$work/bad.tsv"

expects 0 "$mrcycle" info -q "$work/scans" --map "$work/map.tsv"
[[ $said == *"T1w by line 1 of the map (path)"*"T2w by line 2 of the map (path)"* ]] || fail "info: $said"

# Without it nothing tells the contrasts.
expects 22 "$mrcycle" prepare "$work/scans" -o "$work/set" --split 100,0,0 -q
expects 0 "$mrcycle" prepare "$work/scans" -o "$work/set" --split 100,0,0 -q --map "$work/map.tsv"
[ "$(cut -f3 "$work/set/manifest.tsv" | sort -u | paste -sd' ')" = 'T1w T2w contrast' ] || fail "contrasts of the set"
expects 1 "$mrcycle" train "$work/set" -o "$work/run" --map "$work/map.tsv" -q
[[ $said == *"--map belongs there"* ]] || fail "train on a prepared set: $said"

# An infant is no adult, by the path or by its age; a map takes it.
mkdir -p "$work/infant_study"
cp "$in/axial.nii.gz" "$work/infant_study/p1_T1w.nii.gz"
expects 22 "$mrcycle" prepare "$work/infant_study" -o "$work/young" -q
[[ $said == *"of a child below two years"* ]] || fail "an infant: $said"
expects 0 "$mrcycle" prepare "$work/infant_study" -o "$work/young" -q --dry-run --map "$work/map.tsv"

# A scan in the folder of the other contrast is left out once the map says so.
mkdir -p "$work/sorted/T1w" "$work/sorted/T2w"
cp "$work/scans/p1_scan.nii.gz" "$work/sorted/T1w/"
cp "$work/scans/p2_scan.nii.gz" "$work/sorted/T2w/"
small=(--generator local --width 4 --disc-width 4 --epochs 1 -q)
expects 0 "$mrcycle" train "$work/sorted" -o "$work/run" "${small[@]}" --map "$work/map.tsv"
expects 22 "$mrcycle" train "$work/sorted" -o "$work/run2" "${small[@]}" --map "$work/flair.tsv"

expects 22 "$mrcycle" translate "$work/scans/p1_scan.nii.gz" -o "$work/out" --to T2w --model "$in/model.safetensors" --allow-synthetic -q
[[ $said == *"contrast not recognised"* ]] || fail "translate without a map: $said"
for scan in "$work/scans/p1_scan.nii.gz" "$in/axial"; do
    to=(-o "$work/out" --to T2w --format png --model "$in/model.safetensors" --allow-synthetic --replace -q)
    expects 0 "$mrcycle" translate "$scan" "${to[@]}" --map "$work/map.tsv"
    expects 22 "$mrcycle" translate "$scan" "${to[@]}" --map "$work/flair.tsv"
    [[ $said == *"recognised as FLAIR, expected T1w"* ]] || fail "translate: $said"
done
expects 1 "$mrcycle" translate "$in/axial" "${to[@]}" --map "$work/bad.tsv"
[[ $said == "mrcycle: $work/bad.tsv: line 1 has 2 columns, expected 3"* ]] || fail "a broken map: $said"
expects 20 "$mrcycle" prepare "$work/scans" -o "$work/none" --map "$work/absent.tsv"
[ ! -e "$work/none" ] || fail "a set without its map"
