# SPDX-License-Identifier: Apache-2.0
"""Messages as programs: every decision about the C of a protocol that consists of messages.

A message becomes a list of steps that one C function walks through. Each step waits until its
bytes are there, so a walk can stop at any byte and go on at the step's number:

    | magic | opcode | key_len | … | extras … | key … |
      number  number   number        enter      bytes
                                     choose
                                     leave

MessagePlan   what a whole output needs
CRecord       a message or struct in C: public members, the parser's values, the encoder's pieces
Step          one thing that is read or decided; `kind` says which, and which attributes it has
"""
from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Union

import expressions as x
import model as m
import names
import pattern
from sizes import (NUMBERS, decimal_digits, part_size, parts_size, value_range, value_ranges,
                   varint_size)


@dataclass
class Test:
    """What must not hold of a number, and the reason that is given when it does."""

    refused: str
    reason: str


@dataclass
class Case:
    values: list[str]
    target: int


@dataclass
class Step:
    """Kinds: run number ahead varint decimal literal filler token bytes join pass enter cap leave choose
    unless jump begin again count. C expressions are of the walk: v-> are the values read."""

    kind: str
    number: int = 0
    id: str = ""                 # of the field, for errors
    line: int = 0
    dst: str = ""
    ctype: str = ""
    width: int = 0
    signed: bool = False
    big: bool = True
    size: int = 0
    data: str = ""
    zero: bool = False
    length: str = ""
    can_be_negative: bool = False
    most: int = 0
    checks_most: bool = True
    bound: str = ""              # C: the frame position that nothing may pass; "" none
    tests: list[Test] = field(default_factory=list)
    condition: str = ""
    tag: str = ""
    cases: list[Case] = field(default_factory=list)
    target: int = 0
    behind: int = 0              # bytes that must follow at least
    in_run: bool = False
    digits: int = 0
    pattern: str = ""            # C: whether a text matches
    deliver: str = "whole"
    bounds: list[str] = field(default_factory=list)  # of bytes that are not kept: all around them
    end: int = 0                 # of a choice: the step behind all its arms
    is_target: bool = False


    @property
    def ends(self) -> bool:
        """Whether the next step is never the following one."""
        return self.kind in ("jump", "choose", "count")


@dataclass
class CMember:
    name: str
    NAME: str
    doc: tuple[str, ...]
    line: int
    kind: str                    # number bytes list record choice
    ctype: str = ""
    record: str = ""             # a struct's name
    records: tuple[str, ...] = ()
    enum: m.Enum | None = None
    is_passed: bool = False      # in pieces or not at all: a value `{name}__left` beside it
    is_bounded: bool = False     # a value `{name}_end` beside it
    note: str = ""


@dataclass
class Put:
    """How an encoder writes and measures one part; C expressions are of a record `m`."""

    name: str
    line: int
    kind: str
    condition: str = ""
    width: int = 0
    big: bool = True
    signed: bool = False
    size: int = 0
    data: str = ""
    length: str = ""             # C: bytes or elements that there must be
    most: int = 0
    room: int | None = None      # of a list: bytes
    pattern: str = ""            # C: whether a text matches
    constant: str = ""
    least: str = ""              # C: for numbers narrower than their type
    largest: str = ""
    enum: m.Enum | None = None
    tests: list[str] = field(default_factory=list)
    record: str = ""
    tag: str = ""                # C, of a record
    tag_read: str = ""           # C, of the values read
    cases: list[tuple[list[str], str]] = field(default_factory=list)
    other: str | None = None     # else: a record, "" nothing, None refused
    bound: str = ""              # C: what the whole part must measure
    ctype: str = ""


@dataclass
class Work:
    """A number that an encoder works out."""

    name: str
    ctype: str
    line: int
    measured: str                # C
    rest: str                    # C, or ""
    scale: int
    least: str
    largest: str


@dataclass
class CText:
    """A pattern, and the function that holds texts against it."""

    function: str
    line: int
    shown: str
    ragel: str


@dataclass
class CRecord:
    name: str
    NAME: str
    doc: tuple[str, ...]
    line: int
    is_message: bool
    is_element: bool
    looks_ahead: bool            # its encoder finds out late that a number is wrong
    is_given: bool               # there is nothing in it that its encoder works out or clears
    members: list[CMember]
    puts: list[Put]
    works: list[Work]
    min: int
    max: int
    held: int                    # bytes of it that a parser keeps at most
    steps: list[Step] = field(default_factory=list)

    @property
    def pieces(self) -> list[Step]:
        """The steps that hand on what they pass."""
        return [s for s in self.steps if s.kind == "pass" and s.deliver == "span"]

    @property
    def passes(self) -> bool:
        """Whether there are bytes that are not kept."""
        return any(s.kind == "pass" for s in self.steps)


@dataclass
class MessagePlan:
    name: str
    prefix: str
    PREFIX: str
    doc: tuple[str, ...]
    major: int
    minor: int
    port: int
    source: str
    sha256: str
    limits: list[m.Limit]
    enums: list[m.Enum]
    structs: list[CRecord]
    messages: list[CRecord]
    fields: list[tuple[str, str]]
    reasons: list[str]
    texts: list[CText]
    model: m.Protocol

    @property
    def records(self) -> list[CRecord]:
        return [*self.structs, *self.messages]

    def looks_ahead(self, put: Put) -> bool:
        """Whether a struct in this part does."""
        inner = {put.record, put.other, *(record for _, record in put.cases)}
        return any(r.looks_ahead for r in self.structs if r.name in inner)

    @property
    def walked(self) -> list[CRecord]:
        """Records that have a walk of their own."""
        return [r for r in self.records if r.steps]


def make_message_plan(p: m.Protocol) -> MessagePlan:
    """The plan of a checked protocol that consists of messages."""
    return _Planner(p).plan()


class _Planner:
    def __init__(self, p: m.Protocol) -> None:
        self.p = p
        self.reasons: list[str] = []
        self.owners: list[Union[m.Message, m.Struct]] = [*p.messages, *p.structs]
        self.elements = {part.type.element.name for owner in self.owners
                         for part in owner.parts if isinstance(part.type, m.Array)}

    def plan(self) -> MessagePlan:
        p = self.p
        structs = [self.record(s) for s in _ordered(p.structs)]
        messages = [self.record(x) for x in p.messages]
        fields = [(f"{names.upper(o.name)}_{names.upper(part.name)}",
                   part.name if isinstance(o, m.Message) else f"{o.name}.{part.name}")
                  for o in self.owners for part in o.parts]
        return MessagePlan(
            p.name, p.prefix, names.upper(p.prefix), p.doc, p.major, p.minor, p.port, p.source.name,
            hashlib.sha256(p.source.whole.encode("utf-8")).hexdigest(), list(p.limits),
            list(p.enums), structs, messages, fields, self.reasons,
            [self.text(o, part, part.type.pattern) for o in self.owners for part in o.parts
             if isinstance(part.type, m.Token) and part.type.pattern is not None], p)

    def matcher(self, owner: Union[m.Message, m.Struct], part: m.Part) -> str:
        """The name of the function that holds texts against the part's pattern, or ""."""
        is_any = not isinstance(part.type, m.Token) or part.type.pattern is None
        return "" if is_any else f"{self.p.prefix}__{owner.name}_{part.name}_matches"

    def text(self, owner: Union[m.Message, m.Struct], part: m.Part, text: bytes) -> CText:
        shown = "".join(chr(b) if 0x20 <= b < 0x7F else f"\\x{b:02x}" for b in text)
        return CText(self.matcher(owner, part), part.span.line, shown.replace("*/", "* /"),
                     pattern.ragel(pattern.parse(text)))

    def record(self, owner: Union[m.Message, m.Struct]) -> CRecord:
        is_message = isinstance(owner, m.Message)
        low, high = parts_size(owner.parts)
        made = CRecord(owner.name, names.upper(owner.name), owner.doc, owner.span.line, is_message,
                       owner.name in self.elements, _looks_ahead(owner.parts), _is_given(owner.parts),
                       [self.member(x) for x in owner.parts if self.is_member(x)],
                       [self.put(owner, x) for x in owner.parts], self.works(owner), low, high,
                       parts_size(owner.parts, held=True)[1])
        if is_message or made.is_element:
            made.steps = _Program(self, owner).steps
        return made

    # ---- members ----

    def is_member(self, part: m.Part) -> bool:
        of = part.type
        if isinstance(of, m.Choice):
            return any(a is not None and a.struct is not None for a in (*of.arms, of.other))
        return not isinstance(of, (m.Literal, m.Filler))

    def member(self, part: m.Part) -> CMember:
        of = part.type
        capped = isinstance(of, m.Array) and of.room is not None
        made = CMember(part.name, names.upper(part.name), part.doc, part.span.line, "bytes",
                       is_bounded=part.within is not None or capped,
                       is_passed=part.deliver != "whole")
        if part.deliver != "whole":
            made.note = ("a parser hands it on in pieces" if part.deliver == "span" else
                         "a parser passes over it, and leaves this empty")
        if isinstance(of, NUMBERS):
            made.kind = "number"
            made.ctype = names.integer(of.width, of.signed)
            made.enum = of.enum if isinstance(of, m.Integer) else None
            if part.value is not None:
                made.note = "always the same; an encoder writes it by itself"
            elif part.derived is not None:
                made.note = f"an encoder works it out from `{part.derived.about}`"
        elif isinstance(of, m.Array):
            made.kind, made.record = "list", of.element.name
        elif isinstance(of, m.Struct):
            made.kind, made.record = "record", of.name
        elif isinstance(of, m.Choice):
            made.kind = "choice"
            structs = [arm.struct for arm in (*of.arms, of.other) if arm is not None]
            made.records = tuple(dict.fromkeys(s.name for s in structs if s is not None))
            said = " and ".join(f"`{ref.name}`" for ref in x.refs(of.tag))
            made.note = f"which of them is said by {said}"
        return made

    # ---- encoding ----

    def put(self, owner: Union[m.Message, m.Struct], part: m.Part) -> Put:
        of = part.type
        ranges = value_ranges(owner.parts)

        def c(e: m.Expression | None) -> str:
            return x.c_text(e, ranges, "m->") if e is not None else ""

        made = Put(part.name, part.span.line, "bytes", c(part.condition), bound=c(part.within),
                   tests=[c(w.test) for w in part.wheres])
        if isinstance(of, NUMBERS):
            made.kind = {m.Integer: "number", m.Varint: "varint", m.Decimal: "decimal"}[type(of)]
            made.width, made.signed = of.width, of.signed
            made.big = not isinstance(of, m.Integer) or of.big_endian
            made.enum = of.enum if isinstance(of, m.Integer) else None
            made.ctype = names.integer(of.width, of.signed)
            made.constant = _number(part.value) if part.value is not None else ""
            if isinstance(of, m.Integer) and of.ahead:
                made.kind = "ahead"
            if of.width not in (1, 2, 4, 8):
                low, high = value_range(part)
                made.least = _number(low) if low else ""
                made.largest = _number(high)
            if isinstance(of, m.Decimal):
                made.data, made.size = _c_string(of.end), len(of.end)
        elif isinstance(of, m.Literal):
            made.kind, made.data, made.size = "literal", _c_string(of.data), len(of.data)
        elif isinstance(of, m.Token):
            made.kind, made.data, made.size = "token", _c_string(of.end), len(of.end)
            made.most, made.pattern = of.max, self.matcher(owner, part)
        elif isinstance(of, m.Filler):
            made.kind, made.size = "filler", of.size
        elif isinstance(of, m.Counted):
            made.kind, made.width, made.big, made.most = "counted", of.width, of.big_endian, of.max
        elif isinstance(of, m.Sized):
            made.length, made.most = c(of.length), of.max
        elif isinstance(of, m.Array):
            made.kind, made.length, made.most = "list", c(of.count), of.max
            made.room = of.room
            made.record = of.element.name
        elif isinstance(of, m.Struct):
            made.kind, made.record = "record", of.name
        elif isinstance(of, m.Choice):
            made.kind, made.tag = "choice", c(of.tag)
            made.tag_read = x.c_text(of.tag, ranges, "v->")
            made.cases = [([_number(v) for v in a.values], a.struct.name if a.struct else "") for a in of.arms]
            made.other = None if of.other is None else of.other.struct.name if of.other.struct else ""
        return made

    def works(self, owner: Union[m.Message, m.Struct]) -> list[Work]:
        ranges = value_ranges(owner.parts)
        order = {part.name: at for at, part in enumerate(owner.parts)}
        derived = [part for part in owner.parts if part.derived is not None]
        derived.sort(key=lambda part: order[part.derived.about] if part.derived else 0)
        works = []
        for part in derived:
            assert part.derived is not None and isinstance(part.type, NUMBERS)
            about = part.derived.about
            measured = f"m->{about}.count" if part.derived.is_count else f"{owner.name}_{about}_nbytes(m)"
            rest = x.c_text(part.derived.rest, ranges, "m->") if part.derived.rest else ""
            low, high = value_range(part)
            works.append(Work(part.name, names.integer(part.type.width, part.type.signed),
                              part.span.line, measured, rest, part.derived.scale, _number(low),
                              _number(high)))
        return works


def _looks_ahead(parts: tuple[m.Part, ...]) -> bool:
    """Whether a part, or one of a struct among them, is looked at ahead."""
    return any((isinstance(part.type, m.Integer) and part.type.ahead)
               or any(_looks_ahead(struct.parts) for struct in _inner(part)) for part in parts)


def _is_given(parts: tuple[m.Part, ...]) -> bool:
    """Whether an encoder writes the parts as they stand: it works no number out and clears none."""
    for part in parts:
        may_be_cleared = part.condition is not None and isinstance(part.type, (*NUMBERS, m.Struct, m.Choice))
        if part.value is not None or part.derived is not None or may_be_cleared:
            return False
        if not all(_is_given(struct.parts) for struct in _inner(part)):
            return False
    return True


def _inner(part: m.Part) -> list[m.Struct]:
    """The structs that are laid out where the part stands."""
    of = part.type
    if isinstance(of, m.Choice):
        return [a.struct for a in (*of.arms, of.other) if a is not None and a.struct is not None]
    return [of] if isinstance(of, m.Struct) else []


def _number(value: int) -> str:
    if value < -(1 << 31):
        return f"(-INT64_C({-value - 1}) - 1)"
    if value > (1 << 63) - 1:
        return f"UINT64_C({value})"
    return f"INT64_C({value})" if value > (1 << 31) - 1 else str(value)


def _c_string(data: bytes) -> str:
    return '"' + "".join(f"\\{byte:03o}" for byte in data) + '"'


def _ordered(structs: tuple[m.Struct, ...]) -> list[m.Struct]:
    """Structs behind those that they contain."""
    done: dict[str, m.Struct] = {}

    def add(struct: m.Struct) -> None:
        for part in struct.parts:
            of = part.type
            inner = [of] if isinstance(of, m.Struct) else [of.element] if isinstance(of, m.Array) else []
            if isinstance(of, m.Choice):
                inner = [a.struct for a in (*of.arms, of.other) if a is not None and a.struct is not None]
            for one in inner:
                add(one)
        done.setdefault(struct.name, struct)

    for struct in structs:
        add(struct)
    return list(done.values())


class _Program:
    """The steps of one record; nested structs are laid out where they stand."""

    def __init__(self, planner: _Planner, owner: Union[m.Message, m.Struct]) -> None:
        self.planner = planner
        self.steps: list[Step] = []
        self.count = 0
        self.bounds: list[str] = []  # around the part that is laid out
        self.parts(owner, "v->", "")
        self.add(Step("done"))
        self.mark_runs()

    def add(self, step: Step) -> Step:
        self.count += 1
        step.number = self.count
        self.steps.append(step)
        return step

    def parts(self, owner: Union[m.Message, m.Struct], place: str, bound: str) -> None:
        ranges = value_ranges(owner.parts)
        for at, part in enumerate(owner.parts):
            id_ = f"{names.upper(owner.name)}_{names.upper(part.name)}"
            first = len(self.steps)
            unless = None
            if part.condition is not None:
                unless = self.add(Step("unless", condition=x.c_text(part.condition, ranges, place),
                                       dst=place + part.name if self.planner.is_member(part) else ""))
            inner = bound
            if part.within is not None:
                inner = f"{place}{part.name}_end"
                low, _ = x.range_of(part.within, ranges)
                self.add(Step("enter", dst=inner, length=x.c_text(part.within, ranges, place),
                              can_be_negative=low < 0, bound=bound, most=part_size(part)[1]))
                self.bounds.append(inner)
            self.part(owner, part, place, inner, ranges)
            if part.within is not None:
                self.bounds.pop()
                self.add(Step("leave", bound=inner))
            if unless is not None:
                unless.target = self.count + 1
            for step in self.steps[first:]:
                step.id = step.id or id_
                step.line = step.line or part.span.line

    def part(self, owner: Union[m.Message, m.Struct], part: m.Part, place: str, bound: str,
             ranges: dict[str, x.Range]) -> None:
        of = part.type
        dst = place + part.name
        step = Step("", dst=dst, bound=bound)
        if isinstance(of, NUMBERS):
            step.width, step.signed = of.width, of.signed
            step.ctype = names.integer(of.width, of.signed)
            step.tests = self.tests(part, dst, place, ranges)
            if isinstance(of, m.Integer):
                step.kind, step.size, step.big = "number", of.width, of.big_endian
                if of.ahead:
                    step.kind = "ahead"
            elif isinstance(of, m.Varint):
                step.kind, step.size = "varint", varint_size((1 << (8 * of.width)) - 1)
            else:
                step.kind, step.data, step.size = "decimal", _c_string(of.end), len(of.end)
                step.digits = decimal_digits(of.width, of.signed)
            self.add(step)
        elif isinstance(of, m.Literal):
            step.kind, step.data, step.size = "literal", _c_string(of.data), len(of.data)
            self.add(step)
        elif isinstance(of, m.Token):
            step.kind, step.data, step.size = "token", _c_string(of.end), len(of.end)
            step.most, step.pattern = of.max, self.planner.matcher(owner, part)
            self.add(step)
        elif isinstance(of, m.Filler):
            step.kind, step.size, step.zero = "filler", of.size, of.zero
            self.add(step)
        elif isinstance(of, m.Counted):
            most = Test(f"{dst}.len > {of.max}u", "CDX_REASON_LONG")
            self.add(Step("number", dst=f"{dst}.len", ctype="uint32_t", width=of.width,
                          size=of.width, big=of.big_endian, bound=bound,
                          tests=[most] if of.max < (1 << (8 * of.width)) - 1 else []))
            step.kind, step.length, step.checks_most = "bytes", f"{dst}.len", False
            self.bytes(part, step)
        elif isinstance(of, m.Sized):
            step.kind, step.most = "bytes", of.max
            if of.length is None:
                step.length = f"({bound} - pos)"
            else:
                low, high = x.range_of(of.length, ranges)
                step.length = x.c_text(of.length, ranges, place)
                step.can_be_negative = low < 0
                step.checks_most = high > of.max
            self.bytes(part, step)
        elif isinstance(of, m.Array):
            self.array(owner, part, of, dst, bound, place, ranges)
        elif isinstance(of, m.Choice):
            self.choice(of, dst, bound, x.c_text(of.tag, ranges, place))
        elif isinstance(of, m.Struct):
            self.parts(of, f"{dst}.", bound)

    def bytes(self, part: m.Part, step: Step) -> None:
        """Bytes of a known length, which may be passed on as they come."""
        step.deliver, step.bounds = part.deliver, list(self.bounds)
        self.add(step)
        if part.deliver != "whole":
            self.add(Step("pass", dst=step.dst, deliver=part.deliver))

    def tests(self, part: m.Part, dst: str, place: str, ranges: dict[str, x.Range]) -> list[Test]:
        of = part.type
        tests: list[Test] = []
        if part.value is not None:
            tests.append(Test(f"{dst} != {_number(part.value)}", "CDX_REASON_LITERAL"))
        enum = of.enum if isinstance(of, m.Integer) else None
        if enum is not None and not enum.is_open:
            known = f"{self.planner.p.prefix}__{enum.name}_is_known({dst})"
            tests.append(Test(f"!{known}", "CDX_REASON_UNKNOWN"))
        for where in part.wheres:
            if where.text not in self.planner.reasons:
                self.planner.reasons.append(where.text)
            at = self.planner.reasons.index(where.text)
            tests.append(Test(f"!{x.c_text(where.test, ranges, place)}",
                              f"CDX_REASON_COUNT + {at}"))
        return tests

    def array(self, owner: Union[m.Message, m.Struct], part: m.Part, of: m.Array, dst: str,
              bound: str, place: str, ranges: dict[str, x.Range]) -> None:
        if of.room is not None:
            self.add(Step("cap", dst=f"{dst}_end", most=of.room, bound=bound))
            bound = f"{dst}_end"
        begin = Step("begin", dst=dst, most=of.max, bound=bound)
        if of.count is not None:
            low, high = x.range_of(of.count, ranges)
            begin.length = x.c_text(of.count, ranges, place)
            begin.can_be_negative, begin.checks_most = low < 0, high > of.max
        self.add(begin)
        again = self.add(Step("again", dst=dst, bound=bound, length=begin.length, most=of.max))
        id_ = f"{names.upper(owner.name)}_{names.upper(part.name)}"
        begin.id = again.id = id_
        self.parts(of.element, f"{dst}_one.", bound)
        self.add(Step("count", dst=dst, target=again.number, id=id_))
        again.target = self.add(Step("join", dst=dst, id=id_)).number

    def choice(self, of: m.Choice, dst: str, bound: str, tag: str) -> None:
        choose = self.add(Step("choose", dst=dst, tag=tag))
        jumps = []
        for arm in (*of.arms, of.other):
            if arm is None:
                continue
            case = Case([_number(v) for v in arm.values], self.count + 1)
            if arm.struct is not None:
                self.parts(arm.struct, f"{dst}.{arm.struct.name}.", bound)
                jumps.append(self.add(Step("jump")))
            else:
                case.target = 0
            if arm.values:
                choose.cases.append(case)
            else:
                choose.target = case.target or -1
        behind = self.count + 1
        for jump in jumps:
            jump.target = behind
        for case in choose.cases:
            case.target = case.target or behind
        choose.target = behind if choose.target == -1 else choose.target
        choose.end = behind

    def mark_runs(self) -> None:
        """Puts a `run` before neighbouring steps of fixed size: one check for all of them."""
        targets = {s.target for s in self.steps} | {c.target for s in self.steps for c in s.cases}
        made: list[Step] = []
        run: Step | None = None
        for step in self.steps:
            # A run has the label of its first step.
            if step.kind in ("number", "literal", "filler"):
                if run is None or run.bound != step.bound or step.number in targets:
                    run = Step("run", bound=step.bound, number=step.number)
                    made.append(run)
                run.size += step.size
                step.in_run = True
            else:
                run = None
            made.append(step)
        for step in made:
            step.is_target = step.number in targets
        self.steps = made
        self.mark_behind()

    def mark_behind(self) -> None:
        """How many bytes must follow a step at least: those of the straight way to the end."""
        behind = 0
        forks = [s for s in self.steps if s.kind in ("unless", "choose", "again")]
        for step in reversed(self.steps):
            step.behind = behind
            inside = any(f.number < step.number < (f.end or f.target) for f in forks)
            if step.kind in ("number", "literal", "filler") and not inside:
                behind += step.size
            elif step.kind == "varint" and not inside:
                behind += 1
            elif step.kind == "decimal" and not inside:
                behind += 1 + step.size
            elif step.kind == "token" and not inside:
                behind += step.size
