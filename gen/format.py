# SPDX-License-Identifier: Apache-2.0
"""The canonical text of a description: same words, same comments, one way to break lines.

Tokens become statements (what stands on a line of its own), statements lines. Where a clause
begins is taken from the syntax tree; comments are what stands between tokens, and one inside a
statement moves above it. What comes out is compared with what went in before anybody sees it.

    text ─ lex ─► tokens ─ statements ─► statements ─ lines ─► text
"""
from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Iterable, Iterator

from lark import Token, Tree

from diagnostics import Report
from load import GRAMMAR, _pieces, keyword, load_file
from source import SourceFile

COLUMNS_MAX = 100
INDENT = 4
# The keyword of a call's clause is padded to this width.
CLAUSE_COLUMNS = 8

# Rules of the grammar that begin a line although nothing ends the one before.
CLAUSES = frozenset(["request", "row", "response", "example", "message_example"])
TIGHT_AFTER = frozenset(["(", "["])
TIGHT_BEFORE = frozenset([",", ";", ")", "[", "]"])
# What has its argument in angle brackets.
GENERIC = frozenset(["bytes", "varint", "decimal"])

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


class FormatError(Exception):
    """What came out says something else than what went in: a fault of the formatter."""


@dataclass
class Statement:
    """What stands on one line if that is wide enough."""

    depth: int
    words: list[Token]
    is_clause: bool
    above: list[str] = field(default_factory=list)  # comments, and "" for an empty line
    docs: list[str] = field(default_factory=list)
    behind: str = ""                                # the comment at its end

    @property
    def is_opening(self) -> bool:
        return self.words[-1:] == ["{"]

    @property
    def is_closing(self) -> bool:
        return self.words[:1] == ["}"]


def format_text(source: SourceFile, report: Report) -> str | None:
    """The canonical text, or None when the description cannot be parsed; `report` says why."""
    load_file(source, report)
    if report.found:
        return None
    tokens = list(GRAMMAR.lex(source.text))
    statements = list(_statements(tokens, _clause_starts(tokens)))
    _put_comments(source.text, tokens, statements)
    text = "\n".join(_lines(statements)) + "\n"
    if _said(text) != _said(source.text):
        raise FormatError(f"{source.name}: formatting would change what is said; "
                          "nothing was written")
    return text


def _said(text: str) -> tuple[list[str], list[str]]:
    """The words and the comments, without what formatting may change."""
    tokens = list(GRAMMAR.lex(text))
    words = [_doc(token) if token.type == "DOC" else str(token) for token in tokens]
    return words, sorted(c for gap in _gaps(text, tokens) for c in _comments(gap) if c)


def _clause_starts(tokens: list[Token]) -> set[int]:
    """The places in the text at which a call's clauses begin."""
    starts: set[int] = set()
    for piece in _pieces(tokens, Report(SourceFile("", ""))):
        parser: Any = GRAMMAR.parse_interactive("")
        for token, following in zip(piece.tokens, [*piece.tokens[1:], None]):
            parser.feed_token(keyword(token, following, parser))
        tree: Tree[Token] = parser.feed_eof(piece.tokens[-1])
        for part in tree.iter_subtrees():
            first = part.children[0] if part.children else None
            if part.data in CLAUSES and isinstance(first, Token):
                starts.add(first.start_pos or 0)
    return starts


# ---- tokens to statements ----

def _statements(tokens: list[Token], clauses: set[int]) -> Iterator[Statement]:
    blocks = _blocks(tokens)
    depth = 0
    start = 0
    inline = 0  # braces that are open on the line
    for at, token in enumerate(tokens):
        following = tokens[at + 1] if at + 1 < len(tokens) else None
        inline += (token == "{" and at not in blocks) - (token == "}" and at not in blocks)
        depth -= token == "}" and at in blocks
        ends = (at in blocks and (token == "{" or depth == 0)
                or inline == 0 and token == ";"
                or following is not None and at + 1 in blocks and following == "}"
                or following is not None and following.start_pos in clauses)
        if ends or following is None:
            words = [t for t in tokens[start : at + 1] if t.type != "DOC"]
            docs = [_doc(t) for t in tokens[start : at + 1] if t.type == "DOC"]
            yield Statement(depth, words, tokens[start].start_pos in clauses, docs=docs)
            start = at + 1
        depth += token == "{" and at in blocks


def _blocks(tokens: list[Token]) -> set[int]:
    """The braces whose content stands on lines of its own: items', and those around `;` or docs."""
    found: set[int] = set()
    opened: list[tuple[int, bool]] = []
    for at, token in enumerate(tokens):
        if token == "{":
            opened.append((at, not opened))
        elif token == "}" and opened:
            begin, is_block = opened.pop()
            found |= {begin, at} if is_block else set()
        elif opened and (token == ";" or token.type == "DOC"):
            opened[-1] = (opened[-1][0], True)
    return found


def _doc(token: Token) -> str:
    text = str(token)[3:]
    return ("/// " + text[text.startswith(" "):]).rstrip()


# ---- comments ----

def _gaps(text: str, tokens: list[Token]) -> list[str]:
    """What stands before each token, and behind the last."""
    ends = [0, *(token.end_pos or 0 for token in tokens)]
    starts = [*(token.start_pos or 0 for token in tokens), len(text)]
    return [text[end:start] for end, start in zip(ends, starts)]


def _comments(gap: str) -> list[str]:
    """A gap's lines as they are kept: first what stands behind something, "" for an empty line."""
    return [line.strip() for line in gap.split("\n")]


def _put_comments(text: str, tokens: list[Token], statements: list[Statement]) -> None:
    """Gives every comment to the statement that it stands behind or above."""
    gaps = iter(_gaps(text, tokens))
    before: Statement | None = None
    for statement in statements:
        first, *lines = _comments(next(gaps))
        if before is not None and first:
            before.behind = first
        statement.above = [first] * (before is None and bool(first)) + lines[:-1]
        for _ in range(len(statement.words) + len(statement.docs) - 1):
            statement.above += [line for line in _comments(next(gaps)) if line]
        before = statement
    first, *lines = _comments(next(gaps))
    if before is not None:
        before.behind = before.behind or first
    statements.append(Statement(0, [], False, above=lines))


# ---- statements to lines ----

def _lines(statements: list[Statement]) -> list[str]:
    """Every item's lines; between two items stands one empty line."""
    lines: list[str] = []
    item: list[Statement] = []
    for statement in statements:
        item.append(statement)
        if statement.depth == 0 and not statement.is_opening:
            lines += ["", *_item(item)]
            item = []
    return _without_ends(lines)


def _item(item: list[Statement]) -> list[str]:
    head = item[0].words[:1]
    widths = {
        "value": max((len(s.words[0]) for s in item if _is_value(s)), default=0),
        "property": max((len(s.words[0]) for s in item if s.depth == 1), default=0),
    }
    lines: list[str] = []
    behind: list[tuple[int, str]] = []  # comments behind neighbouring lines
    is_first = True
    for statement in item:
        kind = "value" if _is_value(statement) else "property" if head == ["protocol"] else ""
        above = _above(statement, is_first)
        made = _broken(_flat(statement, widths.get(kind, 0)), statement)
        if above or len(made) != 1 or not statement.behind:
            _align(lines, behind)
        lines += above + made
        if statement.behind:
            behind.append((len(lines) - 1, statement.behind))
        is_first = statement.is_opening
    _align(lines, behind)
    return _without_ends(lines)


def _is_value(statement: Statement) -> bool:
    """`name = number;`"""
    return statement.depth > 0 and statement.words[1:2] == ["="]


def _align(lines: list[str], behind: list[tuple[int, str]]) -> None:
    """Puts the comments behind neighbouring lines into one column."""
    width = max((len(lines[at]) for at, _ in behind), default=0)
    for at, comment in behind:
        lines[at] = f"{lines[at]:{width}}  {comment}"
    behind.clear()


def _above(statement: Statement, is_first: bool) -> list[str]:
    """Comments and documentation; several empty lines become one, at a block's ends none."""
    above = [line for at, line in enumerate(statement.above)
             if line or at == 0 or statement.above[at - 1]]
    if is_first:
        above = _without_ends(["", *above, "x"])[:-1]
    if statement.is_closing:
        above = _without_ends(["x", *above])[1:]
    indent = " " * (INDENT * (statement.depth + statement.is_closing))
    return [(indent + line).rstrip() for line in above + statement.docs]


def _without_ends(lines: list[str]) -> list[str]:
    """The lines without empty ones at the beginning and at the end."""
    full = [at for at, line in enumerate(lines) if line]
    return lines[full[0] : full[-1] + 1] if full else []


def _flat(statement: Statement, width: int) -> str:
    """The statement on one line; the first word takes at least `width` columns."""
    if statement.is_clause:  # those of a call stand in a column
        width = CLAUSE_COLUMNS if "->" in statement.words or statement.words[0] != "example" else 0
    text = " " * (INDENT * statement.depth)
    for at, word in enumerate(statement.words):
        text += f"{word:{width}}" if at == 0 and len(statement.words) > 1 else str(word)
        text += _space(statement, at)
    return text


def _space(statement: Statement, at: int) -> str:
    """What stands behind the word at `at`."""
    word = statement.words[at]
    following = next(iter(statement.words[at + 1 :]), None)
    is_sample = statement.words[0] == "example" and statement.is_clause
    if is_sample and following == "[" and word not in TIGHT_AFTER:
        return " "  # a list, not the length of something
    if following is None or word in TIGHT_AFTER or following in TIGHT_BEFORE:
        return ""
    if is_sample and word == "-":
        return ""
    angles = _angles(statement.words)
    if at + 1 in angles or at in angles and word == "<":
        return ""
    if following == "(" and statement.is_clause:
        return ""
    if following == ":" and not (statement.depth == 0 and statement.is_opening):
        return ""
    return " "


def _angles(words: list[Token]) -> set[int]:
    """The places of brackets, as against comparisons."""
    opened = {at for at, word in enumerate(words)
              if word == "<" and at > 0 and words[at - 1] in GENERIC}
    closed = {next((end for end in range(at, len(words)) if words[end] == ">"), at)
              for at in opened}
    return opened | closed


# ---- long lines ----

def _broken(text: str, statement: Statement) -> list[str]:
    """The line, broken where it is too long."""
    if not text.strip():
        return []
    column = INDENT * statement.depth + CLAUSE_COLUMNS + 1
    arrow = _places(text, [" ->"])
    if len(text) > COLUMNS_MAX and statement.is_clause and arrow:
        asked, answered = text[: arrow[0]], " " * (column - 3) + text[arrow[0] + 1 :]
        return [*_fill(asked, asked.find("(") + 1), *_fill(answered, column)]
    if statement.is_clause:
        is_message = statement.words[0] == "example" and not arrow
        return _fill(text, column - 1 if is_message else column - 2)
    return _fill(text, INDENT * (statement.depth + 2))


def _fill(text: str, indent: int) -> list[str]:
    """`text` in lines that are as long as may be, broken outside parentheses if that can be."""
    lines: list[str] = []
    while len(text) > COLUMNS_MAX:
        cuts = _cuts(text)
        fitting = [cut for cut, _ in cuts if cut <= COLUMNS_MAX]
        if not cuts:
            break
        outermost = min((depth for cut, depth in cuts if cut <= COLUMNS_MAX), default=0)
        cut = max((cut for cut, depth in cuts if cut in fitting and depth == outermost),
                  default=cuts[0][0])
        lines.append(text[:cut].rstrip())
        text = " " * indent + text[cut:].lstrip()
    return [*lines, text]


def _cuts(text: str) -> list[tuple[int, int]]:
    """Where a line may be broken (before `|`, behind `,` and `+`), and how deep in brackets."""
    own = len(text) - len(text.lstrip())
    hidden = _hidden(text)
    cuts = sorted([*_places(text, [" |"]), *(at + 1 for at in _places(text, [", ", "+ "]))])
    return [(cut, sum(map(hidden[:cut].count, "({<")) - sum(map(hidden[:cut].count, ")}")))
            for cut in cuts if cut > own + 1]


def _places(text: str, wanted: Iterable[str]) -> list[int]:
    """Where one of `wanted` stands outside quoted texts."""
    pattern = "|".join(re.escape(w) for w in wanted)
    return [match.start() for match in re.finditer(pattern, _hidden(text))]


def _hidden(text: str) -> str:
    """The text with its quoted parts made meaningless."""
    return _QUOTED.sub(lambda quoted: '"' * len(quoted[0]), text)
