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
import zlib

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


def lying(position):
    """As the patient lies in another scanner: the slices are those of the room, so positions and directions turn."""
    def variant(slices, folder):
        for data in slices:
            data.PatientPosition = position
        turned(slices, folder, ROOM_TO_PATIENT[position])
    return variant


# LPS of a patient who lies head first and supine, to LPS of one who lies otherwise at the same place: the half turn of feet first,
# then the turn about the long axis.
HALF_TURN = np.diag([-1.0, 1.0, -1.0])
QUARTER = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
ROOM_TO_PATIENT = {first + last: turn @ feet for first, feet in (("HF", np.eye(3)), ("FF", HALF_TURN))
                   for last, turn in (("S", np.eye(3)), ("P", QUARTER @ QUARTER), ("DR", QUARTER), ("DL", QUARTER.T))}
POSITIONS = {position: lying(position) for position in ROOM_TO_PATIENT}


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


def eight_bits(slices, folder):
    for data in slices:
        data.PixelData = (data.pixel_array >> 4).astype("u1").tobytes()
        data.BitsAllocated, data.BitsStored, data.HighBit = 8, 8, 7
        data["PixelData"].VR = "OB"
    save(slices, folder)


def baseline(slices, folder):
    """Of eight bits, which a rescale brings back near the twelve (dcmcjpeg drops it)."""
    if not converted(["dcmcjpeg", "+eb", "+q", "98"], eight_bits)(slices, folder):
        return False
    for name in os.listdir(folder):
        data = pydicom.dcmread(os.path.join(folder, name))
        data.RescaleSlope, data.RescaleIntercept = 16, 8
        data.save_as(os.path.join(folder, name))
    return True


def by_opj(*options, ending="j2k", signed=False):
    """Each slice by OpenJPEG's own program."""
    def variant(slices, folder):
        if shutil.which("opj_compress") is None:
            return False
        os.makedirs(folder)
        for n, data in enumerate(slices):
            raw, packed = os.path.join(folder, "x.rawl"), os.path.join(folder, "x." + ending)
            values = data.pixel_array.astype("<i2") - (700 if signed else 0)
            values.tofile(raw)
            subprocess.run(["opj_compress", "-i", raw, "-o", packed, "-F",
                            f"{data.Columns},{data.Rows},1,16,{'s' if signed else 'u'}", "-n", "3", *options], check=True, capture_output=True)
            if signed:
                data.PixelRepresentation, data.BitsStored, data.HighBit = 1, 16, 15
                data.RescaleSlope, data.RescaleIntercept = 1, 700
                for tag in ("SmallestImagePixelValue", "LargestImagePixelValue"):
                    if tag in data:
                        delattr(data, tag)
            elif "-I" not in options:
                data.BitsStored, data.HighBit = 16, 15
            with open(packed, "rb") as stream:
                data.PixelData = encapsulate([stream.read()])
            data["PixelData"].is_undefined_length = True
            data.file_meta.TransferSyntaxUID = pydicom.uid.UID("1.2.840.10008.1.2.4.9" + ("1" if "-I" in options else "0"))
            os.remove(raw)
            os.remove(packed)
            data.save_as(os.path.join(folder, f"IM{n:04d}"))
        return True
    return variant


# Syntaxes that nothing here decodes: the end of the UID, its name, the remedy.
STRANGE = [
    ("1.98", "encapsulated uncompressed", "export the series uncompressed"),
    ("4.52", "an old kind of JPEG", "export the series uncompressed"),
    ("4.92", "JPEG 2000 part 2 lossless", "gdcmconv --raw"),
    ("4.93", "JPEG 2000 part 2", "gdcmconv --raw"),
    ("4.94", "JPIP", "with its pixels"),
    ("4.95", "JPIP deflated", "with its pixels"),
    ("4.100", "MPEG2", "a film"),
    ("4.102", "MPEG-4", "a film"),
    ("4.107", "HEVC", "a film"),
    ("4.110", "JPEG XL lossless", "export the series uncompressed"),
    ("4.111", "JPEG XL recompression", "export the series uncompressed"),
    ("4.112", "JPEG XL", "export the series uncompressed"),
    ("4.201", "HTJ2K lossless", "pylibjpeg-openjpeg"),
    ("4.202", "HTJ2K lossless RPCL", "pylibjpeg-openjpeg"),
    ("4.203", "HTJ2K", "pylibjpeg-openjpeg"),
    ("8.1", "deflated frames", "export the series uncompressed"),
]


def strange_syntaxes(slices, folder):
    """A series of one slice in each."""
    files = []
    for n, (ending, _, _) in enumerate(STRANGE):
        data = copy.deepcopy(slices[0])
        data.SeriesInstanceUID, data.SeriesNumber = generate_uid(), n + 1
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        data.file_meta.TransferSyntaxUID = pydicom.uid.JPEGBaseline8Bit  # pydicom writes none that it does not know
        if ending in ("4.94", "4.95"):
            del data.PixelData
            data.add_new(0x00287FE0, "UR", "http://pacs/jpip")
        else:
            data.PixelData = encapsulate([b"\xff\x4f\xff\x51" + bytes(60)])
            data["PixelData"].is_undefined_length = True
        files.append(data)
    save(files, folder)
    for n, (ending, _, _) in enumerate(STRANGE):
        change_syntax(os.path.join(folder, f"IM{n:04d}"), "1.2.840.10008.1.2." + ending, ending == "4.95")


def change_syntax(path, uid, deflated):
    """Writes another transfer syntax into group 2; deflates what follows."""
    with open(path, "rb") as stream:
        whole = stream.read()
    begin = 144 + int.from_bytes(whole[140:144], "little")
    at = whole.index(b"\x02\x00\x10\x00UI", 0, begin)
    text = uid.encode() + b"\0" * (len(uid) % 2)
    group = whole[144:at + 6] + len(text).to_bytes(2, "little") + text + whole[at + 8 + whole[at + 6]:begin]
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    rest = packer.compress(whole[begin:]) + packer.flush() if deflated else whole[begin:]
    with open(path, "wb") as stream:
        stream.write(whole[:140] + len(group).to_bytes(4, "little") + group + rest)


SAME, NEAR = "same", "near"
# name, what is made, and what is expected: SAME voxels and places, NEAR (lossy), a number of volumes of which the
# first is the same, or words of the refusal
FEW = ("", None, None)
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
    FEW,  # from here on a few slices will do
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
    ("JPEG baseline, 8 bits", baseline, NEAR),
    ("JPEG spectral selection", converted(["dcmcjpeg", "+es", "+q", "98"]), NEAR),
    ("JPEG progressive", converted(["dcmcjpeg", "+ep", "+q", "98"]), NEAR),
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
    ("JPEG 2000 by OpenJPEG", by_opj(), SAME),
    ("JPEG 2000 by OpenJPEG, signed", by_opj(signed=True), SAME),
    ("JPEG 2000 by OpenJPEG, in tiles, packets marked", by_opj("-t", "16,16", "-p", "RPCL", "-SOP", "-EPH", "-PLT", "-TLM", "-TP", "R"), SAME),
    ("JPEG 2000 by OpenJPEG, all modes, layers", by_opj("-M", "63", "-r", "20,5,1", "-b", "16,16"), SAME),
    ("JPEG 2000 by OpenJPEG, as a JP2 file", by_opj(ending="jp2"), SAME),
    ("JPEG 2000 by OpenJPEG, irreversible", by_opj("-I", "-r", "3"), NEAR),
    *((f"lying {position}", variant, SAME) for position, variant in POSITIONS.items()),
    ("syntaxes that nothing here decodes", strange_syntaxes, STRANGE),
]


def check(volumes, refused, expected, truth, pixels):
    """Words on what is wrong, or ""."""
    if expected is STRANGE:
        lost = [name for _, name, remedy in STRANGE
                if not any(f"transfer syntax {name} (" in words and remedy in words for words in refused)]
        return f"accepted or not named: {lost}, refused as {refused}" if volumes or lost else ""
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
            slices, made = phantom(mrcycle, scratch, plane), []
            for n, (name, make, expected) in enumerate(CASES):
                if make is None:
                    slices = slices[8:14]
                    continue
                if plane != "axial" and make not in (shuffled, POSITIONS["FFP"], oblique, multi_frame):
                    continue
                folder = os.path.join(scratch, f"{plane}{n}", "in")
                mine = clone(slices)
                if make(mine, folder) is False:
                    print(f"left out: {name}")
                    continue
                pixels = np.array([s.pixel_array for s in slices]).astype(np.float32)
                moved = make is oblique or make in POSITIONS.values()
                made.append((folder, name, expected, truth_of(mine if moved else slices), pixels))
            all_of_plane = peers.ours_of_each(dump, [folder for folder, *_ in made], os.path.join(scratch, "out"))
            for (volumes, refused), (_, name, *expected) in zip(all_of_plane, made):
                wrong = check(volumes, refused, *expected)
                failures += bool(wrong)
                print(f"{'FAIL' if wrong else 'ok  '} {plane}: {name}{': ' if wrong else ''}{wrong}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
