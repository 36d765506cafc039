# SPDX-License-Identifier: Apache-2.0
"""How many bytes parts can have, and which values their numbers."""
from __future__ import annotations

import model as m
from expressions import Range

NUMBERS = (m.Integer, m.Varint, m.Decimal)


def value_range(part: m.Part) -> Range:
    """The values of a number on the wire; a part that is not there counts as 0."""
    of = part.type
    assert isinstance(of, NUMBERS)
    if part.value is not None:
        low, high = part.value, part.value
    else:
        bits = 8 * of.width
        low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if of.signed else (0, (1 << bits) - 1)
    return (min(low, 0), max(high, 0)) if part.condition is not None else (low, high)


def value_ranges(parts: tuple[m.Part, ...]) -> dict[str, Range]:
    return {p.name: value_range(p) for p in parts if isinstance(p.type, NUMBERS)}


def varint_size(value: int) -> int:
    return max(1, (value.bit_length() + 6) // 7)


def decimal_digits(width: int, signed: bool) -> int:
    """The most characters of a number, its sign included."""
    return len(str(-(1 << (8 * width - 1)))) if signed else len(str((1 << (8 * width)) - 1))


def part_size(part: m.Part, held: bool = False) -> Range:
    """The fewest and the most bytes of a part; of those that are `held`, the most."""
    low, high = type_size(part.type, held)
    if held and part.deliver != "whole":
        high = part.type.width if isinstance(part.type, m.Counted) else 0
    return (0, high) if part.condition is not None else (low, high)


def type_size(of: m.PartType, held: bool = False) -> Range:
    if isinstance(of, m.Integer):
        return (0, 0) if of.ahead else (of.width, of.width)
    if isinstance(of, m.Varint):
        return 1, varint_size((1 << (8 * of.width)) - 1)
    if isinstance(of, m.Decimal):
        return 1 + len(of.end), decimal_digits(of.width, of.signed) + len(of.end)
    if isinstance(of, m.Token):
        return len(of.end), of.max + len(of.end)
    if isinstance(of, m.Literal):
        return len(of.data), len(of.data)
    if isinstance(of, m.Filler):
        return of.size, of.size
    if isinstance(of, m.Counted):
        return of.width, of.width + of.max
    if isinstance(of, m.Sized):
        least = of.length.value if isinstance(of.length, m.Constant) else 0
        return least, of.max
    if isinstance(of, m.Array):
        low, high = parts_size(of.element.parts)
        least = of.count.value if isinstance(of.count, m.Constant) else 0
        most = high * of.max
        return low * least, most if of.room is None else min(most, of.room)
    if isinstance(of, m.Choice):
        structs = [arm.struct for arm in (*of.arms, of.other) if arm is not None]
        sizes = [parts_size(s.parts, held) if s is not None else (0, 0) for s in structs]
        return (min(low for low, _ in sizes), max(high for _, high in sizes)) if sizes else (0, 0)
    return parts_size(of.parts, held)


def parts_size(parts: tuple[m.Part, ...], held: bool = False) -> Range:
    sizes = [part_size(p, held) for p in parts]
    return sum(low for low, _ in sizes), sum(high for _, high in sizes)
