# SPDX-License-Identifier: Apache-2.0
"""A message's values to bytes: every part as it is given, lengths too; nothing is worked out."""
from __future__ import annotations

import re
from functools import singledispatch
from typing import Any

import model as m
from cli import Failure
from expressions import evaluate
from interpret_parts import arm_of


def encode_parts(parts: tuple[m.Part, ...], fields: dict[str, Any], place: str) -> bytes:
    """The bytes of all parts; Failure when a value is missing or cannot be one."""
    made = bytearray()
    numbers: dict[str, int] = {}
    announced: list[tuple[int, str, bytes]] = []
    for name in fields:
        if all(part.name != name for part in parts):
            raise Failure(f"{place}: there is no field '{name}'")
    for part in parts:
        if part.condition is not None and not evaluate(part.condition, numbers):
            numbers[part.name] = 0
            continue
        value = _number(part, fields.get(part.name), place)
        if isinstance(value, int):
            numbers[part.name] = value
        data = put_part(part.type, value, numbers, f"{place}: '{part.name}'")
        if isinstance(part.type, m.Integer) and part.type.ahead:
            announced.append((len(made), part.name, data))
        else:
            made += data
    for at, name, data in announced:
        if made[at : at + len(data)] != data:
            raise Failure(f"{place}: '{name}' is not what the next bytes begin with")
    return bytes(made)


def _number(part: m.Part, value: Any, place: str) -> Any:
    """An enum's value by its name, or the value as it is."""
    enum = part.type.enum if isinstance(part.type, m.Integer) else None
    if value is None and part.value is not None:
        return part.value
    if enum is None or not isinstance(value, str):
        return value
    found = [v.value for v in enum.values if v.name == value]
    if not found:
        raise Failure(f"{place}: enum {enum.name} has no value '{value}'")
    return found[0]


@singledispatch
def put_part(of: Any, value: Any, numbers: dict[str, int], place: str) -> bytes:
    """The bytes of one part, whose kind is `of`; Failure when `value` cannot be one."""
    raise Failure(f"{place} is a {type(of).__name__.lower()}, which this command cannot write")


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
        raise Failure(f"{place} holds the bytes that end it")
    if of.pattern is not None and not re.fullmatch(of.pattern, data, re.S):
        raise Failure(f"{place} does not match its pattern")
    return data + of.end


@put_part.register(m.Literal)
def _(of: m.Literal, value: Any, numbers: dict[str, int], place: str) -> bytes:
    return of.data


@put_part.register(m.Filler)
def _(of: m.Filler, value: Any, numbers: dict[str, int], place: str) -> bytes:
    data = bytes(of.size) if value is None else _bytes(value, place)
    if len(data) != of.size:
        raise Failure(f"{place} has {of.size} bytes")
    return data


@put_part.register(m.Counted)
def _(of: m.Counted, value: Any, numbers: dict[str, int], place: str) -> bytes:
    data = _bytes(value, place)
    if len(data) >= 1 << (8 * of.width):
        raise Failure(f"{place} has {len(data)} bytes, more than its length can say")
    return len(data).to_bytes(of.width, "big" if of.big_endian else "little") + data


@put_part.register(m.Sized)
def _(of: m.Sized, value: Any, numbers: dict[str, int], place: str) -> bytes:
    return _bytes(value, place)


@put_part.register(m.Array)
def _(of: m.Array, value: Any, numbers: dict[str, int], place: str) -> bytes:
    if not isinstance(value, list) or not all(isinstance(x, dict) for x in value):
        raise Failure(f"{place} is a list of structs")
    return b"".join(encode_parts(of.element.parts, x, place) for x in value)


@put_part.register(m.Choice)
def _(of: m.Choice, value: Any, numbers: dict[str, int], place: str) -> bytes:
    arm = arm_of(of, evaluate(of.tag, numbers))
    if arm is None:
        raise Failure(f"{place} has nothing for {evaluate(of.tag, numbers)}")
    return _struct(arm.struct, value, place) if arm.struct is not None else b""


@put_part.register(m.Struct)
def _(of: m.Struct, value: Any, numbers: dict[str, int], place: str) -> bytes:
    return _struct(of, value, place)


def _struct(of: m.Struct, value: Any, place: str) -> bytes:
    if not isinstance(value, dict):
        raise Failure(f"{place} is a struct")
    return encode_parts(of.parts, value, place)


def _integer(value: Any, bits: int, signed: bool, place: str) -> int:
    least, most = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Failure(f"{place} {'is missing' if value is None else 'is a number'}")
    if not least <= value <= most:
        raise Failure(f"{place} is a number of {bits} bits")
    return value


def _bytes(value: Any, place: str) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", errors="surrogatepass")
    if not isinstance(value, bytes):
        raise Failure(f"{place} {'is missing' if value is None else 'is a text'}")
    return value
