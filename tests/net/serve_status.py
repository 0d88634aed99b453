#!/usr/bin/env python3
"""serve_status.py MRCYCLE: what a node tells those who watch it: /health and /metrics, systemd, and other settings by SIGHUP."""
import glob
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

import node
import peers
from peers import pydicom

peers.need("storescu", "dcmqrscp")
mrcycle = os.path.abspath(sys.argv[1])


def get(port, path):
    """Code, kind and text of an answer."""
    try:
        with urllib.request.urlopen("http://127.0.0.1:%d%s" % (port, path), timeout=20) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.headers["Content-Type"], answer.read().decode()


def metrics(port):
    """{name with labels: number}; the text is as Prometheus wants it."""
    code, kind, text = get(port, "/metrics")
    assert code == 200 and "version=0.0.4" in kind and text.endswith("\n")
    found, told = {}, set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            told.add(line.split()[2])
        elif not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            assert name.split("{")[0] in told and name not in found, line
            found[name] = float(value)
    return found


class Systemd:
    """The socket that a service tells how it is; it holds ten messages."""

    def __init__(self, folder):
        self.path, self.said = folder + "/notify", []
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.path)
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            self.said.append(self.sock.recv(4096).decode())

    def hears(self, words):
        return [said for said in self.said if said.startswith(words)]


def odd_questions(port):
    assert get(port, "/")[0] == get(port, "/metricsx")[0] == 404
    for words, answer in ((b"POST /metrics HTTP/1.1\r\n\r\n", b"405"), (b"GET /health HTTP/1.1\r\n\r\n", b"200"), (b"A" * 5000, b"405"), (b"\0" * 2000, b"405")):
        with socket.create_connection(("127.0.0.1", port), 10) as s:
            s.sendall(words)
            try:
                assert answer in s.recv(100), words
            except ConnectionResetError:
                assert len(words) > 1000  # the rest of it was not read
    mute = [socket.create_connection(("127.0.0.1", port), 10) for _ in range(12)]
    begin = time.monotonic()
    assert get(port, "/health")[0] == 200 and time.monotonic() - begin < 15  # who says nothing is sent away
    for s in mute:
        s.close()


def figures(served, port, t1):
    """The metrics, the audit log and the queue agree."""
    before = metrics(port)
    assert before["mrcycle_associations_total"] == 0 and before['mrcycle_jobs{state="done"}'] == 0
    assert served.store(t1) == 0 and served.store(t1[:3]) == 0
    peers.wait_for("the job", lambda: served.count()["done"] == 1)
    now = peers.wait_for("the figures", lambda: (lambda m: m['mrcycle_attempts_total{outcome="done"}'] == 1 and m)(metrics(port)))
    ends = node.events(served)
    assert now["mrcycle_associations_total"] == len(ends) == 2
    assert now['mrcycle_images_total{answer="stored"}'] == sum(line["stored"] for line in ends) == len(t1)
    assert now['mrcycle_images_total{answer="known"}'] == sum(line["known"] for line in ends) == 3
    assert {state: now['mrcycle_jobs{state="%s"}' % state] for state in served.count()} == served.count()
    assert now["mrcycle_oldest_job_seconds"] == 0 and now["mrcycle_attempt_seconds_total"] > 0 and now["mrcycle_free_bytes"] > 0
    assert abs(now["mrcycle_last_association_timestamp_seconds"] - time.time()) < 600


def rewrite(served, old, new, more=""):
    with open(served.config) as f:
        text = f.read()
    assert old in text
    with open(served.config, "w") as f:
        f.write(text.replace(old, new) + more)
    reloads = len(node.events(served, "reload"))
    os.kill(served.process.process.pid, signal.SIGHUP)
    peers.wait_for("the reload", lambda: len(node.events(served, "reload")) == reloads + 1)
    return node.events(served, "reload")[-1]["outcome"]


def other_settings(served, port, systemd, t2):
    """New rules hold at once; wrong ones, and such as need a new start, change nothing."""
    assert rewrite(served, "quiet_s = 1\n", "quiet_s = one\n") != "done"
    assert rewrite(served, "quiet_s = one\n", "quiet_s = 1\nbind = 127.0.0.2\n") != "done"
    log = open(served.folder + "/serve.log").read()
    assert "quiet_s is 'one'" in log and "bind has changed, which needs a new start" in log, log
    assert rewrite(served, "bind = 127.0.0.2\n", "", "[rule none]\ncontrast = T2w\ndo = ignore\n") == "done"
    assert metrics(port)["mrcycle_reloads_total"] == 1 and len(systemd.hears("RELOADING=1\nMONOTONIC_USEC=")) == 3
    assert served.store(t2) == 0
    peers.wait_for("the end", lambda: served.count()["skipped"] == 1)
    assert rewrite(served, "min_free_mb = 0\n", "min_free_mb = 900000000\n") == "done"
    code, kind, text = get(port, "/health")
    assert code == 503 and kind == "application/json" and json.loads(text)["status"] == "trouble" and "min_free_mb" in text, text
    assert served.store(t2[:1]) != 0


with tempfile.TemporaryDirectory() as scratch:
    peers.run([mrcycle, "phantom", "-o", scratch + "/p", "--seed", "3", "--subjects", "1", "--voxel", "6,6,8"])
    one, two = (sorted(glob.glob(scratch + "/p/sub-01/dicom/%s/*" % c)) for c in ("T1w", "T2w"))
    os.makedirs(scratch + "/archive")
    manager, at = Systemd(scratch), peers.free_port()
    os.environ.update(NOTIFY_SOCKET=manager.path, WATCHDOG_USEC="400000")
    with peers.Archive(scratch + "/archive") as archive, node.Node(mrcycle, scratch + "/node", archive.address, status_port=at) as serving:
        peers.wait_for("READY=1", lambda: manager.hears("READY=1"))
        assert get(at, "/health") == (200, "application/json", '{"status":"ok","reasons":[]}\n'), get(at, "/health")
        odd_questions(at)
        figures(serving, at, one)
        other_settings(serving, at, manager, two)
        image = pydicom.dcmread(one[0])
        for word in (str(image.PatientName), image.PatientID, image.SeriesInstanceUID, "SCANNER", "127.0.0.1"):
            assert word not in get(at, "/metrics")[2] + get(at, "/health")[2]
        assert len(manager.hears("WATCHDOG=1")) > 3
        serving.end()
        assert manager.hears("STOPPING=1")
        assert not peers.listens(at)
print("ok")
