# SPDX-License-Identifier: Apache-2.0
"""Patterns of texts: regular expressions over bytes, and what Ragel makes a machine of.

    alternatives a|b   sequence ab   any byte .   one of [a-z_], none of [^ ]   group ( )
    repeated * + ? {n} {n,} {n,m}    \\x is x itself, where x means something

A pattern is a tree: bytes that may stand at one place (Set), parts in a row (Row), one of
several (Either), a part several times (Repeat).
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, Union

# More than this is a protocol in itself: a machine of so many states is a page of C.
STATES_MAX = 200
# Places of a pattern that is written out, before it is given up.
PLACES_MAX = 400
TIMES_MAX = 1000
SPECIAL = frozenset(b".*+?()[]{}|^$\\")
NESTING_MAX = 32


class PatternError(Exception):
    """The pattern cannot be read: the text says why, `help` what to write."""

    def __init__(self, text: str, help_text: str) -> None:
        super().__init__(text)
        self.help = help_text


@dataclass(frozen=True)
class Set:
    values: frozenset[int]


@dataclass(frozen=True)
class Row:
    parts: tuple["Pattern", ...]


@dataclass(frozen=True)
class Either:
    parts: tuple["Pattern", ...]


@dataclass(frozen=True)
class Repeat:
    part: "Pattern"
    least: int
    most: int | None  # None: any number


Pattern = Union[Set, Row, Either, Repeat]


def parse(text: bytes) -> Pattern:
    """The pattern that the text says; PatternError when it says none, or too large a one."""
    reader = _Reader(text)
    made = reader.either(0)
    if reader.at < len(text):
        raise PatternError("a ) that closes nothing", "remove it, or write \\\\) for the character")
    if _places(made) > PLACES_MAX or _state_count(made) > STATES_MAX:
        raise PatternError(f"a machine of more than {STATES_MAX} states",
                           "repeat less often, and leave it to 'max' to count")
    return made


class _Reader:
    def __init__(self, text: bytes) -> None:
        self.text = text
        self.at = 0

    def peek(self) -> int:
        """The next byte, or -1."""
        return self.text[self.at] if self.at < len(self.text) else -1

    def take(self) -> int:
        self.at += 1
        return self.text[self.at - 1]

    def either(self, depth: int) -> Pattern:
        if depth > NESTING_MAX:
            raise PatternError("groups nest too deep", f"at most {NESTING_MAX}")
        rows = [self.row(depth)]
        while self.peek() == ord("|"):
            self.take()
            rows.append(self.row(depth))
        return rows[0] if len(rows) == 1 else Either(tuple(rows))

    def row(self, depth: int) -> Pattern:
        parts: list[Pattern] = []
        while self.peek() not in (-1, ord("|"), ord(")")):
            parts.append(self.repeated(self.one(depth)))
        return Row(tuple(parts))

    def one(self, depth: int) -> Pattern:
        byte = self.take()
        if byte == ord("."):
            return Set(frozenset(range(256)))
        if byte == ord("["):
            return self.bracket()
        if byte == ord("("):
            made = self.either(depth + 1)
            if self.peek() != ord(")"):
                raise PatternError("a ( that is not closed", "close it, or write \\\\( for the character")
            self.take()
            return made
        if byte == ord("\\"):
            return Set(frozenset([self.escaped()]))
        if byte in SPECIAL:
            raise PatternError(f"'{chr(byte)}' does not stand for itself",
                               f"write \\\\{chr(byte)} for the character; a pattern is of the whole text")
        return Set(frozenset([byte]))

    def escaped(self) -> int:
        if self.peek() not in SPECIAL and self.peek() != ord("-"):
            raise PatternError("\\\\ before something that stands for itself", "leave it out")
        return self.take()

    def bracket(self) -> Pattern:
        is_not = self.peek() == ord("^")
        self.at += is_not
        values: set[int] = set()
        while self.peek() != ord("]"):
            low = self.member()
            high = low
            if self.text[self.at : self.at + 1] == b"-":
                self.take()
                high = self.member()
            if high < low:
                raise PatternError("a range that ends before it begins", "write the smaller first")
            values |= set(range(low, high + 1))
        self.take()
        values = set(range(256)) - values if is_not else values
        if not values:
            raise PatternError("brackets that no byte fits", "name at least one")
        return Set(frozenset(values))

    def member(self) -> int:
        byte = self.take() if self.peek() != -1 else -1
        if byte == ord("\\"):
            return self.escaped()
        if byte in (-1, ord("["), ord("-"), ord("]")) or byte >= 0x80:
            raise PatternError("brackets that are not closed" if byte == -1 else
                               f"'{chr(byte)}' cannot stand in brackets",
                               "[a-z_] is one of these; \\\\- and \\\\] are the characters")
        return byte

    def repeated(self, part: Pattern) -> Pattern:
        times = {ord("*"): (0, None), ord("+"): (1, None), ord("?"): (0, 1)}
        if self.peek() in times:
            least, most = times[self.take()]
        elif self.peek() == ord("{"):
            least, most = self.braces()
        else:
            return part
        if self.peek() in (*times, ord("{")):
            raise PatternError("repeated twice", "put the first into parentheses")
        return Repeat(part, least, most)

    def braces(self) -> tuple[int, int | None]:
        end = self.text.find(b"}", self.at)
        inside = self.text[self.at + 1 : end].split(b",") if end >= 0 else []
        digits = [x for x in inside if x.isdigit() and len(x) <= 4]
        is_open = len(inside) == 2 and inside[1] == b""
        if not inside or len(inside) > 2 or len(digits) != len(inside) - is_open:
            raise PatternError("braces that say no number of times", "write {3}, {3,} or {3,5}")
        self.at = end + 1
        least = int(digits[0])
        most = None if is_open else int(digits[-1])
        if max(least, most or 0) > TIMES_MAX or (most is not None and most < max(1, least)):
            raise PatternError("repeated so often cannot be", f"from 1 to {TIMES_MAX} times")
        return least, most


# ---- what a machine costs ----

def _places(p: Pattern) -> int:
    """Bytes of the pattern, every repetition written out."""
    if isinstance(p, Set):
        return 1
    if isinstance(p, Repeat):
        return 1 + _places(p.part) * max(1, p.least, p.most or 0)
    return 1 + sum(_places(x) for x in p.parts)


class _Automaton:
    """Thompson's: `moves` of each state on bytes, and `free` ones on nothing."""

    def __init__(self) -> None:
        self.moves: list[list[tuple[frozenset[int], int]]] = []
        self.free: list[list[int]] = []

    def state(self) -> int:
        self.moves.append([])
        self.free.append([])
        return len(self.moves) - 1

    def add(self, p: Pattern, start: int) -> int:
        """Lays out the pattern from `start` on; the state in which it ends."""
        if isinstance(p, Set):
            end = self.state()
            self.moves[start].append((p.values, end))
            return end
        if isinstance(p, Row):
            for part in p.parts:
                start = self.add(part, start)
            return start
        if isinstance(p, Either):
            end = self.state()
            for part in p.parts:
                begin = self.state()
                self.free[start].append(begin)
                self.free[self.add(part, begin)].append(end)
            return end
        for _ in range(p.least):
            start = self.add(p.part, start)
        end = self.state()
        self.free[start].append(end)
        if p.most is None:
            begin = self.state()
            self.free[start].append(begin)
            self.free[self.add(p.part, begin)] += [begin, end]
        for _ in range((p.most or 0) - p.least):
            start = self.add(p.part, start)
            self.free[start].append(end)
        return end

    def closed(self, states: Iterator[int]) -> frozenset[int]:
        found: set[int] = set()
        open_states = list(states)
        while open_states:
            state = open_states.pop()
            if state not in found:
                found.add(state)
                open_states += self.free[state]
        return frozenset(found)


def _state_count(p: Pattern) -> int:
    """States of the deterministic machine, counted until there are too many."""
    automaton = _Automaton()
    start = automaton.state()
    automaton.add(p, start)
    sets = {values for moves in automaton.moves for values, _ in moves}
    # Bytes that are in the same sets behave alike: one of each kind is enough.
    kinds = {tuple(byte in values for values in sets): byte for byte in range(256)}
    first = automaton.closed(iter([start]))
    known = {first}
    open_sets = [first]
    while open_sets and len(known) <= STATES_MAX:
        here = open_sets.pop()
        moves = [move for state in here for move in automaton.moves[state]]
        for byte in kinds.values():
            there = automaton.closed(end for values, end in moves if byte in values)
            if there and there not in known:
                known.add(there)
                open_sets.append(there)
    return len(known)


# ---- what is made of it ----

def ragel(p: Pattern) -> str:
    """The pattern as Ragel writes it."""
    if isinstance(p, Set):
        return "any" if len(p.values) == 256 else "(" + " | ".join(_ranges(p.values)) + ")"
    if isinstance(p, Row):
        return "(" + " . ".join(ragel(x) for x in p.parts) + ")" if p.parts else "zlen"
    if isinstance(p, Either):
        return "(" + " | ".join(ragel(x) for x in p.parts) + ")"
    most = "" if p.most is None else p.most
    return f"{ragel(p.part)}{{{p.least},{most}}}"


def _ranges(values: frozenset[int]) -> list[str]:
    made: list[str] = []
    for value in sorted(values):
        if value - 1 in values:
            continue
        end = next(x for x in range(value, 257) if x + 1 not in values)
        made.append(str(value) if end == value else f"{value}..{end}")
    return made


def sample(p: Pattern) -> bytes:
    """A short text that matches."""
    if isinstance(p, Set):
        return bytes([min(p.values, key=lambda v: (not 0x61 <= v <= 0x7A, not 0x21 <= v <= 0x7E, v))])
    if isinstance(p, Row):
        return b"".join(sample(x) for x in p.parts)
    if isinstance(p, Either):
        return min((sample(x) for x in p.parts), key=len)
    return sample(p.part) * p.least
