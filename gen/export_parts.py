# SPDX-License-Identifier: Apache-2.0
"""Messages and their parts as JSON: what export.py is for frames and calls."""
from __future__ import annotations

from functools import singledispatch
from typing import Any

import model as m
from cli import Failure
from sizes import part_size

Object = dict[str, Any]


def part_object(part: m.Part) -> Object:
    """A part: its kind with what belongs to it, and the clauses that it has."""
    least, most = part_size(part)
    made = {"name": part.name, "doc": "\n".join(part.doc), "line": part.span.line,
            "min": least, "max": most, **life_object(part.life), **_kind(part.type)}
    if part.value is not None:
        made["value"] = part.value
    if part.deliver != "whole":
        made["deliver"] = part.deliver
    if part.within is not None:
        made["within"] = expression_text(part.within)
    if part.condition is not None:
        made["if"] = expression_text(part.condition)
    if part.wheres:
        made["where"] = [{"test": expression_text(w.test), "text": w.text} for w in part.wheres]
    return made


def life_object(life: m.Life) -> Object:
    """What is said of its life, which mostly is nothing."""
    made: Object = {}
    if life.since is not None:
        made["since"] = {"major": life.since[0], "minor": life.since[1]}
    if life.deprecated:
        made["deprecated"] = life.deprecated
    return made


def expression_text(e: m.Expression) -> str:
    """The expression as a description writes it, each operation in parentheses."""
    if isinstance(e, m.Constant):
        return str(e.value)
    if isinstance(e, m.Ref):
        return e.name
    return f"({expression_text(e.left)} {e.operator} {expression_text(e.right)})"


@singledispatch
def _kind(of: Any) -> Object:
    raise Failure(f"the JSON model has no word for a {type(of).__name__.lower()}")


@_kind.register(m.Integer)
def _(of: m.Integer) -> Object:
    return {"kind": "integer", "type": f"{'i' if of.signed else 'u'}{of.width * 8}",
            "endian": "big" if of.big_endian else "little", "ahead": of.ahead,
            "enum": of.enum.name if of.enum is not None else None}


@_kind.register(m.Varint)
def _(of: m.Varint) -> Object:
    return {"kind": "varint", "type": f"{'i' if of.signed else 'u'}{of.width * 8}"}


@_kind.register(m.Decimal)
def _(of: m.Decimal) -> Object:
    return {"kind": "decimal", "type": f"{'i' if of.signed else 'u'}{of.width * 8}",
            "until": of.end.hex()}


@_kind.register(m.Token)
def _(of: m.Token) -> Object:
    made = {"kind": "text", "until": of.end.hex()}
    return made if of.pattern is None else {**made, "pattern": of.pattern.decode("latin-1")}


@_kind.register(m.Literal)
def _(of: m.Literal) -> Object:
    return {"kind": "literal", "bytes": of.data.hex()}


@_kind.register(m.Filler)
def _(of: m.Filler) -> Object:
    return {"kind": "zero" if of.zero else "skip"}


@_kind.register(m.Counted)
def _(of: m.Counted) -> Object:
    return {"kind": "counted", "type": f"u{of.width * 8}",
            "endian": "big" if of.big_endian else "little"}


@_kind.register(m.Sized)
def _(of: m.Sized) -> Object:
    return {"kind": "sized", "length": None if of.length is None else expression_text(of.length)}


@_kind.register(m.Array)
def _(of: m.Array) -> Object:
    return {"kind": "array", "struct": of.element.name, "most": of.max, "room": of.room,
            "count": None if of.count is None else expression_text(of.count)}


@_kind.register(m.Choice)
def _(of: m.Choice) -> Object:
    arms = [{"values": list(a.values), "struct": a.struct.name if a.struct else None}
            for a in (*of.arms, *([of.other] if of.other is not None else []))]
    return {"kind": "choice", "tag": expression_text(of.tag), "arms": arms}


@_kind.register(m.Struct)
def _(of: m.Struct) -> Object:
    return {"kind": "struct", "struct": of.name}
