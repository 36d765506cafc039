# SPDX-License-Identifier: Apache-2.0
"""Text or JSON, as transcript.py writes them, back to bytes."""
from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Union, cast

from lark import Lark, Token
from lark.exceptions import UnexpectedInput

import model as m
import syntax as s
from build import Builder
from cli import Failure
from diagnostics import Report
from encode_parts import encode_parts
from examples import encode_frame
from examples_parts import plain
from interpret import Message, Value, Values, read_frame
from interpret_parts import Reading, read_message
from source import SourceFile
from transcript import reason_of

FRAMES = {">": "request", "<": "response"}
Bytes = tuple[str, bytes]

_SAMPLE = Lark((Path(__file__).parent / "cdx.lark").read_text(encoding="utf-8"),
               start="sample_frame", parser="lalr", lexer="basic", propagate_positions=True)
# Values nest two deep: a message's fields, a body's fields.
NESTING_MAX = 8
_LINE = re.compile(r"([<>])\s*(?:(\w+)\s+(?=\w+\s*\())?(.*)\Z")
_RAW = re.compile(r'"(?:[^"\\]|\\.)*"\s*(?://.*)?\Z')


def encode(p: m.Protocol, text: str, name: str) -> list[Bytes]:
    """Each message's frame and bytes; Failure names the line or message that is wrong."""
    if text.lstrip().startswith("{"):
        return _from_json(p, text, name)
    made = []
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()
        if line and not line.startswith("//"):
            made.append((_message_line if p.messages else _from_line)(p, line, f"{name}:{number}"))
    return made


# ---- text ----

def _from_line(p: m.Protocol, line: str, place: str) -> Bytes:
    match = _LINE.match(line)
    if match is None:
        raise Failure(f"{place}: a line begins with > for a request or < for an answer")
    frame, call, rest = FRAMES[match[1]], match[2], match[3]
    report = Report(SourceFile(place, rest))
    builder = Builder(report)
    if _RAW.match(rest):
        text = cast("re.Match[str]", re.match(r'"(?:[^"\\]|\\.)*"', rest))
        data = builder.text(Token("STRING", text[0])).value
        _no_errors(report, place)
        return frame, data
    sample = _parsed(builder, rest, place)
    _no_errors(report, place)
    fields = {arg.name.text: plain(arg.value) for arg in sample.args}
    return _encoded(p, frame, call, sample.name.text, fields, place)


def _message_line(p: m.Protocol, line: str, place: str) -> Bytes:
    """A message as decode prints it, or as an example of the description."""
    rest = re.sub(r"\A[-<>]\s+", "", line)
    report = Report(SourceFile(place, rest))
    if _RAW.match(rest):
        raise Failure(f"{place}: bytes that are no message need to be told whose they are: use JSON")
    sample = _parsed(Builder(report), rest, place)
    _no_errors(report, place)
    message = next((x for x in p.messages if x.name == sample.name.text), None)
    if message is None:
        known = ", ".join(x.name for x in p.messages)
        raise Failure(f"{place}: there is no message '{sample.name.text}'; known: {known}")
    return _message(message, {arg.name.text: plain(arg.value) for arg in sample.args}, place)


def _parsed(builder: Builder, rest: str, place: str) -> s.SampleFrame:
    _check_nesting(re.sub(r'"(?:[^"\\]|\\.)*"', "", rest), place)
    try:
        return builder.sample(_SAMPLE.parse(rest))
    except UnexpectedInput as error:
        odd = rest[error.pos_in_stream or 0 :][:20] if error.pos_in_stream != -1 else ""
        what = f"'{odd}' does not fit" if odd else "it ends too early"
        raise Failure(f"{place}: no message: name(field value, …) is one; {what}") from None


def _check_nesting(text: str, place: str) -> None:
    depth = 0
    for brace in re.findall(r"[][{}]", text):
        depth += 1 if brace in "{[" else -1
        if depth > NESTING_MAX:
            raise Failure(f"{place}: braces nest deeper than {NESTING_MAX}")


def _no_errors(report: Report, place: str) -> None:
    for error in report.found:
        raise Failure(f"{place}: {error.text}; {error.help}")


# ---- JSON ----

def _from_json(p: m.Protocol, text: str, name: str) -> list[Bytes]:
    try:
        messages = json.loads(text)["messages"]
        assert isinstance(messages, list)
    except (ValueError, KeyError, AssertionError, RecursionError) as error:
        what = str(error) if isinstance(error, ValueError) else "it has no list of messages"
        raise Failure(f"{name}: {what}") from None
    return [_from_object(p, o, f"{name}: message {n}") for n, o in enumerate(messages, 1)]


def _from_object(p: m.Protocol, given: Any, place: str) -> Bytes:
    known = [*(f.name for f in p.frames), *(x.name for x in p.messages)]
    if not isinstance(given, dict) or given.get("frame") not in known:
        raise Failure(f"{place}: its frame is none of {', '.join(known)}")
    frame = given["frame"]
    if "bytes" in given:
        return frame, _unhex(given["bytes"], place)
    fields = given.get("fields")
    message = next((x for x in p.messages if x.name == frame), None)
    if message is not None:
        if not isinstance(fields, dict):
            raise Failure(f"{place}: it has no fields")
        return _message(message, _from_plain(fields, place), place)
    label = given.get("call" if frame == "request" else "status")
    if not isinstance(fields, dict) or not isinstance(label, str):
        raise Failure(f"{place}: it has no fields, or nothing says what it is")
    made = {name: _from_plain(value, place) for name, value in fields.items()}
    call = given.get("call") if frame == "response" else None
    return _encoded(p, frame, call, label, made, place)


def _from_plain(value: Any, place: str, depth: int = 1) -> Any:
    if depth > NESTING_MAX:
        raise Failure(f"{place}: objects nest deeper than {NESTING_MAX}")
    if isinstance(value, dict) and set(value) == {"hex"}:
        return _unhex(value["hex"], place)
    if isinstance(value, dict):
        return {name: _from_plain(v, place, depth + 1) for name, v in value.items()}
    if isinstance(value, list):
        return [_from_plain(v, place, depth + 1) for v in value]
    return value


def _unhex(value: Any, place: str) -> bytes:
    try:
        return bytes.fromhex(value)
    except (TypeError, ValueError):
        raise Failure(f"{place}: this is not hex") from None


def _message(message: m.Message, fields: dict[str, Any], place: str) -> Bytes:
    data = encode_parts(message.parts, fields, place)
    outcome = read_message(message, data)
    if not isinstance(outcome, Reading) or outcome.nbytes != len(data):
        why = reason_of(outcome) if not isinstance(outcome, Reading) else "it has bytes to spare"
        raise Failure(f"{place}: a receiver refuses this: {why}")
    return message.name, data


# ---- values to bytes ----

def _encoded(p: m.Protocol, kind: str, call: str | None, label: str, fields: dict[str, Any],
             place: str) -> Bytes:
    frame = p.request if kind == "request" else p.response
    shape = _shape(p, kind, call, label, place)
    values: Values = {}
    for f in frame.fields:
        use = shape.use(f.name) if shape is not None else None
        given = fields.pop(f.name, b"" if f.is_bytes else None)
        if f is frame.selector:
            values[f.name] = _selected(p, f, label, place)
        elif use is not None and isinstance(use.body, m.Struct) and isinstance(given, dict):
            values[f.name] = _body(p, use.body, dict(given), place)
        else:
            values[f.name] = _fitting(f, given, place)
    for name in fields:
        raise Failure(f"{place}: {frame.name} has no field '{name}'")
    data = encode_frame(frame, values, p.big_endian)
    outcome = read_frame(p, frame, data)
    if not isinstance(outcome, Message):
        raise Failure(f"{place}: a receiver refuses this: {reason_of(outcome)}")
    return kind, data


def _shape(p: m.Protocol, kind: str, call: str | None, label: str, place: str) -> m.Shape | None:
    """What the frame's fields hold; None for an answer to a call that is not known."""
    wanted = label if kind == "request" else call
    if wanted is None:
        return None
    found = next((c for c in p.calls if c.name == wanted), None)
    if found is None:
        raise Failure(f"{place}: there is no call '{wanted}'")
    if kind == "request":
        return found.request
    answers = [*found.answers, *(p.any_call.answers if p.any_call else ())]
    return next((a for a in answers if a.status and a.status.name == label), None)


def _selected(p: m.Protocol, f: m.Field, label: str, place: str) -> int:
    if isinstance(f.type, m.Selector):
        return next(c.number or 0 for c in p.calls if c.name == label)
    return _number(f, label, place)


def _body(p: m.Protocol, struct: m.Struct, given: dict[str, Any], place: str) -> bytes:
    values = {f.name: _fitting(f, given.pop(f.name, b"" if f.is_bytes else None), place)
              for f in struct.fields}
    for name in given:
        raise Failure(f"{place}: struct {struct.name} has no field '{name}'")
    frame = m.Frame(struct.name, (), struct.span, struct.fields)
    return encode_frame(frame, values, p.big_endian)


def _fitting(f: m.Field, given: Any, place: str) -> Value:
    """The value in the field's type and range."""
    if not isinstance(f.type, m.Bytes):
        return _number(f, given, place)
    if isinstance(given, str):
        given = given.encode("utf-8", errors="surrogatepass")
    if not isinstance(given, bytes):
        raise Failure(f"{place}: '{f.name}' is a text")
    if f.type.width and len(given) >= 1 << (8 * f.type.width):
        raise Failure(f"{place}: '{f.name}' has {len(given)} bytes, more than its length can say")
    return given


def _number(f: m.Field, given: Any, place: str) -> int:
    if isinstance(f.type, m.Enum) and isinstance(given, str):
        value = next((v.value for v in f.type.values if v.name == given), None)
        if value is None:
            raise Failure(f"{place}: enum {f.type.name} has no value '{given}'")
        return value
    if isinstance(given, bool) or not isinstance(given, int):
        what = "is missing" if given is None else "is a number"
        raise Failure(f"{place}: '{f.name}' {what}")
    if not 0 <= given < 1 << (8 * f.type.width):
        raise Failure(f"{place}: '{f.name}' is a number of {8 * f.type.width} bits")
    return given
