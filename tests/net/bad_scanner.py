#!/usr/bin/env python3
"""bad_scanner.py MRCYCLE: a node before peers that are strangers, fall silent, send garbage, stop in the middle, lie about what
they send, come too often or stay too long. None of them harms another, keeps a place for long, or leaves anything behind."""
import concurrent.futures
import glob
import os
import socket
import sys
import tempfile
import time

import node
import peers
import upper_layer
from node import Image, events
from upper_layer import Client, Server

peers.need()
mrcycle = os.path.abspath(sys.argv[1])


def send(served, images, end="release", **more):
    client = Client(served.port, **more)
    for image in images:
        assert client.store(image.uid, image.dataset) == 0
    getattr(client, end)()


def outcome_of(served, known):
    """Of the association after the known ones."""
    return peers.wait_for("a line", lambda: events(served)[len(known):])[0]


def strangers(served):
    for more, reason in (({"called": "OTHER"}, 7), ({"calling": "STRANGER"}, 3), ({"calling": "\t\x01 "}, 3)):
        known = events(served)
        client = Client(served.port, **more)
        assert client.kind == upper_layer.ASSOCIATE_RJ and list(client.body[1:4]) == [1, 1, reason], client.body
        assert outcome_of(served, known)["outcome"] == "rejected"
    known = len(events(served, "refused_host"))
    with socket.create_connection(("127.0.0.1", served.port), 10, source_address=("127.0.0.2", 0)) as s:
        assert s.recv(1) == b""
    peers.wait_for("the line", lambda: len(events(served, "refused_host")) == known + 1)


def no_dicom(served):
    """Silence is ended, and not called a rejection."""
    hello = upper_layer.associate(upper_layer.ASSOCIATE_RQ, "NODE", "SCANNER", [upper_layer.proposed(1, upper_layer.VERIFICATION, [upper_layer.IMPLICIT])])
    for words in (b"", hello[:40], hello[:3], b"GET / HTTP/1.0\r\n\r\n", b"\1\0\xff\xff\xff\xff" + bytes(4096), os.urandom(4096), hello[:74] + b"\xff" * (len(hello) - 74)):
        known = events(served)
        with socket.create_connection(("127.0.0.1", served.port), 30) as s:
            s.sendall(words)
            try:
                while s.recv(4096):
                    pass
            except ConnectionError:
                pass
        line = outcome_of(served, known)
        assert line["outcome"] == "no_association", (words[:50], line, served.audit())


def stops(served, images):
    """In the middle of an association, of a PDU, of an image; and what is no answerable command."""
    one = images[0]
    request = upper_layer.store_request(1, upper_layer.MR_IMAGE, one.uid)

    def half_a_pdu(client):
        client.sock.sendall(upper_layer.data(3, request, True)[:50])

    def half_an_image(client):
        client.say(request)
        client.sock.sendall(upper_layer.data(3, one.dataset[:3000], False, last=False))

    def endless_pdu(client):
        client.sock.sendall(b"\4\0\xff\xff\xff\xff" + bytes(100000))

    def image_first(client):
        client.sock.sendall(upper_layer.data(3, one.dataset[:3000], False))

    def other_context(client):
        client.say(request, context=99, dataset=one.dataset)

    def find(client):
        client.say(upper_layer.command(0x0020, upper_layer.MR_IMAGE, upper_layer.element(0x0110, b"\1\0") + upper_layer.element(0x0800, b"\1\1")))

    def no_dataset(client):
        client.say(upper_layer.command(1, upper_layer.MR_IMAGE, upper_layer.element(0x0110, b"\1\0") + upper_layer.element(0x0700, b"\0\0") +
                                       upper_layer.element(0x0800, b"\1\1") + upper_layer.element(0x1000, upper_layer.uid(one.uid))))

    def garbage(client):
        client.sock.sendall(os.urandom(2000))

    for act in (lambda client: None, half_a_pdu, half_an_image, endless_pdu, image_first, other_context, find, no_dataset, garbage):
        known = events(served)
        client = Client(served.port)
        act(client)
        assert client.is_shut()
        line = outcome_of(served, known)
        assert line["outcome"] == "broken" and line["stored"] == 0, (act.__name__, line)
    assert served.count()["arriving"] == 0 and os.listdir(served.queue + "/receiving") == []


def lies(served, images):
    """Answered, and the association goes on."""
    one, two = images[:2]
    client = Client(served.port)
    assert client.echo() == 0
    assert client.store(two.uid, one.dataset) == 0xA900  # another image than was said
    assert client.store(one.uid, one.dataset, sop_class="1.2.840.10008.5.1.4.1.1.2") == 0xA900
    assert client.store(one.uid, os.urandom(5000)) == 0xC000
    assert client.store(one.uid, one.dataset + bytes(300000)) == 0xC000  # longer than max_object_mb
    assert client.echo() == 0
    client.release()
    line = peers.wait_for("the line", lambda: [e for e in events(served) if e["refused"] == 4])[-1]
    assert line["stored"] == 0 and os.listdir(served.queue + "/receiving") == []


def is_let_in(served):
    try:
        client = Client(served.port)
        assert client.echo() == 0
        client.release()
        return True
    except (EOFError, ConnectionError):
        return False


def too_many(served):
    clients = [Client(served.port) for _ in range(3)]
    assert not is_let_in(served)
    for client in clients:
        assert client.echo() == 0
        client.release()
    peers.wait_for("room", lambda: is_let_in(served))


def broken_series(served, archive, images):
    """A series that was broken off waits for the same peer; the release of another that was under way does not complete it."""
    other = Client(served.port)
    for image in images[:4]:
        assert other.store(image.uid, image.dataset) == 0
    send(served, images[:7], end="abort")
    peers.wait_for("the break", lambda: [line for line in events(served) if line["outcome"] == "broken"])
    other.release()
    time.sleep(1.5)
    assert served.count()["arriving"] == 1 and not served.jobs("done")
    send(served, images)
    peers.wait_for("the job", lambda: len(served.jobs("done")) == 1)
    assert len(archive.stored) == len(set(archive.stored)) == len(images)
    assert [job["images"] for job in served.jobs("done").values()] == [len(images)]


def archive_in_trouble(served, archive, images):
    """Down, full, silent, breaking off: each image of the result gets there, once."""
    archive.stored.clear()
    archive.greetings += ["busy", "close"]
    archive.answers += [0, 0xA700, 0, "abort", 0, "half", 0xC000, 0]  # C000 fails the job; it is tried again by hand
    send(served, images)
    job = peers.wait_for("the failure", lambda: list(served.jobs("failed").items()))[0]
    assert job[1]["attempts"] > 3 and "C000" in job[1]["why"], job
    assert len(archive.stored) == len(set(archive.stored)) == len(images) - 1
    os.system("%s queue %s --retry all" % (mrcycle, served.queue))
    peers.wait_for("the job", lambda: len(served.jobs("done")) == 2)
    assert len(archive.stored) == len(set(archive.stored)) == len(images)


def stays_too_long(top, images):
    with node.Node(mrcycle, top + "/short", "ANY@127.0.0.1:1", association_s=1) as served:
        client = Client(served.port)
        try:
            while True:
                assert client.echo() == 0
                time.sleep(0.1)
        except (EOFError, ConnectionError):
            pass
        peers.wait_for("the line", lambda: events(served, "association_killed"))
        client = Client(served.port)  # in the middle of an image, of which nothing stays
        client.say(upper_layer.store_request(1, upper_layer.MR_IMAGE, images[0].uid))
        client.sock.sendall(upper_layer.data(3, images[0].dataset[:3000], False, last=False))
        peers.wait_for("half an image", lambda: os.listdir(served.queue + "/receiving"))
        peers.wait_for("its end", lambda: not os.listdir(served.queue + "/receiving"), 20)
        served.end()


def no_room(top, images):
    """No image is acknowledged, and none kept; and the log, for which there is no room as well, has all its lines later."""
    log = top + "/full/log/audit.jsonl"
    with node.Node(mrcycle, top + "/full", "ANY@127.0.0.1:1", min_free_mb=1e9, audit=log) as served:
        client = Client(served.port)
        assert client.store(images[0].uid, images[0].dataset) == 0xA700
        assert client.store(images[0].uid, images[0].dataset) == 0xA700
        client.release()
        assert sum(served.count().values()) == 0 and os.listdir(served.queue + "/receiving") == []
        time.sleep(1.5)  # the association gives up to write its line
        os.makedirs(os.path.dirname(log))
        served.log = log
        peers.wait_for("the lines", lambda: os.path.exists(log) and events(served, "association_unlogged"))
        assert [line["event"] for line in served.audit()] == ["start", "association_unlogged"]
        with open(log, "a") as f:
            f.write('{"cut off')
        send(served, [], calling="SCANNER")
        peers.wait_for("the line", lambda: open(log).read().count("released"))
        lines = open(log).read().split("\n")
        assert '"released"' in lines[lines.index('{"cut off') + 1]
        served.end()


def log_is_a_link(top, _):
    """What the log would be led into is not touched."""
    os.makedirs(top + "/link")
    with open(top + "/link/precious", "w") as f:
        f.write("as it was")
    os.symlink("precious", top + "/link/audit.jsonl")
    served = node.Node(mrcycle, top + "/link", "ANY@127.0.0.1:1", audit=top + "/link/audit.jsonl")
    text = peers.run([mrcycle, "serve", served.config], code=1)
    assert "audit.jsonl: is a link" in text and len(text.splitlines()) == 1, text
    os.remove(top + "/link/audit.jsonl")
    with served:  # one that comes later is not followed either
        os.rename(top + "/link/audit.jsonl", top + "/link/audit.1")
        os.symlink("precious", top + "/link/audit.jsonl")
        client = Client(served.port)
        assert client.echo() == 0
        client.release()
        time.sleep(1.5)
        served.end()
    assert open(top + "/link/precious").read() == "as it was"


def no_room_for_some(top, images):
    """An image that could not be written is answered A700, and its series waits for it, also when the peer goes in good order."""
    with Server() as archive, node.Node(mrcycle, top + "/some", archive.address, quiet_s=0.5, broken_quiet_s=600) as served:
        client = Client(served.port)
        assert client.store(images[0].uid, images[0].dataset) == 0
        os.rename(served.queue + "/receiving", served.queue + "/away")
        assert client.store(images[1].uid, images[1].dataset) == 0xA700
        os.rename(served.queue + "/away", served.queue + "/receiving")
        assert client.store(images[2].uid, images[2].dataset) == 0
        client.release()
        line = peers.wait_for("the line", lambda: events(served))[0]
        assert (line["stored"], line["no_room"], line["refused"]) == (2, 1, 0), line
        time.sleep(2)
        assert served.count() == {"arriving": 1, "new": 0, "running": 0, "done": 0, "failed": 0, "skipped": 0}, served.count()
        send(served, images)
        peers.wait_for("the job", lambda: served.jobs("done"))
        assert len(archive.stored) == len(set(archive.stored)) == len(images)
        served.end()


def overtakes(top, images):
    """A break that is noted only after the peer has come again does not hold up what it then sends."""
    with Server() as archive, node.Node(mrcycle, top + "/again", archive.address, quiet_s=0.5, broken_quiet_s=600, dimse_timeout_s=2) as served:
        silent, again = Client(served.port), Client(served.port)
        assert silent.store(images[0].uid, images[0].dataset) == 0
        assert again.store(images[1].uid, images[1].dataset) == 0
        silent.abort()
        peers.wait_for("the break", lambda: events(served))
        for image in images:
            assert again.store(image.uid, image.dataset) == 0
        again.release()
        peers.wait_for("the job", lambda: served.jobs("done"))
        served.end()


def paths_for_uids(top, images):
    """What a peer calls its images and series becomes no path."""
    with node.Node(mrcycle, top + "/paths/below", "ANY@127.0.0.1:1", broken_quiet_s=600) as served:
        client = Client(served.port)
        for evil in ("../../../../evil", "/tmp/evil", "a/../../b", "%s%n", "\1\2\x7f"):
            instance, series = ((evil + "/" * len(uid))[:len(uid)] for uid in (images[0].uid, images[0].series))
            dataset = images[0].dataset.replace(images[0].uid.encode(), instance.encode()).replace(images[0].series.encode(), series.encode())
            assert client.store(instance, dataset) in (0, 0xC000, 0xA900), evil
        client.abort()
        peers.wait_for("the line", lambda: events(served))
        served.end()
        assert sorted(os.listdir(top + "/paths")) == ["below"] and sorted(os.listdir(top + "/paths/below")) == ["mrcycle.conf", "queue", "serve.log"]
        allowed = {"arriving", "audit.jsonl", "done", "failed", "skipped", "key", "lock", "mutex", "new", "receiving", "running"}
        assert set(os.listdir(served.queue)) <= allowed, os.listdir(served.queue)
        for series in os.listdir(served.queue + "/arriving"):
            assert all(c in "0123456789abcdef" for c in series), series


def others_look_in(top, _):
    """A queue through which others could get at the images is not served; what the server makes is its own."""
    with node.Node(mrcycle, top + "/private", "ANY@127.0.0.1:1") as served:
        served.end()
    for name in os.listdir(served.queue):
        assert os.stat(served.queue + "/" + name).st_mode & 0o077 == 0, name

    def is_refused(words):
        text = peers.run([mrcycle, "serve", served.config], code=1)
        assert words in text and len(text.splitlines()) == 1, text

    os.chmod(served.queue + "/new", 0o750)
    is_refused("/new: mode 0750")
    os.chmod(served.queue + "/new", 0o700)
    os.chmod(served.queue, 0o770)
    is_refused("/queue: mode 0770")
    os.chmod(served.queue, 0o700)
    os.rename(served.queue + "/done", top + "/private/elsewhere")
    os.symlink(top + "/private/elsewhere", served.queue + "/done")
    is_refused("/done: is no folder")


def at_the_door(top, _):
    with node.Node(mrcycle, top + "/door", "ANY@127.0.0.1:1", acse_timeout_s=1) as served:
        strangers(served)
        no_dicom(served)
        served.end()


def inside(top, images):
    with node.Node(mrcycle, top + "/inside", "ANY@127.0.0.1:1", dimse_timeout_s=1, max_object_mb=0.2) as served:
        stops(served, images)
        lies(served, images)
        served.end()
        assert sum(served.count().values()) == 0


def crowd(top, _):
    with node.Node(mrcycle, top + "/crowd", "ANY@127.0.0.1:1", associations_per_host=3) as served:
        too_many(served)
        served.end()


def good_images(top, images):
    with Server() as archive, node.Node(mrcycle, top + "/node", archive.address, dimse_timeout_s=2, quiet_s=0.5, broken_quiet_s=600) as served:
        broken_series(served, archive, images)
        archive_in_trouble(served, archive, [Image(path) for path in sorted(glob.glob(top + "/p/sub-02/dicom/T1w/*"))])
        served.end()
        assert served.count() == {"arriving": 0, "new": 0, "running": 0, "done": 2, "failed": 0, "skipped": 0}


with tempfile.TemporaryDirectory() as scratch:
    peers.run([mrcycle, "phantom", "-o", scratch + "/p", "--seed", "3", "--subjects", "2", "--voxel", "8,8,8"])
    first = [Image(path) for path in sorted(glob.glob(scratch + "/p/sub-01/dicom/T1w/*"))]
    with concurrent.futures.ThreadPoolExecutor(3) as pool:  # most of it is waiting
        for case in [pool.submit(case, scratch, first) for case in (good_images, at_the_door, inside, crowd, stays_too_long, no_room, log_is_a_link, no_room_for_some,
                                                                overtakes, paths_for_uids, others_look_in)]:
            case.result()
print("ok")
