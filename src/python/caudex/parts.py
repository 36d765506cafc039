# SPDX-License-Identifier: Apache-2.0
"""Messages that are no frames of calls: their bytes, and a parser that resumes at any byte.

Generated classes say of which parts they consist. A reader is a generator that yields how many
bytes it waits for, so it goes on where it was, however deep in the message that is.

    bytes ─ feed ─► MessageParser ─ next ─► message ─ encode ─► bytes
"""
from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import (Any, Callable, ClassVar, Dict, Generator, Generic, List, Mapping, NoReturn,
                    Optional, Sequence, Tuple, Type, TypeVar, Union)

from .errors import ProtocolError
from .wire import Fault, check_bytes

UNKNOWN = "a value that is not in the description"
LONG = "longer than its limit"
LITERAL = "not the constant that belongs here"
RANGE = "a number outside its limits"
OVERRUN = "reaches past the end of what holds it"
TRAILING = "bytes behind the last field"
CONFLICT = "lengths that contradict each other"
SYNTAX = "a byte that cannot stand here"

Numbers = Mapping[str, int]
Formula = Callable[[Numbers], int]
# Yields how many bytes are missing at least.
Reading = Generator[int, None, Any]


# ---- kinds of parts: what generated code declares ----

@dataclass(frozen=True)
class Integer:
    """An integer of `width` bytes; `ahead`: what follows begins with these bytes."""

    width: int
    order: str
    signed: bool = False
    among: Optional[Type[Union[IntEnum, IntFlag]]] = None
    is_open: bool = False
    ahead: bool = False

    def encode(self, value: int) -> bytes:
        return value.to_bytes(self.width, self.order, signed=self.signed)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Varint:
    """Seven bits a byte, lowest first; signed: zigzag."""

    width: int
    signed: bool = False

    def encode(self, value: int) -> bytes:
        number = value if not self.signed else value << 1 if value >= 0 else (-value << 1) - 1
        made = bytearray()
        while number > 0x7F:
            made.append(number & 0x7F | 0x80)
            number >>= 7
        made.append(number)
        return bytes(made)


@dataclass(frozen=True)
class Decimal:
    """Decimal digits up to `end`."""

    width: int
    end: bytes
    signed: bool = False

    def encode(self, value: int) -> bytes:
        return b"%d" % value + self.end


@dataclass(frozen=True)
class Text:
    """At most `max` bytes up to `end`, which match the pattern."""

    end: bytes
    max: int
    pattern: Optional[bytes] = None

    def matches(self, data: bytes) -> bool:
        return self.pattern is None or re.fullmatch(self.pattern, data, re.S) is not None


@dataclass(frozen=True)
class Literal:
    """Always these bytes."""

    data: bytes


@dataclass(frozen=True)
class Filler:
    """Bytes that say nothing; `zero`: zeros."""

    size: int
    zero: bool


@dataclass(frozen=True)
class Counted:
    """At most `max` bytes behind their length."""

    width: int
    order: str
    max: int


@dataclass(frozen=True)
class Sized:
    """Bytes whose length is said elsewhere; without `length` what is left of the bound."""

    length: Optional[Formula]
    max: int


@dataclass(frozen=True)
class Array:
    """Structs: `count`, or as many as fill the bound; in at most `room` bytes."""

    element: Type["Record"]
    count: Optional[Formula]
    max: int
    room: Optional[int] = None


@dataclass(frozen=True)
class Choice:
    """The struct that belongs to a value; `other` for all that have none of their own."""

    tag: Formula
    arms: Mapping[int, Optional[Type["Record"]]]
    other: Optional[Type["Record"]] = None
    has_other: bool = False

    def arm(self, tag: int) -> Optional[Type["Record"]]:
        """KeyError: there is nothing for it."""
        return self.arms.get(tag, self.other) if self.has_other else self.arms[tag]


@dataclass(frozen=True)
class Inner:
    """A struct."""

    record: Type["Record"]


Kind = Union[Integer, Varint, Decimal, Text, Literal, Filler, Counted, Sized, Array, Choice, Inner]
_NUMBERS = (Integer, Varint, Decimal)


@dataclass(frozen=True)
class Derived:
    """What finds a number: the bytes or elements of part `about` are scale * number + rest."""

    about: str
    is_count: bool
    scale: int
    rest: Optional[Formula] = None


@dataclass(frozen=True)
class Part:
    """A field on the wire. `member`: its attribute; "" where programs need none."""

    name: str
    kind: Kind
    member: str = ""
    value: Optional[int] = None
    within: Optional[Formula] = None
    most: int = 0                       # bytes of what is within
    condition: Optional[Formula] = None
    wheres: Tuple[Tuple[Formula, str], ...] = ()
    derived: Optional[Derived] = None


# ---- messages and structs ----

class Record:
    """A message or struct: a dataclass with its parts in PARTS."""

    NAME: ClassVar[str]
    PARTS: ClassVar[Tuple[Part, ...]]

    def encode(self) -> bytes:
        """Its bytes; lengths and counts are worked out. ValueError or TypeError when a field
        cannot be written: the text begins with its name."""
        return _Writer(self).data()


class _Writer:
    def __init__(self, record: Record) -> None:
        self.record = record
        self.numbers: Dict[str, int] = {}
        self.made: Dict[str, bytes] = {}
        self.counts: Dict[str, int] = {}

    def data(self) -> bytes:
        parts = self.record.PARTS
        late: List[Part] = []
        for part in parts:
            if part.derived is not None:
                self.made[part.name] = b""
                late.append(part)
                continue
            self.part(part)
            late = [x for x in late if not self.find(x)]
        self.check(parts)
        return self.joined(parts)

    def part(self, part: Part) -> None:
        kind = part.kind
        value = getattr(self.record, part.member) if part.member else part.value
        if part.condition is not None and not part.condition(self.numbers):
            if value is not None and part.member:
                raise ValueError(f"{part.name}: it is not there in such a message")
            self.made[part.name] = b""
            self.numbers[part.name] = 0
            return
        if isinstance(kind, _NUMBERS):
            self.numbers[part.name] = _number(value, part)
            self.made[part.name] = kind.encode(self.numbers[part.name])
        elif isinstance(kind, Literal):
            self.made[part.name] = kind.data
        elif isinstance(kind, Filler):
            self.made[part.name] = bytes(kind.size)
        elif isinstance(kind, (Text, Counted, Sized)):
            self.made[part.name] = _bytes(value, part, kind)
        elif isinstance(kind, Array):
            self.array(part, kind, value)
        else:
            self.struct(part, kind, value)

    def array(self, part: Part, kind: Array, value: Any) -> None:
        if not isinstance(value, (list, tuple)) or not all(
                isinstance(x, kind.element) for x in value):
            raise TypeError(f"{part.name}: a list of {kind.element.__name__} is expected")
        if len(value) > kind.max:
            raise ValueError(f"{part.name}: has {len(value)} elements, the limit is {kind.max}")
        self.counts[part.name] = len(value)
        data = b"".join(x.encode() for x in value)
        if kind.room is not None and len(data) > kind.room:
            raise ValueError(f"{part.name}: has {len(data)} bytes, the limit is {kind.room}")
        self.made[part.name] = data

    def struct(self, part: Part, kind: Union[Choice, Inner], value: Any) -> None:
        record: Optional[Type[Record]]
        if isinstance(kind, Inner):
            record = kind.record
        else:
            tag = kind.tag(self.numbers)
            try:
                record = kind.arm(tag)
            except KeyError:
                raise ValueError(f"{part.name}: there is nothing for {tag}") from None
        if record is None:
            if value is not None:
                raise TypeError(f"{part.name}: None is expected, not {type(value).__name__}")
            self.made[part.name] = b""
        elif not isinstance(value, record):
            raise TypeError(
                f"{part.name}: {record.__name__} is expected, not {type(value).__name__}")
        else:
            self.made[part.name] = value.encode()

    def find(self, part: Part) -> bool:
        """Works out a number once the part that it speaks of is there."""
        how = part.derived
        assert how is not None
        if how.about not in self.made:
            return False
        size = self.counts[how.about] if how.is_count else len(self.made[how.about])
        try:
            rest = how.rest(self.numbers) if how.rest is not None else 0
        except KeyError:
            return False
        value, odd = divmod(size - rest, how.scale)
        if odd:
            raise ValueError(f"{how.about}: {part.name} cannot say {size}")
        self.numbers[part.name] = _number(value, part)
        assert isinstance(part.kind, _NUMBERS)
        self.made[part.name] = part.kind.encode(value)
        return True

    def check(self, parts: Sequence[Part]) -> None:
        """What a reader would hold against the parts, too."""
        for part in parts:
            kind = part.kind
            size = len(self.made[part.name])
            if part.condition is not None and not part.condition(self.numbers):
                continue
            if part.within is not None and part.within(self.numbers) != size:
                raise ValueError(f"{part.name}: {CONFLICT}")
            if isinstance(kind, Sized) and kind.length is not None:
                if kind.length(self.numbers) != size:
                    raise ValueError(f"{part.name}: {CONFLICT}")
            if isinstance(kind, Array) and kind.count is not None:
                if kind.count(self.numbers) != self.counts[part.name]:
                    raise ValueError(f"{part.name}: {CONFLICT}")
            for test, text in part.wheres:
                if not test(self.numbers):
                    raise ValueError(f"{part.name}: {text}")

    def joined(self, parts: Sequence[Part]) -> bytes:
        data = bytearray()
        announced: List[Tuple[int, Part]] = []
        for part in parts:
            if isinstance(part.kind, Integer) and part.kind.ahead:
                announced.append((len(data), part))
            else:
                data += self.made[part.name]
        for at, part in announced:
            if not data.startswith(self.made[part.name], at):
                raise ValueError(f"{part.name}: other bytes follow")
        return bytes(data)


def _number(value: Any, part: Part) -> int:
    kind = part.kind
    assert isinstance(kind, _NUMBERS)
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{part.name}: a number is expected, not {type(value).__name__}")
    if isinstance(kind, Integer) and kind.among is not None and not _is_known(kind, value):
        raise ValueError(f"{part.name}: {value} is no {kind.among.__name__}")
    bits = 8 * kind.width
    low, high = (-1 << bits - 1, (1 << bits - 1) - 1) if kind.signed else (0, (1 << bits) - 1)
    if not low <= value <= high:
        raise ValueError(f"{part.name}: {value} is not from {low} to {high}")
    return int(value)


def _is_known(kind: Integer, value: int) -> bool:
    assert kind.among is not None
    if kind.is_open:
        return True
    if issubclass(kind.among, IntFlag):
        mask = 0
        for member in kind.among:
            mask |= member.value
        return not value & ~mask
    return value in kind.among._value2member_map_


def _bytes(value: Any, part: Part, kind: Union[Text, Counted, Sized]) -> bytes:
    data = check_bytes(value, part.name, kind.max)
    if isinstance(kind, Counted):
        return len(data).to_bytes(kind.width, kind.order) + data  # type: ignore[arg-type]
    if isinstance(kind, Text):
        if (data + kind.end).find(kind.end) != len(data):
            raise ValueError(f"{part.name}: holds the bytes that end it")
        if not kind.matches(data):
            raise ValueError(f"{part.name}: does not match its pattern")
        return data + kind.end
    return data


# ---- parsing ----

_R = TypeVar("_R", bound=Record)


class MessageParser(Generic[_R]):
    """Bytes to messages of one kind, however the bytes are cut.

        parser = MessageParser(Command)
        parser.feed(data)
        while (command := parser.next()) is not None:
            …

    It keeps the bytes of one message, at most what the description allows, and what it is fed.
    """

    def __init__(self, message: Type[_R]) -> None:
        self._message = message
        self._data = bytearray()
        self._begin = 0             # in the stream: where the message begins
        self._error: Optional[ProtocolError] = None
        self._want = 0              # bytes of the message without which nothing goes on
        self._reader = _Reader(self._data)
        self._reading: Reading = self._reader.record(message, "", None)

    def feed(self, data: Union[bytes, bytearray, memoryview]) -> None:
        """Adds bytes of the stream. Take all messages out before the next ones are fed."""
        self._data += data

    def next(self) -> Optional[_R]:
        """The next message; None: more bytes are needed. ProtocolError, from then on always,
        when the bytes are not the protocol."""
        if self._error is not None:
            raise self._error
        if len(self._data) < self._want:
            return None
        try:
            self._want = len(self._data) + next(self._reading)
        except StopIteration as stop:
            made: _R = stop.value
            del self._data[: self._reader.at]
            self._begin += self._reader.at
            self._reader = _Reader(self._data)
            self._reading = self._reader.record(self._message, "", None)
            self._want = 0
            return made
        except Fault as fault:
            self._error = ProtocolError(self._begin + fault.offset, fault.field, fault.reason)
            self._data.clear()
            raise self._error from None
        return None

    def need(self) -> Tuple[int, str]:
        """After next() has returned None: at least so many bytes are missing of the message, and
        the field that waits for them."""
        return max(self._want - len(self._data), 1), self._reader.field

    @property
    def offset(self) -> int:
        """Bytes of the stream before the message that is being read."""
        return self._begin

    @property
    def held(self) -> int:
        """Bytes that wait for the rest of their message."""
        return len(self._data)


class _Reader:
    """Reads one message from the beginning of `data`, which grows."""

    def __init__(self, data: bytearray) -> None:
        self.data = data
        self.at = 0
        self.field = ""
        self.start = 0

    def record(self, of: Type[Record], owner: str, bound: Optional[int]) -> Reading:
        numbers: Dict[str, int] = {}
        members: Dict[str, Any] = {}
        for part in of.PARTS:
            value: Any = None
            if part.condition is None or part.condition(numbers):
                value = yield from self.part(part, owner, bound, numbers)
            else:
                numbers[part.name] = 0
            if part.member:
                members[part.member] = value
        return of(**members)

    def part(self, part: Part, owner: str, bound: Optional[int],
             numbers: Dict[str, int]) -> Reading:
        start, name = self.at, owner + part.name
        self.start, self.field = start, name
        if part.within is not None:
            nbytes = self.length(part.within, numbers)
            if nbytes > part.most:
                self.refuse(LONG)
            end = start + nbytes
            if bound is not None and end > bound:
                self.refuse(OVERRUN)
            bound = end
        value = yield from self.kind(part.kind, bound, numbers)
        self.start, self.field = self.at, name
        if part.within is not None and self.at != bound:
            self.refuse(TRAILING)
        self.start = start
        if isinstance(part.kind, _NUMBERS):
            numbers[part.name] = int(value)
            if part.value is not None and value != part.value:
                self.refuse(LITERAL)
        for test, text in part.wheres:
            if not test(numbers):
                self.refuse(text)
        return value

    def kind(self, kind: Kind, bound: Optional[int], numbers: Dict[str, int]) -> Reading:
        if isinstance(kind, Integer):
            return (yield from self.integer(kind, bound))
        if isinstance(kind, Varint):
            return (yield from self.varint(kind, bound))
        if isinstance(kind, Decimal):
            return (yield from self.decimal(kind, bound))
        if isinstance(kind, Text):
            text = yield from self.until(kind.end, kind.max, bound)
            if not kind.matches(text):
                self.refuse(SYNTAX)
            return text
        if isinstance(kind, Literal):
            for byte in kind.data:
                taken = yield from self.take(1, bound)
                if taken[0] != byte:
                    self.refuse(LITERAL)
            return kind.data
        if isinstance(kind, Filler):
            data = yield from self.take(kind.size, bound)
            if kind.zero and any(data):
                self.refuse(LITERAL)
            return data
        if isinstance(kind, (Counted, Sized)):
            return (yield from self.run(kind, bound, numbers))
        if isinstance(kind, Array):
            return (yield from self.array(kind, bound, numbers))
        return (yield from self.struct(kind, bound, numbers))

    def integer(self, kind: Integer, bound: Optional[int]) -> Reading:
        data = yield from self.take(kind.width, bound)
        value = int.from_bytes(data, kind.order, signed=kind.signed)  # type: ignore[arg-type]
        if kind.ahead:
            self.at -= kind.width
        if kind.among is None:
            return value
        if not _is_known(kind, value):
            self.refuse(UNKNOWN)
        if issubclass(kind.among, IntFlag):
            return kind.among(value)
        return kind.among._value2member_map_.get(value, value)

    def varint(self, kind: Varint, bound: Optional[int]) -> Reading:
        value = shift = 0
        while True:
            byte = (yield from self.take(1, bound))[0]
            value |= (byte & 0x7F) << shift
            if value >= 1 << 8 * kind.width:
                self.refuse(RANGE)
            if byte < 0x80:
                break
            shift += 7
            if shift >= 8 * kind.width:
                self.refuse(RANGE)
        if byte == 0 and shift > 0:
            self.refuse(SYNTAX)
        return value >> 1 ^ -(value & 1) if kind.signed else value

    def decimal(self, kind: Decimal, bound: Optional[int]) -> Reading:
        least, most = (-1 << 8 * kind.width - 1, (1 << 8 * kind.width - 1) - 1) if kind.signed else (
            0, (1 << 8 * kind.width) - 1)
        begin = self.at
        value = count = ended = 0
        sign = 1
        while ended < len(kind.end):
            byte = (yield from self.take(1, bound))[0]
            if kind.signed and byte == ord("-") and self.at == begin + 1:
                sign, most = -1, -least
            elif (ended or count) and byte == kind.end[ended]:
                ended += 1
            elif ended or not ord("0") <= byte <= ord("9") or (count and not value):
                self.refuse(SYNTAX)
            else:
                value = value * 10 + byte - ord("0")
                count += 1
                if value > most:
                    self.refuse(RANGE)
        if sign < 0 and value == 0:
            self.refuse(SYNTAX)
        return sign * value

    def run(self, kind: Union[Counted, Sized], bound: Optional[int],
            numbers: Dict[str, int]) -> Reading:
        if isinstance(kind, Counted):
            data = yield from self.take(kind.width, bound)
            nbytes = int.from_bytes(data, kind.order)  # type: ignore[arg-type]
            if nbytes <= kind.max:
                self.start = self.at    # what is missing is missing there
        elif kind.length is not None:
            nbytes = self.length(kind.length, numbers)
        else:
            nbytes = (bound or 0) - self.at
        if nbytes > kind.max:
            self.refuse(LONG)
        return (yield from self.take(nbytes, bound))

    def array(self, kind: Array, bound: Optional[int], numbers: Dict[str, int]) -> Reading:
        field = self.field
        count = self.length(kind.count, numbers) if kind.count is not None else None
        if count is not None and count > kind.max:
            self.refuse(LONG)
        if kind.room is not None:
            end = self.at + kind.room
            bound = end if bound is None else min(bound, end)
        made: List[Any] = []
        while len(made) < count if count is not None else self.at < (bound or 0):
            if len(made) == kind.max:
                self.start, self.field = self.at, field
                self.refuse(LONG)
            made.append((yield from self.record(kind.element, f"{kind.element.NAME}.", bound)))
        return made

    def struct(self, kind: Union[Choice, Inner], bound: Optional[int],
               numbers: Dict[str, int]) -> Reading:
        record: Optional[Type[Record]]
        if isinstance(kind, Inner):
            record = kind.record
        else:
            try:
                record = kind.arm(kind.tag(numbers))
            except KeyError:
                self.refuse(UNKNOWN)
        if record is None:
            return None
        return (yield from self.record(record, f"{record.NAME}.", bound))

    def take(self, nbytes: int, bound: Optional[int]) -> Reading:
        end = self.at + nbytes
        if bound is not None and end > bound:
            self.refuse(OVERRUN)
        while end > len(self.data):
            yield end - len(self.data)
        taken = bytes(self.data[self.at : end])
        self.at = end
        return taken

    def until(self, end: bytes, most: int, bound: Optional[int]) -> Reading:
        """The bytes up to `end`, which is passed; at most `most` of them."""
        begin = self.at
        last = begin + most + len(end)
        if bound is not None and bound < last:
            last = bound
        while True:
            found = self.data.find(end, begin, last)
            if found >= 0:
                break
            if len(self.data) >= last:
                self.refuse(OVERRUN if last == bound else LONG)
            begin = max(begin, len(self.data) - len(end) + 1)
            yield 1
        text = bytes(self.data[self.at : found])
        self.at = found + len(end)
        return text

    def length(self, of: Formula, numbers: Dict[str, int]) -> int:
        value = of(numbers)
        if value < 0:
            self.refuse(CONFLICT)
        return value

    def refuse(self, reason: str) -> NoReturn:
        raise Fault(self.start, self.field, reason)
