"""Peers for the network tests: started on loopback with everything in a scratch folder, and stopped by their process."""
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request


def skip(why):
    print("skipped:", why)
    sys.exit(77)


def need(*programs):
    for program in programs:
        if shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin") is None:
            skip(program + " is not installed")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(what, condition, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("waited %d s for %s" % (seconds, what))


def answers(port):
    with socket.socket() as s:
        s.settimeout(1)
        return s.connect_ex(("127.0.0.1", port)) == 0


class Process:
    def __init__(self, command, folder, log, **more):
        self.log = open(os.path.join(folder, log), "ab")
        self.process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, **more)

    def stop(self, kill=False):
        if self.process.poll() is None:
            self.process.kill() if kill else self.process.terminate()
        self.process.wait(30)
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Orthanc(Process):
    """Its files stay in the folder, so that it can be stopped and started again."""

    def __init__(self, folder, port=None, http=None):
        self.port, self.http = port or free_port(), http or free_port()
        os.makedirs(folder, exist_ok=True)
        config = {
            "Name": "test", "StorageDirectory": "db", "IndexDirectory": "db", "Plugins": [],
            "HttpServerEnabled": True, "HttpPort": self.http, "RemoteAccessAllowed": False, "HttpBindAddresses": ["127.0.0.1"],
            "AuthenticationEnabled": False, "DicomServerEnabled": True, "DicomAet": "ORTHANC", "DicomPort": self.port,
            "DicomCheckCalledAet": True, "DicomAlwaysAllowStore": True, "DicomAlwaysAllowEcho": True,
            "OverwriteInstances": False,
        }
        with open(os.path.join(folder, "orthanc.json"), "w") as f:
            json.dump(config, f)
        program = shutil.which("Orthanc", path=os.environ.get("PATH", "") + ":/usr/sbin")
        super().__init__([program, "orthanc.json"], folder, "orthanc.log")
        wait_for("Orthanc", lambda: answers(self.http) and answers(self.port))

    def get(self, path, raw=False):
        with urllib.request.urlopen("http://127.0.0.1:%d%s" % (self.http, path), timeout=20) as answer:
            data = answer.read()
        return data if raw else json.loads(data)
