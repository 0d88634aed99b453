#!/usr/bin/env python3
"""every_series.py MRCYCLE [DATA]: each usable DICOM series below DATA, and generated heads in all orientations, translated and
held against programs that this project did not write.

dciodvfy: no error but the one on (0008,001C), which is younger than it, and what it says of the source's own patient and study.
dcentvfy: over source and result, nothing that it does not say of the source alone, but that optional attributes of the source
which are not sound were left behind, and that one of type 2 which it lacks is there, empty. pydicom, dcm2niix and nibabel: the source's
grid to 1e-3 mm. Sides: the generated heads' capsule lies on the patient's left; real edges fit better than when mirrored.
Orthanc: takes the series, puts it into the source's study, gives back the same pixels; sent twice it is there once.
MRC_ONLY=WORD takes the series with WORD in their path alone."""
import glob
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import urllib.request

import peers

try:
    import nibabel
    import numpy
    import pydicom
    from scipy import ndimage
except ImportError as missing:
    peers.skip(f"{missing.name} for /usr/bin/python3 is not installed")
peers.need("dciodvfy", "dcentvfy", "dcm2niix", "Orthanc")
mrcycle = os.path.abspath(sys.argv[1])
KNOWN = "(0x0008,0x001c)"
LEFT_BEHIND = ("Attribute present in one instance but not the other", "OK only If Type 2")


def run(*args):
    return subprocess.run([mrcycle, *args], capture_output=True, text=True, timeout=1200)


def said(program, paths):
    done = subprocess.run([program, *paths], capture_output=True, text=True, errors="replace", timeout=600)
    return {line.strip() for line in (done.stdout + done.stderr).splitlines() if "Error" in line or program == "dcentvfy"}


def files_of(path):
    found = [path] if os.path.isfile(path) else [f for f in glob.glob(path + "/**", recursive=True) if os.path.isfile(f)]
    return sorted(f for f in found if pydicom.misc.is_dicom(f))


def check_objects(sources, results):
    of_source = said("dciodvfy", sources[:1])
    for path in results:
        errors = {e for e in said("dciodvfy", [path]) - of_source if KNOWN not in e.lower()}
        assert not errors, f"dciodvfy: {sorted(errors)[:3]}"
    extra = said("dcentvfy", sources + results) - said("dcentvfy", sources)
    extra = {line for line in extra if not any(words in line for words in LEFT_BEHIND)}
    assert not extra, f"dcentvfy: {sorted(extra)[:3]}"


def grid_of_series(paths):
    """Shape and index-to-RAS of classic slices, by their own attributes."""
    slices = [pydicom.dcmread(p, stop_before_pixels=True) for p in paths]
    row, column = (numpy.array(slices[0].ImageOrientationPatient[a:a + 3], float) for a in (0, 3))
    slices.sort(key=lambda s: numpy.dot(numpy.cross(row, column), numpy.array(s.ImagePositionPatient, float)))
    places = [numpy.array(s.ImagePositionPatient, float) for s in slices]
    matrix = numpy.eye(4)
    matrix[:3, 0] = row * float(slices[0].PixelSpacing[1])
    matrix[:3, 1] = column * float(slices[0].PixelSpacing[0])
    matrix[:3, 2] = (places[-1] - places[0]) / (len(places) - 1)
    matrix[:3, 3] = places[0]
    return (int(slices[0].Columns), int(slices[0].Rows), len(slices)), numpy.diag([-1, -1, 1, 1]) @ matrix


def corners(shape, matrix):
    ends = numpy.array([[i, j, k, 1] for i in (0, shape[0] - 1) for j in (0, shape[1] - 1) for k in (0, shape[2] - 1)])
    places = (matrix @ ends.T)[:3].T
    return places[numpy.lexsort(numpy.round(places, 2).T)]


def frame_places(paths):
    """ImagePositionPatient of each frame of a multi-frame source; None: it is classic."""
    places = []
    for path in paths:
        item = pydicom.dcmread(path, stop_before_pixels=True)
        if "PerFrameFunctionalGroupsSequence" not in item:
            return None
        places += [f.PlanePositionSequence[0].ImagePositionPatient for f in item.PerFrameFunctionalGroupsSequence]
    return numpy.array(places, float)


def converted(paths, work):
    """What dcm2niix makes of them, read by nibabel."""
    into, links = os.path.join(work, "nii"), os.path.join(work, "links")
    for folder in (into, links):
        subprocess.run(["rm", "-rf", folder], check=True)
        os.makedirs(folder)
    for n, path in enumerate(paths):
        os.symlink(path, os.path.join(links, f"{n:05d}.dcm"))
    subprocess.run(["dcm2niix", "-b", "n", "-f", "%s_%e_%p", "-o", into, links], capture_output=True, timeout=600)
    images = [nibabel.load(p) for p in sorted(glob.glob(into + "/*.nii"))]
    return [(numpy.asarray(i.dataobj, dtype=numpy.float32), i.affine) for i in images]


def in_orientation(voxels, matrix):
    image = nibabel.as_closest_canonical(nibabel.Nifti1Image(voxels, matrix))
    return numpy.asarray(image.dataobj, dtype=numpy.float32), image.affine


def check_grids(sources, results, work):
    """Returns source and result in RAS+ order."""
    made = converted(results, work)
    assert len(made) == 1, f"dcm2niix makes {len(made)} images of the result"
    shape, matrix = grid_of_series(results)
    assert sorted(made[0][0].shape) == sorted(shape), (made[0][0].shape, shape)
    apart = numpy.abs(corners(made[0][0].shape, made[0][1]) - corners(shape, matrix)).max()
    # dcm2niix takes slices to lie on the normal; positions that a scanner rounded are a little off it
    assert apart < 5e-3, f"dcm2niix and the attributes of the result lie {apart:.4f} mm apart"
    best = None
    for voxels, affine in converted(sources, work):
        for volume in ([voxels[..., t] for t in range(voxels.shape[3])] if voxels.ndim == 4 else [voxels]):
            if volume.ndim != 3 or volume.shape != made[0][0].shape:
                continue
            off = numpy.abs(corners(volume.shape, affine) - corners(made[0][0].shape, made[0][1])).max()
            if best is None or off < best[0]:
                best = off, volume, affine
    if best is None:
        print("    (dcm2niix makes no such volume of the source: its grid is compared with pydicom alone)")
        places = [grid_of_series(sources)] if "PerFrameFunctionalGroupsSequence" not in pydicom.dcmread(sources[0]) else []
        for other in places:
            assert numpy.abs(corners(*other) - corners(shape, matrix)).max() < 1e-3
        return None
    places = frame_places(sources)
    for path in results if places is not None else []:
        off = numpy.abs(places - numpy.array(pydicom.dcmread(path, stop_before_pixels=True).ImagePositionPatient, float))
        assert off.max(axis=1).min() < 1e-3, f"no frame of the source lies where {os.path.basename(path)} lies"
    # of frames dcm2niix takes the nominal distance, of slices that of their positions
    assert best[0] < (1e-3 if places is None else 5e-3), f"source and result lie {best[0]:.4f} mm apart"
    return in_orientation(best[1], best[2]), in_orientation(*made[0])


def capsule(voxels, matrix):
    """Where the bright capsule sticks out beside the head, and where it would if it were mirrored; voxels in RAS+ order."""
    labels, _ = ndimage.label(voxels > 0.25 * numpy.percentile(voxels, 99.9))
    bright = numpy.isin(labels, 1 + numpy.flatnonzero(numpy.bincount(labels.ravel())[1:] >= 10))
    columns = numpy.flatnonzero(bright.any(axis=(1, 2)))
    middle = numpy.average(numpy.arange(len(voxels)), weights=bright.sum(axis=(1, 2)))
    assert middle - columns[0] > columns[-1] - middle, "the source's capsule is not on the left"
    here = bright.copy()
    here[columns[0] + 1 + int(6 / abs(matrix[0, 0])):] = False
    here = ndimage.binary_dilation(here)
    return here, numpy.roll(here, int(round(2 * (middle - columns[0]))), axis=0)


def edges(voxels):
    return sum(numpy.abs(numpy.gradient(voxels, axis=a)) for a in range(3) if voxels.shape[a] > 2)


def check_sides(pair, generated):
    source, result = pair
    if generated:
        here, mirrored = (result[0][mask].mean() for mask in capsule(*source))
        assert here > 3 * mirrored, f"the capsule is {here:.0f} bright on the left, {mirrored:.0f} on the right"
    x, y = edges(source[0]), edges(result[0])
    fit = numpy.corrcoef(x.ravel(), y.ravel())[0, 1]
    for axis in range(3):
        turned = numpy.corrcoef(x.ravel(), numpy.flip(y, axis).ravel())[0, 1]
        assert y.shape[axis] < 8 or turned < max(fit, 0.15), f"edges fit {fit:.3f}, mirrored along axis {axis} {turned:.3f}"
    return fit


def look_up(pacs, uid):
    request = urllib.request.Request(f"http://127.0.0.1:{pacs.http}/tools/lookup", data=uid.encode())
    with urllib.request.urlopen(request, timeout=20) as answer:
        return [e["ID"] for e in json.loads(answer.read()) if e["Type"] == "Instance"]


def check_archive(pacs, sources, results):
    to = ["--to", f"ORTHANC@127.0.0.1:{pacs.port}", "-q"]
    run("send", *sources, *to)  # some of it may be there already
    for time in range(2):
        done = run("send", os.path.dirname(results[0]), *to)
        assert done.returncode == 0, f"send, time {time + 1}: {done.stderr}"
        if time == 0:
            count = pacs.get("/statistics")["CountInstances"]
    assert pacs.get("/statistics")["CountInstances"] == count, "sent twice, there twice"
    of_source = look_up(pacs, pydicom.dcmread(sources[0], stop_before_pixels=True).SOPInstanceUID)
    assert of_source, "Orthanc did not take the source"
    study = pacs.get(f"/instances/{of_source[0]}/study")["ID"]
    for path in results:
        mine = pydicom.dcmread(path)
        there = look_up(pacs, mine.SOPInstanceUID)
        assert len(there) == 1, f"{len(there)} copies in the archive"
        back = pydicom.dcmread(io.BytesIO(pacs.get(f"/instances/{there[0]}/file", raw=True)))
        assert back.PixelData == mine.PixelData, "other pixels came back"
    assert pacs.get(f"/instances/{there[0]}/study")["ID"] == study, "another study"


def source_files(series):
    """The files the image was made of: those that the result refers to."""
    return files_of(series["path"])


def referred(results, candidates):
    wanted = set()
    for path in results:
        item = pydicom.dcmread(path, stop_before_pixels=True)
        wanted |= {s.ReferencedSOPInstanceUID for s in item.ReferencedSeriesSequence[0].ReferencedInstanceSequence}
    found = {}
    for path in candidates:
        found.setdefault(pydicom.dcmread(path, stop_before_pixels=True, force=True).get("SOPInstanceUID"), path)
    assert wanted <= set(found), "the result refers to images that are not in the source"
    return sorted(found[uid] for uid in wanted)


def one(series, pacs, work, generated):
    out = os.path.join(work, "out")
    subprocess.run(["rm", "-rf", out, out + "_report"], check=True)
    to = "T1w" if series["contrast"] == "T2w" else "T2w"
    words = ["translate", series["path"], "-o", out, "--to", to, "-q"]
    words += ["--series", series["selector"]] if series.get("selector") else []
    words += ["--from", "T1w"] if series["contrast"] == "unknown" else []
    words += ["--allow-synthetic"] if series["synthetic"] else []
    words += ["--allow-derived"] if series["derived"] else []
    done = run(*words)
    assert done.returncode == 0, done.stderr
    assert sorted(os.listdir(out + "_report")) == ["report.html", "report.json"]
    results = files_of(out)
    assert len(results) == len(os.listdir(out)), "the folder holds more than DICOM files"
    sources = referred(results, source_files(series))
    check_objects(sources, results)
    pair = check_grids(sources, results, work)
    fit = check_sides(pair, generated) if pair else float("nan")
    check_archive(pacs, sources, results)
    return len(results), fit


def listed(*paths):
    done = run("info", "--json", "-q", *paths)
    return [s for s in json.loads(done.stdout)["series"] if s["usable"] and s["kind"] == "dicom"]


def main(data):
    failed = count = 0
    with tempfile.TemporaryDirectory() as work:
        if data and os.path.isdir(data):
            for archive in glob.glob(data + "/*.tar.gz"):
                into = os.path.join(work, "unpacked", os.path.basename(archive)[:-7])
                os.makedirs(into)
                with tarfile.open(archive) as tar:
                    tar.extractall(into, filter="data") if hasattr(tarfile, "data_filter") else tar.extractall(into)
            every = [(s, False) for s in listed(data, *glob.glob(work + "/unpacked"))]
        else:
            print("not run: no real series at", data)
            every = []
        for plane in ("axial", "sagittal", "coronal"):
            folder = os.path.join(work, plane)
            assert run("phantom", "-o", folder, "--orientation", plane, "--voxel", "1.5,1.5,3", "-q").returncode == 0
            every += [(s, True) for s in listed(folder) if s["contrast"] in ("T1w", "T2w")]
        with peers.Orthanc(os.path.join(work, "orthanc")) as pacs:
            for series, generated in every:
                name = series["path"].replace(work, "").replace(data or "?", "") + f" ({series['contrast']}, {series['orientation']})"
                if os.environ.get("MRC_ONLY", "") not in name:
                    continue
                count += 1
                try:
                    slices, fit = one(series, pacs, work, generated)
                    print(f"ok      {name}: {slices} slices, edges fit {fit:.2f}", flush=True)
                except AssertionError as wrong:
                    failed += 1
                    print(f"FAILED  {name}: {wrong}", flush=True)
    print(f"{count} series, {failed} failed")
    return 1 if failed or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[2] if len(sys.argv) > 2 else None))
