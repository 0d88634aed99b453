#!/usr/bin/env python3
"""serve_power.py MRCYCLE: would what a node has acknowledged outlive a loss of power? strace tells which bytes and names were on the disk at
the moment of each answer: the image's, and the names of the folders above it up to the queue's own. So too for a job that is done."""
import glob
import os
import re
import subprocess
import sys
import tempfile

import node
import peers

peers.need("storescu", "dcmqrscp", "strace")
mrcycle = os.path.abspath(sys.argv[1])
CALLS = "openat,write,pwrite64,writev,sendto,ftruncate,fsync,fdatasync,mkdir,rename,renameat2,unlink,rmdir"
STARTED, RESUMED = re.compile(r"(\d+) +(.*) <unfinished \.\.\.>$"), re.compile(r"(\d+) +<\.\.\. \w+ resumed>(.*)$")
DONE = re.compile(r"(\d+) +(\w+)\((.*)\) += \d+")


def calls(lines):
    """Process, call and arguments of each that succeeded, in the order in which they ended."""
    begun = {}
    for line in lines:
        started, resumed = STARTED.match(line), RESUMED.match(line)
        if started:
            begun[started[1]] = started[2]
        if resumed:
            line = resumed[1] + " " + begun.pop(resumed[1]) + resumed[2]
        done = DONE.match(line)
        if done and not started:
            yield done.groups()


class Disk:
    """Paths that there are, names whose folder was not synced since they came, and files whose bytes were not since they changed."""

    def __init__(self):
        self.there, self.names, self.bytes = set(), set(), set()

    def make(self, path):
        if path not in self.there:
            self.names.add(path)
        self.there.add(path)

    def move(self, old, new):
        for held in (self.there, self.names, self.bytes):
            moved = {path for path in held if (path + "/").startswith(old + "/")}
            held -= moved
            held |= {new + path[len(old):] for path in moved}
        self.names.add(new)

    def remove(self, path):
        for held in (self.there, self.names, self.bytes):
            held.discard(path)

    def sync(self, path):
        self.bytes.discard(path)
        self.names = {name for name in self.names if os.path.dirname(name) != path}

    def lost(self, path, top):
        found = ["bytes of " + path] if path in self.bytes else []
        while path != top:
            found += ["name " + path] if path in self.names else []
            path = os.path.dirname(path)
        return found


def judge(lines, queue, without="never"):
    """How many images were acknowledged, and what would be lost of them and of what is done; had paths that fit `without` not been synced."""
    disk, placed, count, lost = Disk(), {}, 0, []
    for pid, call, words in calls(lines):
        paths, held = re.findall(r'"(/[^"]*)"', words), re.match(r"\d+<([^>]*)>", words)
        if call == "mkdir" or (call == "openat" and "O_CREAT" in words):
            disk.make(paths[0])
        elif call.startswith("rename"):
            disk.move(*paths)
            if "/receiving/" in paths[0]:
                placed[pid] = paths[1]
        elif call in ("unlink", "rmdir"):
            disk.remove(paths[0])
        elif call in ("fsync", "fdatasync"):
            disk.sync(held[1] if not re.search(without, held[1]) else "")
        elif held and held[1].startswith("/"):
            disk.bytes.add(held[1])
        elif held and held[1].startswith("socket:") and pid in placed:  # the answer
            lost += disk.lost(placed.pop(pid), queue)
            count += 1
    for path in glob.glob(queue + "/done/*/**", recursive=True):
        lost += disk.lost(path.rstrip("/"), queue)
    return count, lost


def main(scratch):
    trace = scratch + "/trace"
    command = ["strace", "-D", "-f", "--seccomp-bpf", "-y", "-s", "0", "-e", "trace=" + CALLS, "-e", "signal=none", "-o", trace]
    if subprocess.run([*command, "true"], capture_output=True).returncode != 0:
        peers.skip("strace may not trace here")
    peers.run([mrcycle, "phantom", "-o", scratch + "/p", "--seed", "3", "--voxel", "8,8,8", "-q"])
    images = sorted(glob.glob(scratch + "/p/sub-01/dicom/T1w/*"))
    with peers.Archive(scratch + "/archive") as archive:
        served = node.Node(mrcycle, scratch + "/node", archive.address, quiet_s=0.3)
        served.before, os.environ["ASAN_OPTIONS"] = command, "detect_leaks=0"  # which does not work in a traced process
        with served:
            assert served.store(images) == 0
            peers.wait_for("the job", lambda: served.jobs("done"))
            served.end()
    with open(trace) as f:
        lines = f.read().splitlines()
    count, lost = judge(lines, served.queue)
    assert count == len(images) and not lost, (count, len(images), lost[:5])
    # Each kind of sync is needed: without it something would be lost.
    for what in ("/receiving/", "/images$", "/arriving$", "/done$"):
        assert judge(lines, served.queue, what)[1], what
    print("ok: %d images" % count)


with tempfile.TemporaryDirectory() as top:
    main(os.path.realpath(top))
