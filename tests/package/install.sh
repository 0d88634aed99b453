#!/usr/bin/env bash
# install.sh SOURCE WORK: are the packages of scripts/package what a stranger needs? Built twice for the same bytes, looked over by
# lintian, and put into a bare Debian 12: first the archive alone, then the packages by apt-get; translated with, asked for their
# manual and completion, linked with, and removed without a trace. Needs root and a mirror; exit code 77 (skipped) without.
# MRC_PACKAGES=FOLDER: takes the packages that lie there, and builds none. MRC_BARE_ROOT=FILE.tar: that root, and makes none.
# shellcheck disable=SC2016  # what stands in single quotes is for the shell of the other root
set -euo pipefail

source=$1 work=$2
for tool in mmdebstrap lintian patchelf dpkg-deb; do
    command -v "$tool" >/dev/null || { printf 'skipped: no %s\n' "$tool"; exit 77; }
done
[ "$(id -u)" = 0 ] || { printf 'skipped: needs root to change into another root\n'; exit 77; }
fail() { printf 'install.sh: %s\n' "$*" >&2; exit 1; }
rm -rf "$work"
mkdir -p "$work"

out=${MRC_PACKAGES:-}
if [ -z "$out" ]; then
    printf -- '-- twice the same bytes, built in two places\n'
    for n in 1 2; do
        MRC_PACKAGE_BUILD=$work/build$n/of$n "$source/scripts/package" >"$work/sums$n"
    done
    diff "$work/sums1" "$work/sums2" || fail 'the two builds differ'
    out=$work/build1/of1/out
fi

printf -- '-- lintian\n'
lintian --fail-on error,warning "$out"/*.deb 2>"$work/lintian.err" || fail 'lintian has found something'

printf -- '-- a bare root\n'
root=$work/root
mkdir -p "$root"
if [ -n "${MRC_BARE_ROOT:-}" ]; then
    tar -xf "$MRC_BARE_ROOT" -C "$root"
elif ! mmdebstrap --quiet --variant=minbase bookworm "$root" 2>"$work/mmdebstrap.log"; then
    tail -n 3 "$work/mmdebstrap.log"
    printf 'skipped: no mirror of Debian 12\n'
    exit 77
fi
# a program finds its libraries and its model by where it lies, which it asks /proc
mount -t proc proc "$root/proc" || { printf 'skipped: /proc cannot be mounted here\n'; exit 77; }
trap 'umount "$root/proc"' EXIT
mkdir -p "$root/out"
cp "$out"/* "$root/out/"
cp "$source/tests/house/consumer/main.c" "$root/out/consumer.c"
cp /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
bare() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@"; }

printf -- '-- the archive, where nothing is installed\n'
bare sh -euc 'cd /opt && tar -xzf /out/mrcycle-*.tar.gz && mv mrcycle-* mrcycle-moved
    PATH=/opt/mrcycle-moved/bin:$PATH
    mrcycle phantom -o /tmp/p0 --seed 2 --voxel 4,4,4 >/dev/null
    mrcycle translate /tmp/p0/sub-01/dicom/T1w -o /tmp/t0 --to T2w --sheet /tmp/t0.png >/dev/null
    mrcycle check /tmp/t0 >/dev/null
    rm -rf /opt/mrcycle-moved /tmp/p0 /tmp/t0*'

printf -- '-- the packages\n'
install() { bare apt-get -q -y install --no-install-recommends "$@" >>"$work/apt.log" 2>&1 || { tail -n 20 "$work/apt.log"; fail "apt-get install $*"; }; }
bare apt-get -q update >"$work/apt.log" 2>&1 || true
install man-db bash-completion
bare dpkg-query -W -f '${Package}\n' | sort >"$work/before"
bare sh -c 'apt-get -q -y install --no-install-recommends /out/mrcycle_*.deb' >>"$work/apt.log" 2>&1 || { tail -n 20 "$work/apt.log"; fail 'apt-get install ./mrcycle_*.deb'; }
bare sh -euc 'cd /tmp
    mrcycle phantom -o p --seed 1 --voxel 4,4,4 >/dev/null
    mrcycle translate p/sub-01/dicom/T1w -o t2 --to T2w >/dev/null
    mrcycle check t2 >/dev/null
    mrcycle translate p/sub-01/anat/sub-01_T1w.nii.gz -o s2.nii.gz --to T2w >/dev/null
    test -s s2.nii.gz && test -s s2_report/report.html && test -s t2_report/report.html'
bare man mrcycle | grep -q 'not for diagnosis' || fail 'man mrcycle'
for page in "$root"/usr/share/man/man1/mrcycle*.1.gz; do
    page=$(basename "$page" .1.gz)
    said=$(bare man --warnings -E UTF-8 -l -Tutf8 -Z "/usr/share/man/man1/$page.1.gz" 2>&1 >/dev/null)
    [ -z "$said" ] || fail "$page: $said"
done
# what bash would show after "mrcycle tra" and "mrcycle translate --up"
completed() {
    bare bash -c '. /usr/share/bash-completion/bash_completion; _completion_loader mrcycle
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _mrcycle; printf "%s " "${COMPREPLY[@]}"' bash "$@"
}
[ "$(completed mrcycle transl)" = 'translate ' ] || fail 'completion of a command'
[ "$(completed mrcycle translate --ups)" = '--upsample ' ] || fail 'completion of an option'
[ "$(completed mrcycle translate --to '')" = 'T2w T1w ' ] || fail 'completion of a value'

printf -- '-- for who develops\n'
install gcc libc6-dev pkgconf
bare sh -c 'apt-get -q -y install --no-install-recommends /out/libmrcycle0.1_*.deb /out/libmrcycle-dev_*.deb' >>"$work/apt.log" 2>&1 ||
    { tail -n 20 "$work/apt.log"; fail 'apt-get install libmrcycle-dev'; }
bare sh -euc 'cd /tmp; gcc -std=c11 $(pkgconf --cflags mrcycle) /out/consumer.c -o consumer $(pkgconf --libs mrcycle) && ./consumer /tmp/c.nii.gz'

printf -- '-- and away again\n'
bare sh -c 'rm -rf /tmp/* /out; dpkg --purge libmrcycle-dev libmrcycle0.1 mrcycle' >>"$work/apt.log" 2>&1 || fail 'purge'
left=$(find "$root" -xdev -name '*mrcycle*' -not -path "$root/var/log/*" -not -path "$root/var/cache/*" -not -path "$root/proc/*")
[ -z "$left" ] || fail "left behind: $left"
umount "$root/proc"
trap - EXIT
rm -rf "$root"
printf 'all is well\n'
