# SPDX-License-Identifier: Apache-2.0
"""Where things stand in a description: files and spans of their text."""
from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SourceFile:
    """A description's text under the name that messages and outputs show."""

    name: str
    text: str

    def line(self, number: int) -> str:
        """The text of line `number`, counted from 1, without its end."""
        lines = self.text.split("\n")
        return lines[number - 1].rstrip("\r") if 1 <= number <= len(lines) else ""


@dataclass(frozen=True)
class Span:
    """A piece of one line; `line` and `column` count from 1."""

    line: int
    column: int
    length: int


NOWHERE = Span(1, 1, 1)
