#!/usr/bin/env python3
"""bad_archive.py MRCYCLE: echo and send against an archive that rejects, aborts, falls silent, answers all kinds of statuses,
closes in the middle of a PDU, or sends garbage. What it stored is not sent again; what may pass is; exit codes tell which."""
import concurrent.futures
import glob
import os
import re
import subprocess
import sys
import tempfile

import peers
from upper_layer import Server

peers.need()
mrcycle = os.path.abspath(sys.argv[1])
QUICK = ["--timeout", "1", "--wait", "0.1"]


def run(*args, code=0):
    done = subprocess.run([mrcycle, *args], capture_output=True, text=True, timeout=120)
    assert done.returncode == code, (args, done.returncode, done.stdout, done.stderr)
    assert len(done.stderr.splitlines()) <= 1 or code == 0 or "again in" in done.stderr, done.stderr
    return done.stdout + done.stderr


def counts(text):
    return [int(n) for n in re.search(r"stored (\d+), with warning (\d+), sent before (\d+), refused (\d+), not sent (\d+)", text).groups()]


def send(paths, archive, *more, code=0):
    return run("send", *paths, "--to", archive.address, *QUICK, *more, code=code)


def greetings(paths):
    for how, code in (("reject", 61), ("nothing", 61), ("busy", 60), ("abort", 60), ("close", 60), ("silent", 60), ("garbage", 60), ("half", 60)):
        with Server(greetings=[how] * 2) as archive:
            if how != "nothing":
                run("echo", archive.address, "--timeout", "1", code=code)
            else:
                archive.greetings.pop()
            assert counts(send(paths[:1], archive, "--retries", "0", code=code))[3:] in ([0, 1], [1, 0]), how
            assert archive.stored == []
            assert counts(send(paths[:1], archive)) == [1, 0, 0, 0, 0], how
            assert len(archive.stored) == 1
    for how, code in ((0x0122, 61), ("abort", 60), ("half", 60), ("garbage", 60), ("other", 60), (0, 0)):
        with Server(echoes=[how]) as archive:
            run("echo", archive.address, "--timeout", "1", code=code)
    with Server(greetings=["busy", "abort", "close", "silent"]) as archive:  # all of that passes
        assert counts(send(paths, archive, "--retries", "4"))[0] == len(paths)
        assert archive.associations == 5
    with Server(greetings=["busy"] * 9) as archive:  # and patience has an end
        assert counts(send(paths, archive, "--retries", "2", code=60))[4] == len(paths)
        assert archive.associations == 3


def statuses(paths):
    for status, kind in ((0x0000, 0), (0xB007, 1), (0x0111, 1), (0xA900, 3), (0xC000, 3), (0xC123, 3), (0x0122, 3)):
        with Server(answers=[0, status]) as archive:
            found = counts(send(paths, archive, code=61 if kind == 3 else 0))
            expected = [len(paths), 0, 0, 0, 0]
            expected[0] -= 1
            expected[kind] += 1
            assert found == expected and archive.associations == 1, (hex(status), found)
            assert len(archive.asked) == len(paths)  # each was asked once
    for status in (0xA700, 0x0110, 0x0213):
        with Server(answers=[0, status]) as archive:
            assert counts(send(paths, archive)) == [len(paths), 0, 0, 0, 0]
            assert len(archive.asked) == len(paths) + 1 and len(set(archive.stored)) == len(archive.stored) == len(paths)
        with Server(answers=[status] * 99) as archive:  # for ever: bounded
            assert counts(send(paths, archive, "--retries", "2", code=60)) == [0, 0, 0, 0, len(paths)]
            assert len(archive.asked) == 9


def one_in_the_way(paths):
    """One image that the archive never has room for does not hold up the others."""
    with Server() as archive:
        send(paths[:1], archive)
        archive.answers = Choice(archive, archive.stored.pop())
        assert counts(send(paths, archive, "--retries", "1", code=60)) == [len(paths) - 1, 0, 0, 0, 1]
        assert len(set(archive.stored)) == len(archive.stored)


def breaks(paths):
    """In the middle of a series: only what is not known to be stored is sent again."""
    for how in ("abort", "close", "half", "garbage", "silent", "other"):
        with Server(answers=[0, how]) as archive:
            assert counts(send(paths, archive)) == [len(paths), 0, 0, 0, 0], how
            assert archive.associations == 2 and len(archive.stored) == len(set(archive.stored)) == len(paths), how
            assert len(archive.asked) == len(paths) + 1, (how, len(archive.asked))


def goes_on(paths, top):
    """The list of what was stored, also from a process that was killed."""
    done = os.path.join(top, "sent.list")
    with Server(answers=[0, 0, 0xC000, "silent"]) as archive:
        process = subprocess.Popen([mrcycle, "send", *paths, "--to", archive.address, "--list", done], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        peers.wait_for("three answers", lambda: os.path.exists(done) and open(done).read().count("\n") == 3)
        process.kill()
        process.wait()
        with open(done, "a") as f:
            f.write("stored\t00")  # cut off by a crash
        assert counts(send(paths, archive, "--list", done)) == [len(paths) - 2, 0, 2, 0, 0]  # what was refused is tried again
        assert len(archive.stored) == len(set(archive.stored)) == len(paths)
        assert counts(send(paths, archive, "--list", done)) == [0, 0, len(paths), 0, 0]
        with Server() as other:  # another archive has not got it
            assert counts(send(paths, other, "--list", done)) == [len(paths), 0, 0, 0, 0]


def farewells(paths):
    for how in ("silent", "close"):
        with Server(farewells=[how]) as archive:
            assert counts(send(paths, archive)) == [len(paths), 0, 0, 0, 0], how
            assert archive.associations == 1


def unreadable(paths, top):
    """One file that ends too early is named; the others are sent."""
    short = os.path.join(top, "short.dcm")
    with open(paths[0], "rb") as f, open(short, "wb") as g:
        g.write(f.read()[:-100])
    with Server() as archive:
        text = send([short, *paths[1:]], archive, code=21)
        assert counts(text) == [len(paths) - 1, 0, 0, 0, 1] and "short.dcm" in text, text


class Choice(list):
    """Answers A700 to one image, and 0000 to others."""

    def __init__(self, archive, instance):
        super().__init__([0])
        self.archive, self.instance = archive, instance

    def pop(self, _):
        return 0xA700 if self.archive.asked[-1] == self.instance else 0


with tempfile.TemporaryDirectory() as scratch:
    run("phantom", "-o", scratch + "/p", "--seed", "3", "--voxel", "8,8,8")
    images = sorted(glob.glob(scratch + "/p/sub-01/dicom/T1w/*"))[:4]
    with concurrent.futures.ThreadPoolExecutor() as pool:  # most of it is waiting
        cases = [pool.submit(case, images) for case in (greetings, statuses, one_in_the_way, breaks, farewells)]
        cases += [pool.submit(case, images, scratch) for case in (goes_on, unreadable)]
        for case in cases:
            case.result()
print("ok")
