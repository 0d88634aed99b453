#!/usr/bin/env python3
"""serve_long.py MRCYCLE [SEED]: a node that is killed (-9) at least 20 times at random moments while many peers store series over
several associations at once and its jobs run; whose archive is down for a while; whose disk is full now and then. In the end
every acknowledged image lies in exactly one done job, the archive holds exactly one synthetic series of each source series,
and the queue holds nothing else.

As root the queue lies on a small tmpfs that is filled; else min_free_mb is out of reach for some lives of the server."""
import collections
import concurrent.futures
import glob
import json
import os
import random
import re
import stat
import subprocess
import sys
import tempfile
import threading
import time

import node
import peers
from peers import pydicom
from upper_layer import Client

peers.need("storescu", "dcmqrscp")
mrcycle = os.path.abspath(sys.argv[1])
seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(10**6)
SUBJECTS, SENDERS, KILLS = 24, 8, 24
MOST_S = 1500  # of all of it
MOMENTS = {"receiving": "receiving/*", "open": "arriving/*/open-*", "arriving": "arriving/*", "new": "new/*", "running": "running/*",
           "written": "running/*/out", "sending": "running/*/sent.list"}


class Disk:
    """The queue's. full(True) leaves room for nothing."""

    def __init__(self, folder):
        self.folder, self.is_full = folder, False
        command = ["mount", "-t", "tmpfs", "-o", "size=64m", "mrcycle-test", folder]
        self.own = os.geteuid() == 0 and subprocess.run(command, capture_output=True).returncode == 0
        print("a full disk is", "a full tmpfs" if self.own else "min_free_mb", flush=True)

    def fill(self, served):
        self.is_full = True
        if not self.own:
            return served.change(min_free_mb=1e9)
        try:
            with open(self.folder + "/ballast", "ab", buffering=0) as f:
                while f.write(bytes(1 << 16)):
                    pass
        except OSError:
            pass

    def empty(self, served):
        self.is_full = False
        if not self.own:
            served.change(min_free_mb=0)
        elif os.path.exists(self.folder + "/ballast"):
            os.remove(self.folder + "/ballast")

    def close(self):
        if self.own:
            subprocess.run(["umount", "-l", self.folder], check=True)


class Series:
    def __init__(self, folder):
        self.paths = sorted(glob.glob(folder + "/*"))
        images = [pydicom.dcmread(path, stop_before_pixels=True) for path in self.paths]
        self.uid, self.study = str(images[0].SeriesInstanceUID), str(images[0].StudyInstanceUID)
        self.instances = {path: str(image.SOPInstanceUID) for path, image in zip(self.paths, images)}


class Senders:
    """Each stores one or two series over an association, again and again until all of it is acknowledged, and sometimes once more."""

    def __init__(self, served, series, chance):
        self.served, self.chance, self.lock = served, chance, threading.Lock()
        self.acknowledged, self.statuses, self.over = set(), collections.Counter(), False
        self.groups, left = [], list(series)
        while left:
            size = chance.choice((1, 1, 2))
            self.groups.append(left[:size])
            left = left[size:]

    def store(self, series, order):
        paths = [path for one in series for path in one.paths]
        order.shuffle(paths)
        done = subprocess.run(["storescu", "-v", "-aet", "SCANNER", "-aec", "NODE", "-to", "10", "-ta", "10", "-td", "60", "127.0.0.1", str(self.served.port), *paths],
                              capture_output=True, text=True, timeout=600)
        current, instances = None, {path: uid for one in series for path, uid in one.instances.items()}
        for line in done.stdout.splitlines() + done.stderr.splitlines():
            if "Sending file: " in line:
                current = line.split("Sending file: ")[1]
            found = re.search(r"Received Store Response \((.*)\)", line)
            if found:
                with self.lock:
                    self.statuses[found[1]] += 1
                    if found[1] == "Success":
                        self.acknowledged.add(instances[current])
        return done.returncode == 0

    def run(self, number):
        chance = random.Random(f"{seed} sender {number}")
        for series in self.groups[number::SENDERS]:
            for _ in range(2 if chance.random() < 0.3 else 1):
                time.sleep(chance.uniform(0, 25))
                while not self.store(series, chance):
                    assert not self.over, "the node is gone"
                    time.sleep(chance.uniform(0.05, 0.5))


class Chaos:
    """Kills, and what else goes wrong, in turn. Each kill notes what it hit."""

    def __init__(self, served, disk, archive, chance):
        self.served, self.disk, self.archive, self.chance = served, disk, archive, chance
        self.hit, self.kills = collections.Counter(), 0

    def state(self):
        found = {what: bool(glob.glob(os.path.join(self.served.queue, pattern))) for what, pattern in MOMENTS.items()}
        return {**found, "full disk": self.disk.is_full}

    def strike(self, moment):
        """At any moment, or a little after one of a kind has come, for the short ones would hardly be hit."""
        end = time.monotonic() + (self.chance.expovariate(1 / 2.5) if moment == "" else 20)
        while time.monotonic() < end and not (moment and self.state()[moment]):
            time.sleep(0.005)
        time.sleep(self.chance.uniform(0, 0.05))
        self.hit.update(what for what, is_so in self.state().items() if is_so)
        self.served.kill()
        self.kills += 1

    def run(self):
        moments = ("", *MOMENTS) * KILLS
        for n in range(KILLS):
            if n % 6 == 3:
                self.disk.fill(self.served)
            if n % 6 == 5:
                self.disk.empty(self.served)
            if n == KILLS // 4:
                self.archive.stop()
            if n == KILLS // 2:
                peers.wait_for("an attempt without an archive", self.has_tried_in_vain, MOST_S)
                self.archive.start()
            self.strike(moments[n])
            self.served.start()
        self.disk.empty(self.served)
        if not self.disk.own:
            self.served.kill()
            self.served.start()

    def has_tried_in_vain(self):
        return any(line["event"] == "job" and line["state"] == "new" and line["attempts"] > 0 for line in self.served.audit())


class Pacs:
    def __init__(self, folder):
        self.folder, self.process = folder, None
        os.makedirs(folder)
        self.port = peers.free_port()
        self.address = "ARCHIVE@127.0.0.1:%d" % self.port

    def start(self):
        self.process = peers.Archive(self.folder, self.port)

    def stop(self):
        self.process.stop()


class Served(node.Node):
    def change(self, **settings):
        """From the next start on."""
        with open(self.config) as f:
            lines = [line for line in f if line.split(" = ")[0] not in settings]
        with open(self.config, "w") as f:
            f.writelines(lines + ["%s = %s\n" % setting for setting in settings.items()])


def refuses_when_full(served, disk, one):
    """Image after image: A700, nothing kept; and there is room again."""
    path, uid = next(iter(one.instances.items()))
    with open(path, "rb") as f:
        whole = f.read()
    dataset = whole[144 + int.from_bytes(whole[140:144], "little"):]
    disk.fill(served)
    if not disk.own:
        served.kill()
        served.start()
    client = Client(served.port)
    answers = [client.store(uid, dataset) for _ in range(3)]
    client.release()
    assert answers == [0xA700] * 3, answers
    assert not glob.glob(served.queue + "/arriving/*/images/*") and os.listdir(served.queue + "/receiving") == []
    disk.empty(served)
    if not disk.own:
        served.kill()
        served.start()


def check_queue(served, series, acknowledged):
    assert served.count() == {"arriving": 0, "new": 0, "running": 0, "done": len(series), "failed": 0, "skipped": 0}, (served.count(), served.jobs("failed"))
    assert os.listdir(served.queue + "/receiving") == []
    where = collections.defaultdict(list)
    for path in glob.glob(served.queue + "/done/*/images/*"):
        where[str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID)].append(path.split("/")[-3])
    assert {uid for one in series for uid in one.instances.values()} == acknowledged == set(where)
    assert all(len(jobs) == 1 for jobs in where.values()), "an image lies in two jobs"
    for one in series:
        assert len({where[uid][0] for uid in one.instances.values()}) == 1, "a series lies in two jobs"
    for job in glob.glob(served.queue + "/done/*"):
        assert sorted(os.listdir(job)) == ["images", "job.json", "out", "report", "sent.list"], os.listdir(job)
        assert sorted(os.listdir(job + "/report")) == ["report.html", "report.json"]
    for state in ("receiving", *served.count()):
        assert stat.S_IMODE(os.stat(served.queue + "/" + state).st_mode) == 0o700, state
    for folder, folders, files in os.walk(served.queue):
        assert not [name for name in folders + files if ".tmp-" in name], folder


def check_archive(archive, series):
    found = peers.series_of(archive.process.images())
    assert len(found) == len(series), (len(found), len(series))
    sources = {one.uid: one for one in series}
    for images in found.values():
        referred = {str(image.ReferencedSeriesSequence[0].SeriesInstanceUID) for image in images}
        assert len(referred) == 1, referred
        one = sources.pop(referred.pop())  # each once
        assert len(images) == len(one.paths) and {str(image.StudyInstanceUID) for image in images} == {one.study}
    assert not sources


def check_audit(served, lost):
    """All of it is whole. The start of a server that was killed while its disk was full may be missing."""
    events = collections.Counter(json.loads(line)["event"] for line in open(served.log))
    assert events["start"] >= KILLS + 1 - lost, events
    print("audit:", dict(events))


def main(scratch):
    begin = time.monotonic()
    chance = random.Random(f"{seed} chaos")
    peers.run([mrcycle, "phantom", "-o", scratch + "/p", "--seed", "3", "--subjects", str(SUBJECTS), "--voxel", "8,8,8", "-q"])
    series = [Series(folder) for folder in sorted(glob.glob(scratch + "/p/sub-*/dicom/T1w"))]
    assert len(series) == SUBJECTS
    archive = Pacs(scratch + "/archive")
    archive.start()
    os.makedirs(scratch + "/node")
    disk = Disk(scratch + "/node")
    served = Served(mrcycle, scratch + "/node", archive.address, quiet_s=0.3, broken_quiet_s=3600, retries=10000, keep_done_h=1000)
    try:
        served.start()
        refuses_when_full(served, disk, series[0])
        senders, chaos = Senders(served, series, chance), Chaos(served, disk, archive, chance)
        with concurrent.futures.ThreadPoolExecutor(SENDERS) as pool:
            work = [pool.submit(senders.run, n) for n in range(SENDERS)]
            try:
                chaos.run()
                for each in work:
                    each.result(MOST_S)
            finally:
                senders.over = True
        print("%d kills, which hit: %s; answers: %s" % (chaos.kills, dict(chaos.hit), dict(senders.statuses)))
        peers.wait_for("the last job", lambda: served.is_idle() and len(served.jobs("done")) + len(served.jobs("failed")) >= SUBJECTS, MOST_S)
        served.end()
        check_queue(served, series, senders.acknowledged)
        check_archive(archive, series)
        check_audit(served, chaos.hit["full disk"])
        assert chaos.kills >= 20 and all(chaos.hit[what] > 0 for what in ("arriving", "open", "running", "full disk")), chaos.hit
        refused = sum(count for words, count in senders.statuses.items() if words != "Success")
        assert refused > 0, senders.statuses
    except BaseException:
        print(peers.run([mrcycle, "queue", served.queue]), open(served.log).read(), sep="\n")
        raise
    finally:
        if served.process is not None and served.process.process.poll() is None:
            served.kill()
        archive.stop()
        disk.close()
    print("ok, seed %d, %.0f s" % (seed, time.monotonic() - begin))


print("seed", seed, flush=True)
with tempfile.TemporaryDirectory() as top:
    main(top)
