# SPDX-License-Identifier: Apache-2.0
"""Pictures of a description: the layout of frames and bodies, the states of parsers and answers."""
from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import model as m
from cli import Failure
from diagnostics import did_you_mean
from export_parts import part_object
from sizes import part_size
from svg import LINE, Picture, width_of

# Fields go on in the next row beyond this.
WIDTH_MAX = 900.0
BOX_HEIGHT = 2 * LINE + 8
GAP = 26.0
STATE_WIDTH_MIN = 150.0


@dataclass(frozen=True)
class Cell:
    """One box of a layout: some bytes."""

    name: str
    what: str
    least: int
    most: int
    style: str

    @property
    def nbytes(self) -> str:
        """How many bytes it takes."""
        return str(self.least) if self.least == self.most else f"{self.least}…{self.most}"


@dataclass(frozen=True)
class State:
    """What a parser waits for; `loop` is said of bytes that leave it there."""

    name: str
    loop: str
    leave: str
    refusals: tuple[str, ...]


def graph(p: m.Protocol, what: str | None) -> str:
    """SVG of a frame, message, call or struct; of all frames and messages when nothing is named."""
    picture = Picture(f"{p.name} {p.major}.{p.minor}: {what or 'frames'}",
                      f"Made by caudexc from {p.source.name}.")
    frame = next((f for f in p.frames if f.name == what), None)
    call = next((c for c in p.calls if c.name == what), None)
    struct = next((s for s in p.structs if s.name == what), None)
    message = next((x for x in p.messages if x.name == what), None)
    if what is None:
        y = 0.0
        for f in p.frames:
            y = _layout(picture, y, f"{p.name} {f.name}", _frame_cells(f, None, None)) + GAP
        for x in p.messages:
            y = _layout(picture, y, f"{p.name} {x.name}", _part_cells(x.parts)) + GAP
    elif frame is not None:
        y = _layout(picture, 0, f"{p.name} {what}", _frame_cells(frame, None, None))
        _states(picture, y + GAP, f"States of the parser of {what}", _parser_states(frame))
    elif call is not None:
        _draw_call(picture, p, call)
    elif message is not None:
        y = _layout(picture, 0, f"{p.name} {what}", _part_cells(message.parts))
        for s in _structs_in(message.parts):
            y = _layout(picture, y + GAP, f"struct {s.name}", _part_cells(s.parts))
    elif struct is not None:
        _layout(picture, 0, f"struct {what}", _struct_cells(struct))
    else:
        known = [*(f.name for f in p.frames), *(x.name for x in p.messages),
                 *(c.name for c in p.calls), *(s.name for s in p.structs)]
        raise Failure(f"there is no frame, message, call or struct '{what}'; "
                      + did_you_mean(what, known))
    return picture.svg()


# ---- layouts ----

@singledispatch
def _cells(of: Any, f: m.Field, use: m.Use | None) -> list[Cell]:
    raise Failure(f"'{f.name}' is a {type(of).__name__.lower()}, which cannot be drawn")


@_cells.register(m.Scalar)
def _(of: m.Scalar, f: m.Field, use: m.Use | None) -> list[Cell]:
    what = f"u{of.width * 8}" + (" correlate" if f.correlate else "")
    return [Cell(f.name, what, of.width, of.width, "box")]


@_cells.register(m.Enum)
def _(of: m.Enum, f: m.Field, use: m.Use | None) -> list[Cell]:
    return [Cell(f.name, of.name, of.width, of.width, "box")]


@_cells.register(m.Selector)
def _(of: m.Selector, f: m.Field, use: m.Use | None) -> list[Cell]:
    return [Cell(f.name, "call", of.width, of.width, "box")]


@_cells.register(m.Bytes)
def _(of: m.Bytes, f: m.Field, use: m.Use | None) -> list[Cell]:
    least, most = (use.min, use.max) if use else (0, of.max)
    name = use.body.name if use else of.name
    length = [Cell(f"{f.name} length", f"u{of.width * 8}", of.width, of.width, "box")]
    return (length if of.width else []) + [Cell(f.name, name, least, most, "bytes")]


def _struct_cells(struct: m.Struct) -> list[Cell]:
    cells = [cell for f in struct.fields for cell in _cells(f.type, f, None)]
    return cells or _part_cells(struct.parts)


def _part_cells(parts: tuple[m.Part, ...]) -> list[Cell]:
    """A box for each part; what is there only sometimes has a question mark."""
    cells = []
    for part in parts:
        least, most = part_size(part)
        about = part_object(part)
        words = [about["kind"] if about["kind"] != "integer" else about["enum"] or about["type"],
                 about.get("struct", about.get("tag", "")), "?" if part.condition else ""]
        style = "box" if least == most else "bytes"
        cells.append(Cell(part.name, " ".join(word for word in words if word), least, most, style))
    return cells


def _structs_in(parts: tuple[m.Part, ...]) -> list[m.Struct]:
    """Every struct that the parts hold, once, outer ones first."""
    found: dict[str, m.Struct] = {}
    for part in parts:
        of = part.type
        arms = [*of.arms, of.other] if isinstance(of, m.Choice) else []
        inside = [arm.struct for arm in arms if arm is not None and arm.struct is not None]
        inside += [of.element] if isinstance(of, m.Array) else []
        inside += [of] if isinstance(of, m.Struct) else []
        for struct in inside:
            for s in (struct, *_structs_in(struct.parts)):
                found.setdefault(s.name, s)
    return list(found.values())


def _frame_cells(frame: m.Frame, shape: m.Shape | None, label: str | None) -> list[Cell]:
    """The frame's boxes; of a shape: the selector's value, and unused fields empty."""
    cells: list[Cell] = []
    for f in frame.fields:
        use = shape.use(f.name) if shape is not None else None
        made = _cells(f.type, f, use)
        if shape is not None and f is frame.selector and label is not None:
            made = [Cell(f.name, label, c.least, c.most, c.style) for c in made]
        if shape is not None and f.is_bytes and use is None:
            made = [Cell(made[0].name, "0", made[0].least, made[0].most, "box")]
        cells += made
    return cells


def _layout(picture: Picture, y: float, title: str, cells: list[Cell]) -> float:
    """Draws the boxes in rows, each with its offset above; where it ends."""
    picture.text(0, y + LINE * 0.8, title, "title")
    y += LINE * 2.2
    x = 0.0
    least = most = 0
    for cell in cells:
        width = max(width_of(text) for text in (cell.name, cell.what, cell.nbytes + " bytes")) + 16
        if x > 0 and x + width > WIDTH_MAX:
            x, y = 0.0, y + BOX_HEIGHT + 2.6 * LINE
        picture.text(x + 2, y - 5, str(least) if least == most else f"{least}…", "quiet")
        picture.box(x, y, width, BOX_HEIGHT, cell.style)
        picture.text(x + width / 2, y + LINE, cell.name, is_centred=True)
        picture.text(x + width / 2, y + 2 * LINE, cell.what, "quiet", is_centred=True)
        unit = "byte" if cell.nbytes == "1" else "bytes"
        picture.text(x + width / 2, y + BOX_HEIGHT + LINE * 0.8, f"{cell.nbytes} {unit}", "quiet",
                     is_centred=True)
        x += width
        least, most = least + cell.least, most + cell.most
    total = f"{least} bytes" if least == most else f"{least} to {most} bytes"
    picture.text(0, y + BOX_HEIGHT + LINE * 2, f"together {total}")
    return y + BOX_HEIGHT + LINE * 2


# ---- states ----

def _parser_states(frame: m.Frame) -> list[State]:
    states: list[State] = []
    for f in frame.fields:
        for cell in _cells(f.type, f, None):
            is_data = cell.style == "bytes"
            refusals = () if is_data else _refusals(frame, f.type)
            loop = "a byte, more to come" if cell.most > 1 else ""
            leave = "the last byte, or none" if is_data else "the last byte"
            states.append(State(cell.name, loop, leave, refusals))
    return states


def _refusals(frame: m.Frame, of: m.FieldType) -> tuple[str, ...]:
    if isinstance(of, m.Selector):
        return ("unknown: no such call",)
    if isinstance(of, m.Enum):
        return ("unknown: no such value",)
    if not isinstance(of, m.Bytes):
        return ()
    by_call = "short, long or unused: not what the call says"
    return (f"long: more than {of.max}", *((by_call,) if frame.name == "request" else ()))


def _states(picture: Picture, y: float, title: str, states: list[State]) -> None:
    """One state below the other: loops on the left, refusals on the right, back to the first."""
    picture.text(0, y + LINE * 0.8, title, "title")
    y += LINE * 2
    left = max((width_of(s.loop) for s in states), default=0.0) + 40
    width = max(STATE_WIDTH_MIN, *(width_of(s.name) + 24 for s in states))
    height = LINE + 10
    step = height + 1.6 * LINE
    middle = left + width / 2
    for at, state in enumerate(states):
        top = y + at * step
        picture.box(left, top, width, height, corner=12)
        picture.text(middle, top + LINE, state.name, is_centred=True)
        if state.loop:
            picture.path([(left, top + 6), (left - 24, top + 6), (left - 24, top + height - 6),
                          (left, top + height - 6)], is_arrow=True)
            picture.text(left - 32 - width_of(state.loop), top + LINE, state.loop, "quiet")
        for line, refusal in enumerate(state.refusals):
            picture.text(left + width + 44, top + LINE * (line + 1) - 2, refusal, "bad")
        if state.refusals:
            picture.path([(left + width, top + LINE - 6), (left + width + 38, top + LINE - 6)],
                         "line refusal", is_arrow=True)
        picture.path([(middle, top + height), (middle, top + step)], is_arrow=True)
        picture.text(middle + 10, top + height + LINE, state.leave, "quiet")
    bottom = y + len(states) * step
    picture.box(left, bottom, width, height, "end", corner=12)
    picture.text(middle, bottom + LINE, "frame is ready", is_centred=True)
    picture.text(left + width + 16, bottom + LINE, "the next frame begins at the top", "quiet")


def _draw_call(picture: Picture, p: m.Protocol, call: m.Call) -> None:
    """Layouts of the request and of every answer, and how the answers follow each other."""
    assert call.request is not None
    number = f"{call.name} 0x{call.number or 0:02x}"
    y = _layout(picture, 0, f"{call.name}: request",
                _frame_cells(call.request.frame, call.request, number))
    shown = {use.body.name: use.body for shape in (call.request, *call.answers)
             for use in shape.uses if isinstance(use.body, m.Struct)}
    for shape in call.answers:
        assert shape.status is not None
        label = f"{shape.status.name} 0x{shape.status.value:02x}"
        y = _layout(picture, y + GAP, f"{call.name}: {shape.status.name}",
                    _frame_cells(shape.frame, shape, label))
    for struct in shown.values():
        y = _layout(picture, y + GAP, f"struct {struct.name}", _struct_cells(struct))
    _answers(picture, y + GAP, p, call)


def _answers(picture: Picture, y: float, p: m.Protocol, call: m.Call) -> None:
    """asked → any number of rows → one of the last frames."""
    picture.text(0, y + LINE * 0.8, f"{call.name}: how it is answered", "title")
    y += LINE * 2.6
    lasts = [s.status.name for s in call.responses if s.status]
    lasts += [f"{s.status.name} (any call)" for s in (p.any_call.answers if p.any_call else ())
              if s.status]
    height = LINE + 10
    step = height + 12
    x = _state(picture, 0, y, "asked", "box")
    if call.row is not None and call.row.status is not None:
        picture.path([(x, y + height / 2), (x + 40, y + height / 2)], is_arrow=True)
        begin = x + 40
        x = _state(picture, begin, y, call.row.status.name, "box")
        picture.path([(x - 20, y), (x - 20, y - 14), (begin + 20, y - 14), (begin + 20, y)],
                     is_arrow=True)
    for at, last in enumerate(lasts):
        top = y + at * step
        picture.path([(x, y + height / 2), (x + 20, y + height / 2), (x + 20, top + height / 2),
                      (x + 44, top + height / 2)], is_arrow=True)
        _state(picture, x + 44, top, last, "end")
    if call.row is not None:
        picture.text(0, y + height + LINE, "(rows may be none)", "quiet")


def _state(picture: Picture, x: float, y: float, name: str, style: str) -> float:
    """Draws one state; where it ends on the right."""
    width = width_of(name) + 28
    picture.box(x, y, width, LINE + 10, style, corner=12)
    picture.text(x + width / 2, y + LINE, name, is_centred=True)
    return x + width
