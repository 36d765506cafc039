# SPDX-License-Identifier: Apache-2.0
"""Messages that one description's writers send and the other's readers refuse or read differently.

Messages are made at random around the places where a change could show, and read by both. A
message shows a change of one field if the writer's own description with the other version of that
field would not take it either.
"""
from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Any, Iterator, Union

import model as m
from changes import RULES
from diff_parts import Owner, PartChange, PartPairing, changes_of, pair_messages
from expressions import evaluate, refs
from interpret import Incomplete, Refusal
from interpret_parts import Reading, arm_of, read_message
from sample_parts import (Sampler, TooLarge, Unlucky, Wish, expressions_of, owner_of, owners_in,
                          structs_of)
from transcript import Entry, line_of, reason_of
from witness import Witness

# For one wish; for all wishes of a change; of a message without any wish.
ATTEMPTS = 24
ATTEMPTS_MAX = 600
SWEEP = 150
# Bytes that all messages of a comparison may have.
BUDGET = 1 << 30
SEED = 1


@dataclass(frozen=True)
class Path:
    """Who sends a message to whom: one of the two is old."""

    frame: str
    is_old_writer: bool

    @property
    def writer(self) -> str:
        return f"{'old' if self.is_old_writer else 'new'} writer"

    @property
    def reader(self) -> str:
        return f"{'new' if self.is_old_writer else 'old'} reader"


def compare_messages(old: m.Protocol, new: m.Protocol) -> list[PartChange]:
    """All changes of two protocols of messages, each with its witnesses."""
    pairing = pair_messages(old, new)
    changes = changes_of(pairing)
    search = _Search(pairing)
    for change in changes:
        for is_old_writer in (True, False):
            search.show(change, is_old_writer)
    return [*changes, *search.sweep(changes)]


class _Search:
    def __init__(self, pairing: PartPairing) -> None:
        self.pairing = pairing
        self.rng = random.Random(SEED)
        self.budget = BUDGET
        self.owners = {id(x): owners_in(x) for pair in pairing.messages for x in pair}
        self.news = {id(e) for e in pairing.new.enums}

    # ---- one change ----

    def show(self, change: PartChange, is_old_writer: bool) -> None:
        """Looks for a message that shows it."""
        path = Path("", is_old_writer)
        if not change.rule.admits(path):
            return
        left = ATTEMPTS_MAX
        is_too_large = False
        for wish in change.wishes[is_old_writer]:
            for writer, reader in self.messages(wish.owner, is_old_writer):
                alone = self.alone(change, writer, is_old_writer)
                sampler = Sampler(self.rng, writer, wish, self.pairing.hints)
                for _ in range(min(left, ATTEMPTS)):
                    left -= 1
                    try:
                        data = sampler.attempt()
                    except Unlucky:
                        continue
                    except TooLarge:
                        is_too_large = True
                        break
                    w = self.witness(writer, reader, is_old_writer, data)
                    if w is not None and self.is_shown(writer, alone, is_old_writer, data):
                        change.add(w, 0)
                        return
                    if self.budget < 0 or (w is None and len(data) > 1 << 20):
                        break
        if is_too_large and not change.note:
            change.note = "a message that shows it is too large to be tried here"

    def messages(self, owner: str, is_old_writer: bool) -> Iterator[tuple[m.Message, m.Message]]:
        """Messages with such a struct, the writer's and the reader's version."""
        for pair in self.pairing.messages:
            writer, reader = pair if is_old_writer else pair[::-1]
            if owner in self.owners[id(writer)]:
                yield writer, reader

    def witness(self, writer: m.Message, reader: m.Message, is_old_writer: bool,
                data: bytes) -> Witness | None:
        """What the reader does with the message, unless it understands it."""
        self.budget -= len(data)
        sent, got = read_message(writer, data), read_message(reader, data)
        assert isinstance(sent, Reading)
        happens = self.happens(sent, got, len(data), is_old_writer)
        if happens is None:
            return None
        name = writer.name if is_old_writer else self.pairing.old_name("message", writer.name)
        path: Any = Path(name, is_old_writer)
        return Witness(path, name, "", frozenset(), data,
                       line_of(Entry(writer.name, 0, data, sent)), happens)

    def happens(self, sent: Reading, got: Union[Reading, Refusal, Incomplete], nbytes: int,
                is_old_writer: bool) -> str | None:
        if isinstance(got, Refusal):
            return f"refuses it: {reason_of(got)}"
        if isinstance(got, Incomplete):
            return f"waits for more: {reason_of(got)}"
        line = line_of(Entry(got.message.name, 0, b"", got))
        if got.nbytes != nbytes:
            return f"takes {got.nbytes} of the {nbytes} bytes for it: {line}"
        if self.agree(sent.message, sent.fields, is_old_writer,
                      got.message, got.fields, not is_old_writer):
            return None
        return f"reads it as {line}"

    # ---- the change alone ----

    def alone(self, change: PartChange, writer: m.Message, is_old_writer: bool) -> m.Message | None:
        """The writer's message with the reader's version of the changed fields; None: it would not
        be sound, or other changes come with it."""
        swaps: dict[tuple[str, str], m.Part] = {}
        for owner, old, other, new in change.parts:
            mine, theirs = (old, new) if is_old_writer else (new, old)
            if structs_of(mine) or structs_of(theirs) or old.name != new.name:
                return None
            swaps[owner if is_old_writer else other, mine.name] = theirs
        return _swapped(writer, swaps) if swaps else None

    def is_shown(self, writer: m.Message, alone: m.Message | None, is_old: bool,
                 data: bytes) -> bool:
        if alone is None:
            return True
        sent, got = read_message(writer, data), read_message(alone, data)
        assert isinstance(sent, Reading)
        return not isinstance(got, Reading) or got.nbytes != sent.nbytes or not self.agree(
            sent.message, sent.fields, is_old, got.message, got.fields, is_old)

    # ---- meanings ----

    def agree(self, a: Owner, fields: dict[str, Any], is_a_new_less: bool, b: Owner,
              others: dict[str, Any], is_b_new_less: bool) -> bool:
        """Whether both say the same; what only one knows must be padding to the other."""
        mine = self.named(a, is_a_new_less)
        theirs = self.named(b, is_b_new_less)
        fillers = [any(isinstance(p.type, m.Filler) for p in x.values() if p.name not in y)
                   for x, y in ((mine, theirs), (theirs, mine))]
        for name, part in mine.items():
            if name in theirs:
                p = theirs[name]
                if not self.same(part, fields, is_a_new_less, p, others, is_b_new_less):
                    return False
            elif not fillers[1] and _says(part, fields[part.name]):
                return False
        return all(fillers[0] or name in mine or not _says(p, others[p.name])
                   for name, p in theirs.items())

    def named(self, x: Owner, is_old: bool) -> dict[str, m.Part]:
        """The parts under their old names."""
        return {p.name if is_old else self.pairing.old_name(owner_of(x), p.name): p
                for p in x.parts}

    def same(self, part: m.Part, fields: dict[str, Any], is_old: bool, other: m.Part,
             others: dict[str, Any], is_other_old: bool) -> bool:
        value, that = fields[part.name], others[other.name]
        if isinstance(part.type, (m.Literal, m.Filler)) or isinstance(
                other.type, (m.Literal, m.Filler)):
            return not (_says(part, value) or _says(other, that)) or value == that
        if value is None or that is None:
            return value is None and that is None
        structs = [_struct(part, fields), _struct(other, others)]
        if any(s is None for s in structs):
            return (value or {}) == (that or {}) and self.labels(part, value) == self.labels(
                other, that) if not _unlabelled(part, other, value) else bool(value == that)
        a, b = structs
        assert a is not None and b is not None
        if isinstance(value, list) != isinstance(that, list):
            return False
        if not isinstance(value, list):
            value, that = [value], [that]
        return len(value) == len(that) and all(
            self.agree(a, x, is_old, b, y, is_other_old) for x, y in zip(value, that))

    def labels(self, part: m.Part, value: Any) -> list[str]:
        """The names that a number has, under the old ones."""
        enum = part.type.enum if isinstance(part.type, m.Integer) else None
        if enum is None:
            return []
        names = [v.name for v in enum.values if _stands_for(enum, v, value)]
        is_new = id(enum) in self.news
        return sorted(self.pairing.old_name(f"enum {enum.name}", n) if is_new else n for n in names)

    # ---- what no rule explains ----

    def sweep(self, changes: list[PartChange]) -> list[PartChange]:
        """Messages without any wish: what does not get across must have been told by a change."""
        made: dict[str, PartChange] = {}
        for old, new in self.pairing.messages:
            owners = self.owners[id(old)] | self.owners[id(new)]
            for is_old_writer, writer, reader in ((True, old, new), (False, new, old)):
                meant = [c for c in changes if any(
                    w.owner in owners for w in (*c.wishes[True], *c.wishes[False]))]
                if any(w.way.is_old_writer == is_old_writer for c in meant for w in c.found):
                    continue
                w = self.first(writer, reader, is_old_writer)
                if w is None:
                    continue
                owner = next((c for c in meant if c.rule.admits(w.way)), None)
                text = f"message '{old.name}'"
                if owner is None:
                    owner = made.setdefault(
                        text, PartChange(RULES["unexplained"], text, new.span.line))
                owner.add(w, 1)
        return list(made.values())

    def first(self, writer: m.Message, reader: m.Message, is_old_writer: bool) -> Witness | None:
        sampler = Sampler(self.rng, writer, None, self.pairing.hints)
        for _ in range(SWEEP):
            try:
                w = self.witness(writer, reader, is_old_writer, sampler.attempt())
            except (Unlucky, TooLarge):
                continue
            if w is not None:
                return w
        return None


def _says(part: m.Part, value: Any) -> bool:
    """Whether a program sees anything of the part."""
    return value is not None and value != {} and not isinstance(part.type, (m.Literal, m.Filler))


def _struct(part: m.Part, fields: dict[str, Any]) -> m.Struct | None:
    """What the part holds, if that is structs."""
    of = part.type
    if isinstance(of, m.Choice):
        arm = arm_of(of, evaluate(of.tag, {n: v or 0 for n, v in fields.items()
                                           if v is None or isinstance(v, int)}))
        return arm.struct if arm is not None else None
    return of.element if isinstance(of, m.Array) else of if isinstance(of, m.Struct) else None


def _stands_for(enum: m.Enum, v: m.EnumValue, value: int) -> bool:
    return bool(value & v.value) if enum.is_flags else value == v.value


def _unlabelled(part: m.Part, other: m.Part, value: Any) -> bool:
    """Whether one of both has no names for (some of) the number: then the number says it."""
    for p in (part, other):
        enum = p.type.enum if isinstance(p.type, m.Integer) else None
        if enum is None or not isinstance(value, int):
            return True
        if not enum.is_flags and all(v.value != value for v in enum.values):
            return True
        if enum.is_flags and value & ~enum.mask:
            return True
    return False


def _swapped(x: Any, swaps: dict[tuple[str, str], m.Part]) -> Any:
    """The message or struct with other versions of some parts; None: they speak of what is not
    there."""
    parts: list[m.Part] = []
    for part in x.parts:
        part = swaps.get((owner_of(x), part.name), part)
        of: Any = part.type
        if isinstance(of, m.Struct):
            of = _swapped(of, swaps)
        elif isinstance(of, m.Array):
            element = _swapped(of.element, swaps)
            of = replace(of, element=element) if element is not None else None
        elif isinstance(of, m.Choice):
            arms = [replace(a, struct=_swapped(a.struct, swaps)) if a is not None and a.struct
                    else a for a in (*of.arms, of.other)]
            if any(a is not None and b is not None and (a.struct is None) != (b.struct is None)
                   for a, b in zip(arms, (*of.arms, of.other))):
                return None
            of = replace(of, arms=tuple(arms[:-1]), other=arms[-1])
        if of is None or any(r.name not in {p.name for p in (*parts, part)}
                             for e in expressions_of(replace(part, type=of)) for r in refs(e)):
            return None
        parts.append(replace(part, type=of))
    return replace(x, parts=tuple(parts))
