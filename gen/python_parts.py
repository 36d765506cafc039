# SPDX-License-Identifier: Apache-2.0
"""What the Python module of a protocol of messages shows: classes, and their parts as Python."""
from __future__ import annotations

import keyword
from dataclasses import dataclass
from typing import Any, Sequence, Union

import model as m
from cli import Failure
from python import PyEnum, PyValue, class_name, docstring, safe_name
from sample_parts import structs_of
from sizes import type_size

# What the module uses for itself.
_TAKEN = frozenset(
    """
    Array Choice ClassVar Counted Decimal Derived Filler Inner IntEnum IntFlag Integer List Literal
    MessageParser None Optional Part Record Sized Text True False Tuple Union Varint dataclass
    """.split()
) | set(keyword.kwlist)
# What every message has besides its fields.
_MEMBERS_TAKEN = frozenset(["NAME", "PARTS", "encode", "bytes", "int"]) | set(keyword.kwlist)


@dataclass(frozen=True)
class PyMember:
    name: str
    type: str
    doc: str


@dataclass(frozen=True)
class PyRecord:
    """A message or struct; `parts` declare it to the runtime."""

    name: str
    source: str
    doc: str
    members: tuple[PyMember, ...]
    parts: tuple[str, ...]


@dataclass(frozen=True)
class PyMessages:
    enums: tuple[PyEnum, ...]
    flags: frozenset[str]       # those of the enums that are sets of flags
    limits: tuple[PyValue, ...]
    records: tuple[PyRecord, ...]
    messages: tuple[str, ...]
    exported: tuple[str, ...]


def make_messages(protocol: m.Protocol) -> PyMessages:
    """Everything that the module's template shows."""
    return _Maker(protocol).module()


class _Maker:
    def __init__(self, protocol: m.Protocol) -> None:
        self.protocol = protocol
        self.taken = set(_TAKEN)
        self.by_name: dict[str, str] = {}
        named: Sequence[Union[m.Enum, m.Struct, m.Message]] = [
            *protocol.enums, *protocol.structs, *protocol.messages]
        for x in named:
            name = class_name(x.name)
            while name in self.taken:
                name += "_"
            self.taken.add(name)
            self.by_name[x.name] = name

    def module(self) -> PyMessages:
        p = self.protocol
        enums = tuple(self.enum(e) for e in p.enums)
        flags = frozenset(self.by_name[e.name] for e in p.enums if e.is_flags)
        limits = tuple(PyValue(x.name.upper(), x.value, docstring(x.doc, 0)) for x in p.limits)
        owners: list[Union[m.Struct, m.Message]] = [*_inner_first(p.structs), *p.messages]
        records = tuple(self.record(x) for x in owners)
        messages = tuple(self.by_name[x.name] for x in p.messages)
        exported = sorted([*(e.name for e in enums), *(r.name for r in records),
                           *(x.name for x in limits)])
        return PyMessages(enums, flags, limits, records, messages, tuple(exported))

    def enum(self, e: m.Enum) -> PyEnum:
        values = tuple(PyValue(v.name.upper(), v.value, docstring(v.doc, 1)) for v in e.values)
        return PyEnum(self.by_name[e.name], docstring(e.doc, 1), values)

    def record(self, x: Union[m.Message, m.Struct]) -> PyRecord:
        members = tuple(PyMember(_member(p), self.type_of(p), docstring(p.doc, 1))
                        for p in x.parts if _member(p))
        return PyRecord(self.by_name[x.name], x.name, docstring(x.doc, 1), members,
                        tuple(self.part(p) for p in x.parts))

    # ---- types ----

    def type_of(self, part: m.Part) -> str:
        said = self.plain_type(part.type)
        if part.condition is None or said.startswith("Optional["):
            return said
        return f"Optional[{said}]"

    def plain_type(self, of: m.PartType) -> str:
        if isinstance(of, m.Integer):
            is_named = of.enum is not None and (of.enum.is_flags or not of.enum.is_open)
            return self.by_name[of.enum.name] if of.enum is not None and is_named else "int"
        if isinstance(of, (m.Varint, m.Decimal)):
            return "int"
        if isinstance(of, m.Array):
            return f"List[{self.by_name[of.element.name]}]"
        if isinstance(of, m.Struct):
            return self.by_name[of.name]
        if isinstance(of, m.Choice):
            structs = [a.struct for a in (*of.arms, of.other) if a is not None]
            names = list(dict.fromkeys(self.by_name[s.name] for s in structs if s is not None))
            said = names[0] if len(names) == 1 else f"Union[{', '.join(names)}]"
            if not names:
                return "None"
            return f"Optional[{said}]" if None in structs else said
        return "bytes"

    # ---- declarations ----

    def part(self, part: m.Part) -> str:
        made = [f'"{part.name}"', self.kind(part.type)]
        if _member(part):
            made.append(f'"{_member(part)}"')
        if part.value is not None:
            made.append(f"value={part.value}")
        if part.within is not None:
            made += [f"within={_formula(part.within)}", f"most={type_size(part.type)[1]}"]
        if part.condition is not None:
            made.append(f"condition={_formula(part.condition)}")
        if part.wheres:
            tests = "".join(f"({_formula(w.test)}, {w.text!r}), " for w in part.wheres)
            made.append(f"wheres=({tests.rstrip()})")
        if part.derived is not None and part.value is None:
            d = part.derived
            rest = f", {_formula(d.rest)}" if d.rest is not None else ""
            made.append(f'derived=Derived("{d.about}", {d.is_count}, {d.scale}{rest})')
        return f"Part({', '.join(made)})"

    def kind(self, of: m.PartType) -> str:
        if isinstance(of, m.Integer):
            among = ""
            if of.enum is not None:
                among = f", among={self.by_name[of.enum.name]}"
                among += ", is_open=True" if of.enum.is_open else ""
            ahead = ", ahead=True" if of.ahead else ""
            signed = ", signed=True" if of.signed else ""
            return f'Integer({of.width}, "{_order(of.big_endian)}"{signed}{among}{ahead})'
        if isinstance(of, m.Varint):
            return f"Varint({of.width}{', signed=True' if of.signed else ''})"
        if isinstance(of, m.Decimal):
            return f"Decimal({of.width}, {of.end!r}{', signed=True' if of.signed else ''})"
        if isinstance(of, m.Token):
            pattern = f", {of.pattern!r}" if of.pattern is not None else ""
            return f"Text({of.end!r}, {of.max}{pattern})"
        if isinstance(of, m.Literal):
            return f"Literal({of.data!r})"
        if isinstance(of, m.Filler):
            return f"Filler({of.size}, {of.zero})"
        if isinstance(of, m.Counted):
            return f'Counted({of.width}, "{_order(of.big_endian)}", {of.max})'
        if isinstance(of, m.Sized):
            return f"Sized({_formula(of.length)}, {of.max})"
        return self.structs(of)

    def structs(self, of: Any) -> str:
        if isinstance(of, m.Array):
            room = f", {of.room}" if of.room is not None else ""
            return f"Array({self.by_name[of.element.name]}, {_formula(of.count)}, {of.max}{room})"
        if isinstance(of, m.Choice):
            arms = ", ".join(f"{v}: {self.arm(a)}" for a in of.arms for v in a.values)
            other = f", {self.arm(of.other)}, True" if of.other is not None else ""
            return f"Choice({_formula(of.tag)}, {{{arms}}}{other})"
        if isinstance(of, m.Struct):
            return f"Inner({self.by_name[of.name]})"
        raise Failure(f"the Python client has no {type(of).__name__.lower()}")

    def arm(self, arm: m.Arm) -> str:
        return self.by_name[arm.struct.name] if arm.struct is not None else "None"


def _member(part: m.Part) -> str:
    """The attribute of a part; "" where its value is known without it."""
    is_silent = isinstance(part.type, (m.Literal, m.Filler))
    if is_silent or part.value is not None or part.derived is not None:
        return ""
    return safe_name(part.name, _MEMBERS_TAKEN)


def _order(is_big: bool) -> str:
    return "big" if is_big else "little"


def _formula(e: m.Expression | None) -> str:
    return f"lambda n: {_text(e)}" if e is not None else "None"


def _text(e: m.Expression) -> str:
    """An expression as Python."""
    if isinstance(e, m.Constant):
        return str(e.value)
    if isinstance(e, m.Ref):
        return f'n["{e.name}"]'
    left, right = _text(e.left), _text(e.right)
    if e.operator in ("&&", "||"):
        word = "and" if e.operator == "&&" else "or"
        return f"(bool({left}) {word} bool({right}))"
    return f"({left} {e.operator} {right})"


def _inner_first(structs: tuple[m.Struct, ...]) -> list[m.Struct]:
    """Every struct behind those that it holds."""
    made: dict[str, m.Struct] = {}

    def add(s: m.Struct) -> None:
        for part in s.parts:
            for x in structs_of(part):
                if x.name not in made:
                    add(x)
        made.setdefault(s.name, s)

    for s in structs:
        add(s)
    return list(made.values())
