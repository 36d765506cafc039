# SPDX-License-Identifier: Apache-2.0
"""What changed between two descriptions, which peers it breaks, and bytes that show it.

Rules find changes; whether one breaks anybody is decided by its witnesses alone, which both
interpreters have read. A difference in what peers understand that no rule explains is told too.
"""
from __future__ import annotations

import json
from typing import AbstractSet, Any, Iterator, Sequence

import model as m
from changes import RULES, Change, Place, not_reserved
from cli import Failure
from pairing import Pairing, pair, shapes_of, status_of
from vectors import _spell
from witness import WAYS, witnesses
from witness_parts import compare_messages

SHOWN_MAX = 160


def compare(old: m.Protocol, new: m.Protocol) -> list[Change]:
    """All changes, those that break somebody first, each with its witnesses."""
    if bool(old.messages) != bool(new.messages):
        raise Failure("one of the two is a protocol of calls, the other one of messages")
    if old.messages:
        return _sorted(old, new, compare_messages(old, new))
    pairing = pair(old, new)
    changes = list(_Finder(pairing).changes())
    unexplained: list[Change] = []
    for way in WAYS:
        for w in witnesses(pairing, way):
            owners = [c for c in changes if c.explains(w)]
            if not owners:
                text = f"call '{w.call}' {w.status}".rstrip()
                owners = [Change(RULES["unexplained"], text, new.span.line)]
                unexplained += owners if all(c.text != text for c in unexplained) else []
            for change in owners:
                change.add(w, len(owners))
    return _sorted(old, new, [*changes, *unexplained])


def _sorted(old: m.Protocol, new: m.Protocol, changes: Sequence[Change]) -> list[Change]:
    """In the order in which they are told, each with its place in the file that it is in."""
    made = sorted(changes, key=lambda c: (not c.breaks, c.is_in_old, c.line))
    for change in made:
        source = (old if change.is_in_old else new).source
        file, change.line = source.place(change.line)
        change.file = file.name if file is not source else ""
    return made


class _Finder:
    """Applies the rules."""

    def __init__(self, pairing: Pairing) -> None:
        self.pairing = pairing
        self.old = pairing.old
        self.new = pairing.new
        self.made: dict[tuple[str, str], Change] = {}

    def changes(self) -> Iterator[Change]:
        self.properties()
        for a, b in ((self.old.request, self.new.request), (self.old.response, self.new.response)):
            self.frame(a, b)
        self.calls()
        for old, new in self.pairing.enums:
            self.enum(old, new)
        for r in self.pairing.renamed:
            self.note("renamed", f"{r.what} '{r.old}' is called '{r.new}' now", r.line)
        yield from self.made.values()

    def note(self, rule: str, text: str, line: int, places: AbstractSet[Place] = frozenset(),
             aspects: frozenset[str] = frozenset(), **more: Any) -> None:
        """A change; the same text twice is one change with more places."""
        change = self.made.setdefault((rule, text), Change(RULES[rule], text, line, **more))
        change.places |= places
        change.aspects |= aspects

    def properties(self) -> None:
        old, new = self.old, self.new
        if old.big_endian != new.big_endian:
            order = "big" if new.big_endian else "little"
            self.note("byte-order", f"numbers are {order}-endian now", new.span.line,
                      frames=("request", "response"))
        for what in ("port", "prefix"):
            if getattr(old, what) != getattr(new, what):
                self.note("property", f"the {what} was {getattr(old, what)} and is "
                          f"{getattr(new, what)}", new.span.line)

    def frame(self, old: m.Frame, new: m.Frame) -> None:
        for text in self.layout(new.name, old.fields, new.fields):
            self.note("frame", f"frame {new.name}: {text}", new.span.line, frames=(new.name,))
        before = self.pairing.old_name(new.name, new.correlate.name)
        if old.correlate.name != before:
            self.note("correlate", f"frame {new.name} correlates by '{new.correlate.name}', not by "
                      f"'{old.correlate.name}'", new.correlate.span.line, frames=(new.name,))

    def layout(self, owner: str, old: Sequence[m.Field], new: Sequence[m.Field]) -> Iterator[str]:
        """How a new run of fields differs on the wire, in words."""
        names = [self.pairing.old_name(owner, f.name) for f in new]
        olds = {f.name: f for f in old}
        for f in old:
            if f.name not in names:
                yield f"'{f.name}' is gone"
        for name, f in zip(names, new):
            if name not in olds:
                yield f"'{f.name}' is new"
            elif _form(olds[name]) != _form(f):
                yield f"'{f.name}' was {_form(olds[name])} and is {_form(f)}"
        kept = [f.name for f in old if f.name in names]
        if kept != [name for name in names if name in olds]:
            yield "its fields are in another order"

    # ---- calls ----

    def calls(self) -> None:
        pairs = self.pairing.calls
        for c in self.old.calls:
            if all(a is not c for a, _ in pairs):
                self.note("call-removed", f"call '{c.name}' is gone", c.span.line, is_in_old=True,
                          places={("request", c.name, "")})
        for c in self.new.calls:
            if all(b is not c for _, b in pairs):
                self.note("call-added", f"call '{c.name}' is new", c.span.line,
                          places={("request", c.name, "")})
        for a, b in pairs:
            if a.number != b.number:
                self.note("call-number", f"call '{a.name}' was 0x{a.number or 0:02x} and is "
                          f"0x{b.number or 0:02x}", b.span.line, places={("request", a.name, "")})
            self.answers(a, b, [a.name])
            for shape, other in shapes_of(self.pairing, a, b):
                self.uses(a.name, shape, other, [a.name])
        numbers = {c.number for c in self.new.calls}
        gone = [(c.name, c.number or 0) for c in self.old.calls
                if all(a is not c for a, _ in pairs) and c.number not in numbers]
        for text in not_reserved(self.old.reserved, self.new.reserved, gone):
            self.note("reserved", f"calls: {text}", self.new.span.line)
        self.any_call([a.name for a, _ in pairs])

    def any_call(self, names: list[str]) -> None:
        """Answers of every call."""
        none = m.Call("any call", (), self.new.span, None, self.new.span, None, None, ())
        old, new = self.old.any_call or none, self.new.any_call or none
        self.answers(old, new, names)
        for shape, other in shapes_of(self.pairing, old, new):
            self.uses("any call", shape, other, names)

    def answers(self, old: m.Call, new: m.Call, names: list[str]) -> None:
        before = {status_of(self.pairing, s, True): s for s in old.answers}
        after = {status_of(self.pairing, s, False): s for s in new.answers}
        for status, shape in before.items():
            if status not in after:
                self.note("answer-removed", f"{_call(old)} is no longer answered '{status}'",
                          shape.span.line, is_in_old=True,
                          places={("response", name, status) for name in names})
        for status, shape in after.items():
            if status not in before:
                self.note("answer-added", f"{_call(new)} can be answered '{status}'",
                          shape.span.line, places={("response", name, status) for name in names})

    def uses(self, call: str, old: m.Shape, new: m.Shape, names: list[str]) -> None:
        frame = new.frame.name
        status = status_of(self.pairing, old, True) if old.status else ""
        places = {(frame, name, status) for name in names}
        what = f"{call} {status or frame}"
        news = {self.pairing.old_name(frame, u.field.name): u for u in new.uses}
        for use in old.uses:
            if use.field.name not in news:
                self.note("use-removed", f"{what} leaves '{use.field.name}' empty", new.span.line,
                          places=places)
        for name, use in news.items():
            before = old.use(name)
            if before is None:
                self.note("use-added", f"{what} uses '{use.field.name}'", use.span.line,
                          places=places)
            else:
                self.body(f"{what}, '{use.field.name}'", before, use, places)

    def body(self, what: str, old: m.Use, new: m.Use, places: set[Place]) -> None:
        a, b = old.body, new.body
        if isinstance(a, m.Struct) and isinstance(b, m.Struct):
            texts = list(self.layout(f"struct {b.name}", a.fields, b.fields))
            for text in texts:
                self.note("struct", f"struct {b.name}: {text}", b.span.line, places=places)
            if texts:
                return
        elif isinstance(a, m.Struct) or isinstance(b, m.Struct):
            self.note("body", f"{what} held {a.name} and holds {b.name}", new.span.line,
                      places=places)
            return
        if old.max != new.max:
            rule = "limit-raised" if new.max > old.max else "limit-lowered"
            field_name = {f"length {old.field.name}", f"length {new.field.name}"}
            kind = "struct" if isinstance(b, m.Struct) else "type"
            self.note(rule, f"{kind} {b.name} had at most {old.max} bytes and has {new.max}",
                      b.span.line, places=places, aspects=frozenset(field_name))

    # ---- enums ----

    def enum(self, old: m.Enum, new: m.Enum) -> None:
        is_status = new is self.new.response.selector.type
        owner = f"enum {new.name}"
        news = {self.pairing.old_name(owner, v.name): v for v in new.values}
        olds = {v.name: v for v in old.values}
        both = ("request", "response")
        for v in old.values:
            if v.name not in news and not is_status:
                self.note("value-removed", f"enum {old.name}: '{v.name}' is gone", v.span.line,
                          is_in_old=True, frames=both,
                          aspects=frozenset([f"value {old.name} {v.value}"]))
        for name, v in news.items():
            before = olds.get(name)
            if before is None and not is_status:
                self.note("value-added", f"enum {new.name}: '{v.name}' is new", v.span.line,
                          frames=both, aspects=frozenset([f"value {new.name} {v.value}"]))
            if before is not None:
                self.value(old, new, before, v, is_status)
        used = {v.value for v in new.values}
        gone = [(v.name, v.value) for v in old.values
                if v.name not in news and v.value not in used]
        for text in not_reserved(old.reserved, new.reserved, gone):
            self.note("reserved", f"enum {new.name}: {text}", new.span.line)

    def value(self, old: m.Enum, new: m.Enum, before: m.EnumValue, after: m.EnumValue,
              is_status: bool) -> None:
        names = [a.name for a, _ in self.pairing.calls]
        places = {("response", name, before.name) for name in names} if is_status else set()
        aspects = frozenset() if is_status else frozenset(
            [f"value {old.name} {before.value}", f"value {new.name} {after.value}"])
        if before.value != after.value:
            self.note("value-number", f"enum {new.name}: '{after.name}' was {before.value} and is "
                      f"{after.value}", after.span.line, places=places, aspects=aspects,
                      frames=() if is_status else ("request", "response"))
        if before.more != after.more and is_status:
            self.note("more", f"'{after.name}' {'begins' if after.more else 'ceases'} to say that "
                      "more frames follow", after.span.line, places=places)


def _form(f: m.Field) -> str:
    """What of a field's type is on the wire."""
    if isinstance(f.type, m.Bytes):
        return f"bytes<u{f.type.width * 8}>" if f.type.width else "bytes<rest>"
    kind = {m.Enum: "an enum of ", m.Selector: "the call, "}.get(type(f.type), "")
    return f"{kind}u{f.type.width * 8}"


def _call(call: m.Call) -> str:
    return "any call" if call.number is None else f"call '{call.name}'"


# ---- what is told ----

def verdict(old: m.Protocol, new: m.Protocol, changes: list[Change]) -> str:
    """The last line: whether peers of the two understand each other, and what the version says."""
    versions = f"{old.major}.{old.minor} and {new.major}.{new.minor}"
    if any(c.breaks for c in changes):
        hint = "" if new.major > old.major else f"; raise the major version to {old.major + 1}"
        return f"{versions} do not understand each other{hint}"
    if any(c.rule.name == "call-added" for c in changes):
        is_raised = (new.major, new.minor) > (old.major, old.minor)
        hint = "" if is_raised else f"; raise the minor version to {old.minor + 1}"
        return f"{versions} understand each other where they ask for the version first{hint}"
    return f"{versions} understand each other"


def text_of(changes: list[Change], names: tuple[str, str]) -> str:
    """For people: each change, then its witnesses."""
    lines: list[str] = []
    for change in changes:
        place = f"{change.file or names[not change.is_in_old]}:{change.line}"
        whom = " and ".join(sorted(change.breaks))
        says = f"breaks {whom}" if whom else "new clients ask the version first" if (
            change.rule.name == "call-added") else "breaks nobody"
        lines.append(f"{place}: {change.rule.name}: {change.text}; {says}")
        lines += [f"    {change.note}"] if change.note else []
        for w in change.found:
            lines += [f"    {w.way.writer} sends {_shown(_spell(w.data))}",
                      f"        {_shown(w.sent)}", f"    {w.way.reader} {_shown(w.happens)}"]
    return "".join(line + "\n" for line in lines)


def _shown(text: str) -> str:
    return text if len(text) <= SHOWN_MAX else text[:SHOWN_MAX] + "…"


def json_of(changes: list[Change]) -> str:
    """For programs: the same, with all bytes."""
    return json.dumps({"caudex_changes": 1, "changes": [{
        "rule": c.rule.name, "text": c.text, "line": c.line,
        "description": "old" if c.is_in_old else "new", "breaks": sorted(c.breaks),
        **({"file": c.file} if c.file else {}), **({"note": c.note} if c.note else {}),
        "witnesses": [{"writer": w.way.writer, "reader": w.way.reader, "frame": w.way.frame,
                       "bytes": w.data.hex(), "happens": w.happens} for w in c.found],
    } for c in changes]}, indent=2, ensure_ascii=False) + "\n"


def rules_text() -> str:
    """The rules as a table."""
    rows = [("change", "of", "what", "old readers", "old writers")]
    rows += [(r.name, r.of, r.what, r.old_readers, r.old_writers) for r in RULES.values()]
    widths = [max(len(row[at]) for row in rows) for at in range(5)]
    return "".join("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths)).rstrip() + "\n"
                   for row in rows)
