# SPDX-License-Identifier: Apache-2.0
"""Nodes to model for messages and their structs: parts, expressions, and what encoders work out."""
from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Union

import expressions as x
import model as m
import syntax as s
from diagnostics import Note, did_you_mean
from pattern import PatternError, parse
from source import Span

if TYPE_CHECKING:
    from resolve import Resolver

INTEGER = re.compile(r"([ui])(8|16|24|32|40|48|56|64)\Z")
# Numbers that a variable-length or decimal integer can have.
# How a field can be handed to whoever receives it.
DELIVERIES = ("whole", "span", "discard")
VALUE_WIDTHS = {"u32": (4, False), "u64": (8, False), "i32": (4, True), "i64": (8, True)}
# Stands in for what could not be resolved.
NOTHING = m.Filler(1, False)


class PartResolver:
    """The parts of one description; `outer` knows its types and keeps its errors."""

    def __init__(self, outer: Resolver, nodes: list[s.StructNode], big_endian: bool) -> None:
        self.outer = outer
        self.report = outer.report
        self.nodes = {node.name.text: node for node in reversed(nodes)}
        self.structs: dict[str, m.Struct] = {}
        self.open: list[str] = []
        self.big_endian = big_endian
        self.limits: dict[str, m.Limit] = {}

    # ---- limits, messages, structs ----

    def limit(self, node: s.LimitNode) -> None:
        value = self.constant(node.value)
        self.limits[node.name.text] = m.Limit(node.name.text, node.doc.lines, node.name.span, value)

    def message(self, node: s.MessageNode) -> m.Message:
        life = self.outer.life(node.life)
        return m.Message(node.name.text, documented(node.doc, life), node.name.span,
                         self.parts(f"message {node.name.text}", node.parts), life)

    def struct(self, name: str, at: Span) -> m.Struct | None:
        """The struct of that name, resolved once; None with an error when it contains itself."""
        self.outer.used.add(name)
        if name in self.open:
            self.report.error("CDX0322", at, f"struct {name} contains itself",
                              "a message has an end: let it be followed by messages of its own",
                              Note(self.nodes[name].name.span, "described here"))
            self.outer.broken.add(name)
            return None
        if name not in self.structs:
            node = self.nodes[name]
            self.open.append(name)
            parts = self.parts(f"struct {name}", node.parts)
            self.open.pop()
            self.structs[name] = m.Struct(name, node.doc.lines, node.name.span, (), parts)
        return self.structs[name]

    def parts(self, owner: str, nodes: tuple[s.PartNode, ...]) -> tuple[m.Part, ...]:
        firsts = self.outer.unique([n.name for n in nodes], "field")
        parts: list[m.Part] = []
        for node, is_first in zip(nodes, firsts):
            errors = len(self.report.found)
            part = self.part(node, parts)
            if len(self.report.found) > errors:
                self.outer.broken |= {owner, f"{owner}.{node.name.text}"}
            if is_first:
                parts.append(part)
        return _with_derived(parts)

    def part(self, node: s.PartNode, before: list[m.Part]) -> m.Part:
        if node.correlate is not None:
            self.report.error("CDX0308", node.correlate, f"'{node.name.text}' cannot correlate here",
                              "messages belong together as their reader says: remove 'correlate'")
        for clauses in (node.values, node.bounds, node.conditions):
            for extra in clauses[1:]:
                self.report.error("CDX0202", extra.span, "a second clause of this kind",
                                  "keep one", Note(clauses[0].span, "the first one"))
        of = self.type(node.kind, before)
        life = self.outer.life(node.life)
        made = m.Part(node.name.text, documented(node.doc, life), node.name.span, of,
                      node.kind.span, life=life)
        if node.values:
            enum = of.enum if isinstance(of, m.Integer) else None
            made = replace(made, value=self.constant(node.values[0], enum))
        if node.bounds:
            made = replace(made, within=self.expression(node.bounds[0], before))
        if node.conditions:
            made = replace(made, condition=self.expression(node.conditions[0], before))
        wheres = tuple(
            m.Where(self.expression(w.test, [*before, made]),
                    w.text.value.decode("utf-8", "replace"), w.test.span)
            for w in node.wheres)
        return replace(made, wheres=wheres, deliver=self.delivery(node))

    def delivery(self, node: s.PartNode) -> str:
        for extra in node.deliveries[1:]:
            self.report.error("CDX0202", extra.span, "a second clause of this kind", "keep one",
                              Note(node.deliveries[0].span, "the first one"))
        for word in node.deliveries[:1]:
            if word.text in DELIVERIES:
                return word.text
            self.report.error("CDX0201", word.span, f"nothing is delivered '{word.text}'",
                              did_you_mean(word.text, DELIVERIES))
        return "whole"

    # ---- kinds ----

    def type(self, kind: s.KindNode, before: list[m.Part]) -> m.PartType:
        build = {"named": self.named, "literal": self.literal, "filler": self.filler,
                 "varint": self.varint, "counted": self.counted, "sized": self.sized,
                 "array": self.array, "choice": self.choice, "decimal": self.decimal,
                 "token": self.token}
        return build[kind.rule](kind, before)

    def named(self, kind: s.KindNode, _: list[m.Part]) -> m.PartType:
        assert kind.name is not None
        name = kind.name.text
        big = kind.word == "big" or (not kind.word and self.big_endian)
        match = INTEGER.match(name)
        if match is not None:
            return m.Integer(int(match[2]) // 8, match[1] == "i", big, None, kind.ahead)
        self.outer.used.add(name)
        enum = self.outer.enums.get(name)
        if enum is not None:
            return m.Integer(enum.width, False, big, enum, kind.ahead)
        if kind.word:
            self.report.error("CDX0318", kind.span, f"'{name}' has no byte order of its own",
                              "big and little stand behind integers and enums")
        if kind.ahead:
            self.report.error("CDX0318", kind.span, f"'{name}' is no number to look ahead at",
                              "only integers and enums are read without being taken")
        bytes_type = self.outer.bytes.get(name)
        if bytes_type is not None:
            return (m.Counted(bytes_type.width, self.big_endian, bytes_type.max)
                    if bytes_type.width else m.Sized(None, bytes_type.max))
        if name in self.nodes:
            return self.struct(name, kind.span) or NOTHING
        if name not in self.outer.broken:
            known = ["u8", "u16", "u32", "u64", *self.outer.bytes, *self.outer.enums, *self.nodes]
            self.report.error("CDX0201", kind.span, f"there is no type '{name}'",
                              did_you_mean(name, known))
        self.outer.broken.add(name)
        return NOTHING

    def literal(self, kind: s.KindNode, _: list[m.Part]) -> m.PartType:
        assert kind.text is not None
        if not kind.text.value:
            self.report.error("CDX0304", kind.text.span, "a text without bytes", "remove it")
        return m.Literal(kind.text.value)

    def filler(self, kind: s.KindNode, _: list[m.Part]) -> m.PartType:
        assert kind.size is not None
        return m.Filler(self.constant(kind.size), kind.word == "zero")

    def varint(self, kind: s.KindNode, _: list[m.Part]) -> m.PartType:
        return m.Varint(*self.value_width(kind))

    def decimal(self, kind: s.KindNode, _: list[m.Part]) -> m.PartType:
        assert kind.text is not None
        return m.Decimal(*self.value_width(kind), kind.text.value)

    def value_width(self, kind: s.KindNode) -> tuple[int, bool]:
        assert kind.name is not None
        if kind.name.text not in VALUE_WIDTHS:
            self.report.error("CDX0201", kind.name.span, f"'{kind.name.text}' is no range of values",
                              "write u32, u64, i32 or i64")
        return VALUE_WIDTHS.get(kind.name.text, (4, False))

    def token(self, kind: s.KindNode, _: list[m.Part]) -> m.PartType:
        assert kind.text is not None and kind.most is not None
        if kind.pattern is not None:
            try:
                parse(kind.pattern.value)
            except PatternError as error:
                self.report.error("CDX0329", kind.pattern.span, str(error), error.help)
        return m.Token(kind.text.value, self.constant(kind.most),
                       kind.pattern.value if kind.pattern is not None else None)

    def counted(self, kind: s.KindNode, _: list[m.Part]) -> m.PartType:
        assert kind.name is not None
        widths = {"u8": 1, "u16": 2, "u32": 4}
        width = widths.get(kind.name.text, 4)
        if kind.name.text not in widths:
            self.report.error("CDX0201", kind.name.span, f"'{kind.name.text}' is no length",
                              "write u8, u16 or u32; of another length: bytes[expression, max N]")
        most = self.limit_of(kind)
        if most >= 1 << (8 * width):
            self.report.error("CDX0304", kind.most.span if kind.most else kind.span,
                              f"a length of {width * 8} bits cannot say {most}",
                              f"at most {(1 << (8 * width)) - 1}")
        return m.Counted(width, self.big_endian, most)

    def sized(self, kind: s.KindNode, before: list[m.Part]) -> m.PartType:
        length = self.expression(kind.size, before) if kind.size is not None else None
        fixed = length.value if isinstance(length, m.Constant) and kind.most is None else None
        return m.Sized(length, self.limit_of(kind) if fixed is None else fixed)

    def array(self, kind: s.KindNode, before: list[m.Part]) -> m.PartType:
        assert kind.name is not None
        count = self.expression(kind.size, before) if kind.size is not None else None
        fixed = count.value if isinstance(count, m.Constant) and kind.most is None else None
        most = self.limit_of(kind) if fixed is None else fixed
        element = None
        if kind.name.text in self.nodes:
            element = self.struct(kind.name.text, kind.name.span)
        elif kind.name.text not in self.outer.broken:
            self.report.error("CDX0201", kind.name.span, f"there is no struct '{kind.name.text}'",
                              did_you_mean(kind.name.text, self.nodes))
        room = self.constant(kind.room) if kind.room is not None else None
        return m.Array(element, count, most, room) if element is not None else NOTHING

    def limit_of(self, kind: s.KindNode) -> int:
        if kind.most is not None:
            return self.constant(kind.most)
        self.report.error("CDX0317", kind.span, "nothing bounds this",
                          "give the most that there may be: …, max N")
        return 1

    def choice(self, kind: s.KindNode, before: list[m.Part]) -> m.PartType:
        assert kind.size is not None
        if isinstance(kind.size, s.Word) and kind.size.text not in _numbers(before):
            self.report.error("CDX0321", kind.span,
                              f"no number '{kind.size.text}' stands before this choice",
                              did_you_mean(kind.size.text, _numbers(before)))
            return NOTHING
        errors = len(self.report.found)
        tag = self.expression(kind.size, before)
        named = {ref.name for ref in x.refs(tag)}
        enum = next((p.type.enum for p in before if p.name in named
                     and isinstance(p.type, m.Integer) and p.type.enum is not None), None)
        if not named and len(self.report.found) == errors:
            self.report.error("CDX0321", kind.span, "this choice is always the same",
                              "a choice depends on a number that stands before it")
        arms: list[m.Arm] = []
        other: m.Arm | None = None
        seen: dict[int, Span] = {}
        for node in kind.arms:
            struct = None
            if node.name.text in self.nodes:
                struct = self.struct(node.name.text, node.name.span)
            elif node.name.text != "nothing" and node.name.text not in self.outer.broken:
                self.report.error("CDX0201", node.name.span,
                                  f"there is no struct '{node.name.text}'",
                                  did_you_mean(node.name.text, [*self.nodes, "nothing"]))
            values = tuple(self.constant(label, enum) for label in node.labels)
            arm = m.Arm(values, struct, node.name.span)
            for value, label in zip(values, node.labels):
                if value in seen:
                    self.report.error("CDX0306", label.span, "this value has an arm already",
                                      "keep one", Note(seen[value], "the first one"))
                seen.setdefault(value, label.span)
            if node.labels:
                arms.append(arm)
            elif other is not None:
                self.report.error("CDX0321", node.name.span, "a second 'else'", "keep one",
                                  Note(other.span, "the first one"))
            else:
                other = arm
        if not arms:
            self.report.error("CDX0315", kind.span, "a choice without arms", "name at least one")
        return m.Choice(tag, tuple(arms), other)

    # ---- expressions ----

    def constant(self, node: s.ExpressionNode, enum: m.Enum | None = None) -> int:
        """The number that the expression is; an error and 1 when it depends on the bytes."""
        errors = len(self.report.found)
        made = self.expression(node, [], enum)
        if len(self.report.found) > errors:
            return 1
        return max(0, x.evaluate(made, {}))

    def expression(self, node: s.ExpressionNode, before: list[m.Part],
                   enum: m.Enum | None = None) -> m.Expression:
        enums = [enum] if enum is not None else []
        parts = {p.name: p for p in before}
        for word in _words(node):
            of = parts[word.text].type if word.text in parts else None
            if isinstance(of, m.Integer) and of.enum is not None:
                enums.append(of.enum)
        return self.resolved(node, parts, enums)

    def resolved(self, node: s.ExpressionNode, parts: dict[str, m.Part],
                 enums: list[m.Enum]) -> m.Expression:
        if isinstance(node, s.Number):
            return m.Constant(node.value, node.span)
        if isinstance(node, s.OperationNode):
            return m.Operation(node.operator, self.resolved(node.left, parts, enums),
                               self.resolved(node.right, parts, enums), node.span)
        name = node.text
        part = parts.get(name)
        if part is not None and isinstance(part.type, (m.Integer, m.Varint, m.Decimal)):
            return m.Ref(name, node.span)
        if name in self.limits:
            self.outer.used.add(name)
            return m.Constant(self.limits[name].value, node.span)
        values = [v.value for enum in enums for v in enum.values if v.name == name]
        if values:
            return m.Constant(values[0], node.span)
        if name not in self.outer.broken:
            labels = [v.name for enum in enums for v in enum.values]
            known = [*_numbers(list(parts.values())), *self.limits, *labels]
            what = "is no number" if part is not None else "stands for no number before this"
            self.report.error("CDX0320", node.span, f"'{name}' {what}", did_you_mean(name, known))
        return m.Constant(1, node.span)


def documented(doc: s.Doc, life: m.Life) -> tuple[str, ...]:
    """The documentation, and behind it what is said of its life."""
    if life == m.ALWAYS or not doc.lines:
        return doc.lines
    since = "Since {}.{}. ".format(*life.since) if life.since is not None else ""
    why = f"Deprecated: {life.deprecated}" if life.deprecated else ""
    return (*doc.lines, (since + why).strip())


def reserved(nodes: tuple[s.Number | s.Text, ...]) -> tuple[m.Reserved, ...]:
    """Numbers and names that were used once."""
    return tuple(m.Reserved(n.value if isinstance(n, s.Number)
                            else n.value.decode("utf-8", "replace"), n.span) for n in nodes)


def _numbers(parts: list[m.Part]) -> list[str]:
    return [p.name for p in parts if isinstance(p.type, (m.Integer, m.Varint, m.Decimal))]


def _words(node: s.ExpressionNode) -> list[s.Word]:
    if isinstance(node, s.OperationNode):
        return [*_words(node.left), *_words(node.right)]
    return [node] if isinstance(node, s.Word) else []


# ---- what encoders work out ----

def _with_derived(parts: list[m.Part]) -> tuple[m.Part, ...]:
    """The parts; numbers that only say the size or count of one behind them are derived."""
    by_name = {p.name: p for p in parts}
    for part in parts:
        measured = [(part.within, False)]
        if isinstance(part.type, m.Sized):
            measured.append((part.type.length, False))
        if isinstance(part.type, m.Array):
            measured.append((part.type.count, True))
        for expression, is_count in measured:
            if expression is None or part.condition is not None:
                continue
            name = _unknown(expression, by_name)
            solved = x.solve(expression, name) if name else None
            if name and solved is not None:
                derived = m.Derived(part.name, is_count, *solved)
                by_name[name] = replace(by_name[name], derived=derived)
    return tuple(by_name[p.name] for p in parts)


def _unknown(e: m.Expression, parts: dict[str, m.Part]) -> Union[str, None]:
    """The number in `e` that nothing determines yet; of several the first that is added."""
    factors = x.linear(e) or {}
    for name, factor in factors.items():
        part = parts.get(name)
        if (part is not None and factor > 0 and part.derived is None and part.value is None
                and part.condition is None
                and not (isinstance(part.type, m.Integer)
                         and (part.type.enum is not None or part.type.ahead))):
            return name
    return None
