#!/usr/bin/env bash
# consumer.sh BUILD SOURCE WORK CC FLAGS: install the build to a fresh place, move that place, and let a stranger's project use it:
# by find_package and by pkg-config, shared and static. FLAGS: sanitizers the library was built with, which whoever links it needs.
set -euo pipefail

build=$1 source=$2 work=$3 cc=$4 flags=${5-}
rm -rf "$work"
mkdir -p "$work"
cmake --install "$build" --prefix "$work/first" >"$work/install.log"
mv "$work/first" "$work/moved" # an installed tree must not know where it was
prefix=$work/moved
# the unit of `mrcycle serve` names the program where it was put
unit=$prefix/share/mrcycle/examples/mrcycle-serve.service
[ "$(grep -c "=$work/first/bin/mrcycle serve" "$unit")" = 2 ] || { cat "$unit" && exit 1; }
if grep -E '@[A-Z_]+@|=/usr/bin/mrcycle|man:' "$unit"; then exit 1; fi
unset CFLAGS LDFLAGS CPATH LD_LIBRARY_PATH MRCYCLE_MODEL_DIR

echo "-- find_package"
cmake -S "$source" -B "$work/cmake" -G Ninja "-DCMAKE_PREFIX_PATH=$prefix" "-DCMAKE_C_COMPILER=$cc" "-DCMAKE_C_FLAGS=$flags" \
    -DCMAKE_BUILD_TYPE=Debug
cmake --build "$work/cmake"
"$work/cmake/with_shared" "$work/shared.nii.gz"
"$work/cmake/with_static" "$work/static.nii.gz"

echo "-- pkg-config"
pc=$(find "$prefix" -name mrcycle.pc)
libdir=$(dirname "$(dirname "$pc")")
PKG_CONFIG_PATH=$(dirname "$pc")
export PKG_CONFIG_PATH
read -ra compile <<<"$flags $(pkg-config --cflags mrcycle)"
read -ra shared <<<"$(pkg-config --libs mrcycle)"
read -ra static <<<"$(pkg-config --static --libs mrcycle)"
"$cc" -std=c11 "${compile[@]}" "$source/main.c" -o "$work/pc_shared" "${shared[@]}"
LD_LIBRARY_PATH=$libdir "$work/pc_shared" "$work/pc_shared.nii" | tee "$work/said"
grep -qxF "model: $(readlink -f "$prefix")/share/mrcycle/models/brain-contrast.safetensors" "$work/said" || { echo "the library does not find its model"; exit 1; }
for i in "${!static[@]}"; do # ld takes the shared twin of a name when both are there: ask for the archive
    [ "${static[i]}" != -lmrcycle ] || static[i]=-l:libmrcycle.a
done
"$cc" -std=c11 "${compile[@]}" "$source/main.c" -o "$work/pc_static" "${static[@]}"
"$work/pc_static" "$work/pc_static.nii"

echo "-- same bytes from all four"
gzip -dc "$work/shared.nii.gz" | cmp - "$work/pc_shared.nii"
gzip -dc "$work/static.nii.gz" | cmp - "$work/pc_static.nii"
cmp "$work/pc_shared.nii" "$work/pc_static.nii"
