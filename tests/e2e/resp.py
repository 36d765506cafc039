# SPDX-License-Identifier: Apache-2.0
"""The Redis protocol by hand, for tests, and Debian's redis-server to compare with."""

from __future__ import annotations

import shlex
import shutil
import socket
import subprocess
import tempfile

from server import TIMEOUT_S, wait_until


def command(*words: bytes | str | int) -> bytes:
    """A command as an array of bulk strings."""
    parts = [w if isinstance(w, bytes) else str(w).encode() for w in words]
    bulks = b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
    return b"*%d\r\n%s" % (len(parts), bulks)


def words(line: str) -> list[bytes]:
    """The words of a line of a script; \\xHH stands for a byte."""
    return [word.encode().decode("unicode_escape").encode("latin-1")
            for word in shlex.split(line, posix=True)]


class Peer:
    """A connection that gives replies as the bytes that arrived."""

    def __init__(self, sock: socket.socket):
        self.sock = sock
        self.buffer = b""

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

    def _line(self) -> bytes:
        while b"\r\n" not in self.buffer:
            self._more()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line + b"\r\n"

    def take(self, count: int) -> bytes:
        """The next bytes, whatever they are."""
        while len(self.buffer) < count:
            self._more()
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def reply(self) -> bytes:
        """The bytes of the next reply."""
        out = []
        left = 1
        while left:
            left -= 1
            line = self._line()
            out.append(line)
            count = int(line[1:]) if line[:1] in b"$*" else -1
            if line[:1] == b"$" and count >= 0:
                out.append(self.take(count + 2))
            elif line[:1] == b"*" and count > 0:
                left += count
        return b"".join(out)

    def ask(self, *parts: bytes | str | int) -> bytes:
        """Sends a command and returns the bytes of its reply."""
        self.send(command(*parts))
        return self.reply()

    def rest(self) -> bytes:
        """Everything until the server closes."""
        try:
            while True:
                self._more()
        except (EOFError, ConnectionResetError):
            return self.buffer


def value(data: bytes):
    """A reply's bytes as Python values: bytes, int, list, None; an Exception for an error."""
    return _value(data)[0]


def _value(data: bytes):
    line, rest = data.split(b"\r\n", 1)
    kind, text = line[:1], line[1:]
    if kind == b"+":
        return text, rest
    if kind == b"-":
        return Exception(text.decode()), rest
    if kind == b":":
        return int(text), rest
    count = int(text)
    if count < 0:
        return None, rest
    if kind == b"$":
        return rest[:count], rest[count + 2:]
    items = []
    for _ in range(count):
        item, rest = _value(rest)
        items.append(item)
    return items, rest


class Redis:
    """Debian's redis-server on a unix socket of its own, without files."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="redis-")
        self.path = f"{self.directory}/socket"
        self.process: subprocess.Popen | None = None

    def __enter__(self) -> "Redis":
        self.process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", self.path, "--save", "",
             "--appendonly", "no", "--dir", self.directory],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self._listens, "redis-server")
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
