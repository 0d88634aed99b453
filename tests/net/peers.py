"""Peers for the network tests: started on loopback with everything in a scratch folder, and stopped by their process."""
import contextlib
import glob
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

try:
    import pydicom
except ImportError:
    pydicom = None  # need() says so


EVERYWHERE = ("dcmqrscp", "storescp", "Orthanc")  # listen at every address unless loopback.c is preloaded, which ctest says where to find
os.environ["TCP_NODELAY"] = "1"  # DCMTK's programs wait for delayed acknowledgements without it


def skip(why):
    print("skipped:", why)
    sys.exit(77)


def need(*programs):
    """Skips the test unless there are pydicom and these programs."""
    if pydicom is None:
        skip("python3-pydicom is not installed")
    for program in programs:
        if shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin") is None:
            skip(program + " is not installed")


def run(command, code=0):
    """What it says; it must end with this code."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, (command, done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def series_of(images):
    """The images by SeriesInstanceUID; none of them may be there twice."""
    found = {}
    for image in images:
        found.setdefault(image.SeriesInstanceUID, []).append(image)
    assert len({image.SOPInstanceUID for image in images}) == len(images), "an image is there twice"
    return found


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(what, condition, seconds=300):
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


def listens(port):
    """The same without a connection, which a node would note."""
    with open("/proc/net/tcp") as f:
        rows = [line.split() for line in f]
    return any(row[1].endswith(":%04X" % port) and row[3] == "0A" for row in rows)


def strangers_may_come(pid):
    """Does the process listen at another address than loopback?"""
    held = set()
    for path in glob.glob("/proc/%d/fd/*" % pid):
        with contextlib.suppress(OSError):  # closed meanwhile
            held.add(os.readlink(path))
    rows = [line.split() for table in ("tcp", "tcp6") for line in open("/proc/net/" + table)]
    return [row[1] for row in rows if row[3] == "0A" and "socket:[%s]" % row[9] in held
            and row[1].split(":")[0] not in ("0100007F", "00000000000000000000000001000000")]


class Process:
    def __init__(self, command, folder, log, **more):
        self.log = open(os.path.join(folder, log), "ab")
        if os.path.basename(command[0]) in EVERYWHERE and "MRC_LOOPBACK" in os.environ:
            more["env"] = {**os.environ, "LD_PRELOAD": os.environ["MRC_LOOPBACK"]}
        self.process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, **more)

    def stop(self, kill=False):
        open_to_all = strangers_may_come(self.process.pid) if self.process.poll() is None and "MRC_LOOPBACK" in os.environ else []
        if self.process.poll() is None:
            self.process.kill() if kill else self.process.terminate()
        self.process.wait(60)
        self.log.close()
        assert not open_to_all, open_to_all

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Archive(Process):
    """DCMTK's dcmqrscp. Its files stay in the folder, so that it can be stopped and started again."""
    aet = "ARCHIVE"

    def __init__(self, folder, port=None, mover=None):
        """mover: port of the application entity MRCYCLE, to which it moves."""
        self.port, self.store = port or free_port(), os.path.join(folder, "store")
        os.makedirs(self.store, exist_ok=True)
        with open(os.path.join(folder, "archive.cfg"), "w") as f:
            f.write("NetworkTCPPort = %d\nMaxPDUSize = 16384\nMaxAssociations = 16\nHostTable BEGIN\n%sHostTable END\n"
                    "VendorTable BEGIN\nVendorTable END\nAETable BEGIN\n%s %s RW (1000, 1024mb) ANY\nAETable END\n"
                    % (self.port, "mover = (MRCYCLE, 127.0.0.1, %d)\n" % mover if mover else "", self.aet, self.store))
        super().__init__(["dcmqrscp", "-c", "archive.cfg"], folder, "archive.log")
        self.address = "%s@127.0.0.1:%d" % (self.aet, self.port)
        wait_for("dcmqrscp", lambda: answers(self.port))

    def images(self):
        """What is there, as pydicom reads it; an image that is there twice twice."""
        return [pydicom.dcmread(path) for path in glob.glob(self.store + "/*") if os.path.basename(path) != "index.dat"]


class Orthanc(Process):
    """Its files stay in the folder, so that it can be stopped and started again."""
    aet = "ORTHANC"

    def __init__(self, folder, port=None, http=None, mover=None):
        self.port, self.http = port or free_port(), http or free_port()
        os.makedirs(folder, exist_ok=True)
        config = {
            "Name": "test", "StorageDirectory": "db", "IndexDirectory": "db", "Plugins": [],
            "HttpServerEnabled": True, "HttpPort": self.http, "RemoteAccessAllowed": False, "HttpBindAddresses": ["127.0.0.1"],
            "AuthenticationEnabled": False, "DicomServerEnabled": True, "DicomAet": self.aet, "DicomPort": self.port,
            "DicomAlwaysAllowFind": True, "DicomAlwaysAllowGet": True, "DicomAlwaysAllowMove": True,
            "DicomModalities": {"mover": ["MRCYCLE", "127.0.0.1", mover]} if mover else {},
            "DicomCheckCalledAet": True, "DicomAlwaysAllowStore": True, "DicomAlwaysAllowEcho": True,
            "OverwriteInstances": False,
        }
        with open(os.path.join(folder, "orthanc.json"), "w") as f:
            json.dump(config, f)
        program = shutil.which("Orthanc", path=os.environ.get("PATH", "") + ":/usr/sbin")
        super().__init__([program, "orthanc.json"], folder, "orthanc.log")
        self.address = "%s@127.0.0.1:%d" % (self.aet, self.port)
        wait_for("Orthanc", lambda: answers(self.http) and answers(self.port))

    def get(self, path, raw=False):
        with urllib.request.urlopen("http://127.0.0.1:%d%s" % (self.http, path), timeout=20) as answer:
            data = answer.read()
        return data if raw else json.loads(data)

    def images(self):
        return [pydicom.dcmread(io.BytesIO(self.get("/instances/%s/file" % i, raw=True))) for i in self.get("/instances")]
