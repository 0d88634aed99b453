#!/usr/bin/env bash
# hostile.sh MRCYCLE FAULT_HOOK: a folder of files and entries that crash, hang or bloat readers. Each costs one line of
# the report of info, prepare and deidentify, the series beside them is found, and the whole ends in time and within some
# memory; to translate, each is one line and an exit code. FAULT_HOOK is ON where marked files make their reader misbehave
# (the test presets).
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
put('bomb.nii.gz', gzip.compress(bytes(100 << 20), 1))
put('bomb_tail_T1w.nii.gz', gzip.compress(nifti1([3, 16, 16, 16, 1, 1, 1, 1]) + os.urandom(16384) + bytes(20 << 20), 1))
put('bomb_header.nii.gz', gzip.compress(nifti1([3, 2000, 2000, 2000, 1, 1, 1, 1]) + bytes(1 << 20)))
import zlib
z = zlib.compressobj(9, zlib.DEFLATED, -15)
put('deflate_bomb', part10(b'1.2.840.10008.1.2.1.99', z.compress(bytes(60 << 20)) + z.flush()))
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

/usr/bin/python3 - "$mrcycle" "$work" "$hook" <<'PY' || complain 'failed'
import csv, json, os, subprocess, sys, time
mrcycle, work, hook = sys.argv[1:]
ok = True
def complain(*words):
    global ok
    print(*words); ok = False
def run(seconds, *arguments):
    """Exit code, output, lines said; of one process and its children, in time and memory."""
    begin = time.monotonic()
    with open(work + '/err', 'w+') as err, open(work + '/out', 'w+') as out:
        child = subprocess.Popen(['timeout', str(seconds), mrcycle, *arguments], stdout=out, stderr=err)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        err.seek(0), out.seek(0)
        said = [line for line in err.read().splitlines() if line.startswith('mrcycle: ')]  # a sanitizer speaks of a crash, too
        if time.monotonic() - begin > seconds - 5: complain(arguments, 'took', time.monotonic() - begin, 's')
        if used.ru_maxrss > 900 << 10: complain(arguments, 'took', used.ru_maxrss >> 10, 'MiB')  # of the 32 GB that are declared
        return child.returncode, out.read(), said

code, text, said = run(150, 'info', '--json', work + '/in')
if code != 0: complain('info: exit code', code, 'expected 0 for the good series:', said[:3])
j = json.loads(text)
refused = {r['path'][len(work) + 4:]: r['reason'] for r in j['refused']}
def expect(name, *words):
    why = refused.get(name)
    if why is None or not any(w in why for w in words): complain('%s: %r, expected one of %r' % (name, why, words))
expect('bad/nested', 'nested deeper', 'depth', 'nest')
expect('bad/dim_-200.nii', 'dim[0]', '-200', 'dimension')
expect('bad/dim_200.nii', 'dim[0]', '200')
expect('bad/dim_4294967296.nii', 'voxels', '4096')
expect('bad/cube_2000.nii', 'voxels', 'bytes')
expect('bad/five_32767.nii', 'voxels', 'dimension', '32767')
expect('bad/bomb_tail_T1w.nii.gz', 'bytes follow the voxels')
expect('bad/deflate_bomb', 'deflated bytes become more than')
for n in ('bomb.nii.gz', 'bomb_header.nii.gz', 'zero', 'no_text', 'x' * 255): expect('bad/' + n, '')
expect('bad/pipe', 'a pipe, expected a file')
expect('bad/device', 'a link to a device, expected a file')
expect('bad/socket', 'a socket, expected a file')
expect('bad/circle', 'a link to a folder, not followed')
expect('bad/gone', 'No such file')
expect('bad/deep' + '/d' * 63, 'nested deeper than 64')
if os.geteuid() != 0: expect('shut', 'Permission denied')
if hook == 'ON': expect('bad/fault_crash', 'crashes its reader')
usable = [s['path'] for s in j['series'] if s['usable']]
if usable != [work + '/in/good']: complain('usable:', usable)
files = sum(s['files'] for s in j['series'])
there = 0
for d, below, f in os.walk(work + '/in'):
    below[:] = [b for b in below if b != 'deep']
    there += len(f)
# besides the files, refused are: the link to a folder, the deep folder, the shut folder (not of root)
extra = 2 + (os.geteuid() != 0)
if files + len(refused) != there + extra: complain('files %d + refused %d, expected %d + %d' % (files, len(refused), there, extra))

# A set, and de-identified files, are made of the good series alone; every entry has its row beside them.
good = os.listdir(work + '/in/good')
for command, more, used in (('prepare', ['--allow-synthetic', '--split', '100,0,0'], 'used'), ('deidentify', [], 'sub-')):
    code, text, said = run(150, command, work + '/in', '-o', work + '/' + command, '-q', *more)
    if code != 0 or said: complain(command, 'exit code', code, 'said', said[:3])
    with open(work + '/' + command + '.sources.tsv') as f:
        rows = {row['path'][len(work) + 4:]: row['result'] for row in csv.DictReader(f, delimiter='\t', quoting=csv.QUOTE_NONE)}
    rows.pop('cut', None)  # the series of the cut files, of which none is left
    if len(rows) != there + extra: complain(command, len(rows), 'rows, expected', there + extra)
    taken = sorted(path for path, result in rows.items() if result.startswith(used))
    if taken != sorted('good/' + name for name in good): complain(command, 'took', taken)
    for name in ('nested', 'deflate_bomb', 'circle', 'pipe', 'gone', 'deep' + '/d' * 63):
        if len(rows.get('bad/' + name, '')) < len('refused: ') + 12: complain(command, name, rows.get('bad/' + name))

os.mkdir(work + '/alone')
os.rename(work + '/in/bad/deflate_bomb', work + '/alone/bomb')  # alone: a DICOM file is asked about with those beside it
for name, expected in (('bad/nested', 21), ('bad/dim_-200.nii', 21), ('bad/cube_2000.nii', 23), ('bad/five_32767.nii', 23),
                       ('bad/bomb_tail_T1w.nii.gz', 23), ('../alone/bomb', 23), ('bad/pipe', 20), ('bad/zero', 22), ('cut/d09.dcm', 21),
                       ('cut/n12.nii', 21)):
    code, text, said = run(60, 'translate', work + '/in/' + name, '-o', work + '/x', '--to', 'T2w', '--from', 'T1w', '-q')
    if code != expected or len(said) != 1 or text: complain('translate', name, 'exit code', code, 'expected', expected, 'said', said)
    if os.path.exists(work + '/x'): complain('translate', name, 'leaves something')
sys.exit(0 if ok else 1)
PY
exit $failed
