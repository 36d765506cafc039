# SPDX-License-Identifier: Apache-2.0
"""What the reference for people shows: layouts with their places, and examples byte by byte."""
from __future__ import annotations

from dataclasses import dataclass

import model as m
import names
from examples import encode_frame

# Bytes of hex on one line of an example, so that a line stays below 100 columns.
HEX_PER_LINE = 16


@dataclass(frozen=True)
class LayoutRow:
    """One row of a layout: `place` counts from the first byte."""

    place: str
    size: str
    name: str
    type: str
    doc: str


@dataclass(frozen=True)
class Layout:
    name: str
    doc: tuple[str, ...]
    rows: tuple[LayoutRow, ...]
    size: str


@dataclass(frozen=True)
class Alternative:
    """A request, row or answer: its status, and what each bytes field holds."""

    name: str
    number: str
    fields: tuple[str, ...]
    empty: tuple[str, ...]
    doc: str


@dataclass(frozen=True)
class HexLine:
    hex: str
    text: str


@dataclass(frozen=True)
class CallPage:
    name: str
    number: str
    doc: tuple[str, ...]
    summary: str
    request: Alternative
    answers: tuple[Alternative, ...]
    examples: tuple[tuple[tuple[str, tuple[HexLine, ...]], ...], ...]


@dataclass(frozen=True)
class Reference:
    frames: tuple[Layout, ...]
    structs: tuple[Layout, ...]
    calls: tuple[CallPage, ...]
    always: tuple[Alternative, ...]


def make_reference(protocol: m.Protocol) -> Reference:
    """Everything the reference's template shows."""
    return Reference(
        tuple(_layout(f.name, f.doc, f.fields) for f in protocol.frames),
        tuple(_layout(s.name, s.doc, s.fields) for s in protocol.structs),
        tuple(_page(c, protocol) for c in protocol.calls),
        tuple(_alternative(a) for a in protocol.any_call.answers) if protocol.any_call else (),
    )


# ---- layouts ----

def size_text(nbytes: int) -> str:
    """A size as people write it: 16777216 → 16 MiB."""
    for unit, scale in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if nbytes >= scale and nbytes % scale == 0:
            return f"{nbytes // scale} {unit}"
    if nbytes > 1 << 20:
        return f"{size_text(nbytes >> 20 << 20)} + {nbytes & ((1 << 20) - 1)}"
    return str(nbytes)


def _layout(name: str, doc: tuple[str, ...], fields: tuple[m.Field, ...]) -> Layout:
    rows: list[LayoutRow] = []
    fixed = 0
    lengths = ""
    for f in fields:
        text = _cell(f.doc)
        if isinstance(f.type, m.Bytes):
            if f.type.width:
                length = f"{names.upper(f.name)}LEN"
                rows.append(LayoutRow(f"{fixed}{lengths}", str(f.type.width), length,
                                      f"u{8 * f.type.width}",
                                      f"Bytes in `{f.name}`; at most {size_text(f.type.max)}."))
                fixed += f.type.width
                rows.append(LayoutRow(f"{fixed}{lengths}", length, f"`{f.name}`", "bytes", text))
                lengths += f" + {length}"
            else:
                rows.append(LayoutRow(f"{fixed}{lengths}", "the rest", f"`{f.name}`", "bytes",
                                      f"{text} At most {size_text(f.type.max)}."))
        else:
            rows.append(LayoutRow(f"{fixed}{lengths}", str(f.type.width), f"`{f.name}`",
                                  _type_name(f), text))
            fixed += f.type.width
    return Layout(name, doc, tuple(rows), f"{fixed}{lengths}")


def _cell(doc: tuple[str, ...]) -> str:
    """The documentation as one cell of a table."""
    return " ".join(doc).strip().replace("|", "\\|")


def _type_name(f: m.Field) -> str:
    width = f"u{8 * f.type.width}"
    if isinstance(f.type, m.Enum):
        return f"{width}, [{f.type.name}](#{f.type.name})"
    return f"{width}, the call's number" if isinstance(f.type, m.Selector) else width


# ---- calls ----

def _alternative(shape: m.Shape) -> Alternative:
    fields = tuple(_use_text(use) for use in shape.uses)
    used = {use.field.name for use in shape.uses}
    empty = tuple(f.name for f in shape.frame.fields if f.is_bytes and f.name not in used)
    if shape.status is None:
        return Alternative("request", "", fields, empty, "")
    return Alternative(shape.status.name, f"0x{shape.status.value:02x}", fields, empty,
                       _cell(shape.status.doc))


def _use_text(use: m.Use) -> str:
    if isinstance(use.body, m.Struct):
        return f"`{use.field.name}`: [{use.body.name}](#{use.body.name})"
    return f"`{use.field.name}`: at most {size_text(use.body.max)}"


def _page(call: m.Call, protocol: m.Protocol) -> CallPage:
    assert call.request is not None
    examples = []
    for example in call.examples:
        frames = [(f"{call.name} →", _hex_lines(example.request, protocol))]
        for answer in example.answers:
            status = answer.shape.status
            frames.append((f"← {status.name if status else ''}", _hex_lines(answer, protocol)))
        examples.append(tuple(frames))
    summary = _cell(call.doc).split(". ")[0].rstrip(".") + "."
    return CallPage(call.name, f"0x{call.number or 0:02x}", call.doc, summary,
                    _alternative(call.request), tuple(_alternative(a) for a in call.answers), tuple(examples))


def _hex_lines(sample: m.Sample, protocol: m.Protocol) -> tuple[HexLine, ...]:
    lines: list[HexLine] = []
    for f in sample.frame.fields:
        one = m.Frame("", (), f.span, (f,))
        data = encode_frame(one, sample.values, protocol.big_endian)
        value = sample.values[f.name]
        if isinstance(value, bytes):
            length, rest = data[: f.type.width], data[f.type.width :]
            lines.append(HexLine(length.hex(" "), f"{f.name}: {len(value)} bytes"))
            lines.extend(_bytes_lines(rest, sample.shape.use(f.name)))
        elif f is sample.frame.selector:
            status = sample.shape.status
            meaning = status.name if status else "of the call"
            lines.append(HexLine(data.hex(" "), f"{f.name} {meaning}"))
        else:
            lines.append(HexLine(data.hex(" "), f"{f.name} {value}"))
    return tuple(lines)


def _bytes_lines(data: bytes, use: m.Use | None) -> list[HexLine]:
    if use is not None and isinstance(use.body, m.Struct):
        lines = []
        at = 0
        for f in use.body.fields:
            width = f.type.width if not f.is_bytes else len(data) - at
            piece = data[at : at + width]
            at += width
            lines.extend(_named_lines(piece, f))
        return lines
    return _chunks(data)


def _named_lines(piece: bytes, f: m.Field) -> list[HexLine]:
    if f.is_bytes:
        return _chunks(piece, f"{f.name} ")
    return [HexLine(piece.hex(" "), f.name)]


def _chunks(data: bytes, name: str = "") -> list[HexLine]:
    lines = []
    for start in range(0, len(data), HEX_PER_LINE):
        piece = data[start : start + HEX_PER_LINE]
        text = "".join(chr(b) if 0x20 <= b < 0x7F else "." for b in piece)
        lines.append(HexLine(piece.hex(" "), f'{name}"{text}"'))
    return lines
