#!/usr/bin/env python3
"""NIfTI written by us and read by nibabel, and the other way round.

usage: nifti_peer.py PEER [FILE...]     PEER is the built nifti_peer; FILEs are compared too.
Exit code 77 (skipped) when nibabel is not there.
"""
import os
import subprocess
import sys
import tempfile
import warnings

try:
    import nibabel as nib
    import numpy as np
except ImportError as missing:
    print(f"SKIP: {missing}")
    sys.exit(77)

warnings.simplefilter("ignore")
UNIT_MM = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
failures = []


def theirs(path):
    """What nibabel sees, in the order of nifti_peer's line."""
    image = nib.load(path)
    voxels = np.squeeze(np.asanyarray(image.dataobj)).astype(np.float32).astype(np.float64)
    unit = UNIT_MM[int(image.header["xyzt_units"]) & 7]
    finite = np.isfinite(voxels)
    voxels[~finite] = min(0.0, voxels[finite].min())  # background
    i, j, k = voxels.shape
    picked = [voxels[0, 0, 0], voxels[i // 2, j // 3, k // 4], voxels[-1, -1, -1]]
    return voxels.shape, image.affine[:3].ravel() * unit, [voxels.mean(), *picked]


def compare(path, fields, may_refuse=False):
    try:
        shape, matrix, values = theirs(path)
    except Exception as problem:
        if may_refuse:  # it goes by names: gzip in a .nii, plain in a .nii.gz
            print(f"{os.path.basename(path)}: read by us, not by nibabel ({problem})")
        else:
            failures.append(f"{path}: nibabel: {problem}")
        return
    numbers = np.array([float(f) for f in fields])
    if tuple(numbers[:3].astype(int)) != shape:
        failures.append(f"{path}: sides {numbers[:3]}, nibabel {shape}")
    elif not np.allclose(numbers[3:15], matrix, rtol=1e-6, atol=1e-4 * max(1e-3, abs(matrix[:3]).max())):
        failures.append(f"{path}: matrix {numbers[3:15]}, nibabel {matrix}")
    elif not np.allclose(numbers[15:], values, rtol=1e-5, atol=1e-6, equal_nan=True):
        failures.append(f"{path}: values {numbers[15:]}, nibabel {values}")


def ours_by_them(peer, folder):
    subprocess.run([peer, "write", folder], check=True)
    with open(os.path.join(folder, "expected.tsv")) as expected:
        lines = expected.read().splitlines()
    for line in lines:
        name, *fields = line.split("\t")
        path = os.path.join(folder, name)
        compare(path, fields)
        image = nib.load(path)
        # A turn by 180 degrees is coarse in a float32 quaternion: 1 - (b2 + c2 + d2) is rounding alone.
        if not np.allclose(image.get_sform(), image.get_qform(), atol=2e-3):
            failures.append(f"{path}: sform and qform differ")
    return len(lines)


def theirs_by_us(peer, paths, may_refuse):
    out = subprocess.run([peer, "read", *paths], check=True, capture_output=True, text=True).stdout
    compared = 0
    for line in out.splitlines():
        path, *fields = line.split("\t")
        if fields[0] != "refused":
            compare(path, fields, may_refuse)
            compared += 1
        elif not may_refuse:
            failures.append(f"{path}: refused: {fields[1]}")
    return compared


def make(folder):
    """Files by nibabel: random rotations, both versions, every type, both byte orders, both forms."""
    rng = np.random.default_rng(7)
    types = [np.uint8, np.int8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64, np.float32, np.float64]
    paths = []
    for n, kind in enumerate(types * 4):
        turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        affine = np.eye(4)
        affine[:3, :3] = turn * rng.uniform(0.5, 5.0, 3)
        affine[:3, 3] = rng.uniform(-100, 100, 3)
        voxels = rng.uniform(0, 100, (5 + n % 3, 6, 7)).astype(kind)
        cls = nib.Nifti2Image if n % 4 == 3 else nib.Nifti1Image
        header = cls.header_class(endianness="><"[n % 2])
        image = cls(voxels, affine, header=header, dtype=kind)
        image.set_qform(affine, 1 if n % 3 else 0)
        image.set_sform(affine, 0 if n % 3 == 1 else 2)
        image.header.set_xyzt_units(xyz=["mm", "unknown"][n % 2])
        if n % 5 == 0:
            image.header.set_slope_inter(0.25, -7)
        path = os.path.join(folder, f"n{n}" + [".nii", ".nii.gz"][n // 2 % 2])
        image.to_filename(path)
        paths.append(path)
    return paths


peer, *files = sys.argv[1:]
with tempfile.TemporaryDirectory() as folder:
    written = ours_by_them(peer, folder)
with tempfile.TemporaryDirectory() as folder:
    read = theirs_by_us(peer, make(folder), may_refuse=False)
more = theirs_by_us(peer, files, may_refuse=True) if files else 0
print("\n".join(failures))
print(f"{written} of ours read by nibabel, {read} of nibabel's and {more} other files read by both, {len(failures)} differ")
sys.exit(1 if failures or written == 0 or read == 0 else 0)
