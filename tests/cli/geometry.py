#!/usr/bin/env python3
"""geometry.py MRCYCLE MAKE_INPUTS: as pydicom, nibabel and dcm2niix read them, input and output lie in the same place,
and the ball on the patient's left stays there. Exit code 77 (skipped) where pydicom or nibabel is missing."""
import glob
import os
import shutil
import subprocess
import sys
import tempfile

try:
    import nibabel
    import numpy
    import pydicom
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

MARKER_RAS_MM = numpy.array([-30.0, 12.0, 55.0])
LPS_TO_RAS = numpy.diag([-1.0, -1.0, 1.0, 1.0])


def read_dicom(folder):
    """Voxels [i][j][k] and the matrix from index to RAS+, by the standard's formula (PS3.3 C.7.6.2.1.1)."""
    slices = [pydicom.dcmread(path) for path in glob.glob(os.path.join(folder, "*.dcm"))]
    row, column = numpy.split(numpy.array(slices[0].ImageOrientationPatient, float), 2)
    normal = numpy.cross(row, column)
    slices.sort(key=lambda s: numpy.dot(normal, numpy.array(s.ImagePositionPatient, float)))
    first, last = (numpy.array(s.ImagePositionPatient, float) for s in (slices[0], slices[-1]))
    matrix = numpy.eye(4)
    matrix[:3, 0] = row * float(slices[0].PixelSpacing[1])
    matrix[:3, 1] = column * float(slices[0].PixelSpacing[0])
    matrix[:3, 2] = (last - first) / (len(slices) - 1)
    matrix[:3, 3] = first
    voxels = numpy.stack([s.pixel_array.T.astype(float) for s in slices], axis=2)
    return voxels, LPS_TO_RAS @ matrix


def read_nifti(path):
    image = nibabel.load(path)
    return numpy.asarray(image.dataobj, dtype=float), image.affine


def corners(shape, matrix):
    index = numpy.array([[i, j, k, 1.0] for i in (0, shape[0] - 1) for j in (0, shape[1] - 1) for k in (0, shape[2] - 1)])
    return index @ matrix.T


def marker(voxels, matrix):
    index = numpy.argwhere(voxels > 0.88 * voxels.max())
    return (matrix @ numpy.append(index.mean(axis=0), 1.0))[:3]


def check(name, source, result):
    (before, matrix), (after, result_matrix) = source, result
    assert before.shape == after.shape, f"{name}: {after.shape}, expected {before.shape}"
    apart = abs(corners(before.shape, matrix) - corners(after.shape, result_matrix)).max()
    assert apart < 1e-3, f"{name}: corners {apart} mm apart"
    for what, voxels, where in (("source", before, matrix), ("result", after, result_matrix)):
        off = numpy.linalg.norm(marker(voxels, where) - MARKER_RAS_MM)
        assert off < 2.0, f"{name}: the ball of the {what} lies {off:.1f} mm off"
    print(f"{name}: corners {apart:.1e} mm apart, ball {off:.2f} mm off")


def main(mrcycle, make_inputs, work):
    subprocess.run([make_inputs, work], check=True)
    options = ["--to", "T2w", "--model", f"{work}/model.safetensors", "--allow-synthetic", "-q", "--from", "T1w", "--no-report"]
    for plane in ("axial", "sagittal", "coronal", "tilted"):
        source = f"{work}/{plane}"
        for suffix in ("", ".nii.gz"):
            subprocess.run([mrcycle, "translate", source + suffix, "-o", f"{work}/out_{plane}{suffix}", *options],
                           check=True, stdout=subprocess.DEVNULL)
        check(f"{plane} DICOM", read_dicom(source), read_dicom(f"{work}/out_{plane}"))
        check(f"{plane} NIfTI", read_nifti(source + ".nii.gz"), read_nifti(f"{work}/out_{plane}.nii.gz"))
        if shutil.which("dcm2niix") is None:
            print(f"{plane}: dcm2niix is not installed")
            continue
        for name in (plane, f"out_{plane}"):
            subprocess.run(["dcm2niix", "-f", f"converted_{name}", "-o", work, f"{work}/{name}"], check=True,
                           stdout=subprocess.DEVNULL)
        check(f"{plane} through dcm2niix", read_nifti(f"{work}/converted_{plane}.nii"),
              read_nifti(f"{work}/converted_out_{plane}.nii"))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(sys.argv[1], sys.argv[2], folder)
