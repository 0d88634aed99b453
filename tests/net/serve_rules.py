#!/usr/bin/env python3
"""serve_rules.py MRCYCLE: rules of a node: what is translated, routed, skipped, and what `serve --check FOLDER` says of it;
an image in other transfer syntaxes; then `mrcycle queue`."""
import glob
import json
import os
import subprocess
import sys
import tempfile
import time

import node
import peers
import upper_layer
from peers import pydicom

peers.need("storescu", "dcmqrscp")
mrcycle = os.path.abspath(sys.argv[1])


def run(*args, code=0):
    done = subprocess.run([mrcycle, *args], capture_output=True, text=True, timeout=120)
    assert done.returncode == code, (args, done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


RULES = """
[rule scouts]
description = *localizer*
description = *SCOUT*
do = ignore

[rule brains]
calling = SCANNER
contrast = T1
plane = axial
body_part = head
slices = 4-
do = translate
to = T2w

[rule originals]
contrast = T2w
station = MR?
do = route
pacs = %s
"""


def change(paths, folder, **values):
    """The series under other names."""
    os.makedirs(folder)
    series = pydicom.uid.generate_uid()
    for n, path in enumerate(paths):
        image = pydicom.dcmread(path)
        image.SeriesInstanceUID, image.SOPInstanceUID = series, pydicom.uid.generate_uid()
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
        for name, value in values.items():
            setattr(image, name, value)
        image.save_as("%s/%d.dcm" % (folder, n))
    return sorted(glob.glob(folder + "/*"))


def explained(config, folder, *more):
    """{folder of the series: what would be done}"""
    lines = run("serve", config, "--check", folder, *more).splitlines()[1:]
    return {os.path.basename(path.strip()): " ".join(line.split()[4:]) for line, path in zip(lines[::2], lines[1::2])}


def what_it_says(served, top, second):
    said = explained(served.config, top, "--calling", "SCANNER")
    assert said["T1w"] == "rule brains: translate to T2w, to " + served.pacs, said
    assert said["t2"] == "rule originals: route, to " + second.address, said
    assert said["scout"] == "skip: rule scouts", said
    assert said["FLAIR"] == said["T2w"] == "skip: no rule wants it", said  # this T2w has no station
    assert explained(served.config, top)["T1w"] == "skip: no rule wants it"  # nobody called
    broken = explained(served.config, os.path.dirname(top) + "/broken", "--calling", "SCANNER")
    assert broken["broken"].startswith("rule brains: translate to T2w") and "would fail: " in broken["broken"], broken


def wrong_rules(served, top):
    for lines, words in (("[rule a]\ndo = nothing\n", ":6: do is 'nothing'"), ("[rule a]\n", "rule a does nothing"), ("[rule]\n", "a rule named ''"),
                         ("[rule a b]\n", "a rule named 'a b'"), ("[other a]\n", "expected [rule NAME]"), ("[\n", "expected [rule NAME]"),
                         ("[rule a]\nport = 3\n", "no key 'port' of a rule"), ("[rule a]\ncontrast = T9\n", ":6: "),
                         ("[rule a]\nplane = up\n", "plane is 'up'"), ("[rule a]\nslices = 5-4\n", "slices is '5-4'"),
                         ("[rule a]\ndo = ignore\n[rule a]\n", "a second rule named a"), ("[rule a]\ndo = ignore\npacs = A@b:1\n", "pacs without"),
                         ("[rule a]\ndo = route\nto = T2w\n", "of a rule that translates"), ("[rule a]\ndo = translate\nto = SWI\n", "rule a: to is SWI"),
                         ("[rule a]\ndo = translate\nfrom = T2w\n", "rule a: from is T2w"), ("[rule a]\ndo = translate\nmodel = none\n", "none: not found")):
        with open(top + "/wrong.conf", "w") as f:
            f.write("queue = %s/never\nport = 104\nallow = A@127.0.0.1\npacs = A@127.0.0.1:1\n%s" % (top, lines))
        done = subprocess.run([mrcycle, "serve", top + "/wrong.conf", "--check"], capture_output=True, text=True, timeout=60)
        assert done.returncode != 0 and words in done.stderr and len(done.stderr.splitlines()) == 1, (lines, done)


def a_study(served, top, first, second):
    """Every series that came is done, or skipped and not kept; the audit counts both."""
    t1, t2 = sorted(glob.glob(top + "/T1w/*")), sorted(glob.glob(top + "/t2/*"))
    for folder in ("T1w", "t2", "scout", "FLAIR"):
        assert served.store(sorted(glob.glob(top + "/" + folder + "/*"))) == 0
    peers.wait_for("the end of all", lambda: served.is_idle() and served.count()["done"] == 2 and served.count()["skipped"] == 2)
    assert served.count()["failed"] == 0
    synthetic, routed = first.images(), second.images()
    assert len(synthetic) == len(t1) and len(peers.series_of(synthetic)) == 1
    assert {image.SOPInstanceUID: image.PixelData for image in routed} == {
        image.SOPInstanceUID: image.PixelData for image in map(pydicom.dcmread, t2)}
    assert not glob.glob(served.queue + "/skipped/*/images")
    ends = [line for line in served.audit() if line["event"] == "job" and line["state"] in ("done", "skipped")]
    assert sorted((line["state"], line.get("rule")) for line in ends) == [
        ("done", "brains"), ("done", "originals"), ("skipped", None), ("skipped", None)], ends
    reasons = sorted(line["reason"] for line in ends if line["state"] == "skipped")
    assert reasons[0].startswith("no rule wants it (contrast FLAIR, 22 axial slices") and reasons[1].startswith("rule scouts ignores it"), reasons
    sent = [line for line in served.audit() if line["event"] == "sent"]
    assert sorted((line["to"], line["outcome"], line["stored"]) for line in sent) == sorted(
        ((first.address, "sent", len(t1)), (second.address, "sent", len(t2)))), sent
    assert "localizer" not in open(served.log).read().lower()
    # what is skipped comes again, and is skipped again
    assert served.store(sorted(glob.glob(top + "/FLAIR/*"))) == 0
    peers.wait_for("the third", lambda: served.count()["skipped"] == 3)
    # and our own result, sent back to us by a PACS, is not wanted
    for job in served.jobs("done"):
        back = glob.glob("%s/done/%s/out/*.dcm" % (served.queue, job))
        assert not back or served.store(back) == 0
    peers.wait_for("the fourth", lambda: served.count()["skipped"] == 4 and served.is_idle())
    assert any("synthetic" in job["why"] for job in served.jobs("skipped").values())


def two_bursts(served, t1, t2):
    """Half of a series, and the other half after it was quiet for twice the time, while somebody brings another of its study: one job."""
    image = node.Image(t2[0])
    client = upper_layer.Client(served.port)
    assert client.store(image.uid, image.dataset) == 0
    assert served.store(t1[:5]) == 0
    time.sleep(2.5)
    assert served.count()["arriving"] == 2, served.count()
    assert served.store(t1[5:]) == 0
    client.release()
    peers.wait_for("the end", lambda: served.is_idle())
    assert [job["images"] for job in served.jobs("done").values()].count(len(t1)) >= 2
    assert not [job for job in served.jobs("done") if job.endswith("-2")], served.jobs("done")


def recoded(served, t1, top):
    """The same images in other transfer syntaxes are those that are there; other images under their UIDs are not, in whatever syntax."""
    def sums():
        """Images known and differing, of all associations that have ended."""
        return tuple(sum(line[word] for line in node.events(served)) for word in ("known", "differing"))

    peers.wait_for("the audit log", lambda: len(node.events(served)) >= 9)
    jobs, (known, differing) = served.count(), sums()
    for program, option in (("dcmconv +ti", "-xi"), ("dcmconv +tb", "-xb"), ("dcmcrle", "-xr"), ("dcmcjpeg +e1", "-xs")):
        folder = "%s/recoded%s" % (top, option)
        os.makedirs(folder)
        for path in t1:
            peers.run([*program.split(), path, folder + "/" + os.path.basename(path)])
        paths = sorted(glob.glob(folder + "/*"))
        assert served.store(paths, options=[option]) == 0, program
        image = pydicom.dcmread(paths[0])
        image.EchoTime = 13
        image.save_as(paths[0])
        assert served.store(paths[:1], options=[option]) != 0
    image = pydicom.dcmread("%s/recoded-xi/%s" % (top, os.path.basename(t1[1])))
    image.PixelData = image.PixelData[:-2] + b"\1\1"
    image.save_as(top + "/altered.dcm")
    assert served.store([top + "/altered.dcm"], options=["-xi"]) != 0
    peers.wait_for("the audit log", lambda: sums() == (known + 4 * len(t1), differing + 5), 60)
    assert served.count() == jobs, (served.count(), jobs)


def the_queue(served):
    """Lists, one job, deletion: for people and for programs."""
    counts = served.count()
    found = json.loads(run("queue", served.config, "--json"))
    assert found["counts"] == counts and len(found["jobs"]) == sum(counts.values()), found["counts"]
    job = next(job for job in found["jobs"] if job.get("rule") == "brains")
    assert job["state"] == "done" and job["calling"] == "SCANNER" and job["host"] == "127.0.0.1" and job["bytes"] > 1000, job
    assert json.loads(run("queue", served.queue, "--json", "--why", job["id"])) == job
    skipped = next(job for job in found["jobs"] if job["state"] == "skipped")
    text = run("queue", served.queue, "--why", skipped["id"])
    assert "why        " + skipped["why"] in text and "calling    SCANNER" in text, text
    assert "begins with 'nobody'" in run("queue", served.queue, "--why", "nobody", code=1)
    assert "one at a time" in run("queue", served.queue, "--why", "a", "--retry", "a", code=1)
    run("queue", served.config, "--delete", job["id"])
    assert job["id"] not in served.jobs("done")
    run("queue", served.queue, "--delete", "skipped")
    assert served.count()["skipped"] == 0
    gone = [(line["id"], line["state"], line["reason"]) for line in served.audit() if line["event"] == "deleted"]
    assert (job["id"], "done", "asked") in gone and len(gone) == 1 + counts["skipped"], gone
    run("queue", served.queue, "--delete", job["id"], code=1)


with tempfile.TemporaryDirectory() as scratch:
    run("phantom", "-o", scratch + "/p", "--seed", "3", "--subjects", "2", "--voxel", "6,6,8")
    study = scratch + "/p/sub-01/dicom"
    one, other = sorted(glob.glob(study + "/T1w/*")), sorted(glob.glob(study + "/T2w/*"))
    change(one, study + "/scout", SeriesDescription="3-plane Localizer")
    change(other, study + "/t2", StationName="MR7")
    broken = change(one, scratch + "/p/sub-01/broken")
    os.remove(broken[7])
    two = [sorted(glob.glob(scratch + "/p/sub-02/dicom/%s/*" % c)) for c in ("T1w", "FLAIR")]
    for folder in ("archive", "second_archive"):
        os.makedirs(scratch + "/" + folder)
    with peers.Archive(scratch + "/archive") as archive, peers.Archive(scratch + "/second_archive") as archive2:
        with node.Node(mrcycle, scratch + "/node", archive.address, rules=RULES % archive2.address, study_wait_s=30) as serving:
            what_it_says(serving, study, archive2)
            wrong_rules(serving, scratch)
            a_study(serving, study, archive, archive2)
            two_bursts(serving, *two)
            recoded(serving, two[0], scratch)
            the_queue(serving)
            serving.end()
print("ok")
