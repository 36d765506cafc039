# SPDX-License-Identifier: Apache-2.0
"""Text to positioned nodes. Each top-level item is parsed on its own, so every one's error is found."""
from __future__ import annotations

from pathlib import Path
from typing import Iterator, Union, cast

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput, UnexpectedToken
from lark.parsers.lalr_interactive_parser import InteractiveParser

import syntax as s
from diagnostics import Report
from source import SourceFile, Span

# Descriptions are written by people; anything larger is not one.
SOURCE_NBYTES_MAX = 1 << 20
# Braces nest four deep in the language; the rest is a mistake.
NESTING_MAX = 64

KEYWORDS = {
    word: word.upper()
    for word in (
        "protocol type bytes max enum more struct frame correlate any call request row "
        "response example"
    ).split()
}
UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
ESCAPES = {"n": 10, "r": 13, "t": 9, "0": 0, "\\": 92, '"': 34}

# How the grammar's terminals are called in messages.
TERMINALS = {
    "NAME": "a name",
    "NUMBER": "a number",
    "STRING": "a text in quotes",
    "VERSION": "a version such as 1.0",
    "DOC": "a '///' line",
    "UNIT": "KiB, MiB or GiB",
    "LBRACE": "'{'", "RBRACE": "'}'", "LPAR": "'('", "RPAR": "')'", "COLON": "':'",
    "SEMICOLON": "';'", "COMMA": "','", "EQUAL": "'='", "LESSTHAN": "'<'", "MORETHAN": "'>'",
    "VBAR": "'|'", "PLUS": "'+'", "__ANON_0": "'->'", "$END": "the end of the item",
}

GRAMMAR = Lark(
    (Path(__file__).parent / "cdx.lark").read_text(encoding="utf-8"),
    start="item", parser="lalr", lexer="basic", propagate_positions=True,
)

Node = Union[Tree, Token]


def read(path: Path, name: str, report_to: list[str]) -> SourceFile | None:
    """The file's text, or None and a line of why not."""
    try:
        data = path.read_bytes()
    except OSError as error:
        report_to.append(f"{name}: cannot be read: {error.strerror}")
        return None
    if len(data) > SOURCE_NBYTES_MAX:
        report_to.append(f"{name}: {len(data)} bytes; a description has at most {SOURCE_NBYTES_MAX}")
        return None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        report_to.append(f"{name}:{line}: byte {error.start} is not UTF-8")
        return None
    if text.startswith("\ufeff"):
        text = text[1:]
    return SourceFile(name, text.replace("\r\n", "\n").replace("\r", "\n"))


def load(source: SourceFile, report: Report) -> list[s.Item]:
    """All items that could be parsed; an error for each that could not."""
    items: list[s.Item] = []
    for tokens in _items(_lex(source, report), report):
        tree = _parse(tokens, report)
        if tree is not None:
            items.append(_Builder(report).item(tree))
    if not items and not report.found:
        report.error("CDX0101", Span(1, 1, 1), "the description is empty",
                     "begin with: /// What it is for.  protocol name 1.0 { … }")
    return items


# ---- tokens ----

def _span(token: Token) -> Span:
    return Span(token.line or 1, token.column or 1, max(1, len(token)))


def _lex(source: SourceFile, report: Report) -> list[Token]:
    tokens = []
    for token in GRAMMAR.lex(source.text):
        if token.type == "BAD":
            report.error("CDX0102", _span(token), f"{str(token)!r} begins no word of the language",
                         "texts stand in double quotes, comments behind //")
        elif token.type == "OPEN_STRING":
            report.error("CDX0105", _span(token), "the text has no closing quote on this line",
                         'close it with ", and write \\" for a quote inside')
        else:
            tokens.append(token)
    return tokens


def _items(tokens: list[Token], report: Report) -> Iterator[list[Token]]:
    """Cuts at a `;` or `}` that stands outside all braces."""
    item: list[Token] = []
    depth = 0
    for token in tokens:
        item.append(token)
        if token == "{":
            depth += 1
            if depth > NESTING_MAX:
                report.error("CDX0103", _span(token), "braces nest too deep",
                             f"the language nests four deep; {NESTING_MAX} are tolerated")
                return
        elif token == "}":
            depth -= 1
        if depth <= 0 and token in ("}", ";"):
            depth = 0
            yield item
            item = []
    if item and all(token.type == "DOC" for token in item):
        report.error("CDX0106", _span(item[0]), "this documentation stands above nothing",
                     "put it above an item, or write // for a comment")
    elif item:
        yield item


def _parse(tokens: list[Token], report: Report) -> Tree | None:
    parser = GRAMMAR.parse_interactive("")
    for token in tokens:
        if token.type == "NAME":
            token = _keyword(token, parser)
        try:
            parser.feed_token(token)
        except UnexpectedToken as error:
            report.error("CDX0103", _span(token), f"{str(token)!r} does not fit here",
                         _expected(error))
            return None
    try:
        return cast(Tree, parser.feed_eof(tokens[-1]))
    except UnexpectedToken as error:
        last = _span(tokens[-1])
        report.error("CDX0104", Span(last.line, last.column + last.length, 1),
                     "the file ends inside this item", _expected(error))
    except UnexpectedInput:
        report.error("CDX0103", _span(tokens[-1]), "this item is not complete", "see proto/README.md")
    return None


def _keyword(token: Token, parser: InteractiveParser) -> Token:
    """The token as a keyword or unit where the grammar takes one, else as it is."""
    kind = "UNIT" if str(token) in UNITS else KEYWORDS.get(str(token))
    if kind is None or kind not in parser.choices() or kind not in parser.accepts():
        return token
    return Token.new_borrow_pos(kind, token, token)


def _expected(error: UnexpectedToken) -> str:
    names = sorted((error.accepts or error.expected) - {"OPEN_STRING", "BAD"})
    words = [TERMINALS.get(name, f"'{name.lower()}'") for name in names]
    return "expected " + ", ".join(words[:-1]) + (" or " if len(words) > 1 else "") + words[-1]


# ---- trees to nodes ----

class _Builder:
    """Turns one item's tree into its node."""

    def __init__(self, report: Report) -> None:
        self.report = report

    def item(self, tree: Tree) -> s.Item:
        docs, body = cast("tuple[Tree, Tree]", tuple(tree.children))
        doc = self.doc(docs)
        build = {
            "protocol": self.protocol, "type_def": self.type_def, "enum_def": self.enum_def,
            "struct_def": self.struct_def, "frame_def": self.frame_def,
            "any_call": self.any_call, "call_def": self.call_def,
        }[body.data]
        return build(doc, body)

    def doc(self, tree: Tree) -> s.Doc:
        lines = [str(t)[3:] for t in tree.children]
        return s.Doc(tuple(line[1:].rstrip() if line.startswith(" ") else line.rstrip() for line in lines))

    def word(self, token: Node) -> s.Word:
        token = cast(Token, token)
        return s.Word(str(token), _span(token))

    def number(self, token: Node) -> s.Number:
        token = cast(Token, token)
        return s.Number(int(str(token), 0 if str(token).startswith("0x") else 10), _span(token))

    def protocol(self, doc: s.Doc, tree: Tree) -> s.Item:
        _, name, version, *props = tree.children
        major, minor = str(version).split(".")
        properties = []
        for prop in cast("list[Tree]", props):
            key, value = cast("list[Token]", prop.children)
            properties.append(
                (self.word(key), self.number(value) if value.type == "NUMBER" else self.word(value))
            )
        return s.ProtocolNode(doc, self.word(name), int(major), int(minor), tuple(properties))

    def type_def(self, doc: s.Doc, tree: Tree) -> s.Item:
        _, name, _, length, _, size = tree.children
        total = 0
        tokens = [t for q in cast(Tree, size).children for t in cast(Tree, q).children]
        for quantity in cast("list[Tree]", cast(Tree, size).children):
            number, *unit = quantity.children
            total += self.number(number).value * (UNITS[str(unit[0])] if unit else 1)
        first, last = _span(cast(Token, tokens[0])), _span(cast(Token, tokens[-1]))
        length_of = last.column + last.length - first.column if last.line == first.line else first.length
        return s.TypeNode(doc, self.word(name), self.word(length),
                          s.Number(total, Span(first.line, first.column, length_of)))

    def enum_def(self, doc: s.Doc, tree: Tree) -> s.Item:
        _, name, base, *values = tree.children
        nodes = []
        for value in cast("list[Tree]", values):
            docs, label, number, *more = value.children
            nodes.append(s.EnumValueNode(self.doc(cast(Tree, docs)), self.word(label),
                                         self.number(number), bool(more)))
        return s.EnumNode(doc, self.word(name), self.word(base), tuple(nodes))

    def fields(self, trees: list[Node]) -> tuple[s.FieldNode, ...]:
        nodes = []
        for tree in cast("list[Tree]", trees):
            docs, name, type_name, *flag = tree.children
            correlate = _span(cast(Token, flag[0])) if flag else None
            nodes.append(s.FieldNode(self.doc(cast(Tree, docs)), self.word(name),
                                     self.word(type_name), correlate))
        return tuple(nodes)

    def struct_def(self, doc: s.Doc, tree: Tree) -> s.Item:
        _, name, *fields = tree.children
        return s.StructNode(doc, self.word(name), self.fields(fields))

    def frame_def(self, doc: s.Doc, tree: Tree) -> s.Item:
        _, name, *fields = tree.children
        return s.FrameNode(doc, self.word(name), self.fields(fields))

    def shape(self, tree: Tree) -> tuple[s.UseNode, ...]:
        uses = []
        for use in cast("list[Tree]", tree.children):
            name, *type_name = use.children
            uses.append(s.UseNode(self.word(name), self.word(type_name[0]) if type_name else None))
        return tuple(uses)

    def outcome(self, tree: Tree, at: Span) -> s.OutcomeNode:
        name = next((self.word(c) for c in tree.children if isinstance(c, Token)), None)
        shape = next((c for c in tree.children if isinstance(c, Tree)), None)
        uses = self.shape(shape) if shape is not None else ()
        return s.OutcomeNode(name, uses, name.span if name else (uses[0].name.span if uses else at))

    def any_call(self, doc: s.Doc, tree: Tree) -> s.Item:
        at = _span(cast(Token, tree.children[0]))
        response = self.response(cast(Tree, tree.children[2]))
        return s.CallNode(doc, None, None, (), (), (response,), (), at)

    def response(self, tree: Tree) -> tuple[s.OutcomeNode, ...]:
        keyword, *outcomes = tree.children
        at = _span(cast(Token, keyword))
        return tuple(self.outcome(cast(Tree, o), at) for o in outcomes)

    def call_def(self, doc: s.Doc, tree: Tree) -> s.Item:
        _, name, number, *clauses = tree.children
        parts: dict[str, list[Tree]] = {"request": [], "row": [], "response": [], "example": []}
        for clause in cast("list[Tree]", clauses):
            part = cast(Tree, clause.children[0])
            parts[part.data].append(part)
        word = self.word(name)

        def shaped(part: Tree) -> s.OutcomeNode:
            at = _span(cast(Token, part.children[0]))
            return s.OutcomeNode(None, self.shape(cast(Tree, part.children[1])), at)

        return s.CallNode(
            doc, word, self.number(number),
            tuple(shaped(p) for p in parts["request"]),
            tuple(shaped(p) for p in parts["row"]),
            tuple(self.response(p) for p in parts["response"]),
            tuple(self.example(p) for p in parts["example"]),
            word.span,
        )

    def example(self, tree: Tree) -> s.ExampleNode:
        keyword, request, *answers = tree.children
        return s.ExampleNode(self.sample(cast(Tree, request)),
                             tuple(self.sample(cast(Tree, a)) for a in answers),
                             _span(cast(Token, keyword)))

    def sample(self, tree: Tree) -> s.SampleFrame:
        name, *args = tree.children
        return s.SampleFrame(self.word(name), tuple(self.sample_arg(cast(Tree, a)) for a in args))

    def sample_arg(self, tree: Tree) -> s.SampleArg:
        name, value = tree.children
        child = cast(Tree, value).children[0]
        word = self.word(name)
        if isinstance(child, Tree):
            args = tuple(self.sample_arg(cast(Tree, a)) for a in child.children)
            return s.SampleArg(word, s.SampleGroup(args, word.span))
        if child.type == "STRING":
            return s.SampleArg(word, self.text(child))
        return s.SampleArg(word, self.number(child) if child.type == "NUMBER" else self.word(child))

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
                self.report.error("CDX0105", _span(token), f"unknown escape '\\{raw[at + 1]}'",
                                  "known: \\n \\r \\t \\0 \\\\ \\\" and \\xNN with two hex digits")
                at += 2
        return s.Text(bytes(value), _span(token))


def _is_hex(digits: str) -> bool:
    return len(digits) == 2 and all(c in "0123456789abcdefABCDEF" for c in digits)
