# SPDX-License-Identifier: Apache-2.0
"""Frames and typed bodies as bytes: encoding, and a parser that resumes at any byte.

A frame is numbers, and bytes that stand behind their length. It is read in segments: a run
of numbers that ends with a length, and then the bytes that the length counts.

    | type rid key_len | key … | val_len | val … |
      segment            bytes   segment   bytes

A length is held against its limit when its last byte has arrived, before anything behind
it is kept; so a parser never holds more than one frame's limit and what it is fed at once.
"""
from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import (Any, ClassVar, Dict, Generic, List, Mapping, Optional, Sequence, Tuple, Type,
                    TypeVar, Union)

from .errors import ProtocolError

UNKNOWN = "a value that is not in the description"
UNUSED = "must be empty here"
SHORT = "shorter than its lower limit"
LONG = "longer than its limit"

_FORMATS = {1: "B", 2: "H", 4: "I", 8: "Q"}


# ---- layouts: what generated code declares ----

@dataclass(frozen=True)
class Number:
    """An unsigned integer of `width` bytes; `among`: only these values."""

    name: str
    width: int
    among: Optional[Type[IntEnum]] = None


@dataclass(frozen=True)
class Counted:
    """At most `max` bytes behind a length of `width` bytes."""

    name: str
    width: int
    max: int


@dataclass(frozen=True)
class Rest:
    """At most `max` bytes up to the end of a body."""

    name: str
    max: int


def check_number(value: Any, field: Number) -> int:
    """`value`, if the field can hold it; TypeError or ValueError otherwise."""
    if not isinstance(value, int):
        raise TypeError(f"{field.name}: a number is expected, not {type(value).__name__}")
    if field.among is not None:
        if value not in field.among._value2member_map_:
            raise ValueError(f"{field.name}: {value} is no {field.among.__name__}")
    elif not 0 <= value < 1 << 8 * field.width:
        raise ValueError(f"{field.name}: {value} is not from 0 to {(1 << 8 * field.width) - 1}")
    return value


def check_bytes(value: Any, name: str, most: int) -> bytes:
    """`value` as bytes, if it is not longer than `most`; TypeError or ValueError otherwise."""
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError(f"{name}: bytes are expected, not {type(value).__name__}")
    data = bytes(value)
    if len(data) > most:
        raise ValueError(f"{name}: has {len(data)} bytes, the limit is {most}")
    return data


class Fault(Exception):
    """Why bytes are refused; `offset` counts from their first byte."""

    def __init__(self, offset: int, field: str, reason: str) -> None:
        super().__init__(offset, field, reason)
        self.offset = offset
        self.field = field
        self.reason = reason


class BodyLayout:
    """A typed body: numbers, and perhaps bytes up to its end."""

    def __init__(self, name: str, order: str, *fields: Union[Number, Rest]) -> None:
        self.name = name
        self.numbers = tuple(x for x in fields if isinstance(x, Number))
        self.rest = next((x for x in fields if isinstance(x, Rest)), None)
        self.struct = struct.Struct(order + "".join(_FORMATS[x.width] for x in self.numbers))
        self.min = self.struct.size
        self.max = self.min + (self.rest.max if self.rest is not None else 0)
        self.enums: List[Tuple[int, int, Number, Mapping[Any, Any]]] = []
        at = 0
        for place, x in enumerate(self.numbers):
            if x.among is not None:
                self.enums.append((place, at, x, x.among._value2member_map_))
            at += x.width

    def encode(self, values: Sequence[Any]) -> bytes:
        for x, value in zip(self.numbers, values):
            check_number(value, x)
        if self.rest is None:
            return self.struct.pack(*values)
        rest = check_bytes(values[-1], self.rest.name, self.rest.max)
        return self.struct.pack(*values[:-1]) + rest

    def decode(self, data: bytes) -> List[Any]:
        """The fields' values. Fault when the bytes are not this body."""
        if not self.min <= len(data) <= self.max:
            raise Fault(0, self.name, SHORT if len(data) < self.min else LONG)
        values: List[Any] = list(self.struct.unpack_from(data))
        for place, at, x, members in self.enums:
            member = members.get(values[place])
            if member is None:
                raise Fault(at, f"{self.name}.{x.name}", UNKNOWN)
            values[place] = member
        if self.rest is not None:
            values.append(data[self.min:])
        return values


_B = TypeVar("_B", bound="Body")


class Body:
    """A typed body of the description: what a call puts inside a bytes field."""

    LAYOUT: ClassVar[BodyLayout]

    def encode(self) -> bytes:
        """Its bytes. ValueError when a field is out of its range."""
        return self.LAYOUT.encode(list(vars(self).values()))

    @classmethod
    def decode(cls: Type[_B], data: bytes) -> _B:
        """The body in exactly these bytes; ProtocolError when they are none."""
        try:
            return cls(*cls.LAYOUT.decode(data))
        except Fault as fault:
            raise ProtocolError(fault.offset, fault.field, fault.reason) from None


@dataclass(frozen=True)
class Allowed:
    """What one call allows in a request: for each counted field its bounds, or its body."""

    fields: Tuple[Union[int, Type[Body]], ...]

    def bounds(self) -> Tuple[Tuple[int, int], ...]:
        return tuple((0, x) if isinstance(x, int) else (x.LAYOUT.min, x.LAYOUT.max)
                     for x in self.fields)


class _Step:
    """One number of a segment; `kind`: what is checked."""

    PLAIN, ENUM, CALL, LENGTH = range(4)

    def __init__(self, name: str, width: int, at: int, kind: int, members: Mapping[Any, Any],
                 most: int) -> None:
        self.name = name
        self.width = width
        self.at = at
        self.kind = kind
        self.members = members
        self.most = most


class _Segment:
    def __init__(self, order: str, steps: List[_Step], is_counted: bool) -> None:
        self.order = "big" if order == ">" else "little"
        self.struct = struct.Struct(order + "".join(_FORMATS[s.width] for s in steps))
        self.steps = steps
        self.is_counted = is_counted


class FrameLayout:
    """A frame's fields. `selector` names the field with the call or the status, `mark` the one
    that an answer shares with its request; `calls`: what each call allows, in a request."""

    def __init__(self, name: str, order: str, selector: str, mark: str,
                 fields: Sequence[Union[Number, Counted]],
                 calls: Optional[Mapping[int, Allowed]] = None) -> None:
        self.name = name
        self.fields = tuple(fields)
        names = [x.name for x in fields]
        self.selector = names.index(selector)
        self.mark = names.index(mark)
        self.mark_width = fields[self.mark].width
        self.counted = tuple(x for x in fields if isinstance(x, Counted))
        self.counted_places = tuple(i for i, x in enumerate(fields) if isinstance(x, Counted))
        self.head = sum(x.width for x in fields)
        self.max = self.head + sum(x.max for x in self.counted)
        self.calls: Optional[Dict[int, Allowed]] = dict(calls) if calls is not None else None
        self.bounds = {n: a.bounds() for n, a in self.calls.items()} if self.calls else {}
        self.any_bounds = tuple((0, x.max) for x in self.counted)
        self.segments: List[_Segment] = []
        steps: List[_Step] = []
        for place, x in enumerate(fields):
            at = sum(s.width for s in steps)
            steps.append(self._step(place, x, at))
            if isinstance(x, Counted):
                self.segments.append(_Segment(order, steps, True))
                steps = []
        if steps:
            self.segments.append(_Segment(order, steps, False))

    def _step(self, place: int, x: Union[Number, Counted], at: int) -> _Step:
        if isinstance(x, Counted):
            return _Step(x.name, x.width, at, _Step.LENGTH, {}, x.max)
        members = x.among._value2member_map_ if x.among is not None else {}
        is_call = place == self.selector and self.calls is not None
        kind = _Step.CALL if is_call else _Step.ENUM if members else _Step.PLAIN
        return _Step(x.name, x.width, at, kind, members, 0)

    def check(self, values: Sequence[Any]) -> List[Any]:
        """The values with bytes as bytes; TypeError or ValueError when a field cannot hold one."""
        return [check_number(v, x) if isinstance(x, Number) else check_bytes(v, x.name, x.max)
                for v, x in zip(values, self.fields)]

    def pack(self, values: Sequence[Any]) -> bytes:
        """The frame's bytes; the values are checked already."""
        pieces: List[bytes] = []
        place = 0
        for segment in self.segments:
            end = place + len(segment.steps)
            if segment.is_counted:
                counted = values[end - 1]
                pieces.append(segment.struct.pack(*values[place : end - 1], len(counted)))
                pieces.append(counted)
            else:
                pieces.append(segment.struct.pack(*values[place:end]))
            place = end
        return b"".join(pieces)


_F = TypeVar("_F", bound="Frame")


class Frame:
    """A frame as a value; `encode` and a Parser are each other's inverse."""

    LAYOUT: ClassVar[FrameLayout]

    def encode(self) -> bytes:
        """Its bytes. ValueError when a field is out of its range."""
        layout = self.LAYOUT
        return layout.pack(layout.check(list(vars(self).values())))


# ---- parsing ----

class Parser(Generic[_F]):
    """Bytes to frames of one kind, however the bytes are cut.

        parser = Parser(Response)
        parser.feed(data)
        while (frame := parser.next()) is not None:
            …
    """

    def __init__(self, frame: Type[_F]) -> None:
        self._frame = frame
        self._layout = frame.LAYOUT
        self._data = b""            # what is looked at
        self._at = 0                # in `_data`: where the frame begins
        self._tail = bytearray()    # has arrived behind `_data`
        self._begin = 0             # in the stream: where the frame begins
        self._want = 1              # so many bytes of the frame tell something new
        self._error: Optional[ProtocolError] = None
        self._restart()

    def feed(self, data: Union[bytes, bytearray, memoryview]) -> None:
        """Adds bytes of the stream. Take all frames out before the next ones are fed."""
        if self._at == len(self._data) and not self._tail:
            self._data = bytes(data)
            self._at = 0
        else:
            self._tail += data

    def next(self) -> Optional[_F]:
        """The next frame; None: more bytes are needed. ProtocolError, from then on always,
        when the bytes are not the protocol."""
        values = self.next_values()
        return None if values is None else self._frame(*values)

    def next_values(self) -> Optional[List[Any]]:
        """Like next(), but the frame's values only."""
        if self._error is not None:
            raise self._error
        while True:
            have = len(self._data) - self._at
            if self._tail:
                if have + len(self._tail) < self._want:
                    return None
                self._data = self._data[self._at:] + self._tail
                self._tail = bytearray()
                self._at = 0
                have = len(self._data)
            try:
                is_whole = self._read(have)
            except Fault as fault:
                self._error = ProtocolError(self._begin + fault.offset, fault.field, fault.reason)
                self._data, self._tail = b"", bytearray()
                raise self._error from None
            if not is_whole:
                return None
            values = self._values
            self._at += self._pos
            self._begin += self._pos
            self._restart()
            return values

    def need(self) -> Tuple[int, str]:
        """After next() has returned None: at least so many bytes are missing of the frame, and
        the field that the next one belongs to."""
        have = len(self._data) - self._at + len(self._tail)
        total = self._layout.head
        for place, (least, _) in enumerate(self._bounds):
            total += self._lengths[place] if place < len(self._lengths) else least
        return max(total - have, 1), self._awaited(have)

    @property
    def offset(self) -> int:
        """Bytes of the stream before the frame that is being read."""
        return self._begin

    @property
    def held(self) -> int:
        """Bytes that wait for the rest of their frame."""
        return len(self._data) - self._at + len(self._tail)

    def _restart(self) -> None:
        self._segment = 0
        self._pos = 0               # in the frame: where the segment begins
        self._values: List[Any] = []
        self._lengths: List[int] = []   # of the counted fields that are known
        self._bounds = self._layout.any_bounds
        if self._layout.calls is not None:
            self._bounds = tuple((0, most) for _, most in self._bounds)
        self._want = 1

    def _read(self, have: int) -> bool:
        """Reads on in the frame, of which `have` bytes are there. True: it is complete."""
        layout = self._layout
        while self._segment < len(layout.segments):
            segment = layout.segments[self._segment]
            end = self._pos + segment.struct.size
            if have < end:
                self._read_part(segment, have)
                return False
            numbers = list(segment.struct.unpack_from(self._data, self._at + self._pos))
            self._check(segment, numbers)
            if segment.is_counted:
                length = numbers.pop()
                self._lengths[self._segment :] = [length]
                if have < end + length:
                    self._want = end + length
                    return False
                start = self._at + end
                numbers.append(self._data[start : start + length])
                end += length
            self._values += numbers
            self._pos = end
            self._segment += 1
        if layout.calls is not None:
            self._check_bodies(layout)
        return True

    def _read_part(self, segment: _Segment, have: int) -> None:
        """Checks the numbers of a segment that are there already."""
        numbers: List[int] = []
        for step in segment.steps:
            at = self._pos + step.at
            if have < at + step.width:
                self._want = at + step.width
                break
            start = self._at + at
            order: Any = segment.order
            numbers.append(int.from_bytes(self._data[start : start + step.width], order))
        self._check(segment, numbers)

    def _check(self, segment: _Segment, numbers: List[Any]) -> None:
        for place, (step, number) in enumerate(zip(segment.steps, numbers)):
            if step.kind == _Step.PLAIN:
                continue
            at = self._pos + step.at
            if step.kind == _Step.LENGTH:
                least, most = self._bounds[self._segment]
                if number < least:
                    raise Fault(at, step.name, SHORT)
                if number > most:
                    raise Fault(at, step.name, LONG if most else UNUSED)
                continue
            member = step.members.get(number)
            if member is None:
                raise Fault(at, step.name, UNKNOWN)
            numbers[place] = member
            if step.kind == _Step.CALL:
                self._bounds = self._layout.bounds[number]

    def _check_bodies(self, layout: FrameLayout) -> None:
        assert layout.calls is not None
        end = 0
        for x, value in zip(layout.fields, self._values):
            end += x.width + (len(value) if isinstance(x, Counted) else 0)
            if not isinstance(x, Counted):
                continue
            body = layout.calls[self._values[layout.selector]].fields[layout.counted.index(x)]
            if isinstance(body, int):
                continue
            try:
                body.LAYOUT.decode(value)
            except Fault as fault:
                start = end - len(value)
                raise Fault(start + fault.offset, fault.field, fault.reason) from None

    def _awaited(self, have: int) -> str:
        """The field that the byte at `have` belongs to."""
        at = 0
        counted = 0
        name = self._layout.fields[0].name
        for x in self._layout.fields:
            if have < at:
                break
            name = x.name
            at += x.width
            if isinstance(x, Counted):
                if counted == len(self._lengths):
                    break
                at += self._lengths[counted]
                counted += 1
        return name
