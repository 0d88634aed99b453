#!/usr/bin/env python3
"""serve_tls.py MRCYCLE: a node behind TLS, with certificates of an authority made for the test, before storescu and `send`.
Who speaks no TLS, shows no certificate, or one of somebody else, gets no association; nor does a node whose own is not trusted.
Results go over TLS as well."""
import glob
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import warnings

import node
import peers

peers.need("storescu", "storescp", "dcmqrscp", "openssl")
mrcycle = os.path.abspath(sys.argv[1])


def openssl(folder, *words):
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def authority(folder, name):
    openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=" + name, "-keyout", name + ".key", "-out", name + ".crt")


def certificate(folder, name, of, *more):
    openssl(folder, "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=" + name, "-keyout", name + ".key", "-out", name + ".csr")
    openssl(folder, "x509", "-req", "-in", name + ".csr", "-CA", of + ".crt", "-CAkey", of + ".key", "-CAcreateserial", "-out", name + ".crt", *(more or ("-days", "1")))


def store(served, paths, *options):
    """storescu's exit code."""
    command = ["storescu", *options, "-aet", "SCANNER", "-aec", "NODE", "-to", "10", "-ta", "10", "-td", "20", "127.0.0.1", str(served.port), *paths]
    return subprocess.run(command, capture_output=True, timeout=60).returncode


def send(served, paths, *options, code):
    return peers.run([mrcycle, "send", *paths, "--to", "NODE@127.0.0.1:%d" % served.port, "--aet", "SCANNER", "--retries", "0", "--timeout", "5", "-q", *options], code)


def associations(served):
    return [line for line in served.audit() if line["event"] == "association"]


def refused(served, act):
    """Nothing is stored, and the log says that there was no association."""
    known = len(associations(served))
    act()
    lines = peers.wait_for("a line", lambda: associations(served)[known:])
    assert {line["outcome"] for line in lines} == {"no_association"} and not any(line["stored"] for line in lines), lines
    assert sum(served.count().values()) == 0


def old_tls(served, pem):
    """TLS 1.1 is not spoken."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(pem("scanner.crt"), pem("scanner.key"))
    with warnings.catch_warnings(action="ignore"):
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with socket.create_connection(("127.0.0.1", served.port), 10) as plain:
        try:
            context.wrap_socket(plain)
            raise AssertionError("TLS 1.1 was accepted")
        except (ssl.SSLError, ConnectionError):
            pass


def strangers(served, t1, pem):
    own = ["+tls", pem("scanner.key"), pem("scanner.crt"), "+cf", pem("ca.crt")]
    refused(served, lambda: store(served, t1[:1]) != 0 or sys.exit("no TLS"))
    refused(served, lambda: store(served, t1[:1], "+tla", "-ic") != 0 or sys.exit("no certificate"))
    for name in ("stranger", "expired", "selfmade"):
        refused(served, lambda: store(served, t1[:1], "+tls", pem(name + ".key"), pem(name + ".crt"), "+cf", pem("ca.crt")) != 0 or sys.exit(name))
    refused(served, lambda: store(served, t1[:1], *own[:3], "+cf", pem("other.crt")) != 0 or sys.exit("the node's certificate"))
    refused(served, lambda: old_tls(served, pem))
    refused(served, lambda: send(served, t1[:1], code=60))
    refused(served, lambda: send(served, t1[:1], "--tls-ca", pem("ca.crt"), code=60))
    refused(served, lambda: send(served, t1[:1], "--tls-ca", pem("ca.crt"), "--tls-cert", pem("stranger.crt"), "--tls-key", pem("stranger.key"), code=60))
    refused(served, lambda: send(served, t1[:1], "--tls-ca", pem("other.crt"), "--tls-cert", pem("scanner.crt"), "--tls-key", pem("scanner.key"), code=60))
    # TLS does not stand in for the title
    assert subprocess.run(["storescu", *own, "-aet", "STRANGER", "-aec", "NODE", "127.0.0.1", str(served.port), t1[0]], capture_output=True, timeout=60).returncode != 0
    peers.wait_for("the rejection", lambda: associations(served)[-1]["outcome"] == "rejected")
    return own


def wrong_settings(top, pem):
    """Found by --check, by name."""
    common = "queue = %s/never\nport = 11112\nallow = A@127.0.0.1\npacs = A@127.0.0.1:1\n" % top
    for lines, words, code in (("tls_cert = %s\n" % pem("node.crt"), "belong together", 1), ("tls_ca = %s\n" % pem("ca.crt"), "tls_ca needs them", 1),
                               ("tls_cert = %s\ntls_key = %s\n" % (pem("node.crt"), pem("scanner.key")), "is not the certificate of the key", 21),
                               ("tls_cert = %s\ntls_key = %s\n" % (pem("node.crt"), pem("none.key")), "none.key", 20),
                               ("tls_cert = %s\ntls_key = %s\ntls_ca = %s\n" % (pem("node.crt"), pem("node.key"), pem("node.key")), "trusted certificates", 20)):
        with open(top + "/wrong.conf", "w") as f:
            f.write(common + lines)
        assert words in peers.run([mrcycle, "serve", top + "/wrong.conf", "--check"], code), lines


def to_archive(top, t1, pem):
    """Results go over TLS too, and to an archive that is trusted alone."""
    port, folder = peers.free_port(), top + "/stored"
    os.makedirs(folder)
    command = ["storescp", "+tls", pem("node.key"), pem("node.crt"), "+cf", pem("ca.crt"), "-rc", "-od", folder, str(port)]
    address, own = "ANY@127.0.0.1:%d" % port, {"pacs_tls_cert": pem("scanner.crt"), "pacs_tls_key": pem("scanner.key"), "retries": 0}
    with peers.Process(command, top, "storescp.log"):
        peers.wait_for("storescp", lambda: peers.answers(port))
        for name, ca, state in (("untrusted", "other.crt", "failed"), ("trusted", "ca.crt", "done")):
            with node.Node(mrcycle, top + "/" + name, address, pacs_tls_ca=pem(ca), **own) as served:
                assert store(served, t1) == 0
                peers.wait_for("the job", lambda: served.jobs("failed") or served.jobs("done"))
                assert len(served.jobs(state)) == 1, served.jobs("failed")
                served.end()
            assert len(os.listdir(folder)) == (len(t1) if state == "done" else 0)


with tempfile.TemporaryDirectory() as scratch:
    keys = scratch + "/keys"
    os.makedirs(keys)
    in_keys = lambda name: os.path.join(keys, name)
    for name in ("ca", "other", "selfmade"):
        authority(keys, name)
    for name, of in (("node", "ca"), ("scanner", "ca"), ("stranger", "other")):
        certificate(keys, name, of)
    certificate(keys, "expired", "ca", "-days", "-1")
    wrong_settings(scratch, in_keys)
    peers.run([mrcycle, "phantom", "-o", scratch + "/p", "--seed", "3", "--subjects", "2", "--voxel", "8,8,8"])
    one, two = (sorted(glob.glob(scratch + "/p/sub-0%d/dicom/T1w/*" % s)) for s in (1, 2))
    secret = {"tls_ca": in_keys("ca.crt"), "tls_cert": in_keys("node.crt"), "tls_key": in_keys("node.key"), "acse_timeout_s": 5}
    with peers.Archive(scratch + "/archive") as archive:
        with node.Node(mrcycle, scratch + "/node", archive.address, **secret) as serving:
            known = strangers(serving, one, in_keys)
            assert store(serving, one, *known) == 0
            send(serving, two, "--tls-ca", in_keys("ca.crt"), "--tls-cert", in_keys("scanner.crt"), "--tls-key", in_keys("scanner.key"), code=0)
            peers.wait_for("both jobs", lambda: len(serving.jobs("done")) == 2)
            assert sorted(len(images) for images in peers.series_of(archive.images()).values()) == sorted((len(one), len(two)))
            serving.end()
        # without tls_ca any peer that speaks TLS is let in, and none that does not
        del secret["tls_ca"]
        with node.Node(mrcycle, scratch + "/open", archive.address, **secret) as serving:
            refused(serving, lambda: store(serving, one[:1]) != 0 or sys.exit("no TLS"))
            assert store(serving, one[:1], "+tla", "+cf", in_keys("ca.crt")) == 0
            serving.end()
    to_archive(scratch, one, in_keys)
print("ok")
