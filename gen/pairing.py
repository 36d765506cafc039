# SPDX-License-Identifier: Apache-2.0
"""Which thing of a new description is which of the old one: by name, and what was only renamed.

Something is renamed when its name is new, an old name is gone, and on the wire nothing tells the
two apart: a call or value of the same number, a field of the same place and type.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable, Hashable, Iterator, Protocol as Shaped, Sequence, TypeVar

import model as m
from source import Span


class _Named(Shaped):
    @property
    def name(self) -> str: ...

    @property
    def span(self) -> Span: ...


T = TypeVar("T", bound=_Named)


@dataclass(frozen=True)
class Renamed:
    """The same on the wire, another name in C."""

    what: str
    old: str
    new: str
    line: int


@dataclass
class Pairing:
    """Everything that has a counterpart; `old_names` is for what was renamed."""

    old: m.Protocol
    new: m.Protocol
    renamed: list[Renamed] = field(default_factory=list)
    calls: list[tuple[m.Call, m.Call]] = field(default_factory=list)
    enums: list[tuple[m.Enum, m.Enum]] = field(default_factory=list)
    structs: list[tuple[m.Struct, m.Struct]] = field(default_factory=list)
    old_names: dict[tuple[str, str], str] = field(default_factory=dict)

    def old_name(self, owner: str, name: str) -> str:
        """What `name` of the new description was called in the old one."""
        return self.old_names.get((owner, name), name)

    def counterpart(self, call: m.Call, is_old: bool) -> m.Call | None:
        """The same call of the other description."""
        for pair in self.calls:
            if pair[not is_old] is call:
                return pair[is_old]
        return None


def pair(old: m.Protocol, new: m.Protocol) -> Pairing:
    """Compares names and places, nothing else."""
    made = Pairing(old, new)
    for before, after in ((old.request, new.request), (old.response, new.response)):
        _pair_fields(made, before.name, before.fields, after.fields)
    made.calls = list(pairs(made, "call", "call", old.calls, new.calls, lambda at, c: c.number))
    for call, other in made.calls:
        for a, b in shapes_of(made, call, other):
            _pair_uses(made, a, b)
    if old.any_call is not None and new.any_call is not None:
        for a, b in shapes_of(made, old.any_call, new.any_call):
            _pair_uses(made, a, b)
    return made


def shapes_of(made: Pairing, old: m.Call, new: m.Call) -> Iterator[tuple[m.Shape, m.Shape]]:
    """The frames of a call that both descriptions have."""
    if old.request is not None and new.request is not None:
        yield old.request, new.request
    for shape in old.answers:
        for other in new.answers:
            if status_of(made, shape, True) == status_of(made, other, False):
                yield shape, other


def status_of(made: Pairing, shape: m.Shape, is_old: bool) -> str:
    """The status under its old name."""
    assert shape.status is not None
    selector = shape.frame.selector.type
    assert isinstance(selector, m.Enum)
    name = shape.status.name
    return name if is_old else made.old_name(f"enum {selector.name}", name)


def _pair_fields(made: Pairing, owner: str, old: Sequence[m.Field], new: Sequence[m.Field]) -> None:
    def place(at: int, f: m.Field) -> Hashable:
        return at, type(f.type), f.type.width

    for a, b in pairs(made, f"field of {owner}", owner, old, new, place):
        if isinstance(a.type, m.Enum) and isinstance(b.type, m.Enum):
            pair_enums(made, a.type, b.type)


def pair_enums(made: Pairing, old: m.Enum, new: m.Enum) -> None:
    """Two enums that stand in the same place, and their values."""
    if (old, new) not in made.enums:
        made.enums.append((old, new))
        list(pairs(made, f"value of enum {old.name}", f"enum {new.name}", old.values, new.values,
                    lambda at, v: v.value))


def _pair_uses(made: Pairing, old: m.Shape, new: m.Shape) -> None:
    for use in new.uses:
        other = old.use(made.old_name(new.frame.name, use.field.name))
        if other is None:
            continue
        if isinstance(use.body, m.Struct) and isinstance(other.body, m.Struct):
            if (other.body, use.body) not in made.structs:
                made.structs.append((other.body, use.body))
                _pair_fields(made, f"struct {use.body.name}", other.body.fields, use.body.fields)


def pairs(made: Pairing, what: str, owner: str, old: Sequence[T], new: Sequence[T],
           place: Callable[[int, T], Hashable]) -> Iterator[tuple[T, T]]:
    """Pairs by name, then of what is left those in the same place."""
    olds = {x.name: x for x in old}
    gone = {place(at, x): x for at, x in enumerate(old) if x.name not in {y.name for y in new}}
    for at, x in enumerate(new):
        if x.name in olds:
            yield olds[x.name], x
        elif place(at, x) in gone:
            other = gone.pop(place(at, x))
            made.old_names[(owner, x.name)] = other.name
            made.renamed.append(Renamed(what, other.name, x.name, x.span.line))
            yield other, x

