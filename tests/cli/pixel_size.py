#!/usr/bin/env python3
"""pixel_size.py MRCYCLE: a model of pixels of a size in mm gets them of every scan: its field of view is cut or padded, never stretched,
and what lies outside is no result."""
import csv
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile

try:
    import nibabel
    import numpy
except ImportError as why:
    print(f"skipped: {why}")
    sys.exit(77)

mrcycle = sys.argv[1]
work = tempfile.mkdtemp()
SIZE, PIXEL_MM = 32, 4.0
NETS = ["--generator", "local", "--disc-width", "4", "--warm-up", "2", "--batch", "2", "--epochs", "1", "--sample-every", "0", "-q"]


def check(truth, words):
    if not truth:
        shutil.rmtree(work, ignore_errors=True)
        sys.exit(f"pixel_size: {words}")


def at(*parts):
    return os.path.join(work, *parts)


def run(*words, code=0):
    done = subprocess.run([mrcycle, *words], capture_output=True, text=True)
    check(done.returncode == code, f"{' '.join(words)}: exit code {done.returncode}, expected {code}: {done.stderr}")
    return done.stdout + done.stderr


run("phantom", "-o", at("heads"), "--seed", "3", "--voxel", "3,3,6")
scan = {c: at("heads", "sub-01", "anat", f"sub-01_{c}.nii.gz") for c in ("T1w", "T2w")}
source = nibabel.load(scan["T1w"])
field_mm = [n * 3.0 for n in source.shape[:2]]
check(min(field_mm) > SIZE * PIXEL_MM, f"the phantom's field of view is {field_mm} mm: nothing would be cut")

run("prepare", at("heads", "sub-01", "anat"), "-o", at("no"), "--pixel-mm", "0.05", code=1)
run("prepare", at("heads", "sub-01", "anat"), "-o", at("set"), "--size", str(SIZE), "--pixel-mm", str(PIXEL_MM), "--split", "100,0,0", "-q")
with open(at("set", "contract.json")) as f:
    contract = json.load(f)
check(contract["pixel_mm"] == "4" and contract["sample"] == "1,1,32,32", f"contract.json: {contract}")
with open(at("set", "manifest.tsv")) as f:
    rows = list(csv.DictReader(f, delimiter="\t"))
check({row["pixel_mm"] for row in rows} == {"4"}, "manifest.tsv: another size of pixels")

# the set's slices lie where the scan lies: middle on middle, pixel for pixel
for name in {row["file"] for row in rows}:
    cut = nibabel.load(at("set", name))
    check(cut.shape[:2] == (SIZE, SIZE), f"{name}: {cut.shape}")
    check(numpy.allclose(numpy.linalg.norm(cut.affine[:3, :2], axis=0), PIXEL_MM, atol=1e-5), f"{name}: pixels of another size")
    middles = [image.affine @ [*((n - 1) / 2 for n in image.shape[:3]), 1] for image in (cut, source)]
    check(numpy.allclose(*middles, atol=1e-3), f"{name}: its middle lies at {middles[0]}, the scan's at {middles[1]}")

# the model asks for the same of a scan, at its own size of slices and at twice that
run("train", at("set"), "-o", at("run"), *NETS)
model = json.loads(run("info", at("run", "model.safetensors"), "--json"))["checkpoints"][0]["contract"]
check(model["pixel_mm"] == "4", f"the model's contract: {model}")
inside = [numpy.abs((numpy.arange(n) - (n - 1) / 2) * 3.0) < SIZE * PIXEL_MM / 2 for n in source.shape[:2]]
inside = (inside[0][:, None] & inside[1][None, :])[:, :, None]
for size in (SIZE, 2 * SIZE):
    out = at(f"t2_{size}.nii.gz")
    said = run("translate", scan["T1w"], "-o", out, "--to", "T2w", "--model", at("run"), "--size", str(size), "--allow-synthetic")
    check("of the head lie outside the model's field of view of 128 mm" in said, said)
    made = nibabel.load(out)
    check(made.shape == source.shape and numpy.allclose(made.affine, source.affine), f"{size}: another grid than the scan's")
    voxels = made.get_fdata()
    check(numpy.all(voxels[~numpy.broadcast_to(inside, voxels.shape)] == 0), f"{size}: an image outside the field of view")
    check(voxels[numpy.broadcast_to(inside, voxels.shape)].max() > 0.1, f"{size}: no image inside it")
    with open(out.replace(".nii.gz", ".json")) as f:
        steps = json.load(f)["Steps"]
    cut = re.search(r"cut to (\S+) mm square, resampled to (\d+) x \d+ at (\S+) mm", steps)
    check(cut and [float(x) for x in cut.groups()] == [128, size, 128 / size], f"{size}: {steps}")
    with open(at(f"t2_{size}_report", "report.json")) as f:
        warnings = json.load(f)["Warnings"]
    check(any("outside the model's field of view" in w for w in warnings), f"{size}: {warnings}")

# planes are fused where they have an image: where only axial slices have one, theirs is the result
with open(at("run", "model.safetensors"), "rb") as f:
    length = struct.unpack("<Q", f.read(8))[0]
    header, rest = json.loads(f.read(length)), f.read()
header["__metadata__"]["planes"] = "axial,sagittal,coronal"
header["__metadata__"]["pixel_mm"] = "2"
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
with open(at("planes.safetensors"), "wb") as f:
    f.write(struct.pack("<Q", len(text)) + text + rest)
run("phantom", "-o", at("fine"), "--seed", "3", "--voxel", "3,3,3")
fine = at("fine", "sub-01", "anat", "sub-01_T1w.nii.gz")
made = {}
for name, words in (("fused", []), ("axial", ["--one-plane", "--no-mirror"])):
    run("translate", fine, "-o", at(f"{name}.nii"), "--to", "T2w", "--model", at("planes.safetensors"), "--size", "32", "--upsample", "cubic",
        "--no-report", "--allow-synthetic", "-q", *words)
    made[name] = nibabel.load(at(f"{name}.nii")).get_fdata()
sides = made["fused"].shape
middle = [numpy.abs((numpy.arange(n) - (n - 1) / 2) * 3.0) < SIZE * 2.0 / 2 for n in sides]
x, y, z = numpy.meshgrid(*middle, indexing="ij")
alone = x & y & ~z
check(alone.sum() > 1000 and made["axial"][alone].max() > 0.2, "planes: no voxel that axial slices alone show")
check(numpy.array_equal(made["fused"][alone], made["axial"][alone]), "planes: a mean with planes that have no image there")
several = x & y & z
check(not numpy.array_equal(made["fused"][several], made["axial"][several]), "planes: nothing was fused")
check(numpy.all(made["fused"][~x & ~y & ~z] == 0), "planes: an image where no plane has one")

# a larger field of view is padded: nothing is lost, and pictures have no such size
run("prepare", at("heads", "sub-01", "anat"), "-o", at("wide"), "--size", "80", "--pixel-mm", "4", "--split", "100,0,0", "-q")
run("train", at("wide"), "-o", at("wider"), *NETS)
said = run("translate", scan["T1w"], "-o", at("t2.nii"), "--to", "T2w", "--model", at("wider"), "--size", "80", "--allow-synthetic", "--no-report")
check("outside" not in said, said)
run("translate", scan["T1w"], "-o", at("png"), "--to", "T2w", "--format", "png", "--no-report", "--allow-synthetic", "--model", at("run"), "-q")
said = run("translate", at("png"), "-o", at("again"), "--to", "T1w", "--from", "T2w", "--no-report", "--allow-synthetic", "--model", at("run"), code=22)
check("pixels without a size" in said, said)

# an evaluation at another size has the same field of view
os.makedirs(at("folders"))
for c, path in scan.items():
    os.makedirs(at("folders", c))
    shutil.copy(path, at("folders", c))
run("evaluate", at("folders"), "--model", at("run"), "--size", "64", "--allow-synthetic", "--no-mirror", "-o", at("scores"))
shutil.rmtree(work)
