# SPDX-License-Identifier: Apache-2.0
"""The kv protocol by hand, for tests: written from the reference, not from the generator."""

from __future__ import annotations

import socket
import struct
from typing import Iterator, NamedTuple

from server import TIMEOUT_S

CALLS = {
    "hello": 0x01, "ping": 0x02, "echo": 0x03, "get": 0x10, "match": 0x11, "match_bytes": 0x12,
    "match_all": 0x13, "gets": 0x14, "ttl": 0x15, "list": 0x20, "children": 0x21, "count": 0x22,
    "scan": 0x23, "put": 0x30, "put_if": 0x31, "delete": 0x32, "drop": 0x33, "put_ttl": 0x34,
    "touch": 0x35, "batch": 0x36, "stage": 0x38, "stage_put": 0x39, "swap": 0x3A, "unstage": 0x3B,
    "stats": 0x40,
}
STATUSES = {
    0x00: "ok", 0x01: "row", 0x10: "not_found", 0x11: "conflict", 0x12: "refused",
    0x20: "malformed", 0x21: "unsupported", 0x22: "no_memory", 0x23: "busy", 0x24: "timeout",
    0x25: "stopping",
}


# Why a request is refused.
MALFORMED, UNFIT, TOO_MANY, OCCUPIED, OUTSIDE, SLASH = range(1, 7)


class Frame(NamedTuple):
    """One frame of an answer."""

    status: str
    rid: int
    key: bytes
    val: bytes


def request(call: str, rid: int, key: bytes = b"", val: bytes = b"") -> bytes:
    """A request's bytes."""
    return struct.pack(">BIH", CALLS[call], rid, len(key)) + key + struct.pack(">I", len(val)) + val


def page(limit: int = 0, after: bytes = b"", content: int | None = 0) -> bytes:
    """The arguments of `list`; of `children` when `content` is None."""
    return struct.pack(">I", limit) + (b"" if content is None else bytes([content])) + after


def scan_args(after: bytes = b"", content: int = 0) -> bytes:
    """The arguments of `scan`."""
    return bytes([content]) + after


def u64(value: int) -> bytes:
    """A number as most arguments begin with one."""
    return struct.pack(">Q", value)


def number(frame: Frame) -> int:
    """The first 64-bit number of a frame's value."""
    return struct.unpack(">Q", frame.val[:8])[0]


class Peer:
    """A connection that speaks kv."""

    def __init__(self, sock: socket.socket):
        self.sock = sock
        self.buffer = b""
        self.rid = 0
        sock.settimeout(TIMEOUT_S)

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_) -> None:
        self.sock.close()

    def send(self, data: bytes) -> None:
        """Sends raw bytes."""
        self.sock.sendall(data)

    def frame(self) -> Frame | None:
        """The next frame; None at the stream's end, which must fall between two frames."""
        head = self._take(7)
        if head is None:
            return None
        status, rid, key_len = struct.unpack(">BIH", head)
        key = self._must(key_len)
        (val_len,) = struct.unpack(">I", self._must(4))
        return Frame(STATUSES[status], rid, key, self._must(val_len))

    def answer(self, rid: int) -> list[Frame]:
        """All frames of one answer; each must carry `rid`."""
        frames = []
        while True:
            frame = self.frame()
            assert frame is not None, "the stream ended inside an answer"
            assert frame.rid == rid, f"rid {frame.rid} where {rid} was due: {frame}"
            frames.append(frame)
            if frame.status != "row":
                return frames

    def ask(self, call: str, key: bytes = b"", val: bytes = b"") -> list[Frame]:
        """Sends one request and returns its answer."""
        self.rid += 1
        self.send(request(call, self.rid, key, val))
        return self.answer(self.rid)

    def one(self, call: str, key: bytes = b"", val: bytes = b"") -> Frame:
        """Like ask(), for answers of one frame."""
        (frame,) = self.ask(call, key, val)
        return frame

    def rest(self) -> Iterator[Frame]:
        """All frames up to the stream's end."""
        while (frame := self.frame()) is not None:
            yield frame

    def _must(self, n: int) -> bytes:
        data = self._take(n)
        assert data is not None, "the stream ended inside a frame"
        return data

    def _take(self, n: int) -> bytes | None:
        while len(self.buffer) < n:
            piece = self.sock.recv(1 << 16)
            if not piece:
                assert self.buffer == b"", f"the stream ended inside a frame: {self.buffer[:80]!r}"
                return None if n else b""
            self.buffer += piece
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data
