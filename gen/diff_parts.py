# SPDX-License-Identifier: Apache-2.0
"""What changed between two descriptions of messages: pairs of fields, held against each other.

Every rule says which bytes could show a change; witness_parts.py looks for them.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Hashable, Iterator, Union

import model as m
from changes import RULES, Change, not_reserved
from export_parts import expression_text
from expressions import refs
from pairing import Pairing, pair_enums, pairs
from sample_parts import Wish, constants_of, expressions_of, owner_of
from sizes import NUMBERS, value_range

Owner = Union[m.Message, m.Struct]
WISHES_MAX = 24


@dataclass
class PartChange(Change):
    """A change of messages. `wishes`: what a message of the old or new writer needs to show it."""

    wishes: dict[bool, list[Wish]] = field(default_factory=lambda: {True: [], False: []})
    # The two versions of a part that alone differ, by the names of their owners.
    parts: list[tuple[str, m.Part, str, m.Part]] = field(default_factory=list)

    @property
    def breaks(self) -> set[str]:
        if self.note:
            return {whom for whom, says in (("old readers", self.rule.old_readers),
                                            ("old writers", self.rule.old_writers)) if says != "no"}
        return super().breaks


@dataclass
class PartPairing(Pairing):
    """Messages and structs that have a counterpart, and what their numbers could be."""

    messages: list[tuple[m.Message, m.Message]] = field(default_factory=list)
    hints: dict[tuple[str, str], list[int]] = field(default_factory=dict)

    @property
    def owners(self) -> list[tuple[Owner, Owner]]:
        return [*self.messages, *self.structs]

    def parts(self, old: Owner, new: Owner) -> Iterator[tuple[m.Part, m.Part]]:
        olds = {p.name: p for p in old.parts}
        for p in new.parts:
            before = self.old_name(owner_of(new), p.name)
            if before in olds:
                yield olds[before], p


def pair_messages(old: m.Protocol, new: m.Protocol) -> PartPairing:
    """Which of the new is which of the old."""
    made = PartPairing(old, new)

    def shape(at: int, x: m.Message) -> Hashable:
        return at, tuple(type(p.type) for p in x.parts)

    made.messages = list(pairs(made, "message", "message", old.messages, new.messages, shape))
    at = 0
    while at < len(made.owners):   # grows by the structs in it
        _pair_parts(made, *made.owners[at])
        at += 1
    for a, b in made.owners:
        _hints(made, a, b)
    return made


def _pair_parts(made: PartPairing, old: Owner, new: Owner) -> None:
    def place(at: int, p: m.Part) -> Hashable:
        return at, type(p.type), getattr(p.type, "width", 0)

    for a, b in pairs(made, f"field of {old.name}", owner_of(new), old.parts, new.parts, place):
        if isinstance(a.type, m.Integer) and isinstance(b.type, m.Integer):
            if a.type.enum is not None and b.type.enum is not None:
                pair_enums(made, a.type.enum, b.type.enum)
        for x, y in _structs(a.type, b.type):
            if all((x, y) != (s, t) for s, t in made.structs):
                made.structs.append((x, y))


def _structs(a: m.PartType, b: m.PartType) -> Iterator[tuple[m.Struct, m.Struct]]:
    """Structs that stand in the same place of two versions of a part."""
    if isinstance(a, m.Struct) and isinstance(b, m.Struct):
        yield a, b
    elif isinstance(a, m.Array) and isinstance(b, m.Array):
        yield a.element, b.element
    elif isinstance(a, m.Choice) and isinstance(b, m.Choice):
        for x, y in ((x, y) for x in a.arms for y in b.arms if set(x.values) & set(y.values)):
            if x.struct is not None and y.struct is not None:
                yield x.struct, y.struct
        if a.other is not None and b.other is not None:
            if a.other.struct is not None and b.other.struct is not None:
                yield a.other.struct, b.other.struct


def _hints(made: PartPairing, old: Owner, new: Owner) -> None:
    """Numbers at which the two could differ, for every number of both."""
    for a, b in made.parts(old, new):
        values: set[int] = set()
        for owner, part in ((old, a), (new, b)):
            if isinstance(part.type, NUMBERS):
                low, high = value_range(part)
                values |= {low, high, high + 1, high // 2, high // 2 + 1}
            if isinstance(part.type, m.Integer) and part.type.enum is not None:
                values |= {v.value for v in part.type.enum.values}
            for other in owner.parts:
                for e in expressions_of(other):
                    if part.name in {r.name for r in refs(e)}:
                        values |= {c + d for c in constants_of(e) for d in (-1, 0, 1)}
                if isinstance(other.type, m.Choice) and part.name in {
                        r.name for r in refs(other.type.tag)}:
                    values |= {v for arm in other.type.arms for v in arm.values}
        for owner, part in ((old, a), (new, b)):
            found = made.hints.setdefault((owner_of(owner), part.name), [])
            found += sorted(values - set(found))


def changes_of(made: PartPairing) -> list[PartChange]:
    """All changes that rules find, without witnesses."""
    finder = _Finder(made)
    finder.find()
    return list(finder.made.values())


class _Finder:
    def __init__(self, pairing: PartPairing) -> None:
        self.pairing = pairing
        self.made: dict[tuple[str, str], PartChange] = {}
        self.users: list[tuple[m.Enum, m.Enum, Owner, m.Part, Owner, m.Part]] = []

    def find(self) -> None:
        old, new = self.pairing.old, self.pairing.new
        for what in ("port", "prefix"):
            if getattr(old, what) != getattr(new, what):
                self.note("property", f"the {what} was {getattr(old, what)} and is "
                          f"{getattr(new, what)}", new.span.line)
        for x in old.messages:
            if all(a is not x for a, _ in self.pairing.messages):
                change = self.note("message-removed", f"message '{x.name}' is gone", x.span.line,
                                   is_in_old=True)
                change.note = "nothing reads or sends it any more"
        for x in new.messages:
            if all(b is not x for _, b in self.pairing.messages):
                self.note("message-added", f"message '{x.name}' is new", x.span.line)
        for a, b in self.pairing.owners:
            self.owner(a, b)
        for enums in self.pairing.enums:
            self.enum(*enums)
        for r in self.pairing.renamed:
            self.note("renamed", f"{r.what} '{r.old}' is called '{r.new}' now", r.line)

    def note(self, rule: str, text: str, line: int, is_in_old: bool = False) -> PartChange:
        return self.made.setdefault(
            (rule, text), PartChange(RULES[rule], text, line, is_in_old=is_in_old))

    # ---- the fields of a message or struct ----

    def owner(self, a: Owner, b: Owner) -> None:
        both = list(self.pairing.parts(a, b))
        for p in a.parts:
            if all(x is not p for x, _ in both):
                change = self.note("field-removed", f"{owner_of(a)}: '{p.name}' is gone",
                                   p.span.line, is_in_old=True)
                self.anywhere(change, a, b, p, True)
        for p in b.parts:
            if all(y is not p for _, y in both):
                change = self.note("field-added", f"{owner_of(b)}: '{p.name}' is new", p.span.line)
                self.anywhere(change, a, b, p, False)
        kept = [p.name for p in a.parts if any(x is p for x, _ in both)]
        if kept != [x.name for x, _ in both]:
            change = self.note("field-order", f"{owner_of(b)}: its fields are in another order",
                               b.span.line)
            self.anywhere(change, a, b, None, True)
        for x, y in both:
            self.part(a, x, b, y)

    def anywhere(self, change: PartChange, a: Owner, b: Owner, part: m.Part | None,
                 is_old: bool) -> None:
        """Any message with such a struct may show it, one with the field above all."""
        for x, is_writer_old in ((a, True), (b, False)):
            if part is not None and is_old == is_writer_old:
                change.wishes[is_writer_old].append(Wish(owner_of(x), part.name))
                if isinstance(part.type, NUMBERS) and part.value is None:
                    change.wishes[is_writer_old] += [
                        Wish(owner_of(x), part.name, v) for v in (0, 1, 255)]
            change.wishes[is_writer_old] += [Wish(owner_of(x), p.name) for p in x.parts[:3]]

    # ---- one field ----

    def part(self, a: Owner, x: m.Part, b: Owner, y: m.Part) -> None:
        for rule, text in self.differences(x, y, owner_of(b)):
            change = self.note(rule, f"{owner_of(b)}: '{y.name}' {text}", y.span.line)
            change.parts.append((owner_of(a), x, owner_of(b), y))
            for owner, part, is_old in ((a, x, True), (b, y, False)):
                change.wishes[is_old] += self.wishes(owner, part, x, y)
        s, t = x.type, y.type
        if isinstance(s, m.Integer) and isinstance(t, m.Integer):
            if s.enum is not None and t.enum is not None:
                self.users.append((s.enum, t.enum, a, x, b, y))

    def wishes(self, owner: Owner, part: m.Part, x: m.Part, y: m.Part) -> list[Wish]:
        """Messages at whose values the two versions of a part could differ."""
        name = owner_of(owner)
        made = [Wish(name, part.name)]
        if isinstance(part.type, NUMBERS):
            made += [Wish(name, part.name, v) for v in self.pairing.hints.get((name, part.name), [])
                     if value_range(part)[0] <= v <= value_range(part)[1]]
        sizes = sorted({size + d for of in (x.type, y.type) for size in (
            getattr(of, "max", 0), getattr(of, "room", None) or 0) for d in (0, 1)})
        if isinstance(part.type, (m.Counted, m.Sized, m.Token, m.Array)):
            made += [Wish(name, part.name, n) for n in (0, 1, 5, *sizes) if n <= part.type.max]
        named = {r.name for p in (x, y) for e in expressions_of(p) for r in refs(e)} - {part.name}
        for other in owner.parts:
            if other.name in named and isinstance(other.type, NUMBERS):
                low, high = value_range(other)
                made += [Wish(name, other.name, v) for v in
                         self.pairing.hints.get((name, other.name), [])[:WISHES_MAX]
                         if low <= v <= high]
        return list(dict.fromkeys(made))

    def differences(self, x: m.Part, y: m.Part, owner: str) -> Iterator[tuple[str, str]]:
        s, t = x.type, y.type
        if type(s) is not type(t):
            yield "kind", f"was {_kind(s)} and is {_kind(t)}"
            return
        yield from self.number(s, t)
        yield from self.bytes(s, t, owner)
        if isinstance(s, m.Choice) and isinstance(t, m.Choice):
            yield from self.choice(s, t, owner)
        if x.value != y.value:
            yield "constant", f"had {_value(x.value)} and has {_value(y.value)}"
        for rule, what, before, after in (
                ("length", "had to fill", x.within, y.within),
                ("condition", "was there if", x.condition, y.condition)):
            if self.text(before) != self.text(after, owner):
                yield rule, f"{what} {self.text(before)}; now {self.text(after, owner)}"
        olds = {self.text(w.test) for w in x.wheres}
        news = {self.text(w.test, owner) for w in y.wheres}
        for text in sorted(olds - news):
            yield "where-removed", f"need not be {text} any more"
        for text in sorted(news - olds):
            yield "where-added", f"must be {text}"

    def number(self, s: Any, t: Any) -> Iterator[tuple[str, str]]:
        """What differs of two numbers of one kind."""
        if isinstance(s, (*NUMBERS, m.Counted)) and s.width != t.width:
            yield "width", f"was {_kind(s)} and is {_kind(t)}"
        if isinstance(s, NUMBERS) and s.signed != t.signed:
            yield "sign", f"was {_kind(s)} and is {_kind(t)}"
        if isinstance(s, (m.Integer, m.Counted)) and s.big_endian != t.big_endian:
            if max(s.width, t.width) > 1:
                yield "byte-order", f"is {'big' if t.big_endian else 'little'}-endian now"
        if isinstance(s, m.Integer):
            if s.ahead != t.ahead:
                yield "ahead", "is only looked at now" if t.ahead else "is taken now"
            if s.enum is None and t.enum is not None and not t.enum.is_open:
                yield "enum-closed", f"was any number and is of enum {t.enum.name}"
            if s.enum is not None and t.enum is None and not s.enum.is_open:
                yield "enum-opened", f"was of enum {s.enum.name} and is any number"

    def bytes(self, s: Any, t: Any, owner: str) -> Iterator[tuple[str, str]]:
        """What differs of two parts of bytes or structs of one kind."""
        if isinstance(s, (m.Decimal, m.Token)) and s.end != t.end:
            yield "delimiter", f"ended in {s.end!r} and ends in {t.end!r}"
        if isinstance(s, m.Token) and s.pattern != t.pattern:
            yield "pattern", f"had {_pattern(s)} and has {_pattern(t)}"
        if isinstance(s, m.Literal) and s != t:
            yield "constant", f"was {s.data!r} and is {t.data!r}"
        if isinstance(s, m.Filler) and s != t:
            yield "padding", f"was {_kind(s)} and is {_kind(t)}"
        if isinstance(s, m.Sized) and self.text(s.length) != self.text(t.length, owner):
            yield "length", f"had {self.text(s.length)} bytes and has {self.text(t.length, owner)}"
        if isinstance(s, m.Array) and self.text(s.count) != self.text(t.count, owner):
            yield "length", f"had {self.text(s.count)} elements and has {self.text(t.count, owner)}"
        for what in ("max", "room"):
            before, after = getattr(s, what, None), getattr(t, what, None)
            if before != after and isinstance(s, (m.Token, m.Counted, m.Sized, m.Array)):
                is_more = after is None or (before is not None and after > before)
                unit = "elements" if isinstance(s, m.Array) and what == "max" else "bytes"
                yield ("limit-raised" if is_more else "limit-lowered",
                       f"had at most {_value(before)} {unit} and has {_value(after)}")

    def choice(self, s: m.Choice, t: m.Choice, owner: str) -> Iterator[tuple[str, str]]:
        if self.text(s.tag) != self.text(t.tag, owner):
            yield "tag", f"depended on {self.text(s.tag)} and depends on {self.text(t.tag, owner)}"
        olds = {v: arm for arm in s.arms for v in arm.values}
        news = {v: arm for arm in t.arms for v in arm.values}
        for value in [*sorted({*olds, *news}), None]:
            before = olds.get(value, s.other) if value is not None else s.other
            after = news.get(value, t.other) if value is not None else t.other
            shown = "other values" if value is None else str(value)
            if before is None and after is not None:
                yield "arm-added", f"has a form for {shown}: {_arm(after)}"
            elif before is not None and after is None:
                yield "arm-removed", f"has no form for {shown} any more"
            elif before is not None and after is not None and _arm(before) != _arm(after):
                yield "arm-changed", f"was {_arm(before)} for {shown} and is {_arm(after)}"

    def text(self, e: m.Expression | None, owner: str | None = None) -> str:
        """An expression in words under the old names; `owner`: whose names are the new ones."""
        if e is None:
            return "nothing else"
        return expression_text(_renamed(e, self.pairing, owner) if owner is not None else e)

    # ---- enums ----

    def enum(self, a: m.Enum, b: m.Enum) -> None:
        olds = {v.name: v for v in a.values}
        news = {self.pairing.old_name(f"enum {b.name}", v.name): v for v in b.values}
        for v in a.values:
            if v.name not in news:
                self.value("value-removed", f"enum {a.name}: '{v.name}' is gone", a, b, v.value,
                           v.span.line, True)
        for name, v in news.items():
            before = olds.get(name)
            if before is None:
                self.value("value-added", f"enum {b.name}: '{v.name}' is new", a, b, v.value,
                           v.span.line, False)
            elif before.value != v.value:
                text = f"enum {b.name}: '{v.name}' was {before.value} and is {v.value}"
                self.value("value-number", text, a, b, v.value, v.span.line, False)
                self.value("value-number", text, a, b, before.value, v.span.line, False)
        used = {v.value for v in b.values}
        gone = [(v.name, v.value) for v in a.values if v.name not in news and v.value not in used]
        for text in not_reserved(a.reserved, b.reserved, gone):
            self.note("reserved", f"enum {b.name}: {text}", b.span.line)
        if a.is_open != b.is_open:
            rule, what = ("enum-opened", "any number") if b.is_open else (
                "enum-closed", "its values only")
            free = [n for n in (3, 7, 64, 77, 128, 255) if n < 1 << 8 * a.width
                    and n not in {v.value for v in (*a.values, *b.values)}]
            for n in free:
                self.value(rule, f"enum {b.name}: takes {what}", a, b, n, b.span.line, False)
        if a.is_flags != b.is_flags:
            self.value("kind", f"enum {b.name}: {'is' if b.is_flags else 'was'} a set of flags",
                       a, b, 3, b.span.line, False)

    def value(self, rule: str, text: str, a: m.Enum, b: m.Enum, value: int, line: int,
              is_in_old: bool) -> None:
        change = self.note(rule, text, line, is_in_old)
        for s, t, owner, x, other, y in self.users:
            if (s, t) == (a, b):
                change.parts.append((owner_of(owner), x, owner_of(other), y))
                change.wishes[True].append(Wish(owner_of(owner), x.name, value))
                change.wishes[False].append(Wish(owner_of(other), y.name, value))


def _renamed(e: m.Expression, pairing: Pairing, owner: str) -> m.Expression:
    if isinstance(e, m.Ref):
        return m.Ref(pairing.old_name(owner, e.name), e.span)
    if isinstance(e, m.Operation):
        return m.Operation(e.operator, _renamed(e.left, pairing, owner),
                           _renamed(e.right, pairing, owner), e.span)
    return e


def _value(value: int | None) -> str:
    return "any" if value is None else str(value)


def _pattern(of: m.Token) -> str:
    return "no pattern" if of.pattern is None else f"/{of.pattern.decode('latin-1')}/"


def _arm(arm: m.Arm) -> str:
    return arm.struct.name if arm.struct is not None else "nothing"


def _kind(of: Any) -> str:
    """A kind of part in words."""
    if isinstance(of, (m.Integer, m.Varint, m.Decimal)):
        name = {m.Integer: "{}", m.Varint: "varint<{}>", m.Decimal: "decimal<{}>"}[type(of)]
        return name.format(f"{'i' if of.signed else 'u'}{of.width * 8}")
    if isinstance(of, m.Counted):
        return f"bytes<u{of.width * 8}>"
    if isinstance(of, m.Filler):
        return f"{'zero' if of.zero else 'skip'}[{of.size}]"
    return {m.Token: "a text", m.Literal: "a literal", m.Sized: "bytes", m.Array: "an array",
            m.Choice: "a choice", m.Struct: "a struct"}.get(type(of), type(of).__name__.lower())
