#!/usr/bin/python3
"""`view` and `compare`: what the page shows is the image, the scores are those of known differences, and a browser can open it.

    compare.py MRCYCLE MAKE_INPUTS
"""
import base64
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib

try:
    import nibabel
    import numpy
except ImportError:
    print('skipped: no python3-nibabel')
    sys.exit(77)

mrcycle = sys.argv[1]
work = tempfile.mkdtemp()


def at(*parts):
    return os.path.join(work, *parts)


def run(*words, code=0):
    done = subprocess.run([mrcycle, *words], capture_output=True, text=True)
    assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
    return done


def save(name, voxels, affine):
    nibabel.save(nibabel.Nifti1Image(voxels.astype(numpy.float32), affine), at(name))
    return at(name)


def grey_png(data):
    """The pixels of an 8-bit grey PNG, by its specification."""
    at_byte, blocks, head = 8, b'', None
    while at_byte < len(data):
        length, kind = struct.unpack('>I4s', data[at_byte:at_byte + 8])
        block = data[at_byte + 8:at_byte + 8 + length]
        head = struct.unpack('>IIBBBBB', block) if kind == b'IHDR' else head
        blocks += block if kind == b'IDAT' else b''
        at_byte += 12 + length
    width, height, bits, colour = head[:4]
    assert (bits, colour) == (8, 0), head
    raw, rows, last = zlib.decompress(blocks), [], numpy.zeros(width, int)
    for y in range(height):
        kind, row = raw[y * (width + 1)], list(raw[y * (width + 1) + 1:(y + 1) * (width + 1)])
        for x in range(width):
            a, b, c = (row[x - 1] if x else 0), int(last[x]), (int(last[x - 1]) if x else 0)
            p = a + b - c
            near = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            row[x] = (row[x] + (0, a, b, (a + b) // 2, near)[kind]) & 255
        last = numpy.array(row)
        rows.append(last)
    return numpy.array(rows)


def images_of(page):
    spec = json.loads(re.search(r'<script type="application/json">(.*?)</script>', page, re.S).group(1))
    nx, ny, nz = spec['size']
    out = {}
    for image in spec['images']:
        flat = grey_png(base64.b64decode(image['png']))
        tiles = [flat[k // spec['across'] * ny:, k % spec['across'] * nx:][:ny, :nx] for k in range(nz)]
        out[image['name']] = numpy.array(tiles)
    return spec, out


run('phantom', '-o', at('set'), '--voxel', '5,5,5')
t1, t2 = (at('set', 'sub-01', 'anat', f'sub-01_{c}.nii.gz') for c in ('T1w', 'T2w'))
image = nibabel.load(t2)
voxels = numpy.asarray(image.dataobj, float)

# --- The page: voxel for voxel the image, left where left is
assert run('view', t1, t2, '-o', at('look.html')).stdout == at('look.html') + '\n'
page = open(at('look.html')).read()
spec, shown = images_of(page)
assert list(shown) == ['A: T1w', 'B: T2w'] and spec['letters'] and spec['mm'] == [5, 5, 5], list(shown)
assert 'sub-01' not in page and work not in page and 'src="http' not in page
to_lps = nibabel.orientations.ornt_transform(nibabel.io_orientation(image.affine), nibabel.orientations.axcodes2ornt('LPS'))
wanted = nibabel.orientations.apply_orientation(voxels, to_lps).transpose(2, 1, 0)
b = shown['B: T2w'].astype(float)
assert b.shape == wanted.shape
scale = numpy.quantile(wanted, 0.998) - wanted.min()
assert abs(numpy.clip((wanted - wanted.min()) / scale, 0, 1) * 255 - b).max() < 2.5
mirrored = abs(numpy.clip((wanted[:, :, ::-1] - wanted.min()) / scale, 0, 1) * 255 - b).max()
assert mirrored > 100, 'a mirrored page would not have been seen'
assert 'exists already' in run('view', t1, '-o', at('look.html'), code=40).stderr
run('view', t1, '-o', at('look.html'), '--replace')
assert 'is not replaced, for it is no page' in run('view', t2, '-o', t1, '--replace', code=40).stderr

# --- Other units, and the other way round: the same image
same = save('units.nii', 37 * voxels + 1000, image.affine)
scores = json.loads(run('compare', same, t2, '--json').stdout)
assert scores['Correlation'] > 0.9999 and scores['InHead']['SSIM'] > 0.9999 and scores['InHead']['MAE'] < 0.002, scores
flipped = save('flipped.nii', voxels[::-1], image.affine @ numpy.array([[-1, 0, 0, voxels.shape[0] - 1], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]))
told = run('compare', flipped, t2).stdout
assert 'resampled' in told and re.search(r'correlation +1\.000', told), told

# --- A known difference: noise of a twentieth of the truth's range
rng = numpy.random.default_rng(1)
head_range = 1 / abs(scores['Slope'] * 37)
noisy = save('noisy.nii', voxels + rng.normal(0, head_range / 20, voxels.shape), image.affine)
scores = json.loads(run('compare', noisy, t2, '--json').stdout)
assert abs(scores['InHead']['PSNR'] - 26.0) < 0.7, scores
# --- An inverted contrast is told
inverted = save('inverted.nii', voxels.max() - voxels, image.affine)
assert 'INVERTED' in run('compare', inverted, t2).stdout
# --- A shift by two voxels costs
shifted = save('shifted.nii', numpy.roll(voxels, 2, 0), image.affine)
assert json.loads(run('compare', shifted, t2, '--json').stdout)['InHead']['SSIM'] < 0.7

# --- The page of a comparison, and what is refused
assert run('compare', noisy, t2, '--source', t1, '-o', at('compared')).stdout
spec, shown = images_of(open(at('compared', 'compare.html')).read())
assert list(shown) == ['truth', 'result', 'source']
assert abs(shown['truth'].astype(float) - shown['result']).mean() < 12
assert json.load(open(at('compared', 'compare.json')))['Report'] == 'mrcycle comparison'
assert 'exists already' in run('compare', noisy, t2, '-o', at('compared'), code=40).stderr
run('compare', noisy, t2, '-o', at('compared'), '--replace')
flat = save('flat.nii', numpy.full_like(voxels, 3), image.affine)
assert 'one grey only' in run('compare', flat, t2, code=21).stderr
assert 'expected' in run('compare', t2, flat, code=21).stderr

# --- The report's viewer, of slices of whatever plane: the capsule on the left is on the left, the crown above
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../sample_data/models/t1w-t2w-64.safetensors'), 'rb') as f:
    data = f.read()
length = int.from_bytes(data[:8], 'little')
header = json.loads(data[8:8 + length])
header['__metadata__'].update(format='mrcycle-2', planes='axial,sagittal,coronal')
text = json.dumps(header).encode()
text += b' ' * (-len(text) % 8)
with open(at('planes.safetensors'), 'wb') as f:
    f.write(len(text).to_bytes(8, 'little') + text + data[8 + length:])
heads = {}
for plane in ('axial', 'sagittal', 'coronal'):
    run('phantom', '-o', at(plane), '--voxel', '3,3,6', '--orientation', plane)
    run('translate', at(plane, 'sub-01', 'dicom', 'T1w'), '-o', at(plane + '.nii'), '--to', 'T2w', '--model', at('planes.safetensors'), '-q')
    page = open(at(plane + '_report', 'report.html')).read()
    assert plane.capitalize() + ' slices; ' in page, plane
    spec, shown = images_of(page)
    source = shown['T1w (source)'].astype(float)
    nx, ny, nz = spec['size']
    assert spec['mm'][{'sagittal': 0, 'coronal': 1, 'axial': 2}[plane]] == 6 and source.shape == (nz, ny, nx)
    inside = numpy.argwhere(source > 60)
    lowest, highest = inside.min(0), inside.max(0)
    grid = numpy.meshgrid(*[numpy.linspace(lowest[a], highest[a], 40).round().astype(int) for a in range(3)], indexing='ij')
    heads[plane] = source[tuple(grid)]
for plane in ('sagittal', 'coronal'):           # the same head; turned or mirrored it would be less alike
    def alike(turned):
        return numpy.corrcoef(heads['axial'].ravel(), turned.ravel())[0, 1]
    own = alike(heads[plane])
    others = [alike(numpy.flip(heads[plane], axis)) for axis in (0, 1, 2)] + [alike(heads[plane].swapaxes(1, 2))]
    assert own > 0.75 and own > max(others) + 0.05, (plane, own, others)

# --- A browser draws it
browser = shutil.which('chromium')
if browser:
    dom = subprocess.run([browser, '--headless', '--no-sandbox', '--disable-gpu', '--virtual-time-budget=10000', '--dump-dom',
                          'file://' + at('compared', 'compare.html')], capture_output=True, text=True, timeout=120).stdout
    assert 'data-ready="yes"' in dom and '>axial ' in dom, dom[-2000:]
print('page, scores, refusals' + (', browser' if browser else '; no browser here'))
shutil.rmtree(work)
