# SPDX-License-Identifier: Apache-2.0
"""The errors a description can have: their stable codes, and how they are shown."""
from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import Iterable

from source import SourceFile, Span

# Codes are never re-used. 01xx text, 02xx names, 03xx meaning, 04xx examples, 05xx cost.
CODES: dict[str, str] = {
    "CDX0101": "the file cannot be read as a description",
    "CDX0102": "a character that begins no word, or cannot be seen",
    "CDX0103": "a word that does not fit here",
    "CDX0104": "an item without its end",
    "CDX0105": "a text without its closing quote, or with an unknown escape",
    "CDX0106": "documentation that does not stand directly above something",
    "CDX0201": "a name that stands for nothing",
    "CDX0202": "a name that is given twice",
    "CDX0203": "a name that cannot be a name in C",
    "CDX0204": "two names that become one in C",
    "CDX0205": "a name that stands for another kind of thing",
    "CDX0301": "no protocol, or more than one",
    "CDX0302": "a property of the protocol that is unknown, missing or out of range",
    "CDX0303": "no documentation",
    "CDX0304": "a limit that its length field cannot say",
    "CDX0305": "a number that its integer cannot hold",
    "CDX0306": "a number that is used twice",
    "CDX0307": "bytes without an end",
    "CDX0308": "a frame that lacks a field it needs, or has it twice",
    "CDX0309": "a correlation that does not fit",
    "CDX0310": "a field that a call cannot use so",
    "CDX0311": "a body or limit that is larger than its field",
    "CDX0312": "an answer of several frames that is not marked",
    "CDX0313": "a status that cannot stand here",
    "CDX0314": "something that nothing uses",
    "CDX0315": "an empty list of things",
    "CDX0316": "a call without request or response",
    "CDX0317": "bytes without a limit",
    "CDX0318": "a field or clause that cannot stand here",
    "CDX0319": "calls and messages in one description",
    "CDX0320": "an expression that cannot be worked out",
    "CDX0321": "a choice that does not fit",
    "CDX0322": "a struct that contains itself",
    "CDX0323": "a flag that is not one bit",
    "CDX0324": "an end that cannot be told from what it ends",
    "CDX0325": "a version that is yet to come",
    "CDX0326": "a number or name that is reserved",
    "CDX0327": "an import that cannot be followed",
    "CDX0328": "a field that cannot be delivered in pieces",
    "CDX0329": "a pattern that cannot be read",
    "CDX0401": "an example that is not of its call",
    "CDX0402": "an example's field that is missing, unknown or given twice",
    "CDX0403": "an example's value that does not fit its field",
    "CDX0404": "an example whose answer does not end, or goes on after its end",
    "CDX0405": "an example whose frames do not belong together",
    "CDX0501": "a frame that is too large to be held",
    "CDX0502": "more states than a parser may have",
}


@dataclass(frozen=True)
class Note:
    """A second place that explains an error."""

    span: Span
    text: str


@dataclass(frozen=True)
class Diagnostic:
    """One error: where, which, what, and what to do."""

    code: str
    span: Span
    text: str
    help: str
    note: Note | None = None


@dataclass
class Report:
    """The errors of one description, in the order in which they were found."""

    source: SourceFile
    found: dict[Diagnostic, None] = field(default_factory=dict)

    def error(
        self, code: str, span: Span, text: str, help: str, note: Note | None = None
    ) -> None:
        """Adds an error; the same one at the same place counts once."""
        assert code in CODES, code
        self.found.setdefault(Diagnostic(code, span, text, help, note))

    def text(self) -> str:
        """All errors in the order of their places, as a person reads them."""
        ordered = sorted(self.found, key=lambda d: (d.span.line, d.span.column, d.code))
        blocks = [self._block(d) for d in ordered[:SHOWN_MAX]]
        if len(ordered) > SHOWN_MAX:
            blocks.append(f"{self.source.name}: and {len(ordered) - SHOWN_MAX} more errors\n")
        return "\n".join(blocks)

    def _block(self, d: Diagnostic) -> str:
        lines = [f"{self._place(d.span)}: error[{d.code}]: {d.text}", *self._snippet(d.span)]
        if d.note is not None:
            lines.append(f"{self._place(d.note.span)}: note: {d.note.text}")
            lines.extend(self._snippet(d.note.span))
        lines.append(f"  help: {d.help}")
        return "\n".join(lines) + "\n"

    def _place(self, span: Span) -> str:
        file, line = self.source.place(span.line)
        return f"{file.name}:{line}:{span.column}"

    def _snippet(self, span: Span) -> list[str]:
        line = self.source.line(span.line)
        middle = span.column - 1 - SNIPPET_COLUMNS // 2
        start = max(0, min(middle, len(line) + 1 - SNIPPET_COLUMNS))
        piece = line[start : start + SNIPPET_COLUMNS]
        shown = "".join(c if c.isprintable() else " " for c in piece)
        number = f"{self.source.place(span.line)[1]:5d} | "
        caret = " " * (span.column - 1 - start) + "^" * max(1, min(span.length, SNIPPET_COLUMNS))
        return [f"{number}{shown}".rstrip(), f"      | {caret}"]


# A file of garbage has more errors than anybody reads.
SHOWN_MAX = 50
# Longer lines are shown around the place that is meant.
SNIPPET_COLUMNS = 100


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Help for an unknown word: the nearest known one, or all of them."""
    names = sorted(set(known))
    near = difflib.get_close_matches(word, names, n=1)
    if near:
        return f"did you mean '{near[0]}'?"
    if not names:
        return "nothing of that kind is described"
    return "known: " + ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
