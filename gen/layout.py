# SPDX-License-Identifier: Apache-2.0
"""The last touch on rendered C: line breaks, columns of comments, and `#line HERE` becomes true."""
from __future__ import annotations

import re

COLUMNS_MAX = 100
# A template writes this line to say: from here on the text is the generated file's own again.
HERE = "#line HERE"
_COMMENTED = re.compile(r"(\s+\S.*[;,]) (/\* .* \*/)\Z")
_BREAKS = re.compile(r", |(?<= &&) |(?<= \|\|) ")


def finish(text: str, name: str) -> str:
    """`text` folded, its markers resolved; `name` is what debuggers shall call the file."""
    lines = [part for line in align(text.split("\n")) for part in fold(line)]
    return "\n".join(f'#line {at + 2} "{name}"' if line == HERE else line
                     for at, line in enumerate(lines))


def align(lines: list[str]) -> list[str]:
    """The lines, comments behind neighbouring ones in one column."""
    aligned: list[str] = []
    group: list[re.Match[str]] = []
    for line in [*lines, ""]:
        match = _COMMENTED.match(line)
        if match is not None:
            group.append(match)
            continue
        width = max((len(m[1]) for m in group), default=0)
        aligned += [f"{m[1]:{width}} {m[2]}" for m in group]
        aligned.append(line)
        group = []
    return aligned[:-1]


def fold(line: str) -> list[str]:
    """The line, broken behind commas and operators, each rest under its opening parenthesis."""
    folded: list[str] = []
    while len(line) > COLUMNS_MAX and not line.startswith("#"):
        cut, indent = _place(line, inside=bool(folded))
        if cut == 0:
            break
        folded.append(line[:cut])
        line = " " * indent + line[cut:].lstrip()
    return [*folded, line]


def _place(line: str, inside: bool) -> tuple[int, int]:
    """Where to break, and the rest's indent: in the outermost parentheses, late. (0, 0): nowhere."""
    best = (0, 0)
    depth = None
    own = len(line) - len(line.lstrip())
    for match in _BREAKS.finditer(line):
        before = line[: match.end()].rstrip()
        if len(before) > COLUMNS_MAX:
            break
        opened = _open_parentheses(before)
        if (opened or inside) and (depth is None or len(opened) <= depth):
            depth = len(opened)
            best = (len(before), opened[-1] + 1 if opened else own)
    return best


def _open_parentheses(text: str) -> list[int]:
    """Columns of the parentheses that are still open at the end of `text`."""
    opened: list[int] = []
    for at, char in enumerate(text):
        if char in "({":
            opened.append(at)
        elif char in ")}" and opened:
            opened.pop()
    return opened
