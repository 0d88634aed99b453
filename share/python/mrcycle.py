#!/usr/bin/env python3
"""Brain MR contrasts translated in memory: libmrcycle through ctypes. Needs numpy and the shared library; there is no build step.

    import mrcycle, nibabel
    t1 = nibabel.load('t1.nii.gz')
    t2 = mrcycle.translate(t1.get_fdata(), t1.affine, from_='T1w', to='T2w')          # float32 in [0, 1], on the same grid
    nibabel.save(nibabel.Nifti1Image(t2, t1.affine, dtype='float32'), 't2_synth.nii.gz')

The affine is nibabel's: from (i, j, k) to millimetres towards the patient's right, front and head. What comes back is the voxels
that `mrcycle translate` writes. It is synthetic, not acquired and not for diagnosis: say so in what you make of it; the program's
own files do.
"""
import ctypes
import ctypes.util
import os

import numpy

__all__ = ['Error', 'translate']

STATUS = ('ok', 'out of memory', 'argument', 'unreadable', 'broken', 'refused', 'beyond a limit', 'cannot be written', 'numbers',
          'cancelled', 'network', 'peer')


class Error(Exception):
    """What the library refused or failed with; .status is its number, .kind a word for it."""

    def __init__(self, status, words):
        super().__init__(words)
        self.status = status
        self.kind = STATUS[status] if 0 <= status < len(STATUS) else str(status)


def _places(name):
    """Beside this file as it is installed (share/mrcycle/python), then wherever the system looks."""
    prefix = os.path.dirname(os.path.abspath(__file__))
    for _ in range(3):
        prefix = os.path.dirname(prefix)
    for folder in ('lib', 'lib64', f'lib/{os.uname().machine}-linux-gnu'):
        yield os.path.join(prefix, folder, name)
    found = ctypes.util.find_library('mrcycle')
    if found:
        yield found
    yield name


def _load():
    given = os.environ.get('MRCYCLE_LIBRARY')
    last = None
    for place in [given] if given else _places('libmrcycle.so.0.1'):
        try:
            library = ctypes.CDLL(place)
            break
        except OSError as e:
            last = e
    else:
        raise ImportError(f'libmrcycle.so.0.1 cannot be loaded ({last}); MRCYCLE_LIBRARY may name it')
    call = library.mrc_translate_array
    call.restype = ctypes.c_int
    call.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int64), ctypes.POINTER(ctypes.c_double), ctypes.c_char_p,
                     ctypes.c_char_p, ctypes.c_int64, ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t]
    return call


def _shipped():
    """The model beside this file as it is installed; the library knows other places by itself."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'models', 'brain-contrast.safetensors')
    return path if 'MRCYCLE_MODEL_DIR' not in os.environ and os.path.exists(path) else ''


_call = _load()


def translate(array, affine, from_='T1w', to='T2w', model=None, size=0, upsample='guided', mirror=True):
    """The other contrast of a volume [i, j, k] whose voxels lie where the 4 x 4 affine says; an array of the same shape.

    model: a .safetensors file, or None for the shipped one. size, upsample, mirror: as of `mrcycle translate`. Raises Error.
    """
    voxels = numpy.asfortranarray(array, dtype=numpy.float32)
    matrix = numpy.ascontiguousarray(affine, dtype=numpy.float64)
    if voxels.ndim != 3:
        raise ValueError(f'an array of {voxels.ndim} dimensions, expected [i, j, k]')
    if matrix.shape not in ((4, 4), (3, 4)):
        raise ValueError(f'an affine of shape {matrix.shape}, expected (4, 4)')
    if from_ == to:
        raise ValueError(f'from and to are both {to}, expected two contrasts')
    if upsample not in ('guided', 'cubic'):
        raise ValueError(f'upsample is {upsample!r}, expected "guided" or "cubic"')
    out = numpy.empty(voxels.shape, numpy.float32, order='F')
    why = ctypes.create_string_buffer(512)
    status = _call(out.ctypes.data, voxels.ctypes.data, (ctypes.c_int64 * 3)(*voxels.shape),
                   (ctypes.c_double * 12)(*matrix[:3].ravel()), to.encode(), (os.fspath(model) if model else _shipped()).encode(), size,
                   upsample == 'cubic', bool(mirror), why, len(why))
    if status != 0:
        raise Error(status, why.value.decode(errors='replace'))
    return out
