#!/usr/bin/env python3
"""orthanc.py MRCYCLE: Orthanc as archive, where it is installed: send, send again, and a node before it."""
import glob
import os
import subprocess
import sys
import tempfile

import node
import peers
from peers import pydicom

peers.need("Orthanc", "storescu")
mrcycle = os.path.abspath(sys.argv[1])


def run(*args, code=0):
    done = subprocess.run([mrcycle, *args], capture_output=True, text=True, timeout=120)
    assert done.returncode == code, (args, done.returncode, done.stdout, done.stderr)
    return done.stdout


def by_uid(images):
    return {image.SOPInstanceUID: image.PixelData for image in images}


with tempfile.TemporaryDirectory() as scratch:
    run("phantom", "-o", scratch + "/p", "--seed", "3", "--voxel", "6,6,8")
    source, result = sorted(glob.glob(scratch + "/p/sub-01/dicom/T1w/*")), scratch + "/t2"
    run("translate", os.path.dirname(source[0]), "-o", result, "--to", "T2w", "-q")
    with peers.Orthanc(scratch + "/orthanc") as pacs:
        run("echo", pacs.address)
        run("echo", "WRONG@127.0.0.1:%d" % pacs.port, code=61)
        for _ in range(2):
            assert "stored %d," % (2 * len(source)) in run("send", os.path.dirname(source[0]), result, "--to", pacs.address)
            assert len(pacs.get("/studies")) == 1 and len(pacs.get("/series")) == 2
            assert by_uid(pacs.images()) == by_uid(map(pydicom.dcmread, source + glob.glob(result + "/*")))
        with node.Node(mrcycle, scratch + "/node", pacs.address, report_dicom="sc") as served:
            assert served.store(source) == 0
            peers.wait_for("the job", lambda: served.jobs("done"))
            served.end()
        # made of the same images by the same model: the same series; and the report's picture beside it
        assert len(pacs.get("/studies")) == 1 and len(pacs.get("/series")) == 3
        captures = [image for image in pacs.images() if image.Modality == "OT"]
        assert [image.SeriesDescription for image in captures] == ["SYNTH T2w report (AI, not for diagnosis)"]
print("ok")
