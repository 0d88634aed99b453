#!/usr/bin/env python3
"""prepare_options.py MRCYCLE: what each option of prepare changes in the slices of a set, and what it leaves; who stands on which
side of the split, also when others come; a dry run counts what a run makes; a set is made by one process at a time."""
import csv
import fcntl
import os
import shutil
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
key = os.path.join(work, "key")


def check(truth, words):
    if not truth:
        shutil.rmtree(work, ignore_errors=True)
        sys.exit(f"prepare_options: {words}")


def place(*parts):
    return os.path.join(work, *parts)


def prepare(given, out, *more, code=0):
    done = subprocess.run([mrcycle, "prepare", place(given), "-o", place(out), "--key", key, "-q", *more], capture_output=True,
                          text=True)
    check(done.returncode == code, f"{out} {more}: exit code {done.returncode}, expected {code}: {done.stderr}")
    return done.stdout + done.stderr


def table(out, name):
    with open(place(out, name)) as f:
        return list(csv.DictReader(f, delimiter="\t"))


def head(number):
    """An ellipsoid of its own texture, with spots darker than the air, that touches neither end of the stack; noise around it."""
    draw = numpy.random.default_rng(number)
    i, j, k = numpy.meshgrid(*(numpy.linspace(-1, 1, n) for n in (22, 26, 15)), indexing="ij")
    inside = (i / 0.8) ** 2 + (j / 0.85) ** 2 + (k / 0.8) ** 2 < 1
    tissue = numpy.where(draw.random(i.shape) < 0.01, 1, 600 + 250 * numpy.sin(5 * i + number) + draw.normal(0, 60, i.shape))
    return numpy.where(inside, tissue, draw.uniform(0, 20, i.shape))


def scan(given, subject, contrast, voxels, note="", below=0):
    """Voxels of 8 x 8 x 10 mm as a NIfTI image with a BIDS name; the lowest slice lies `below` slices above the lowest of all."""
    folder = place(given, f"sub-{subject}", "anat")
    os.makedirs(folder, exist_ok=True)
    affine = numpy.diag([8.0, 8.0, 10.0, 1.0])
    affine[:3, 3] = -88, -104, -70 + 10 * below
    image = nibabel.Nifti1Image(voxels.astype("<f4"), affine)
    nibabel.save(image, os.path.join(folder, f"sub-{subject}{note}_{contrast}.nii"))


def slices(out):
    """Each row of the manifest by its place, with the pixels of its slice and of the whole file."""
    files, found = {}, {}
    for row in table(out, "manifest.tsv"):
        if row["file"] not in files:
            files[row["file"]] = numpy.asanyarray(nibabel.load(place(out, row["file"])).dataobj)
        found[round(float(row["z_mm"]), 3)] = (row, files[row["file"]][:, :, int(row["index"])], files[row["file"]])
    return found


def splits():
    """Nobody changes sides when others come; whoever shares a slice shares the side. A dry run counts the same."""
    for n in range(5):
        scan("few", f"{n:02d}", "T1w", head(n))
    scan("few", "00", "T2w", 900 - head(100))
    share = ("--split", "40,30,30")
    prepare("few", "first", *share)
    before = {row["participant_id"]: row["split"] for row in table("first", "participants.tsv")}
    check(len(before) == 5 and set(before.values()) == {"train", "val", "test"}, f"sides {before}")

    # Three others; the scan of one of them again as a fourth's; and of the second one all slices but one, which is mirrored, as a fifth's.
    for name, number in (("05", 50), ("06", 51), ("07", 52), ("twin", 50), ("part", 51)):
        voxels = head(number)
        if name == "part":
            voxels[:, :, 7] = voxels[::-1, :, 7]
        scan("few", name, "T1w", voxels)
    words = prepare("few", "dry", *share, "--dry-run")
    prepare("few", "grown", *share)
    people = {row["participant_id"]: row["split"] for row in table("grown", "participants.tsv")}
    check({s: people.get(s) for s in before} == before, f"sides changed: {before} and {people}")
    rows = table("grown", "manifest.tsv")
    for what in ("subject", "sha256"):
        sides = {}
        for row in rows:
            sides.setdefault(row[what], set()).add(row["split"])
        check(all(len(s) == 1 for s in sides.values()), f"a {what} stands on two sides")
    hashes = [row["sha256"] for row in rows]
    check(len(hashes) > len(set(hashes)) and len(people) == 9, f"{len(people)} subjects, {len(hashes) - len(set(hashes))} twin slices")
    with open(place("grown.sources.tsv")) as f:
        check("the same slices as another series" in f.read(), "equal series are both used")
    check(words == f"10 series, 9 subjects, {len(rows)} slices, 1 refused\n", f"a dry run said {words}")
    check(not any(os.path.exists(place("dry" + end)) for end in ("", ".partial", ".sources.tsv")), "a dry run writes")


def options():
    """Each against the set of the defaults."""
    voxels = head(70)
    scan("one", "01", "T1w", voxels)
    prepare("one", "plain")
    plain = slices("plain")
    heights = sorted(plain)
    check(8 <= len(heights) <= 13, f"{len(heights)} slices kept of 15")
    prepare("one", "all", "--min-foreground", "0")
    everything = slices("all")
    rule = {z for z, (row, _, _) in everything.items() if float(row["foreground"]) >= 0.08}
    check(len(everything) == 15 and rule == set(heights), "the slices kept are not those that show enough of the head")

    prepare("one", "kept", "--keep-slices", "20,70")
    kept = slices("kept")
    expected = {z for n, z in enumerate(heights) if 20 <= 100 * (n + 0.5) / len(heights) <= 70}
    check(set(kept) == expected and 0 < len(kept) < len(heights), f"--keep-slices keeps {sorted(kept)}, expected {sorted(expected)}")
    check(all(kept[z][0]["sha256"] == plain[z][0]["sha256"] for z in kept), "--keep-slices changes slices")

    # Three channels: the same slices; a file has all slices, so also the neighbours of the first and of the last one.
    prepare("one", "three", "--channels", "3", "--keep-slices", "20,70")
    three = slices("three")
    check({z: three[z][0]["sha256"] for z in three} == {z: kept[z][0]["sha256"] for z in kept}, "--channels changes which slices")
    for z, (row, _, volume) in three.items():
        for step in (-1, 1):
            beside = volume[:, :, int(row["index"]) + step]
            check(numpy.array_equal(beside, everything[round(z + 10 * step, 3)][1]), f"neighbour {step} of the slice at {z}")
    check(volume.shape[2] == 15, f"{volume.shape[2]} slices in the file of a stack of 15")
    scan("cut", "01", "T1w", voxels[:, :, 6:10], below=6)  # the head fills it: there is nothing beside its ends
    prepare("cut", "ends", "--channels", "3")
    ends = slices("ends")
    check(len(ends) == 4 and [int(ends[z][0]["index"]) for z in sorted(ends)] == [0, 1, 2, 3], f"at the ends of a stack: {sorted(ends)}")
    check(next(iter(ends.values()))[2].shape == (64, 64, 4), "slices were made up at the ends")

    # Other limits: the same values to scale. Twice the pixels: half their size, the same places.
    # (Limits are applied before pixels are interpolated, so beside what is cut off they differ.)
    prepare("one", "dull", "--normalise", "10,90")
    for z, (row, pixels, _) in slices("dull").items():
        old, values = plain[z][0], plain[z][1].astype(float)
        low, high = float(old["intensity_low"]), float(old["intensity_high"])
        new_low, new_high = float(row["intensity_low"]), float(row["intensity_high"])
        check(low < new_low < new_high < high, f"limits {low} {new_low} {new_high} {high}")
        inside = (values > 0.1) & (values < 1)
        wanted = ((values * (high - low) + low - new_low) / (new_high - new_low)).clip(0, 1)
        near = abs(wanted - pixels)[inside]
        check(inside.sum() > 50 and (near < 1e-4).mean() > 0.4 and near.max() < 0.1, f"values of the slice at {z}: {(near < 1e-4).mean():.2f} {near.max():.2f}, limits {low} {new_low} {new_high} {high}")
    prepare("one", "fine", "--size", "128")
    fine = slices("fine")
    check(set(fine) == set(heights), "--size changes the places")
    for z, (row, pixels, _) in fine.items():
        check(pixels.shape == (128, 128) and row["file"].endswith("_desc-axial128_T1w.nii.gz"), f"{row['file']}: {pixels.shape}")
        check(abs(2 * float(row["pixel_mm"]) - float(plain[z][0]["pixel_mm"])) < 1e-6, f"pixels of {row['pixel_mm']} mm")
        means = pixels.reshape(64, 2, 64, 2).mean(axis=(1, 3))
        check(abs(means - plain[z][1]).mean() < 0.02, f"--size changes the picture at {z}")


def pairs():
    """Images on one grid stay on one grid, though they show the head in different slices; folders of contrasts, such as train
    takes, pair by the names in them."""
    tall, short = head(80), head(81)
    short[:, :, 10:] = numpy.random.default_rng(82).uniform(0, 20, short[:, :, 10:].shape)
    scan("pairs", "01", "T1w", tall)
    scan("pairs", "01", "T2w", short)
    for contrast in ("T1w", "T2w"):
        os.makedirs(place("layout", contrast))
        for number, name in enumerate(("p7", "p8")):
            image = nibabel.Nifti1Image(head(90 + number + 2 * (contrast == "T2w")).astype("<f4"), numpy.diag([8.0, 8.0, 10.0, 1.0]))
            nibabel.save(image, place("layout", contrast, f"{name}.nii"))
    train = ["train", "--preset", "paired", "--generator", "local", "--disc-width", "4", "--warm-up", "2", "--epochs", "1"]
    for given, images in (("pairs", 1), ("layout", 2)):
        prepare(given, given + "_set", "--split", "100,0,0", "--size", "32")
        rows = table(given + "_set", "manifest.tsv")
        check(len({row["subject"] for row in rows}) == images, f"{given}: {len({row['subject'] for row in rows})} subjects")
        index = [{(row["subject"], row["index"]) for row in rows if row["contrast"] == c} for c in ("T1w", "T2w")]
        done = subprocess.run([mrcycle, *train, place(given + "_set"), "-o", place(given + "_run")], capture_output=True, text=True)
        check(done.returncode == 0 and f"pairs: {len(index[0] & index[1])} slices of {images} image" in done.stderr, done.stderr)
        if given == "pairs":
            check(index[0] != index[1], "both contrasts show the head in the same slices: the test does not test")


def one_process():
    """While a process makes the set, a second one is refused, and leaves its work alone."""
    partial = place("held.partial")
    os.makedirs(os.path.join(partial, ".work"))
    with open(os.path.join(partial, ".work", "x"), "w") as f:
        f.write("of the first")
    folder = os.open(partial, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    words = prepare("one", "held", code=40)
    check(words == f"mrcycle: {partial}: another mrcycle prepare makes this set, expected it to have ended\n", words)
    check(os.listdir(partial) == [".work"] and not os.path.exists(place("held")), "the work of the first was touched")
    os.close(folder)
    both = [subprocess.Popen([mrcycle, "prepare", place("one"), "-o", place("held"), "--key", key, "-q"], stderr=subprocess.PIPE,
                             stdout=subprocess.DEVNULL, text=True) for _ in range(2)]
    ends = sorted((child.wait(), child.stderr.read()) for child in both)
    check([code for code, _ in ends] == [0, 40] and ("another mrcycle prepare" in ends[1][1] or "exists already" in ends[1][1]),
          f"two at once: {ends}")
    left = sorted(n for n in os.listdir(work) if n.startswith("held"))
    check(left == ["held", "held.sources.tsv"] and os.path.exists(place("held", "report.json")), f"two at once leave {left}")


with open(os.open(key, os.O_CREAT | os.O_WRONLY, 0o600), "w") as f:
    f.write("5a" * 32 + "\n")
splits()
options()
pairs()
one_process()
print("sides stay, options change what they say, one process makes a set")
shutil.rmtree(work)
