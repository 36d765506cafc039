# SPDX-License-Identifier: Apache-2.0
"""What a description means: names resolved, nothing decided yet about C."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Union

from source import SourceFile, Span


@dataclass(frozen=True)
class Scalar:
    """An unsigned integer of `width` bytes."""

    width: int


@dataclass(frozen=True)
class Bytes:
    """At most `max` bytes behind a length of `width` bytes; width 0: up to the body's end."""

    name: str
    doc: tuple[str, ...]
    span: Span
    width: int
    max: int
    max_span: Span


@dataclass(frozen=True)
class EnumValue:
    name: str
    doc: tuple[str, ...]
    span: Span
    value: int
    value_span: Span
    more: bool


@dataclass(frozen=True)
class Enum:
    """A closed set of numbers: any other is refused."""

    name: str
    doc: tuple[str, ...]
    span: Span
    width: int
    values: tuple[EnumValue, ...]


@dataclass(frozen=True)
class Selector:
    """The type `call`: the number of a call, one byte."""

    width: int = 1


FieldType = Union[Scalar, Bytes, Enum, Selector]


@dataclass(frozen=True)
class Field:
    name: str
    doc: tuple[str, ...]
    span: Span
    type: FieldType
    type_span: Span
    correlate: Span | None = None

    @property
    def is_bytes(self) -> bool:
        return isinstance(self.type, Bytes)


@dataclass(frozen=True)
class Struct:
    """A typed body: what a call puts inside a bytes field."""

    name: str
    doc: tuple[str, ...]
    span: Span
    fields: tuple[Field, ...]

    @property
    def is_sound(self) -> bool:
        """Whether its only bytes are the rest of the body."""
        return not any(f.is_bytes and f.type.width for f in self.fields)

    @property
    def min(self) -> int:
        """Bytes of the smallest body."""
        return sum(f.type.width for f in self.fields)

    @property
    def max(self) -> int:
        """Bytes of the largest body."""
        return self.min + sum(f.type.max for f in self.fields if isinstance(f.type, Bytes))


@dataclass(frozen=True)
class Frame:
    name: str
    doc: tuple[str, ...]
    span: Span
    fields: tuple[Field, ...]

    def named(self, name: str) -> Field | None:
        return next((f for f in self.fields if f.name == name), None)

    @property
    def selector(self) -> Field:
        """The field that says what the frame is: the call, or the status."""
        kind = Enum if not any(isinstance(f.type, Selector) for f in self.fields) else Selector
        return next(f for f in self.fields if isinstance(f.type, kind))

    @property
    def correlate(self) -> Field:
        return next(f for f in self.fields if f.correlate is not None)

    @property
    def head(self) -> int:
        """Bytes of a frame whose bytes fields are all empty."""
        return sum(f.type.width for f in self.fields)


Body = Union[Bytes, Struct]


@dataclass(frozen=True)
class Use:
    """A bytes field that a shape uses, and what stands in it."""

    field: Field
    body: Body
    span: Span

    @property
    def min(self) -> int:
        return self.body.min if isinstance(self.body, Struct) else 0

    @property
    def max(self) -> int:
        return self.body.max


@dataclass(frozen=True)
class Shape:
    """Which fields a frame uses; `status` is None in a request."""

    frame: Frame
    status: EnumValue | None
    uses: tuple[Use, ...]
    span: Span

    def use(self, name: str) -> Use | None:
        return next((u for u in self.uses if u.field.name == name), None)


@dataclass(frozen=True)
class Sample:
    """One frame of an example with its values; bytes fields hold their encoded bytes."""

    frame: Frame
    shape: Shape
    values: dict[str, Union[int, bytes]]


@dataclass(frozen=True)
class Example:
    request: Sample
    answers: tuple[Sample, ...]
    span: Span


@dataclass(frozen=True)
class Call:
    """A call; `any call` has number None."""

    name: str
    doc: tuple[str, ...]
    span: Span
    number: int | None
    number_span: Span
    request: Shape | None
    row: Shape | None
    responses: tuple[Shape, ...]
    examples: tuple[Example, ...] = ()

    @property
    def answers(self) -> tuple[Shape, ...]:
        """All shapes of the answer's frames, rows first."""
        return ((self.row,) if self.row is not None else ()) + self.responses


@dataclass(frozen=True)
class Protocol:
    source: SourceFile
    name: str
    doc: tuple[str, ...]
    span: Span
    major: int
    minor: int
    big_endian: bool
    port: int
    prefix: str
    prefix_span: Span
    types: tuple[Bytes, ...] = ()
    enums: tuple[Enum, ...] = ()
    structs: tuple[Struct, ...] = ()
    frames: tuple[Frame, ...] = ()
    calls: tuple[Call, ...] = ()
    any_call: Call | None = None
    used: frozenset[str] = field(default_factory=frozenset)
    # What has errors already and may be missing here: "call NAME", "frame NAME.FIELD", bare names.
    broken: frozenset[str] = field(default_factory=frozenset)

    @property
    def request(self) -> Frame:
        return next(f for f in self.frames if f.name == "request")

    @property
    def response(self) -> Frame:
        return next(f for f in self.frames if f.name == "response")
