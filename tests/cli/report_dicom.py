#!/usr/bin/env python3
"""report_dicom.py MRCYCLE: the report as a Secondary Capture in the source's study: whole, marked, the same again, and refused where it has no place."""
import glob
import os
import shutil
import subprocess
import sys
import tempfile

try:
    import pydicom
except ImportError:
    print("skipped: python3-pydicom is not installed")
    sys.exit(77)

mrcycle = os.path.abspath(sys.argv[1])


def run(*args, code=0):
    done = subprocess.run([mrcycle, *args], capture_output=True, text=True, timeout=300)
    assert done.returncode == code, (args, done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def errors(path):
    """What dciodvfy finds wrong; (0008,001C) is younger than it."""
    if shutil.which("dciodvfy") is None:
        return []
    said = subprocess.run(["dciodvfy", path], capture_output=True, text=True).stderr
    return [line for line in said.splitlines() if line.startswith("Error") and "(0x0008,0x001c)" not in line]


with tempfile.TemporaryDirectory() as scratch:
    run("phantom", "-o", scratch + "/p", "--seed", "3", "--voxel", "8,8,10")
    source, result = scratch + "/p/sub-01/dicom/T1w", scratch + "/t2"
    report = result + "_report/report.dcm"
    translate = ["translate", source, "-o", result, "--to", "T2w", "-q"]
    run(*translate, "--report-dicom", "sc")
    image, scans = pydicom.dcmread(report), [pydicom.dcmread(path) for path in glob.glob(source + "/*")]
    made = pydicom.dcmread(glob.glob(result + "/*")[0])
    assert not errors(report), errors(report)
    assert image.SOPClassUID == "1.2.840.10008.5.1.4.1.1.7" and image.Modality == "OT" and image.ConversionType == "WSD"
    for name in ("StudyInstanceUID", "PatientName", "PatientID", "PatientSex", "StudyDate", "AccessionNumber"):
        assert image[name].value == scans[0][name].value, name
    assert image.SeriesInstanceUID not in (scans[0].SeriesInstanceUID, made.SeriesInstanceUID)
    assert image.SeriesNumber != made.SeriesNumber and image.SeriesDescription == "SYNTH T2w report (AI, not for diagnosis)"
    assert list(image.ImageType) == list(made.ImageType) and image[0x0008, 0x001C].value == made[0x0008, 0x001C].value
    assert image.ImageComments == made.ImageComments and image.DerivationDescription == made.DerivationDescription
    assert {item.ReferencedSOPInstanceUID for item in image.SourceImageSequence} == {scan.SOPInstanceUID for scan in scans}
    pixels = image.PixelData[::2]  # a white page with dark words, and grey heads in black fields
    assert image.BitsStored == 8 and len(pixels) == image.Rows * image.Columns and not any(image.PixelData[1::2])
    assert pixels[0] == 255 and pixels.count(0) > len(pixels) // 4 and len(set(pixels)) > 200
    before = open(report, "rb").read()
    shutil.rmtree(result)
    shutil.rmtree(result + "_report")
    run(*translate, "--report-dicom", "sc")
    assert open(report, "rb").read() == before
    nifti = scratch + "/p/sub-01/anat/sub-01_T1w.nii.gz"
    for args, words in ((["translate", nifti, "-o", scratch + "/x.nii.gz"], "is no DICOM"), (["translate", source, "-o", scratch + "/x", "--no-report"], "needs a report"),
                        (["translate", source, "-o", scratch + "/x", "--deidentify"], "the patient's study")):
        assert words in run(*args, "--to", "T2w", "-q", "--report-dicom", "sc", code=1), args
    assert "expected sc" in run(*translate, "--report-dicom", "pdf", code=1)
    assert not glob.glob(scratch + "/x*")
print("ok")
