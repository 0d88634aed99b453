#!/usr/bin/env python3
"""deidentify_pixels.py MRCYCLE MAKE_INPUTS: what hides beside the samples of an image (bits above BitsStored, comments in
compressed streams, bytes behind their end) does not come out, or the file is refused; the samples come out bit by bit."""
import glob
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
try:
    import numpy as np
    import pydicom
    from pydicom.encaps import encapsulate, generate_pixel_data_frame
    from pydicom.uid import RLELossless
except ImportError as why:
    print(f"skipped: {why}")
    sys.exit(77)

mrcycle, make_inputs = sys.argv[1:3]
work = tempfile.mkdtemp()
TEXT = b"ZQPLANTED^JOHN 19500102"
expected, refused = {}, set()


def check(truth, words):
    if not truth:
        shutil.rmtree(work, ignore_errors=True)
        sys.exit(f"deidentify_pixels: {words}")


os.mkdir(f"{work}/made")
os.mkdir(f"{work}/in")
subprocess.run([make_inputs, f"{work}/made"], check=True, stdout=subprocess.DEVNULL)
first = sorted(glob.glob(f"{work}/made/axial/*"))[0]


def fresh(number):
    """The image as another patient's: its number is found again in InstanceNumber."""
    ds = pydicom.dcmread(first)
    ds.PatientID, ds.StudyInstanceUID, ds.SeriesInstanceUID = f"p{number}", f"1.2.3.{number}", f"1.2.3.{number}.1"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}.1.1"
    ds.InstanceNumber = number
    return ds


def save(ds, number, pixels):
    ds.save_as(f"{work}/in/{number}")
    if pixels is None:
        refused.add(f"{work}/in/{number}")
    else:
        expected[number] = pixels


values = (fresh(0).pixel_array & 0xFFF).astype("<u2")
# Bits above the value: cleared. Of signed values they are the sign, or nothing.
for number, (signed, planted) in enumerate(((0, True), (0, False), (1, True), (1, False)), start=1):
    ds = fresh(number)
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, signed
    cells = values.copy()
    if signed:
        cells = np.where(values & 0x800, values | 0xF000, values).astype("<u2")
    if planted:
        cells[:4, :8] ^= np.uint16(0x5000)
    ds.PixelData = cells.tobytes()
    ds["PixelData"].VR = "OW"
    save(ds, number, np.where(values & 0x800, values | 0xF000, values).astype("<u2") if signed else values)
# Below the value, where HighBit says so.
ds = fresh(5)
ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 15, 0
ds.PixelData = (values << 4 | 0x5).astype("<u2").tobytes()
save(ds, 5, (values << 4).astype("<u2"))
# Run lengths: bytes between and behind the segments go, planted bits are refused.
for number, planted in ((6, False), (7, True)):
    ds = fresh(number)
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    cells = values.copy()
    cells[0, 0] |= 0x4000 if planted else 0
    ds.PixelData = cells.tobytes()
    ds.compress(RLELossless, encoding_plugin="pydicom")
    (frame,) = generate_pixel_data_frame(ds.PixelData, 1)
    frame = bytearray(frame + TEXT + b"\0")
    at = struct.unpack_from("<I", frame, 8)[0]
    frame[at:at] = TEXT + b"\0"  # in front of the second segment, behind the end of the first
    struct.pack_into("<I", frame, 8, at + len(TEXT) + 1)
    ds.PixelData = encapsulate([bytes(frame)])
    ds["PixelData"].is_undefined_length = True
    save(ds, number, None if planted else values)


def compressed(number, tool, *options):
    ds = fresh(number)
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.PixelData = values.tobytes()
    ds.save_as(f"{work}/plain")
    if shutil.which(tool) is None:
        return None, None
    subprocess.run([tool, *options, f"{work}/plain", f"{work}/packed"], check=True, capture_output=True)
    ds = pydicom.dcmread(f"{work}/packed")
    (frame,) = generate_pixel_data_frame(ds.PixelData, 1)
    while frame.endswith(b"\0"):
        frame = frame[:-1]
    return ds, frame


def comment(frame, tool):
    if tool == "gdcmconv":
        end = 4 + struct.unpack(">H", frame[4:6])[0]
        return frame[:end] + b"\xff\x64" + struct.pack(">HH", len(TEXT) + 4, 1) + TEXT + frame[end:]
    segment = struct.pack(">H", len(TEXT) + 2) + TEXT
    return frame[:2] + b"\xff\xe1" + segment + b"\xff\xfe" + segment + frame[2:]


number = 10
for tool, options in (("dcmcjpeg", ()), ("dcmcjpls", ()), ("gdcmconv", ("--j2k",))):
    for planting in (comment, lambda frame, _: frame + TEXT, lambda frame, _: frame[:-2]):
        ds, frame = compressed(number, tool, *options)
        if ds is None:
            continue
        whole = planting(frame, tool)
        ds.PixelData = encapsulate([whole])
        ds["PixelData"].is_undefined_length = True
        # without its end a stream may end in anything; CharLS reads none with comments
        unread = len(whole) < len(frame) or (tool == "dcmcjpls" and planting is comment)
        save(ds, number, None if unread else values)
        number += 1

done = subprocess.run([mrcycle, "deidentify", f"{work}/in", "-o", f"{work}/out", "-q"], capture_output=True, text=True)
check(done.returncode == 0, f"exit code {done.returncode}: {done.stderr}")
report = json.load(open(f"{work}/out/report.json"))
check(report["refused"] == len(refused), f"{report['refused']} refused, expected {len(refused)}: {open(work + '/out.sources.tsv').read()}")
files = glob.glob(f"{work}/out/**/*.dcm", recursive=True)
check(len(files) == len(expected), f"{len(files)} files, expected {len(expected)}")
for path in files:
    check(b"ZQPLANTED" not in open(path, "rb").read(), f"{path}: what was planted came out")
    ds = pydicom.dcmread(path)
    number = int(ds.InstanceNumber)
    if ds.file_meta.TransferSyntaxUID.startswith("1.2.840.10008.1.2.4."):
        decode = {"5": "dcmdjpeg", "7": "dcmdjpeg", "8": "dcmdjpls"}.get(ds.file_meta.TransferSyntaxUID.split(".")[-1][0], "gdcmconv")
        extra = ["--raw"] if decode == "gdcmconv" else []
        subprocess.run([decode, *extra, path, f"{work}/back"], check=True, capture_output=True)
        ds = pydicom.dcmread(f"{work}/back")
    elif ds.file_meta.TransferSyntaxUID == RLELossless:
        ds.PixelData = ds.pixel_array.astype("<u2").tobytes()
    check(ds.PixelData == expected[number].tobytes(), f"image {number}: other cells than expected")
shutil.rmtree(work, ignore_errors=True)
