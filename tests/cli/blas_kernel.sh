#!/usr/bin/env bash
# blas_kernel.sh MRCYCLE ODD_OPENBLAS: the program runs the kernel of OpenBLAS that the processor deserves, obeys the user,
# falls back from a kernel that computes wrong sums, and says so. ODD_OPENBLAS makes OpenBLAS take a slow kernel by itself.
set -uo pipefail

mrcycle=$1 odd=$2
unset OPENBLAS_CORETYPE MRCYCLE_BLAS_KERNEL
failed=0

# expect WHAT PATTERN: a line of the last output
expect() {
    grep -qE "$2" <<<"$said" && return
    failed=$((failed + 1))
    printf '%s: expected a line "%s" in:\n%s\n' "$1" "$2" "$said"
}
# odd VARIABLE=VALUE...: info --system with the odd OpenBLAS; its exit code is in $code
odd() {
    code=0
    said=$(env "$@" LD_PRELOAD="$odd" ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0 "$mrcycle" info --system 2>&1) || code=$?
}

said=$("$mrcycle" info --system) || exit 1
expect plain '^sums +right'
! grep -q '^faster' <<<"$said" || { failed=$((failed + 1)); printf 'a faster kernel than the one that runs:\n%s\n' "$said"; }
own_line=$(grep '^kernel ' <<<"$said") # who chose depends on how old OpenBLAS is beside the processor
own=$(sed -nE 's/^kernel +([^,]+),.*/\1/p' <<<"$said")

said=$(OPENBLAS_CORETYPE=Prescott "$mrcycle" info --system)
if ! grep -q '^kernel  *Prescott,' <<<"$said"; then
    printf 'skipped: this OpenBLAS has no kernel named Prescott to be slow with (%s)\n' "$own"
    exit 77
fi
expect user '^kernel +Prescott, set by the user: OPENBLAS_CORETYPE is Prescott$'
said=$(OPENBLAS_CORETYPE=Prescott "$mrcycle" info --system --json)
expect user-json '"chosen_by":	"user"'

odd ODD_DEFAULT=Nehalem OPENBLAS_CORETYPE=Prescott
expect user-of-odd '^kernel +Prescott, set by the user'

if grep -q 'AVX-512' <<<"$said"; then fast=SkylakeX; elif grep -q AVX2 <<<"$said"; then fast=Haswell; else
    printf 'skipped: this processor has no kernel faster than Prescott\n'
    exit 77
fi
odd ODD_DEFAULT=Prescott
[ "$code" -eq 0 ] || failed=$((failed + 1))
expect trap "^kernel +$fast, chosen by mrcycle: OpenBLAS by itself runs Prescott\$"
expect trap '^sums +right'

odd ODD_ONLY=Prescott
expect only '^kernel +Prescott, chosen by OpenBLAS$'

odd ODD_DEFAULT=Prescott ODD_WRONG=$fast
[ "$code" -eq 0 ] || failed=$((failed + 1))
expect wrong "^kernel +Prescott, chosen by OpenBLAS: $fast computes wrong sums here\$"

for case in ODD_DEFAULT=Prescott ODD_DEFAULT="$own" OPENBLAS_CORETYPE=Prescott; do
    odd "$case" ODD_WRONG=all
    [ "$code" -eq 81 ] || { failed=$((failed + 1)); printf '%s and all wrong: exit code %d, expected 81\n' "$case" "$code"; }
    expect all-wrong "^mrcycle: OpenBLAS's kernel [A-Za-z]+: a product of .* is wrong by .*, expected at most .* \(OPENBLAS_CORETYPE chooses another\)\$"
    [ "$(wc -l <<<"$said")" -eq 1 ] || failed=$((failed + 1))
done

# What a stranger left in the environment does no harm.
said=$(MRCYCLE_BLAS_KERNEL=nonsense "$mrcycle" info --system)
grep -qxF "$own_line" <<<"$said" || { failed=$((failed + 1)); printf 'marker: expected "%s" in:\n%s\n' "$own_line" "$said"; }

# Commands that compute networks run with no kernel that is wrong, whatever they are asked for; the others do not ask.
while read -r expected line; do
    code=0
    read -ra words <<<"$line"
    said=$(ODD_WRONG=all LD_PRELOAD=$odd ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0 "$mrcycle" "${words[@]}" 2>&1 </dev/null) || code=$?
    [ "$code" -eq "$expected" ] || { failed=$((failed + 1)); printf '%s, all wrong: exit code %d, expected %d\n' "$line" "$code" "$expected"; }
done <<'EOT'
81 translate
81 train
81 evaluate
81 export
81 serve
0 --version
0 help train
1 info
EOT

# Arguments arrive in the second run.
said=$(ODD_DEFAULT=Prescott LD_PRELOAD=$odd ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0 "$mrcycle" evaluate '/absent  a' -q 2>&1)
expect arguments "^mrcycle: /absent  a: not found, expected a folder"

printf '%s by itself, %d failed\n' "$own" "$failed"
[ "$failed" -eq 0 ]
