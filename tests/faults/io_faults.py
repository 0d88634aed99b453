#!/usr/bin/env python3
"""io_faults.py MRCYCLE LIBRARY [MOST]: every call that writes fails once, and from there on, with no room and with a broken disk, one after the
other: translate (DICOM, NIfTI), deidentify, prepare, train with checkpoints. Each time a clear line and a code, and at the place of the result
what was there before or all of the new; what a run leaves does not hinder the next. With MOST so many faults of each command at most, spread."""
import errno
import glob
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile

mrcycle, library = map(os.path.abspath, sys.argv[1:3])
most = int(sys.argv[3]) if len(sys.argv) > 3 else None
with open(mrcycle, "rb") as program:
    if b"__asan_init" in program.read():
        print("skipped: a sanitizer wants to be the first library")
        sys.exit(77)


def digest(path):
    """Of a file or of a folder's names and bytes; None: nothing is there."""
    if not os.path.lexists(path):
        return None
    found = hashlib.sha256()
    for name in sorted(glob.glob(path + "/**", recursive=True)) if os.path.isdir(path) else [path]:
        found.update(name[len(path):].encode())
        if os.path.isfile(name):
            with open(name, "rb") as f:
                found.update(f.read())
    return found.hexdigest()


class Fault:
    def __init__(self, top):
        self.counter = top + "/count"

    def run(self, command, at=0, cause=0, on=False):
        """Exit code, words, calls, failures."""
        with open(self.counter, "wb") as f:
            f.write(bytes(64))
        env = {**os.environ, "LD_PRELOAD": library, "IO_FAIL_COUNT": self.counter, "IO_FAIL_AT": str(at), "IO_FAIL_ERRNO": str(cause)}
        if on:
            env["IO_FAIL_ON"] = "1"
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=300, env=env, cwd=os.path.dirname(self.counter))
        with open(self.counter, "rb") as f:
            calls, failures = (int.from_bytes(f.read(8), sys.byteorder) for _ in range(2))
        return done.returncode, done.stdout + done.stderr, calls, failures


def clean(places):
    for place in places:
        for path in glob.glob(place + "*"):
            shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)


def beside(places):
    """What lies near the places under a temporary name."""
    return [path for place in places for path in glob.glob(place + "*.tmp-*")]


def torture(fault, name, command, places, together=()):
    """places: what the command makes; together: those of them that appear all or none."""
    clean(places)
    code, words, calls, _ = fault.run(command)
    assert code == 0, (name, code, words)
    whole = {place: digest(place) for place in places}
    assert all(whole.values()), (name, whole)
    step = 1 if most is None else max(1, calls * 4 // most)
    injected = refused = 0
    for at in range(1, calls + 1, step):
        for cause, on in ((errno.ENOSPC, False), (errno.EIO, False), (errno.ENOSPC, True), (errno.EIO, True)):
            clean(places)
            code, words, _, failures = fault.run(command, at, cause, on)
            if failures == 0:
                continue
            injected += 1
            where = (name, at, errno.errorcode[cause], on, code, words[-300:])
            assert code >= 0 and code != 139, where
            there = {place: digest(place) for place in places}
            if code == 0:  # what failed was not needed: nothing is missing
                assert all(there[place] is not None for place in places), where
                continue
            refused += 1
            assert code in (20, 40, 80), where
            lines = [line for line in words.splitlines() if line.startswith("mrcycle: ")]
            assert lines and "Sanitizer" not in words, where
            assert len({there[place] is None for place in together}) <= 1, (where, there)
            assert not beside(places), (where, beside(places))
    clean(places)
    code, words, _, _ = fault.run(command)
    assert code == 0 and {place: digest(place) for place in places}.keys() == whole.keys(), (name, words)
    print("%-18s %4d calls, %5d faults, %5d refused" % (name, calls, injected, refused), flush=True)
    return injected


with tempfile.TemporaryDirectory() as top:
    subprocess.run([mrcycle, "phantom", "-o", top + "/p", "--seed", "3", "--subjects", "2", "--voxel", "8,8,10", "-q"], check=True, stdout=subprocess.DEVNULL)
    t1, nifti = top + "/p/sub-01/dicom/T1w", top + "/p/sub-01/anat/sub-01_T1w.nii.gz"
    fault, total = Fault(top), 0
    key = top + "/key"
    subprocess.run([mrcycle, "deidentify", t1, "-o", top + "/first", "--key", key, "-q"], check=True, stdout=subprocess.DEVNULL)
    total += torture(fault, "translate NIfTI", [mrcycle, "translate", nifti, "-o", top + "/t.nii.gz", "--to", "T2w", "--no-report", "-q"],
                     [top + "/t.nii.gz", top + "/t.json"], [top + "/t.nii.gz", top + "/t.json"])
    total += torture(fault, "translate DICOM", [mrcycle, "translate", t1, "-o", top + "/dcm", "--to", "T2w", "--no-report", "-q"], [top + "/dcm"])
    total += torture(fault, "deidentify", [mrcycle, "deidentify", t1, "-o", top + "/clean", "--key", key, "-q"], [top + "/clean", top + "/clean.sources.tsv"],
                     [top + "/clean", top + "/clean.sources.tsv"])
    total += torture(fault, "prepare", [mrcycle, "prepare", top + "/p", "-o", top + "/set", "--key", key, "--allow-synthetic", "-q"],
                     [top + "/set", top + "/set.sources.tsv"], [top + "/set", top + "/set.sources.tsv"])
    print("%d faults" % total)
