#!/usr/bin/env python3
"""One generated head as a scanner, an archive or an accident would have left it: names, numbers, orders, gaps,
doubles, planes, positions of the patient, echoes, frames, fragments and every transfer syntax. Each variant is
read back as the same voxels at the same places, or refused in the words expected.

usage: variants.py MRCYCLE DUMP     the built program, and the built dump.c
Exit code 77 (skipped) where pydicom or numpy is not there; variants whose tool is not there are left out.
"""
import copy
import glob
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import peers  # noqa: E402
import numpy as np  # noqa: E402
import pydicom  # noqa: E402
from pydicom.dataset import Dataset  # noqa: E402
from pydicom.encaps import encapsulate  # noqa: E402
from pydicom.sequence import Sequence  # noqa: E402
from pydicom.uid import generate_uid  # noqa: E402

ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"
UIH = "Image Private Header"
LEGACY_ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.4"


def phantom(mrcycle, scratch, plane):
    """The slices of a small head, by position."""
    out = os.path.join(scratch, "phantom_" + plane)
    subprocess.run([mrcycle, "phantom", "-o", out, "--voxel", "8,8,8", "--orientation", plane, "-q"], check=True,
                   capture_output=True)
    slices = [pydicom.dcmread(f) for f in sorted(glob.glob(out + "/*/dicom/T1w/*"))]
    return sorted(slices, key=along)


def along(data):
    x, y = np.array(data.ImageOrientationPatient[:3]), np.array(data.ImageOrientationPatient[3:])
    return float(np.cross(x, y) @ np.array(data.ImagePositionPatient))


def save(slices, folder, name=lambda n: f"IM{n:04d}"):
    os.makedirs(folder)
    for n, data in enumerate(slices):
        data.save_as(os.path.join(folder, name(n)))


def clone(slices):
    return [copy.deepcopy(data) for data in slices]


# --- names, numbers, orders ---

def shuffled(slices, folder):
    order = np.random.default_rng(1).permutation(len(slices))
    for n, data in enumerate(slices):
        data.InstanceNumber = len(slices) - n
    save(slices, folder, lambda n: f"{order[n]:02d}.ima")


def no_preamble(slices, folder):
    os.makedirs(folder)
    for n, data in enumerate(slices):
        data.is_little_endian = data.is_implicit_VR = True
        plain = Dataset(data)
        plain.is_little_endian = plain.is_implicit_VR = True
        plain.save_as(os.path.join(folder, f"{n}"), write_like_original=True)


def one_numbered(slices, folder):
    for data in slices:
        data.InstanceNumber = 1
    save(slices, folder)


def missing(slices, folder):
    del slices[len(slices) // 2]
    save(slices, folder)


def jittered(slices, folder):
    """Positions cut or noisy by less than 0.1 mm, the ends as they were: on the even grid (docs/dicom.md, B3)."""
    noise = np.random.default_rng(3).uniform(-0.09, 0.09, len(slices))
    noise[[0, -1]] = 0
    for data, off in zip(slices, noise):
        data.ImagePositionPatient = [*data.ImagePositionPatient[:2], f"{float(data.ImagePositionPatient[2]) + off:.4f}"]
    save(slices, folder)


def irregular(slices, folder):
    """Gaps that are neither even nor a whole number of them."""
    for n, data in enumerate(slices):
        data.ImagePositionPatient = [*data.ImagePositionPatient[:2], f"{float(data.ImagePositionPatient[2]) + (n % 2) * 2.5:.4f}"]
    save(slices, folder)


def doubled(slices, folder):
    twin = copy.deepcopy(slices[3])
    twin.SOPInstanceUID = twin.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    twin.InstanceNumber = slices[3].InstanceNumber
    save(slices + [twin], folder)


def copied(slices, folder):
    save(slices + [slices[3]], folder)


# --- several volumes ---

def repeated(slices, change):
    """The series once more under its own UID: darker by half, and changed."""
    more = clone(slices)
    for n, data in enumerate(more):
        data.PixelData = (data.pixel_array // 2).astype("<u2").tobytes()
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        data.InstanceNumber = len(slices) + n + 1
        change(data)
    return more


def two_echoes(slices, folder):
    save(slices + repeated(slices, lambda d: setattr(d, "EchoTime", 40)), folder)


def two_repeats(slices, folder):
    save(slices + repeated(slices, lambda d: None), folder)


# --- planes and patients ---

def turned(slices, folder, turn):
    """The patient turned: positions and directions, not pixels."""
    for data in slices:
        iop = np.array(data.ImageOrientationPatient, float).reshape(2, 3) @ turn.T
        data.ImageOrientationPatient = [f"{v:.10g}" for v in iop.ravel()]
        data.ImagePositionPatient = [f"{v:.10g}" for v in turn @ np.array(data.ImagePositionPatient, float)]
    save(slices, folder)


def feet_first(slices, folder):
    for data in slices:
        data.PatientPosition = "FFP"
    turned(slices, folder, np.diag([-1.0, 1.0, -1.0]))


def oblique(slices, folder):
    a = np.deg2rad(27)
    turned(slices, folder, np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]]))


def tilted(slices, folder):
    for n, data in enumerate(slices):
        position = [float(v) for v in data.ImagePositionPatient]
        data.ImagePositionPatient = [position[0], position[1] + n, position[2]]
    save(slices, folder)


# --- vendors ---

def made_by(maker, creator=None, *, vr="DS", element=0x50, value=None, image_type=None, comments=None, group=0x0065):
    """As a maker's export: his name, his private block, where he tells what."""
    def variant(slices, folder):
        for data in slices:
            data.Manufacturer = maker
            if creator:
                block = data.private_block(group, creator, create=True)
                block.add_new(element, vr, value)
            if image_type:
                data.ImageType = image_type
            if comments:
                data.ImageComments = comments
        save(slices, folder)
    return variant


def canon_diffusion(slices, folder):
    """b = 0 without a word of it, and b = 1000 in the comments, under one series."""
    weighted = repeated(slices, lambda d: setattr(d, "ImageComments", "b=1000(0.445,0.000,0.895)"))
    made_by("CANON_MEC")(slices + weighted, folder)


# --- pixels ---

def monochrome1(slices, folder):
    top = max(int(data.pixel_array.max()) for data in slices)
    for data in slices:
        data.PhotometricInterpretation = "MONOCHROME1"
        data.PixelData = (top - data.pixel_array).astype("<u2").tobytes()
    save(slices, folder)


def high_bits(slices, folder):
    """Twelve bits at the top of sixteen, rubbish below."""
    for data in slices:
        data.BitsStored, data.HighBit = 12, 15
        data.PixelData = (data.pixel_array.astype("<u2") << 4 | 9).astype("<u2").tobytes()
    save(slices, folder)


def signed_rescaled(slices, folder):
    for n, data in enumerate(slices):
        values = data.pixel_array.astype("<i4") - 500 - n
        data.PixelRepresentation, data.BitsStored, data.HighBit = 1, 16, 15
        for tag in ("SmallestImagePixelValue", "LargestImagePixelValue"):
            if tag in data:
                delattr(data, tag)
        data.RescaleSlope, data.RescaleIntercept = 1, 500 + n
        data.PixelData = values.astype("<i2").tobytes()
    save(slices, folder)


def wide_cells(slices, folder):
    for data in slices:
        data.PixelData = data.pixel_array.astype("<u4").tobytes()
        data.BitsAllocated, data.BitsStored, data.HighBit = 32, 32, 31
    save(slices, folder)


def floats(slices, folder):
    for data in slices:
        data.FloatPixelData = data.pixel_array.astype("<f4").tobytes()
        data.BitsAllocated = 32
        data[0x7FE00008].VR = "OF"
        for tag in ("PixelData", "BitsStored", "HighBit", "PixelRepresentation"):
            delattr(data, tag)
    save(slices, folder)


def short_pixels(slices, folder):
    slices[2].PixelData = slices[2].PixelData[:-40]
    save(slices, folder)


# --- frames ---

def group(**attributes):
    item = Dataset()
    for name, attribute in attributes.items():
        setattr(item, name, attribute)
    return Sequence([item])


def frame_groups(data, stack):
    own = Dataset()
    own.PlanePositionSequence = group(ImagePositionPatient=data.ImagePositionPatient)
    own.FrameContentSequence = group(StackID=stack, InStackPositionNumber=1)
    own.PixelValueTransformationSequence = group(RescaleIntercept=0, RescaleSlope=1, RescaleType="US")
    return own


def enhanced(slices, sop_class=ENHANCED_MR, stacks=1):
    """All slices as frames of one file, out of order; several stacks are copies, each half as bright."""
    first = slices[0]
    data = copy.deepcopy(first)
    for tag in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "EchoTime",
                "RepetitionTime", "FlipAngle", "SliceLocation", "InstanceNumber"):
        if tag in data:
            delattr(data, tag)
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = sop_class
    shared = Dataset()
    shared.PlaneOrientationSequence = group(ImageOrientationPatient=first.ImageOrientationPatient)
    shared.PixelMeasuresSequence = group(PixelSpacing=first.PixelSpacing, SliceThickness=first.SliceThickness)
    shared.MRImageFrameTypeSequence = group(FrameType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"],
                                            ComplexImageComponent="MAGNITUDE")
    shared.MREchoSequence = group(EffectiveEchoTime=3.0)
    shared.MRTimingAndRelatedParametersSequence = group(RepetitionTime=9.0, FlipAngle=9.0)
    data.SharedFunctionalGroupsSequence = Sequence([shared])
    order = np.random.default_rng(2).permutation(len(slices))
    frames = [(slices[n], stack) for stack in range(stacks) for n in order]
    data.PerFrameFunctionalGroupsSequence = Sequence([frame_groups(s, str(stack + 1)) for s, stack in frames])
    data.NumberOfFrames = len(frames)
    data.PixelData = b"".join((s.pixel_array // (stack + 1)).astype("<u2").tobytes() for s, stack in frames)
    return data


def multi_frame(slices, folder):
    save([enhanced(slices)], folder)


def legacy_converted(slices, folder):
    save([enhanced(slices, LEGACY_ENHANCED_MR)], folder)


def two_stacks(slices, folder):
    save([enhanced(slices, stacks=2)], folder)


def frame_a_file(slices, folder):
    """Enhanced MR of one frame each, as some archives split it."""
    files = []
    for data in slices:
        one = enhanced([data])
        one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        files.append(one)
    save(files, folder)


def lost_frame_description(slices, folder):
    data = enhanced(slices)
    del data.PerFrameFunctionalGroupsSequence[-1]
    save([data], folder)


# --- transfer syntaxes ---

def bytes_of_16_bits(slices, folder):
    """Big endian, and OB: nobody knows the order."""
    for data in slices:
        data["PixelData"].VR = "OB"
        data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRBigEndian
        data.is_little_endian = data.is_implicit_VR = False
    save(slices, folder)


def converted(command, make=None):
    """The series through a tool that is not ours."""
    def variant(slices, folder):
        if shutil.which(command[0]) is None:
            return False
        plain = folder + "_plain"
        (make or save)(slices, plain)
        os.makedirs(folder)
        for name in os.listdir(plain):
            subprocess.run([*command, os.path.join(plain, name), os.path.join(folder, name)], check=True,
                           capture_output=True)
        shutil.rmtree(plain)
        return True
    return variant


def fragmented(command, frames):
    """Each frame in three fragments."""
    def variant(slices, folder):
        if not converted(command, multi_frame if frames else None)(slices, folder + "_whole"):
            return False
        os.makedirs(folder)
        for name in os.listdir(folder + "_whole"):
            data = pydicom.dcmread(os.path.join(folder + "_whole", name))
            count = int(data.get("NumberOfFrames", 1))
            pieces = list(pydicom.encaps.generate_pixel_data_frame(data.PixelData, count))
            data.PixelData = encapsulate(pieces, fragments_per_frame=3, has_bot=True)
            data["PixelData"].is_undefined_length = True
            data.save_as(os.path.join(folder, name))
        return True
    return variant


def unknown_syntax(slices, folder):
    for data in slices:
        data.file_meta.TransferSyntaxUID = pydicom.uid.UID("1.2.840.10008.1.2.4.92")
        data.PixelData = encapsulate([b"\xff\x4f\xff\x51" + bytes(60)])
        data["PixelData"].is_undefined_length = True
    save(slices, folder)


SAME, NEAR = "same", "near"
# name, what is made, and what is expected: SAME voxels and places, NEAR (lossy), a number of volumes of which the
# first is the same, or words of the refusal
CASES = [
    ("shuffled names, reversed numbers", shuffled, SAME),
    ("no preamble, implicit", no_preamble, SAME),
    ("every instance numbered 1", one_numbered, SAME),
    ("a missing slice", missing, "--allow-gaps"),
    ("positions off by 0.09 mm", jittered, SAME),
    ("irregular gaps", irregular, "mm apart, expected"),
    ("a second image at a place", doubled, "same position"),
    ("a file twice", copied, SAME),
    ("two echoes in a series", two_echoes, 2),
    ("a series repeated", two_repeats, 2),
    ("feet first, prone", feet_first, SAME),
    ("oblique", oblique, SAME),
    ("a tilted stack", tilted, "tilted by"),
    ("Canon", made_by("CANON_MEC", "TOSHIBA_MEC_MR3", group=0x700D, vr="SH", element=0x02, value="SE"), SAME),
    ("Canon, diffusion in the comments", canon_diffusion, 1),
    ("United Imaging", made_by("UIH", UIH, value="1"), SAME),
    ("United Imaging, VFRAME", made_by("UIH", UIH, value="20", image_type=["ORIGINAL", "PRIMARY", "M", "VFRAME"]), "(VFRAME)"),
    ("United Imaging, a grid without its ImageType", made_by("UIH", UIH, value="20"), "mosaic of 20 slices"),
    ("United Imaging, diffusion", made_by("UIH", UIH, vr="FD", element=0x09, value=1000.0), "b = 1000"),
    ("Siemens mosaic without its ImageType", made_by("SIEMENS", "SIEMENS MR HEADER", group=0x0019, vr="US", element=0x0A, value=20),
     "Siemens mosaic of 20 slices"),
    ("GE, a phase image", made_by("GE MEDICAL SYSTEMS", "GEMS_PARM_01", group=0x0043, vr="SS", element=0x2F, value=1), "phase"),
    ("MONOCHROME1", monochrome1, SAME),
    ("high bit 15 of 12 bits", high_bits, SAME),
    ("signed, rescaled slice by slice", signed_rescaled, SAME),
    ("32 bits", wide_cells, SAME),
    ("floating point", floats, SAME),
    ("a slice's pixels cut short", short_pixels, "has"),
    ("multi-frame", multi_frame, SAME),
    ("legacy converted", legacy_converted, SAME),
    ("two stacks in a file", two_stacks, 2),
    ("one frame a file", frame_a_file, SAME),
    ("a frame without description", lost_frame_description, "frames are described"),
    ("implicit little endian", converted(["dcmconv", "+ti"]), SAME),
    ("explicit big endian", converted(["dcmconv", "+tb"]), SAME),
    ("explicit big endian, 16 bits as bytes", bytes_of_16_bits, "whose order nobody knows"),
    ("deflated", converted(["dcmconv", "+td"]), SAME),
    ("deflated frames", converted(["dcmconv", "+td"], multi_frame), SAME),
    ("big-endian frames", converted(["dcmconv", "+tb"], multi_frame), SAME),
    ("RLE", converted(["dcmcrle"]), SAME),
    ("RLE frames", converted(["dcmcrle"], multi_frame), SAME),
    ("JPEG lossless SV1", converted(["dcmcjpeg", "+e1"]), SAME),
    ("JPEG lossless", converted(["dcmcjpeg", "+el"]), SAME),
    ("JPEG lossless frames", converted(["dcmcjpeg", "+e1"], multi_frame), SAME),
    ("JPEG extended, 12 bits", converted(["dcmcjpeg", "+ee", "+q", "98"]), NEAR),
    ("JPEG-LS", converted(["dcmcjpls"]), SAME),
    ("JPEG-LS near-lossless", converted(["dcmcjpls", "+en", "+md", "2"]), NEAR),
    ("JPEG-LS frames", converted(["dcmcjpls"], multi_frame), SAME),
    ("JPEG 2000", converted(["gdcmconv", "--j2k"]), SAME),
    ("JPEG 2000, lossy", converted(["gdcmconv", "--j2k", "--lossy", "-q", "70"]), NEAR),
    ("JPEG 2000 frames", converted(["gdcmconv", "--j2k"], multi_frame), SAME),
    ("JPEG 2000 in three fragments", fragmented(["gdcmconv", "--j2k"], False), SAME),
    ("JPEG 2000 frames in three fragments", fragmented(["gdcmconv", "--j2k"], True), SAME),
    ("JPEG lossless in three fragments", fragmented(["dcmcjpeg", "+e1"], False), SAME),
    ("JPEG-LS frames in three fragments", fragmented(["dcmcjpls"], True), SAME),
    ("JPEG 2000 part 2", unknown_syntax, "JPEG 2000 part 2 lossless"),
]


def check(volumes, refused, expected, truth, pixels):
    """Words on what is wrong, or ""."""
    if isinstance(expected, str) and expected not in (SAME, NEAR):
        if volumes:
            return "accepted"
        return "" if any(expected in words for words in refused) else f"refused as {refused}"
    count = expected if isinstance(expected, int) else 1
    if len(volumes) != count:
        return f"{len(volumes)} volumes, expected {count}; refused: {refused}"
    volume = max(volumes, key=lambda v: v.voxels.max())
    if volume.voxels.shape != pixels.shape:
        return f"{volume.voxels.shape} voxels, expected {pixels.shape}"
    if np.abs(volume.voxels - pixels).max() > (0.05 * pixels.max() if expected == NEAR else 0):
        return f"voxels differ by {np.abs(volume.voxels - pixels).max()}"
    corners = [[i, j, k, 1.0] for i in (0, pixels.shape[2] - 1) for j in (0, pixels.shape[1] - 1)
               for k in (0, pixels.shape[0] - 1)]
    apart = max(np.abs(volume.matrix @ np.array(c) - truth @ np.array(c)).max() for c in corners)
    return "" if apart < 1e-3 else f"places differ by {apart} mm"


def truth_of(slices):
    """Index to RAS+ from pydicom's view of what was written."""
    first, last = slices[0], slices[-1]
    x, y = np.array(first.ImageOrientationPatient[:3]), np.array(first.ImageOrientationPatient[3:])
    p, q = np.array(first.ImagePositionPatient, float), np.array(last.ImagePositionPatient, float)
    columns = [x * first.PixelSpacing[1], y * first.PixelSpacing[0], (q - p) / max(1, len(slices) - 1), p]
    return np.array(columns, float).T * np.array([[-1], [-1], [1]])


def main():
    mrcycle, dump = sys.argv[1:3]
    failures = 0
    with tempfile.TemporaryDirectory() as scratch:
        for plane in ("axial", "sagittal", "coronal"):
            slices = phantom(mrcycle, scratch, plane)
            for n, (name, make, expected) in enumerate(CASES):
                if plane != "axial" and make not in (shuffled, feet_first, oblique, multi_frame):
                    continue
                folder = os.path.join(scratch, f"{plane}{n}", "in")
                mine = clone(slices)
                if make(mine, folder) is False:
                    print(f"left out: {name}")
                    continue
                pixels = np.array([s.pixel_array for s in slices]).astype(np.float32)
                volumes, refused = peers.ours(dump, folder, os.path.join(scratch, "out"))
                moved = make in (feet_first, oblique)
                truth = truth_of(mine if moved else slices)
                wrong = check(volumes, refused, expected, truth, pixels)
                failures += bool(wrong)
                print(f"{'FAIL' if wrong else 'ok  '} {plane}: {name}{': ' if wrong else ''}{wrong}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
