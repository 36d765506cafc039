# SPDX-License-Identifier: Apache-2.0
"""A message's values to bytes: every part as it is given; lengths and counts that are not are worked out."""
from __future__ import annotations

import re
from functools import singledispatch
from typing import Any

import model as m
from cli import Failure
from expressions import evaluate
from interpret_parts import arm_of


class Misfit(Failure):
    """A value that cannot be one; `path` names the parts that lead to it, the outermost first."""

    def __init__(self, text: str, path: tuple[str, ...] = (), is_missing: bool = False) -> None:
        super().__init__(text)
        self.path = path
        self.is_missing = is_missing


def encode_parts(parts: tuple[m.Part, ...], fields: dict[str, Any], place: str) -> bytes:
    """The bytes of all parts; Misfit when a value is missing or cannot be one."""
    return _Encoding(parts, fields, place).data()


class _Encoding:
    """The parts of one message or struct while they are put together."""

    def __init__(self, parts: tuple[m.Part, ...], fields: dict[str, Any], place: str) -> None:
        self.place = place
        self.fields = fields
        self.made: dict[str, bytes] = {}
        self.numbers: dict[str, int] = {}
        self.pending: dict[str, m.Part] = {}  # lengths and counts of what is still to come
        self.ahead: list[str] = []
        for name in fields:
            if all(part.name != name for part in parts):
                raise Misfit(f"{place}: there is no field '{name}'", (name,))
        for part in parts:
            try:
                self.put(part)
            except Misfit as misfit:
                raise Misfit(str(misfit), (part.name, *misfit.path), misfit.is_missing) from None
        for name in self.pending:
            raise Misfit(f"{place}: '{name}' is missing", (name,), True)

    def put(self, part: m.Part) -> None:
        self.made[part.name] = b""
        place = f"{self.place}: '{part.name}'"
        if part.condition is not None and not self.worked_out(part.condition, place):
            self.numbers[part.name] = 0
            return
        value = _number(part, self.fields.get(part.name), self.place)
        if value is None and part.derived is not None:
            self.pending[part.name] = part
            return
        if isinstance(value, int):
            self.numbers[part.name] = value
        try:
            data = put_part(part.type, value, self.numbers, place)
        except KeyError as error:
            raise Misfit(f"{place} needs the number {error}, which is not known before it") from None
        self.made[part.name] = data
        if isinstance(part.type, m.Integer) and part.type.ahead:
            self.ahead.append(part.name)
        count = len(value) if isinstance(value, list) else 0
        for name, number in list(self.pending.items()):
            if number.derived is not None and number.derived.about == part.name:
                self.derive(number, count if number.derived.is_count else len(data))

    def derive(self, number: m.Part, size: int) -> None:
        how = number.derived
        assert how is not None
        place = f"{self.place}: '{number.name}'"
        value, odd = divmod(size - (self.worked_out(how.rest, place) if how.rest is not None else 0),
                            how.scale)
        if odd:
            raise Misfit(f"{place} cannot say that '{how.about}' has {size}")
        self.numbers[number.name] = value
        self.made[number.name] = put_part(number.type, value, self.numbers, place)
        del self.pending[number.name]

    def worked_out(self, e: m.Expression, place: str) -> int:
        try:
            return evaluate(e, self.numbers)
        except KeyError as error:
            raise Misfit(f"{place} needs the number {error}, which is not known before it") from None

    def data(self) -> bytes:
        made = b"".join(chunk for name, chunk in self.made.items() if name not in self.ahead)
        at = 0
        for name, chunk in self.made.items():
            if name not in self.ahead:
                at += len(chunk)
            elif made[at : at + len(chunk)] != chunk:
                raise Misfit(f"{self.place}: '{name}' is not what the next bytes begin with", (name,))
        return made


def _number(part: m.Part, value: Any, place: str) -> Any:
    """An enum's value by its name, or the value as it is."""
    enum = part.type.enum if isinstance(part.type, m.Integer) else None
    if value is None and part.value is not None:
        return part.value
    if enum is None or not isinstance(value, str):
        return value
    found = [v.value for v in enum.values if v.name == value]
    if not found:
        raise Misfit(f"{place}: enum {enum.name} has no value '{value}'")
    return found[0]


@singledispatch
def put_part(of: Any, value: Any, numbers: dict[str, int], place: str) -> bytes:
    """The bytes of one part, whose kind is `of`; Failure when `value` cannot be one."""
    raise Misfit(f"{place} is a {type(of).__name__.lower()}, which this command cannot write")


@put_part.register(m.Integer)
def _(of: m.Integer, value: Any, numbers: dict[str, int], place: str) -> bytes:
    number = _integer(value, 8 * of.width, of.signed, place)
    return number.to_bytes(of.width, "big" if of.big_endian else "little", signed=of.signed)


@put_part.register(m.Varint)
def _(of: m.Varint, value: Any, numbers: dict[str, int], place: str) -> bytes:
    number = _integer(value, 8 * of.width, of.signed, place)
    if of.signed:
        number = number << 1 if number >= 0 else (-number << 1) - 1
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*made, number])


@put_part.register(m.Decimal)
def _(of: m.Decimal, value: Any, numbers: dict[str, int], place: str) -> bytes:
    return str(_integer(value, 8 * of.width, of.signed, place)).encode() + of.end


@put_part.register(m.Token)
def _(of: m.Token, value: Any, numbers: dict[str, int], place: str) -> bytes:
    data = _bytes(value, place)
    if (data + of.end).find(of.end) != len(data):
        raise Misfit(f"{place} holds the bytes that end it")
    if of.pattern is not None and not re.fullmatch(of.pattern, data, re.S):
        raise Misfit(f"{place} does not match its pattern")
    return data + of.end


@put_part.register(m.Literal)
def _(of: m.Literal, value: Any, numbers: dict[str, int], place: str) -> bytes:
    return of.data


@put_part.register(m.Filler)
def _(of: m.Filler, value: Any, numbers: dict[str, int], place: str) -> bytes:
    data = bytes(of.size) if value is None else _bytes(value, place)
    if len(data) != of.size:
        raise Misfit(f"{place} has {of.size} bytes")
    return data


@put_part.register(m.Counted)
def _(of: m.Counted, value: Any, numbers: dict[str, int], place: str) -> bytes:
    data = _bytes(value, place)
    if len(data) >= 1 << (8 * of.width):
        raise Misfit(f"{place} has {len(data)} bytes, more than its length can say")
    return len(data).to_bytes(of.width, "big" if of.big_endian else "little") + data


@put_part.register(m.Sized)
def _(of: m.Sized, value: Any, numbers: dict[str, int], place: str) -> bytes:
    return _bytes(value, place)


@put_part.register(m.Array)
def _(of: m.Array, value: Any, numbers: dict[str, int], place: str) -> bytes:
    if not isinstance(value, list) or not all(isinstance(x, dict) for x in value):
        raise Misfit(f"{place} {'is missing' if value is None else 'is a list of structs'}", (), value is None)
    return b"".join(encode_parts(of.element.parts, x, place) for x in value)


@put_part.register(m.Choice)
def _(of: m.Choice, value: Any, numbers: dict[str, int], place: str) -> bytes:
    arm = arm_of(of, evaluate(of.tag, numbers))
    if arm is None:
        raise Misfit(f"{place} has nothing for {evaluate(of.tag, numbers)}")
    return _struct(arm.struct, value, place) if arm.struct is not None else b""


@put_part.register(m.Struct)
def _(of: m.Struct, value: Any, numbers: dict[str, int], place: str) -> bytes:
    return _struct(of, value, place)


def _struct(of: m.Struct, value: Any, place: str) -> bytes:
    if not isinstance(value, dict):
        raise Misfit(f"{place} {'is missing' if value is None else 'is a struct'}", (), value is None)
    return encode_parts(of.parts, value, place)


def _integer(value: Any, bits: int, signed: bool, place: str) -> int:
    least, most = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Misfit(f"{place} {'is missing' if value is None else 'is a number'}", (), value is None)
    if not least <= value <= most:
        raise Misfit(f"{place} is a number of {bits} bits")
    return value


def _bytes(value: Any, place: str) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", errors="surrogatepass")
    if not isinstance(value, bytes):
        raise Misfit(f"{place} {'is missing' if value is None else 'is a text'}", (), value is None)
    return value
