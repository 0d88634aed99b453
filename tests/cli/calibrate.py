#!/usr/bin/env python3
"""evaluate --calibrate: a model that has been measured on pairs says in reports what error to expect, one that was measured on too
few does not; the weights stay, and the heads it was calibrated on keep the bound.

usage: calibrate.py MRCYCLE
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

mrcycle = sys.argv[1]
work = tempfile.mkdtemp()
HEADS = 9


def at(*names):
    return os.path.join(work, *names)


def check(truth, words):
    if not truth:
        shutil.rmtree(work, ignore_errors=True)
        sys.exit(f"calibrate: {words}")


def run(*words, code=0):
    done = subprocess.run([mrcycle, *words], capture_output=True, text=True)
    check(done.returncode == code, f"{words[0]}: exit code {done.returncode}, expected {code}: {done.stderr}")
    return done.stdout if code == 0 else done.stderr


def make_set(name, heads):
    for contrast in ("T1w", "T2w"):
        os.makedirs(at(name, contrast))
        for n in range(1, heads + 1):
            os.symlink(at("heads", f"sub-{n:02}", "anat", f"sub-{n:02}_{contrast}.nii.gz"), at(name, contrast, f"sub-{n:02}.nii.gz"))
    return at(name)


def weights(model):
    """SHA-256 of them, as the program tells it."""
    return re.search(r"[0-9a-f]{16,64}", run("info", model)).group()


def report(model, name):
    run("translate", at("heads", "sub-01", "anat", "sub-01_T1w.nii.gz"), "-o", at(name + ".nii.gz"), "--to", "T2w", "--model", model,
        "--allow-synthetic", "--report", at(name), "-q")
    with open(at(name, "report.html"), encoding="utf-8") as file:
        page = file.read()
    with open(at(name, "report.json"), encoding="utf-8") as file:
        return json.load(file), page


run("phantom", "-o", at("heads"), "--subjects", str(HEADS), "--voxel", "9", "-q")
whole, few = make_set("whole", HEADS), make_set("few", 8)
quick = ["--no-mirror", "--size", "32", "--allow-synthetic", "-q"]
model = ["--model", "t1w-t2w-64", *quick]
run("evaluate", whole, *model, "--calibrate", at("good.safetensors"))
run("evaluate", few, *model, "--calibrate", at("few.safetensors"))
run("evaluate", few, *model, "--calibrate", at("few.safetensors"), code=40)
check(weights(at("good.safetensors")) == weights(at("few.safetensors")), "the weights are not the same")
check("pair" in run("evaluate", whole, *model, "--pairs", "none", "--calibrate", at("none.safetensors"), code=1), "calibrated without pairs")
check(not os.path.exists(at("none.safetensors")), "a file for nothing")

said, page = report(at("good.safetensors"), "good")
check(said["CalibrationHeads"] == HEADS and 0.0 < said["ExpectedError"] < 1.0, f"report.json: {said['CalibrationHeads']}, {said['ExpectedError']}")
check(f"calibrated on {HEADS} heads (9 needed)" in page, "report.html does not say what to expect")
check("A lesion that the T1w does not show cannot appear" in page, "report.html does not say what cannot appear")
said, page = report(at("few.safetensors"), "few_")
check(said["CalibrationHeads"] == 8 and said["ExpectedError"] is None, f"report.json: {said['CalibrationHeads']}, {said['ExpectedError']}")
check("not calibrated: 8 of 9 heads" in page, "report.html hides that the heads were too few")

table = run("evaluate", whole, "--model", at("good.safetensors"), *quick)
lines = [line for line in table.splitlines() if "calibrated:" in line]
check(len(lines) == 2 and all(f"here in {HEADS} of {HEADS}" in line or f"here in {HEADS - 1} of {HEADS}" in line for line in lines), table)
shutil.rmtree(work, ignore_errors=True)
