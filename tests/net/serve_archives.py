#!/usr/bin/env python3
"""serve_archives.py MRCYCLE: a node before several archives. Each gets every image once, whatever becomes of the others; attempts
are bounded, and what failed can be tried again by hand."""
import glob
import json
import os
import sys
import tempfile

import node
import peers
from upper_layer import Server

peers.need("storescu")
mrcycle = os.path.abspath(sys.argv[1])


def states(served):
    return [(line["state"], line["attempts"]) for line in served.audit() if line["event"] == "job"]


def all_once(archive, count):
    return len(archive.stored) == len(set(archive.stored)) == len(archive.asked) == count


def one_is_down(top, t1):
    """The one that is there gets its copy at once and is not asked again; the other when it is back; then the job is done."""
    with Server() as one, Server() as three:
        port = peers.free_port()
        several = "\npacs = ".join((one.address, "ARCHIVE@127.0.0.1:%d" % port, three.address))
        with node.Node(mrcycle, top + "/several", several) as served:
            assert served.store(t1) == 0
            peers.wait_for("the second attempt", lambda: ("running", 2) in states(served))
            assert not served.jobs("done") and all_once(one, len(t1)) and all_once(three, len(t1)) and set(one.stored) == set(three.stored)
            with Server(port=port) as two:
                peers.wait_for("the job", lambda: served.jobs("done"))
                assert all_once(two, len(t1)) and set(two.stored) == set(one.stored)
            assert all_once(one, len(t1)) and all_once(three, len(t1))
            served.end()


def one_refuses(top, t1):
    """For good: the job fails, and the others have their copy all the same."""
    with Server(answers=[0xC000] * 99) as one, Server() as two:
        with node.Node(mrcycle, top + "/refuses", one.address + "\npacs = " + two.address) as served:
            assert served.store(t1) == 0
            job, record = peers.wait_for("the failure", lambda: list(served.jobs("failed").items()))[0]
            assert record["attempts"] == 1 and "C000" in record["why"] and all_once(two, len(t1)) and not one.stored, record
            one.answers.clear()
            peers.run([mrcycle, "queue", served.queue, "--retry", job])
            peers.wait_for("the job", lambda: served.jobs("done"))
            assert len(set(one.stored)) == len(one.stored) == len(t1) and all_once(two, len(t1))
            served.end()


def bounded(top, t1):
    """retries = 2: three attempts, and the job has failed, says why, and waits for a hand. The result is made once."""
    port = peers.free_port()
    with node.Node(mrcycle, top + "/bounded", "ARCHIVE@127.0.0.1:%d" % port, retries=2, retry_wait_s=0.1) as served:
        assert served.store(t1) == 0
        job, record = peers.wait_for("the failure", lambda: list(served.jobs("failed").items()))[0]
        assert record["attempts"] == 3 and str(port) in record["why"], record
        peers.wait_for("its line", lambda: states(served)[-1] == ("failed", 3))
        assert states(served) == [("new", 0), ("running", 1), ("new", 1), ("running", 2), ("new", 2), ("running", 3), ("failed", 3)], states(served)
        result = os.path.join(served.queue, "failed", job, "out")
        made = os.stat(result).st_mtime_ns, sorted(os.listdir(result))
        text = peers.run([mrcycle, "queue", served.queue])
        assert job in text and "failed 1" in text and record["why"][:40] in text, text
        with Server(port=port) as archive:
            peers.run([mrcycle, "queue", served.config, "--retry", "all"])
            peers.wait_for("the job", lambda: served.jobs("done"))
            assert all_once(archive, len(t1)) and served.jobs("done")[job]["attempts"] == 1 and served.jobs("done")[job]["why"] == ""
        result = os.path.join(served.queue, "done", job, "out")
        assert (os.stat(result).st_mtime_ns, sorted(os.listdir(result))) == made
        served.end()


def clock_set_back(top, t1):
    """A job that waits for a time which has gone far away is tried at once."""
    port = peers.free_port()
    with node.Node(mrcycle, top + "/clock", "ARCHIVE@127.0.0.1:%d" % port, retry_wait_s=3000, retry_wait_max_s=3000) as served:
        assert served.store(t1) == 0
        peers.wait_for("the wait", lambda: ("new", 1) in states(served))
        served.kill()
        job, record = list(served.jobs("new").items())[0]
        assert 2000 < record["not_before"] - record["changed"] <= 3001, record
        record["changed"] += 10**6
        record["not_before"] += 10**6
        with open(os.path.join(served.queue, "new", job, "job.json"), "w") as f:
            json.dump(record, f)
        with Server(port=port) as archive:
            served.start()
            peers.wait_for("the job", lambda: served.jobs("done"))
            assert all_once(archive, len(t1))
        served.end()


with tempfile.TemporaryDirectory() as scratch:
    peers.run([mrcycle, "phantom", "-o", scratch + "/p", "--seed", "3", "--voxel", "8,8,8"])
    images = sorted(glob.glob(scratch + "/p/sub-01/dicom/T1w/*"))
    for case in (one_is_down, one_refuses, bounded, clock_set_back):
        case(scratch, images)
print("ok")
