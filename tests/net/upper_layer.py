"""A DICOM peer of a few lines (PS3.8 Upper Layer, PS3.7 C-ECHO and C-STORE) that misbehaves on request, for the network tests.

Client speaks to `mrcycle serve`; Server is spoken to by `mrcycle send`, `echo` and by a node that sends results on."""
import socket
import struct
import threading

VERIFICATION, MR_IMAGE = "1.2.840.10008.1.1", "1.2.840.10008.5.1.4.1.1.4"
IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ, DATA, RELEASE_RQ, RELEASE_RP, ABORT = range(1, 8)
C_STORE, C_ECHO, ANSWER = 0x0001, 0x0030, 0x8000


# --- PDUs (PS3.8, 9.3)

def pdu(kind, body):
    return struct.pack(">BxI", kind, len(body)) + body


def item(kind, body):
    return struct.pack(">BxH", kind, len(body)) + body


def associate(kind, called, calling, contexts, most=16384):
    """contexts: bodies of presentation context items."""
    head = struct.pack(">H2x16s16s32x", 1, called.ljust(16).encode(), calling.ljust(16).encode())
    user = item(0x51, struct.pack(">I", most)) + item(0x52, b"1.2.3.4")
    return pdu(kind, head + item(0x10, b"1.2.840.10008.3.1.1.1") + b"".join(contexts) + item(0x50, user))


def proposed(number, sop_class, syntaxes):
    return item(0x20, struct.pack(">B3x", number) + item(0x30, sop_class.encode()) + b"".join(item(0x40, s.encode()) for s in syntaxes))


def accepted(number, syntax, result=0):
    return item(0x21, struct.pack(">BxBx", number, result) + item(0x40, syntax.encode()))


def data(context, value, command, last=True):
    return pdu(DATA, struct.pack(">IBB", len(value) + 2, context, (1 if command else 0) + (2 if last else 0)) + value)


def items(body, begin, end):
    while begin + 4 <= end:
        kind, length = struct.unpack_from(">BxH", body, begin)
        yield kind, body[begin + 4:begin + 4 + length]
        begin += 4 + length


def read_exactly(sock, size):
    got = b""
    while len(got) < size:
        piece = sock.recv(size - len(got))
        if not piece:
            raise EOFError
        got += piece
    return got


def read_pdu(sock):
    kind, length = struct.unpack(">BxI", read_exactly(sock, 6))
    return kind, read_exactly(sock, length)


# --- commands (PS3.7, implicit little endian)

def element(number, value):
    return struct.pack("<HHI", 0, number, len(value)) + value


def uid(text):
    return text.encode() + b"\0" * (len(text) % 2)


def command(field, sop_class, more):
    body = element(0x0002, uid(sop_class)) + element(0x0100, struct.pack("<H", field)) + more
    return element(0x0000, struct.pack("<I", len(body))) + body


def store_request(number, sop_class, instance):
    return command(C_STORE, sop_class, element(0x0110, struct.pack("<H", number)) + element(0x0700, b"\0\0") +
                   element(0x0800, b"\1\0") + element(0x1000, uid(instance)))


def answer(field, number, sop_class, status, instance=None):
    more = element(0x0120, struct.pack("<H", number)) + element(0x0800, b"\1\1") + element(0x0900, struct.pack("<H", status))
    return command(field | ANSWER, sop_class, more + (element(0x1000, uid(instance)) if instance else b""))


def parse(bytes_):
    found, at = {}, 0
    while at + 8 <= len(bytes_):
        _, number, length = struct.unpack_from("<HHI", bytes_, at)
        found[number] = bytes_[at + 8:at + 8 + length]
        at += 8 + length
    return found


def number_in(found, key):
    return struct.unpack("<H", found[key])[0]


def text_in(found, key):
    return found[key].rstrip(b"\0 ").decode()


# --- towards a node

class Client:
    """An association that stores MR images. Each step can be left out, or replaced by raw bytes through `sock`."""

    def __init__(self, port, called="NODE", calling="SCANNER", timeout=30, contexts=None, source=None):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout, source_address=source and (source, 0))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.count = 0
        self.sock.sendall(associate(ASSOCIATE_RQ, called, calling, contexts or [
            proposed(1, VERIFICATION, [IMPLICIT]), proposed(3, MR_IMAGE, [EXPLICIT, IMPLICIT])]))
        self.kind, self.body = read_pdu(self.sock)  # AC, or RJ: result, source, reason are body[1:4]

    def echo(self):
        return self.ask(command(C_ECHO, VERIFICATION, element(0x0110, b"\7\0") + element(0x0800, b"\1\1")), context=1)

    def ask(self, words, context=3, dataset=None):
        """The status of the answer."""
        self.say(words, context, dataset)
        return self.listen()

    def say(self, words, context=3, dataset=None, most=16000):
        self.sock.sendall(data(context, words, True))
        for at in range(0, len(dataset or b""), most):
            self.sock.sendall(data(context, dataset[at:at + most], False, at + most >= len(dataset)))

    def listen(self):
        kind, body = read_pdu(self.sock)
        assert kind == DATA, kind
        return number_in(parse(body[6:]), 0x0900)

    def store(self, instance, dataset, sop_class=MR_IMAGE):
        """dataset: explicit little endian."""
        self.count += 1
        return self.ask(store_request(self.count, sop_class, instance), dataset=dataset)

    def release(self):
        self.sock.sendall(pdu(RELEASE_RQ, bytes(4)))
        assert read_pdu(self.sock)[0] == RELEASE_RP
        self.sock.close()

    def abort(self):
        self.sock.sendall(pdu(ABORT, bytes(4)))
        self.sock.close()

    def is_shut(self):
        """Waits until the other side ends the connection, by an abort or without a word, and ends it here."""
        try:
            while read_pdu(self.sock)[0] != ABORT:
                pass
        except (EOFError, ConnectionError):
            pass
        self.sock.close()
        return True


# --- in place of an archive

class Server:
    """An archive that does as it is told, and afterwards as it should. `greetings`, one an association: "reject" (for good),
    "busy" (for now), "abort", "close", "silent", "garbage", "half" (of an answer), "nothing" (accepts no context), "ok".
    `answers`, one a C-STORE: a status; "abort", "close", "silent", "garbage", "half"; "other" (the answer to another message).
    `echoes`: the same for C-ECHO. `farewells`, one a release: "silent", "close", "ok". What is stored with 0000 or Bxxx stands in `stored`, in order."""

    def __init__(self, greetings=(), answers=(), farewells=(), echoes=(), port=0):
        self.greetings, self.answers = list(greetings), list(answers)
        self.farewells, self.echoes = list(farewells), list(echoes)
        self.stored, self.asked, self.associations = [], [], 0
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port = self.listener.getsockname()[1]
        self.address = "ARCHIVE@127.0.0.1:%d" % self.port
        self.open = []
        threading.Thread(target=self.listen, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        for sock in self.open:
            sock.close()

    def listen(self):
        try:
            while True:
                sock, _ = self.listener.accept()
                self.open.append(sock)
                threading.Thread(target=self.serve, args=(sock,), daemon=True).start()
        except OSError:
            pass

    def serve(self, sock):
        try:
            if self.greet(sock):
                while self.hear(sock):
                    pass
        except (OSError, EOFError):
            pass

    def misbehave(self, sock, how, proper):
        """True when it did; "silent" keeps the connection open without a word until the test is over."""
        if how == "half":
            sock.sendall(proper[:len(proper) // 2])
        if how == "garbage":
            sock.sendall(bytes(range(256)) * 16)
        if how == "abort":
            sock.sendall(pdu(ABORT, bytes(4)))
        if how in ("half", "garbage", "abort", "close"):
            sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        return how in ("half", "garbage", "abort", "close", "silent")

    def greet(self, sock):
        kind, body = read_pdu(sock)
        assert kind == ASSOCIATE_RQ
        self.associations += 1
        how = self.greetings.pop(0) if self.greetings else "ok"
        contexts = []
        for kind, value in items(body, 68, len(body)):
            if kind == 0x20:
                syntaxes = [v.decode() for k, v in items(value, 4, len(value)) if k == 0x40]
                contexts.append(accepted(value[0], syntaxes[0], 3 if how == "nothing" else 0))
        proper = associate(ASSOCIATE_AC, body[4:20].decode(), body[20:36].decode(), contexts)
        if how in ("reject", "busy"):
            sock.sendall(pdu(ASSOCIATE_RJ, bytes([0, 1, 1, 7] if how == "reject" else [0, 2, 3, 2])))
            return False
        if self.misbehave(sock, how, proper):
            return False
        sock.sendall(proper)
        return True

    def message(self, sock, kind, body):
        """(context, command or data set) from P-DATA PDUs that begin with this one."""
        value = b""
        while True:
            assert kind == DATA, kind
            at = 0
            while at < len(body):
                length, context, how = struct.unpack_from(">IBB", body, at)
                value += body[at + 6:at + 4 + length]
                at += 4 + length
            if how & 2:
                return context, value
            kind, body = read_pdu(sock)

    def hear(self, sock):
        kind, body = read_pdu(sock)
        if kind == RELEASE_RQ:
            if not self.misbehave(sock, self.farewells.pop(0) if self.farewells else "ok", b""):
                sock.sendall(pdu(RELEASE_RP, bytes(4)))
            return False
        if kind == ABORT:
            return False
        context, words = self.message(sock, kind, body)
        words = parse(words)
        field, number, sop_class = number_in(words, 0x0100), number_in(words, 0x0110), text_in(words, 0x0002)
        if field == C_ECHO:
            how = self.echoes.pop(0) if self.echoes else 0
            proper = data(context, answer(field, number + (how == "other"), sop_class, how if isinstance(how, int) else 0), True)
            if self.misbehave(sock, how, proper):
                return False
            sock.sendall(proper)
            return True
        self.message(sock, *read_pdu(sock))
        instance = text_in(words, 0x1000)
        self.asked.append(instance)
        how = self.answers.pop(0) if self.answers else 0
        status = how if isinstance(how, int) else 0
        proper = data(context, answer(field, number + (how == "other"), sop_class, status, instance), True)
        if self.misbehave(sock, how, proper):
            return False
        if status == 0 and how != "other" or status >> 12 == 0xB:
            self.stored.append(instance)
        sock.sendall(proper)
        return True
