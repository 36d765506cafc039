# SPDX-License-Identifier: Apache-2.0
"""Lark's trees to nodes: one method per rule of the grammar, no meaning."""
from __future__ import annotations

from dataclasses import replace
from typing import Iterable, Union, cast

from lark import Token, Tree

import syntax as s
from diagnostics import Report
from source import Span

Node = Union["Tree[Token]", Token]

UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
ESCAPES = {"n": 10, "r": 13, "t": 9, "0": 0, "\\": 92, '"': 34}
# No number of the language is larger; longer ones become this.
NUMBER_MAX = 1 << 64
NUMBER_DIGITS_MAX = 40


def span_of(token: Token) -> Span:
    """Where the token stands."""
    return Span(token.line or 1, token.column or 1, max(1, len(token)))


class PartBuilder:
    """The fields of messages and structs, and expressions."""

    def __init__(self, outer: "Builder") -> None:
        self.outer = outer

    def parts(self, trees: list[Tree[Token]]) -> tuple[s.PartNode, ...]:
        return tuple(self.part(tree) for tree in trees)

    def part(self, tree: Tree[Token]) -> s.PartNode:
        docs, name, kind, *rest = tree.children
        flags = [span_of(child) for child in rest if isinstance(child, Token)]
        clauses: dict[str, list[Tree[Token]]] = {}
        for clause in (child for child in rest if isinstance(child, Tree)):
            clauses.setdefault(clause.data, []).append(clause)

        def expressions(rule: str) -> tuple[s.ExpressionNode, ...]:
            return tuple(self.expression(_tree(c.children[-1])) for c in clauses.get(rule, ()))

        wheres = tuple(
            s.WhereNode(self.expression(_tree(c.children[1])),
                        self.outer.text(cast(Token, c.children[2])))
            for c in clauses.get("where", ()))
        return s.PartNode(self.outer.doc(_tree(docs)), self.outer.word(name),
                          self.kind(_tree(kind)), next(iter(flags), None), expressions("value"),
                          expressions("within"), expressions("condition"), wheres,
                          self.outer.life(rest), tuple(self.outer.word(c.children[1])
                                                       for c in clauses.get("deliver", ())))

    def kind(self, tree: Tree[Token]) -> s.KindNode:
        words = {c.type: c for c in tree.children if isinstance(c, Token)}
        texts = [c for c in tree.children if isinstance(c, Token) and c.type == "STRING"]
        sizes = [c for c in tree.children if isinstance(c, Tree) and c.data in ("expr", "size")]
        name = self.outer.word(words["NAME"]) if "NAME" in words else None
        first = next(c for c in tree.scan_values(lambda c: isinstance(c, Token)))
        node = s.KindNode(tree.data, name.span if name else span_of(first), name)
        if tree.data == "named":
            word = "big" if "BIG" in words else "little" if "LITTLE" in words else ""
            return replace(node, word=word, ahead="AHEAD" in words)
        if tree.data in ("literal", "decimal"):
            return replace(node, text=self.outer.text(texts[0]))
        if tree.data == "filler":
            word = "zero" if "ZERO" in words else "skip"
            return replace(node, word=word, size=self.expression(sizes[0]))
        if tree.data == "counted":
            return replace(node, most=self.outer.size(sizes[0]) if sizes else None)
        if tree.data == "token":
            pattern = self.outer.text(texts[0]) if len(texts) > 1 else None
            return replace(node, pattern=pattern, text=self.outer.text(texts[-1]),
                           most=self.expression(sizes[0]))
        if tree.data == "choice":
            tag = self.expression(sizes[0])
            return replace(node, span=tag.span, size=tag,
                           arms=tuple(self.arm(c) for c in _trees(tree.children[2:])))
        expressions = [self.expression(size) for size in sizes]
        size = expressions.pop(0) if expressions and "REST" not in words else None
        room = expressions.pop() if "IN" in words else None
        return replace(node, size=size, most=next(iter(expressions), None), room=room)

    def arm(self, tree: Tree[Token]) -> s.ArmNode:
        labels = tuple(self.expression(c) for c in tree.children if isinstance(c, Tree))
        return s.ArmNode(labels, self.outer.word(tree.children[-1]))

    def expression(self, tree: Tree[Token]) -> s.ExpressionNode:
        if tree.data == "factor":
            return self.factor(tree)
        made = self.expression(_tree(tree.children[0]))
        for operator, operand in zip(tree.children[1::2], tree.children[2::2]):
            right = self.expression(_tree(operand))
            made = s.OperationNode(str(operator), made, right, _joined(made.span, right.span))
        return made

    def factor(self, tree: Tree[Token]) -> s.ExpressionNode:
        first, *unit = tree.children
        if isinstance(first, Tree):
            return self.expression(first)
        if first.type == "NAME":
            return self.outer.word(first)
        number = self.outer.number(first)
        scale = UNITS[str(unit[0])] if unit else 1
        return s.Number(min(NUMBER_MAX, number.value * scale), number.span)


def _joined(first: Span, last: Span) -> Span:
    """From the first to the last, as far as they stand on one line."""
    if first.line != last.line:
        return first
    return Span(first.line, first.column, last.column + last.length - first.column)


class Builder:
    """Turns one item's tree into its node."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.parts = PartBuilder(self)

    def item(self, tree: Tree[Token]) -> s.Item:
        docs, body = cast("tuple[Tree[Token], Tree[Token]]", tuple(tree.children))
        doc = self.doc(docs)
        build = {
            "protocol": self.protocol, "import_def": self.import_def, "type_def": self.type_def, "enum_def": self.enum_def,
            "limit_def": self.limit_def, "struct_def": self.struct_def,
            "frame_def": self.frame_def, "message_def": self.message_def,
            "any_call": self.any_call, "call_def": self.call_def,
        }[body.data]
        return build(doc, body)

    def doc(self, tree: Tree[Token]) -> s.Doc:
        lines = [str(t)[3:] for t in tree.children]
        return s.Doc(tuple(line[line.startswith(" "):].rstrip() for line in lines))

    def word(self, token: Node) -> s.Word:
        token = cast(Token, token)
        return s.Word(str(token), span_of(token))

    def number(self, token: Node) -> s.Number:
        token = cast(Token, token)
        return s.Number(_number_of(str(token)), span_of(token))

    def protocol(self, doc: s.Doc, tree: Tree[Token]) -> s.Item:
        _, name, version, *props = tree.children
        major, minor = str(version).split(".")
        properties: list[tuple[s.Word, s.Word | s.Number]] = []
        for prop in _trees(props):
            if prop.data == "reserved":
                continue
            key, value = cast("list[Token]", prop.children)
            if value.type == "NUMBER":
                properties.append((self.word(key), self.number(value)))
            else:
                properties.append((self.word(key), self.word(value)))
        return s.ProtocolNode(doc, self.word(name), _number_of(major), _number_of(minor),
                              tuple(properties), self.reserved(props))

    def import_def(self, doc: s.Doc, tree: Tree[Token]) -> s.Item:
        return s.ImportNode(doc, self.text(cast(Token, tree.children[1])))

    def type_def(self, doc: s.Doc, tree: Tree[Token]) -> s.Item:
        _, name, _, length, *limit = tree.children
        most = self.size(_tree(limit[1])) if limit else None
        return s.TypeNode(doc, self.word(name), self.word(length), most)

    def size(self, tree: Tree[Token]) -> s.Number:
        total = 0
        tokens: list[Token] = []
        for quantity in _trees(tree.children):
            number, *unit = quantity.children
            total += self.number(number).value * (UNITS[str(unit[0])] if unit else 1)
            tokens += cast("list[Token]", quantity.children)
        first, last = span_of(tokens[0]), span_of(tokens[-1])
        length = last.column + last.length - first.column
        return s.Number(total, Span(first.line, first.column,
                                    length if last.line == first.line else first.length))

    def enum_def(self, doc: s.Doc, tree: Tree[Token]) -> s.Item:
        words = [child for child in tree.children if isinstance(child, Token)]
        values = [child for child in tree.children if isinstance(child, Tree)]
        kinds = {word.type for word in words}
        name, base = words[-2:]
        nodes: list[s.EnumValueNode] = []
        for value in (v for v in values if v.data == "enum_value"):
            docs, label, number, *rest = value.children
            nodes.append(s.EnumValueNode(self.doc(_tree(docs)), self.word(label),
                                         self.number(number),
                                         any(isinstance(child, Token) for child in rest),
                                         self.life(rest)))
        return s.EnumNode(doc, self.word(name), self.word(base), tuple(nodes), "OPEN" in kinds,
                          "FLAGS" in kinds, self.reserved(values))

    def reserved(self, nodes: Iterable[Node]) -> tuple[s.Number | s.Text, ...]:
        """The numbers and names of all clauses `reserved` among the nodes."""
        tokens = [cast(Token, child) for tree in nodes
                  if isinstance(tree, Tree) and tree.data == "reserved"
                  for child in tree.children[1:]]
        return tuple(self.text(t) if t.type == "STRING" else self.number(t) for t in tokens)

    def life(self, nodes: Iterable[Node]) -> s.LifeNode:
        """The clauses `since` and `deprecated` among the nodes."""
        found: dict[str, list[Token]] = {"since": [], "deprecated": []}
        for tree in nodes:
            if isinstance(tree, Tree) and tree.data in found:
                found[tree.data].append(cast(Token, tree.children[1]))
        versions = []
        for token in found["since"]:
            major, minor = str(token).split(".")
            versions.append(s.Version(_number_of(major), _number_of(minor), span_of(token)))
        return s.LifeNode(tuple(versions), tuple(self.text(t) for t in found["deprecated"]))

    def fields(self, trees: list[Node]) -> tuple[s.FieldNode, ...]:
        nodes = []
        for tree in _trees(trees):
            docs, name, type_name, *rest = tree.children
            flags = [span_of(child) for child in rest if isinstance(child, Token)]
            nodes.append(s.FieldNode(self.doc(_tree(docs)), self.word(name),
                                     self.word(type_name), next(iter(flags), None),
                                     self.life(rest)))
        return tuple(nodes)

    def struct_def(self, doc: s.Doc, tree: Tree[Token]) -> s.Item:
        _, name, *parts = tree.children
        return s.StructNode(doc, self.word(name), self.parts.parts(_trees(parts)))

    def message_def(self, doc: s.Doc, tree: Tree[Token]) -> s.Item:
        _, name, *parts = tree.children
        fields = [tree for tree in _trees(parts) if tree.data == "part"]
        examples = [tree for tree in _trees(parts) if tree.data == "message_example"]
        return s.MessageNode(doc, self.word(name), self.parts.parts(fields), self.life(parts),
                             tuple(self.sample(_tree(tree.children[1])) for tree in examples))

    def limit_def(self, doc: s.Doc, tree: Tree[Token]) -> s.Item:
        _, name, value = tree.children
        return s.LimitNode(doc, self.word(name), self.parts.expression(_tree(value)))

    def frame_def(self, doc: s.Doc, tree: Tree[Token]) -> s.Item:
        _, name, *fields = tree.children
        return s.FrameNode(doc, self.word(name), self.fields(fields))

    def shape(self, tree: Tree[Token]) -> tuple[s.UseNode, ...]:
        uses = []
        for use in _trees(tree.children):
            name, *type_name = use.children
            uses.append(s.UseNode(self.word(name), self.word(type_name[0]) if type_name else None))
        return tuple(uses)

    def outcome(self, tree: Tree[Token], at: Span) -> s.OutcomeNode:
        name = next((self.word(c) for c in tree.children if isinstance(c, Token)), None)
        shape = next((c for c in tree.children if isinstance(c, Tree)), None)
        uses = self.shape(shape) if shape is not None else ()
        span = name.span if name else uses[0].name.span if uses else at
        return s.OutcomeNode(name, uses, span)

    def any_call(self, doc: s.Doc, tree: Tree[Token]) -> s.Item:
        at = span_of(cast(Token, tree.children[0]))
        response = self.response(_tree(tree.children[2]))
        return s.CallNode(doc, None, None, (), (), (response,), (), at)

    def response(self, tree: Tree[Token]) -> tuple[s.OutcomeNode, ...]:
        keyword, *outcomes = tree.children
        at = span_of(cast(Token, keyword))
        return tuple(self.outcome(_tree(o), at) for o in outcomes)

    def call_def(self, doc: s.Doc, tree: Tree[Token]) -> s.Item:
        _, name, number, *clauses = tree.children
        kinds = ("request", "row", "response", "example")
        parts: dict[str, list[Tree[Token]]] = {kind: [] for kind in kinds}
        for clause in _trees(clauses):
            if clause.data != "clause":
                continue
            part = _tree(clause.children[0])
            parts[part.data].append(part)
        word = self.word(name)

        def shaped(part: Tree[Token]) -> s.OutcomeNode:
            at = span_of(cast(Token, part.children[0]))
            return s.OutcomeNode(None, self.shape(_tree(part.children[1])), at)

        return s.CallNode(
            doc, word, self.number(number),
            tuple(shaped(p) for p in parts["request"]),
            tuple(shaped(p) for p in parts["row"]),
            tuple(self.response(p) for p in parts["response"]),
            tuple(self.example(p) for p in parts["example"]),
            word.span, self.life(clauses),
        )

    def example(self, tree: Tree[Token]) -> s.ExampleNode:
        keyword, request, *answers = tree.children
        return s.ExampleNode(self.sample(_tree(request)),
                             tuple(self.sample(_tree(a)) for a in answers),
                             span_of(cast(Token, keyword)))

    def sample(self, tree: Tree[Token]) -> s.SampleFrame:
        name, *args = tree.children
        return s.SampleFrame(self.word(name), tuple(self.sample_arg(_tree(a)) for a in args))

    def sample_arg(self, tree: Tree[Token]) -> s.SampleArg:
        name, value = tree.children
        word = self.word(name)
        return s.SampleArg(word, self.sample_value(_tree(value), word.span))

    def sample_value(self, tree: Tree[Token], at: Span) -> s.SampleValue:
        *sign, child = tree.children
        if isinstance(child, Tree) and child.data == "sample_list":
            return s.SampleList(tuple(self.sample_value(_tree(v), at) for v in child.children), at)
        if isinstance(child, Tree):
            return s.SampleGroup(tuple(self.sample_arg(_tree(a)) for a in child.children), at)
        if child.type == "STRING":
            return self.text(child)
        if child.type != "NUMBER":
            return self.word(child)
        number = self.number(child)
        return s.Number(-number.value, number.span) if sign else number

    def text(self, token: Token) -> s.Text:
        raw, value, at = str(token)[1:-1], bytearray(), 0
        while at < len(raw):
            if raw[at] != "\\":
                value += raw[at].encode("utf-8")
                at += 1
            elif raw[at + 1] in ESCAPES:
                value.append(ESCAPES[raw[at + 1]])
                at += 2
            elif raw[at + 1] == "x" and _is_hex(raw[at + 2 : at + 4]):
                value.append(int(raw[at + 2 : at + 4], 16))
                at += 4
            else:
                self.report.error("CDX0105", span_of(token), f"unknown escape '\\{raw[at + 1]}'",
                                  "known: \\n \\r \\t \\0 \\\\ \\\" and \\xNN with two hex digits")
                at += 2
        return s.Text(bytes(value), span_of(token))


def _is_hex(digits: str) -> bool:
    return len(digits) == 2 and all(c in "0123456789abcdefABCDEF" for c in digits)


def _tree(node: Node) -> Tree[Token]:
    return cast("Tree[Token]", node)


def _trees(nodes: Iterable[Node]) -> list[Tree[Token]]:
    return [_tree(node) for node in nodes]


def _number_of(digits: str) -> int:
    """The number; hexadecimal behind 0x."""
    if len(digits) > NUMBER_DIGITS_MAX:
        return NUMBER_MAX
    return min(NUMBER_MAX, int(digits, 16 if digits.startswith("0x") else 10))
