#!/usr/bin/env python3
"""every_series_can_fail.py MRCYCLE: each defect that every_series.py is to find, put into a translation of a generated head, is found
by the criterion that is meant for it; the translation as it is passes."""
import glob
import os
import shutil
import sys
import tempfile

sys.dont_write_bytecode = True
import every_series as every  # noqa: E402
import peers  # noqa: E402
from every_series import numpy, pydicom  # noqa: E402


def each(change):
    """Of a change of one image that of all."""
    def change_all(paths):
        for n, path in enumerate(paths):
            item = pydicom.dcmread(path)
            change(item, n)
            item.save_as(path)
    return change_all


def turned(function):
    def change(item, _):
        item.PixelData = numpy.ascontiguousarray(function(item.pixel_array)).tobytes()
    return each(change)


def moved(row, column, normal):
    """The position by so many pixels and slices."""
    def change(item, _):
        x, y = (numpy.array(item.ImageOrientationPatient[a:a + 3], float) for a in (0, 3))
        by = x * column * item.PixelSpacing[1] + y * row * item.PixelSpacing[0] + numpy.cross(x, y) * normal * item.SpacingBetweenSlices
        item.ImagePositionPatient = [f"{v:.6f}" for v in numpy.array(item.ImagePositionPatient, float) + by]
    return each(change)


def set_to(keyword, function):
    return each(lambda item, n: setattr(item, keyword, function(getattr(item, keyword), n)))


def without(*tags):
    def change(item, _):
        for tag in tags:
            del item[tag]
    return each(change)


def swapped(*keywords):
    """What two neighbours in the middle say of themselves."""
    def change(paths):
        paths = sorted(paths, key=lambda p: float(pydicom.dcmread(p).SliceLocation))
        middle = paths[len(paths) // 2:][:2]
        one, other = (pydicom.dcmread(p) for p in middle)
        for keyword in keywords:
            mine, its = getattr(one, keyword), getattr(other, keyword)
            setattr(one, keyword, its)
            setattr(other, keyword, mine)
        one.save_as(middle[0])
        other.save_as(middle[1])
    return change


def shuffled_slices(paths):
    """The pixels of all slices moved by one slice."""
    paths = sorted(paths, key=lambda p: float(pydicom.dcmread(p).SliceLocation))
    pixels = [pydicom.dcmread(p).PixelData for p in paths]
    for path, data in zip(paths, pixels[-1:] + pixels[:-1]):
        item = pydicom.dcmread(path)
        item.PixelData = data
        item.save_as(path)


def first(change):
    return lambda paths: change(paths[:1])


MUTATIONS = [
    ("left and right exchanged", turned(lambda p: p[:, ::-1]), "mirrored"),
    ("upside down", turned(lambda p: p[::-1]), "mirrored"),
    ("pixels moved by a column", turned(lambda p: numpy.roll(p, 1, 1)), "moved"),
    ("pixels moved by a row", turned(lambda p: numpy.roll(p, -1, 0)), "moved"),
    ("pixels moved by a slice", shuffled_slices, "moved"),
    ("an even image", turned(lambda p: numpy.full_like(p, 1000)), "mirrored"),
    ("position moved by a column", moved(0, 1, 0), "position"),
    ("position moved by half a row", moved(0.5, 0, 0), "position"),
    ("position moved by a slice", moved(0, 0, 1), "position"),
    ("spacing a hundredth greater", set_to("PixelSpacing", lambda s, _: [f"{float(v) * 1.01:.6f}" for v in s]), "spacing"),
    ("spacing of rows and columns a thousandth greater", set_to("PixelSpacing", lambda s, _: [f"{float(v) * 1.001:.6f}" for v in s]), "spacing"),
    ("rows run the other way", set_to("ImageOrientationPatient", lambda o, _: [-v for v in o[:3]] + list(o[3:])), ""),
    ("two positions exchanged", swapped("ImagePositionPatient", "SliceLocation"), ""),
    ("two slices exchanged in all but their numbers and sources", swapped("ImagePositionPatient", "SliceLocation", "InstanceNumber"), "position"),
    ("pixels of two slices exchanged", swapped("PixelData"), "changed"),
    ("two sources exchanged", swapped("SourceImageSequence"), "position"),
    ("numbers against space", set_to("InstanceNumber", lambda v, n: 1000 - v), "InstanceNumber"),
    ("no SyntheticData", without((0x0008, 0x001C)), "SyntheticData"),
    ("called original", set_to("ImageType", lambda v, _: ["ORIGINAL", "PRIMARY", "OTHER", v[3]]), "ImageType"),
    ("no word in the description", set_to("SeriesDescription", lambda v, _: "T2w"), "called synthetic"),
    ("no comment", without("ImageComments"), "words"),
    ("one slice without a comment", first(without("ImageComments")), "words"),
    ("no equipment", without("ContributingEquipmentSequence"), "equipment"),
    ("no qualification", without("ContentQualification"), "ContentQualification"),
    ("no PatientPosition", without("PatientPosition"), "dciodvfy"),
    ("another birth date", set_to("PatientBirthDate", lambda v, _: "19010101"), "dcentvfy"),
    ("another study description", set_to("StudyDescription", lambda v, _: "another study"), "dcentvfy"),
    ("an attribute of the study that the source has not", each(lambda item, _: setattr(item, "Occupation", "sailor")), "dcentvfy"),
]


def by_dcm2niix(sources, results, work):
    return every.check_grids(sources, results, *every.places_of(results, sources), work)


def by_capsule(sources, results, work):
    every.check_capsule(*by_dcm2niix(sources, results, work))


# Criteria that stand behind others, asked alone.
ALONE = [
    ("left and right exchanged, for the capsule", turned(lambda p: p[:, ::-1]), by_capsule),
    ("position moved by a hundredth of a pixel, for dcm2niix", moved(0, 0.01, 0), by_dcm2niix),
    ("spacing a thousandth greater, for dcm2niix", set_to("PixelSpacing", lambda s, _: [f"{float(v) * 1.001:.6f}" for v in s]), by_dcm2niix),
]


def main(mrcycle):
    every.mrcycle = os.path.abspath(mrcycle)
    failed = 0
    with tempfile.TemporaryDirectory() as work:
        assert every.run("phantom", "-o", work + "/p", "--voxel", "3,3,4", "-q").returncode == 0
        series = [s for s in every.listed(work + "/p") if s["contrast"] == "T1w"]
        sources, whole = every.translated(series[0], work + "/whole")
        every.check_files(sources, whole, work, True)
        for what, change, words in MUTATIONS:
            folder = work + "/changed"
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(work + "/whole", folder)
            paths = sorted(glob.glob(folder + "/*"))
            change(paths)
            try:
                every.check_files(sources, paths, work, True)
                found = "nothing"
            except AssertionError as wrong:
                found = str(wrong) or "something"
            good = found != "nothing" and words in found
            failed += not good
            print(f"{'ok    ' if good else 'FAILED'}  {what}: {found[:110]}", flush=True)
        for what, change, check in ALONE:
            shutil.rmtree(work + "/changed")
            shutil.copytree(work + "/whole", work + "/changed")
            paths = sorted(glob.glob(work + "/changed/*"))
            change(paths)
            try:
                check(sources, paths, work)
                failed += 1
                print(f"FAILED  {what}: nothing")
            except AssertionError as wrong:
                print(f"ok      {what}: {wrong}")
        with peers.Orthanc(work + "/orthanc") as pacs:
            every.send(pacs, sources, whole)
            every.check_archive(pacs, sources, whole)

            def one_pixel(item, _):
                pixels = item.pixel_array.copy()
                pixels[pixels.shape[0] // 2, pixels.shape[1] // 2] ^= 1
                item.PixelData = pixels.tobytes()
            first(each(one_pixel))(whole)
            try:
                every.check_archive(pacs, sources, whole)
                failed += 1
                print("FAILED  one pixel changed after sending: nothing")
            except AssertionError as wrong:
                print(f"ok      one pixel changed after sending: {wrong}")
    print(f"{len(MUTATIONS) + len(ALONE) + 1} defects, {failed} not found")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
