#!/usr/bin/env python3
"""deidentify.py MRCYCLE MAKE_INPUTS: what was planted in every text does not come out, the pixels do, bit by bit."""
import copy
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
try:
    import numpy as np
    import pydicom
    from planted import digest, leaks, planted_series
    from pydicom.uid import ExplicitVRBigEndian, RLELossless
except ImportError as why:
    print(f"skipped: {why}")
    sys.exit(77)

mrcycle, make_inputs = sys.argv[1:3]
work = tempfile.mkdtemp()


def check(truth, words):
    if not truth:
        shutil.rmtree(work, ignore_errors=True)
        sys.exit(f"deidentify: {words}")


def run(*arguments, code=0):
    done = subprocess.run([mrcycle, "deidentify", *arguments], capture_output=True)
    check(done.returncode == code, f"{arguments}: exit code {done.returncode}, expected {code}: {done.stderr.decode()}")
    return done.stdout + done.stderr


def written(folder):
    paths = [os.path.join(r, f) for r, _, files in os.walk(folder) for f in files if f.endswith(".dcm")]
    return {p: pydicom.dcmread(p) for p in sorted(paths)}


made, given, out, key = (os.path.join(work, n) for n in ("made", "in", "out", "key"))
os.mkdir(made)
subprocess.run([make_inputs, made], check=True, stdout=subprocess.DEVNULL)
source = os.path.join(made, "axial")
sets = [ds for who in ((1, 1), (1, 2), (2, 1)) for ds in planted_series(source, given, *who, most=3)]
files = sum(len(names) for _, _, names in os.walk(given))

# Other encodings of one image: compressed, and with the bytes the other way round.
first = os.path.join(source, sorted(os.listdir(source))[0])
for number, syntax in enumerate((RLELossless, ExplicitVRBigEndian)):
    ds = pydicom.dcmread(first)
    ds.PatientID, ds.StudyInstanceUID, ds.SeriesInstanceUID = f"enc{number}", f"1.2.3.{number}", f"1.2.3.{number}.1"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}.1.1"
    if syntax == RLELossless:
        ds.compress(RLELossless, encoding_plugin="pydicom")
    else:
        ds.PixelData = ds.pixel_array.astype(">u2").tobytes()
        ds.file_meta.TransferSyntaxUID, ds.is_little_endian, ds.is_implicit_VR = syntax, False, False
    ds.save_as(os.path.join(given, f"encoded{number}"))
    sets.append(pydicom.dcmread(first))
# Cells of 8 bits, big endian: a stream of bytes (OB) has no order, words (OW) have. UIDs under the root of the standard
# that are none of its own are as telling as any.
for number, vr in enumerate(("OB", "OW"), start=2):
    ds = pydicom.dcmread(first)
    ds.PatientID, ds.StudyInstanceUID, ds.SeriesInstanceUID = f"enc{number}", f"1.2.3.{number}", f"1.2.3.{number}.1"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"1.2.840.10008.19700101.778812.{number}"
    cells = (ds.pixel_array >> 4).astype("u1")
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, 8, 7
    ds.PixelData = cells.tobytes()
    ds["PixelData"].VR = vr
    sets.append(copy.deepcopy(ds))
    sets[-1]["PixelData"].VR = "OB"
    if vr == "OW":
        ds.PixelData = np.frombuffer(cells.tobytes(), "<u2").byteswap().tobytes()
    ds.file_meta.TransferSyntaxUID, ds.is_little_endian, ds.is_implicit_VR = ExplicitVRBigEndian, False, False
    ds.save_as(os.path.join(given, f"encoded{number}"))
# Floating-point pixels keep their element. What names an image as the standard does something else is replaced; a frame of
# reference may be the standard's.
ds = pydicom.dcmread(first)
ds.PatientID, ds.StudyInstanceUID, ds.SeriesInstanceUID = "enc4", "1.2.840.10008.1.1", "1.2.840.10008.1.20.1"
ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.4"
ds.FrameOfReferenceUID = "1.2.840.10008.1.4.1.1"  # Talairach
cells = ds.pixel_array.astype("<f4") / 7
for name in ("PixelData", "BitsStored", "HighBit", "PixelRepresentation"):
    delattr(ds, name)
ds.BitsAllocated, ds.FloatPixelData = 32, cells.tobytes()
ds.save_as(os.path.join(given, "encoded4"))
sets.append(ds)
# What is refused: another modality, a broken file, one that says that text is drawn into it.
ds = pydicom.dcmread(first)
ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
ds.save_as(os.path.join(given, "zqplanted_ct.dcm"))
ds = pydicom.dcmread(first)
ds["PixelData"].VR, ds.SOPInstanceUID = "OB", "1.2.3.10"  # 16 bits in an unknown order
ds.file_meta.TransferSyntaxUID, ds.is_little_endian, ds.is_implicit_VR = ExplicitVRBigEndian, False, False
ds.save_as(os.path.join(given, "zqplanted_order.dcm"))
ds = pydicom.dcmread(first)
ds.BurnedInAnnotation, ds.SOPInstanceUID = "Yes", "1.2.3.9"  # not as the standard spells it
ds.save_as(os.path.join(given, "zqplanted_burned.dcm"))
with open(first, "rb") as f, open(os.path.join(given, "zqplanted_broken.dcm"), "wb") as g:
    g.write(f.read(3000))
with open(os.path.join(given, "zqplanted.txt"), "w") as g:
    g.write("no image")

words = run(given, "-o", out, "--key", key)
check(not leaks(out), f"leaks: {leaks(out)[:5]}")
check(not leaks(words.replace(out.encode(), b"")), f"leaks in words: {words!r}")
check(stat.S_IMODE(os.stat(key).st_mode) == 0o600, "the key is not private")
check(stat.S_IMODE(os.stat(out + ".sources.tsv").st_mode) == 0o600, "the table of sources is not private")
report = json.load(open(os.path.join(out, "report.json")))
check((report["patients"], report["studies"], report["series"], report["refused"], report["no_dicom"]) == (7, 7, 8, 4, 1),
      f"counted {report}")

results = written(out)
check(len(results) == len(sets) == files + 5, f"{len(results)} files of {len(sets)}")


def cells_of(ds):
    cells = ds.FloatPixelData if "FloatPixelData" in ds else ds.pixel_array.tobytes()
    return hashlib.sha256(cells).hexdigest()


check(sorted(map(cells_of, results.values())) == sorted(map(cells_of, sets)), "pixels differ")
syntaxes = {d.file_meta.TransferSyntaxUID for d in results.values()}
check(syntaxes == {"1.2.840.10008.1.2.1", RLELossless}, f"transfer syntaxes {syntaxes}")
for path, ds in results.items():
    check(ds.PatientIdentityRemoved == "YES" and ds.LongitudinalTemporalInformationModified == "REMOVED", f"{path}: flags")
    codes = [c.CodeValue for c in ds.DeidentificationMethodCodeSequence]
    check(codes == ["113100"], f"{path}: claims {codes}")
    check(ds.RecognizableVisualFeatures == "YES", f"{path}: faces")
    check(not any(e.tag.is_private for e in ds.iterall()), f"{path}: private elements")
    check(ds[0x0008, 0x001C].value == "YES", f"{path}: a phantom no longer says so")
    check(ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID, f"{path}: group 2")
instances = {d.SOPInstanceUID for d in results.values()}
check(not any("778812" in uid for uid in instances), "a UID under the root of the standard was kept")
standard = [d for d in results.values() if "FloatPixelData" in d]
check(len(standard) == 1 and standard[0].FrameOfReferenceUID == "1.2.840.10008.1.4.1.1", "the standard's frame of reference")
check(all(uid.startswith("2.25.") for d in results.values() for uid in (d.SOPInstanceUID, d.SeriesInstanceUID, d.StudyInstanceUID)),
      "a UID that names something else in the standard was kept")
planted = [d for d in results.values() if "ReferencedImageSequence" in d]
check(len(planted) == files, "references went lost")
for ds in planted:
    check(ds.ReferencedImageSequence[0].ReferencedSOPInstanceUID == ds.SOPInstanceUID, "a reference leads elsewhere")
check(len(instances) == len(results), "UIDs are not unique")
by_patient = {}
for ds in planted:
    by_patient.setdefault(ds.PatientID, set()).add((ds.StudyInstanceUID, ds.FrameOfReferenceUID))
check(sorted(len(v) for v in by_patient.values()) == [1, 1], f"studies fall apart: {by_patient}")

# The same key gives the same bytes; another key other names; an earlier result is not overwritten unasked.
run(given, "-o", out + "2", "--key", key, "-q")
check(digest(out) == digest(out + "2"), "the same key gives other bytes")
run(given, "-o", out + "3", "-q")
check(not instances & {d.SOPInstanceUID for d in written(out + "3").values()}, "another key gives the same UIDs")
run(given, "-o", out, "--key", key, code=40)
run(given, "-o", out, "--key", key, "--replace", "-q")
run(given, "-o", out + "4", "--key", os.path.join(out + "4", "key"), code=1)
run(made + "/png", "-o", out + "5", code=22)
check(not os.path.exists(out + "5"), "an empty result was written")

# Numbers enter as many as may, of the kind and size they have in scanners: neither letters in the place of numbers, nor dates.
numbers, plain = (os.path.join(work, n) for n in ("numbers", "plain"))
for folder in (numbers, plain):
    os.mkdir(folder)
secret = b"ZQPLANTED^NUMBER"
ds = pydicom.dcmread(first)
ds.DiffusionBValue, ds.DiffusionGradientOrientation = 0.0, [0.0, 0.0, 1.0]
ds.EffectiveEchoTime, ds.InversionTimes = 12.5, [100.0]
ds.AcquisitionNumber, ds.SeriesNumber, ds.InstanceNumber = 20250131, 250131, 7
ds.SliceThickness, ds.TriggerTime = 5, "19700101.123456"
ds.WindowCenter, ds.WindowWidth = ["600", "19700101123456"], 1200
ds.save_as(os.path.join(numbers, "a.dcm"))
with open(os.path.join(numbers, "a.dcm"), "rb") as f:
    bytes_ = f.read()
for tag, kept, put in ((b"\x18\0\x87\x90FD", 8, secret * 500), (b"\x18\0\x89\x90FD", 24, secret * 2), (b"\x18\0\x79\x90FD", 8, secret)):
    at = bytes_.index(tag)
    bytes_ = bytes_[:at + 6] + len(put).to_bytes(2, "little") + put + bytes_[at + 8 + kept:]
at = bytes_.index(b"\x18\0\x50\0DS")  # a thickness that is no decimal string
length = int.from_bytes(bytes_[at + 6:at + 8], "little")
bytes_ = bytes_[:at + 4] + b"FD" + (8).to_bytes(2, "little") + secret[:8] + bytes_[at + 8 + length:]
with open(os.path.join(numbers, "a.dcm"), "wb") as f:
    f.write(bytes_)
ds = pydicom.dcmread(first)
ds.DiffusionBValue, ds.DiffusionGradientOrientation, ds.EffectiveEchoTime = 1000.0, [0.6, -0.8, 0.0], 12.5
ds.AcquisitionNumber, ds.SeriesNumber, ds.InstanceNumber, ds.TriggerTime = 3, 1001, 7, "-12.5"
ds.ImagePositionPatient, ds.WindowCenter = ["-120.123456", "30.5", "1e1"], ["600", "40"]
ds.save_as(os.path.join(plain, "a.dcm"))
run(numbers, "-o", out + "6", "--key", key, "-q")
run(plain, "-o", out + "7", "--key", key, "-q")
(path, ds), = written(out + "6").items()
with open(path, "rb") as f:
    check(b"ZQPLANT" not in f.read(), "letters came out in the place of numbers")
for name in ("DiffusionBValue", "DiffusionGradientOrientation", "InversionTimes", "AcquisitionNumber", "SeriesNumber", "TriggerTime", "SliceThickness",
             "WindowCenter"):
    check(ds.get(name) is None, f"{name} came out as {ds.get(name)}")
check(ds.EffectiveEchoTime == 12.5 and ds.InstanceNumber == 7 and ds.WindowWidth == 1200, "numbers were lost")
(path, after), = written(out + "7").items()
before = pydicom.dcmread(os.path.join(plain, "a.dcm"))
for name in ("DiffusionBValue", "DiffusionGradientOrientation", "EffectiveEchoTime", "AcquisitionNumber", "SeriesNumber", "InstanceNumber", "TriggerTime",
             "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "WindowCenter", "RepetitionTime", "EchoTime"):
    check(after.get(name) == before.get(name), f"{name}: {after.get(name)}, expected {before.get(name)}")

verifier = shutil.which("dciodvfy")
usual = [path for path, ds in results.items() if ds.BitsAllocated == 16]  # what an MR image must be
for path in usual[:: max(1, len(usual) // 8)] if verifier else []:
    done = subprocess.run([verifier, path], capture_output=True, text=True, errors="replace")
    errors = [line for line in (done.stdout + done.stderr).splitlines()
              if line.startswith("Error") and "SyntheticData" not in line and "(0x0008,0x001c)" not in line.lower()]
    check(not errors, f"{path}: {errors[:3]}")
print(f"{len(results)} files, nothing planted came out" + ("" if verifier else " (dciodvfy is not installed)"))
shutil.rmtree(work)
