#!/usr/bin/env python3
"""fetch.py MRCYCLE: series from dcmqrscp, and from Orthanc where it is installed, by C-GET and by C-MOVE."""
import glob
import os
import shutil
import subprocess
import sys
import tempfile

import peers
from peers import pydicom

peers.need("dcmqrscp", "dcmcrle")
mrcycle = os.path.abspath(sys.argv[1])


def run(*args, code=0):
    done = subprocess.run([mrcycle, *args], capture_output=True, text=True, timeout=300)
    assert done.returncode == code, (args, done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def images(folder):
    return {image.SOPInstanceUID: image for image in map(pydicom.dcmread, glob.glob(folder + "/*/*.dcm"))}


def is_same(folder, sources):
    """What came is what was sent, each in the folder of its series, and nothing else lies there."""
    came, sent = images(folder), {image.SOPInstanceUID: image for image in map(pydicom.dcmread, sources)}
    assert came.keys() == sent.keys() and all(came[uid].PixelData == sent[uid].PixelData for uid in sent)
    assert len(os.listdir(folder)) == len({image.SeriesInstanceUID for image in sent.values()})
    for path in glob.glob(folder + "/*/*"):
        assert os.path.basename(os.path.dirname(path)).isalnum() and os.path.splitext(os.path.basename(path))[0].isalnum()
        assert not any(word in path for word in ("PHANTOM", "2.25"))


def by_each_key(pacs, top, one, other):
    """one, other: {contrast: files} of two patients."""
    every = [path for paths in one.values() for path in paths]
    first = pydicom.dcmread(every[0])
    ask = ["fetch", "--from", pacs.address, "--wait", "0.1", "--retries", "1", "-o"]
    text = run(*ask, top + "/patient", "--patient", first.PatientID)
    assert "series %d, images %d: there before 0, fetched %d" % (len(one), len(every), len(every)) in text, text
    is_same(top + "/patient", every)
    for path in glob.glob(top + "/patient/*/*")[3:8]:  # a break: what is missing comes, and nothing else
        os.remove(path)
    assert "there before %d, fetched 5" % (len(every) - 5) in run(*ask, top + "/patient", "--patient", first.PatientID)
    is_same(top + "/patient", every)
    assert "fetched 0" in run(*ask, top + "/patient", "--patient", first.PatientID)
    by_name = [*ask, top + "/study", "--study", first.StudyInstanceUID, "--series-description", "*t1W*"]
    if pacs.aet == "ARCHIVE":  # dcmqrscp keeps no descriptions, and what is not told is not taken
        assert "%d series left out: the archive does not tell" % len(one) in run(*by_name, code=22)
    else:
        run(*by_name)
        is_same(top + "/study", one["T1w"])
    run(*ask, top + "/accession", "--accession", "A 7")
    is_same(top + "/accession", other["T1w"])
    for key in (["--patient", "NOBODY"], ["--study", "1.2.3"], ["--accession", "A"], ["--patient", first.PatientID, "--modality", "CT"]):
        assert "nothing of the kind" in run(*ask, top + "/nothing", *key, code=22)
    assert "more than 5 images" in run(*ask, top + "/nothing", "--patient", first.PatientID, "--most", "5", code=23)
    assert os.listdir(top + "/nothing") == []
    for key in (["--patient", "*"], ["--accession", "A?"], [], ["--patient", "A", "--study", "1"]):
        run(*ask, top + "/nothing", *key, code=1)


def by_move(pacs, port, top, one):
    every = [path for paths in one.values() for path in paths]
    patient = pydicom.dcmread(every[0]).PatientID
    ask = ["fetch", "--from", pacs.address, "--wait", "0.1", "--retries", "1", "--move", str(port), "--bind", "127.0.0.1", "--patient", patient, "-o"]
    run(*ask, top + "/moved")
    is_same(top + "/moved", every)
    os.remove(sorted(glob.glob(top + "/moved/*/*"))[0])
    assert "fetched 1" in run(*ask, top + "/moved")
    assert run(*ask, top + "/unknown", "--aet", "UNKNOWN", code=61)  # it does not know where that is
    assert os.listdir(top + "/unknown") == []


def compressed(pacs, top, t1):
    """What lies compressed in an archive comes as it lies."""
    os.makedirs(top + "/rle")
    for n, path in enumerate(t1):
        peers.run(["dcmcrle", path, "%s/rle/%02d.dcm" % (top, n)])
    run("send", top + "/rle", "--to", pacs.address)
    run("fetch", "--from", pacs.address, "--study", pydicom.dcmread(t1[0]).StudyInstanceUID, "-o", top + "/unpacked")
    came = images(top + "/unpacked")
    assert len(came) == len(t1) and {image.file_meta.TransferSyntaxUID for image in came.values()} == {"1.2.840.10008.1.2.5"}


def accessed(paths, number, folder):
    os.makedirs(folder)
    for path in paths:
        image = pydicom.dcmread(path)
        image.AccessionNumber = number
        image.save_as(folder + "/" + os.path.basename(path))
    return sorted(glob.glob(folder + "/*"))


def try_archive(make, top, one, other, third):
    port = peers.free_port()
    os.makedirs(top + "/archive")
    with make(top + "/archive", mover=port) as pacs:
        for paths in [*one.values(), *other.values()]:
            run("send", *paths, "--to", pacs.address, "-q")
        by_each_key(pacs, top, one, other)
        by_move(pacs, port, top, one)
        if pacs.aet == "ORTHANC":  # dcmqrscp takes nothing compressed
            compressed(pacs, top, third)
    assert "no association" in run("fetch", "--from", pacs.address, "--accession", "A", "-o", top + "/down", "--wait", "0.1", "--retries", "1", code=60)


with tempfile.TemporaryDirectory() as scratch:
    run("phantom", "-o", scratch + "/p", "--seed", "3", "--subjects", "3", "--voxel", "8,8,10")
    mine = {c: sorted(glob.glob(scratch + "/p/sub-01/dicom/%s/*" % c)) for c in ("T1w", "T2w")}
    others = {"T1w": accessed(sorted(glob.glob(scratch + "/p/sub-02/dicom/T1w/*")), "A 7", scratch + "/a7")}
    last = sorted(glob.glob(scratch + "/p/sub-03/dicom/T1w/*"))
    kinds = [("dcmqrscp", peers.Archive)]
    if shutil.which("Orthanc", path=os.environ.get("PATH", "") + ":/usr/sbin"):
        kinds.append(("orthanc", peers.Orthanc))
    else:
        print("Orthanc is not installed")
    for name, kind in kinds:
        try_archive(kind, scratch + "/" + name, mine, others, last)
print("ok")
