#!/usr/bin/env python3
"""serve_syntaxes.py MRCYCLE: compressed series. Which presentation contexts a node accepts; and that what DCMTK and GDCM
compress is kept byte by byte as it was sent, and translated as the uncompressed series is."""
import glob
import os
import shutil
import struct
import subprocess
import sys
import tempfile

import node
import peers
import upper_layer
from peers import pydicom

peers.need("storescu", "dcmqrscp", "dcmcjpeg", "dcmcjpls", "dcmcrle")
mrcycle = os.path.abspath(sys.argv[1])
ROOT = "1.2.840.10008.1.2"
ACCEPTED = ["", ".1", ".2", ".4.50", ".4.51", ".4.57", ".4.70", ".4.80", ".4.81", ".4.90", ".4.91", ".5"]
REFUSED = [".1.99", ".4.92", ".4.93", ".4.100", ".4.201", ".4.202", ".4.203"]  # deflated, J2K part 2, MPEG-2, HTJ2K
MR, ENHANCED, LEGACY = (upper_layer.MR_IMAGE + more for more in ("", ".1", ".4"))
COMPRESSORS = {"70": (["dcmcjpeg", "+e1"], "-xs"), "57": (["dcmcjpeg", "+el"], None), "80": (["dcmcjpls", "+el"], "-xt"),
               "5": (["dcmcrle"], "-xr"), "90": (["gdcmconv", "--j2k"], "-xv")}


def results(served, proposed):
    """{number: (result, accepted syntax)} of the contexts in the order proposed."""
    client = upper_layer.Client(served.port, contexts=[upper_layer.proposed(2 * n + 1, sop_class, syntaxes) for n, (sop_class, syntaxes) in enumerate(proposed)])
    assert client.kind == upper_layer.ASSOCIATE_AC
    found = {}
    for kind, value in upper_layer.items(client.body, 68, len(client.body)):
        if kind == 0x21:
            number, result = struct.unpack_from(">BxB", value)
            found[(number - 1) // 2] = result, "".join(v.decode() for k, v in upper_layer.items(value, 4, len(value)) if k == 0x40)
    client.release()
    return [found[n] for n in range(len(proposed))]


def contexts(served):
    for sop_class in (MR, ENHANCED, LEGACY):
        for (result, syntax), asked in zip(results(served, [(sop_class, [ROOT + s]) for s in ACCEPTED]), ACCEPTED):
            assert (result, syntax) == (0, ROOT + asked), (sop_class, asked, result)
        assert [result for result, _ in results(served, [(sop_class, [ROOT + s]) for s in REFUSED])] == [4] * len(REFUSED)
    assert [r for r, _ in results(served, [("1.2.840.10008.5.1.4.1.1.2", [ROOT + ".1"]), ("1.2.840.10008.5.1.4.1.1.7", [ROOT])])] == [3, 3]
    # of several for one class the plainest
    assert results(served, [(MR, [ROOT + ".4.90", ROOT + ".4.70", ROOT, ROOT + ".1"]), (MR, [ROOT + ".4.91", ROOT + ".5"])]) == [(0, ROOT + ".1"), (0, ROOT + ".5")]


def compress(command, paths, into):
    os.makedirs(into)
    for path in paths:
        subprocess.run([*command, path, os.path.join(into, os.path.basename(path))], check=True, capture_output=True)
    return sorted(glob.glob(into + "/*"))


def store(served, paths, option):
    if option is None:  # storescu does not propose it
        for path in paths:
            item = pydicom.dcmread(path)
            with open(path, "rb") as f:
                whole = f.read()
            client = upper_layer.Client(served.port, contexts=[upper_layer.proposed(3, MR, [str(item.file_meta.TransferSyntaxUID)])])
            assert client.store(str(item.SOPInstanceUID), whole[144 + struct.unpack_from("<I", whole, 140)[0]:]) == 0
            client.release()
        return
    subprocess.run(["storescu", option, "-aet", "SCANNER", "-aec", "NODE", "127.0.0.1", str(served.port), *paths], check=True, capture_output=True)


def dataset(path):
    with open(path, "rb") as f:
        whole = f.read()
    return whole[144 + struct.unpack_from("<I", whole, 140)[0]:]


def one(served, archive, name, source, work):
    command, option = COMPRESSORS[name]
    if shutil.which(command[0]) is None:
        print("not run:", command[0], "is not installed")
        return
    syntax = ROOT + (".5" if name == "5" else ".4." + name)
    sent = compress(command, source, work + "/" + name)
    before = set(served.jobs("done"))
    store(served, sent, option)
    job = peers.wait_for("the job", lambda: (set(served.jobs("done")) | set(served.jobs("failed"))) - before).pop()
    kept = glob.glob("%s/done/%s/images/*" % (served.queue, job))
    assert {str(pydicom.dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID) for path in kept} == {syntax}, (name, served.jobs("failed"))
    if option is None:  # the sender's own bytes
        assert sorted(map(dataset, kept)) == sorted(map(dataset, sent))
    plain = work + "/" + name + "_plain"
    peers.run([mrcycle, "translate", os.path.dirname(source[0]), "-o", plain, "--to", "T2w", "-q", "--no-report"])
    study = pydicom.dcmread(source[0]).StudyInstanceUID
    pixels = sorted(image.PixelData for image in archive.images() if image.StudyInstanceUID == study)
    assert pixels == sorted(pydicom.dcmread(path).PixelData for path in glob.glob(plain + "/*")), name


with tempfile.TemporaryDirectory() as scratch:
    peers.run([mrcycle, "phantom", "-o", scratch + "/p", "--seed", "3", "--subjects", str(len(COMPRESSORS)), "--voxel", "8,8,8"])
    with peers.Archive(scratch + "/archive") as pacs, node.Node(mrcycle, scratch + "/node", pacs.address) as serving:
        contexts(serving)
        for subject, name in enumerate(COMPRESSORS, 1):
            one(serving, pacs, name, sorted(glob.glob(scratch + "/p/sub-%02d/dicom/T1w/*" % subject)), scratch)
        serving.end()
        assert serving.count()["failed"] == 0
print("ok")
