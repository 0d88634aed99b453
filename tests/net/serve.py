#!/usr/bin/env python3
"""serve.py MRCYCLE: a node between storescu and dcmqrscp: who may store, bad peers, a kill -9, late slices, a watched folder."""
import glob
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import node
import peers
from peers import pydicom

peers.need("storescu", "echoscu", "dcmqrscp")
mrcycle = os.path.abspath(sys.argv[1])


def run(*args, code=0):
    done = subprocess.run([mrcycle, *args], capture_output=True, text=True, timeout=120)
    assert done.returncode == code, (args, done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def outcomes(served):
    return [line["outcome"] for line in served.audit() if line["event"] == "association"]


def names_and_garbage(served, t1):
    echo = ["echoscu", "-to", "5", "-ta", "5", "-aet", "SCANNER"]
    assert subprocess.run([*echo, "-aec", "NODE", "127.0.0.1", str(served.port)], capture_output=True).returncode == 0
    assert subprocess.run([*echo, "-aec", "OTHER", "127.0.0.1", str(served.port)], capture_output=True).returncode != 0
    assert served.store(t1[:1], called="OTHER") != 0 and served.store(t1[:1], calling="STRANGER") != 0
    for words in (b"GET / HTTP/1.0\r\n\r\n", b"\1\0\xff\xff\xff\xff" + bytes(range(256)) * 8, os.urandom(4096)):
        with socket.create_connection(("127.0.0.1", served.port), 5) as s:
            s.sendall(words)
    peers.wait_for("the end of all three", lambda: outcomes(served).count("no_association") == 3)
    assert sum(served.count().values()) == 0


def crash(served, pacs, t1):
    """kill -9 in the middle of an association; the peer sends all again."""
    sender = subprocess.Popen(["storescu", "-aet", "SCANNER", "-aec", "NODE", "127.0.0.1", str(served.port), *t1],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peers.wait_for("an image", lambda: glob.glob(served.queue + "/arriving/*/images/*"))
    served.kill()
    sender.wait(30)
    served.start()
    assert served.store(t1) == 0
    peers.wait_for("the job", lambda: len(served.jobs("done")) == 1)
    images, stored = pacs.images(), pydicom.dcmread(t1[0])
    assert len(peers.series_of(images)) == 1 and len(images) == len(t1)
    assert images[0].StudyInstanceUID == stored.StudyInstanceUID and images[0].SeriesInstanceUID != stored.SeriesInstanceUID
    check_report(served, *served.jobs("done"))
    # all that was sent is known, and makes no second job
    assert served.store(t1) == 0
    time.sleep(1.5)
    assert served.count() == {"arriving": 0, "new": 0, "running": 0, "done": 1, "failed": 0, "skipped": 0}, served.count()


def check_report(served, job):
    """Lies with the job, and `mrcycle queue` says where."""
    folder = os.path.join(served.queue, "done", job)
    assert sorted(os.listdir(folder)) == ["images", "job.json", "out", "report", "sent.list"]
    assert sorted(os.listdir(folder + "/report")) == ["report.html", "report.json"]
    found = json.load(open(folder + "/report/report.json"))
    assert found["To"] == "T2w" and found["CycleError"] > 0, found
    assert folder + "/report/report.html\n" in run("queue", served.queue)


def without_report(served, pacs, job):
    """As a kill after the result and before its report leaves it: both are made again, and nothing is sent twice."""
    folder = os.path.join(served.queue, "done", job)
    before = {image.SOPInstanceUID: image.PixelData for image in pacs.images()}
    served.kill()
    shutil.rmtree(folder + "/report")
    os.rename(folder, os.path.join(served.queue, "running", job))
    served.start()
    peers.wait_for("the job", lambda: job in served.jobs("done"))
    check_report(served, job)
    assert {image.SOPInstanceUID: image.PixelData for image in pacs.images()} == before
    assert open(folder + "/sent.list").read().count("stored") == len(before)


def late(served, pacs, t1):
    """A slice that comes when its series was already translated makes a job of the whole series."""
    assert served.store(t1[:-1]) == 0
    peers.wait_for("the job", lambda: len(served.jobs("done")) == 2)
    assert served.store(t1[-1:]) == 0
    peers.wait_for("the late job", lambda: len(served.jobs("done")) == 3)
    counts = sorted(job["images"] for job in served.jobs("done").values())
    assert counts == [len(t1) - 1, len(t1), len(t1)] and any(job.endswith("-2") for job in served.jobs("done"))
    assert len(peers.series_of(pacs.images())) == 3


def refused(served, t2):
    """The contrast that is wanted is not translated again: the job fails at once, and can be tried again."""
    assert served.store(t2) == 0
    job, record = peers.wait_for("the failure", lambda: list(served.jobs("failed").items()))[0]
    assert record["attempts"] == 1 and record["why"] == "images: recognised as T2w, expected T1w for a translation to T2w", record
    text = run("queue", served.config)
    assert job in text and "failed 1" in text and "done 3" in text, text
    run("queue", served.queue, "--retry", job)
    peers.wait_for("the second failure", lambda: not served.jobs("new") and not served.jobs("running") and served.jobs("failed"))
    run("queue", served.queue, "--retry", "nobody", code=1)


def no_patient(served, t1):
    image = pydicom.dcmread(t1[0])
    log = open(served.queue + "/audit.jsonl").read()
    for word in (str(image.PatientName), str(image.PatientID), image.SeriesInstanceUID, image.StudyInstanceUID, image.SOPInstanceUID):
        assert word and word not in log
        assert not [path for path in glob.glob(served.queue + "/**", recursive=True) if word in path]
        assert not [path for path in glob.glob(served.queue + "/*/*/report/*") if word in open(path).read()]
    assert {line["event"] for line in served.audit()} >= {"start", "association", "job"}
    assert set(outcomes(served)) >= {"released", "rejected", "no_association"}, served.audit()


def without_words(path):
    """A PNG without the chunks that say that it is synthetic."""
    with open(path, "rb") as f:
        data, at = f.read(), 8
    kept = data[:8]
    while at < len(data):
        end = at + 12 + int.from_bytes(data[at:at + 4], "big")
        kept += data[at:end] if data[at + 4:at + 8].isupper() else b""
        at = end
    with open(path, "wb") as f:
        f.write(kept)


def watched(top, t1, pacs):
    """The same between two folders; the originals stay as they are. A PACS gets what it can take: no NIfTI and no pictures."""
    inbox, outbox, config = top + "/inbox", top + "/outbox", top + "/watch.conf"
    there = {image.SOPInstanceUID for image in pacs.images()}
    shutil.copytree(os.path.dirname(t1[0]), inbox + "/head")
    run("translate", inbox + "/head", "-o", inbox + "/pictures", "--to", "T2w", "--format", "png", "--no-report", "-q")
    for path in glob.glob(inbox + "/pictures/*"):
        without_words(path)
    open(inbox + "/pictures/done", "w").close()
    shutil.copy(top + "/p/sub-02/anat/sub-02_T1w.nii.gz", inbox)
    open(inbox + "/sub-02_T1w.nii.gz.done", "w").close()
    with open(config, "w") as f:
        f.write("pacs = %s\nunknown_contrast = yes\nretries = 0\n" % pacs.address)
    open(inbox + "/head/done", "w").close()
    before = sorted(os.listdir(inbox + "/head"))
    command = [mrcycle, "serve", config, "--watch", inbox, "-o", outbox, "--quiet-time", "600"]
    names = ["head_synthetic_T2w", "pictures_synthetic_T2w", "sub-02_T1w_synthetic_T2w.json", "sub-02_T1w_synthetic_T2w.nii.gz"]
    done = outbox + ".queue/done"
    with peers.Process(command, top, "watch.log") as server:
        peers.wait_for("the end", lambda: len(glob.glob(outbox + ".queue/done/*") + glob.glob(outbox + ".queue/failed/*")) == 3)
        assert len(os.listdir(done)) == 3, run("queue", outbox + ".queue")
        assert sorted(os.listdir(outbox)) == names
        assert len(os.listdir(outbox + "/head_synthetic_T2w")) == len(t1) and sorted(os.listdir(inbox + "/head")) == before
        assert [open(path).read().count("stored") for path in glob.glob(done + "/*/sent.list")] == [len(t1)]
        assert {image.SOPInstanceUID for image in pacs.images()} == there  # the same images gave the same before
        text = run("queue", outbox + ".queue")
        assert all("%s/%s/report/report.html" % (done, job) in text for job in os.listdir(done)), text
        assert all("of %s/%s\n" % (inbox, name) in text for name in ("head", "pictures", "sub-02_T1w.nii.gz")), text
        server.process.terminate()
        assert server.process.wait(30) == 0
    with peers.Process(command, top, "watch.log"):  # what is done is not done again
        time.sleep(1.5)
        assert sorted(os.listdir(outbox)) == names and len(os.listdir(done)) == 3


def wrong_settings(top):
    for lines, words in (("nonsense = 1\n", ":1: no setting"), ("queue = q\nport = 0\n", ":2: port is '0'"), ("queue q\n", "expected key = value"),
                         ("queue = q\nport = 104\n", "port without pacs"), ("queue = q\nport = 104\npacs = A@b:1\n", "port without allow"),
                         ("queue = q\nqueue = r\n", "second time"), ("allow = A\n", "expected AET@host")):
        with open(top + "/wrong.conf", "w") as f:
            f.write(lines)
        assert words in run("serve", top + "/wrong.conf", "--check", code=1), lines


def broken_model(top):
    """Found before anything is listened at, be it the one that is named or the shipped one."""
    shipped = os.path.join(os.path.dirname(__file__), "../../sample_data/models/t1w-t2w-64.safetensors")
    with open(shipped, "rb") as f:
        whole = f.read()
    os.makedirs(top + "/models")
    model = top + "/models/brain-contrast.safetensors"
    lines = "queue = %s/never\nport = %d\nallow = A@127.0.0.1\npacs = A@127.0.0.1:1\n" % (top, peers.free_port())
    for name, more, env in (("named.conf", "model = %s\n" % model, {}), ("shipped.conf", "", {"MRCYCLE_MODEL_DIR": top + "/models"})):
        with open(top + "/" + name, "w") as f:
            f.write(lines + more)
        for content, code, *args in ((whole, 0, "--check"), (whole[:-1], 21, "--check"), (b"no model", 21),
                                     (whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:], 21, "--check")):
            with open(model, "wb") as f:
                f.write(content)
            done = subprocess.run([mrcycle, "serve", top + "/" + name, *args], capture_output=True, text=True, timeout=60, env={**os.environ, **env})
            assert done.returncode == code and (model in done.stderr) == (code != 0), (name, args, len(content), done)
            assert len(done.stderr.splitlines()) == (code != 0), done.stderr
    assert not os.path.exists(top + "/never")


with tempfile.TemporaryDirectory() as scratch:
    run("phantom", "-o", scratch + "/p", "--seed", "3", "--subjects", "2", "--voxel", "6,6,8")
    one, two = (sorted(glob.glob(scratch + "/p/sub-0%d/dicom/T1w/*" % s)) for s in (1, 2))
    wrong_settings(scratch)
    broken_model(scratch)
    with peers.Archive(scratch + "/archive") as archive, node.Node(mrcycle, scratch + "/node", archive.address) as serving:
        run("serve", serving.config, "--check")
        run("serve", serving.config, code=1)  # one server a queue
        names_and_garbage(serving, one)
        mute = socket.create_connection(("127.0.0.1", serving.port), 5)  # says nothing as long as the others work
        crash(serving, archive, one)
        without_report(serving, archive, *serving.jobs("done"))
        late(serving, archive, two)
        refused(serving, sorted(glob.glob(scratch + "/p/sub-01/dicom/T2w/*")))
        mute.close()
        serving.end()
        no_patient(serving, one)
        watched(scratch, one, archive)
print("ok")
