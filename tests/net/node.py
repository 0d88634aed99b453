"""mrcycle serve in the network tests: started on loopback, killed, started again."""
import glob
import json
import os
import signal
import struct
import subprocess

import peers
import upper_layer


class Image:
    """A file of the phantom's, and its data set as it stands there: explicit little endian."""

    def __init__(self, path):
        with open(path, "rb") as f:
            whole = f.read()
        read = peers.pydicom.dcmread(path, stop_before_pixels=True)
        assert read.file_meta.TransferSyntaxUID == upper_layer.EXPLICIT
        self.uid, self.series = str(read.SOPInstanceUID), str(read.SeriesInstanceUID)
        self.dataset = whole[144 + struct.unpack_from("<I", whole, 140)[0]:]

    def altered(self, value):
        """The same UID, and other pixels."""
        return self.dataset[:-200] + bytes([value]) * 200

    def renamed(self, number):
        """An image of the same length in a series of its own: uid and data set."""
        uid, series = ((stem + str(number) + "." + "7" * 64)[:len(old)] for stem, old in (("1.2.9.", self.uid), ("1.2.8.", self.series)))
        return uid, self.dataset.replace(self.uid.encode(), uid.encode()).replace(self.series.encode(), series.encode())


def events(served, name="association"):
    return [line for line in served.audit() if line["event"] == name]


class Node:
    before = []  # a command that runs it

    def __init__(self, mrcycle, folder, to, rules="", **settings):
        self.mrcycle, self.folder, self.pacs, self.port = mrcycle, folder, to, peers.free_port()
        self.queue, self.process = os.path.join(folder, "queue"), None
        self.log = os.path.join(self.queue, "audit.jsonl")
        os.makedirs(folder, exist_ok=True)
        self.config = os.path.join(folder, "mrcycle.conf")
        lines = {"queue": self.queue, "port": self.port, "aet": "NODE", "allow": "SCANNER@127.0.0.1", "pacs": to, "quiet_s": 1,
                 "broken_quiet_s": 20, "min_free_mb": 0, "study_wait_s": 0, "retry_wait_s": 0.5, "retry_wait_max_s": 2, **settings}
        with open(self.config, "w") as f:
            f.write("# written by a test\n" + "".join("%s = %s\n" % line for line in lines.items()) + rules)

    def start(self):
        self.process = peers.Process([*self.before, self.mrcycle, "serve", self.config], self.folder, "serve.log", start_new_session=True)
        peers.wait_for("the node", lambda: self.process.process.poll() is not None or peers.listens(self.port))
        assert self.process.process.poll() is None, open(os.path.join(self.folder, "serve.log")).read()

    def kill(self):
        os.kill(self.process.process.pid, signal.SIGKILL)
        self.process.process.wait(30)

    def end(self):
        """SIGTERM, and it says that all is well."""
        self.process.process.terminate()
        assert self.process.process.wait(30) == 0
        self.process.log.close()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self.process.process.poll() is None:
            self.kill()

    def jobs(self, state):
        """Records of the jobs in a state. Jobs move on while they are looked at."""
        found = {}
        for path in glob.glob(os.path.join(self.queue, state, "*", "job.json")):
            try:
                found[os.path.basename(os.path.dirname(path))] = json.load(open(path))
            except FileNotFoundError:
                pass
        return found

    def count(self):
        return {state: len(os.listdir(os.path.join(self.queue, state))) for state in ("arriving", "new", "running", "done", "failed", "skipped")}

    def is_idle(self):
        count = self.count()
        return count["arriving"] + count["new"] + count["running"] == 0

    def store(self, paths, calling="SCANNER", called="NODE", timeout=60, options=()):
        """storescu's exit code; 0: it got an answer of success for every image."""
        command = ["storescu", "-aet", calling, "-aec", called, "-to", "10", "-ta", "10", "-td", "20", *options, "127.0.0.1", str(self.port), *paths]
        return subprocess.run(command, capture_output=True, timeout=timeout).returncode

    def audit(self):
        return [json.loads(line) for line in open(self.log)]
