#!/usr/bin/env python3
"""contract.py MRCYCLE: a model translates with the limits, the room and the size its training set was prepared with, whoever
applies it; what contradicts a set or another model is refused."""
import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

try:
    import nibabel
    import pydicom
except ImportError as why:
    print(f"skipped: {why}")
    sys.exit(77)

mrcycle = sys.argv[1]
work = tempfile.mkdtemp()
WORDS = {"normalise": "1,99", "room": "T1w=1,T2w=2.2"}
NETS = ["--generator", "local", "--disc-width", "4", "--warm-up", "2", "--batch", "2", "--epochs", "1", "--sample-every", "0"]


def check(truth, words):
    if not truth:
        shutil.rmtree(work, ignore_errors=True)
        sys.exit(f"contract: {words}")


def at(*parts):
    return os.path.join(work, *parts)


def run(*words, code=0):
    done = subprocess.run([mrcycle, *words], capture_output=True, text=True)
    check(done.returncode == code, f"{' '.join(words)}: exit code {done.returncode}, expected {code}: {done.stderr}")
    return done.stdout + done.stderr


def contract(model):
    return json.loads(run("info", model, "--json"))["checkpoints"][0]["contract"]


def limits_of_set():
    """Of each contrast of the first patient: the two intensities, and the head that has them."""
    with open(at("set", "manifest.tsv")) as f:
        return {(row["contrast"], round(float(row["intensity_low"]), 2), round(float(row["intensity_high"]), 2))
                for row in csv.DictReader(f, delimiter="\t")}


run("phantom", "-o", at("heads"), "--subjects", "2", "--seed", "5", "--voxel", "3,3,6")
nifti = {c: at("heads", "sub-01", "anat", f"sub-01_{c}.nii.gz") for c in ("T1w", "T2w")}
run("prepare", at("heads", "sub-01", "anat"), at("heads", "sub-02", "anat"), "-o", at("set"), "--split", "100,0,0", "--normalise", "1,99", "--room", "T2w=2.2", "--size", "32", "-q")
with open(at("set", "contract.json")) as f:
    of_set = json.load(f)
check({k: of_set[k] for k in WORDS} == WORDS and of_set["sample"] == "1,1,32,32", f"contract.json: {of_set}")

# --- a set's contract becomes the model's, and the model's what translate does
run("train", at("set"), "-o", at("run"), *NETS, "-q")
for model in (at("run", "model.safetensors"), at("run", "checkpoints", "last.safetensors")):
    found = contract(model)
    check({k: found[k] for k in of_set if k != "made_by"} == {k: v for k, v in of_set.items() if k != "made_by"}, f"{model}: {found}")
limits = limits_of_set()
for source, to in (("T1w", "T2w"), ("T2w", "T1w")):
    out = at(f"to_{to}.nii.gz")
    run("translate", nifti[source], "-o", out, "--to", to, "--model", at("run"), "--size", "32", "--allow-synthetic", "-q")
    with open(out.replace(".nii.gz", ".json")) as f:
        sidecar = json.load(f)
    low, high = (float(x) for x in re.search(r"intensity (\S+)\.\.(\S+) to", sidecar["Steps"]).groups())
    near = [x for x in limits if x[0] == source and abs(x[1] - low) < 1e-2 and abs(x[2] - high) < 2e-5 * high]
    check(len(near) == 1, f"{source}: translated with {low} and {high}, trained with {limits}")
    check("low_percentile=1;high_percentile=99;" in sidecar["Settings"], sidecar["Settings"])
    check(sidecar["Settings"].endswith(";room_from=%s;room_to=%s" % (("1", "2.2") if to == "T2w" else ("2.2", "1"))), sidecar["Settings"])
    image = nibabel.load(out)
    white = 1 / 2.2 if to == "T2w" else 1
    check(abs(float(image.header["cal_max"]) - white) < 1e-6, f"{to}: cal_max {image.header['cal_max']}, expected {white}")
    check(0 <= image.get_fdata().min() and image.get_fdata().max() <= 1, f"{to}: beyond 0 and 1")
run("translate", at("heads", "sub-01", "dicom", "T1w"), "-o", at("series"), "--to", "T2w", "--model", at("run"), "--size", "32",
    "--allow-synthetic", "--no-report", "-q")
window = pydicom.dcmread(at("series", "IM0001.dcm"))
check(int(window.WindowWidth) == round(4096 / 2.2), f"window of {window.WindowWidth}")

# --- folders with the same words give the same contract; the default stays what it was
for c in nifti:
    os.makedirs(at("folders", c))
    shutil.copy(nifti[c], at("folders", c))
run("train", at("folders"), "-o", at("same"), *NETS, "--size", "32", "--normalise", "1,99", "--room", "T2w=2.2", "--allow-synthetic", "-q")
check(contract(at("same", "model.safetensors")) == contract(at("run", "model.safetensors")), "folders: another contract than the set's")
run("train", at("folders"), "-o", at("plain"), *NETS, "--size", "32", "--allow-synthetic", "-q")
plain = contract(at("plain", "model.safetensors"))
check(plain["normalise"] == "0.5,95" and plain["room"] == "T1w=1,T2w=1", f"plain: {plain}")
run("train", "--repeat", at("same"), "-o", at("again"), "-q")
with open(at("same", "model.safetensors"), "rb") as a, open(at("again", "model.safetensors"), "rb") as b:
    check(a.read() == b.read(), "--repeat: other bytes")

# --- contradictions
said = run("train", at("set"), "-o", at("no"), *NETS, "--normalise", "0.5,95", code=1)
check("made with normalise 1,99, expected 0.5,95" in said, said)
said = run("train", at("set"), "-o", at("no"), *NETS, "--size", "64", code=1)
check("slices of 32 x 32 pixels, expected 64 x 64" in said, said)
said = run("train", at("folders"), "-o", at("no"), *NETS, "--room", "T2w=0.5", code=1)
check("room is" in said, said)
evaluate = ["evaluate", at("folders"), "--allow-synthetic", "--no-mirror", "--model"]
said = run(*evaluate, at("run"), "--model", at("plain"), code=22)
check("made with normalise 0.5,95, expected 1,99 as the first model" in said, said)
run(*evaluate, at("run"), "-o", at("scores"))
with open(at("scores", "scores.json")) as f:
    scores = json.load(f)
check({k: scores[k] for k in WORDS} == WORDS, "scores.json: other limits than the model's")

# --- a third contrast, by its name alone
os.makedirs(at("folders", "FLAIR"))
flair = at("heads", "sub-01", "anat", "sub-01_FLAIR.nii.gz")
shutil.copy(flair, at("folders", "FLAIR"))
for pair in (("FLAIR", "T2w"), ("T1w", "FLAIR")):
    run("train", at("folders"), "-o", at("third"), *NETS, "--size", "32", "--contrasts", ",".join(pair), "--room", f"{pair[1]}=1.5",
        "--allow-synthetic", "--replace", "-q")
    found = contract(at("third", "model.safetensors"))
    check(found["contrasts"] == ",".join(pair) and found["room"] == f"{pair[0]}=1,{pair[1]}=1.5", f"{pair}: {found}")
    for source, to in (pair, pair[::-1]):
        given = flair if source == "FLAIR" else nifti[source]
        run("translate", given, "-o", at("third.nii"), "--to", to, "--model", at("third"), "--size", "32", "--allow-synthetic", "--replace", "-q")
        with open(at("third.json")) as f:
            sidecar = json.load(f)
        check(sidecar["DerivedFromContrast"] == source and sidecar["Contrast"] == to, f"{source} to {to}: {sidecar['Description']}")
said = run("translate", nifti["T1w"], "-o", at("no.nii"), "--to", "T2w", "--model", at("third"), "--allow-synthetic", code=1)
check("translation to T2w, expected one of the model's, T1w,FLAIR" in said, said)
said = run("translate", flair, "-o", at("no.nii"), "--to", "FLAIR", "--model", at("third"), "--allow-synthetic", code=22)
check("recognised as FLAIR, expected T1w" in said, said)
said = run("evaluate", at("folders"), "--model", at("third"), "--allow-synthetic", "--no-mirror")
check("T1w to FLAIR" in said and "FLAIR to T1w" in said, said)
run("train", at("folders"), "-o", at("no"), *NETS, "--contrasts", "T1w", code=1)

# --- what a file does not say can be said for it
run("export", at("plain", "model.safetensors"), "-o", at("told.safetensors"), "--normalise", "1,99", "--room", "T2w=2.2")
check({k: contract(at("told.safetensors"))[k] for k in WORDS} == WORDS, "export: the words are not in the model")
os.remove(at("set", "contract.json")) # as sets of earlier versions
run("train", at("set"), "-o", at("older"), *NETS, "-q")
check(contract(at("older", "model.safetensors"))["normalise"] == "1,99", "an older set: its report.json was not read")

# --- sides: checks are made on `val` where it has both contrasts, an evaluation takes `test`
def move(side, chosen):
    """The rows of the set that are chosen go to that side."""
    with open(at("set", "manifest.tsv")) as f:
        rows = list(csv.DictReader(f, delimiter="\t"))
    for row in rows:
        row["split"] = side if chosen(row) else "train"
    with open(at("set", "manifest.tsv"), "w") as f:
        out = csv.DictWriter(f, rows[0].keys(), delimiter="\t", lineterminator="\n")
        out.writeheader()
        out.writerows(rows)
    return rows


with open(at("set", "manifest.tsv")) as f:
    second = sorted({row["subject"] for row in csv.DictReader(f, delimiter="\t")})[1]
rows = move("val", lambda row: row["subject"] == second)
said = run("train", at("set"), "-o", at("watching"), *NETS)
for contrast in ("T1w", "T2w"):
    count = sum(row["split"] == "val" and row["contrast"] == contrast for row in rows)
    check(f"{contrast}: 1 series, {count} slices of the side val" in said, said)
with open(at("older", "checks.csv")) as a, open(at("watching", "checks.csv")) as b:
    check(a.read() != b.read(), "checks on val are those on the training side")
move("val", lambda row: row["subject"] == second and row["contrast"] == "T1w")
with open(at("set", "manifest.tsv")) as f:
    text = f.read()
with open(at("set", "manifest.tsv"), "w") as f: # a subject on two sides would be refused: T2w leaves
    f.write("".join(line for line in text.splitlines(True) if not (second in line and "_T2w." in line)))
said = run("train", at("set"), "-o", at("lacking"), *NETS)
check("warning: no T2w slice on the side val" in said, said)
with open(at("set", "manifest.tsv"), "w") as f:
    f.write(text)
rows = move("test", lambda row: row["subject"] == second)
run("evaluate", at("set"), "--model", at("older"), "--no-mirror", "-o", at("tested"))
with open(at("tested", "scores.json")) as f:
    scores = json.load(f)
check(scores["paired"] and scores["normalise"] == "1,99", f"the side test: paired {scores['paired']}, {scores['normalise']}")
check(scores["directions"][0]["slices"] > 10, "the side test has no slices")
said = run("evaluate", at("set"), "--split", "val", "--model", at("older"), code=22)
check("no T1w slice on the side val" in said, said)
said = run("evaluate", at("set"), "--model", at("plain"), code=1)
check("made with normalise 1,99, expected 0.5,95" in said, said)

# --- weights to begin with
said = run("train", at("folders"), "-o", at("on"), *NETS[:-2], "--size", "32", "--allow-synthetic", "--init", at("run"))
check("begins with the weights of" in said and "made with normalise 1,99, expected 0.5,95" in said, said)
said = run("train", at("folders"), "-o", at("no"), *NETS, "--generator", "hybrid", "--size", "32", "--allow-synthetic", "--init", at("run"), code=1)
check("of another kind" in said, said)
shutil.rmtree(work)
