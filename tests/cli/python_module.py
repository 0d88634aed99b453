#!/usr/bin/python3
"""share/python/mrcycle.py gives the voxels that the program writes, and raises what it would say.

    python_module.py SOURCE LIBRARY SANITIZED MRCYCLE MAKE_INPUTS
"""
import os
import subprocess
import sys
import tempfile

source, library, sanitized, mrcycle = sys.argv[1:5]
try:
    import nibabel
    import numpy
except ImportError:
    print('skipped: no python3-nibabel')
    sys.exit(77)
if sanitized == 'ON' and 'LD_PRELOAD' not in os.environ:     # the sanitizer's runtime comes before all else
    runtime = subprocess.run(['gcc', '-print-file-name=libasan.so'], capture_output=True, text=True, check=True).stdout.strip()
    options = os.environ.get('ASAN_OPTIONS', '') + ':detect_leaks=0'
    os.execve(sys.executable, [sys.executable, *sys.argv], dict(os.environ, LD_PRELOAD=runtime, ASAN_OPTIONS=options))
os.environ['MRCYCLE_LIBRARY'] = library
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(source, 'share', 'python'))
import mrcycle as module  # noqa: E402

with tempfile.TemporaryDirectory() as work:
    def at(*parts):
        return os.path.join(work, *parts)

    def program(image, out, *words):
        subprocess.run([mrcycle, 'translate', image, '-o', out, *words, '--no-report', '-q'], check=True, stdout=subprocess.DEVNULL)
        return numpy.asarray(nibabel.load(out).dataobj)

    subprocess.run([mrcycle, 'phantom', '-o', at('p'), '--voxel', '5,4,6'], check=True, stdout=subprocess.DEVNULL)
    t1 = nibabel.load(at('p', 'sub-01', 'anat', 'sub-01_T1w.nii.gz'))
    path = at('p', 'sub-01', 'anat', 'sub-01_T1w.nii.gz')
    wanted = program(path, at('a.nii'), '--to', 'T2w')
    made = module.translate(t1.get_fdata(), t1.affine, from_='T1w', to='T2w')
    assert made.dtype == numpy.float32 and made.shape == t1.shape and made.std() > 0.05
    assert numpy.array_equal(made, wanted), abs(made - wanted).max()
    wanted = program(path, at('b.nii'), '--to', 'T2w', '--upsample', 'cubic', '--no-mirror', '--size', '96')
    made = module.translate(t1.get_fdata(), t1.affine, upsample='cubic', mirror=False, size=96)
    assert numpy.array_equal(made, wanted), abs(made - wanted).max()
    # C order, other axes, the other direction: the array lies where its affine says
    turned = nibabel.as_closest_canonical(nibabel.load(at('p', 'sub-01', 'anat', 'sub-01_T2w.nii.gz')))
    turned = turned.as_reoriented(numpy.array([[1, -1], [0, 1], [2, -1]]))
    nibabel.save(turned, at('turned_T2w.nii'))
    wanted = program(at('turned_T2w.nii'), at('c.nii'), '--to', 'T1w')
    made = module.translate(numpy.ascontiguousarray(turned.get_fdata()), turned.affine, from_='T2w', to='T1w',
                            model=os.path.join(source, 'sample_data', 'models', 't1w-t2w-64.safetensors'))
    assert numpy.array_equal(made, wanted), abs(made - wanted).max()

    def refuses(kind, word, *arguments, **settings):
        try:
            module.translate(*arguments, **settings)
        except kind as e:
            assert word in str(e), e
            return e
        raise AssertionError(f'{word}: not refused')

    assert refuses(module.Error, 'expected a model', t1.get_fdata(), t1.affine, model=at('absent')).kind == 'unreadable'
    assert refuses(module.Error, 'expected', numpy.zeros((8, 8, 8)), t1.affine).status != 0
    sheared = t1.affine.copy()
    sheared[0, 1] = 3
    assert refuses(module.Error, 'sheared', t1.get_fdata(), sheared).kind == 'refused'
    refuses(ValueError, 'dimensions', numpy.zeros((8, 8)), t1.affine)
    refuses(ValueError, 'two contrasts', t1.get_fdata(), t1.affine, from_='T2w')
print('equal to the program, voxel for voxel')
