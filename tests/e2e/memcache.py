# SPDX-License-Identifier: Apache-2.0
"""The binary protocol of memcached by hand, for tests, and Debian's memcached to compare with."""

from __future__ import annotations

import re
import shlex
import shutil
import socket
import struct
import subprocess
import tempfile

from server import TIMEOUT_S, wait_until

HEAD = struct.Struct(">BBHBBHIIQ")
REQUEST, RESPONSE = 0x80, 0x81

OPCODES = {
    "get": 0x00, "set": 0x01, "add": 0x02, "replace": 0x03, "delete": 0x04, "incr": 0x05,
    "decr": 0x06, "quit": 0x07, "flush": 0x08, "getq": 0x09, "noop": 0x0A, "version": 0x0B,
    "getk": 0x0C, "getkq": 0x0D, "append": 0x0E, "prepend": 0x0F, "stat": 0x10, "setq": 0x11,
    "addq": 0x12, "replaceq": 0x13, "deleteq": 0x14, "incrq": 0x15, "decrq": 0x16,
    "quitq": 0x17, "flushq": 0x18, "appendq": 0x19, "prependq": 0x1A, "verbosity": 0x1B,
    "touch": 0x1C, "gat": 0x1D, "gatq": 0x1E, "gatk": 0x23, "gatkq": 0x24,
}
NOOP_OPAQUE = 0xFEEDBEEF


def message(opcode: int | str, key: bytes = b"", value: bytes = b"", extras: bytes = b"",
            **head: int) -> bytes:
    """A request; `head` may set magic, key_len, extras_len, data_type, vbucket, total, opaque, cas
    to other values than those that are right."""
    number = OPCODES[opcode] if isinstance(opcode, str) else opcode
    total = len(extras) + len(key) + len(value)
    return HEAD.pack(
        head.get("magic", REQUEST), number, head.get("key_len", len(key)),
        head.get("extras_len", len(extras)), head.get("data_type", 0), head.get("vbucket", 0),
        head.get("total", total), head.get("opaque", 0), head.get("cas", 0)) + extras + key + value


def _extras(name: str, options: dict[str, str]) -> bytes:
    def number(option: str, default: int = 0) -> int:
        return int(options.pop(option, str(default)), 0)

    if "extras" in options:
        return bytes.fromhex(options.pop("extras"))
    base = name if name in ("decr", "incr") else name.removesuffix("q")
    if base in ("set", "add", "replace"):
        return struct.pack(">II", number("flags"), number("exp"))
    if base in ("incr", "decr"):
        return struct.pack(">QQI", number("delta", 1), number("initial"), number("exp"))
    if base in ("touch", "gat", "gatk"):
        return struct.pack(">I", number("exp"))
    if base == "verbosity" or (base == "flush" and "delay" in options):
        return struct.pack(">I", number("level" if base == "verbosity" else "delay"))
    return b""


def response(opcode: int | str, value: bytes = b"", key: bytes = b"", extras: bytes = b"",
             status: int = 0, opaque: int = 0, cas: int = 0) -> bytes:
    """A response, to compare with."""
    return message(opcode, key, value, extras, magic=RESPONSE, vbucket=status, opaque=opaque,
                   cas=cas)


class Line:
    """A line of a script: name or number of an opcode, key, value, option=number.

    A word in quotes may hold blanks and \\xHH. `cas=@2` is the second version that the
    script's answers have shown, `cas=@` the last one.
    """

    def __init__(self, text: str):
        self.text = text
        words = [word.encode().decode("unicode_escape") for word in shlex.split(text)]
        plain = [word for word in words[1:] if not re.match(r"[a-z_]+=", word)]
        options = dict(word.split("=", 1) for word in words[1:] if re.match(r"[a-z_]+=", word))
        self.opcode: int | str = words[0] if words[0] in OPCODES else int(words[0], 0)
        self.extras = _extras(words[0], options)
        self.parts = [word.encode("latin-1") for word in plain]
        self.cas = options.pop("cas", "0")
        self.head = {option: int(value, 0) for option, value in options.items()}

    @property
    def refers(self) -> bool:
        """Whether its version is one of earlier answers."""
        return self.cas.startswith("@")

    def request(self, versions: list[int]) -> bytes:
        """Its bytes, when the answers before have shown these versions."""
        if self.refers:
            cas = versions[int(self.cas[1:]) - 1 if self.cas[1:] else -1]
        else:
            cas = int(self.cas, 0)
        key, value = (self.parts + [b"", b""])[:2]
        return message(self.opcode, key, value, self.extras, cas=cas, **self.head)


class Peer:
    """A connection that gives responses as the bytes that arrived."""

    def __init__(self, sock: socket.socket):
        self.sock = sock
        self.buffer = b""
        self.versions: list[int] = []

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_) -> None:
        self.sock.close()

    def send(self, data: bytes) -> None:
        """Sends bytes as they are."""
        self.sock.sendall(data)

    def _more(self) -> None:
        piece = self.sock.recv(1 << 20)
        if not piece:
            raise EOFError("closed by the server")
        self.buffer += piece

    def take(self, count: int) -> bytes:
        """The next bytes, whatever they are."""
        while len(self.buffer) < count:
            self._more()
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def reply(self) -> bytes:
        """The bytes of the next response."""
        head = self.take(HEAD.size)
        assert head[0] == RESPONSE, head
        return head + self.take(HEAD.unpack(head)[6])

    def ask(self, *parts, **head) -> "Answer":
        """Sends a request that is answered, and returns the answer."""
        self.send(message(*parts, **head))
        return Answer(self.reply())

    def ask_all(self, requests: bytes) -> list[bytes]:
        """All responses to the requests, up to that of a noop behind them."""
        self.send(requests + message("noop", opaque=NOOP_OPAQUE))
        found = []
        while True:
            found.append(self.reply())
            if HEAD.unpack_from(found[-1])[7] == NOOP_OPAQUE:
                return found[:-1]

    def play(self, lines: list[Line]) -> list[bytes]:
        """All responses to the lines in one piece; versions stand as `neutral` puts them."""
        return [self.neutral(response) for response in
                self.ask_all(b"".join(line.request(self.versions) for line in lines))]

    def neutral(self, response: bytes) -> bytes:
        """The response with the place of its version among those that were seen so far, from 1."""
        cas = HEAD.unpack_from(response)[8]
        if cas and cas not in self.versions:
            self.versions.append(cas)
        place = self.versions.index(cas) + 1 if cas else 0
        return response[:16] + struct.pack(">Q", place) + response[24:]

    def rest(self) -> list[bytes]:
        """All responses until the server closes, as `neutral` gives them."""
        found = []
        try:
            while True:
                found.append(self.neutral(self.reply()))
        except (EOFError, ConnectionResetError):
            assert not self.buffer, self.buffer
            return found


class Answer:
    """A response, taken apart."""

    def __init__(self, data: bytes):
        (_, self.opcode, key_len, extras_len, _, self.status, _, self.opaque,
         self.cas) = HEAD.unpack_from(data)
        body = data[HEAD.size:]
        self.extras = body[:extras_len]
        self.key = body[extras_len:extras_len + key_len]
        self.value = body[extras_len + key_len:]


class Memcached:
    """Debian's memcached on a unix socket of its own."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="memcached-")
        self.path = f"{self.directory}/socket"
        self.process: subprocess.Popen | None = None

    def __enter__(self) -> "Memcached":
        self.process = subprocess.Popen(
            ["memcached", "-s", self.path, "-u", "root", "-B", "binary", "-t", "1"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self._listens, "memcached")
        return self

    def _listens(self) -> bool:
        try:
            self.connect().close()
        except OSError:
            return False
        return True

    def __exit__(self, *_) -> None:
        self.process.terminate()
        self.process.wait(TIMEOUT_S)
        shutil.rmtree(self.directory, ignore_errors=True)

    def connect(self) -> socket.socket:
        """A connected socket."""
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(TIMEOUT_S)
        sock.connect(self.path)
        return sock
