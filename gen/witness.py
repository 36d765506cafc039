# SPDX-License-Identifier: Apache-2.0
"""Bytes that one description's peers send and the other's refuse or read differently.

Every message that the writer can send is tried in a few variants (limits at which the two differ,
each value of each enum) and read by both. Meanings are compared under the old names.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterator, Literal, Union

import model as m
from examples import encode_frame
from interpret import Incomplete, Message, Refusal, Values, read_answer, read_frame
from pairing import Pairing
from transcript import Entry, line_of, reason_of

MARK = 7
# Of longer bodies one of a kind is tried on each way: what breaks one call breaks the others.
LARGE_NBYTES = 1 << 16
_LETTERS = b"abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Way:
    """Who sends to whom: requests go to servers, and one of the two is old."""

    frame: Literal["request", "response"]
    is_old_writer: bool

    @property
    def writer(self) -> str:
        return self._peer(self.frame == "request", self.is_old_writer)

    @property
    def reader(self) -> str:
        return self._peer(self.frame == "response", not self.is_old_writer)

    @staticmethod
    def _peer(is_client: bool, is_old: bool) -> str:
        return f"{'old' if is_old else 'new'} {'client' if is_client else 'server'}"


WAYS = (Way("request", True), Way("request", False), Way("response", True), Way("response", False))


@dataclass(frozen=True)
class Witness:
    """One message that does not get across. `aspects` are what it shows: "length FIELD" beyond the
    reader's limit, "value ENUM NUMBER" for every enum's value in it."""

    way: Way
    call: str     # under its old name
    status: str   # "" in a request
    aspects: frozenset[str]
    data: bytes
    sent: str
    happens: str


def witnesses(pairing: Pairing, way: Way) -> Iterator[Witness]:
    """All messages of the sweep that do not get across."""
    for case in _cases(pairing, way):
        happens = _happens(pairing, way, case)
        if happens is not None:
            sent = _read(case.writer, way, case.data, case.call)
            assert isinstance(sent, Message)
            aspects = frozenset(_aspects(pairing, way, case, sent))
            line = line_of(Entry(way.frame, 0, case.data, sent))
            yield Witness(way, case.name, case.status, aspects, case.data, line, happens)


def _aspects(pairing: Pairing, way: Way, case: _Case, message: Message) -> Iterator[str]:
    given = [(f, message.values[f.name]) for f in message.frame.fields]
    assert message.shape is not None
    for use in message.shape.uses:
        theirs = _counterpart(pairing, way, use, message.shape, case.other)
        value = message.values[use.field.name]
        if theirs is not None and isinstance(value, bytes) and len(value) > theirs.max:
            yield f"length {use.field.name}"
        if isinstance(use.body, m.Struct):
            given += [(f, message.bodies[use.field.name][f.name]) for f in use.body.fields]
    for f, value in given:
        if isinstance(f.type, m.Enum):
            yield f"value {f.type.name} {value!r}"


# ---- what is sent ----

@dataclass(frozen=True)
class _Case:
    writer: m.Protocol
    reader: m.Protocol
    call: m.Call            # the writer's
    other: m.Call | None    # the reader's
    name: str
    status: str
    data: bytes


def _cases(pairing: Pairing, way: Way) -> Iterator[_Case]:
    sides = (pairing.old, pairing.new)
    writer, reader = sides if way.is_old_writer else sides[::-1]
    large: set[str] = set()
    for call in writer.calls:
        other = pairing.counterpart(call, way.is_old_writer)
        name = call.name if way.is_old_writer else pairing.old_name("call", call.name)
        if way.frame == "request":
            shapes = [call.request] if call.request is not None else []
        elif other is None:
            continue  # the reader never asks it
        else:
            shapes = [*call.answers, *(writer.any_call.answers if writer.any_call else ())]
        for shape in shapes:
            status = _status(pairing, shape, way.is_old_writer)
            for values in _variants(pairing, way, shape, call, other, large):
                data = encode_frame(shape.frame, values, writer.big_endian)
                yield _Case(writer, reader, call, other, name, status, data)


def _status(pairing: Pairing, shape: m.Shape, is_old: bool) -> str:
    if shape.status is None:
        return ""
    enum = shape.frame.selector.type
    assert isinstance(enum, m.Enum)
    name = shape.status.name
    return name if is_old else pairing.old_name(f"enum {enum.name}", name)


def _variants(pairing: Pairing, way: Way, shape: m.Shape, call: m.Call,
              other: m.Call | None, large: set[str]) -> Iterator[Values]:
    """The message as it usually is, then with one thing changed; `large`: bodies tried already."""
    writer = pairing.old if way.is_old_writer else pairing.new
    base = _base(writer, shape, call)
    yield base
    for f in shape.frame.fields:
        if isinstance(f.type, m.Enum) and f is not shape.frame.selector:
            for v in f.type.values:
                yield {**base, f.name: v.value}
    for use in shape.uses:
        name = use.field.name
        yield {**base, name: _body(writer, use.body, use.min)}
        theirs = _counterpart(pairing, way, use, shape, other)
        beyond = theirs.max + 1 if theirs is not None else -1  # the first that they refuse
        is_fresh = beyond <= LARGE_NBYTES or use.body.name not in large
        if use.min <= beyond <= use.max and is_fresh:
            large.add(use.body.name)
            yield {**base, name: _body(writer, use.body, beyond)}
        if isinstance(use.body, m.Struct):
            for f in use.body.fields:
                for v in f.type.values if isinstance(f.type, m.Enum) else ():
                    body = _body(writer, use.body, use.min, {f.name: v.value})
                    yield {**base, name: body}


def _base(p: m.Protocol, shape: m.Shape, call: m.Call) -> Values:
    values: Values = {}
    for at, f in enumerate(shape.frame.fields):
        use = shape.use(f.name)
        if f is shape.frame.selector:
            values[f.name] = shape.status.value if shape.status else call.number or 0
        elif f.is_bytes:
            least = min(use.max, use.min + 1 + at) if use else 0
            values[f.name] = _body(p, use.body, least) if use else b""
        else:
            values[f.name] = MARK if f.correlate else _number(f, at)
    return values


def _number(f: m.Field, at: int) -> int:
    """A number that shows its bytes' order and its place."""
    if isinstance(f.type, m.Enum):
        return f.type.values[0].value
    return int.from_bytes(bytes(range(at + 1, at + 1 + f.type.width)), "big")


def _body(p: m.Protocol, body: m.Body, length: int, given: dict[str, int] | None = None) -> bytes:
    """A body of `length` bytes."""
    if isinstance(body, m.Bytes):
        return _text(length)
    values: Values = {}
    for at, f in enumerate(body.fields):
        values[f.name] = _text(length - body.min) if f.is_bytes else _number(f, at)
    values.update(given or {})
    return encode_frame(m.Frame("", (), body.span, body.fields), values, p.big_endian)


def _text(length: int) -> bytes:
    return _LETTERS[:length] if length <= len(_LETTERS) else b"a" * length


def _counterpart(pairing: Pairing, way: Way, use: m.Use, shape: m.Shape,
                 other: m.Call | None) -> m.Use | None:
    """The same use of the reader's description."""
    reader = pairing.new if way.is_old_writer else pairing.old
    if other is None:
        return None
    theirs = [other.request] if way.frame == "request" else [
        *other.answers, *(reader.any_call.answers if reader.any_call else ())]
    wanted = _status(pairing, shape, way.is_old_writer)
    name = _old(pairing, way.is_old_writer, shape.frame.name, use.field.name)
    for candidate in theirs:
        if candidate is None or _status(pairing, candidate, not way.is_old_writer) != wanted:
            continue
        for found in candidate.uses:
            if _old(pairing, not way.is_old_writer, shape.frame.name, found.field.name) == name:
                return found
    return None


def _old(pairing: Pairing, is_old: bool, owner: str, name: str) -> str:
    return name if is_old else pairing.old_name(owner, name)


# ---- what happens ----

def _read(p: m.Protocol, way: Way, data: bytes,
          call: m.Call | None) -> Union[Message, Refusal, Incomplete]:
    frame = p.request if way.frame == "request" else p.response
    outcome = read_frame(p, frame, data)
    if isinstance(outcome, Message) and way.frame == "response" and call is not None:
        return read_answer(p, outcome, call)
    return outcome


def _happens(pairing: Pairing, way: Way, case: _Case) -> str | None:
    """What the reader does with the message, or None when it understands it."""
    sent = _read(case.writer, way, case.data, case.call)
    got = _read(case.reader, way, case.data, case.other)
    assert isinstance(sent, Message) and sent.nbytes == len(case.data), (case.name, sent)
    if isinstance(got, Refusal):
        return f"refuses it: {reason_of(got)}"
    if isinstance(got, Incomplete):
        return f"waits for more: {reason_of(got)}"
    if got.nbytes != len(case.data):
        return (f"takes {got.nbytes} of the {len(case.data)} bytes for it: "
                + line_of(Entry(way.frame, 0, case.data, got)))
    if meaning(pairing, sent, way.is_old_writer) == meaning(pairing, got, not way.is_old_writer):
        return None
    return f"reads it as {line_of(Entry(way.frame, 0, case.data, got))}{_flags(got)}"


def _flags(message: Message) -> str:
    """What the line of an answer does not show."""
    if message.frame.name == "request":
        return ""
    mark = message.frame.correlate.name
    more = ", more to come" if _has_more(message) else ", the last frame"
    return f" (of {mark} {message.values[mark]!r}{more})"


def _has_more(message: Message) -> bool:
    selector = message.frame.selector
    return isinstance(selector.type, m.Enum) and any(
        v.more and v.value == message.values[selector.name] for v in selector.type.values)


def meaning(pairing: Pairing, message: Message, is_old: bool) -> dict[str, Any]:
    """What a program sees, under the old names."""
    made: dict[str, Any] = {"": (_has_more(message), message.values[message.frame.correlate.name])}
    for f in message.frame.fields:
        name = _old(pairing, is_old, message.frame.name, f.name)
        value = message.values[f.name]
        body = message.bodies.get(f.name)
        use = message.shape.use(f.name) if message.shape else None
        if body is not None and use is not None and isinstance(use.body, m.Struct):
            owner = f"struct {use.body.name}"
            fields = {_old(pairing, is_old, owner, x.name): _value(pairing, x, body[x.name], is_old)
                      for x in use.body.fields}
            is_plain = len(use.body.fields) == 1 and use.body.fields[0].is_bytes
            made[name] = value if is_plain else fields
        elif isinstance(f.type, m.Selector) and message.call is not None:
            made[name] = _old(pairing, is_old, "call", message.call.name)
        elif value != b"":
            made[name] = _value(pairing, f, value, is_old)
    return made


def _value(pairing: Pairing, f: m.Field, value: Union[int, bytes], is_old: bool) -> Any:
    if isinstance(f.type, m.Enum):
        label = next(v.name for v in f.type.values if v.value == value)
        return _old(pairing, is_old, f"enum {f.type.name}", label)
    return value
