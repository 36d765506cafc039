# SPDX-License-Identifier: Apache-2.0
"""What a receiver makes of bytes, straight from the model: the parser of a frame in plain Python.

    bytes ─ read_frame ─► Message | Refusal | Incomplete        as the generated parser
    Message of an answer ─ read_answer ─► Message | Refusal     as the generated client

A new kind of field type is a function registered with `_read`.
"""
from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import singledispatchmethod
from typing import Any, Literal, Union

import model as m
from cli import Failure

Value = Union[int, bytes]
Values = dict[str, Value]
Buffer = Union[bytes, bytearray]


@dataclass(frozen=True)
class Message:
    """A whole frame. `bodies` has the fields of each typed body; what it is in is in `values`."""

    frame: m.Frame
    call: m.Call | None      # of an answer: the call that it answers, if that is known
    shape: m.Shape | None
    values: Values
    nbytes: int
    starts: dict[str, int] = field(default_factory=dict)
    bodies: dict[str, Values] = field(default_factory=dict)


@dataclass(frozen=True)
class Refusal:
    """These bytes are not this protocol; `offset` counts from the frame's first byte."""

    offset: int
    field: str
    reason: str


@dataclass(frozen=True)
class Incomplete:
    """So far nothing is wrong; the frame has at least `needed` bytes, and ends in `field`."""

    needed: int
    field: str


Outcome = Union[Message, Refusal, Incomplete]


class Stop(Exception):
    """Ends the reading of a frame."""

    def __init__(self, outcome: Union[Refusal, Incomplete]) -> None:
        super().__init__()
        self.outcome = outcome


def read_frame(p: m.Protocol, frame: m.Frame, data: Buffer, at: int = 0) -> Outcome:
    """The frame that begins at `at`."""
    try:
        return _Reader(p, frame, data, at).frame()
    except Stop as stop:
        return stop.outcome


def read_answer(p: m.Protocol, answer: Message, call: m.Call) -> Union[Message, Refusal]:
    """The answer to `call`, its body decoded, or why a client refuses it."""
    status = answer.values[answer.frame.selector.name]
    shapes = [*call.answers, *(p.any_call.answers if p.any_call else ())]
    shape = next((s for s in shapes if s.status and s.status.value == status), None)
    if shape is None:
        selector = answer.frame.selector.name
        return Refusal(answer.starts[selector], selector, "unknown")
    for f in answer.frame.fields:
        value, use = answer.values[f.name], shape.use(f.name)
        if isinstance(value, bytes) and len(value) > (use.max if use else 0):
            return Refusal(answer.starts[f.name], f.name, "long" if use else "unused")
    try:
        bodies = _bodies(p, shape, answer)
    except Stop as stop:
        assert isinstance(stop.outcome, Refusal)
        return stop.outcome
    return replace(answer, call=call, shape=shape, bodies=bodies)


class _Reader:
    def __init__(self, p: m.Protocol, frame: m.Frame, data: Buffer, start: int) -> None:
        self.p = p
        self.of = frame
        self.data = data
        self.start = start
        self.at = start
        self.order: Literal["big", "little"] = "big" if p.big_endian else "little"
        self.call: m.Call | None = None
        self.starts: dict[str, int] = {}

    def frame(self) -> Message:
        values: Values = {}
        for f in self.of.fields:
            self.starts[f.name] = self.at - self.start
            values[f.name] = self.read(f.type, f)
        shape = self.call.request if self.call else None
        message = Message(self.of, self.call, shape, values, self.at - self.start, self.starts)
        return replace(message, bodies=_bodies(self.p, shape, message)) if shape else message

    @singledispatchmethod
    def read(self, of: Any, f: m.Field) -> Value:
        raise Failure(f"the field '{f.name}' is a {type(of).__name__.lower()}, "
                      "which this command cannot read")

    @read.register(m.Scalar)
    def _(self, of: m.Scalar, f: m.Field) -> Value:
        return self.number(of.width, f)

    @read.register(m.Enum)
    def _(self, of: m.Enum, f: m.Field) -> Value:
        value = self.number(of.width, f)
        if value not in {v.value for v in of.values}:
            self.refuse(f, "unknown")
        return value

    @read.register(m.Selector)
    def _(self, of: m.Selector, f: m.Field) -> Value:
        value = self.number(of.width, f)
        self.call = next((c for c in self.p.calls if c.number == value), None)
        if self.call is None:
            self.refuse(f, "unknown")
        return value

    @read.register(m.Bytes)
    def _(self, of: m.Bytes, f: m.Field) -> Value:
        nbytes = self.number(of.width, f)
        least, most = 0, of.max
        if self.call is not None and self.call.request is not None:
            use = self.call.request.use(f.name)
            least, most = (use.min, use.max) if use else (0, 0)
        if nbytes < least:
            self.refuse(f, "short")
        if nbytes > most:
            self.refuse(f, "unused" if most == 0 else "long")
        return self.take(nbytes, f)

    def number(self, width: int, f: m.Field) -> int:
        return int.from_bytes(self.take(width, f), self.order)

    def take(self, nbytes: int, f: m.Field) -> bytes:
        end = self.at + nbytes
        if end > len(self.data):
            raise Stop(Incomplete(end - self.start, f.name))
        taken = bytes(self.data[self.at : end])
        self.at = end
        return taken

    def refuse(self, f: m.Field, reason: str) -> None:
        raise Stop(Refusal(self.starts[f.name], f.name, reason))


def _bodies(p: m.Protocol, shape: m.Shape, message: Message) -> dict[str, Values]:
    """The fields of every typed body; Stop at the first byte that does not fit."""
    bodies: dict[str, Values] = {}
    for use in shape.uses:
        if isinstance(use.body, m.Struct):
            data = message.values[use.field.name]
            assert isinstance(data, bytes)
            start = message.starts[use.field.name] + use.field.type.width
            bodies[use.field.name] = _body(p, use.body, data, start)
    return bodies


def _body(p: m.Protocol, struct: m.Struct, data: bytes, start: int) -> Values:
    order: Literal["big", "little"] = "big" if p.big_endian else "little"
    values: Values = {}
    at = 0
    for f in struct.fields:
        name = f"{struct.name}.{f.name}"
        if isinstance(f.type, m.Bytes):
            values[f.name] = data[at:]
            if len(data) - at > f.type.max:
                raise Stop(Refusal(start + at, name, "long"))
            at = len(data)
            continue
        if not isinstance(f.type, (m.Scalar, m.Enum)):
            raise Failure(f"'{name}' is a {type(f.type).__name__.lower()}, "
                          "which this command cannot read")
        if at + f.type.width > len(data):
            raise Stop(Refusal(start + at, name, "short"))
        value = int.from_bytes(data[at : at + f.type.width], order)
        if isinstance(f.type, m.Enum) and value not in {v.value for v in f.type.values}:
            raise Stop(Refusal(start + at, name, "unknown"))
        values[f.name] = value
        at += f.type.width
    if at < len(data):
        raise Stop(Refusal(start + at, struct.name, "long"))
    return values
