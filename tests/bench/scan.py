#!/usr/bin/env python3
"""Scans a folder of many generated DICOM files with `mrcycle info --json`, and with what one would do without it:
`dcm2niix -b o` (headers only) and a loop of dcmdump over a sample. Prints elapsed seconds,
processor seconds and peak memory of each.

usage: scan.py MRCYCLE [FILES [SIDE]]     default: 20000 files of 64 x 64 pixels
Needs python3-pydicom, python3-numpy and /usr/bin/time; peers that are not installed are left out.
"""
import os
import shutil
import subprocess
import sys
import tempfile

import numpy
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset

SLICES, SAMPLE = 100, 200


def make(folder, files, side):
    """Series of SLICES files each, no extension, one folder a series; every other series T2w."""
    pixels = numpy.random.default_rng(1).integers(0, 4095, (side, side), "<u2").tobytes()
    for n in range(files):
        series, k = divmod(n, SLICES)
        data = Dataset()
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        data.is_little_endian, data.is_implicit_VR = True, False
        data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = pydicom.uid.MRImageStorage
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = f"2.25.7{n}"
        data.SeriesInstanceUID, data.StudyInstanceUID = f"2.25.8{series}", f"2.25.9{series // 2}"
        data.FrameOfReferenceUID = f"2.25.6{series // 2}"
        data.PatientName, data.PatientID = f"Generated^{series // 2}", str(series // 2)
        data.Modality, data.Manufacturer, data.ImageType = "MR", "Generated", ["ORIGINAL", "PRIMARY", "M"]
        data.SeriesDescription = "t2 tse" if series % 2 else "t1 se"
        data.ScanningSequence, data.SequenceVariant = "SE", "NONE"
        data.RepetitionTime, data.EchoTime = ("4000", "90") if series % 2 else ("500", "15")
        data.SeriesNumber, data.InstanceNumber = series + 1, k + 1
        data.ImagePositionPatient, data.ImageOrientationPatient = [0, 0, 1.5 * k], [1, 0, 0, 0, 1, 0]
        data.PixelSpacing, data.SliceThickness, data.PatientPosition = [3, 3], "1.5", "HFS"
        data.Rows = data.Columns = side
        data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, "MONOCHROME2", 0
        data.BitsAllocated, data.BitsStored, data.HighBit = 16, 12, 11
        data.PixelData = pixels
        place = os.path.join(folder, f"s{series:04d}")
        os.makedirs(place, exist_ok=True)
        data.save_as(os.path.join(place, f"{(k * 37) % SLICES:05d}"), write_like_original=False)


def measure(name, command, scale=1.0):
    """Elapsed and processor seconds and peak memory (of the largest process) of a command."""
    done = subprocess.run(["/usr/bin/time", "-f", "%e %U %S %M", *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    elapsed, user, system, kilobytes = done.stderr.splitlines()[-1].split()
    note = "" if scale == 1.0 else f" (from a sample of {SAMPLE})"
    print(f"{name:22s} {float(elapsed) * scale:8.2f} s  {(float(user) + float(system)) * scale:8.2f} s of processors  {float(kilobytes) / 1024:6.1f} MiB  exit {done.returncode}{note}", flush=True)


def main():
    mrcycle = sys.argv[1]
    files = int(sys.argv[2]) if len(sys.argv) > 2 else 20000
    side = int(sys.argv[3]) if len(sys.argv) > 3 else 64
    with tempfile.TemporaryDirectory() as scratch:
        tree, out = os.path.join(scratch, "in"), os.path.join(scratch, "out")
        os.mkdir(out)
        make(tree, files, side)
        print(f"{files} files of {side} x {side} pixels")
        scan = [mrcycle, "info", "--json", "-q", "--max-files", "10000000", tree]
        subprocess.run(scan, stdout=subprocess.DEVNULL, check=True)  # now the files are in memory, for all
        measure("mrcycle info --json", scan)
        if shutil.which("dcm2niix"):
            measure("dcm2niix -b o", ["dcm2niix", "-b", "o", "-ba", "y", "-o", out, tree])
        if shutil.which("dcmdump"):
            names = [os.path.join(folder, n) for folder, _, found in os.walk(tree) for n in found][:SAMPLE]
            loop = 'for f in "$@"; do dcmdump +P PatientID +P SeriesInstanceUID "$f"; done'
            measure("dcmdump, file by file", ["sh", "-c", loop, "sh", *names], files / len(names))
    return 0


if __name__ == "__main__":
    sys.exit(main())
