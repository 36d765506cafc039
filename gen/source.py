# SPDX-License-Identifier: Apache-2.0
"""Where things stand in a description: files and spans of their text."""
from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SourceFile:
    """A description's text under the name that messages and outputs show, with what it imports.

    Lines are counted on from each file to the next, so that a line's number says its file too.
    """

    name: str
    text: str
    path: Path | None = None                # imports are looked for beside it
    imports: tuple["SourceFile", ...] = ()  # of it and of these, in the order of their lines

    @property
    def files(self) -> tuple["SourceFile", ...]:
        return (self, *self.imports)

    @property
    def nlines(self) -> int:
        """Lines of its own."""
        return self.text.count("\n") + 1

    @property
    def whole(self) -> str:
        """The texts of all files."""
        return "\n".join(file.text for file in self.files)

    def place(self, number: int) -> tuple["SourceFile", int]:
        """The file of line `number`, and the number there; both count from 1."""
        for file in self.files:
            if number <= file.nlines:
                return file, number
            number -= file.nlines
        return self, number

    def line(self, number: int) -> str:
        """The text of line `number` without its end."""
        file, number = self.place(number)
        lines = file.text.split("\n")
        return lines[number - 1].rstrip("\r") if 1 <= number <= len(lines) else ""

    def placed(self, text: str) -> str:
        """Generated text, in which `name:line` and `#line` speak of the files themselves."""
        if not self.imports:
            return text

        def named(match: re.Match[str]) -> str:
            file, number = self.place(int(match["line"] or match["directive"]))
            return (f'#line {number} "{file.name}"' if match["directive"]
                    else f"{file.name}:{number}")

        name = re.escape(self.name)
        return re.sub(rf'#line (?P<directive>\d+) "{name}"|{name}:(?P<line>\d+)', named, text)


@dataclass(frozen=True)
class Span:
    """A piece of one line; `line` and `column` count from 1."""

    line: int
    column: int
    length: int


NOWHERE = Span(1, 1, 1)
