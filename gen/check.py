# SPDX-License-Identifier: Apache-2.0
"""What makes a description sound: one function per rule."""
from __future__ import annotations

from typing import Callable, Iterator, Sequence, Union

import model as m
import names
from check_parts import MESSAGE_RULES, owners
from diagnostics import Note, Report
from source import Span

# A connection that can make its server hold more than this is a mistake in the description.
HELD_NBYTES_MAX = 256 << 20
# Each byte of a number is a state of the parser; Ragel is quick far beyond this.
STATES_MAX = 4096


Item = Union[m.Bytes, m.Enum, m.Struct, m.Frame, m.Message, m.Limit]


def check(protocol: m.Protocol, report: Report) -> None:
    """Applies every rule; errors go to `report`."""
    of_messages = protocol.messages or "message" in protocol.broken
    for rule in (*SHARED_RULES, *(MESSAGE_RULES if of_messages else CALL_RULES)):
        rule(protocol, report)


def names_fit_c(p: m.Protocol, report: Report) -> None:
    for what, name, span in _named(p):
        problem = names.problem(name)
        if problem is not None and not (what == "call" and name in names.CALLS_ALLOWED):
            report.error("CDX0203", span, f"the {what} '{name}' cannot have this name", problem)
    for frame in p.frames:
        for f in frame.fields:
            if f.name in names.STATE:
                report.error("CDX0203", f.span, f"the field '{f.name}' cannot have this name",
                             "generated code has a variable of this name beside a frame's fields")


def names_stay_apart_in_c(p: m.Protocol, report: Report) -> None:
    taken: dict[str, tuple[str, Span]] = {}
    for what, made, span in names.of_file_scope(p):
        if made in taken and taken[made][1] != span:
            report.error("CDX0204", span,
                         f"{what} becomes '{made}' in C, and so does {taken[made][0]}",
                         "rename one of them", Note(taken[made][1], "the other one"))
        taken.setdefault(made, (what, span))


def everything_is_documented(p: m.Protocol, report: Report) -> None:
    for what, doc, span in _documented(p):
        if not any(line.strip() for line in doc):
            report.error("CDX0303", span, f"{what} has no documentation",
                         "put a line /// above it that says what it is for")


def limits_fit_their_length(p: m.Protocol, report: Report) -> None:
    for t in p.types:
        width = t.width or 4
        if t.max >= 1 << (8 * width):
            report.error("CDX0304", t.max_span, f"a length of {width * 8} bits cannot say {t.max}",
                         f"at most {(1 << (8 * width)) - 1}")
        if t.max == 0:
            report.error("CDX0304", t.max_span, "bytes that are always empty",
                         "give a maximum of at least 1")


def enum_values_fit(p: m.Protocol, report: Report) -> None:
    for e in p.enums:
        if not e.values:
            report.error("CDX0315", e.span, f"enum {e.name} has no values", "name at least one")
        seen: dict[int, Span] = {}
        for v in e.values:
            if v.value >= 1 << (8 * e.width):
                report.error("CDX0305", v.value_span, f"{v.value} does not fit {e.width * 8} bits",
                             f"at most {(1 << (8 * e.width)) - 1}")
            if v.value in seen:
                report.error("CDX0306", v.value_span, f"{v.value} is used twice in enum {e.name}",
                             "every value has its own number", Note(seen[v.value], "first here"))
            seen.setdefault(v.value, v.value_span)


def what_is_reserved_stays_unused(p: m.Protocol, report: Report) -> None:
    users: list[tuple[str, tuple[m.Reserved, ...], list[tuple[str, Span, int, Span]]]] = [
        (f"enum {e.name}", e.reserved,
         [(v.name, v.span, v.value, v.value_span) for v in e.values]) for e in p.enums]
    users.append(("the calls", p.reserved,
                  [(c.name, c.span, c.number or 0, c.number_span) for c in p.calls]))
    for where, reserved, used in users:
        spans = {r.value: r.span for r in reserved}
        for name, name_span, number, number_span in used:
            taken: tuple[tuple[Union[int, str], Span], ...] = (
                (name, name_span), (number, number_span))
            for value, span in taken:
                if value in spans:
                    shown = f"'{value}'" if isinstance(value, str) else str(value)
                    report.error("CDX0326", span, f"{shown} is reserved in {where}",
                                 "it meant something else once: take another",
                                 Note(spans[value], "reserved here"))


def call_numbers_fit(p: m.Protocol, report: Report) -> None:
    seen: dict[int, Span] = {}
    for c in p.calls:
        number = c.number or 0
        if number > 255:
            report.error("CDX0305", c.number_span, f"call number {number} does not fit 8 bits",
                         "at most 255")
        if number in seen:
            report.error("CDX0306", c.number_span, f"call number 0x{number:02x} is used twice",
                         "numbers are neither shared nor used again",
                         Note(seen[number], "first here"))
        seen.setdefault(number, c.number_span)


def rest_comes_last(p: m.Protocol, report: Report) -> None:
    for frame in p.frames:
        for f in frame.fields:
            if isinstance(f.type, m.Bytes) and f.type.width == 0:
                report.error("CDX0307", f.type_span, f"nothing says where '{f.name}' ends",
                             "in a frame, bytes stand behind a length: bytes<u16, max …>")
    for struct in p.structs:
        for f in struct.fields[:-1]:
            if isinstance(f.type, m.Bytes) and f.type.width == 0:
                report.error("CDX0307", f.type_span,
                             f"'{f.name}' takes all that is left, but is not the last field",
                             "put it last")


def bodies_have_no_lengths(p: m.Protocol, report: Report) -> None:
    for struct in p.structs:
        if not struct.fields and f"struct {struct.name}" not in p.broken:
            report.error("CDX0315", struct.span, f"struct {struct.name} has no fields",
                         "give it at least one")
        for f in struct.fields:
            if isinstance(f.type, m.Bytes) and f.type.width != 0:
                report.error("CDX0307", f.type_span,
                             f"'{f.name}' has a length of its own inside a body",
                             "a body's only bytes are its last field, of a bytes<rest, …> type")
            if isinstance(f.type, m.Selector) or f.correlate is not None:
                report.error("CDX0308", f.span, f"'{f.name}' belongs in a frame",
                             "a body has integers, enums and bytes")


def frames_are_complete(p: m.Protocol, report: Report) -> None:
    there = {f.name for f in p.frames} | p.broken
    for name in ("request", "response"):
        if name not in there:
            report.error("CDX0308", p.span, f"the protocol has no frame {name}",
                         f"write: frame {name} {{ … }}")
    for frame in p.frames:
        if f"frame {frame.name}" in p.broken:
            continue
        kind = m.Selector if frame.name == "request" else m.Enum
        wanted = "of type call" if frame.name == "request" else "of an enum, its status"
        _exactly_one(frame, [f for f in frame.fields if isinstance(f.type, kind)], wanted, report)
        _exactly_one(frame, [f for f in frame.fields if f.correlate], "marked correlate", report)
        if not any(f.is_bytes for f in frame.fields):
            report.error("CDX0308", frame.span, f"frame {frame.name} carries no bytes",
                         "give it at least one bytes field")


def _exactly_one(frame: m.Frame, fields: list[m.Field], what: str, report: Report) -> None:
    if not fields:
        report.error("CDX0308", frame.span, f"frame {frame.name} has no field {what}", "add one")
    for extra in fields[1:]:
        report.error("CDX0308", extra.span, f"frame {frame.name} has a second field {what}",
                     "keep one", Note(fields[0].span, "the first one"))


def calls_stand_where_they_may(p: m.Protocol, report: Report) -> None:
    for frame in p.frames:
        counted: m.Field | None = None
        for f in frame.fields:
            counted = counted or (f if f.is_bytes else None)
            if not isinstance(f.type, m.Selector):
                continue
            if frame.name == "response":
                report.error("CDX0308", f.type_span, "a response has a status, not a call",
                             "use an enum")
            elif counted is not None:
                report.error("CDX0308", f.span,
                             f"the call stands behind the bytes of '{counted.name}'",
                             "put it before them: it says how long they may be",
                             Note(counted.span, "described here"))


def lengths_keep_their_names(p: m.Protocol, report: Report) -> None:
    for frame in p.frames:
        for f in frame.fields:
            other = frame.named(f.name + "_len") if f.is_bytes else None
            if other is not None:
                report.error("CDX0204", other.span,
                             f"'{other.name}' is the name of the length of '{f.name}'",
                             "choose another name", Note(f.span, "described here"))


def correlations_agree(p: m.Protocol, report: Report) -> None:
    marks = [f for frame in p.frames for f in frame.fields if f.correlate]
    for f in marks:
        if not isinstance(f.type, m.Scalar) or f.type.width != 4:
            report.error("CDX0309", f.type_span, f"'{f.name}' cannot correlate",
                         "a correlation is a u32: clients count their requests in 32 bits")
    if len(marks) == 2 and marks[0].name != marks[1].name:
        report.error("CDX0309", marks[1].span, "request and response correlate by different names",
                     "give both fields the same name", Note(marks[0].span, "the other one"))


def calls_are_complete(p: m.Protocol, report: Report) -> None:
    if not p.calls and "call" not in p.broken:
        report.error("CDX0315", p.span, "the protocol has no calls",
                     "describe at least one: call name = 0x01 { … }")
    for c in p.calls:
        if f"call {c.name}" in p.broken or len(p.frames) < 2:
            continue
        if c.request is None:
            report.error("CDX0316", c.span, f"call '{c.name}' has no request",
                         "write: request { … }")
        if not c.responses:
            report.error("CDX0316", c.span, f"call '{c.name}' has no response",
                         "write: response { … }")


def one_status_stands_for_rows(p: m.Protocol, report: Report) -> None:
    enum = _status_enum(p)
    for e in p.enums:
        flagged = [v for v in e.values if v.more]
        if flagged and enum is not None and e is not enum:
            report.error("CDX0313", flagged[0].span, f"enum {e.name} is no status",
                         "remove 'more': it means something in the response's status only")
        for extra in flagged[1:]:
            report.error("CDX0312", extra.span, "a second status is marked 'more'",
                         "one status stands for rows", Note(flagged[0].span, "the first one"))
        if flagged and flagged[0] is e.values[0] and e is enum:
            report.error("CDX0312", flagged[0].span,
                         "the first status ends an answer that has no other name",
                         "put a status without 'more' first")


def statuses_stand_where_they_may(p: m.Protocol, report: Report) -> None:
    for c in [*p.calls, *([p.any_call] if p.any_call else [])]:
        seen: dict[str, Span] = {}
        if c.row is not None and c.row.status is None and _status_enum(p) is not None:
            report.error("CDX0312", c.row.span,
                         f"call '{c.name}' answers rows, but no status is marked 'more'",
                         "mark one in the status enum: row = 0x01 more;")
        for shape in c.responses:
            assert shape.status is not None
            if shape.status.more:
                report.error("CDX0313", shape.span, f"'{shape.status.name}' does not end an answer",
                             "rows have a clause of their own: row { … }")
            if shape.status.name in seen:
                report.error("CDX0306", shape.span,
                             f"'{shape.status.name}' stands twice in this response",
                             "keep one", Note(seen[shape.status.name], "the first one"))
            seen.setdefault(shape.status.name, shape.span)


def statuses_of_every_call_are_its_own(p: m.Protocol, report: Report) -> None:
    if p.any_call is None:
        return
    shared = {s.status.name: s.span for s in p.any_call.responses if s.status}
    for c in p.calls:
        for shape in c.responses:
            if shape.status and shape.status.name in shared:
                report.error("CDX0313", shape.span,
                             f"'{shape.status.name}' may answer any call already",
                             "remove it here", Note(shared[shape.status.name], "in 'any call'"))


def uses_fit_their_fields(p: m.Protocol, report: Report) -> None:
    for shape in _shapes(p):
        structs = [u for u in shape.uses if isinstance(u.body, m.Struct)]
        for extra in structs[1:]:
            report.error("CDX0310", extra.span, "a second typed body in one frame",
                         "one field may hold a struct", Note(structs[0].span, "the first one"))
        for use in shape.uses:
            field = use.field.type
            assert isinstance(field, m.Bytes)
            if isinstance(use.body, m.Bytes) and use.body.width != 0 and use.body is not field:
                report.error("CDX0310", use.span, f"'{use.body.name}' has a length of its own",
                             f"the length of '{use.field.name}' counts already: "
                             "use a bytes<rest, …> type", Note(use.body.span, "described here"))
            elif use.max > field.max:
                report.error("CDX0311", use.span, f"'{use.body.name}' has up to {use.max} bytes, "
                             f"but '{use.field.name}' at most {field.max}",
                             "make the field larger or the body smaller",
                             Note(use.field.span, "the field"))


def everything_is_used(p: m.Protocol, report: Report) -> None:
    if p.broken:
        return  # what is broken may use it
    items: Sequence[Item] = [*p.types, *p.enums, *p.structs]
    for item in items:
        if item.name not in p.used:
            report.error("CDX0314", item.span, f"{_kind(item)} '{item.name}' is used by nothing",
                         "use it or remove it")
    enum = _status_enum(p)
    answered = {s.status.name for s in _shapes(p) if s.status}
    for v in enum.values if enum is not None else ():
        if v.name not in answered:
            report.error("CDX0314", v.span, f"no call answers '{v.name}'", "use it or remove it")


def connections_hold_little(p: m.Protocol, report: Report) -> None:
    for frame in p.frames:
        held = sum(f.type.max for f in frame.fields if isinstance(f.type, m.Bytes))
        if held > HELD_NBYTES_MAX:
            report.error("CDX0501", frame.span,
                         f"one {frame.name} can make its receiver hold {held} bytes",
                         f"at most {HELD_NBYTES_MAX}: give its bytes smaller limits")


def parsers_stay_small(p: m.Protocol, report: Report) -> None:
    for frame in p.frames:
        states = sum(f.type.width + 1 for f in frame.fields)
        if states > STATES_MAX:
            report.error("CDX0502", frame.span, f"the parser of {frame.name} needs {states} states",
                         f"at most {STATES_MAX}: a frame has fewer fields")


def calls_have_plain_enums(p: m.Protocol, report: Report) -> None:
    for e in p.enums:
        if e.is_open or e.is_flags:
            report.error("CDX0318", e.span, f"'{e.name}' is not closed",
                         "frames and bodies of calls have closed enums; "
                         "open ones and flags are for messages")
    # A limit is told of once, by its name.
    for limit in p.limits:
        report.error("CDX0318", limit.span, f"limit '{limit.name}' beside calls",
                     "types have limits of their own: bytes<u16, max N>")


Rule = Callable[[m.Protocol, Report], None]
SHARED_RULES: tuple[Rule, ...] = (
    names_fit_c, names_stay_apart_in_c, everything_is_documented, limits_fit_their_length,
    enum_values_fit, what_is_reserved_stays_unused,
)
CALL_RULES: tuple[Rule, ...] = (
    call_numbers_fit, rest_comes_last, bodies_have_no_lengths, frames_are_complete,
    calls_stand_where_they_may, lengths_keep_their_names, correlations_agree, calls_are_complete,
    one_status_stands_for_rows, statuses_stand_where_they_may, statuses_of_every_call_are_its_own,
    uses_fit_their_fields, everything_is_used, connections_hold_little, parsers_stay_small,
    calls_have_plain_enums,
)


def _status_enum(p: m.Protocol) -> m.Enum | None:
    """The response's status, if it has one."""
    fields = [f for frame in p.frames if frame.name == "response" for f in frame.fields]
    return next((f.type for f in fields if isinstance(f.type, m.Enum)), None)


def _shapes(p: m.Protocol) -> Iterator[m.Shape]:
    for c in [*p.calls, *([p.any_call] if p.any_call else [])]:
        if c.request is not None:
            yield c.request
        yield from c.answers


def _kind(item: Item) -> str:
    kinds = {m.Bytes: "type", m.Enum: "enum", m.Struct: "struct", m.Frame: "frame",
             m.Message: "message", m.Limit: "limit"}
    return kinds[type(item)]


def _named(p: m.Protocol) -> Iterator[tuple[str, str, Span]]:
    """Every name that stands in C as it is, as (what, name, place)."""
    if "protocol" not in p.broken:
        yield "prefix", p.prefix, p.prefix_span
    items: Sequence[Item] = [*p.types, *p.enums, *p.structs]
    for item in items:
        yield _kind(item), item.name, item.span
    for e in p.enums:
        for v in e.values if not p.messages else ():
            yield "value", v.name, v.span
    holders: Sequence[Union[m.Struct, m.Frame]] = [*p.structs, *p.frames]
    for holder in holders:
        for f in holder.fields:
            yield "field", f.name, f.span
    for message in p.messages:
        yield "message", message.name, message.span
    for limit in p.limits:
        yield "limit", limit.name, limit.span
    for owner in owners(p):
        for part in owner.parts:
            yield "field", part.name, part.span
    for c in p.calls:
        yield "call", c.name, c.span


def _documented(p: m.Protocol) -> Iterator[tuple[str, tuple[str, ...], Span]]:
    if "protocol" not in p.broken:
        yield f"protocol {p.name}", p.doc, p.span
    items: Sequence[Item] = [*p.types, *p.enums, *p.structs, *p.frames, *p.messages, *p.limits]
    for item in items:
        yield f"{_kind(item)} {item.name}", item.doc, item.span
    for e in p.enums:
        for v in e.values:
            yield f"value {e.name}.{v.name}", v.doc, v.span
    holders: Sequence[Union[m.Struct, m.Frame]] = [*p.structs, *p.frames]
    for holder in holders:
        for f in holder.fields:
            yield f"field {holder.name}.{f.name}", f.doc, f.span
    for owner in owners(p):
        for part in owner.parts:
            yield f"field {owner.name}.{part.name}", part.doc, part.span
    for c in [*p.calls, *([p.any_call] if p.any_call else [])]:
        yield f"call {c.name}", c.doc, c.span
