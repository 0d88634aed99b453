#!/usr/bin/env python3
"""contrasts.py MRCYCLE: every contrast works by its name, in every command; a model of more contrasts than its two generators translate
between is described and refused."""
import csv
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile

try:
    import pydicom
except ImportError as why:
    print(f"skipped: {why}")
    sys.exit(77)

mrcycle = sys.argv[1]
work = tempfile.mkdtemp()
NETS = ["--generator", "local", "--disc-width", "4", "--warm-up", "2", "--batch", "2", "--epochs", "1", "--sample-every", "0", "-q"]


def check(truth, words):
    if not truth:
        shutil.rmtree(work, ignore_errors=True)
        sys.exit(f"contrasts: {words}")


def at(*parts):
    return os.path.join(work, *parts)


def run(*words, code=0):
    done = subprocess.run([mrcycle, *words], capture_output=True, text=True)
    check(done.returncode == code, f"{' '.join(words)}: exit code {done.returncode}, expected {code}: {done.stderr}{done.stdout}")
    return done.stdout + done.stderr


def usable(*words):
    """Of each series whether it can be used."""
    found = json.loads(run("info", at("heads", "sub-01", "anat"), "--json", *words))["series"]
    return {s["contrast"]: s for s in found if s["contrast"] != "unknown"}


def rewrite(model, out, changes):
    """The model's file with other metadata."""
    with open(model, "rb") as f:
        size = struct.unpack("<Q", f.read(8))[0]
        header, rest = json.loads(f.read(size)), f.read()
    header["__metadata__"].update(changes)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(out, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + rest)


run("phantom", "-o", at("heads"), "--subjects", "2", "--seed", "5", "--voxel", "3,3,6")
heads = [at("heads", s, "anat") for s in ("sub-01", "sub-02")]
nifti = {c: at("heads", "sub-01", "anat", f"sub-01_{c}.nii.gz") for c in ("T1w", "T2w", "PDw", "FLAIR")}

# --- a set of four contrasts: which are taken is asked for, room is each one's own, and pairs stay pairs
run("prepare", *heads, "-o", at("two"), "--split", "100,0,0", "--size", "32", "-q")
run("prepare", *heads, "-o", at("four"), "--room", "FLAIR=1.5,T2w=2.2", "--contrasts", "T1w,T2w,PDw,FLAIR", "--split", "100,0,0", "--size", "32", "-q")
for name, contrasts in (("two", ["T1w", "T2w"]), ("four", list(nifti))):
    with open(at(name, "contract.json")) as f:
        of_set = json.load(f)
    check(of_set["contrasts"] == ",".join(contrasts), f"{name}: {of_set['contrasts']}")
    with open(at(name, "participants.tsv")) as f:
        people = list(csv.DictReader(f, delimiter="\t"))
    check(len(people) == 2 and all(list(p)[2:] == contrasts and all(p[c] == "1" for c in contrasts) for p in people), f"{name}: {people}")
    with open(at(name, "manifest.tsv")) as f:
        rows = list(csv.DictReader(f, delimiter="\t"))
    check({row["contrast"] for row in rows} == set(contrasts), f"{name}: contrasts of the manifest")
    with open(at(name, "report.html")) as f:
        page = f.read()
    check(all((f"{c} slices" in page) == (c in contrasts) for c in nifti), f"{name}: contrasts of the page")
with open(at("two", "report.json")) as f:
    reasons = [s["reason"] for s in json.load(f)["sources"] if not s["used"] and s.get("contrast") in ("PDw", "FLAIR")]
check(len(reasons) == 4 and all("expected T1w or T2w" in r or "not of T1w or T2w" in r for r in reasons), f"two: {reasons}")

# --- any two of them are trained on by name, with the set's room for each
said = run("train", at("four"), "-o", at("no"), *NETS, code=1)
check("4 contrasts, expected two" in said, said)
said = run("train", at("two"), "-o", at("no"), *NETS, "--contrasts", "T1w,FLAIR", code=1)
check("made with contrasts T1w,T2w, expected T1w,FLAIR" in said, said)
run("train", at("four"), "-o", at("run"), *NETS, "--contrasts", "FLAIR,PDw", "--lambda-paired", "1")
model = json.loads(run("info", at("run", "model.safetensors"), "--json"))["checkpoints"][0]
check(model["contract"]["contrasts"] == "FLAIR,PDw" and model["contract"]["room"] == "FLAIR=1.5,PDw=1", f"contract {model['contract']}")

# --- what `info` calls usable is what the model translates
check({c for c, s in usable().items() if s["usable"]} <= {"T1w", "T2w"}, "info: other contrasts than the shipped model's")
check("expected T1w or T2w" in usable()["FLAIR"]["reason"], usable()["FLAIR"]["reason"])
mine = usable("--model", at("run"))
check("expected FLAIR or PDw" in mine["T1w"]["reason"] and "expected" not in mine["FLAIR"]["reason"], f"info --model: {mine}")
run("info", heads[0], "--model", at("absent"), code=20)

# --- one image, DICOM too: numbers beside the source's that no other contrast has
numbers = {}
for source, to in (("FLAIR", "PDw"), ("PDw", "FLAIR")):
    out = at(f"to_{to}")
    run("translate", at("heads", "sub-01", "dicom", source), "-o", out, "--to", to.lower(), "--model", at("run"), "--size", "32", "--uncertainty",
        f"{out}_error", "--allow-synthetic", "-q")
    for folder in (out, f"{out}_error"):
        first = pydicom.dcmread(os.path.join(folder, "IM0001.dcm"))
        numbers[folder] = int(first.SeriesNumber) % 100
    check(pydicom.dcmread(os.path.join(out, "IM0001.dcm")).SeriesDescription.startswith(f"SYNTH {to} from {source}"), f"{to}: its description")
check(list(numbers.values()) == [5, 7, 6, 8], f"series numbers {numbers}")
run("deidentify", at("to_FLAIR"), "-o", at("clean"), "-q")
files = [os.path.join(d, n) for d, _, names in os.walk(at("clean")) for n in names if n.endswith(".dcm")]
clean = pydicom.dcmread(files[0])
check(clean.SeriesDescription == "SYNTH FLAIR from PDw (AI, not acquired, not for diagnosis)", f"de-identified: {clean.SeriesDescription}")
check("SYNTH_FLAIR" in clean.ImageType, f"de-identified: {clean.ImageType}")
said = run("translate", nifti["FLAIR"], "-o", at("no.nii"), "--to", "PDw", "--from", "T1w", "--model", at("run"), "--allow-synthetic", code=1)
check("translation from T1w, expected FLAIR, from which the model makes PDw" in said, said)

# --- many, and a data set
many = run("translate", heads[0], "--all", "-o", at("many"), "--to", "PDw", "--model", at("run"), "--size", "32", "--allow-synthetic", "-q")
with open(at("many", "translations.tsv")) as f:
    rows = list(csv.DictReader(f, delimiter="\t"))
done = [r for r in rows if r["outcome"] == "done"]
check(len(done) == 1 and done[0]["output"].endswith("sub-01_FLAIR_synthetic_PDw.nii.gz"), f"many: {many}")
said = run("translate", heads[0], "--all", "-o", at("none"), "--to", "T2w", "--model", at("run"), code=1)
check("translation to T2w, expected one of the model's, FLAIR,PDw" in said, said)
run("bids", at("heads"), at("derivative"), "participant", "--participant-label", "01", "--to", "FLAIR", "--model", at("run"), "-q")
made = sorted(n for _, _, names in os.walk(at("derivative", "sub-01")) for n in names)
check(made == ["sub-01_desc-synth_FLAIR.json", "sub-01_desc-synth_FLAIR.nii.gz"], f"bids: {made}")

# --- scores, with the model and without
os.makedirs(at("folders"))
for c in ("T1w", "FLAIR"):
    os.makedirs(at("folders", c))
    for s in ("sub-01", "sub-02"):
        shutil.copy(at("heads", s, "anat", f"{s}_{c}.nii.gz"), at("folders", c))
said = run("evaluate", at("folders"), "--contrasts", "T1w,FLAIR", "--size", "32", "--allow-synthetic")
check("T1w to FLAIR" in said and "FLAIR to T1w" in said, said)
said = run("evaluate", at("folders"), "--allow-synthetic", code=20)
check("T2w: not found" in said, said)
said = run("evaluate", at("four"), "--split", "train", code=1)
check("4 contrasts, expected two" in said, said)
said = run("evaluate", at("four"), "--split", "train", "--model", at("run"), "--no-mirror", "-o", at("scores"))
check("FLAIR to PDw" in said and "PDw to FLAIR" in said, said)
with open(at("scores", "scores.json")) as f:
    scores = json.load(f)
check(scores["paired"] and scores["room"] == "FLAIR=1.5,PDw=1", f"scores: {scores['paired']}, {scores['room']}")

# --- a node, and ONNX
with open(at("serve.conf"), "w") as f:
    f.write(f"queue = {at('queue')}\nwatch = {at('heads')}\noutput = {at('out')}\nto = FLAIR\nmodel = {at('run')}\n")
run("serve", at("serve.conf"), "--check")
said = run("serve", at("serve.conf"), "--check", "--to", "T2w", code=1)
check("T2w, expected one of the model's, FLAIR,PDw" in said, said)
for to, source in (("FLAIR", "PDw"), ("PDw", "FLAIR")):
    run("export", at("run"), "-o", at(f"{to}.onnx"), "--format", "onnx", "--to", to)
    with open(at(f"{to}.onnx"), "rb") as f:
        check(f"{source} to {to}".encode() in f.read(), f"{to}.onnx: its direction")
said = run("export", at("run"), "-o", at("T1w.onnx"), "--format", "onnx", "--to", "T1w", code=1)
check("does not make T1w" in said, said)

# --- a model of three contrasts, such as one conditional generator would be
sizes = {"contrasts": "FLAIR,PDw,T1w", "room": "FLAIR=1.5", "trained_T1w": "1 9 0.5 0.5 0.5 0.5 0.5"}
rewrite(at("run", "model.safetensors"), at("three.safetensors"), sizes)
three = json.loads(run("info", at("three.safetensors"), "--json"))["checkpoints"][0]["contract"]
check(three["contrasts"] == "FLAIR,PDw,T1w" and three["room"] == "FLAIR=1.5,PDw=1,T1w=1", f"three: {three}")
for source, words in (("PDw", []), ("FLAIR", ["--from", "T1w"])):
    said = run("translate", nifti[source], "-o", at("no.nii"), "--to", "FLAIR", *words, "--model", at("three.safetensors"), "--allow-synthetic", code=1 if not words else 22)
    check(("from which the model makes FLAIR" if not words else "recognised as FLAIR, expected T1w") in said, said)
for words in (["translate", nifti["PDw"], "-o", at("no.nii"), "--to", "FLAIR", "--from", "PDw", "--allow-synthetic", "--model", at("three.safetensors")],
              ["export", at("three.safetensors"), "-o", at("no.onnx"), "--format", "onnx", "--to", "T1w"],
              ["evaluate", at("four"), "--split", "train", "--model", at("three.safetensors")],
              ["train", at("four"), "-o", at("no"), *NETS, "--contrasts", "FLAIR,PDw", "--init", at("three.safetensors")]):
    said = run(*words, code=22)
    check("a model of FLAIR,PDw,T1w, expected one of two contrasts" in said, said)
check(not os.path.exists(at("no.nii")) and not os.path.exists(at("no.onnx")), "a refused model wrote something")
shutil.rmtree(work)
