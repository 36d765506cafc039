# SPDX-License-Identifier: Apache-2.0
"""Calls: what is asked, and what the frames of an answer may hold."""
from __future__ import annotations

from dataclasses import dataclass
from typing import (Any, Callable, Dict, FrozenSet, Generic, List, Optional, Sequence, Tuple, Type,
                    TypeVar, Union)

from .errors import StatusError
from .wire import LONG, UNKNOWN, UNUSED, Body, Counted, Fault, Frame, Number

Row = TypeVar("Row")
End = TypeVar("End")
T = TypeVar("T")

# What stands in one field of an answer: its most bytes (0: unused), or a typed body.
Part = Union[int, Type[Body]]


@dataclass(frozen=True)
class Shape(Generic[T]):
    """One kind of frame that may answer a call: `make` is given what it uses, field by field."""

    status: int
    parts: Tuple[Part, ...]
    make: Callable[..., T]


@dataclass(frozen=True)
class Failure:
    """One kind of frame that ends an answer without success: `error` is raised."""

    status: int
    parts: Tuple[Part, ...]
    error: Type[StatusError]


@dataclass(frozen=True)
class CallType(Generic[Row, End]):
    """A call: its rows become a Row each, its end an End, or one of `failures`."""

    name: str
    number: int
    row: Optional[Shape[Row]]
    end: Shape[End]
    failures: Tuple[Failure, ...]

    def find(self, status: int) -> Union[Shape[Any], Failure, None]:
        """What a frame with that status is."""
        shapes: Tuple[Union[Shape[Any], Failure, None], ...] = (self.end, self.row, *self.failures)
        return next((s for s in shapes if s is not None and s.status == status), None)


@dataclass(frozen=True)
class Asked(Generic[Row, End]):
    """A request that is ready to go but for its mark; `values` are the frame's."""

    call: CallType[Row, End]
    values: List[Any]


class Protocol:
    """What a client must know of a protocol; made by generated code."""

    def __init__(self, name: str, port: int, request: Type[Frame], response: Type[Frame],
                 more: FrozenSet[int], unasked: Sequence[Failure]) -> None:
        self.name = name
        self.port = port
        self.request = request
        self.response = response
        self.more = more
        self.unasked: Dict[int, Failure] = {f.status: f for f in unasked}
        layout = response.LAYOUT
        width = layout.mark_width
        self.mark_max = (1 << 8 * width) - 1
        # Where values are in a frame that its maker is given: what says kind and mark is not.
        self.given = tuple(i for i in range(len(layout.fields))
                           if i not in (layout.selector, layout.mark))

    def ask(self, call: CallType[Row, End], *values: Any) -> Asked[Row, End]:
        """A request of the frame's values; TypeError or ValueError when one does not fit."""
        return Asked(call, self.request.LAYOUT.check(values))

    def accept(self, shape: Union[Shape[Any], Failure], values: Sequence[Any]) -> List[Any]:
        """What the frame's fields hold, decoded; None where one is unused. Fault when a field is
        not as the shape says."""
        given: List[Any] = []
        counted = 0
        end = 0
        fields = self.response.LAYOUT.fields
        for place, x in enumerate(fields):
            value = values[place]
            begin = end
            end += x.width + (len(value) if isinstance(x, Counted) else 0)
            if isinstance(x, Number):
                if place in self.given:
                    given.append(value)
                continue
            given.append(_part(x, shape.parts[counted], value, begin))
            counted += 1
        return given

    def unknown(self, values: Sequence[Any]) -> Fault:
        """The fault of a frame whose status does not answer the call."""
        layout = self.response.LAYOUT
        at = sum(x.width + (len(values[i]) if isinstance(x, Counted) else 0)
                 for i, x in enumerate(layout.fields[: layout.selector]))
        return Fault(at, layout.fields[layout.selector].name, UNKNOWN)


def _part(field: Counted, part: Part, value: bytes, begin: int) -> Any:
    if isinstance(part, int):
        if len(value) > part:
            raise Fault(begin, field.name, LONG if part else UNUSED)
        return value if part else None
    try:
        return part(*part.LAYOUT.decode(value))
    except Fault as fault:
        raise Fault(begin + field.width + fault.offset, fault.field, fault.reason) from None
