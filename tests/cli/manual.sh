#!/usr/bin/env bash
# manual.sh MRCYCLE …: manual pages and completion say what --help says, of every command and every option, and their readers accept them.
set -euo pipefail

mrcycle=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { printf 'manual.sh: %s\n' "$*" >&2; exit 1; }

for shell in bash zsh fish; do "$mrcycle" help --completion "$shell" >"$work/$shell"; done
bash -n "$work/bash"
for shell in zsh fish; do ! command -v "$shell" >/dev/null || "$shell" -n "$work/$shell"; done
! command -v shellcheck >/dev/null || shellcheck -s bash "$work/bash"
if "$mrcycle" help --completion tcsh >/dev/null 2>"$work/err"; then fail 'tcsh is completed'; fi
grep -q "expected bash, zsh or fish" "$work/err"

"$mrcycle" help --man >"$work/mrcycle.1"
mapfile -t commands < <("$mrcycle" help | sed -n 's/^  \([a-z]*\)  .*/\1/p')
[ ${#commands[@]} -ge 13 ] || fail "only ${#commands[@]} commands"
told=0
for command in "${commands[@]}"; do
    "$mrcycle" help "$command" >"$work/help"
    "$mrcycle" help "$command" --man >"$work/$command.1"
    grep -q "^\.BR mrcycle..$command (1)" "$work/mrcycle.1" || fail "mrcycle.1 lacks $command"
    grep -q "^Example: mrcycle $command " "$work/help" || fail "$command --help lacks an example"
    grep -q '^\.SH EXAMPLE' "$work/$command.1" || fail "$command.1 lacks an example"
    mapfile -t options < <(sed -n 's/^  *\(-., \)\{0,1\}--\([a-z0-9-]*\).*/\2/p' "$work/help" | grep -vx -e help -e usage)
    flags=$(sed -n "/^    $command)\$/,/;;/s/.*flags='\(.*\)'.*/\1/p" "$work/bash")
    arguments=$(sed -n "/^    $command) _arguments/,/;;/p" "$work/zsh")
    for option in "${options[@]}"; do
        grep -qF "\\-\\-${option//-/\\-}\\fR" "$work/$command.1" || fail "$command.1 lacks --$option"
        case " $flags " in *" --$option "*) ;; *) fail "bash lacks --$option of $command" ;; esac
        grep -qE "^complete .* $command' -l $option( |\$)" "$work/fish" || fail "fish lacks --$option of $command"
        grep -qE "'--$option(=|\[)" <<<"$arguments" || fail "zsh lacks --$option of $command"
        told=$((told + 1))
    done
done
[ "$told" -gt 100 ] || fail "only $told options"
if command -v man >/dev/null; then
    for page in "$work"/*.1; do
        said=$(LC_ALL=C.UTF-8 man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 >/dev/null)
        [ -z "$said" ] || fail "${page##*/}: $said"
    done
fi
printf '%d commands, %d options\n' "${#commands[@]}" "$told"
