# SPDX-License-Identifier: Apache-2.0
"""What a receiver makes of a message's bytes, part by part, straight from the model.

A part's bytes stay inside `bound`, the end of what holds them; numbers that were read are what
later parts' expressions speak of. A new kind of part is a method registered with `read`.
"""
from __future__ import annotations

import re
from dataclasses import dataclass
from functools import singledispatchmethod
from typing import Any, Literal, NoReturn, Union

import model as m
from cli import Failure
from expressions import evaluate
from interpret import Buffer, Incomplete, Refusal, Stop
from sizes import type_size

# A number by its name, a body as its fields, a list of bodies, or None for what is not there.
Fields = dict[str, Any]
VARINT_BITS = 7


@dataclass(frozen=True)
class Reading:
    """A whole message."""

    message: m.Message
    fields: Fields
    nbytes: int
    places: list[tuple[int, int, str, Any]]  # of what has no parts: start, bytes, name, value


def read_message(message: m.Message, data: Buffer,
                 at: int = 0) -> Union[Reading, Refusal, Incomplete]:
    """The message that begins at `at`."""
    reader = _Reader(data, at)
    try:
        fields = reader.parts(message.parts, None)
    except Stop as stop:
        return stop.outcome
    return Reading(message, fields, reader.at - at, reader.places)


class _Reader:
    def __init__(self, data: Buffer, start: int) -> None:
        self.data = data
        self.start = start
        self.at = start
        self.part_start = start
        self.places: list[tuple[int, int, str, Any]] = []
        self.holders: list[str] = []  # the parts around the one that is read

    def parts(self, parts: tuple[m.Part, ...], bound: int | None) -> Fields:
        fields: Fields = {}
        numbers: dict[str, int] = {}
        for part in parts:
            if part.condition is not None and not evaluate(part.condition, numbers):
                fields[part.name], numbers[part.name] = None, 0
                continue
            fields[part.name] = self.part(part, bound, numbers)
        return fields

    def part(self, part: m.Part, bound: int | None, numbers: dict[str, int]) -> Any:
        begin = self.part_start = self.at
        inner = bound
        if part.within is not None:
            nbytes = self.length(part.within, numbers, part)
            if nbytes > type_size(part.type)[1]:
                self.refuse(part, "long")
            inner = begin + nbytes
            if bound is not None and inner > bound:
                self.refuse(part, "overrun")
        self.holders.append(part.name)
        value = self.read(part.type, part, inner, numbers)
        if not isinstance(part.type, (m.Array, m.Choice, m.Struct)):
            name = ".".join(self.holders)
            self.places.append((begin - self.start, self.at - begin, name, value))
        self.holders.pop()
        if part.within is not None and self.at != inner:
            self.part_start = self.at
            self.refuse(part, "trailing")
        self.part_start = begin
        if isinstance(value, int):
            numbers[part.name] = value
            if part.value is not None and value != part.value:
                self.refuse(part, "literal")
        for where in part.wheres:
            if not evaluate(where.test, numbers):
                self.refuse(part, where.text)
        return value

    # ---- kinds ----

    @singledispatchmethod
    def read(self, of: Any, part: m.Part, bound: int | None, numbers: dict[str, int]) -> Any:
        raise Failure(f"the field '{part.name}' is a {type(of).__name__.lower()}, "
                      "which this command cannot read")

    @read.register(m.Integer)
    def _(self, of: m.Integer, part: m.Part, bound: int | None, numbers: dict[str, int]) -> Any:
        order: Literal["big", "little"] = "big" if of.big_endian else "little"
        value = int.from_bytes(self.take(of.width, part, bound), order, signed=of.signed)
        if of.ahead:
            self.at -= of.width
        enum = of.enum
        if enum is not None and not enum.is_open:
            known = not value & ~enum.mask if enum.is_flags else value in {
                v.value for v in enum.values}
            if not known:
                self.refuse(part, "unknown")
        return value

    @read.register(m.Varint)
    def _(self, of: m.Varint, part: m.Part, bound: int | None, numbers: dict[str, int]) -> Any:
        value = shift = 0
        while True:
            byte = self.take(1, part, bound)[0]
            value |= (byte & 0x7F) << shift
            if value >= 1 << (8 * of.width):
                self.refuse(part, "range")
            if byte < 0x80:
                break
            shift += VARINT_BITS
            if shift >= 8 * of.width:
                self.refuse(part, "range")
        if byte == 0 and shift > 0:
            self.refuse(part, "syntax")
        return value >> 1 ^ -(value & 1) if of.signed else value

    @read.register(m.Decimal)
    def _(self, of: m.Decimal, part: m.Part, bound: int | None, numbers: dict[str, int]) -> Any:
        least, most = (-1 << 8 * of.width - 1, (1 << 8 * of.width - 1) - 1) if of.signed else (
            0, (1 << 8 * of.width) - 1)
        begin = self.at
        value = count = ended = 0
        sign = 1
        while ended < len(of.end):
            byte = (self.take(1, part, bound))[0]
            if of.signed and byte == ord("-") and self.at == begin + 1:
                sign, most = -1, -least
            elif (ended or count) and byte == of.end[ended]:
                ended += 1
            elif ended or not ord("0") <= byte <= ord("9") or (count and not value):
                self.refuse(part, "syntax")
            else:
                value = value * 10 + byte - ord("0")
                count += 1
                if value > most:
                    self.refuse(part, "range")
        if sign < 0 and value == 0:
            self.refuse(part, "syntax")
        return sign * value

    @read.register(m.Token)
    def _(self, of: m.Token, part: m.Part, bound: int | None, numbers: dict[str, int]) -> Any:
        text = self.until(of.end, of.max, part, bound)
        if of.pattern is not None and not re.fullmatch(of.pattern, text, re.S):
            self.refuse(part, "syntax")
        return text

    @read.register(m.Literal)
    def _(self, of: m.Literal, part: m.Part, bound: int | None, numbers: dict[str, int]) -> Any:
        for byte in of.data:
            if self.take(1, part, bound)[0] != byte:
                self.refuse(part, "literal")
        return of.data

    @read.register(m.Filler)
    def _(self, of: m.Filler, part: m.Part, bound: int | None, numbers: dict[str, int]) -> Any:
        data = self.take(of.size, part, bound)
        if of.zero and any(data):
            self.refuse(part, "literal")
        return data

    @read.register(m.Counted)
    def _(self, of: m.Counted, part: m.Part, bound: int | None, numbers: dict[str, int]) -> Any:
        order: Literal["big", "little"] = "big" if of.big_endian else "little"
        nbytes = int.from_bytes(self.take(of.width, part, bound), order)
        if nbytes > of.max:
            self.refuse(part, "long")
        self.part_start = self.at
        return self.take(nbytes, part, bound)

    @read.register(m.Sized)
    def _(self, of: m.Sized, part: m.Part, bound: int | None, numbers: dict[str, int]) -> Any:
        if of.length is not None:
            nbytes = self.length(of.length, numbers, part)
        else:
            assert bound is not None
            nbytes = bound - self.at
        if nbytes > of.max:
            self.refuse(part, "long")
        return self.take(nbytes, part, bound)

    @read.register(m.Array)
    def _(self, of: m.Array, part: m.Part, bound: int | None, numbers: dict[str, int]) -> Any:
        count = self.length(of.count, numbers, part) if of.count is not None else None
        if count is not None and count > of.max:
            self.refuse(part, "long")
        made: list[Fields] = []
        if of.room is not None:
            bound = self.at + of.room if bound is None else min(bound, self.at + of.room)
        while len(made) < count if count is not None else self.at < (bound or 0):
            if len(made) == of.max:
                self.part_start = self.at
                self.refuse(part, "long")
            made.append(self.parts(of.element.parts, bound))
        return made

    @read.register(m.Choice)
    def _(self, of: m.Choice, part: m.Part, bound: int | None, numbers: dict[str, int]) -> Any:
        arm = arm_of(of, evaluate(of.tag, numbers))
        if arm is None:
            self.refuse(part, "unknown")
        return self.parts(arm.struct.parts, bound) if arm.struct is not None else {}

    @read.register(m.Struct)
    def _(self, of: m.Struct, part: m.Part, bound: int | None, numbers: dict[str, int]) -> Any:
        return self.parts(of.parts, bound)

    # ---- bytes ----

    def take(self, nbytes: int, part: m.Part, bound: int | None) -> bytes:
        end = self.at + nbytes
        if bound is not None and end > bound:
            self.refuse(part, "overrun")
        if end > len(self.data):
            raise Stop(Incomplete(end - self.start, part.name))
        taken = bytes(self.data[self.at : end])
        self.at = end
        return taken

    def until(self, end: bytes, most: int, part: m.Part, bound: int | None) -> bytes:
        """The bytes up to `end`, which is passed; at most `most` of them."""
        stop = len(self.data) if bound is None else min(bound, len(self.data))
        found = self.data.find(end, self.at, min(stop, self.at + most + len(end)))
        if found < 0 and stop - self.at >= most + len(end):
            self.refuse(part, "long")
        if found < 0:
            self.take(stop - self.at + 1, part, bound)
        text = self.take(found - self.at, part, bound)
        self.take(len(end), part, bound)
        return text

    def length(self, of: m.Expression, numbers: dict[str, int], part: m.Part) -> int:
        value = evaluate(of, numbers)
        if value < 0:
            self.refuse(part, "conflict")
        return value

    def refuse(self, part: m.Part, reason: str) -> NoReturn:
        raise Stop(Refusal(self.part_start - self.start, part.name, reason))


def arm_of(choice: m.Choice, tag: int) -> m.Arm | None:
    """What stands there for this value of the tag."""
    return next((arm for arm in choice.arms if tag in arm.values), choice.other)
