# SPDX-License-Identifier: Apache-2.0
"""The binary protocol of memcached by hand, for tests, and Debian's memcached to compare with."""

from __future__ import annotations

import shutil
import socket
import struct
import subprocess
import tempfile
from dataclasses import dataclass

from server import TIMEOUT_S, wait_until

HEAD = struct.Struct(">BBHBBHIIQ")
NAMES = {
    name: number for number, name in enumerate(
        "get set add replace delete increment decrement quit flush get_q noop version get_k get_kq "
        "append prepend stat set_q add_q replace_q delete_q increment_q decrement_q quit_q flush_q "
        "append_q prepend_q verbosity touch gat gat_q".split())
} | {"gat_k": 0x23, "gat_kq": 0x24}


@dataclass(frozen=True)
class Answer:
    """One response; `cas` is left out of comparisons: each server counts its own way."""

    opcode: int
    status: int
    opaque: int
    extras: bytes
    key: bytes
    value: bytes
    cas: int

    def comparable(self) -> tuple[int, int, int, bytes, bytes, bytes, bool]:
        """Everything, and whether there is a version."""
        return (self.opcode, self.status, self.opaque, self.extras, self.key, self.value, self.cas != 0)


def request(name: str | int, key: bytes = b"", value: bytes = b"", extras: bytes = b"", cas: int = 0,
            opaque: int = 0) -> bytes:
    """The bytes of a request."""
    opcode = NAMES[name] if isinstance(name, str) else name
    total = len(extras) + len(key) + len(value)
    return HEAD.pack(0x80, opcode, len(key), len(extras), 0, 0, total, opaque, cas) + extras + key + value


def stored(flags: int = 0, expiration: int = 0) -> bytes:
    """The extras of set, add and replace."""
    return struct.pack(">II", flags, expiration)


def counted(delta: int, initial: int = 0, expiration: int = 0) -> bytes:
    """The extras of increment and decrement."""
    return struct.pack(">QQI", delta, initial, expiration)


def ends(expiration: int) -> bytes:
    """The extras of touch, get and touch, flush, verbosity."""
    return struct.pack(">I", expiration)


class Peer:
    """A connection that gives responses as they arrived."""

    def __init__(self, sock: socket.socket):
        self.sock = sock
        self.opaque = 0

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_) -> None:
        self.sock.close()

    def take(self, count: int) -> bytes:
        """The next bytes."""
        data = b""
        while len(data) < count:
            piece = self.sock.recv(count - len(data))
            if not piece:
                raise EOFError("closed by the server")
            data += piece
        return data

    def answer(self) -> Answer:
        """The next response."""
        magic, opcode, key_len, extras_len, _, status, total, opaque, cas = HEAD.unpack(self.take(24))
        assert magic == 0x81
        rest = self.take(total)
        return Answer(opcode, status, opaque, rest[:extras_len], rest[extras_len:extras_len + key_len],
                      rest[extras_len + key_len:], cas)

    def ask(self, *args, **named) -> list[Answer]:
        """All responses to a request: those that come before that to a noop behind it."""
        self.opaque += 2
        self.sock.sendall(request(*args, **named, opaque=self.opaque) + request("noop", opaque=self.opaque + 1))
        found: list[Answer] = []
        while True:
            answer = self.answer()
            if answer.opaque == self.opaque + 1:
                return found
            found.append(answer)

    def last(self, data: bytes) -> list[Answer]:
        """All responses to bytes behind which the server closes."""
        self.sock.sendall(data)
        found: list[Answer] = []
        try:
            while True:
                found.append(self.answer())
        except (EOFError, ConnectionResetError):
            return found


class Memcached:
    """Debian's memcached on a unix socket of its own."""

    def __init__(self) -> None:
        self.directory = tempfile.mkdtemp(prefix="memcached-")
        self.path = f"{self.directory}/socket"
        self.process: subprocess.Popen | None = None

    def __enter__(self) -> "Memcached":
        self.process = subprocess.Popen(["memcached", "-B", "binary", "-u", "root", "-s", self.path, "-m", "64"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self._answers, "memcached")
        return self

    def __exit__(self, *_) -> None:
        assert self.process is not None
        self.process.terminate()
        self.process.wait(TIMEOUT_S)
        shutil.rmtree(self.directory, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            self.connect().close()
            return True
        except OSError:
            return False

    def connect(self) -> socket.socket:
        """A connection to it."""
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(TIMEOUT_S)
        sock.connect(self.path)
        return sock
