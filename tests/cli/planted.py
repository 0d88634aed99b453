"""planted.py: DICOM series in which every text says something recognisable, for the tests that look for it in what
was written."""
import gzip
import hashlib
import os
import re

import pydicom
from pydicom.datadict import DicomDictionary
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

WORD, UID, DATE = "ZQPLANTED", "1.2.999.13.77", "19870613"
# Elements that decide whether a file is taken at all, and those that describe its pixels and its place.
STEERING = {
    "SOPClassUID", "Modality", "PhotometricInterpretation", "ImageType", "ScanningSequence", "SequenceVariant", "RescaleSlope",
    "RescaleIntercept", "PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient", "SyntheticData", "NumberOfFrames",
    "RepetitionTime", "EchoTime", "InversionTime", "FlipAngle", "BurnedInAnnotation", "PixelAspectRatio", "SliceThickness",
    "SpacingBetweenSlices", "LossyImageCompression", "SeriesInstanceUID", "StudyInstanceUID", "SOPInstanceUID",
    "FrameOfReferenceUID", "PatientID", "PatientName", "SpecificCharacterSet", "InstanceNumber", "SeriesDescription",
    "ProtocolName", "SequenceName", "ComplexImageComponent", "ImagesInAcquisition", "EchoNumbers", "TemporalPositionIdentifier",
    "TriggerTime", "AcquisitionNumber", "EchoTrainLength", "WindowCenter", "WindowWidth", "ContrastBolusAgent",
    "PatientPosition", "AnatomicalOrientationType", "QualityControlImage", "MRAcquisitionType", "DiffusionBValue",
}
VALUES = {
    "AE": WORD, "AS": "087Y", "CS": WORD, "LO": WORD + " lo", "LT": WORD + " lt", "PN": WORD + "^PN", "SH": WORD, "ST": WORD + " st",
    "UC": WORD, "UR": "http://" + WORD, "UT": WORD + " ut", "UI": UID + ".9", "DA": DATE, "DT": DATE + "101112", "TM": "131313",
    "OB": WORD.encode() + b"!", "OW": WORD.encode() + b"!", "UN": WORD.encode() + b"!",
}


def plant(ds, deep=True):
    """Fills every element of the dictionary that can hold text, and private ones of each VR."""
    for tag, (vr, _, _, retired, keyword) in DicomDictionary.items():
        group = tag >> 16
        if keyword in STEERING or group in (0x0002, 0x0000, 0x0004, 0x0028, 0x5400, 0x7FE0, 0xFFFC, 0xFFFA, 0xFFFE, 0x5200):
            continue
        if vr not in VALUES or tag & 0xFFFF == 0 or keyword == "":
            continue
        if retired and vr in ("OB", "OW"):
            continue
        ds.add_new(tag, vr, VALUES[vr])
    for group in (0x0009, 0x0029, 0x2005):
        block = ds.private_block(group, WORD + " creator", create=True)
        for number, (vr, value) in enumerate(VALUES.items()):
            block.add_new(0x10 + number, vr, value)
    if deep:
        for name in ("ReferencedImageSequence", "SourceImageSequence", "RequestAttributesSequence", "ReferencedStudySequence",
                     "AnatomicRegionSequence", "ReferencedPerformedProcedureStepSequence", "ContributingEquipmentSequence"):
            item = Dataset()
            plant(item, False)
            item.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
            item.ReferencedSOPInstanceUID = ds.SOPInstanceUID
            setattr(ds, name, Sequence([item]))
    return ds


def planted_series(source, folder, patient, number, most=None, step=1):
    """Copies every step-th slice of a series with planted texts into a folder whose names say something too; returns its data sets."""
    folder = os.path.join(folder, f"{WORD}^{patient}", f"study {WORD.lower()}")
    os.makedirs(folder, exist_ok=True)
    out = []
    for i, name in enumerate(sorted(os.listdir(source))[::step][:most]):
        ds = pydicom.dcmread(os.path.join(source, name))
        ds.PatientID, ds.PatientName = f"{WORD}{patient}", f"{WORD}^{patient}"
        ds.StudyInstanceUID = f"{UID}.{patient}"
        ds.SeriesInstanceUID = f"{UID}.{patient}.{number}"
        ds.FrameOfReferenceUID = f"{UID}.{patient}.0"
        ds.SOPInstanceUID = f"{UID}.{patient}.{number}.{i + 1}"
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        plant(ds)
        ds.save_as(os.path.join(folder, f"{WORD.lower()}_{number}_{i:03d}.dcm"))
        out.append(ds)
    return out


def leaks(*places):
    """Every file (gunzipped) and every text that holds what was planted, with what it holds."""
    # a keyed UID may have any digits
    pattern = re.compile(rb"(?i)zqplanted|1\.2\.999\.13|19870613|(?<![0-9.])131313\x20?\\?|087Y")
    found = []
    for place in places:
        if isinstance(place, bytes):
            match = pattern.search(place)
            if match:
                found.append(f"words: {match.group()!r} in {place[:400]!r}")
            continue
        for root, folders, files in os.walk(place):
            for name in folders + files:
                if pattern.search(name.encode()):
                    found.append(f"name: {os.path.join(root, name)}")
            for name in files:
                path = os.path.join(root, name)
                with (gzip.open if name.endswith(".gz") else open)(path, "rb") as f:
                    match = pattern.search(f.read())
                if match:
                    found.append(f"{path}: {match.group()!r}")
    return found


def digest(folder):
    """Of the names and bytes of all files below a folder."""
    total = hashlib.sha256()
    for root, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            with open(os.path.join(root, name), "rb") as f:
                total.update(os.path.relpath(os.path.join(root, name), folder).encode() + f.read())
    return total.hexdigest()
