#!/usr/bin/python3
"""native_resolution.py MRCYCLE T1 T2 [T1 T2 ...] [-- OPTION...]: how sharp and how right is a synthetic T2w on the scan's own
grid? Each T1 is translated with each way from the slices to the grid and compared with the true T2 of the same head (NIfTI,
registered, same grid), by measures this project did not write (scikit-image). OPTIONs go to `mrcycle translate`.

native_resolution.py MRCYCLE --into docs/preprocessing.md DATA MODELS: measures a generated head with the shipped model and those below
DATA that HEADS names with MODELS/NAME.safetensors, trained without that head, and writes the table of that document anew.

Truth and results are compared in the head, truth scaled to [0,1] by its 0.5th and 99.5th percentile there. Columns: PSNR and
SSIM (means over axial slices of the map in the head), energy: mean squared gradient against the truth's (1: as sharp), place:
correlation of the two gradients' magnitude (detail where the truth has it), step: mean difference of neighbouring slices
against the truth's (more than 1: jumps). Beside the program: bilinear upsampling of its 64 x 64 slices, and the best lookup
table T1w -> T2w there is, fitted on this very pair, which no translation of grey values alone can beat in PSNR."""
import os
import re
import subprocess
import sys
import tempfile

import nibabel
import numpy
from scipy import ndimage
from skimage.metrics import structural_similarity


def load(path):
    return numpy.asarray(nibabel.as_closest_canonical(nibabel.load(path)).dataobj, dtype=numpy.float32)


def head_of(t1):
    level = 0.12 * numpy.percentile(t1[t1 > 0], 99) if (t1 > 0).any() else 0
    mask = ndimage.binary_fill_holes(ndimage.binary_opening(t1 > level))
    labels, count = ndimage.label(mask)
    if count > 1:
        mask = labels == 1 + numpy.argmax(ndimage.sum(mask, labels, range(1, count + 1)))
    return mask


def scaled(v, mask):
    lo, hi = numpy.percentile(v[mask], [0.5, 99.5])
    return numpy.clip((v - lo) / (hi - lo), 0, 1)


def gradient(v):
    return numpy.hypot(numpy.gradient(v, axis=0), numpy.gradient(v, axis=1))


def measure(result, truth, mask):
    inner = ndimage.binary_erosion(mask, iterations=2)
    g, t = gradient(result), gradient(truth)
    psnr, ssim = [], []
    for k in range(truth.shape[2]):
        m = mask[:, :, k]
        if m.mean() < 0.05:
            continue
        error = numpy.mean((result[:, :, k] - truth[:, :, k])[m] ** 2)
        psnr.append(-10 * numpy.log10(max(error, 1e-10)))
        _, full = structural_similarity(result[:, :, k], truth[:, :, k], data_range=1.0, gaussian_weights=True,
                                        sigma=1.5, use_sample_covariance=False, full=True)
        ssim.append(full[m].mean())
    steps = [numpy.abs(numpy.diff(v, axis=2))[mask[:, :, 1:] & mask[:, :, :-1]].mean() for v in (result, truth)]
    return [numpy.mean(psnr), numpy.mean(ssim), numpy.mean(g[inner] ** 2) / numpy.mean(t[inner] ** 2),
            numpy.corrcoef(g[inner], t[inner])[0, 1], steps[0] / steps[1]]


def best_table(t1, truth, mask):
    bins = numpy.clip((scaled(t1, mask) * 255).astype(int), 0, 255)
    sums = numpy.bincount(bins[mask], truth[mask], 256)
    return (sums / numpy.maximum(numpy.bincount(bins[mask], minlength=256), 1))[bins] * mask


def bilinear(path, like):
    """The slices as they are, sampled trilinearly at the voxels of `like`."""
    small, big = nibabel.load(path), nibabel.load(like)
    matrix = numpy.linalg.inv(small.affine) @ big.affine
    out = ndimage.affine_transform(numpy.asarray(small.dataobj), matrix[:3, :3], matrix[:3, 3], big.shape[:3], order=1,
                                   mode="nearest")
    return numpy.asarray(nibabel.as_closest_canonical(nibabel.Nifti1Image(out, big.affine)).dataobj)


def results(mrcycle, t1, options, work):
    def run(name, *more):
        out = os.path.join(work, f"{name}.nii")
        subprocess.run([mrcycle, "translate", t1, "-o", out, "--to", "T2w", "-q", "--replace", *options, *more], check=True,
                       stdout=subprocess.DEVNULL)
        return out

    yield "slices 64, bilinear", bilinear(run("model", "--grid", "model", "--size", "64"), t1)
    yield "cubic", load(run("cubic", "--upsample", "cubic"))
    yield "guided", load(run("guided"))
    for size in [o for o in os.environ.get("MRC_SIZES", "").split() if o]:
        yield f"size {size}, cubic", load(run("size", "--upsample", "cubic", "--size", size))
        yield f"size {size}, guided", load(run("size", "--size", size))


HEADS = [("a glioma, skull-stripped, 1 mm", "brats_gli_00001"), ("a glioma, skull-stripped, atlas grid, 1 mm", "tcga_fg_6692_sri24"),
         ("average head with skull, 2 mm", "hcp_mni152_2mm")]
WAYS = [("64x64 slices, bilinear", ["--grid", "model"]), ("cubic", ["--upsample", "cubic"]), ("**guided (what translate does)**", []),
        ("128x128 slices, guided", ["--size", "128"])]


def rows_of(mrcycle, head, t1, t2, model, work):
    before, truth = load(t1), load(t2)
    mask = head_of(before)
    truth = scaled(truth, mask)
    for n, (way, options) in enumerate([*WAYS, ("best lookup table (knows the truth)", None)]):
        out = os.path.join(work, "out.nii")
        if options is not None:
            subprocess.run([mrcycle, "translate", t1, "-o", out, "--to", "T2w", "--from", "T1w", "-q", "--replace", "--no-report",
                            "--allow-synthetic", *model, *options], check=True, stdout=subprocess.DEVNULL)
        image = best_table(before, truth, mask) if options is None else bilinear(out, t1) if "--grid" in options else load(out)
        figures = "{:.2f} | {:.3f} | {:.2f} | {:.2f} | {:.2f}".format(*measure(image, truth, mask))
        yield f"| {head if n == 0 else ''} | {way} | {figures} |".replace("|  |", "| |").replace("| 0.", "| .")


def write_table(mrcycle, document, data, models):
    with tempfile.TemporaryDirectory() as work:
        subprocess.run([mrcycle, "phantom", "-o", work + "/p", "--voxel", "0.9,0.9,3", "-q"], check=True)
        pairs = [("phantom, 0.9 x 0.9 x 3 mm", *(f"{work}/p/sub-01/anat/sub-01_{c}.nii.gz" for c in ("T1w", "T2w")), [])]
        pairs += [(words, *(os.path.join(data, name, c + ".nii.gz") for c in ("t1", "t2")),
                   ["--model", os.path.join(models, name + ".safetensors")]) for words, name in HEADS]
        rows = []
        for pair in pairs:
            for row in rows_of(mrcycle, *pair, work):
                print(row, flush=True)
                rows.append(row)
    with open(document) as f:
        text = f.read()
    table = re.compile(r"(\| head \| way \|.*\n\|[- |]+\|\n)(?:\|.*\n)*")
    assert len(table.findall(text)) == 1, f"{document} has no such table, or several"
    with open(document, "w") as f:
        f.write(table.sub(lambda found: found.group(1) + "\n".join(rows) + "\n", text))


def main(mrcycle, paths, options):
    print(f"{'':34}{'PSNR':>7}{'SSIM':>7}{'energy':>8}{'place':>7}{'step':>7}")
    for t1, t2 in zip(paths[::2], paths[1::2]):
        before, truth = load(t1), load(t2)
        mask = head_of(before)
        truth = scaled(truth, mask)
        print(os.path.basename(t1))
        with tempfile.TemporaryDirectory() as work:
            rows = [*results(mrcycle, t1, options, work), ("best lookup table (knows the truth)", best_table(before, truth, mask)),
                    ("the T1w itself", scaled(before, mask))]
            for name, image in rows:
                print(f"  {name:32}" + "{:7.2f}{:7.3f}{:8.2f}{:7.2f}{:7.2f}".format(*measure(image, truth, mask)), flush=True)


if __name__ == "__main__":
    words = sys.argv[1:]
    if words[1:2] == ["--into"]:
        sys.exit(write_table(words[0], *words[2:]))
    split = words.index("--") if "--" in words else len(words)
    main(words[0], words[1:split], words[split + 1:])
