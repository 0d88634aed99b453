#!/usr/bin/env bash
# hostile.sh MRCYCLE FAULT_HOOK: a folder of files and entries that crash, hang or bloat readers. Each costs one line of
# the report, the series beside them is found, and the whole ends in time. FAULT_HOOK is ON where marked files make their
# reader misbehave (the test presets).
set -u
mrcycle=$1 hook=$2
work=$(mktemp -d) || exit 1
trap 'chmod -R u+rwx "$work" 2>/dev/null; rm -rf "$work"' EXIT
failed=0
complain() {
    echo "$*"
    failed=1
}

"$mrcycle" phantom -o "$work/made" --seed 3 --voxel 4,4,5 >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
mkdir -p "$work/in/good" "$work/in/bad" "$work/in/cut" "$work/in/shut"
cp "$work"/made/sub-01/dicom/T1w/* "$work/in/good/"
nifti=$(find "$work/made" -name '*_T1w.nii*' | head -1)
slice=$(find "$work/in/good" -type f | sort | head -1)

/usr/bin/python3 - "$work/in" "$slice" "$nifti" <<'PY' || exit 1
import gzip, os, socket, struct, sys
root, slice_, nifti = sys.argv[1:]
bad = os.path.join(root, 'bad')
def put(name, data):
    with open(os.path.join(bad, name), 'wb') as f: f.write(data)
def part10(syntax, dataset):
    uid = syntax + (b'\0' if len(syntax) % 2 else b'')
    meta = struct.pack('<HH2sH', 2, 0x10, b'UI', len(uid)) + uid
    return bytes(128) + b'DICM' + struct.pack('<HH2sHI', 2, 0, b'UL', 4, len(meta)) + meta + dataset
deep = 10000
item = struct.pack('<HH2sHI', 8, 0x1115, b'SQ', 0, 0xffffffff) + struct.pack('<HHI', 0xfffe, 0xe000, 0xffffffff)
put('nested', part10(b'1.2.840.10008.1.2.1', item * deep))
def nifti2(dims):
    h = bytearray(544)
    struct.pack_into('<i', h, 0, 540); h[4:12] = b'n+2\0\r\n\032\n'
    struct.pack_into('<hh', h, 12, 4, 16); struct.pack_into('<8q', h, 16, *dims)
    struct.pack_into('<8d', h, 104, *[1.0] * 8); struct.pack_into('<q', h, 168, 544)
    return bytes(h)
put('dim_-200.nii', nifti2([-200] + [1] * 7))
put('dim_200.nii', nifti2([200] + [1] * 7))
put('dim_4294967296.nii', nifti2([3] + [1 << 32] * 3 + [1] * 4))
def nifti1(dims):
    h = bytearray(352)
    struct.pack_into('<i', h, 0, 348); struct.pack_into('<8h', h, 40, *dims)
    struct.pack_into('<hh', h, 70, 16, 32); struct.pack_into('<8f', h, 76, *[1.0] * 8)
    struct.pack_into('<f', h, 108, 352.0); struct.pack_into('<h', h, 254, 1); h[344:348] = b'n+1\0'
    struct.pack_into('<12f', h, 280, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0)
    return bytes(h)
put('cube_2000.nii', nifti1([3, 2000, 2000, 2000, 1, 1, 1, 1]) + bytes(25))
put('five_32767.nii', nifti1([5] + [32767] * 5 + [1, 1]))
put('bomb.nii.gz', gzip.compress(bytes(400 << 20), 1))
put('bomb_header.nii.gz', gzip.compress(nifti1([3, 2000, 2000, 2000, 1, 1, 1, 1]) + bytes(1 << 20)))
import zlib
z = zlib.compressobj(9, zlib.DEFLATED, -15)
put('deflate_bomb', part10(b'1.2.840.10008.1.2.1.99', z.compress(bytes(600 << 20)) + z.flush()))
put('zero', b'')
put('no_text', bytes(5000))
put('x' * 255, b'a long name')
put('line\nfeed\x1b[31m', b'a name that writes into terminals')
# (that a gzip stream is cut shows only when its voxels are read)
whole, image = open(slice_, 'rb').read(), open(nifti, 'rb').read()
if nifti.endswith('gz'): image = gzip.decompress(image)
cut = os.path.join(root, 'cut')
for name, data in (('d', whole), ('n', image)):
    for k in range(24):
        with open(os.path.join(cut, '%s%02d%s' % (name, k, '.dcm' if name == 'd' else '.nii')), 'wb') as f:
            f.write(data[:(len(data) - 1) * k // 24])
put('fault_crash', b'fault:crash' + bytes(140))
os.mkfifo(os.path.join(bad, 'pipe'))
os.symlink('/dev/zero', os.path.join(bad, 'device'))
os.symlink('..', os.path.join(bad, 'circle'))
os.symlink('nowhere', os.path.join(bad, 'gone'))
os.chdir(bad)
s = socket.socket(socket.AF_UNIX); s.bind('socket'); s.close()
os.makedirs('deep', exist_ok=True); os.chdir('deep')
for i in range(3000):
    os.mkdir('d'); os.chdir('d')
PY
touch "$work/in/shut/file"
chmod 0 "$work/in/shut"

begin=$SECONDS
timeout 150 "$mrcycle" info --json "$work/in" >"$work/out.json" 2>"$work/err"
code=$?
[ $code = 0 ] || complain "exit code $code, expected 0 for the good series: $(head -3 "$work/err")"
[ $((SECONDS - begin)) -lt 140 ] || complain "took $((SECONDS - begin)) s"
/usr/bin/python3 - "$work" "$hook" <<'PY' || failed=1
import json, os, sys
work, hook = sys.argv[1:]
j = json.load(open(work + '/out.json'))
refused = {r['path'][len(work) + 4:]: r['reason'] for r in j['refused']}
ok = True
def expect(name, *words):
    global ok
    why = refused.get(name)
    if why is None or not any(w in why for w in words):
        print('%s: %r, expected one of %r' % (name, why, words)); ok = False
expect('bad/nested', 'nested deeper', 'depth', 'nest')
expect('bad/dim_-200.nii', 'dim[0]', '-200', 'dimension')
expect('bad/dim_200.nii', 'dim[0]', '200')
expect('bad/dim_4294967296.nii', 'voxels', '4096')
expect('bad/cube_2000.nii', 'voxels', 'bytes')
expect('bad/five_32767.nii', 'voxels', 'dimension', '32767')
for n in ('bomb.nii.gz', 'bomb_header.nii.gz', 'deflate_bomb', 'zero', 'no_text', 'x' * 255): expect('bad/' + n, '')
expect('bad/pipe', 'a pipe, expected a file')
expect('bad/device', 'a link to a device, expected a file')
expect('bad/socket', 'a socket, expected a file')
expect('bad/circle', 'a link to a folder, not followed')
expect('bad/gone', 'No such file')
expect('bad/deep' + '/d' * 63, 'nested deeper than 64')
if os.geteuid() != 0: expect('shut', 'Permission denied')
if hook == 'ON': expect('bad/fault_crash', 'crashes its reader')
usable = [s['path'] for s in j['series'] if s['usable']]
if usable != [work + '/in/good']: print('usable:', usable); ok = False
files = sum(s['files'] for s in j['series'])
there = 0
for d, below, f in os.walk(work + '/in'):
    below[:] = [b for b in below if b != 'deep']
    there += len(f)
# besides the files, refused are: the link to a folder, the deep folder, the shut folder (not of root)
extra = 2 + (os.geteuid() != 0)
if files + len(refused) != there + extra: print('files %d + refused %d, expected %d + %d' % (files, len(refused), there, extra)); ok = False
sys.exit(0 if ok else 1)
PY
exit $failed
