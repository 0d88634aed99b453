#!/usr/bin/env python3
"""every_series.py MRCYCLE [DATA]: each usable DICOM series below DATA, and generated heads in all orientations, oblique too, translated and
held against programs that this project did not write. every_series_can_fail.py shows that each criterion can fail.

dciodvfy: no error but the one on (0008,001C), which is younger than it.
dcentvfy: over source and result, nothing that it does not say of the source alone, but of an attribute of type 2 that the source lacks
and the result has empty, and of a value of the source that breaks the rules. pydicom: each slice lies where the image that it names as
its source lies, to 1e-3 mm, and is more like that image than mirrored, moved by a pixel or a slice, or with two slices changed;
all marks of a synthetic image are there. dcm2niix and nibabel: the source's grid to 1e-3 mm, and what the positions in the files
deviate from the spacing that they state (dcm2niix goes by the one or the other). The generated heads' capsule lies on the patient's left.
Orthanc: takes the series, puts it into the source's study, gives back the same pixels; sent twice it is there once.
MRC_ONLY=WORD takes the series with WORD in their path alone."""
import glob
import io
import json
import os
import re
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
SAME_AGAIN = 1.1  # neighbours that are no more like each other than slices farther apart: a bottle, whose order nothing tells
TELLS_NOTHING = 0.3  # nats that two pairs of slices of a set of noise have in common
ONE_LACKS = re.compile(r"(?:Attribute present in one instance but not the other|Attribute is empty .zero length. in one instance).*Element=<(\w+)>")


def run(*args):
    return subprocess.run([mrcycle, *args], capture_output=True, text=True, timeout=1200)


def said(program, paths):
    done = subprocess.run([program, *paths], capture_output=True, text=True, errors="replace", timeout=600)
    return {line.strip() for line in (done.stdout + done.stderr).splitlines() if "Error" in line or program == "dcentvfy"}


def files_of(path):
    found = [path] if os.path.isfile(path) else [f for f in glob.glob(path + "/**", recursive=True) if os.path.isfile(f)]
    return sorted(f for f in found if pydicom.misc.is_dicom(f))


def check_objects(sources, results):
    for path in results:
        errors = {e for e in said("dciodvfy", [path]) if KNOWN not in e.lower()}
        assert not errors, f"dciodvfy: {sorted(errors)[:3]}"
    extra = said("dcentvfy", sources + results) - said("dcentvfy", sources)
    source, result = (pydicom.dcmread(paths[0], stop_before_pixels=True) for paths in (sources, results))
    extra = {line for line in extra if not is_allowed(ONE_LACKS.search(line), source, result)}
    assert not extra, f"dcentvfy: {sorted(extra)[:3]}"


def is_allowed(found, source, result):
    """An attribute that one lacks: of type 2 and empty, or a value that breaks the rules (an age of "0Y", a pregnancy of status 0)."""
    keyword = found.group(1) if found else None
    if keyword is None or (keyword not in source and keyword not in result):
        return False
    if keyword in source and keyword in result:  # of padding alone, and empty
        return not str(source[keyword].value).strip() and not str(result[keyword].value).strip()
    if keyword in result:
        return keyword in ("PatientSex", "PatientBirthDate", "PatientID", "PatientName", "ReferringPhysicianName", "StudyID",
                           "AccessionNumber", "StudyDate", "StudyTime") and not result[keyword].value
    if keyword == "PregnancyStatus":
        return source.PregnancyStatus not in (1, 2, 3, 4)
    return keyword == "PatientAge" and not re.fullmatch(r"\d{3}[DWMY]", str(source.PatientAge))


def check_marks(results):
    """What says that the image is synthetic, for machines and for eyes."""
    for n, path in enumerate(results):
        item = pydicom.dcmread(path, stop_before_pixels=True)
        assert item[0x0008, 0x001C].value == "YES" if (0x0008, 0x001C) in item else False, "SyntheticData is not YES"
        assert list(item.ImageType[:2]) == ["DERIVED", "SECONDARY"] and "SYNTH" in item.ImageType[3], f"ImageType {item.ImageType}"
        assert item.SeriesDescription.startswith("SYNTH T"), "the series is not called synthetic"
        for text in (item.get("ImageComments", ""), item.get("DerivationDescription", "")):
            assert "ynthetic" in text and "not for diagnosis" in text, f"the words say {text[:60]!r}"
        assert item.get("ContentQualification") == "RESEARCH", "ContentQualification"
        makers = [i.PurposeOfReferenceCodeSequence[0].CodeValue for i in item.get("ContributingEquipmentSequence", [])]
        assert {"109102", "109100"} <= set(makers), f"equipment {makers}"
        assert "RescaleSlope" not in item and item.BitsStored == 12 and item.PhotometricInterpretation == "MONOCHROME2"


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


class Place:
    """Where an image or a frame lies, and its pixels."""

    def __init__(self, item, frame=None):
        self.item, self.frame = item, frame
        groups = [item.get("SharedFunctionalGroupsSequence", [{}])[0], item.PerFrameFunctionalGroupsSequence[frame]] if frame is not None else []

        def value(sequence, keyword):
            found = [g[sequence].value[0].get(keyword) for g in groups if sequence in g]
            return numpy.array((found or [item.get(keyword)])[-1], float)
        self.position = value("PlanePositionSequence", "ImagePositionPatient")
        self.orientation = value("PlaneOrientationSequence", "ImageOrientationPatient")
        self.spacing = value("PixelMeasuresSequence", "PixelSpacing")
        stated = [value("PixelMeasuresSequence", keyword) for keyword in ("SpacingBetweenSlices", "SliceThickness")]
        self.stated = [abs(float(s)) for s in stated if numpy.isfinite(s)]

    def pixels(self):
        voxels = self.item.pixel_array
        return (voxels if voxels.ndim == 2 else voxels[self.frame or 0]).astype(numpy.float32)

    def normal(self):
        return numpy.cross(self.orientation[:3], self.orientation[3:])


def places_of(results, sources):
    """The slices of the result in the order of space, and of each the image that it says it was made of."""
    items = {}
    for path in sources:
        item = pydicom.dcmread(path)
        items[item.SOPInstanceUID] = item
    made = sorted((Place(pydicom.dcmread(path)) for path in results), key=lambda p: p.position @ p.normal())
    given = []
    for slice_ in made:
        assert len(slice_.item.SourceImageSequence) == 1, "a slice with several sources"
        source = slice_.item.SourceImageSequence[0]
        item = items[source.ReferencedSOPInstanceUID]
        frames = "PerFrameFunctionalGroupsSequence" in item
        given.append(Place(item, int(source.get("ReferencedFrameNumber", 1)) - 1 if frames else None))
    return made, given


def check_places(made, given):
    for n, (mine, its) in enumerate(zip(made, given)):
        assert mine.item.InstanceNumber == n + 1, f"slice {n + 1} in space has InstanceNumber {mine.item.InstanceNumber}"
        assert (mine.item.Rows, mine.item.Columns) == (its.item.Rows, its.item.Columns), "other rows or columns than the source"
        for what, limit in (("position", 1e-3), ("orientation", 1e-5), ("spacing", 1e-5)):
            apart = numpy.abs(getattr(mine, what) - getattr(its, what)).max()
            assert apart < limit, f"slice {n + 1} lies elsewhere than its source: {what} {apart:.5f}"
    assert len({(id(p.item), p.frame) for p in given}) == len(given), "two slices of one source"


def spread(voxels):
    """Brightness in 32 equally frequent steps."""
    limits = numpy.quantile(voxels, numpy.linspace(0, 1, 33)[1:-1])
    return numpy.searchsorted(limits, voxels)


def shared(x, y):
    """Mutual information of two images of 32 steps each, in nats: how well each tells the other, whatever the contrast."""
    joint = numpy.bincount((32 * x + y).ravel(), minlength=1024).reshape(32, 32) / x.size
    expected = joint.sum(1, keepdims=True) @ joint.sum(0, keepdims=True)
    there = joint > 0
    return float((joint[there] * numpy.log(joint[there] / expected[there])).sum())


def check_content(made, given):
    """Returns how much the two have in common."""
    first = max(len(made) // 2 - 8, 0)  # of the middle slices
    x, y = (spread(numpy.array([p.pixels() for p in places[first:first + 16]])) for places in (given, made))
    fit = shared(x, y)
    for axis in range(3):
        if x.shape[axis] > 1:
            assert shared(x, numpy.flip(y, axis)) < fit, f"is like its source as well when mirrored along axis {axis}"
            for step in (-1, 1):
                assert shared(x, numpy.roll(y, step, axis)) < fit, f"is like its source as well when moved by {step} along axis {axis}"
    for n in range(len(x) - 1):
        here, there = shared(x[n], y[n]) + shared(x[n + 1], y[n + 1]), shared(x[n], y[n + 1]) + shared(x[n + 1], y[n])
        own, farther = shared(x[n], x[n + 1]), [shared(x[k], x[k + 2]) for k in (n - 1, n) if 0 <= k < len(x) - 2]
        alike = own < SAME_AGAIN * max(farther, default=0)
        assert here > there or here < TELLS_NOTHING or alike, f"slices {first + n + 1} and {first + n + 2} are changed"
    return fit


def unevenness(places):
    """What dcm2niix may be off by, where a file tells its spacing in several ways: it goes by the first gap, between positions that it
    has rounded to single precision, or by the spacing or thickness stated, and along the normal."""
    positions = numpy.array([p.position for p in places])
    normal = places[0].normal()
    gaps = numpy.diff(positions @ normal)
    ends = [positions[:2], positions[-2:]]
    rounded = [float(numpy.linalg.norm(numpy.diff(end.astype(numpy.float32), axis=0))) for end in ends]
    along = positions[-1] - positions[0]
    off = numpy.linalg.norm(along - normal * (along @ normal))
    stated = [s for s in places[0].stated if abs(s - gaps.mean()) < 1e-3]
    return off + len(gaps) * max(abs(s - gaps.mean()) for s in [*stated, *gaps, *rounded])


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


def check_grids(sources, results, made, given, work):
    """Returns source and result in RAS+ order, where dcm2niix makes such a volume of the source."""
    read = converted(results, work)
    assert len(read) == 1, f"dcm2niix makes {len(read)} images of the result"
    shape, matrix = grid_of_series(results)
    assert sorted(read[0][0].shape) == sorted(shape), (read[0][0].shape, shape)
    apart = numpy.abs(corners(read[0][0].shape, read[0][1]) - corners(shape, matrix)).max()
    assert apart < 1e-3 + unevenness(made), f"dcm2niix and the attributes of the result lie {apart:.4f} mm apart"
    best = None
    for voxels, affine in converted(sources, work):
        for volume in ([voxels[..., t] for t in range(voxels.shape[3])] if voxels.ndim == 4 else [voxels]):
            if volume.ndim != 3 or volume.shape != read[0][0].shape:
                continue
            off = numpy.abs(corners(volume.shape, affine) - corners(read[0][0].shape, read[0][1])).max()
            if best is None or off < best[0]:
                best = off, volume, affine
    if best is None:
        print("    (dcm2niix makes no such volume of the source: its grid is compared with pydicom alone)")
        return None
    assert best[0] < 1e-3 + unevenness(made) + unevenness(given), f"source and result lie {best[0]:.4f} mm apart by dcm2niix"
    return in_orientation(best[1], best[2]), in_orientation(*read[0])


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


def check_capsule(source, result):
    here, mirrored = (result[0][mask].mean() for mask in capsule(*source))
    assert here > 3 * mirrored, f"the capsule is {here:.0f} bright on the left, {mirrored:.0f} on the right"


def look_up(pacs, uid):
    request = urllib.request.Request(f"http://127.0.0.1:{pacs.http}/tools/lookup", data=uid.encode())
    with urllib.request.urlopen(request, timeout=20) as answer:
        return [e["ID"] for e in json.loads(answer.read()) if e["Type"] == "Instance"]


def send(pacs, sources, results):
    to = ["--to", f"ORTHANC@127.0.0.1:{pacs.port}", "-q"]
    run("send", *sources, *to)  # some of it may be there already
    for time in range(2):
        done = run("send", os.path.dirname(results[0]), *to)
        assert done.returncode == 0, f"send, time {time + 1}: {done.stderr}"
        if time == 0:
            count = pacs.get("/statistics")["CountInstances"]
    assert pacs.get("/statistics")["CountInstances"] == count, "sent twice, there twice"


def check_archive(pacs, sources, results):
    of_source = look_up(pacs, pydicom.dcmread(sources[0], stop_before_pixels=True).SOPInstanceUID)
    assert of_source, "Orthanc did not take the source"
    study = pacs.get(f"/instances/{of_source[0]}/study")["ID"]
    series = set()
    for path in results:
        mine = pydicom.dcmread(path)
        there = look_up(pacs, mine.SOPInstanceUID)
        assert len(there) == 1, f"{len(there)} copies in the archive"
        back = pydicom.dcmread(io.BytesIO(pacs.get(f"/instances/{there[0]}/file", raw=True)))
        assert back.PixelData == mine.PixelData, "other pixels came back"
        assert pacs.get(f"/instances/{there[0]}/study")["ID"] == study, "another study"
        series.add(pacs.get(f"/instances/{there[0]}/series")["ID"])
    assert len(series) == 1 and len(pacs.get(f"/series/{series.pop()}")["Instances"]) == len(results), "not one series of these images"


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


def translated(series, out):
    """The files of source and result."""
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
    return referred(results, source_files(series)), results


def check_files(sources, results, work, generated):
    """All that needs no archive; returns how like its source the result is."""
    check_marks(results)
    check_objects(sources, results)
    made, given = places_of(results, sources)
    check_places(made, given)
    fit = check_content(made, given)
    pair = check_grids(sources, results, made, given, work)
    if pair and generated:
        check_capsule(*pair)
    assert pair or not generated, "the generated head was not seen by dcm2niix"
    return fit


def one(series, pacs, work, generated):
    sources, results = translated(series, os.path.join(work, "out"))
    fit = check_files(sources, results, work, generated)
    send(pacs, sources, results)
    check_archive(pacs, sources, results)
    return len(results), fit


def listed(*paths):
    done = run("info", "--json", "-q", *paths)
    return [s for s in json.loads(done.stdout)["series"] if s["usable"] and s["kind"] == "dicom"]


def turn(paths):
    """The head and its slices turned in space, by 22 degrees about the axis from left to right and 20 about that of the body."""
    (a, b), (c, d) = (numpy.cos(numpy.radians((22, 20))), numpy.sin(numpy.radians((22, 20))))
    matrix = numpy.array([[b, -d, 0], [d, b, 0], [0, 0, 1]]) @ numpy.array([[1, 0, 0], [0, a, -c], [0, c, a]])
    for path in paths:
        item = pydicom.dcmread(path)
        axes = numpy.array(item.ImageOrientationPatient, float).reshape(2, 3)
        item.ImageOrientationPatient = [f"{v:.10f}" for v in (axes @ matrix.T).ravel()]
        item.ImagePositionPatient = [f"{v:.6f}" for v in matrix @ numpy.array(item.ImagePositionPatient, float)]
        item.save_as(path)


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
        for n, plane in enumerate(("axial", "sagittal", "coronal", "oblique")):
            folder = os.path.join(work, plane)
            scanned = plane if plane != "oblique" else "axial"
            assert run("phantom", "-o", folder, "--seed", str(n), "--orientation", scanned, "--voxel", "1.5,1.5,3", "-q").returncode == 0
            if plane == "oblique":
                turn(files_of(folder + "/sub-01/dicom"))
            every += [(s, True) for s in listed(folder) if s["contrast"] in ("T1w", "T2w")]
        with peers.Orthanc(os.path.join(work, "orthanc")) as pacs:
            for series, generated in every:
                name = series["path"].replace(work, "").replace(data or "?", "") + f" ({series['contrast']}, {series['orientation']})"
                if os.environ.get("MRC_ONLY", "") not in name:
                    continue
                count += 1
                try:
                    slices, fit = one(series, pacs, work, generated)
                    print(f"ok      {name}: {slices} slices, {fit:.2f} nats in common", flush=True)
                except AssertionError as wrong:
                    failed += 1
                    print(f"FAILED  {name}: {wrong}", flush=True)
    print(f"{count} series, {failed} failed")
    return 1 if failed or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[2] if len(sys.argv) > 2 else None))
