# SPDX-License-Identifier: Apache-2.0
"""Test vectors: bytes and what a parser must make of them, by a second, plain reading of the model.

This reader shares nothing with the generated parser but the description, so that the two check
each other.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, Union

import model as m
from examples import encode_frame

Values = dict[str, Union[int, bytes]]

FILLER = b"a"
RID = 7


@dataclass(frozen=True)
class Vector:
    """`lines` as they stand in the file: bytes, then what happens."""

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Fault:
    """Why bytes are refused: `seen` bytes must have arrived for it to show."""

    seen: int
    offset: int
    field: str
    reason: str


def make_vectors(protocol: m.Protocol, frame: m.Frame) -> list[Vector]:
    """All vectors of one frame, in an order that does not change."""
    build: _Requests | _Responses = (
        _Requests(protocol) if frame.name == "request" else _Responses(protocol))
    vectors: dict[tuple[str, ...], Vector] = {}
    for title, data in build.cases():
        vector = Vector(title, tuple(_lines(protocol, frame, data)))
        vectors.setdefault(vector.lines, vector)
    return list(vectors.values())


# ---- which cases ----

def _lengths(least: int, most: int, sayable: int) -> list[int]:
    wanted = {0, 1, least - 1, least, least + 1, most - 1, most, most + 1}
    return sorted(n for n in wanted if 0 <= n <= sayable)


def _sayable(field: m.Field) -> int:
    return int((1 << (8 * field.type.width)) - 1)


def _integer(protocol: m.Protocol, data: bytes) -> int:
    return int.from_bytes(data, "big" if protocol.big_endian else "little")


def _body(use: m.Use | None, length: int, big_endian: bool) -> bytes:
    """`length` bytes that are a valid body as far as they go."""
    start = b""
    if use is not None and isinstance(use.body, m.Struct):
        values: Values = {}
        for f in use.body.fields:
            first = f.type.values[0].value if isinstance(f.type, m.Enum) else 0
            values[f.name] = b"" if f.is_bytes else first
        start = encode_frame(m.Frame("", (), use.span, use.body.fields), values, big_endian)
    return (start + FILLER * max(0, length - len(start)))[:length]


class _Requests:
    def __init__(self, protocol: m.Protocol) -> None:
        self.protocol = protocol
        self.frame = protocol.request

    def cases(self) -> Iterator[tuple[str, bytes]]:
        for call in self.protocol.calls:
            for number, example in enumerate(call.examples, 1):
                yield f"{call.name}: example {number}", self.encode(example.request.values)
        for call in self.protocol.calls:
            yield from self.lengths(call)
            yield from self.enums(call)
        taken = {c.number for c in self.protocol.calls}
        near = {(n or 0) + d for n in taken for d in (-1, 1)} | {0, 255}
        for number in sorted(n for n in near - taken if 0 <= n <= 255):
            yield f"0x{number:02x} is no call", self.encode(self.values(None, number, {}))

    def encode(self, values: Values) -> bytes:
        return encode_frame(self.frame, values, self.protocol.big_endian)

    def values(self, call: m.Call | None, number: int, given: dict[str, bytes]) -> Values:
        values: Values = {self.frame.selector.name: number, self.frame.correlate.name: RID}
        for f in self.frame.fields:
            if f.is_bytes:
                use = call.request.use(f.name) if call and call.request else None
                least = _body(use, use.min if use else 0, self.protocol.big_endian)
                values[f.name] = given.get(f.name, least)
            else:
                first = f.type.values[0].value if isinstance(f.type, m.Enum) else 0
                values.setdefault(f.name, first)
        return values

    def lengths(self, call: m.Call) -> Iterator[tuple[str, bytes]]:
        assert call.request is not None and call.number is not None
        for f in self.frame.fields:
            if not f.is_bytes:
                continue
            use = call.request.use(f.name)
            least, most = (use.min, use.max) if use else (0, 0)
            for n in _lengths(least, most, _sayable(f)):
                body = _body(use, n, self.protocol.big_endian)
                yield (f"{call.name}: {f.name} of {n} bytes",
                       self.encode(self.values(call, call.number, {f.name: body})))

    def enums(self, call: m.Call) -> Iterator[tuple[str, bytes]]:
        assert call.request is not None and call.number is not None
        for use in call.request.uses:
            for f in use.body.fields if isinstance(use.body, m.Struct) else ():
                if not isinstance(f.type, m.Enum):
                    continue
                known = {v.value for v in f.type.values}
                largest = (1 << (8 * f.type.width)) - 1
                wanted = known | {v + 1 for v in known} | {largest}
                for value in sorted(v for v in wanted if v <= largest):
                    body = self.body_with(use, f, value)
                    yield (f"{call.name}: {use.body.name}.{f.name} is {value}",
                           self.encode(self.values(call, call.number, {use.field.name: body})))

    def body_with(self, use: m.Use, field: m.Field, value: int) -> bytes:
        assert isinstance(use.body, m.Struct)
        values: Values = {}
        for f in use.body.fields:
            first = f.type.values[0].value if isinstance(f.type, m.Enum) else 0
            values[f.name] = b"" if f.is_bytes else (value if f is field else first)
        body = m.Frame("", (), use.span, use.body.fields)
        return encode_frame(body, values, self.protocol.big_endian)


class _Responses:
    def __init__(self, protocol: m.Protocol) -> None:
        self.protocol = protocol
        self.frame = protocol.response

    def cases(self) -> Iterator[tuple[str, bytes]]:
        enum = self.frame.selector.type
        assert isinstance(enum, m.Enum)
        for call in self.protocol.calls:
            for number, example in enumerate(call.examples, 1):
                for answer in example.answers:
                    status = answer.shape.status.name if answer.shape.status else ""
                    yield f"{call.name}: {status} of example {number}", self.encode(answer.values)
        for value in enum.values:
            yield f"{value.name}: empty", self.encode(self.values(value.value, {}))
        for f in self.frame.fields:
            if isinstance(f.type, m.Bytes):
                for n in _lengths(0, f.type.max, _sayable(f)):
                    yield (f"{enum.values[0].name}: {f.name} of {n} bytes",
                           self.encode(self.values(enum.values[0].value, {f.name: FILLER * n})))
        known = {v.value for v in enum.values}
        near = {n + d for n in known for d in (-1, 1)} | {(1 << (8 * enum.width)) - 1}
        for number in sorted(n for n in near - known if 0 <= n < 1 << (8 * enum.width)):
            yield f"0x{number:02x} is no status", self.encode(self.values(number, {}))

    def encode(self, values: Values) -> bytes:
        return encode_frame(self.frame, values, self.protocol.big_endian)

    def values(self, status: int, given: dict[str, bytes]) -> Values:
        values: Values = {self.frame.selector.name: status, self.frame.correlate.name: RID}
        for f in self.frame.fields:
            values.setdefault(f.name, given.get(f.name, b"") if f.is_bytes else 0)
        return values


# ---- what happens ----

class _Reading:
    """One frame's bytes, read field by field."""

    def __init__(self, protocol: m.Protocol, frame: m.Frame, data: bytes) -> None:
        self.protocol = protocol
        self.frame = frame
        self.data = data
        self.values: Values = {}
        self.starts: list[tuple[int, str]] = []  # where each field begins
        self.known: list[tuple[int, int]] = [(0, frame.head)]  # from so many bytes on, the total is
        self.fault = self.read()

    def number(self, at: int, width: int) -> int:
        return _integer(self.protocol, self.data[at : at + width])

    def read(self) -> Fault | None:
        at = 0
        shape: m.Shape | None = None
        for f in self.frame.fields:
            self.starts.append((at, f.name))
            width = f.type.width
            value = self.number(at, width)
            if isinstance(f.type, m.Bytes):
                fault = self.counted(f, shape, at, value)
                if fault is not None:
                    return fault
                self.values[f.name] = self.data[at + width : at + width + value]
                at += width + value
                continue
            self.values[f.name] = value
            if isinstance(f.type, m.Enum) and value not in {v.value for v in f.type.values}:
                return Fault(at + width, at, f.name, "unknown")
            at += width
            if isinstance(f.type, m.Selector):
                call = next((c for c in self.protocol.calls if c.number == value), None)
                if call is None or call.request is None:
                    return Fault(at, at - width, f.name, "unknown")
                shape = call.request
                self.known.append((at, self.total({f.name: 0}, shape)))
        return self.bodies(shape)

    def total(self, lengths: dict[str, int], shape: m.Shape | None) -> int:
        """Bytes of the frame, as far as its lengths are known; else their minimum."""
        nbytes = self.frame.head
        for f in self.frame.fields:
            if f.is_bytes:
                use = shape.use(f.name) if shape else None
                nbytes += lengths.get(f.name, use.min if use else 0)
        return nbytes

    def counted(self, f: m.Field, shape: m.Shape | None, at: int, n: int) -> Fault | None:
        assert isinstance(f.type, m.Bytes)
        use = shape.use(f.name) if shape else None
        in_table = self.frame.name == "request"
        least = (use.min if use else 0) if in_table else 0
        most = (use.max if use else 0) if in_table else f.type.max
        seen = at + f.type.width
        if n < least:
            return Fault(seen, at, f.name, "short")
        if n > most:
            return Fault(seen, at, f.name, "unused" if most == 0 else "long")
        lengths = {k: len(v) for k, v in self.values.items() if isinstance(v, bytes)}
        self.known.append((seen, self.total({**lengths, f.name: n}, shape)))
        return None

    def bodies(self, shape: m.Shape | None) -> Fault | None:
        for use in shape.uses if shape else ():
            if not isinstance(use.body, m.Struct):
                continue
            body = self.values[use.field.name]
            assert isinstance(body, bytes)
            starts = {name: at for at, name in self.starts}
            start = starts[use.field.name] + use.field.type.width
            at = 0
            for f in use.body.fields:
                value = _integer(self.protocol, body[at : at + f.type.width])
                if isinstance(f.type, m.Enum) and value not in {v.value for v in f.type.values}:
                    return Fault(len(self.data), start + at, f"{use.body.name}.{f.name}", "unknown")
                at += f.type.width
        return None

    def more(self) -> Iterator[str]:
        """What is needed at every length at which neither frame nor error is there yet."""
        end = self.fault.seen if self.fault else len(self.data)
        places = sorted({p for p, _ in self.starts} | {p for p, _ in self.known})
        places = [p for p in places if p < end]
        for place, following in zip(places, [*places[1:], end]):
            total = [t for p, t in self.known if p <= place][-1]
            name = [n for p, n in self.starts if p <= place][-1]
            yield f"more  {place}..{following - 1} until {total} in {name}"


def _lines(protocol: m.Protocol, frame: m.Frame, data: bytes) -> Iterator[str]:
    reading = _Reading(protocol, frame, data)
    fault = reading.fault
    yield "bytes " + _spell(data[: fault.seen] if fault else data)
    yield from reading.more()
    if fault is not None:
        yield f"error at {fault.offset} in {fault.field}: {fault.reason}"
        return
    parts = [f"{f.name}={_value(reading.values[f.name])}" for f in frame.fields]
    yield "frame " + " ".join(parts)


def _value(value: Union[int, bytes]) -> str:
    return str(value) if isinstance(value, int) else (_spell(value).replace(" ", ".") or "-")


def _spell(data: bytes) -> str:
    """Hex, with runs of one byte as XX*N."""
    words: list[str] = []
    at = 0
    while at < len(data):
        run = _run(data, at)
        if run >= 8:
            words.append(f"{data[at]:02x}*{run}")
        else:
            run = 1
            words.append(f"{data[at]:02x}")
        at += run
    return " ".join(words)


def _run(data: bytes, at: int) -> int:
    rest = data[at:]
    return len(rest) - len(rest.lstrip(data[at : at + 1]))
