# SPDX-License-Identifier: Apache-2.0
"""What a description means: names resolved, nothing decided yet about C."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Union

from source import SourceFile, Span


@dataclass(frozen=True)
class Life:
    """Since which version something is there, and why it should not be used any more."""

    since: tuple[int, int] | None = None
    deprecated: str = ""


ALWAYS = Life()


@dataclass(frozen=True)
class Reserved:
    """A number or name that was used once."""

    value: Union[int, str]
    span: Span


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
    life: Life = ALWAYS


@dataclass(frozen=True)
class Enum:
    """A set of numbers. Any other is refused unless it is open; flags are single bits of one."""

    name: str
    doc: tuple[str, ...]
    span: Span
    width: int
    values: tuple[EnumValue, ...]
    is_open: bool = False
    is_flags: bool = False
    reserved: tuple[Reserved, ...] = ()

    @property
    def mask(self) -> int:
        """All bits of a set of flags."""
        return sum(v.value for v in self.values)


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
    life: Life = ALWAYS

    @property
    def is_bytes(self) -> bool:
        return isinstance(self.type, Bytes)


# ---- parts: the fields of messages, and of structs in messages ----

@dataclass(frozen=True)
class Constant:
    value: int
    span: Span


@dataclass(frozen=True)
class Ref:
    """The number in an earlier part of the same message or struct."""

    name: str
    span: Span


@dataclass(frozen=True)
class Operation:
    """`left operator right`; comparisons and `&&`, `||` are 0 or 1."""

    operator: str
    left: "Expression"
    right: "Expression"
    span: Span


Expression = Union[Constant, Ref, Operation]


@dataclass(frozen=True)
class Integer:
    """An integer of `width` bytes; `ahead`: the next parts begin with these bytes too."""

    width: int
    signed: bool
    big_endian: bool
    enum: Enum | None = None
    ahead: bool = False


@dataclass(frozen=True)
class Varint:
    """LEB128 in its shortest form, of a value of `width` bytes; signed: zigzag."""

    width: int
    signed: bool


@dataclass(frozen=True)
class Decimal:
    """An integer in decimal digits up to `end`, in its shortest form."""

    width: int
    signed: bool
    end: bytes


@dataclass(frozen=True)
class Token:
    """At most `max` bytes up to `end`, which is not among them; they match the pattern, if any."""

    end: bytes
    max: int
    pattern: bytes | None = None


@dataclass(frozen=True)
class Literal:
    data: bytes


@dataclass(frozen=True)
class Filler:
    """`size` bytes that say nothing: zeros, or anything at all."""

    size: int
    zero: bool


@dataclass(frozen=True)
class Counted:
    """Bytes directly behind their length."""

    width: int
    big_endian: bool
    max: int


@dataclass(frozen=True)
class Sized:
    """Bytes whose length is said elsewhere; None: what is left of the bound around them."""

    length: Expression | None
    max: int


@dataclass(frozen=True)
class Array:
    """`count` structs, or as many as fill the bound around them; of `room` bytes at most in all."""

    element: "Struct"
    count: Expression | None
    max: int
    room: int | None = None


@dataclass(frozen=True)
class Arm:
    values: tuple[int, ...]
    struct: "Struct | None"  # None: no bytes
    span: Span


@dataclass(frozen=True)
class Choice:
    """The struct that belongs to the value of `tag`; `other` for all that have no arm."""

    tag: Expression
    arms: tuple[Arm, ...]
    other: Arm | None


PartType = Union[Integer, Varint, Decimal, Token, Literal, Filler, Counted, Sized, Array, Choice,
                 "Struct"]


@dataclass(frozen=True)
class Where:
    """What must hold once the part has been read, and what is said when it does not."""

    test: Expression
    text: str
    span: Span


@dataclass(frozen=True)
class Part:
    name: str
    doc: tuple[str, ...]
    span: Span
    type: PartType
    type_span: Span
    value: int | None = None              # the only one
    within: Expression | None = None      # fills so many bytes exactly
    condition: Expression | None = None   # is there only when this is not 0
    wheres: tuple[Where, ...] = ()
    derived: "Derived | None" = None      # how an encoder finds the number; None: it is given
    life: Life = ALWAYS
    deliver: str = "whole"                # or span: in pieces; discard: not at all


@dataclass(frozen=True)
class Derived:
    """A number that says the size or count of part `about`, which is scale * number + rest."""

    about: str
    is_count: bool
    scale: int
    rest: Expression | None


@dataclass(frozen=True)
class MessageExample:
    """A message as its description shows it, and what that is on the wire."""

    text: str
    data: bytes
    span: Span


@dataclass(frozen=True)
class Message:
    """What a stream of its own consists of, one after the other."""

    name: str
    doc: tuple[str, ...]
    span: Span
    parts: tuple[Part, ...]
    life: Life = ALWAYS
    examples: tuple[MessageExample, ...] = ()


@dataclass(frozen=True)
class Limit:
    """A named number."""

    name: str
    doc: tuple[str, ...]
    span: Span
    value: int


@dataclass(frozen=True)
class Struct:
    """A typed body: what a call puts inside a bytes field; or a part of messages."""

    name: str
    doc: tuple[str, ...]
    span: Span
    fields: tuple[Field, ...]
    # The same as parts, when the protocol consists of messages.
    parts: tuple[Part, ...] = ()

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
    life: Life = ALWAYS

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
    limits: tuple[Limit, ...] = ()
    messages: tuple[Message, ...] = ()
    reserved: tuple[Reserved, ...] = ()  # of calls
    used: frozenset[str] = field(default_factory=frozenset)
    # What has errors already and may be missing here: "call NAME", "frame NAME.FIELD", bare names.
    broken: frozenset[str] = field(default_factory=frozenset)

    @property
    def request(self) -> Frame:
        return next(f for f in self.frames if f.name == "request")

    @property
    def response(self) -> Frame:
        return next(f for f in self.frames if f.name == "response")
