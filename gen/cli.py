# SPDX-License-Identifier: Apache-2.0
"""What all commands of caudexc share: how they are described, failures, exit statuses."""
from __future__ import annotations

import argparse
import difflib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, NoReturn

DONE = 0
FAILED = 1
USAGE = 2
DIFFERS = 3

STATUSES = {
    DONE: "Done.",
    FAILED: "A description has errors, an input is refused, or a file cannot be read or written.",
    USAGE: "Wrong usage.",
    DIFFERS: "format --check: a file is not in canonical form. diff: a change breaks peers.",
    130: "Interrupted from the keyboard.",
}

# A capture is read as a whole; larger ones are cut with the tools that made them.
INPUT_NBYTES_MAX = 256 << 20


class Failure(Exception):
    """Ends a command; its text is the line that the user sees."""


class UsageError(Exception):
    """The arguments do not make sense; its text is the line that the user sees."""


@dataclass(frozen=True)
class Argument:
    """One argument or option, as argparse takes it."""

    name: str
    help: str
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        """As the manual shows it."""
        if not self.name.startswith("-"):
            return str(self.more.get("metavar", self.name))
        if self.more.get("action") == "store_true":
            return self.name
        return f"{self.name} {self.more.get('metavar', self.name.lstrip('-').upper())}"


@dataclass(frozen=True)
class Command:
    """One command: `text` is a paragraph for people, `run` returns the exit status."""

    name: str
    summary: str
    text: str
    arguments: tuple[Argument, ...]
    run: Callable[[argparse.Namespace], int]

    @property
    def synopsis(self) -> str:
        """Its arguments in one line; options in brackets."""
        words = []
        for argument in self.arguments:
            many = "..." if argument.more.get("nargs") == "+" else ""
            is_optional = argument.name.startswith("-") or argument.more.get("nargs") == "?"
            optional = is_optional and not argument.more.get("required")
            words.append(f"[{argument.shown}]" if optional else argument.shown + many)
        return " ".join(words)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")


def parse(command: Command, arguments: list[str]) -> argparse.Namespace:
    """The command's arguments; UsageError when they make no sense."""
    parser = _Parser(prog=f"caudexc {command.name}", description=command.text,
                     usage=f"caudexc {command.name} {command.synopsis}")
    for argument in command.arguments:
        parser.add_argument(argument.name, help=argument.help, **argument.more)
    return parser.parse_args(arguments)


def unknown(word: str, known: list[str]) -> str:
    """What to say about a command that does not exist."""
    near = difflib.get_close_matches(word, known, n=1)
    hint = f"did you mean '{near[0]}'?" if near else "see caudexc --help"
    return f"there is no command '{word}'; {hint}"


def read_input(path: Path, name: str) -> bytes:
    """A file's bytes, or Failure."""
    try:
        with path.open("rb") as file:
            data = file.read(INPUT_NBYTES_MAX + 1)
    except OSError as error:
        raise Failure(f"{name}: {error.strerror}") from None
    if len(data) > INPUT_NBYTES_MAX:
        raise Failure(f"{name}: the file has more than {INPUT_NBYTES_MAX} bytes, "
                      "the most that is read")
    return data
