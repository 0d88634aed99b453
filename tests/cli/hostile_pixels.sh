#!/usr/bin/env bash
# hostile_pixels.sh MRCYCLE FAULT_HOOK: voxels that crash or hang their decoder cost one series of a set, and a
# translation or a de-identification one line: DICOM, NIfTI, PNG. Needs the test presets, where marked voxels do so.
set -euo pipefail
mrcycle=$1
[ "$2" = ON ] || { echo 'skipped: built without MRC_FAULT_HOOK'; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { printf '%s\n' "$*"; exit 1; }
export MRC_FAULT_SECONDS=3 # instead of limits of minutes

for seed in 3 4 5; do
    "$mrcycle" phantom -o "$work/made$seed" --seed $seed --voxel 5,5,6 -q >/dev/null
    mkdir -p "$work/in/$seed"
    cp "$work/made$seed"/sub-01/dicom/T1w/* "$work/in/$seed/"
done
mkdir "$work/in/n"
nifti=$(find "$work/made3" -name '*_T1w.nii*' | head -1)
/usr/bin/python3 - "$work/in" "$nifti" <<'PY'
import glob, gzip, os, struct, sys, zlib
root, nifti = sys.argv[1:]
def mark(path, word):
    data = open(path, 'rb').read()
    at = data.rindex(b'\xe0\x7f\x10\x00OW\0\0') + 12
    open(path, 'wb').write(data[:at] + word + data[at + len(word):])
mark(sorted(glob.glob(root + '/4/*'))[2], b'fault:crash')
mark(sorted(glob.glob(root + '/5/*'))[4], b'fault:hang')
image = bytearray((gzip.open if nifti.endswith('gz') else open)(nifti, 'rb').read())
for word in (b'fault:crash', b'fault:hang', b'fault:spin'):
    image[352:352 + len(word)] = word
    with gzip.open('%s/n/%s_T1w.nii.gz' % (root, word[6:].decode()), 'wb', 1) as f: f.write(image)
def chunk(kind, data): return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
rows = b''.join(b'\0' + b'fault:crash'.ljust(32, b'x') for _ in range(32))
os.mkdir(root + '/../png')
with open(root + '/../png/bad.png', 'wb') as f:
    f.write(b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', 32, 32, 8, 0, 0, 0, 0)) +
            chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b''))
PY

# translate CODE INPUT NAMED WORDS: exit code CODE, one line that names the file, nothing left
translate() {
    local code=0 said expected=$1
    shift
    said=$("$mrcycle" translate "$1" -o "$work/out" --from T1w --to T2w --allow-synthetic -q 2>&1) || code=$?
    said=$(grep '^mrcycle:' <<<"$said") # a sanitizer speaks of the child's end too
    [[ $said == "mrcycle: $2: $3"* ]] || fail "translate $1: said $said"
    [ "$code" -eq "$expected" ] || fail "translate $1: exit code $code, expected $expected: $said"
    [ -z "$(find "$work" -maxdepth 1 -name 'out*')" ] || fail "translate $1: half a result"
}
translate 21 "$work/in/4" "$(find "$work/in/4" -type f | sort | sed -n 3p)" 'crashes its reader'
translate 23 "$work/in/5" "$(find "$work/in/5" -type f | sort | sed -n 5p)" 'takes longer to read than'
translate 21 "$work/in/n/crash_T1w.nii.gz" "$work/in/n/crash_T1w.nii.gz" 'crashes its reader'
translate 21 "$work/png" "$work/png/bad.png" 'crashes its reader'

"$mrcycle" prepare "$work/in" -o "$work/set" --allow-synthetic --split 100,0,0 -q >/dev/null 2>&1 || fail "prepare: exit code $?"
grep -q '"series":	1,' "$work/set/report.json" || fail "prepare: $(head -30 "$work/set/report.json")"
result() { grep -c "$1.*/$2" "$work/set.sources.tsv" || true; }
[ "$(result 'crashes its reader' 'in/4/')" -gt 1 ] || fail "prepare: no line of the crash"
[ "$(result 'takes longer to read' 'in/5/')" -gt 1 ] || fail "prepare: no line of the hang"
for bad in crash:crashes hang:longer spin:longer; do
    [ "$(result "${bad#*:}" "in/n/${bad%:*}_T1w")" -eq 1 ] || fail "prepare: $bad: $(grep in/n "$work/set.sources.tsv")"
done
grep -q 'crashes its reader' "$work/set/report.html" || fail "prepare: the report does not tell of the crash"

# A file that crashes or hangs the reader of deidentify is refused, and the others are written.
mkdir "$work/raw"
cp "$work"/in/3/* "$work/raw/"
count=$(find "$work/raw" -type f | wc -l)
printf 'fault:crash%200s' '' >"$work/raw/0crash.dcm"
printf 'fault:spin%200s' '' >"$work/raw/zspin.dcm"
"$mrcycle" deidentify "$work/raw" -o "$work/clean" -q >/dev/null 2>&1 || fail "deidentify: exit code $?"
[ "$(find "$work/clean" -name '*.dcm' | wc -l)" -eq "$count" ] || fail "deidentify: not all others were written"
grep -q '0crash.*refused: crashes its reader' "$work/clean.sources.tsv" || fail "deidentify: no line of the crash"
grep -q 'zspin.*refused: takes longer to read' "$work/clean.sources.tsv" || fail "deidentify: no line of the hang"

# A lossless JPEG whose Huffman table names differences of 195 bits: read beyond the decoder's tables (DCMTK 3.6.7).
mkdir "$work/jpeg"
for i in 1 2 3; do cp "$(find "$work/made3/sub-01/dicom/T1w" -type f | sort | sed -n "${i}p")" "$work/jpeg/$i.dcm"; done
/usr/bin/python3 - "$work"/jpeg/*.dcm <<'PY'
import struct, sys
for path in sys.argv[1:]:
    data = open(path, 'rb').read()
    at = data.rindex(b'\xe0\x7f\x10\x00OW\0\0')
    tag = data.index(b'\2\0\x10\0UI')
    old = struct.unpack_from('<H', data, tag + 6)[0]
    uid = b'1.2.840.10008.1.2.4.70'
    rows, columns = (struct.unpack_from('<H', data, data.index(t) + 8)[0] for t in (b'\x28\0\x10\0US', b'\x28\0\x11\0US'))
    values = bytes(range(12)) + b'\xc3'
    table = b'\0' + bytes([0, 1, 4, 2, 3, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0]) + values
    stream = (b'\xff\xd8\xff\xc3' + struct.pack('>HBHHBBBB', 11, 16, rows, columns, 1, 1, 0x11, 0) + b'\xff\xc4' + struct.pack('>H', 2 + len(table)) + table +
              b'\xff\xda' + struct.pack('>HBBBBBB', 8, 1, 1, 0, 1, 0, 0) + b'\x5c\x32\x12' * 2000 + b'\xff\xd9')
    stream += b'\0' * (len(stream) % 2)
    group = struct.unpack_from('<I', data, 140)[0] + len(uid) - old
    head = data[:140] + struct.pack('<I', group) + data[144:tag + 6] + struct.pack('<H', len(uid)) + uid + data[tag + 8 + old:at]
    pixels = b'\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff\xfe\xff\0\xe0' + bytes(4) + b'\xfe\xff\0\xe0' + struct.pack('<I', len(stream)) + stream + b'\xfe\xff\xdd\xe0' + bytes(4)
    open(path, 'wb').write(head + pixels)
PY
translate 21 "$work/jpeg" "$work/jpeg/1.dcm" 'a Huffman table with differences of 195 bits, expected at most 16'
