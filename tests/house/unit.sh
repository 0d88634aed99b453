#!/usr/bin/env bash
# unit.sh UNIT.in: the service unit is one that systemd understands, and gives away little (systemd-analyze security, at most 2.5).
set -euo pipefail
command -v systemd-analyze >/dev/null || { echo 'skipped: systemd is not installed'; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unit=$work/mrcycle-serve.service
sed 's#@MRC_BINDIR@/mrcycle#/bin/true#' "$1" >"$unit"
systemd-analyze --help | grep -q offline || { echo 'skipped: this systemd does not judge units that are not installed'; exit 77; }
said=$(systemd-analyze verify "$unit" 2>&1 | grep -F "$unit" || true)
[ -z "$said" ] || { printf '%s\n' "$said"; exit 1; }
said=$(systemd-analyze security --offline=true --threshold=25 "$unit") || { printf '%s\n' "$said" | grep -v '✓'; exit 1; }
printf '%s\n' "$said" | tail -1
