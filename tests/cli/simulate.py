#!/usr/bin/env python3
"""simulate from outside: one line for each bad label map; the same bytes on one thread and on two, for a head alone and among
others, and for a run that was killed and taken up again; what stands in the way is refused.

usage: simulate.py MRCYCLE MAKE_INPUTS
"""
import glob
import gzip
import hashlib
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

mrcycle = sys.argv[1]
work = tempfile.mkdtemp()
QUICK = ["--voxel", "3,6", "--strip", "0.5", "-q"]


def check(truth, words):
    if not truth:
        shutil.rmtree(work, ignore_errors=True)
        sys.exit(f"simulate: {words}")


def path(*names):
    return os.path.join(work, *names)


def make_map():
    """The generated head's tissues, and their table."""
    subprocess.run([mrcycle, "phantom", "-o", path("phantom"), "--voxel", "2.9", "-q"], check=True, stdout=subprocess.DEVNULL)
    return path("phantom", "sub-01", "anat", "sub-01_dseg.nii.gz"), path("phantom", "dseg.tsv")


def simulate(out, *more, code=0):
    done = subprocess.run([mrcycle, "simulate", LABELS, "--labels", TABLE, "-o", path(out), *QUICK, *more], capture_output=True, text=True)
    check(done.returncode == code, f"exit code {done.returncode}, expected {code}: {done.stderr}")
    check(code == 0 or done.stderr.count("\n") == 1, f"expected one line, got: {done.stderr}")
    return done.stderr


def digest(out, *names):
    """Names and bytes of all files, or of those below the given folders."""
    found = {}
    for root, _, files in os.walk(path(out)):
        for name in files:
            full = os.path.join(root, name)
            where = os.path.relpath(full, path(out))
            if not names or where.split(os.sep)[0] in names:
                with open(full, "rb") as file:
                    found[where] = hashlib.sha256(file.read()).hexdigest()
    return found


def nifti(name, dims, value):
    """A float32 volume with one voxel of that value."""
    count = 1
    for d in dims:
        count *= d
    dim = [len(dims)] + list(dims) + [1] * (7 - len(dims))
    head = bytearray(348)
    struct.pack_into("<i", head, 0, 348)
    struct.pack_into("<8h", head, 40, *dim)
    struct.pack_into("<hh", head, 70, 16, 32)
    struct.pack_into("<8f", head, 76, 1, 1, 1, 1, 1, 1, 1, 1)
    struct.pack_into("<ff", head, 108, 352, 1)
    struct.pack_into("<hh", head, 252, 0, 1)
    struct.pack_into("<12f", head, 280, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0)
    head[344:348] = b"n+1\0"
    voxels = [0.0] * count
    voxels[count // 2] = value
    with gzip.open(path(name), "wb") as file:
        file.write(bytes(head) + b"\0\0\0\0" + struct.pack(f"<{count}f", *voxels))


def bad_maps():
    cases = {"fraction": ((8, 8, 8), 1.5, "expected whole labels"), "negative": ((8, 8, 8), -2.0, "expected labels from 0 on"),
             "unknown": ((8, 8, 8), 777.0, "label 777"), "four": ((8, 8, 8, 3), 2.0, ""), "empty": ((8, 8, 8), 0.0, "nothing but air"),
             "small": ((8, 8, 8), 2.0, "no brain")}
    for name, (dims, value, words) in cases.items():
        nifti(f"{name}.nii.gz", dims, value)
        done = subprocess.run([mrcycle, "simulate", path(f"{name}.nii.gz"), "-o", path("never"), "-q"], capture_output=True, text=True)
        check(20 <= done.returncode < 40 and done.stderr.count("\n") == 1 and words in done.stderr and f"{name}.nii.gz" in done.stderr,
              f"{name}: {done.returncode} {done.stderr}")
        check(not os.path.exists(path("never")) and not os.path.exists(path("never.partial")), f"{name} left something")
    os.mkdir(path("bare"))
    for given, words in ((path("bare"), "no NIfTI file"), (path("nowhere"), "not there")):
        done = subprocess.run([mrcycle, "simulate", given, "-o", path("never"), "-q"], capture_output=True, text=True)
        check(done.returncode == 20 and words in done.stderr and done.stderr.count("\n") == 1, done.stderr)


def threads_and_numbers():
    simulate("one", "--subjects", "3", "--threads", "1")
    simulate("two", "--subjects", "3", "--threads", "2")
    check(digest("one") == digest("two"), "two threads give other bytes than one")
    simulate("third", "--first", "3", "--threads", "2")
    check(digest("third", "sub-00003") == digest("one", "sub-00003"), "the third head differs when it is made alone")
    simulate("other", "--seed", "2")
    check(digest("other", "sub-00001") != digest("one", "sub-00001"), "another seed makes the same head")
    names = sorted(digest("one", "sub-00001"))
    for ending in ("T1w.nii.gz", "T2w.json", "PDw.nii.gz", "FLAIR.nii.gz", "dseg.nii.gz", "label-lesion_mask.nii.gz"):
        check(any(n.endswith("_" + ending) for n in names), f"no {ending}: {names}")
    simulate("some", "--contrasts", "T2w")
    some = digest("some", "sub-00001")
    check(all(digest("one")[n] == some[n] for n in some), "a contrast by itself differs from it among four")
    check(not any("T1w" in n for n in some), "a contrast that was not asked for")


def killed():
    """Killed at random moments, and taken up again."""
    simulate("whole", "--subjects", "6", "--threads", "1")
    rng = random.Random(7)
    for _ in range(4):
        run = subprocess.Popen([mrcycle, "simulate", LABELS, "--labels", TABLE, "-o", path("again"), *QUICK, "--subjects", "6", "--threads", "2"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0.2, 1.5))
        run.send_signal(signal.SIGKILL)
        run.wait()
        if os.path.exists(path("again")):
            break
    if not os.path.exists(path("again")):
        simulate("again", "--subjects", "6", "--threads", "2")
    check(digest("again") == digest("whole"), "a killed run ends with other bytes")
    check(not glob.glob(path("again.partial*")), "the partial folder is still there")


def in_the_way():
    os.mkdir(path("mine"))
    with open(path("mine", "letter.txt"), "w") as file:
        file.write("mine")
    check("letter.txt" in simulate("mine", "--replace", code=40) or os.path.exists(path("mine", "letter.txt")), "removed what is not its own")
    simulate("one", code=40)
    simulate("one", "--replace", "--contrasts", "T1w")
    os.makedirs(path("half.partial"))
    with open(path("half.partial", "simulate.json"), "w") as file:
        file.write("{}")
    check("begun with other options" in simulate("half", code=40), "went on with another run's heads")


def train(out, *more, code=0):
    done = subprocess.run([mrcycle, "train", *TRAINED, "-o", path(out), "-q", *more], capture_output=True, text=True)
    check(done.returncode == code, f"exit code {done.returncode}, expected {code}: {done.stderr}")
    check(code == 0 or done.stderr.count("\n") == 1, f"expected one line, got: {done.stderr}")
    return done.stderr


def weights(out):
    with open(path(out, "model.safetensors"), "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def trained_from():
    """Training on computed heads: the same model on any number of threads, and when it is taken up again; other maps are not gone
    on with; what cannot be is said in one line."""
    train("run", "--epochs", "3", "--threads", "1")
    train("parts", "--epochs", "1", "--threads", "2")
    train("parts", "--epochs", "3", "--threads", "2", "--resume")
    check(weights("parts") == weights("run"), "training on computed heads gives other weights when it is taken up again")
    subprocess.run([mrcycle, "train", "--repeat", path("run"), "-o", path("repeated"), "-q"], check=True, stdout=subprocess.DEVNULL)
    check(weights("repeated") == weights("run"), "a repeated run gives other weights")
    info = subprocess.run([mrcycle, "info", path("run", "model.safetensors")], capture_output=True, text=True, check=True).stdout
    check("sagittal" in info and "coronal" in info, f"info does not say the planes: {info}")
    with open(path("ranges.conf"), "w") as file:
        file.write("stripped = 1\n")
    check("another" in train("parts", "--epochs", "4", "--resume", "--simulate-config", path("ranges.conf"), code=1), "went on with other heads")
    check("--lambda-paired" in train("none", "--lambda-paired", "0", code=1), "no word on pairs")
    check("--channels 1" in train("none", "--channels", "3", code=1), "no word on channels")
    subprocess.run([mrcycle, "phantom", "-o", path("heads"), "--subjects", "2", "--voxel", "4", "-q"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([mrcycle, "prepare", path("heads"), "-o", path("set"), "--size", "32", "--allow-synthetic", "-q"], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    train("both", path("set"), "--epochs", "1", "--simulate-share", "0.5", "--room", "T1w=1,T2w=1", "--allow-synthetic")
    check(weights("both") != weights("run"), "a set beside computed heads changes nothing")


LABELS, TABLE = make_map()
TRAINED = ["--simulate", LABELS, "--simulate-labels", TABLE, "--preset", "computed", "--size", "32", "--depth", "3", "--width", "4",
           "--disc-width", "2", "--simulate-pairs", "12", "--decay", "0", "--seed", "3"]
bad_maps()
threads_and_numbers()
killed()
in_the_way()
trained_from()
shutil.rmtree(work, ignore_errors=True)
