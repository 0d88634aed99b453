#!/usr/bin/env python3
"""translate_clean.py MRCYCLE MAKE_INPUTS: what was planted in every text of a source does not come out of `translate --deidentify`,
in no format, file, name or word; the image does, marked as synthetic, beside what `deidentify` makes of the source."""
import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
try:
    import nibabel
    import numpy
    import pydicom
    from planted import UID, WORD, digest, leaks, planted_series
except ImportError as why:
    print(f"skipped: {why}")
    sys.exit(77)

mrcycle, make_inputs = sys.argv[1:3]
work = tempfile.mkdtemp()


def check(truth, words):
    if not truth:
        shutil.rmtree(work, ignore_errors=True)
        sys.exit(f"translate_clean: {words}")


def at(name):
    return os.path.join(work, name)


def run(*arguments, code=0):
    done = subprocess.run([mrcycle, *arguments], capture_output=True)
    check(done.returncode == code, f"{arguments}: exit code {done.returncode}, expected {code}: {done.stderr.decode()}")
    return done.stdout + done.stderr


def translate(source, out, *more, code=0):
    return run("translate", source, "-o", out, "--to", "T2w", "--from", "T1w", "--size", "64", "--no-mirror", *more, code=code)


def pictures(folder):
    """What stands in pages as base64, as bytes."""
    found = []
    for root, _, files in os.walk(folder):
        for name in files:
            if name.endswith(".html"):
                text = open(os.path.join(root, name), "rb").read()
                found += [base64.b64decode(data) for data in re.findall(rb"base64,([A-Za-z0-9+/=]+)", text)]
    return found


def clean(folder, words):
    found = leaks(folder, words, *pictures(folder))
    check(not found, f"leaks: {found[:5]}")


def images(folder):
    return [pydicom.dcmread(os.path.join(folder, n)) for n in sorted(os.listdir(folder))]


os.mkdir(at("made"))
subprocess.run([make_inputs, at("made")], check=True, stdout=subprocess.DEVNULL)
key = at("key")

# DICOM. The folder's own name is clean, for messages may say what the user typed; those of the files are not.
planted_series(os.path.join(at("made"), "axial"), at("given"), 1, 1, step=3)
given = os.path.join(at("given"), f"{WORD}^1", f"study {WORD.lower()}")
source = at("source")
os.rename(given, source)
for path in os.listdir(source):  # a phantom says that it is one; a patient's scan does not
    ds = pydicom.dcmread(os.path.join(source, path))
    for tag in ((0x0008, 0x001C), (0x0028, 0x0300)):
        if tag in ds:
            del ds[tag]
    ds.save_as(os.path.join(source, path))
os.mkdir(at("dicom"))
words = translate(source, at("dicom/t2"), "--deidentify", "--key", key, "--uncertainty", at("dicom/error"), "--sheet", at("dicom/sheet.png"))
clean(at("dicom"), words)
run("check", at("dicom/t2"))
run("check", at("dicom/error"))
run("deidentify", source, "-o", at("anon"), "--key", key)
anon = [pydicom.dcmread(os.path.join(r, f)) for r, _, names in os.walk(at("anon")) for f in names if f.endswith(".dcm")]
result = images(at("dicom/t2"))
check(len(result) == len(anon), f"{len(result)} slices of {len(anon)}")
for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "FrameOfReferenceUID"):
    check(len({str(ds[keyword].value) for ds in result + anon}) == 1, f"{keyword} differs from what deidentify makes of the source")
sources = {ds.SOPInstanceUID for ds in anon}
for ds in result:
    check(ds.PatientIdentityRemoved == "YES" and ds.DeidentificationMethodCodeSequence[0].CodeValue == "113100", "not said to be de-identified")
    check(ds[0x0008, 0x001C].value == "YES" and ds.ImageType[3] == "SYNTH_T2W", "no longer marked as synthetic")
    check(ds.SeriesDescription.startswith("SYNTH T2w") and "not for diagnosis" in ds.ImageComments, "no words that say synthetic")
    check(ds.SourceImageSequence[0].ReferencedSOPInstanceUID in sources, "the source image is another")
    check(not any(e.tag.is_private for e in ds.iterall()), "private elements")
    makers = [i.PurposeOfReferenceCodeSequence[0].CodeValue for i in ds.ContributingEquipmentSequence]
    check(makers == ["109102", "109100"], f"equipment {makers}")
verifier = shutil.which("dciodvfy")
for name in (("dicom/t2", "dicom/error") if verifier else ()):
    path = os.path.join(at(name), sorted(os.listdir(at(name)))[3])
    done = subprocess.run([verifier, path], capture_output=True, text=True, errors="replace")
    errors = [line for line in (done.stdout + done.stderr).splitlines()
              if line.startswith("Error") and "(0x0008,0x001c)" not in line.lower()]
    check(not errors, f"{path}: {errors[:3]}")
translate(source, at("again"), "--deidentify", "--key", key, "--no-report")
check(digest(at("again")) == digest(at("dicom/t2")), "the same key gives other bytes")
# Pixels that may show text are no less a patient's in the translation.
os.mkdir(at("burned"))
for name in os.listdir(source):
    ds = pydicom.dcmread(os.path.join(source, name))
    ds.BurnedInAnnotation = "Yes"  # as one that knows no better writes it
    ds.save_as(os.path.join(at("burned"), name))
words = translate(at("burned"), at("burned_t2"), "--deidentify", "--key", key, code=22)
check(b"text is drawn" in words and not os.path.exists(at("burned_t2")), f"burned-in text: {words}")

# BIDS, from DICOM: keyed labels, those of `deidentify`, under which the source went; no label from a patient's ID.
words = translate(source, at("bids"), "--bids", "--deidentify", "--key", key)
clean(at("bids"), words)
subject, session = sorted(os.listdir(at("anon")))[-1], None
path = words.decode().splitlines()[0]
sub = [n for n in os.listdir(at("anon")) if n.startswith("sub-")][0]
ses = os.listdir(os.path.join(at("anon"), sub))[0]
ser = os.listdir(os.path.join(at("anon"), sub, ses))[0].replace("ser-", "acq-")
hexed = "[0-9a-f]{16}"
check(re.fullmatch(f"{at('bids')}/{sub}/{ses}/anat/{sub}_{ses}_{ser}_rec-{hexed}_desc-synth_T2w\\.nii\\.gz", path), f"named {path}")
check(os.path.exists(path) and os.path.exists(path.replace(".nii.gz", ".json")), "no image or no sidecar there")
described = json.load(open(os.path.join(at("bids"), "dataset_description.json")))
check(described["DatasetType"] == "derivative" and described["GeneratedBy"][0]["Name"].startswith("mrcycle"), f"{described}")
translate(source, at("bids"), "--bids", "--deidentify", "--key", key, code=40)
# A second volume of the series (another echo, stack or time) is another image, exported with the first or without it.
os.mkdir(at("echo"))
for name in os.listdir(source):
    ds = pydicom.dcmread(os.path.join(source, name))
    ds.EchoTime, ds.EchoNumbers = ds.EchoTime + 7, 2
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID + ".2"
    ds.save_as(os.path.join(at("echo"), name))
words = translate(at("echo"), at("bids"), "--bids", "--deidentify", "--key", key)
check(os.path.dirname(words.decode().splitlines()[0]) == os.path.dirname(path), "a second echo is another patient's")
words = translate(source, at("bids_refused"), "--bids", code=1)
check(not os.path.exists(at("bids_refused")), "a refused derivative was begun")

# NIfTI: texts in the header, an extension, the sidecar and the name.
made = nibabel.load(os.path.join(at("made"), "axial.nii.gz"))
os.mkdir(at("nifti"))
image = nibabel.Nifti1Image(numpy.asarray(made.dataobj)[:, :, ::3], made.affine @ numpy.diag([1, 1, 3, 1]), made.header)
for field in ("descrip", "aux_file", "intent_name", "db_name"):
    image.header[field] = f"{WORD} {field}"[:10 if field == "intent_name" else 17]
image.header.extensions.append(nibabel.nifti1.Nifti1Extension(6, f"{WORD} {UID}".encode()))
raw = os.path.join(at("nifti"), f"sub-{WORD}_ses-{WORD}2_acq-{WORD}_T1w.nii.gz")
nibabel.save(image, raw)
with open(raw.replace(".nii.gz", ".json"), "w") as f:
    json.dump({"PatientName": WORD, "SeriesDescription": WORD, "InstitutionName": WORD, "Manufacturer": WORD}, f)
os.mkdir(at("nifti_out"))


def typed(words):
    return words.replace(raw.encode(), b"")


clean(at("nifti_out"), typed(translate(raw, at("nifti_out/t2.nii.gz"), "--deidentify", "--uncertainty", at("nifti_out/e.nii.gz"))))
check(not os.path.exists(at("nifti_out/t2.key")), "a key that nothing is made with")
words = translate(raw, at("bids"), "--bids", "--deidentify", "--key", key)
clean(at("bids"), typed(words))
path = words.decode().splitlines()[0]
check(re.search(f"/sub-{hexed}/ses-{hexed}/anat/sub-{hexed}_ses-{hexed}_acq-{hexed}_desc-synth_T2w\\.nii\\.gz$", path), f"named {path}")
# Files of one name in two folders are of two patients, two echoes are two images, and neither takes the other's place.
places = set()
for name in ("b1/T1w.nii.gz", "b2/T1w.nii.gz", f"b3/sub-{WORD}_run-1_echo-1_T1w.nii.gz", f"b3/sub-{WORD}_run-1_echo-2_T1w.nii.gz"):
    os.makedirs(os.path.dirname(at(name)), exist_ok=True)
    nibabel.save(image, at(name))
    words = translate(at(name), at("bids"), "--bids", "--deidentify", "--key", key, "--no-report", "--replace")
    places.add(words.decode().splitlines()[0])
# So are two people of one label in two data sets.
for name in ("b4/sub-01/anat/sub-01_T1w.nii.gz", "b5/sub-01/anat/sub-01_T1w.nii.gz"):
    os.makedirs(os.path.dirname(at(name)))
    nibabel.save(image, at(name))
    words = translate(at(name), at("bids"), "--bids", "--deidentify", "--key", key, "--no-report")
    places.add(words.decode().splitlines()[0])
check(len(places) == 6 and all(map(os.path.exists, places)), f"{places}")
check(all(sum(f"_run-1_echo-{n}_" in p for p in places) == 1 for n in (1, 2)), f"{places}")
# Undisguised, the source's own entities stay, and the result is a derivative's.
path = translate(raw, at("plain"), "--bids").decode().splitlines()[0]
check(path == os.path.join(at("plain"), f"sub-{WORD}", f"ses-{WORD}2", "anat", f"sub-{WORD}_ses-{WORD}2_acq-{WORD}_desc-synth_T2w.nii.gz"), path)
words = translate(raw, at("nifti"), "--bids", code=1)
check(b"holds the input" in words, f"into its own data set: {words}")

# Pictures: the names of files.
os.rename(os.path.join(at("made"), "png"), at("png"))
for i, name in enumerate(sorted(os.listdir(at("png")))):
    os.rename(os.path.join(at("png"), name), os.path.join(at("png"), f"{WORD}_{i:03d}.png"))
os.mkdir(at("png_out"))
clean(at("png_out"), translate(at("png"), at("png_out/t2"), "--deidentify"))

# The search finds what it looks for: without --deidentify, a patient's study and names come along, as they should.
translate(source, at("open"), "--no-report")
check(leaks(at("open")), "nothing found in a series of the patient's own study")
translate(at("png"), at("open_png"), "--no-report")
check(leaks(at("open_png")), "nothing found in pictures that are named as their sources")
check(leaks(at("plain")), "nothing found in a name of the source's own")
print("nothing planted came out" + ("" if verifier else " (dciodvfy is not installed)"))
shutil.rmtree(work)
