#!/usr/bin/env bash
# Does the layer test find wrong arrows? A small tree is right, then wrong in one way after the other.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

plant() { mkdir -p "$tree/$(dirname "$1")" && printf '%s\n' "${@:2}" >"$tree/$1"; }
plant_right() {
    rm -rf "${tree:?}"/*
    plant src/base/status.h '/* base */'
    plant io/volume.h '#include "base/status.h"'
    plant model/engine/net.c '#include <stdio.h>' '#include "base/status.h"'
    plant io/dcmtk/bridge.cpp '#include <dcmtk/dcmdata/dctk.h>' '#include "base/status.h"'
}
expect_wrong() {
    if out=$("$here/layers.sh" "$tree"); then
        printf 'not found: %s\n' "$1"
        exit 1
    fi
    case $out in
        *"$1"*) printf 'found: %s\n' "$1" ;;
        *) printf 'expected "%s" in:\n%s\n' "$1" "$out"; exit 1 ;;
    esac
    plant_right
}

plant_right
"$here/layers.sh" "$tree"
plant model/engine/net.c '#include "io/volume.h"'
expect_wrong 'model/engine/net.c:1: engine includes "io/volume.h" of volume, allowed from engine: base'
plant src/base/fs.c '' '  # include "io/volume.h"'
expect_wrong 'src/base/fs.c:2: base includes "io/volume.h" of volume'
plant io/volume.c '#include "volume.h"'
expect_wrong 'io/volume.c:1: "volume.h" is no path from the root'
plant io/volume.c '#include "../src/base/status.h"'
expect_wrong 'is no path from the root'
plant io/series.c '#include <dcmtk/dcmdata/dctk.h>'
expect_wrong 'io/series.c:1: <dcmtk/dcmdata/dctk.h> here, allowed only in io/dcmtk/*'
plant model/engine/gemm.c '#include <cblas.h>'
expect_wrong 'model/engine/gemm.c:1: <cblas.h> here'
plant model/fast.cpp '/* C++ */'
expect_wrong 'model/fast.cpp: C++ here, allowed only in io/dcmtk/*'
plant src/lost/x.c '/* no package */'
expect_wrong 'src/lost/x.c: belongs to no package'
