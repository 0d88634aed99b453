#!/usr/bin/env python3
"""prepare killed at random moments (SIGKILL) and taken up again ends with the set of a run that was never stopped: names, bytes
and folders. With another --map in between it is the set of that map; files that vanish meanwhile are lines of the report.

usage: prepare_killed.py KILLS MRCYCLE DATA     DATA: ../shared/data; where it is not there, generated heads alone
Exit code 77 (skipped) where nibabel and numpy are not there.
"""
import glob
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
try:
    import nibabel  # noqa: F401  planted needs its like
    from planted import digest
except ImportError as why:
    print(f"skipped: {why}")
    sys.exit(77)

kills = int(sys.argv[1])
mrcycle, data = sys.argv[2:4]
work = tempfile.mkdtemp()
given, key = os.path.join(work, "in"), os.path.join(work, "key")
REAL = ["unpaired/nichart_demo_t1/Subj[12]_T1.nii.gz", "dicom/xa30_siemens_enhanced/[58]_*/*", "dicom/dicom2nifti_tests/hitachi/*/*/*",
        "nifti_edge/derived/pair_int16.*", "nifti_edge/derived/trunc_gz.nii.gz"]
MORE = ["paired/spm_avg152/*.nii.gz", "paired/hcp_mni152_2mm/*.nii.gz"]  # of the same kinds: for many kills


def check(truth, words):
    if not truth:
        shutil.rmtree(work, ignore_errors=True)
        sys.exit(f"prepare_killed: {words}")


def make():
    """Scans to prepare: real ones, and four generated series of many files."""
    made = os.path.join(work, "made")
    subprocess.run([mrcycle, "phantom", "-o", made, "--seed", "3", "--subjects", "2", "--voxel", "6,6,6", "-q"], check=True,
                   stdout=subprocess.DEVNULL)
    for name in ("sub-01/dicom/T1w", "sub-01/dicom/T2w", "sub-02/dicom/T1w", "sub-02/dicom/T2w"):
        shutil.copytree(os.path.join(made, name), os.path.join(given, "generated", name))
    real = [path for pattern in REAL + (MORE if kills > 3 else []) for path in sorted(glob.glob(os.path.join(data, pattern))) if os.path.isfile(path)]
    for path in real:
        place = os.path.join(given, os.path.relpath(path, data))
        os.makedirs(os.path.dirname(place), exist_ok=True)
        shutil.copy2(path, place)
    pair = os.path.join(given, "nifti_edge/derived/pair_int16.")
    for ending in ("hdr", "img"):
        if os.path.exists(pair + ending):
            os.rename(pair + ending, pair.replace("pair_int16.", "head_T1w.") + ending)
    print(f"{len(real)} real files" if real else f"no {data}: generated heads alone")


def command(out, *more):
    return [mrcycle, "prepare", given, "-o", out, "--key", key, "--split", "60,20,20", "-q", *more]


def whole(out, *more):
    done = subprocess.run(command(out, *more), capture_output=True, text=True)
    check(done.returncode == 0, f"exit code {done.returncode}: {done.stderr}")


def tree(out):
    """What a set is: its bytes, the names of its folders (empty ones too), and the table beside it."""
    folders = sorted(os.path.relpath(os.path.join(root, f), out) for root, found, _ in os.walk(out) for f in found)
    with open(out + ".sources.tsv") as table:
        return digest(out), folders, table.read()


def start(out, *more):
    return subprocess.Popen(command(out, *more), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait_for(child, pattern, count=1):
    """Until so many files are there, or the program has ended."""
    while child.poll() is None and len(glob.glob(pattern)) < count:
        time.sleep(0.002)


def stop(child, sign):
    if child.poll() is None:
        child.send_signal(sign)


def killed(out, expected, seconds):
    """Again and again, until one run gets to its end."""
    chance, done = random.Random(7), 0
    for n in range(kills):
        child = start(out)
        kind = n % 3
        if kind == 0:  # any time
            deadline = time.monotonic() + chance.random() * seconds
            while child.poll() is None and time.monotonic() < deadline:
                time.sleep(0.002)
        elif kind == 1:  # soon after some more series are made
            made = len(glob.glob(out + ".partial/.work/*.txt"))
            wait_for(child, out + ".partial/.work/*.txt", made + chance.randint(1, 2))
            time.sleep(chance.random() * 0.05)
        else:  # among the tables
            wait_for(child, out + ".partial/" + chance.choice(["manifest.tsv*", "README*", "report.json*", "report.html*"]))
        stop(child, signal.SIGKILL)
        child.wait()
        if child.returncode == 0:  # it was quicker
            check(tree(out) == expected, f"ended by itself at the {n + 1}th start with another set")
            shutil.rmtree(out)
            continue
        done += 1
        check(not os.path.exists(out), "half a set has its name")
        if n == 1 and os.path.isdir(out + ".partial"):  # as a kill between opening and renaming leaves it
            for name in ("manifest.tsv.tmp-00000001", "sub-0123456789abcdef/anat/x.nii.gz.tmp-00000002"):
                place = os.path.join(out + ".partial", name)
                os.makedirs(os.path.dirname(place), exist_ok=True)
                with open(place, "w") as half:
                    half.write("half")
    whole(out)
    check(tree(out) == expected, f"after {done} kills the set differs from that of one run")
    return done


def replaced(out, expected):
    """A set is there at every moment of its replacement, which a kill may end; the next run ends it."""
    many = os.path.join(out, "sub-old", "anat")  # a set that takes its time to remove
    os.makedirs(many)
    for n in range(3000):
        open(os.path.join(many, f"sub-old_{n}"), "w").close()
    open(f"{out}.sources.tsv.tmp-00000001", "w").close()  # what a kill leaves
    for end in (signal.SIGKILL, None):
        child = start(out, "--replace")
        wait_for(child, out + ".partial/report.html*")
        while child.poll() is None:
            check(os.path.exists(os.path.join(out, "report.json")), "no set has the name while one is replaced")
            if end and not os.path.isdir(many):  # the new one stands; the old one is being removed
                stop(child, end)
    check(tree(out) == expected, "a set that was replaced differs from that of one run")
    left = [name for name in os.listdir(work) if name.startswith(os.path.basename(out) + ".") and not name.endswith("sources.tsv")]
    check(not left, f"left after all: {left}")


def map_of(name, lines):
    path = os.path.join(work, name)
    with open(path, "w") as table:
        table.write("".join(f"path\t{pattern}\t{contrast}\n" for pattern, contrast in lines))
    return path


def other_map(out):
    """The first run takes a series for T2w and uses another; the second takes it for T1w and does not."""
    old = map_of("old.tsv", [("*/sub-01/dicom/T1w", "T2w"), ("*Subj1_T1*", "T2w")])
    new = map_of("new.tsv", [("*/sub-02/dicom/T1w", "FLAIR"), ("*Subj2_T1*", "FLAIR")])
    whole(out + "_new", "--map", new)
    child = start(out, "--map", old)
    wait_for(child, out + ".partial/manifest.tsv")  # all series are made, by the old map
    stop(child, signal.SIGKILL)
    child.wait()
    if child.returncode == 0:
        shutil.rmtree(out)
        print("the run with another map was not caught in time")
        return
    whole(out, "--map", new)
    check(tree(out) == tree(out + "_new"), "a set taken up again with another map is not that map's")


def vanishing(out):
    """Some files go while the program makes the first series: they are refused, the others used."""
    child = start(out)
    wait_for(child, out + ".partial/.work/*.txt")
    stop(child, signal.SIGSTOP)
    gone = sorted(glob.glob(os.path.join(given, "**", "Subj*"), recursive=True))
    gone += sorted(glob.glob(os.path.join(given, "generated", "*", "dicom", "T2w", "*")))[::3]
    made = {name[:16] for name in os.listdir(os.path.join(out + ".partial", ".work")) if name.endswith(".txt")}
    for path in gone:
        os.remove(path)
    stop(child, signal.SIGCONT)
    child.wait()
    check(child.returncode in (0, 22), f"with files gone: exit code {child.returncode}")
    if child.returncode == 22:  # nothing is left, of generated heads alone
        return
    with open(out + ".sources.tsv") as table:
        rows = [line.rstrip("\n").split("\t") for line in table][1:]
    listed = {row[3]: row for row in rows}
    check(all(path in listed for path in gone), "a file that vanished is in no row")
    late = [path for path in gone if listed[path][0] not in made]
    check(late and all(listed[p][2].startswith("refused: ") and len(listed[p][2]) > 20 for p in late),
          f"vanished and used: {[listed[p] for p in late][:3]}")
    check(any(row[2] == "used" for row in rows), "nothing is used")
    print(f"{len(late)} files vanished and were refused: {listed[late[0]][2]}")


def main():
    make()
    began = time.monotonic()
    whole(os.path.join(work, "once"))
    seconds = time.monotonic() - began
    expected = tree(os.path.join(work, "once"))
    done = killed(os.path.join(work, "killed"), expected, seconds)
    replaced(os.path.join(work, "killed"), expected)
    other_map(os.path.join(work, "mapped"))
    vanishing(os.path.join(work, "gone"))
    print(f"{done} of {kills} runs killed; the set is that of one run")
    shutil.rmtree(work)


main()
