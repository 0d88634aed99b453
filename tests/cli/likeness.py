#!/usr/bin/env python3
"""likeness.py MRCYCLE MAKE_INPUTS [all]: true heads of other scanners are not called far from what the shipped model was trained
on; noise, an image like a CT, an infant, an even disc and the other contrast are. Figures without ../shared: only what is made here.
A model without figures says so, and `export --trained-on` gives it some. Of the real heads a few are taken, and a small network that
has the shipped model's figures; with `all` all heads, and the shipped model."""
import glob
import json
import os
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

mrcycle, make_inputs = sys.argv[1:3]
take_all = sys.argv[3:4] == ["all"]
here = os.path.dirname(os.path.abspath(__file__))
shared = os.path.join(here, "..", "..", "..", "shared", "data")
work = tempfile.mkdtemp()


def check(truth, words):
    if not truth:
        shutil.rmtree(work, ignore_errors=True)
        sys.exit(f"likeness: {words}")


def at(name):
    return os.path.join(work, name)


def look(source, contrast, *more):
    """The report of an image that is taken as one of `contrast`, and what was said."""
    to = "T2w" if contrast == "T1w" else "T1w"
    done = subprocess.run([mrcycle, "translate", source, "-o", at("out.nii"), "--report", at("report"), "--to", to, "--force", "--grid", "model",
                           "--size", "64", "--no-mirror", "--allow-synthetic", "--assume-ras", "--replace", *more], capture_output=True, text=True)
    check(done.returncode == 0, f"{source}: exit code {done.returncode}: {done.stderr}")
    return json.load(open(at("report/report.json"))), done.stderr


def save(name, voxels):
    path = at(name + ".nii")
    voxels = voxels + numpy.where(voxels > 0, 0.25 * numpy.sin(numpy.arange(voxels.size)).reshape(voxels.shape), 0)  # no label map
    nibabel.save(nibabel.Nifti1Image(voxels.astype("f4"), numpy.diag([3, 3, 3, 1])), path)
    return path


def read_header(path):
    """The length of a safetensors file's header, and the header."""
    with open(path, "rb") as f:
        length = struct.unpack("<Q", f.read(8))[0]
        return length, json.loads(f.read(length))


def with_figures(model, path):
    """The network of `model` with the figures of the shipped one."""
    length, header = read_header(model)
    shipped = read_header(os.path.join(here, "..", "..", "sample_data", "models", "t1w-t2w-64.safetensors"))[1]["__metadata__"]
    header["__metadata__"].update({key: shipped[key] for key in ("trained_T1w", "trained_T2w")})
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(model, "rb") as f, open(path, "wb") as out:
        f.seek(8 + length)
        out.write(struct.pack("<Q", len(text)) + text + f.read())
    return path


distances = []
subprocess.run([make_inputs, work], check=True, stdout=subprocess.DEVNULL)
head, model = at("axial.nii.gz"), at("model.safetensors")
chosen = () if take_all else ("--model", with_figures(model, at("figures.safetensors")))


def expect(source, contrast, far, name):
    report, said = look(source, contrast, *chosen)
    distance = report["DistanceFromTraining"]
    warned = any("far from" in w for w in report["Warnings"]), "far from the images" in said
    check(warned == (far, far), f"{name} as {contrast}: distance {distance}, warned {warned}, expected {far}")
    distances.append((far, distance, f"{name} {contrast}"))


# What is no head, made here: a ball of noise, of one grey, and with a bright shell and an even inside, as a CT has it.
rng = numpy.random.default_rng(1)
axes = numpy.meshgrid(*(numpy.linspace(-1, 1, n) for n in (61, 73, 61)), indexing="ij")
radius = numpy.sqrt((axes[0] / 0.8) ** 2 + (axes[1] / 0.9) ** 2 + (axes[2] / 0.85) ** 2)
ball = radius < 1
ct = numpy.where(ball, 1040.0, 0.0) + 1000 * ((radius < 0.93) & (radius > 0.83)) + rng.normal(0, 6, ball.shape)
fakes = {"noise": rng.uniform(0, 1000, ball.shape), "ball of noise": numpy.where(ball, rng.normal(500, 120, ball.shape), 0).clip(0),
         "ball": numpy.where(ball, 500.0, 0.0), "CT": ct.clip(0)}
for name, voxels in fakes.items():
    for contrast in ("T1w", "T2w"):
        expect(save("fake", voxels), contrast, True, name)
if not take_all:
    shipped, _ = look(save("fake", fakes["CT"]), "T1w")
    check(any(d == shipped["DistanceFromTraining"] for _, d, n in distances if n == "CT T1w"), "the small network has other figures")

paired, unpaired = os.path.join(shared, "paired"), os.path.join(shared, "unpaired")
if os.path.isdir(paired):
    heads = [(p, c) for f in sorted(os.listdir(paired)) for c in ("T1w", "T2w") for p in [os.path.join(paired, f, c[:2].lower() + ".nii.gz")]
             if os.path.exists(p)]
    heads += [(p, "T1w") for p in sorted(glob.glob(unpaired + "/nichart_demo_t1/*T1.nii.gz")) + [unpaired + "/mricron_ch2/ch2.nii.gz"]]
    heads += [(unpaired + "/niivue/M2208_T2w.nii.gz", "T2w")]
    for path, contrast in heads if take_all else [h for h in heads if "hcp" in h[0] or "6692/" in h[0] or "Subj20_" in h[0]]:
        expect(path, contrast, False, "/".join(path.split("/")[-2:]))
    expect(paired + "/dcan_infant_jlf/template01/t1.nii.gz", "T1w", True, "infant")
    for folder in ("brats_gli_00001", "hcp_mni152_2mm") if take_all else ("hcp_mni152_2mm",):
        expect(os.path.join(paired, folder, "t2.nii.gz"), "T1w", True, folder + "'s T2w")
        expect(os.path.join(paired, folder, "t1.nii.gz"), "T2w", True, folder + "'s T1w")
else:
    print("not run: real heads (../shared is absent)")

# Models of earlier versions, and how they come by figures.
report, said = look(head, "T1w", "--model", model)
check(report["DistanceFromTraining"] == "not recorded" and any("not recorded" in w for w in report["Warnings"]), f"{report['Warnings']}")
for contrast, source in (("T1w", head), ("T2w", at("t2.nii.gz"))):
    os.makedirs(at("set/" + contrast))
    shutil.copy(source, at("set/" + contrast))
done = subprocess.run([mrcycle, "export", model, "--trained-on", at("set"), "-o", at("told.safetensors")], capture_output=True, text=True)
if "synthetic" in done.stderr:  # phantoms are no training set unless told so; scans are
    print("not run: export --trained-on: " + done.stderr.strip())
else:
    check(done.returncode == 0, done.stderr)
    told, _ = look(head, "T1w", "--model", at("told.safetensors"))
    check(told["DistanceFromTraining"] < 1e-6, f"an image lies {told['DistanceFromTraining']} from a set of itself")
    check(told["ModelHash"] == report["ModelHash"], "other weights")
done = subprocess.run([mrcycle, "train", at("set"), "-o", at("run"), "--epochs", "1", "--size", "32", "--generator", "local", "--allow-synthetic",
                       "-q"], capture_output=True, text=True)
check(done.returncode == 0, done.stderr)
trained, _ = look(head, "T1w", "--size", "32", "--model", at("run"))
check(trained["DistanceFromTraining"] < 1e-6, f"training recorded something else: {trained['DistanceFromTraining']}")
for far in (False, True):
    listed = sorted((d, n) for f, d, n in distances if f == far and d is not None)
    if listed:
        print(f"{'far' if far else 'not far'}: {len(listed)}, from {listed[0][0]:.2f} ({listed[0][1]}) to {listed[-1][0]:.2f} ({listed[-1][1]})")
shutil.rmtree(work)
