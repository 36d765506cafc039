# SPDX-License-Identifier: Apache-2.0
"""Text to positioned nodes. Each top-level item is parsed on its own: an error hides no other."""
from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Iterator, cast

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedToken

import syntax as s
from build import UNITS, Builder, span_of
from diagnostics import Note, Report
from source import NOWHERE, SourceFile, Span

# Descriptions are written by people; anything larger is not one.
SOURCE_NBYTES_MAX = 1 << 18
# Braces nest four deep in the language; the rest is a mistake.
NESTING_MAX = 64
# Has nothing beside it.
STDIN = Path("/dev/stdin")
# Files of one description.
FILES_MAX = 64
# Items whose end has to be guessed, before the rest is given up.
UNCLOSED_MAX = 20

ITEM_WORDS = frozenset(
    "protocol import type limit open enum flags struct frame message any call".split())
KEYWORDS = {
    word: word.upper()
    for word in (
        "protocol import type limit bytes max open enum flags more struct frame message correlate "
        "deliver since deprecated reserved any call request row response example big little zero skip varint rest match else "
        "decimal text until within if where ahead in"
    ).split()
}
# Words that begin a kind of field only before these tokens or words: elsewhere they may name a type.
KIND_WORDS = {"example": ("NAME",), "reserved": ("NUMBER", "STRING"), "zero": ("LSQB",), "skip": ("LSQB",), "varint": ("LESSTHAN",), "match": ("NAME", "NUMBER", "LPAR"),
              "decimal": ("LESSTHAN",), "text": ("until", "STRING"), "rest": ("RSQB", "COMMA")}
# Invisible, or able to make a line look like another one.
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]+")

# Tokens of the lexer that no item has.
LEXER_ERRORS = frozenset(["BAD", "OPEN_STRING"])

# How the grammar's terminals are called in messages.
TERMINALS = {
    "NAME": "a name", "NUMBER": "a number", "STRING": "a text in quotes",
    "VERSION": "a version such as 1.0", "DOC": "a '///' line", "UNIT": "KiB, MiB or GiB",
    "LBRACE": "'{'", "RBRACE": "'}'", "LPAR": "'('", "RPAR": "')'", "COLON": "':'",
    "SEMICOLON": "';'", "COMMA": "','", "EQUAL": "'='", "LESSTHAN": "'<'", "MORETHAN": "'>'",
    "VBAR": "'|'", "PLUS": "'+'", "MINUS": "'-'", "STAR": "'*'", "MASK": "'&'", "AND": "'&&'",
    "OR": "'||'", "COMPARISON": "a comparison", "LSQB": "'['", "RSQB": "']'", "ARROW": "'->'",
    "GIVES": "'=>'", "$END": "the end of the item",
}

GRAMMAR = Lark(
    (Path(__file__).parent / "cdx.lark").read_text(encoding="utf-8"),
    start="item", parser="lalr", lexer="basic", propagate_positions=True,
)


@dataclass(frozen=True)
class Loaded:
    """What could be read, and the names in what could not: they are not unknown, only unread."""

    items: tuple[s.Item, ...]
    unread: frozenset[str]
    source: SourceFile
    is_complete: bool = True  # False: what some import describes is unknown


@dataclass(frozen=True)
class Piece:
    """The tokens of one item; `follows` is the next item's first token when no end was found."""

    tokens: list[Token]
    follows: Token | None = None


def read(path: Path, name: str, report_to: list[str]) -> SourceFile | None:
    """The file's text, or None and a line of why not."""
    try:
        with path.open("rb") as file:
            data = file.read(SOURCE_NBYTES_MAX + 1)
    except OSError as error:
        report_to.append(f"{name}: error[CDX0101]: the file cannot be read: {error.strerror}")
        return None
    if len(data) > SOURCE_NBYTES_MAX:
        report_to.append(f"{name}: error[CDX0101]: the file has more than {SOURCE_NBYTES_MAX} "
                         "bytes, the most that a description may have")
        return None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = len(data[:error.start].split(b"\n")[-1].decode("utf-8")) + 1
        report_to.append(f"{name}:{line}:{column}: error[CDX0101]: byte 0x{data[error.start]:02x} "
                         "is not UTF-8\n  help: save the file as UTF-8")
        return None
    if text.startswith("\ufeff"):
        text = text[1:]
    return SourceFile(name, text.replace("\r\n", "\n").replace("\r", "\n"),
                      path if path.is_file() and path != STDIN else None)


def load(source: SourceFile, report: Report) -> Loaded:
    """The items of the description and of all that it imports."""
    files = [source]
    known = {source.path.resolve(): NOWHERE} if source.path is not None else {}
    loaded = [load_file(source, report)]
    is_complete = True
    at = 0
    while at < len(files):
        for node in loaded[at].items:
            if not isinstance(node, s.ImportNode):
                continue
            file = _imported(node, files[at], known, report) if len(files) < FILES_MAX else None
            if file is None:
                is_complete = False
                if len(files) == FILES_MAX:
                    report.error("CDX0327", node.name.span, "too many files",
                                 f"a description has at most {FILES_MAX}")
                continue
            before = sum(other.nlines for other in files)
            files.append(file)
            loaded.append(load_file(file, report, before))
        at += 1
    report.source = replace(source, imports=tuple(files[1:]))
    return Loaded(tuple(item for one in loaded for item in one.items),
                  frozenset(name for one in loaded for name in one.unread), report.source,
                  is_complete)


def _imported(node: s.ImportNode, by: SourceFile, known: dict[Path, Span],
              report: Report) -> SourceFile | None:
    """The file that `by` imports, or None after an error; `known` are those that are there."""
    text = node.name.value.decode("utf-8", "replace")
    if not text or "\0" in text or PurePosixPath(text).is_absolute():
        report.error("CDX0327", node.name.span, "this is no file beside the one that imports it",
                     'name it as it is found from here: import "types.cdx";')
        return None
    path = (by.path.parent if by.path is not None else Path()) / text
    place = path.resolve()
    if place in known:
        first = known[place]
        report.error("CDX0327", node.name.span, f"'{text}' is part of the description already",
                     "everything is known everywhere: import each file once",
                     None if first is NOWHERE else Note(first, "the first import"))
        return None
    known[place] = node.name.span
    why: list[str] = []
    file = read(path, str(PurePosixPath(by.name).parent / text), why) if path.is_file() else None
    if file is None:
        said = why[0].split("]: ")[-1].split("\n")[0] if why else "there is no such file"
        report.error("CDX0327", node.name.span, f"'{text}' cannot be imported: {said}",
                     f"it is looked for beside {by.name}")
    return file


def load_file(source: SourceFile, report: Report, before: int = 0) -> Loaded:
    """The items of one file that could be parsed, an error for each that could not.

    `before` is how many lines are counted before its first one.
    """
    items: list[s.Item] = []
    unread: set[str] = set()
    pieces = list(_pieces(_lex(source, report, before), report))
    is_lost = False  # what follows may be the rest of an item that was cut wrongly
    for piece in pieces:
        if is_lost and not _begins_item(piece):
            continue
        tree = _parse(piece, report)
        is_lost = tree is None
        if tree is None:
            unread |= _names_of(piece.tokens)
        else:
            items.append(Builder(report).item(tree))
    if not pieces and not report.found and before == 0:
        report.error("CDX0101", Span(1, 1, 1), "the description is empty",
                     "begin with: /// What it is for.  protocol name 1.0 { … }")
        unread |= {"protocol", "request", "response", "call"}
    return Loaded(tuple(items), frozenset(unread), source)


# ---- text to tokens ----

def _lex(source: SourceFile, report: Report, before: int) -> list[Token]:
    for number, line in enumerate(source.text.split("\n"), before + 1):
        for match in CONTROL.finditer(line):
            report.error("CDX0102", Span(number, match.start() + 1, len(match[0])),
                         f"an invisible character, U+{ord(match[0][0]):04X}",
                         "a description is text: lines, spaces and what can be seen")
    tokens = []
    for token in GRAMMAR.lex(CONTROL.sub(lambda match: " " * len(match[0]), source.text)):
        tokens.append(token)
        token.line = (token.line or 1) + before
        if token.type == "BAD":
            report.error("CDX0102", span_of(token), f"'{str(token)[:40]}' begins no word",
                         "texts stand in double quotes, comments behind //")
        elif token.type == "OPEN_STRING":
            report.error("CDX0105", span_of(token), "the text has no closing quote on this line",
                         'close it with ", and write \\" for a quote inside')
    return tokens


# ---- tokens to pieces ----

def _pieces(tokens: list[Token], report: Report) -> Iterator[Piece]:
    """Cuts behind every `;` or `}` outside all braces; if that is missing, before the next item."""
    start = 0
    for _ in range(UNCLOSED_MAX):
        for end in _ends(tokens, start, report):
            yield Piece(tokens[start:end])
            start = end
        if start == len(tokens):
            return
        following = _next_item(tokens, start)
        if following is None:
            break
        yield Piece(tokens[start:following], tokens[following])
        start = following
    yield Piece(tokens[start:])


def _ends(tokens: list[Token], start: int, report: Report) -> Iterator[int]:
    """The places behind the items from `start` on, as far as their braces are closed."""
    depth = 0
    for place in range(start, len(tokens)):
        token = tokens[place]
        if token == "{":
            depth += 1
            if depth > NESTING_MAX:
                report.error("CDX0103", span_of(token), "braces nest too deep",
                             f"the language nests four deep; {NESTING_MAX} are tolerated")
                return
        elif token == "}":
            depth = max(0, depth - 1)
        if depth == 0 and token in ("}", ";"):
            yield place + 1


def _next_item(tokens: list[Token], start: int) -> int | None:
    """Where the item behind the one at `start` seems to begin: in column 1, with its `///`."""
    seen = False
    for place in range(start, len(tokens)):
        token = tokens[place]
        if token.type == "NAME" and token.column == 1 and token in ITEM_WORDS:
            while seen and tokens[place - 1].type == "DOC":
                place -= 1
            if seen:
                return place
        seen = seen or token.type != "DOC"
    return None


def _begins_item(piece: Piece) -> bool:
    return piece.tokens[0].type == "DOC" or piece.tokens[0] in ITEM_WORDS


def _names_of(tokens: list[Token]) -> set[str]:
    """The names that an unread piece seems to give to items."""
    names: set[str] = set()
    words = [token for token in tokens if token.type != "DOC"]
    for before, token in zip(words, words[1:]):
        if token.type == "NAME" and (before in ITEM_WORDS or not names):
            names |= {str(before), str(token)}
    return names


# ---- pieces to trees ----

def _parse(piece: Piece, report: Report) -> Tree[Token] | None:
    if all(token.type == "DOC" for token in piece.tokens):
        report.error("CDX0106", span_of(piece.tokens[0]), "this documentation stands above nothing",
                     "put it above an item, or write // for a comment")
        return None
    if any(token.type in LEXER_ERRORS for token in piece.tokens):
        return None  # told already
    # Untyped: lark 1.1.5 has no types here.
    parser: Any = GRAMMAR.parse_interactive("")
    before: Token | None = None
    for token, following in zip(piece.tokens, [*piece.tokens[1:], None]):
        _check_documentation(before, token, report)
        before = token
        try:
            parser.feed_token(keyword(token, following, parser))
        except UnexpectedToken as error:
            _misfit(token, error, report)
            if token.type != "DOC":
                return None
    try:
        return cast("Tree[Token]", parser.feed_eof(piece.tokens[-1]))
    except UnexpectedToken as error:
        _unfinished(piece, error, report)
        return None


def _check_documentation(before: Token | None, token: Token, report: Report) -> None:
    """An error when a `///` is not alone on its line, directly above its item."""
    if before is None:
        return
    if token.type == "DOC" and before.line == token.line:
        report.error("CDX0106", span_of(token), "documentation behind something on its line",
                     "put it above the item that it is for, or write // for a comment")
    elif before.type == "DOC" and token.line != (before.line or 0) + 1:
        report.error("CDX0106", span_of(before), "this documentation stands above nothing",
                     "put it directly above an item, or write // for a comment",
                     Note(span_of(token), "the next item is here"))


def keyword(token: Token, following: Token | None, parser: Any) -> Token:
    """The token as a keyword or unit where the grammar takes one, else as it is."""
    if token.type != "NAME" or (following is not None and str(token) in KIND_WORDS
                                and following.type not in KIND_WORDS[str(token)]
                                and str(following) not in KIND_WORDS[str(token)]):
        return token
    kind = "UNIT" if str(token) in UNITS else KEYWORDS.get(str(token))
    if kind is None or kind not in parser.choices() or kind not in parser.accepts():
        return token
    return Token.new_borrow_pos(kind, str(token), token)


def _misfit(token: Token, error: UnexpectedToken, report: Report) -> None:
    if token.type == "DOC":
        report.error("CDX0106", span_of(token), "documentation does not belong here",
                     "put it above the item that it is for, or write // for a comment")
    else:
        shown = str(token) if len(token) <= 40 else f"{str(token)[:40]}…"
        taken = error.accepts or error.expected
        words = [word for word, kind in KEYWORDS.items() if kind in taken]
        near = difflib.get_close_matches(shown, words, n=1)
        guess = f"did you mean '{near[0]}'? " if near else ""
        report.error("CDX0103", span_of(token), f"'{shown}' does not fit here",
                     guess + _expected(error))


def _unfinished(piece: Piece, error: UnexpectedToken, report: Report) -> None:
    first = next(t for t in piece.tokens if t.type != "DOC")
    note = Note(span_of(first), "the item begins here")
    if piece.follows is not None:
        report.error("CDX0104", span_of(piece.follows),
                     "the next item begins before the one above is complete",
                     _expected(error), note)
    else:
        last = span_of(piece.tokens[-1])
        report.error("CDX0104", Span(last.line, last.column + last.length, 1),
                     "the file ends inside an item", _expected(error), note)


def _expected(error: UnexpectedToken) -> str:
    names = sorted(set(error.accepts or error.expected) - LEXER_ERRORS)
    words = [TERMINALS.get(name, f"'{name.lower()}'") for name in names]
    return "expected " + ", ".join(words[:-1]) + (" or " if len(words) > 1 else "") + words[-1]
