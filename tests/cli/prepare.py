#!/usr/bin/env python3
"""prepare.py MRCYCLE MAKE_INPUTS: a set of planted series is clean, whole, the same twice, also after kill -9; train takes it."""
import csv
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
try:
    import nibabel
    import numpy
    import pydicom
    from planted import digest, leaks, planted_series
except ImportError as why:
    print(f"skipped: {why}")
    sys.exit(77)

mrcycle, make_inputs = sys.argv[1:3]
work = tempfile.mkdtemp()


def check(truth, words):
    if not truth:
        shutil.rmtree(work, ignore_errors=True)
        sys.exit(f"prepare: {words}")


def run(*arguments, code=0):
    done = subprocess.run([mrcycle, *arguments], capture_output=True)
    check(done.returncode == code, f"{arguments}: exit code {done.returncode}, expected {code}: {done.stderr.decode()}")
    return done.stdout + done.stderr


made, given, out, key = (os.path.join(work, n) for n in ("made", "in", "set", "key"))
os.mkdir(made)
subprocess.run([make_inputs, made], check=True, stdout=subprocess.DEVNULL)
planted_series(os.path.join(made, "axial"), given, 1, 1, step=2)
for folder in ("zqplanted_bids/sub-zqplanted1/ses-zqplanted/anat", "zqplanted^7", "zqplanted^8"):
    os.makedirs(os.path.join(given, folder))
for name, place, power in (("t2", "zqplanted_bids/sub-zqplanted1/ses-zqplanted/anat/sub-zqplanted1_T2w", 0.5),
                           ("axial", "zqplanted^7/zqplanted_T1w", 1), ("axial", "zqplanted^8/zqplanted_T1w", 1)):
    image = nibabel.load(os.path.join(made, name + ".nii.gz"))
    if "^8" in place:  # scanned another way
        image = image.as_reoriented(nibabel.orientations.ornt_transform(nibabel.io_orientation(image.affine),
                                                                        nibabel.orientations.axcodes2ornt("LIP")))
    values = numpy.maximum(image.get_fdata(dtype=numpy.float32), 0) ** power
    image = nibabel.Nifti1Image(values.astype(numpy.float32), image.affine, image.header)
    image.header["descrip"] = b"ZQPLANTED descrip"
    image.header["aux_file"] = b"ZQPLANTED"
    image.header["intent_name"] = b"ZQPLANTED"
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"ZQPLANTED comment"))
    nibabel.save(image, os.path.join(given, place + ".nii.gz"))
with open(os.path.join(given, "zqplanted_broken.nii"), "wb") as f:
    f.write(b"\x5c\x01\0\0" + bytes(400))

# What a reason quotes of a header: no date, no name in small letters.
for number, modality in enumerate(("19870613", "zqplanted")):
    ds = pydicom.dcmread(os.path.join(made, "axial", sorted(os.listdir(os.path.join(made, "axial")))[0]))
    ds.Modality, ds.SeriesInstanceUID, ds.SOPInstanceUID = modality, f"1.2.3.{number}", f"1.2.3.{number}.1"
    ds.save_as(os.path.join(given, f"other{number}"))

common = ["prepare", given, "--key", key, "--allow-synthetic", "--split", "100,0,0"]
check(b"3 series" in run(*common, "-o", out, "--dry-run") and not os.path.exists(out), "dry run")
words = run(*common, "-o", out)
check(not leaks(out), f"leaks: {leaks(out)[:5]}")
check(not leaks(words), f"leaks in words: {words!r}")
report = json.load(open(os.path.join(out, "report.json")))
# The coronal head is the axial one scanned another way: the same slices to the bit, under another name.
check(report["series"] == 3 and report["subjects"] == 3 and report["refused"] == 4, f"counted {report}")
check([s["reason"] for s in report["sources"] if "same" in s.get("reason", "")] == ["the same slices as another series"], "twins")
rows = list(csv.DictReader(open(os.path.join(out, "manifest.tsv")), delimiter="\t"))
check(len(rows) == report["slices_kept"] > 10, "rows are missing")
for row in rows:
    volume = numpy.asanyarray(nibabel.load(os.path.join(out, row["file"])).dataobj)
    pixels = numpy.asfortranarray(volume[:, :, int(row["index"])]).astype("<f4").tobytes(order="F")
    check(hashlib.sha256(pixels).hexdigest() == row["sha256"], f"hash of {row}")
    affine = nibabel.load(os.path.join(out, row["file"])).affine
    check(abs((affine @ [31.5, 31.5, float(row["index"]), 1])[2] - float(row["z_mm"])) < 1e-3, f"z of {row}")
    check(0.08 <= float(row["foreground"]) <= 1 and row["split"] == "train", f"rule of {row}")

# The same bytes again; and after a kill, from where it stopped.
run(*common, "-o", out + "2", "-q")
check(digest(out) == digest(out + "2"), "the same input gives other bytes")
child = subprocess.Popen([mrcycle, *common, "-o", out + "3", "-q"], stdout=subprocess.DEVNULL)
records = os.path.join(out + "3.partial", ".work")
while child.poll() is None and not any(n.endswith(".txt") for n in (os.listdir(records) if os.path.isdir(records) else ())):
    time.sleep(0.01)
child.send_signal(signal.SIGKILL)
child.wait()
if child.returncode == -signal.SIGKILL:
    check(not os.path.exists(out + "3"), "half a set has its name")
    first = next(n for n in os.listdir(records) if n.endswith(".txt"))
    before = os.stat(os.path.join(records, first)).st_mtime_ns
    images = {p: os.stat(p).st_mtime_ns for r, _, f in os.walk(out + "3.partial") for p in (os.path.join(r, n) for n in f)
              if first[:16] in p and p.endswith(".nii.gz")}
    run(*common, "-o", out + "3", "-q")
    for path, when in images.items():
        now = os.stat(path.replace(out + "3.partial", out + "3")).st_mtime_ns
        check(now == when, "a finished series was made again")
    check(digest(out) == digest(out + "3"), "an interrupted run ends with other bytes")
run(*common, "-o", out, code=40)
run(*common, "-o", out, "--replace", "-q")
# Heads of one name are of two people when they lie in two data sets: two inputs (one's name the beginning of the other's),
# folders of one name, or folders below one input that are described as data sets; in any order. What was derived from a
# data set is of its people. Who is in a data set is called the same, alone or with others.
head = nibabel.load(os.path.join(made, "axial.nii.gz"))
voxels, heads = numpy.asanyarray(head.dataobj), 0


def place(*folders, name="t1.nii.gz"):
    """A head that no other is equal to, in each folder, every second slice of it."""
    global heads
    for folder in folders:
        heads += 1
        os.makedirs(os.path.join(work, folder), exist_ok=True)
        image = nibabel.Nifti1Image(numpy.ascontiguousarray(voxels[heads % 4 :, heads // 4 :, ::2]), head.affine @ numpy.diag([1, 1, 2, 1]), head.header)
        nibabel.save(image, os.path.join(work, folder, name))


def subjects(*inputs):
    run("prepare", *(os.path.join(work, i) for i in inputs), "-o", out + "5", "--key", key, "--allow-synthetic", "-q", "--replace")
    return sorted(n for n in os.listdir(out + "5") if n.startswith("sub-"))


place("n/s1", "n/s10")
place("b/one/sub-01/anat", "b/two/sub-01/anat", "b/other/one/sub-01/anat", name="sub-01_T1w.nii.gz")
place("b/one/derivatives/made/sub-01/anat", name="sub-01_desc-made_T1w.nii.gz")
for inputs in (("n/s1", "n/s10"), ("b/one", "b/two"), ("b/one", "b/other/one")):
    both = subjects(*inputs)
    check(len(both) == 2 and both == subjects(*inputs[::-1]), f"subjects of {inputs}: {both}")
alone = subjects("b/two")
check(alone == subjects("b/two/sub-01") and set(alone) < set(subjects("b/one", "b/two")), "a subject's name depends on what is with it")
for folder in ("one", "one/derivatives/made", "two", "other/one"):
    with open(os.path.join(work, "b", folder, "dataset_description.json"), "w") as f:
        f.write("{}")
check(len(subjects("b")) == 3, "data sets of one input")
run("prepare", given, "-o", out + "4", "--key", os.path.join(out + "4", "key"), code=1)

# Trained on as it is; not when a subject stands on two sides.
train = ["train", out, "--allow-synthetic", "--generator", "local", "--width", "4", "--disc-width", "4", "--epochs", "1", "-q"]
run(*train, "-o", os.path.join(work, "run"))
manifest = os.path.join(out, "manifest.tsv")
text = open(manifest).read()
with open(manifest, "w") as f:
    f.write(text[: text.rindex("train")] + "test\n")
run(*train, "-o", os.path.join(work, "run2"), code=21)
print(f"{len(rows)} slices, nothing planted came out, the same after a kill")
shutil.rmtree(work)
