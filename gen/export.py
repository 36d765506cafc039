# SPDX-License-Identifier: Apache-2.0
"""The model as JSON for other programs. model.schema.json describes it; both have one version.

Whoever reads it ignores members that he does not know. A member that goes or changes its meaning
raises VERSION.
"""
from __future__ import annotations

import json
from functools import singledispatch
from pathlib import Path
from typing import Any, Union

import model as m
from cli import Failure
from examples import encode_frame
from export_parts import life_object, part_object
from sizes import parts_size
from source import SourceFile

VERSION = 1
SCHEMA = Path(__file__).parent / "model.schema.json"

Object = dict[str, Any]


def export(p: m.Protocol) -> str:
    """The checked protocol as JSON."""
    return json.dumps(_placed(_protocol(p), p.source), indent=2, ensure_ascii=False) + "\n"


def _placed(made: Any, source: SourceFile) -> Any:
    """The same; what stands in an imported file names it and the line there."""
    if isinstance(made, list):
        return [_placed(item, source) for item in made]
    if not isinstance(made, dict):
        return made
    placed = {key: _placed(value, source) for key, value in made.items()}
    if "line" in made and made["line"] > source.nlines:
        file, placed["line"] = source.place(made["line"])
        placed["file"] = file.name
    return placed


def _protocol(p: m.Protocol) -> Object:
    return {
        "caudex_model": VERSION, "source": p.source.name, **_named(p),
        "version": {"major": p.major, "minor": p.minor},
        "endian": "big" if p.big_endian else "little", "port": p.port, "prefix": p.prefix,
        "reserved": [r.value for r in p.reserved],
        "types": [{**_named(t), **_length(t), "max": t.max} for t in p.types],
        "enums": [_enum(e) for e in p.enums],
        "limits": [{**_named(limit), "value": limit.value} for limit in p.limits],
        "structs": [{**_named(s), **_sizes(s), "fields": _fields(s.fields),
                     "parts": [part_object(x) for x in s.parts]} for s in p.structs],
        "messages": [{**_named(x), **life_object(x.life),
                      "parts": [part_object(y) for y in x.parts],
                      "examples": [{"line": e.span.line, "text": e.text, "bytes": e.data.hex()}
                                   for e in x.examples]} for x in p.messages],
        "frames": [{**_named(f), "selector": f.selector.name, "correlate": f.correlate.name,
                    "min": f.head, "fields": _fields(f.fields)} for f in p.frames],
        "calls": [_call(p, c) for c in p.calls],
        "any_call": None if p.any_call is None else {
            "doc": _doc(p.any_call.doc), "line": p.any_call.span.line,
            "responses": [_answer(s) for s in p.any_call.responses]},
    }


_Item = Union[m.Protocol, m.Bytes, m.Enum, m.EnumValue, m.Struct, m.Frame, m.Field, m.Call,
              m.Limit, m.Message]


def _named(item: _Item) -> Object:
    """What every named thing has; `line` is where the description says it."""
    return {"name": item.name, "doc": _doc(item.doc), "line": item.span.line}


def _doc(lines: tuple[str, ...]) -> str:
    return "\n".join(lines)


def _length(t: m.Bytes) -> Object:
    return {"length": f"u{t.width * 8}" if t.width else "rest"}


def _sizes(s: m.Struct) -> Object:
    least, most = parts_size(s.parts) if s.parts else (s.min, s.max)
    return {"min": least, "max": most}


def _enum(e: m.Enum) -> Object:
    values = [{**_named(v), **life_object(v.life), "value": v.value, "more": v.more}
              for v in e.values]
    return {**_named(e), "base": f"u{e.width * 8}", "values": values, "open": e.is_open,
            "flags": e.is_flags, "reserved": [r.value for r in e.reserved]}


def _fields(fields: tuple[m.Field, ...]) -> list[Object]:
    return [{**_named(f), **life_object(f.life), **_type(f.type)} for f in fields]


@singledispatch
def _type(of: Any) -> Object:
    """A field's kind, and what it refers to."""
    raise Failure(f"the JSON model has no word for a {type(of).__name__.lower()}")


@_type.register(m.Scalar)
def _(of: m.Scalar) -> Object:
    return {"kind": "integer", "type": f"u{of.width * 8}"}


@_type.register(m.Bytes)
def _(of: m.Bytes) -> Object:
    return {"kind": "bytes", "type": of.name, **_length(of), "max": of.max}


@_type.register(m.Enum)
def _(of: m.Enum) -> Object:
    return {"kind": "enum", "type": of.name, "base": f"u{of.width * 8}"}


@_type.register(m.Selector)
def _(of: m.Selector) -> Object:
    return {"kind": "call", "type": f"u{of.width * 8}"}


def _call(p: m.Protocol, c: m.Call) -> Object:
    assert c.request is not None
    return {
        **_named(c), **life_object(c.life), "number": c.number, "request": _uses(c.request),
        "row": None if c.row is None else _answer(c.row),
        "responses": [_answer(s) for s in c.responses],
        "examples": [{"line": e.span.line, "request": _sample(p, e.request),
                      "answers": [_sample(p, a) for a in e.answers]} for e in c.examples],
    }


def _uses(shape: m.Shape) -> Object:
    """The fields that a frame uses; the other fields of bytes are empty."""
    return {"fields": [{"field": u.field.name, "min": u.min, "max": u.max,
                        "kind": "struct" if isinstance(u.body, m.Struct) else "bytes",
                        "type": u.body.name} for u in shape.uses]}


def _answer(shape: m.Shape) -> Object:
    assert shape.status is not None
    return {"status": shape.status.name, **_uses(shape)}


def _sample(p: m.Protocol, sample: m.Sample) -> Object:
    """An example's frame: its bytes on the wire."""
    data = encode_frame(sample.frame, sample.values, p.big_endian)
    status = sample.shape.status
    return {"status": None if status is None else status.name, "bytes": data.hex()}
