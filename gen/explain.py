# SPDX-License-Identifier: Apache-2.0
"""What an error means, with an example and its repair: the sections of explain.md."""
from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

TEXT = Path(__file__).parent / "explain.md"
_SECTION = re.compile(r"^## (CDX\d{4}) (.+)\n\n((?:.*\n)*?)\nWrong:\n\n((?:(?:    .*)?\n)+?)"
                      r"\nRight:\n\n((?:(?:    .*)?\n)+?)(?=\n*(?:## |\Z))", re.M)


@dataclass(frozen=True)
class Explanation:
    """One error code: `wrong` shows it, `right` is the same without it."""

    code: str
    title: str
    why: str
    wrong: str
    right: str

    def text(self) -> str:
        """As it is printed."""
        return (f"{self.code}: {self.title}\n\n{self.why}\n"
                f"Wrong:\n\n{textwrap.indent(self.wrong, '    ')}\n"
                f"Right:\n\n{textwrap.indent(self.right, '    ')}")


def explanations() -> dict[str, Explanation]:
    """All of them, by code."""
    found = {}
    for code, title, why, wrong, right in _SECTION.findall(TEXT.read_text(encoding="utf-8")):
        found[code] = Explanation(code, title, why, _example(wrong), _example(right))
    return found


def _example(text: str) -> str:
    return textwrap.dedent(text).strip("\n") + "\n"
