#!/usr/bin/env python3
"""The real files in ../shared, all at once, as a hospital would hand them over: every file is accounted for, each set
comes out as its description in the README there says, NIfTI volumes are what nibabel reads, and `prepare` makes a set
of it. sweep.py compares the DICOM volumes with pydicom and dcm2niix.

usage: shared_truth.py MRCYCLE DUMP DATA     the built program, the built dump.c, the folder ../shared/data
Exit code 77 (skipped) where DATA, pydicom, numpy or nibabel is not there.
"""
import collections
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import peers  # noqa: E402
import numpy as np  # noqa: E402

try:
    import nibabel
except ImportError as missing:
    print(f"SKIP: {missing}")
    sys.exit(77)

failures = []


def check(truth, words):
    if not truth:
        failures.append(words)


# --- what the README says of the sets ---

# Folder; how many series lie below it; how many of them translate takes; the contrasts of all; the shapes (columns,
# rows, slices) of those taken; what the reasons of the others say; what those of refused files say.
SETS = [
    ("siemens_t1_datalad_pddl", 1, 1, {"T1w"}, {(274, 384, 384)}, None, None),
    ("ge_hdxt_irspgr_t1", 1, 1, {"T1w"}, {(256, 256, 196)}, None, None),
    ("cs_dl_philips", 4, 4, {"T1w"}, {(256, 256, 12), (256, 256, 24)}, None, "RawDataStorage without PixelData"),
    ("papaya_ge_pd", 1, 0, {"PDw"}, None, "MPR", None),
    ("xa30_siemens_enhanced/22_DWI_dir80_AP", 1, 0, {"unknown"}, None, "RGB", None),
    ("xa30_siemens_enhanced/5_anat-T1w_acq-tfl", 1, 1, {"T1w"}, {(128, 128, 96)}, None, None),
    ("xa30_siemens_enhanced/6_anat-T1w_acq-tfl", 1, 1, {"T1w"}, {(128, 128, 96)}, None, None),
    ("xa30_siemens_enhanced/8_gre_field_mapping", 2, 2, {"unknown"}, {(64, 64, 33)}, None, None),
    ("xa30_siemens_enhanced/9_gre_field_mapping", 1, 0, {"unknown"}, None, "not a magnitude image", None),
    ("xa30_siemens_enhanced/99_Phoenix_Document", 0, 0, set(), None, None, "EnhancedSRStorage without PixelData"),
    ("ge_3plane_localizer", 3, 0, {"unknown"}, None, "3 orientations in one series", None),
    ("dcmstack_16echo_t2", 3, 0, {"unknown"}, None, "mm apart, expected|2 slices, expected at least 3",
     "expected a volume of at least 3 a side|not a DICOM"),
    ("dicom2nifti_tests/anatomical", 2, 2, {"T1w"}, {(256, 256, 4)}, None, None),
    ("dicom2nifti_tests/failing/gantrytilting", 1, 0, {"unknown"}, None, "Modality is CT", None),
    ("dicom2nifti_tests/failing/notavolume", 1, 0, {"unknown"}, None, "Modality is CT", None),
    ("dicom2nifti_tests/failing/sliceincrement", 2, 0, {"unknown"}, None, "Modality is CT", None),
    ("dicom2nifti_tests/failing/slicecount", 1, 0, {"FLAIR"}, None, "2 slices, expected at least 3", None),
    ("dicom2nifti_tests/failing/sliceorientation", 2, 0, {"T2w"}, None, "2 orientations in one series", None),
    ("dicom2nifti_tests/ge/anatomical", 3, 2, {"T1w"}, {(256, 256, 4)}, "1 slice, expected at least 3", None),
    ("dicom2nifti_tests/ge/fmri", 4, 4, {"unknown"}, {(64, 64, 4)}, None, "not a DICOM, NIfTI or PNG image"),
    ("dicom2nifti_tests/generic/anatomical/001", 1, 0, {"FLAIR"}, None, "expected T1w or T2w", None),
    ("dicom2nifti_tests/generic/anatomical/001_implicit", 1, 0, {"FLAIR"}, None, "expected T1w or T2w", None),
    ("dicom2nifti_tests/generic/anatomical/002_non_isotropic", 1, 0, {"unknown"}, None, "MPR", None),
    ("dicom2nifti_tests/generic/compressed", 1, 0, {"FLAIR"}, None, "expected T1w or T2w", None),
    ("dicom2nifti_tests/generic/compressed_j2k", 1, 0, {"FLAIR"}, None, "expected T1w or T2w", None),
    ("dicom2nifti_tests/generic/compressed_jpeg", 1, 0, {"FLAIR"}, None, "expected T1w or T2w", None),
    ("dicom2nifti_tests/generic/compressed_jpegls", 1, 0, {"FLAIR"}, None, "expected T1w or T2w", None),
    ("dicom2nifti_tests/generic/compressed_rle", 1, 0, {"FLAIR"}, None, "expected T1w or T2w", None),
    ("dicom2nifti_tests/generic/rgb", 1, 0, {"T1w"}, None, "PhotometricInterpretation is RGB", None),
    ("dicom2nifti_tests/hitachi", 2, 0, {"PDw"}, None, "expected T1w or T2w", None),
    ("dicom2nifti_tests/hyperfine", 1, 0, {"FLAIR"}, None, "expected T1w or T2w", None),
    ("dicom2nifti_tests/philips/anatomical", 2, 0, {"FLAIR"}, None, "expected T1w or T2w", None),
    ("dicom2nifti_tests/philips/fmri", 8, 0, {"T2starw"}, None, "2 slices, expected at least 3", None),
    ("dicom2nifti_tests/philips_enhanced/anatomical", 2, 2, {"T1w"}, {(256, 256, 8)}, None, None),
    ("dicom2nifti_tests/philips_enhanced/fmri", 8, 8, {"unknown"}, {(64, 64, 8)}, None, None),
    ("dicom2nifti_tests/siemens/anatomical", 2, 0, {"FLAIR"}, None, "expected T1w or T2w", None),
    ("dicom2nifti_tests/siemens/fmri", 2, 0, {"unknown"}, None, "a Siemens mosaic", None),
    ("dicom2nifti_tests/siemens_multiframe", 1, 1, {"unknown"}, {(256, 256, 8)}, None, None),
    ("siemens_ts_compressed", 1, 0, {"unknown"}, None, "a Siemens mosaic", None),
    ("siemens_12bit_signed", 1, 0, {"unknown"}, None, "a Siemens mosaic", None),
    ("pylibjpeg", 40, 0, {"unknown", "T1w", "T2w"}, None,
     "Modality is (CT|NM|SC|CR|OT|US|missing|43|RTDOSE)|1 slice, expected|10 frames without functional groups",
     "not a DICOM, NIfTI or PNG image"),
    ("enh_misc/Philips", 8, 1, {"unknown"}, {(64, 64, 32)}, "PERFUSION|not a magnitude image", None),
    ("enh_misc/Siemens", 4, 4, {"unknown"}, {(64, 64, 6)}, None, None),
    ("philips_nonimage_raw", 0, 0, set(), None, None, "RawDataStorage without PixelData"),
    ("torchio_ct_small", 1, 0, {"unknown"}, None, "Modality is CT", None),
    ("pydicom_test_files/dicomdirtests", 24, 0, {"unknown"}, None,
     "Modality is C[RT]|1 slice, expected|orientations in one series",
     "DICOMDIR, an index|CTImageStorage without PixelData|not a DICOM|^truncated"),
    ("pydicom_test_files", 26, 0, {"unknown", "T2w"}, None,
     "Modality is|2 of 9 slices damaged|1 slice, expected",
     "without PixelData|truncated|not a DICOM|NumberOfFrames|the data set is implicit little endian|8320 bytes, expected 8192"),
]
# The files of nifti_edge that are not taken by their header, and why; every other one is.
NIFTI = {
    "bad_datatype": "datatype 9999", "bad_dim0": "dim.0. is 12", "bad_dim_negative": "dim.1. is -46",
    "bad_magic": "magic is wrong", "bad_sizeof_hdr": "sizeof_hdr is 1234", "bitpix_mismatch": "bitpix is 8",
    "dim2": "at least 3 a side", "dt_complex128": "complex", "dt_complex64": "complex", "dt_rgb24": "RGB",
    "empty": "ends after 0 bytes", "huge_dim": "32767", "pixdim_negative": "spacing of -4", "pixdim_zero": "spacing of 0",
    "single_slice": "at least 3 a side", "trunc_header": "ends after 200", "trunc_raw": "holds 100000 bytes",
    "vox_offset_0": "vox_offset is 0", "vox_offset_1e9": "vox_offset is 1000000000",
    "oblique": "23.2 degrees",
    "dim5_vector": "2 volumes", "series4d": "5 volumes", "example4d": "2 volumes", "example_nifti2": "2 volumes",
    "functional": "20 volumes", "analyze": "ANALYZE", "nifti1": "voxels are not there", "nifti2": "voxels are not there",
    "row_major.dconn": "at least 3 a side", "small": "not a DICOM", "test": "not a DICOM", "tiny": "not a DICOM",
    "MANIFEST": "not a DICOM", "trunc_gz": "gzip stream ends early",
}
# Sound header, sound length, another checksum: only reading all of it shows that, which info does not and prepare does.
BROKEN_INSIDE = {"gz_bad_crc"}


def loads(entry):
    """Usable, or it would be if its contrast were known: translate asks for --from then."""
    return entry.get("usable", False) or "(--from says which it is)" in entry["reason"]


def set_of(path, roots):
    """The row of SETS that a path belongs to (the longest folder), and the path below its root."""
    for root in roots:
        if path.startswith(root + os.sep):
            below = os.path.relpath(path, root)
            rows = [s for s in SETS if (below + "/").startswith(s[0] + "/")]
            return (max(rows, key=lambda s: len(s[0])) if rows else None), below
    return None, path


def compare_sets(found, roots):
    series, refused = collections.defaultdict(list), collections.defaultdict(list)
    for group, entries in ((series, found["series"]), (refused, found["refused"])):
        for entry in entries:
            if entry.get("kind") == "nifti" or re.search(r"\.(nii(\.gz)?|hdr|img|tsv|gz|mnc|mgz)$", entry["path"]):
                continue
            row, below = set_of(entry["path"], roots)
            check(row is not None, f"{below}: no set that is known")
            if row is not None:
                group[row[0]].append(entry)
    for name, count, taken, contrasts, shapes, why_not, why_refused in SETS:
        here = series[name]
        usable = [s for s in here if loads(s)]
        check(len(here) == count and len(usable) == taken, f"{name}: {len(usable)} of {len(here)} series, expected {taken} of {count}")
        check({s["contrast"] for s in here} == contrasts, f"{name}: {sorted(s['contrast'] for s in here)}, expected {contrasts}")
        if shapes is not None:
            got = {(s["columns"], s["rows"], s["slices"]) for s in usable}
            check(got == shapes, f"{name}: {got}, expected {shapes}")
        for s in here:
            if not loads(s):
                check(why_not is not None and re.search(why_not, s["reason"]), f"{name}: {s['reason']}")
        for r in refused[name]:
            check(why_refused is not None and re.search(why_refused, r["reason"]), f"{r['path']}: {r['reason']}")


def stem(path):
    return re.sub(r"\.(nii|gz|hdr|img|mnc|mgz|tsv)$", "", re.sub(r"\.gz$", "", os.path.basename(path)))


def compare_nifti(found, root):
    for entry in found["series"] + found["refused"]:
        if not entry["path"].startswith(root):
            continue
        why = NIFTI.get(stem(entry["path"]))
        taken = loads(entry)
        check(taken == (why is None), f"{entry['path']}: {'taken' if taken else 'not taken'}: {entry['reason']}")
        if why is not None and not taken:
            check(re.search(why, entry["reason"]), f"{entry['path']}: {entry['reason']}")


# --- every file ---


def files_below(roots):
    return {os.path.join(folder, name) for root in roots for folder, _, names in os.walk(root) for name in names}


def account(found, roots):
    """Each file lies in series, or is refused, and not both."""
    in_series = set()
    for s in found["series"]:
        paths = s["file_paths"] or [s["path"]]
        check(len(paths) == s["files"], f"{s['path']}: {len(paths)} paths for {s['files']} files")
        in_series.update(paths)
    refused = [r["path"] for r in found["refused"]]
    everything = files_below(roots)
    check(len(set(refused)) == len(refused), "a file is refused twice")
    check(not in_series & set(refused), f"taken and refused: {sorted(in_series & set(refused))[:3]}")
    check(in_series | set(refused) == everything, f"unaccounted: {sorted((in_series | set(refused)) ^ everything)[:5]}")
    return len(everything)


# --- voxels and places ---


def nifti_differences(volume):
    image = nibabel.load(volume.path)
    data = np.asanyarray(image.dataobj)
    data = data.reshape(data.shape[:3]).astype(np.float64).astype(np.float32)
    finite = np.isfinite(data)
    data[~finite] = min(0.0, data[finite].min())  # background
    unit = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}[int(image.header["xyzt_units"]) & 7]
    far = np.array([[i, j, k, 1] for i in (0, data.shape[0]) for j in (0, data.shape[1]) for k in (0, data.shape[2])]).T
    check(np.array_equal(data.transpose(2, 1, 0), volume.voxels, equal_nan=True), f"{volume.path}: other voxels than nibabel's")
    away = np.abs((image.affine[:3] * unit - volume.matrix) @ far).max()
    check(away <= 1e-3, f"{volume.path}: {away} mm from where nibabel places it")


def compare_nifti_volumes(dump, root, scratch):
    """Every NIfTI volume below a folder, a few files at a time: all of them would fill the disk."""
    compared, few = 0, 12
    paths = [path for path in sorted(files_below([root])) if re.search(r"\.(nii(\.gz)?|hdr)$", path)]
    for first in range(0, len(paths), few):
        out = os.path.join(scratch, "volumes")
        for volume in (v for volumes, _ in peers.ours_of_each(dump, paths[first:first + few], out) for v in volumes):
            name = stem(volume.path)
            check(name not in BROKEN_INSIDE, f"{volume.path}: read though it is broken")
            if name not in ("not_gz_named_gz", "gz_named_nii"):  # nibabel goes by names
                nifti_differences(volume)
                compared += 1
        shutil.rmtree(out)
    return compared


# --- prepare ---


def prepare(mrcycle, roots, scratch):
    """Over all at once: a set, and a row of every file; reasons hold, and name no option that prepare has not."""
    out = os.path.join(scratch, "set")
    done = subprocess.run([mrcycle, "prepare", *roots, "-o", out, "-q"], capture_output=True, text=True)
    check(done.returncode == 0, f"prepare: exit code {done.returncode}: {done.stderr.strip()}")
    if done.returncode != 0:
        return
    report = json.load(open(os.path.join(out, "report.json")))
    rows = [line.rstrip("\n").split("\t") for line in open(out + ".sources.tsv")][1:]
    paths = {row[3] for row in rows}
    everything = files_below(roots)
    check(paths == everything, f"prepare: unaccounted: {sorted(paths ^ everything)[:5]}")
    check({row[0] for row in rows} == {s["source"] for s in report["sources"]}, "prepare: the report lacks a source")
    check(all(s["used"] or s["reason"] for s in report["sources"]), "prepare: a source without a reason")
    results = {stem(row[3]): row[2] for row in rows}
    for name in BROKEN_INSIDE | {"trunc_gz"}:
        check(results[name].startswith("refused: "), f"prepare: {name}: {results[name]}")
    for part, why in (("/ge_hdxt_irspgr_t1/", "of an object"), ("/cs_dl_philips/", "of an object|without PixelData"),
                      ("/papaya_ge_pd/", "--allow-derived"), ("/hyperfine/", "expected T1w or T2w .--map overrules")):
        here = {row[2] for row in rows if part in row[3]}
        check(here and all(re.search("^refused: .*(" + why + ")", words) for words in here), f"prepare: {part}: {here}")
    options = {word for row in rows for word in re.findall(r"\(--[a-z-]+", row[2])}
    check(options <= {"(--map", "(--assume-ras", "(--allow-derived", "(--allow-synthetic"}, f"prepare: it has no {options}")
    used = [s for s in report["sources"] if s["used"]]
    check(report["series"] == len(used) >= 2 and all(s["contrast"] == "T1w" for s in used), f"prepare: used {used}")


def main():
    mrcycle, dump, data = sys.argv[1:4]
    roots = [os.path.join(data, "dicom"), os.path.join(data, "nifti_edge")]
    if not all(map(os.path.isdir, roots)):
        print(f"SKIP: {data} is not there")
        return 77
    with tempfile.TemporaryDirectory() as scratch:
        unpacked = os.path.join(scratch, "archives")
        for archive in glob.glob(os.path.join(roots[0], "*.tar.gz")):
            with tarfile.open(archive) as tar:
                tar.extractall(os.path.join(unpacked, os.path.basename(archive)[:-7]))
        done = subprocess.run([mrcycle, "info", "--json", "--files", "-q", *roots, unpacked], capture_output=True)
        check(done.returncode == 0, f"info: exit code {done.returncode}")
        found = json.loads(done.stdout)
        count = account(found, [*roots, unpacked])
        compare_sets(found, [roots[0], unpacked])
        compare_nifti(found, roots[1])
        nifti = compare_nifti_volumes(dump, roots[1], scratch)
        check(nifti >= 39, f"{nifti} volumes of nifti_edge compared, expected more")
        for more in ("paired", "unpaired"):
            count_more = compare_nifti_volumes(dump, os.path.join(data, more), scratch)
            check(count_more >= 25, f"{count_more} volumes of {more} compared, expected more")
            nifti += count_more
        prepare(mrcycle, [*roots, unpacked], scratch)
    print("\n".join(failures))
    print(f"{count} files accounted for; {nifti} NIfTI volumes are as nibabel reads them; {len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
