# SPDX-License-Identifier: Apache-2.0
"""Bytes to entries: hex, binary files and captures; both directions of a connection."""
from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Callable, Iterator

import model as m
from capture import Skipped, is_capture, segments
from cli import Failure
from interpret import Buffer, Incomplete, Message, Refusal, read_answer, read_frame
from interpret_parts import Reading, read_message
from tcp import Connection, Direction, pieces
from transcript import Entry, Outcome

FORMS = ("hex", "binary", "pcap")
_HEX = re.compile(rb"(?:[0-9a-fA-F]{2}|\s|#[^\n]*)*\Z")
_HEX_LIKE = re.compile(rb"(?:[0-9a-fA-F]|\s|#[^\n]*)*\Z")


@dataclass
class Decoded:
    """Everything that an input holds; `notes` are about it as a whole."""

    entries: list[Entry] = field(default_factory=list)
    connections: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        """Whether every byte belongs to a message."""
        return all(isinstance(e.outcome, (Message, Reading)) and e.misfit is None
                   for e in self.entries)


class _Way:
    """One direction: bytes in, entries out. After bytes that are no message it reads no more."""

    def __init__(self, p: m.Protocol, frame: str, connection: int) -> None:
        self.frame = frame
        self.read = _reader(p, frame)
        self.connection = connection
        self.held = bytearray()
        self.at = 0
        self.needed = 0
        self.refusal: Refusal | None = None

    def feed(self, data: bytes) -> Iterator[Entry]:
        self.held += data
        at = 0
        while self.refusal is None and len(self.held) - at >= max(1, self.needed):
            outcome = self.read(self.held, at)
            self.needed = 0
            if isinstance(outcome, (Message, Reading)):
                yield self.entry(outcome, bytes(self.held[at : at + outcome.nbytes]))
                at += outcome.nbytes
            elif isinstance(outcome, Incomplete):
                self.needed = outcome.needed
            else:
                self.refusal = outcome
        del self.held[:at]

    def end(self) -> Iterator[Entry]:
        """What is left: bytes that are refused, or the beginning of a message."""
        if self.held:
            left = bytes(self.held)
            outcome = self.read(left, 0)
            yield self.entry(outcome, left)

    def entry(self, outcome: Any, data: bytes) -> Entry:
        made = Entry(self.frame, self.at, data, outcome, self.connection)
        self.at += len(data)
        return made


def _reader(p: m.Protocol, name: str) -> Callable[[Buffer, int], Outcome]:
    """What reads a frame or message of that name."""
    for message in p.messages:
        if message.name == name:
            return lambda data, at: read_message(message, data, at)
    for frame in p.frames:
        if frame.name == name:
            return lambda data, at: read_frame(p, frame, data, at)
    known = ", ".join([*(f.name for f in p.frames), *(x.name for x in p.messages)])
    raise Failure(f"there is no frame or message '{name}'; known: {known}")


class _Talk:
    """One connection: every answer finds its request."""

    def __init__(self, p: m.Protocol, connection: int) -> None:
        self.p = p
        self.requests = _Way(p, "request", connection)
        self.responses = _Way(p, "response", connection)
        self.asked: dict[object, deque[m.Call]] = {}

    def feed(self, is_request: bool, data: bytes) -> Iterator[Entry]:
        if not is_request:
            yield from (self.answer(e) for e in self.responses.feed(data))
            return
        for entry in self.requests.feed(data):
            outcome = entry.outcome
            if isinstance(outcome, Message) and outcome.call is not None:
                mark = outcome.values[self.p.request.correlate.name]
                self.asked.setdefault(mark, deque()).append(outcome.call)
            yield entry

    def answer(self, entry: Entry) -> Entry:
        """The entry with its body as its call describes it."""
        outcome = entry.outcome
        if not isinstance(outcome, Message):
            return entry
        waiting = self.asked.get(outcome.values[outcome.frame.correlate.name])
        if not waiting:
            return entry
        call = waiting[0] if _has_more(outcome) else waiting.popleft()
        return _answered(self.p, entry, outcome, call)

    def end(self) -> Iterator[Entry]:
        yield from self.requests.end()
        yield from self.responses.end()


def _answered(p: m.Protocol, entry: Entry, outcome: Message, call: m.Call) -> Entry:
    typed = read_answer(p, outcome, call)
    if isinstance(typed, Refusal):
        return Entry(entry.frame, entry.at, entry.data, outcome, entry.connection, typed)
    return Entry(entry.frame, entry.at, entry.data, typed, entry.connection)


def _has_more(answer: Message) -> bool:
    selector = answer.frame.selector
    assert isinstance(selector.type, m.Enum)
    return any(v.more and v.value == answer.values[selector.name] for v in selector.type.values)


def decode(p: m.Protocol, data: bytes, name: str, form: str | None, frame: str | None,
           call: str | None, port: int | None) -> Decoded:
    """What `data` holds: one direction of `frame`, or a capture of both."""
    if form is None:
        form = "pcap" if is_capture(data) else "hex" if _HEX_LIKE.match(data) else "binary"
    if form == "pcap":
        return _decode_capture(p, data, name, port or p.port)
    if form == "hex":
        data = _unhex(data, name)
    known = next((c for c in p.calls if c.name == call), None)
    if call is not None and known is None:
        raise Failure(f"there is no call '{call}'")
    way = _Way(p, frame or [*(f.name for f in p.frames), *(x.name for x in p.messages)][0], 0)
    entries = [*way.feed(data), *way.end()]
    return Decoded([_answered(p, e, e.outcome, known) if known is not None and isinstance(
        e.outcome, Message) and e.frame == "response" else e for e in entries])


def _unhex(data: bytes, name: str) -> bytes:
    if not _HEX.match(data):
        raise Failure(f"{name}: this is not hex: pairs of digits, spaces, and # before remarks")
    return bytes.fromhex(re.sub(rb"#[^\n]*", b"", data).decode("ascii"))


def _decode_capture(p: m.Protocol, data: bytes, name: str, port: int) -> Decoded:
    if not is_capture(data):
        raise Failure(f"{name}: this is neither a pcap nor a pcapng file")
    made = Decoded()
    skipped = Skipped()
    ports: set[int] = set()
    talks: dict[int, tuple[Connection, _Talk]] = {}
    for piece in pieces(segments(data, name, skipped), port, ports):
        number = piece.connection.number
        if number not in talks:
            talks[number] = (piece.connection, _Talk(p, number))
        made.entries += talks[number][1].feed(piece.is_request, piece.data)
    for connection, talk in talks.values():
        made.entries += talk.end()
        made.connections.append({"connection": connection.number,
                                 "client": str(connection.client),
                                 "server": str(connection.server)})
        made.notes += _about(connection, "requests", connection.requests)
        made.notes += _about(connection, "responses", connection.responses)
    if not talks:
        seen = ", ".join(str(n) for n in sorted(ports)[:12])
        raise Failure(f"{name}: nothing was sent to or from TCP port {port}; "
                      + (f"ports in the capture: {seen}" if seen else "it has no TCP at all"))
    if skipped.fragments:
        made.notes.append(f"{skipped.fragments} fragments of IP packets are not put together")
    if skipped.is_cut_off:
        made.notes.append("the capture is cut off in its last packet")
    return made


def _about(connection: Connection, what: str, way: Direction) -> Iterator[str]:
    if way.next is not None and not way.is_whole:
        yield f"connection {connection.number}: the capture begins inside its {what}"
    missing, behind = way.missing
    if missing:
        yield (f"connection {connection.number}: {missing} bytes of its {what} are missing behind "
               f"byte {way.position}, and {behind} captured ones behind them are not read")
