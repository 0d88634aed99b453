#!/usr/bin/env python3
"""send.py MRCYCLE: echo and send against DCMTK's dcmqrscp and storescp, plain and over TLS."""
import glob
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time

import peers
from peers import pydicom

peers.need("storescp", "dcmqrscp", "openssl")
mrcycle = os.path.abspath(sys.argv[1])


def run(*args, code=0):
    done = subprocess.run([mrcycle, *args], capture_output=True, text=True, timeout=120)
    assert done.returncode == code, (args, done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def archive(top, t1, t2):
    with peers.Archive(os.path.join(top, "archive")) as pacs:
        to = pacs.address
        assert "answers" in run("echo", to)
        run("echo", "WRONG@127.0.0.1:%d" % pacs.port, code=61)
        count = len(os.listdir(t1)) + len(os.listdir(t2))
        for _ in range(2):  # twice leaves one copy
            assert "stored %d," % count in run("send", t1, t2, "--to", to)
            images = pacs.images()
            assert len(images) == count and len(peers.series_of(images)) == 2
        assert len({image.StudyInstanceUID for image in images}) == 1
        there = {image.SOPInstanceUID: image for image in images}
        for here in map(pydicom.dcmread, glob.glob(t1 + "/*") + glob.glob(t2 + "/*")):
            assert here.PixelData == there[here.SOPInstanceUID].PixelData
    # down: bounded, exit code 60; and the list makes the next attempt go on where the first ended
    begin = time.monotonic()
    assert "not sent" in run("send", t2, "--to", to, "--retries", "1", "--wait", "0.2", code=60)
    assert time.monotonic() - begin < 20
    run("echo", to, code=60)


def resumed(top, t2):
    port, folder, done = peers.free_port(), os.path.join(top, "scp"), os.path.join(top, "sent.list")
    os.makedirs(folder)
    count = len(os.listdir(t2))
    to = "STORE@127.0.0.1:%d" % port
    command = ["storescp", "-aet", "STORE", "-od", folder, str(port)]
    with peers.Process(command, top, "scp.log"):
        peers.wait_for("storescp", lambda: peers.answers(port))
        assert "stored %d," % (count // 2) in run("send", *sorted(glob.glob(t2 + "/*"))[:count // 2], "--to", to, "--list", done)
        text = run("send", t2, "--to", to, "--list", done)
        assert "stored %d, with warning 0, sent before %d" % (count - count // 2, count // 2) in text, text
        assert "stored 0, with warning 0, sent before %d" % count in run("send", t2, "--to", to, "--list", done)
        assert len(os.listdir(folder)) == count
    # nothing of the patient in the list
    lines = open(done).read()
    uid = pydicom.dcmread(glob.glob(t2 + "/*")[0]).SOPInstanceUID
    assert uid not in lines and "stored\t0000\t" in lines


def late(top, t2):
    """The peer appears while the second attempt waits."""
    port, folder = peers.free_port(), os.path.join(top, "late")
    os.makedirs(folder)
    started = []

    def start():
        time.sleep(1.0)
        started.append(peers.Process(["storescp", "-od", folder, str(port)], top, "late.log"))

    thread = threading.Thread(target=start)
    thread.start()
    try:
        assert "stored %d," % len(os.listdir(t2)) in run("send", t2, "--to", "ANY@127.0.0.1:%d" % port, "--wait", "0.4", "--retries", "20")
    finally:
        thread.join()
        started[0].stop()


def silent(t2):
    """A peer that accepts the connection and says nothing costs the time-out, not for ever."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen(8)
        begin = time.monotonic()
        run("send", t2, "--to", "MUTE@127.0.0.1:%d" % s.getsockname()[1], "--timeout", "1", "--retries", "0", code=60)
        assert time.monotonic() - begin < 15


def crashing(top, t2):
    """Files that crash what reads them, by their header and by the whole of them: the others are sent, and one line names the one."""
    if "ON" not in sys.argv[2:]:
        return print("left out: built without MRC_FAULT_HOOK")
    folder, stored, port = os.path.join(top, "crashing"), os.path.join(top, "stored"), peers.free_port()
    os.makedirs(folder)
    os.makedirs(stored)
    for n, path in enumerate(sorted(glob.glob(t2 + "/*"))[:6]):
        with open(path, "rb") as f:
            whole = bytearray(f.read())
        if n in (1, 4):
            at = 0 if n == 1 else 64
            whole[at:at + 11] = b"fault:crash"
        with open("%s/%d.dcm" % (folder, n), "wb") as f:
            f.write(whole)
    with peers.Process(["storescp", "-od", stored, str(port)], top, "crashing.log"):
        peers.wait_for("storescp", lambda: peers.answers(port))
        text = run("send", folder, "--to", "ANY@127.0.0.1:%d" % port, "--wait", "0.1", code=21)
        assert "1 file left out" in text and "stored 4, " in text and "not sent 1\n" in text, text
        assert folder + "/4.dcm: crashes its reader" in text and len(os.listdir(stored)) == 4, text
        assert "1.dcm: crashes" in run("send", folder + "/1.dcm", "--to", "ANY@127.0.0.1:%d" % port, code=21)


def tls(top, t2):
    def certificate(name):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=" + name,
                        "-keyout", name + ".key", "-out", name + ".crt"], cwd=top, check=True, capture_output=True)
    for name in ("server", "client", "other"):
        certificate(name)
    port, folder = peers.free_port(), os.path.join(top, "tls")
    os.makedirs(folder)
    command = ["storescp", "+tls", "server.key", "server.crt", "+cf", "client.crt", "-rc", "-od", folder, str(port)]
    path = lambda name: os.path.join(top, name)
    to = "ANY@127.0.0.1:%d" % port
    with peers.Process(command, top, "tls.log"):
        peers.wait_for("storescp", lambda: peers.answers(port))
        own = ["--tls-cert", path("client.crt"), "--tls-key", path("client.key")]
        assert "stored %d," % len(os.listdir(t2)) in run("send", t2, "--to", to, "--tls-ca", path("server.crt"), *own)
        run("send", t2, "--to", to, "--tls-ca", path("other.crt"), *own, "--retries", "0", "--timeout", "3", code=60)
        run("send", t2, "--to", to, "--retries", "0", "--timeout", "3", code=60)  # no TLS
    run("echo", to, "--tls-ca", path("none.crt"), code=20)
    run("echo", to, "--tls-cert", path("client.crt"), code=1)


with tempfile.TemporaryDirectory() as scratch:
    run("phantom", "-o", scratch + "/p", "--seed", "3", "--subjects", "1", "--voxel", "6,6,8")
    source = scratch + "/p/sub-01/dicom/T1w"
    run("translate", source, "-o", scratch + "/t2", "--to", "T2w", "-q")
    archive(scratch, source, scratch + "/t2")
    resumed(scratch, scratch + "/t2")
    late(scratch, scratch + "/t2")
    silent(scratch + "/t2")
    crashing(scratch, scratch + "/t2")
    tls(scratch, scratch + "/t2")
    empty = scratch + "/empty"
    os.makedirs(empty)
    run("send", empty, "--to", "A@127.0.0.1:1", code=22)
    run("send", source, "--to", "nowhere", code=1)
print("ok")
