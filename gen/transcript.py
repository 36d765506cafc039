# SPDX-License-Identifier: Apache-2.0
"""What was said, as text and as JSON: one entry for each message, and back.

    > get(rid 4, key "/img")            a request
    < get ok(rid 4, val "cdn-a")        an answer to get
    < ok(rid 4, val "cdn-a")            an answer to a call that is not known: bodies are bytes
    - point { x 1, y 2 }                a message of a protocol without calls; only to be read
    > "\\x10\\x00"                        bytes that are no message

Behind // stands what is only for people. Fields of bytes that are empty may be left out.
"""
from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Iterable, Union

import model as m
from expressions import evaluate, refs
from interpret import Incomplete, Message, Refusal, Value, Values
from interpret_parts import Fields, Reading, arm_of

VERSION = 1
# Of longer bytes and lines the beginning is shown where nobody reads them back.
BYTES_SHOWN_MAX = 12
COLUMNS_MAX = 100
ARROWS = {"request": ">", "response": "<"}
REASONS = {
    "unknown": "not one of its values", "short": "shorter than its lower limit",
    "long": "longer than its limit", "unused": "used although its call leaves it empty",
    "literal": "not the constant that belongs here", "range": "a number outside its limits",
    "overrun": "reaches past the end of what holds it", "trailing": "bytes behind the last field",
    "conflict": "lengths that contradict each other", "syntax": "a byte that cannot stand here",
}
_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0", "\\": "\\\\", '"': '\\"'}
_SPECIAL = re.compile(r'["\\]|[^\x20-\x7e]')


Outcome = Union[Message, Reading, Refusal, Incomplete]


@dataclass(frozen=True)
class Entry:
    """What stands at `at` of one direction; `data` are its bytes."""

    frame: str
    at: int
    data: bytes
    outcome: Outcome
    connection: int = 0
    misfit: Refusal | None = None  # why a client refuses the answer that a parser took


def reason_of(outcome: Union[Refusal, Incomplete]) -> str:
    """What is wrong, for people."""
    if isinstance(outcome, Incomplete):
        return f"ends in {outcome.field}, {outcome.needed} bytes or more were to come"
    text = REASONS.get(outcome.reason, outcome.reason)
    return f"byte {outcome.offset}, {outcome.field}: {text}"


# ---- text ----

def line_of(entry: Entry) -> str:
    """One line of text."""
    outcome = entry.outcome
    arrow = ARROWS.get(entry.frame, "-")
    if isinstance(outcome, Reading):
        return f"{arrow} {message_text(outcome.message, outcome.fields)}"
    if not isinstance(outcome, Message):
        what = "incomplete" if isinstance(outcome, Incomplete) else "refused"
        return f"{arrow} {quoted(entry.data)}  // {what}: {reason_of(outcome)}"
    of = f"{outcome.call.name} " if outcome.frame.name == "response" and outcome.call else ""
    fields = ", ".join(f"{name} {_spelled(value)}" for name, value in _fields(outcome).items())
    note = f"  // no such answer: {reason_of(entry.misfit)}" if entry.misfit else ""
    return f"{arrow} {of}{label_of(outcome)}({fields}){note}"


def message_text(message: m.Message, fields: Fields) -> str:
    """A message in the syntax of examples."""
    shown = parts_of(message.parts, fields)
    return f"{message.name}({', '.join(f'{k} {_spelled(v)}' for k, v in shown.items())})"


def _spelled(value: Any) -> str:
    if isinstance(value, bytes):
        return quoted(value)
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} {_spelled(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_spelled, value)) + "]"
    return str(value)


def quoted(data: bytes) -> str:
    """A text of the description language."""
    text = data.decode("utf-8", errors="surrogateescape")
    return '"' + _SPECIAL.sub(lambda match: _character(match[0]), text) + '"'


def _character(c: str) -> str:
    if c in _ESCAPES:
        return _ESCAPES[c]
    if 0xDC80 <= ord(c) <= 0xDCFF:  # a byte that is no UTF-8
        return f"\\x{ord(c) - 0xDC00:02x}"
    return c if c.isprintable() else "".join(f"\\x{b:02x}" for b in c.encode("utf-8"))


# ---- bytes ----

def layout_of(entry: Entry) -> list[str]:
    """The entry's bytes, a remark for each field: place, bytes, name and value."""
    message = entry.outcome
    if isinstance(message, Reading):
        return _rows(entry, [(at, n, f"{name} {_spelled(v)}") for at, n, name, v in message.places])
    if not isinstance(message, Message):
        return []
    rows: list[tuple[int, int, str]] = []
    for f in message.frame.fields:
        start, value = message.starts[f.name], message.values[f.name]
        what = label_of(message) if f is message.frame.selector else _spelled(_named(f, value))
        if not isinstance(value, bytes):
            rows.append((start, f.type.width, f"{f.name} {what}"))
            continue
        rows.append((start, f.type.width, f"length of {f.name} {len(value)}"))
        use = message.shape.use(f.name) if message.shape is not None else None
        if f.name in message.bodies and use is not None and isinstance(use.body, m.Struct):
            rows += _body_rows(use.body, message.bodies[f.name], start + f.type.width)
        elif value:
            rows.append((start + f.type.width, len(value), f"{f.name} {what}"))
    return _rows(entry, rows)


def _rows(entry: Entry, rows: list[tuple[int, int, str]]) -> list[str]:
    shown = [(at, _bytes_shown(entry.data[at : at + n]), text) for at, n, text in rows]
    width = max(len(data) for _, data, _ in shown)
    return [_shortened(f"//   {at:5}  {data:{width}}  {text}") for at, data, text in shown]


def _body_rows(struct: m.Struct, values: Values, at: int) -> list[tuple[int, int, str]]:
    rows = []
    for f in struct.fields:
        value = values[f.name]
        nbytes = len(value) if isinstance(value, bytes) else f.type.width
        rows.append((at, nbytes, f"{struct.name}.{f.name} {_spelled(_named(f, value))}"))
        at += nbytes
    return rows


def _bytes_shown(data: bytes) -> str:
    more = f" … {len(data)} bytes" if len(data) > BYTES_SHOWN_MAX else ""
    return data[:BYTES_SHOWN_MAX].hex(" ") + more


def _shortened(line: str) -> str:
    return line if len(line) <= COLUMNS_MAX else line[: COLUMNS_MAX - 1] + "…"


# ---- JSON ----

def json_of(p: m.Protocol, entries: Iterable[Entry], connections: list[dict[str, Any]]) -> str:
    """All entries as one object, an entry a line; numbers may need 64 bits."""
    lines = [json.dumps(_object(e), ensure_ascii=False) for e in entries]
    head = {"caudex_messages": VERSION, "protocol": p.name, "version": f"{p.major}.{p.minor}",
            "connections": connections}
    text = json.dumps(head, ensure_ascii=False)[:-1]
    return text + ', "messages": [\n' + ",\n".join(lines) + "\n]}\n"


def _object(entry: Entry) -> dict[str, Any]:
    made: dict[str, Any] = {"connection": entry.connection} if entry.connection else {}
    made.update({"frame": entry.frame, "at": entry.at, "nbytes": len(entry.data)})
    outcome = entry.outcome
    if isinstance(outcome, Reading):
        made["fields"] = _plain(parts_of(outcome.message.parts, outcome.fields))
    elif isinstance(outcome, Message):
        made["call"] = outcome.call.name if outcome.call else None
        if outcome.frame.name == "response":
            made["status"] = label_of(outcome)
        made["fields"] = {name: _plain(v) for name, v in _fields(outcome).items()}
        if entry.misfit is not None:
            made["misfit"] = reason_of(entry.misfit)
    else:
        made["bytes"] = entry.data.hex()
        kind = "incomplete" if isinstance(outcome, Incomplete) else "refused"
        made[kind] = reason_of(outcome)
    return made


def _plain(value: Any) -> Any:
    """Bytes are a string when they are UTF-8, else {"hex": …}."""
    if isinstance(value, dict):
        return {name: _plain(v) for name, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return {"hex": value.hex()}
    return str(value) if isinstance(value, Label) else value


# ---- both ----

class Label(str):
    """The name of an enum's value."""


def label_of(message: Message) -> str:
    """The call of a request, the status of an answer."""
    selector = message.frame.selector
    value = message.values[selector.name]
    if message.call is not None and isinstance(selector.type, m.Selector):
        return message.call.name
    return str(_named(selector, value))


def _fields(message: Message) -> dict[str, Any]:
    """All fields but the selector and empty bytes; typed bodies as their fields."""
    made: dict[str, Any] = {}
    for f in message.frame.fields:
        value = message.values[f.name]
        body = message.bodies.get(f.name)
        if body is not None and message.shape is not None:
            use = message.shape.use(f.name)
            assert use is not None and isinstance(use.body, m.Struct)
            made[f.name] = _body(use.body, body)
        elif f is not message.frame.selector and value != b"":
            made[f.name] = _named(f, value)
    return made


def _body(struct: m.Struct, values: Values) -> dict[str, Any]:
    return {f.name: _named(f, values[f.name]) for f in struct.fields}


def _named(f: m.Field, value: Value) -> Union[Value, Label]:
    """An enum's value by its name."""
    if isinstance(f.type, m.Enum):
        return next(Label(v.name) for v in f.type.values if v.value == value)
    return value


def parts_of(parts: tuple[m.Part, ...], fields: Fields) -> Fields:
    """A message's fields, enums' values by name; without what is constant or not there."""
    made: Fields = {}
    for part in parts:
        value, of = fields[part.name], part.type
        if value is None or isinstance(of, m.Literal) or isinstance(of, m.Filler) and of.zero:
            continue
        if isinstance(of, m.Integer) and of.enum is not None and not of.enum.is_flags:
            names = [Label(v.name) for v in of.enum.values if v.value == value]
            value = names[0] if names else value
        elif isinstance(of, m.Struct):
            value = parts_of(of.parts, value)
        elif isinstance(of, m.Array):
            value = [parts_of(of.element.parts, element) for element in value]
        elif isinstance(of, m.Choice):
            numbers = {ref.name: fields[ref.name] or 0 for ref in refs(of.tag)}
            arm = arm_of(of, evaluate(of.tag, numbers))
            value = parts_of(arm.struct.parts, value) if arm and arm.struct else {}
        made[part.name] = value
    return made
