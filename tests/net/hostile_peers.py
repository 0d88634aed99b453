#!/usr/bin/env python3
"""hostile_peers.py MRCYCLE [DUPLICATES]: a node before peers that may store and mean harm: images under the names of others, commands without
end, drops in place of words, places held, and junk before honest work. Nothing acknowledged is lost, and an honest peer is served in time."""
import contextlib
import glob
import os
import random
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

import node
import peers
import upper_layer
from node import Image, events
from upper_layer import Client, Server

peers.need("openssl")
mrcycle = os.path.abspath(sys.argv[1])
duplicates = int(sys.argv[2]) if len(sys.argv) > 2 else 150
hostile_hosts = ["127.0.0.%d" % n for n in range(10, 14)]
with open(mrcycle, "rb") as program:
    sanitized = b"__asan_init" in program.read()


def same_names_other_pixels(top, images):
    """Of each instance the first that was acknowledged stays, whoever says otherwise and when: while it arrives, while it waits, when it is done."""
    draw = random.Random(24)
    with Server() as archive, node.Node(mrcycle, top + "/names", archive.address, allow="*@127.0.0.1", quiet_s=1) as served:
        first, other = Client(served.port), Client(served.port, calling="STRANGER")
        kept, refused = {}, 0
        for n in range(duplicates):
            image, client = draw.choice(images), draw.choice((first, other))
            dataset = draw.choice((image.dataset, image.altered(n % 251), image.altered(9)))
            answer = client.store(image.uid, dataset)
            assert answer == (0 if kept.setdefault(image.uid, dataset) == dataset else 0xC111), hex(answer)
            refused += answer != 0
        for image in images:
            answer = first.store(image.uid, image.dataset)
            assert answer == (0 if kept.setdefault(image.uid, image.dataset) == image.dataset else 0xC111), hex(answer)
            refused += answer != 0
        files = [open(path, "rb").read() for path in glob.glob(served.queue + "/arriving/*/images/*")]
        assert len(files) == len(images) and all(any(f.endswith(dataset) for f in files) for dataset in kept.values())
        first.release()
        other.release()
        lines = peers.wait_for("both lines", lambda: len(events(served)) == 2 and events(served))
        assert refused > 0 and sum(line["differing"] for line in lines) == refused
        told = events(served, "differing_duplicate")
        assert {(line["host"], line["calling"]) for line in told} == {("127.0.0.1", "SCANNER"), ("127.0.0.1", "STRANGER")} and len(told) >= min(refused, 100)
        peers.wait_for("the job", lambda: served.is_idle() and len(served.jobs("done")) + len(served.jobs("failed")) == 1)
        late = Client(served.port, calling="STRANGER")
        for image in images:
            assert late.store(image.uid, image.altered(252)) == 0xC111
        late.release()
        sent = len(archive.stored)
        time.sleep(2)
        assert served.is_idle() and len(served.jobs("done")) + len(served.jobs("failed")) == 1 and len(archive.stored) == sent
        files = [open(path, "rb").read() for path in glob.glob(served.queue + "/*/*/images/*")]
        assert len(files) == len(images) and all(any(f.endswith(dataset) for f in files) for dataset in kept.values())
        served.end()


def memory_of_children(pid):
    """MiB that are the children's own."""
    total = 0
    for path in glob.glob("/proc/[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(open(path).read().rsplit(")", 1)[1].split()[1]) == pid:
                total += sum(int(line.split()[1]) for line in open(os.path.dirname(path) + "/smaps_rollup") if line.startswith("Private_"))
    return total / 1024


def commands_without_end(top, _):
    """A command set has an end, and its peer is sent away before it costs memory; 32 of them at once."""
    with node.Node(mrcycle, top + "/commands", "ANY@127.0.0.1:1", allow="SCANNER@127.0.0.0/8") as served:
        clients = [Client(served.port, source=host) for host in hostile_hosts[:2] for _ in range(16)]
        head = upper_layer.element(0x0002, upper_layer.uid(upper_layer.MR_IMAGE)) + upper_layer.element(0x0100, b"\1\0")
        block, most = upper_layer.data(3, b"A" * 60000, True, last=False), 0.0
        for client in clients:
            client.sock.sendall(upper_layer.data(3, head + struct.pack("<HHI", 0, 0x5010, 2000 << 20), True, last=False))
        for client in clients:
            with contextlib.suppress(OSError):
                for _ in range(100):
                    client.sock.sendall(block)
            most = max(most, memory_of_children(served.process.process.pid))
        lines = peers.wait_for("32 lines", lambda: len(events(served)) == 32 and events(served))
        assert {line["outcome"] for line in lines} == {"broken"} and all("command set" in line["why"] for line in lines), lines[0]
        assert sanitized or most < 512, most
        long = Client(served.port)  # what is not a data value has an end, too
        long.sock.sendall(struct.pack(">BxI", upper_layer.RELEASE_RQ, 1 << 20) + bytes(1000))
        assert long.is_shut()
        served.end()


def drops(served, sock, words, pause):
    """Seconds until the other side has enough of them."""
    begin, sock_words = time.monotonic(), iter(words)
    sock.settimeout(pause)
    while time.monotonic() - begin < 60:
        try:
            sock.send(bytes([next(sock_words)]))
            if sock.recv(1000) == b"":
                break
        except (TimeoutError, StopIteration):
            continue
        except OSError:
            break
    sock.close()
    return time.monotonic() - begin


def slow_talkers(top, images):
    """Of TLS, of the request for an association, of an image: a byte now and then is no sign of life."""
    keys = top + "/keys"
    os.makedirs(keys)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=node", "-keyout", "k.pem", "-out", "c.pem"],
                   cwd=keys, check=True, capture_output=True)
    context, out = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.MemoryBIO()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), out).do_handshake()
    hello = upper_layer.associate(upper_layer.ASSOCIATE_RQ, "NODE", "SCANNER", [upper_layer.proposed(1, upper_layer.VERIFICATION, [upper_layer.IMPLICIT])])
    with node.Node(mrcycle, top + "/tls", "ANY@127.0.0.1:1", tls_cert=keys + "/c.pem", tls_key=keys + "/k.pem", acse_timeout_s=2) as served:
        with socket.create_connection(("127.0.0.1", served.port)) as sock:
            assert drops(served, sock, out.read(), 0.4) < 8
        with context.wrap_socket(socket.create_connection(("127.0.0.1", served.port))) as sock:
            assert drops(served, sock, hello, 0.4) < 8
        assert [line["outcome"] for line in peers.wait_for("two lines", lambda: len(events(served)) == 2 and events(served))] == ["no_association"] * 2
        served.end()
    with node.Node(mrcycle, top + "/slow", "ANY@127.0.0.1:1", acse_timeout_s=2, dimse_timeout_s=2, idle_timeout_s=3, min_rate_kb_s=2) as served:
        with socket.create_connection(("127.0.0.1", served.port)) as sock:
            assert drops(served, sock, hello, 0.4) < 8
        client = Client(served.port)
        client.say(upper_layer.store_request(1, upper_layer.MR_IMAGE, images[0].uid))
        assert drops(served, client.sock, b"".join(upper_layer.data(3, bytes(2), False, last=False) for _ in range(99)), 0.05) < 8
        client, begin = Client(served.port), time.monotonic()
        with contextlib.suppress(EOFError, OSError):  # echoes are no images
            while time.monotonic() - begin < 60:
                assert client.echo() == 0
                time.sleep(0.2)
        assert 2.5 < time.monotonic() - begin < 8
        why = [line["why"] for line in peers.wait_for("three lines", lambda: len(events(served)) == 3 and events(served))]
        assert [words.split(": ")[-1] for words in why[1:]] == ["slower than the least rate", "no image in time"], why
        client = Client(served.port)  # who stores may stay
        for image in images[:8]:
            assert client.store(image.uid, image.dataset) == 0
            time.sleep(0.6)
        client.release()
        served.end()


class Crowd:
    """Hosts that hold all the places they get, come again when they are sent away, and answer nothing but echoes."""

    def __init__(self, port, places):
        self.port, self.over = port, False
        self.threads = [threading.Thread(target=self.hold, args=(host,), daemon=True) for host in hostile_hosts for _ in range(places)]
        for thread in self.threads:
            thread.start()

    def hold(self, host):
        while not self.over:
            with contextlib.suppress(EOFError, OSError, AssertionError):
                client = Client(self.port, source=host, timeout=5)
                while not self.over:
                    client.echo()
                    time.sleep(0.3)
                client.sock.close()
            time.sleep(0.1)

    def end(self):
        self.over = True
        for thread in self.threads:
            thread.join(20)


def places_held(top, images):
    """An honest echo within five seconds, and an honest series to its end, though four hosts hold every place."""
    with Server() as archive, node.Node(mrcycle, top + "/held", archive.address, allow="SCANNER@127.0.0.0/8", associations=8, associations_per_host=4) as served:
        crowd = Crowd(served.port, 5)
        time.sleep(3)
        for _ in range(3):
            begin = time.monotonic()
            client = Client(served.port)
            assert client.echo() == 0
            assert time.monotonic() - begin < (15 if sanitized else 5), time.monotonic() - begin
            client.release()
        client = Client(served.port)
        for image in images:
            assert client.store(image.uid, image.dataset) == 0
        client.release()
        peers.wait_for("the job", lambda: served.jobs("done"))
        crowd.end()
        assert events(served, "association_sent_away") and events(served, "too_many_associations")
        served.end()


def junk_before_work(top, images):
    """Series that cannot be translated, of four hosts, all there first: the honest one is translated after one of them."""
    with Server() as archive, node.Node(mrcycle, top + "/junk", archive.address, allow="SCANNER@127.0.0.0/8", quiet_s=4, retries=0) as served:
        number = 0
        for host in hostile_hosts:
            client = Client(served.port, source=host)
            for _ in range(12):
                number += 1
                uid, dataset = images[0].renamed(number)
                assert client.store(uid, dataset) == 0
            client.release()
        client = Client(served.port)
        for image in images:
            assert client.store(image.uid, image.dataset) == 0
        client.release()
        peers.wait_for("the job", lambda: served.jobs("done"))
        failed = [line for line in events(served, "job") if line["state"] == "failed"]
        assert len(failed) <= 12, len(failed)  # of 48: no more than came up before the series was complete
        assert len(archive.stored) == len(images)
        record = list(served.jobs("done").values())[0]
        assert record["host"] == "127.0.0.1", record
        served.end()


with tempfile.TemporaryDirectory() as scratch:
    peers.run([mrcycle, "phantom", "-o", scratch + "/p", "--seed", "3", "--voxel", "8,8,8"])
    slices = [Image(path) for path in sorted(glob.glob(scratch + "/p/sub-01/dicom/T1w/*"))]
    for case in (same_names_other_pixels, commands_without_end, slow_talkers, places_held, junk_before_work):
        begun = time.monotonic()
        case(scratch, slices)
        print("%s: %.1f s" % (case.__name__, time.monotonic() - begun), flush=True)
print("ok")
