# SPDX-License-Identifier: Apache-2.0
"""Kinds of changes between two descriptions, whom each can break, and a change with its witnesses."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Iterable, Iterator, Protocol, Sequence, Union

import model as m
from witness import Way, Witness


class Directed(Protocol):
    """A way on which either the writer or the reader is old."""

    @property
    def is_old_writer(self) -> bool: ...


@dataclass(frozen=True)
class Rule:
    """A kind of change, and whom it breaks."""

    name: str
    what: str
    old_readers: str
    old_writers: str
    of: str = "calls"   # which protocols can have it: of "calls", of "messages", or "both"

    def admits(self, way: Directed) -> bool:
        """Whether it can break peers on this way."""
        return (self.old_writers if way.is_old_writer else self.old_readers) != "no"


RULES = {rule.name: rule for rule in (
    Rule("byte-order", "the byte order of numbers", "yes", "yes", "both"),
    Rule("frame", "a frame's fields: number, order, widths, kinds", "yes", "yes"),
    Rule("correlate", "the field that correlates", "yes", "yes"),
    Rule("struct", "a struct's fields: number, order, widths, kinds", "yes", "yes"),
    Rule("body", "what a call's field holds", "yes", "yes"),
    Rule("limit-raised", "a limit is higher", "yes", "no", "both"),
    Rule("limit-lowered", "a limit is lower", "no", "yes", "both"),
    Rule("call-added", "a call is new", "ask the version first", "no"),
    Rule("call-removed", "a call is gone", "no", "yes"),
    Rule("call-number", "a call has another number", "yes", "yes"),
    Rule("use-added", "a call uses a field that it left empty", "yes", "if it must not be empty"),
    Rule("use-removed", "a call leaves a field empty that it used", "if it was never empty", "yes"),
    Rule("answer-added", "a call has another form of answer", "yes", "no"),
    Rule("answer-removed", "a call has lost a form of answer", "no", "yes"),
    Rule("value-added", "an enum has another value", "yes", "no", "both"),
    Rule("value-removed", "an enum has lost a value", "no", "yes", "both"),
    Rule("value-number", "an enum's value has another number", "yes", "yes", "both"),
    Rule("more", "a status is marked 'more', or no longer", "yes", "yes"),
    Rule("enum-opened", "an enum takes numbers without a name", "yes", "no", "messages"),
    Rule("enum-closed", "an enum refuses numbers without a name", "no", "yes", "messages"),
    Rule("message-added", "a message is new", "no", "no", "messages"),
    Rule("message-removed", "a message is gone: nothing reads or sends it", "yes", "yes",
         "messages"),
    Rule("field-added", "a field is new", "unless padding was there", "unless padding was there",
         "messages"),
    Rule("field-removed", "a field is gone", "unless padding is there", "unless padding is there",
         "messages"),
    Rule("field-order", "fields have changed places", "yes", "yes", "messages"),
    Rule("kind", "a field is of another kind", "yes", "yes", "messages"),
    Rule("width", "how many bits a number has", "yes", "yes", "messages"),
    Rule("sign", "whether a number can be below 0", "above the half", "yes", "messages"),
    Rule("ahead", "whether a number is taken, or only looked at", "yes", "yes", "messages"),
    Rule("constant", "the only value of a number, or the bytes of a literal", "yes", "yes",
         "messages"),
    Rule("padding", "how many bytes mean nothing, and whether they are zeros", "yes", "yes",
         "messages"),
    Rule("delimiter", "what ends a text or a number in digits", "yes", "yes", "messages"),
    Rule("pattern", "what a text has to match", "if it matches more now", "if it matches less now",
         "messages"),
    Rule("length", "what says how many bytes or elements there are", "yes", "yes", "messages"),
    Rule("condition", "when a field is there", "yes", "yes", "messages"),
    Rule("where-added", "something more must hold", "no", "yes", "messages"),
    Rule("where-removed", "something need not hold any more", "yes", "no", "messages"),
    Rule("tag", "what a choice depends on", "yes", "yes", "messages"),
    Rule("arm-added", "a choice has a form for more values", "yes", "no", "messages"),
    Rule("arm-removed", "a choice has no form for a value any more", "no", "yes", "messages"),
    Rule("arm-changed", "a value of a choice stands for another form", "yes", "yes", "messages"),
    Rule("renamed", "a name; bytes stay the same, C programs change", "no", "no", "both"),
    Rule("reserved", "a number or name was used, and nothing keeps it from being used again", "no",
         "no", "both"),
    Rule("property", "the default port, the prefix of C names", "no", "no", "both"),
    Rule("unexplained", "bytes are read differently, and no rule says why", "yes", "yes", "both"),
)}

Place = tuple[str, str, str]  # frame, call, status


@dataclass
class Change:
    """One change. Witnesses are at `places`, or anywhere in `frames`; `aspects` narrows that."""

    rule: Rule
    text: str
    line: int
    is_in_old: bool = False      # `line` is one of the old description
    frames: tuple[str, ...] = ()
    places: set[Place] = field(default_factory=set)
    aspects: frozenset[str] = frozenset()
    file: str = ""   # that `line` is in, where it is an imported one
    note: str = ""   # why it breaks although no bytes show it
    # For each way the clearest witness, and how many changes it could show.
    best: dict[Way, tuple[int, Witness]] = field(default_factory=dict)

    def add(self, w: Witness, owners: int) -> None:
        """Keeps `w` if it is the first or shows less else."""
        if w.way not in self.best or owners < self.best[w.way][0]:
            self.best[w.way] = (owners, w)

    @property
    def found(self) -> list[Witness]:
        return [w for _, w in sorted(self.best.values(), key=_order)]

    def explains(self, w: Witness) -> bool:
        """Whether `w` can show this change."""
        where = w.way.frame in self.frames or (w.way.frame, w.call, w.status) in self.places
        is_meant = not self.aspects or bool(self.aspects & w.aspects)
        return where and is_meant and self.rule.admits(w.way)

    @property
    def breaks(self) -> set[str]:
        """"old readers", "old writers", both, or nobody."""
        if self.rule.name == "call-added":
            return set()
        return {"old writers" if w.way.is_old_writer else "old readers" for w in self.found}


def _order(kept: tuple[int, Witness]) -> tuple[bool, bool]:
    """Requests first, and what old ones write."""
    return kept[1].way.frame == "response", not kept[1].way.is_old_writer


def not_reserved(old: Sequence[m.Reserved], new: Sequence[m.Reserved],
                 gone: Iterable[tuple[str, int]]) -> Iterator[str]:
    """What could be used again with another meaning; `gone`: names and numbers without a user."""
    kept: set[Union[int, str]] = {r.value for r in new}
    for r in old:
        if r.value not in kept:
            yield f"{_spelled(r.value)} is no longer reserved"
    for name, number in gone:
        if number not in kept:
            yield f"{number}, which was '{name}', is not reserved"


def _spelled(value: Union[int, str]) -> str:
    return str(value) if isinstance(value, int) else f'"{value}"'
