# SPDX-License-Identifier: Apache-2.0
"""What a description says, word for word: positioned nodes without meaning."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Union

from source import Span


@dataclass(frozen=True)
class Word:
    """A name as it is written."""

    text: str
    span: Span


@dataclass(frozen=True)
class Number:
    """A number as it is written."""

    value: int
    span: Span


@dataclass(frozen=True)
class Text:
    """A quoted text, its escapes resolved to bytes."""

    value: bytes
    span: Span


@dataclass(frozen=True)
class Doc:
    """The `///` lines above an item, without their marks."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Version:
    """A version as it is written."""

    major: int
    minor: int
    span: Span


@dataclass(frozen=True)
class LifeNode:
    """`since` and `deprecated`, each at most once in what is right."""

    since: tuple[Version, ...] = ()
    deprecated: tuple[Text, ...] = ()


NO_LIFE = LifeNode()


@dataclass(frozen=True)
class ProtocolNode:
    doc: Doc
    name: Word
    major: int
    minor: int
    properties: tuple[tuple[Word, Word | Number], ...]
    reserved: tuple[Number | Text, ...] = ()


@dataclass(frozen=True)
class ImportNode:
    doc: Doc
    name: Text


@dataclass(frozen=True)
class TypeNode:
    doc: Doc
    name: Word
    length: Word
    max: Number | None


@dataclass(frozen=True)
class EnumValueNode:
    doc: Doc
    name: Word
    value: Number
    more: bool
    life: LifeNode = NO_LIFE


@dataclass(frozen=True)
class EnumNode:
    """An enum, or a set of flags."""

    doc: Doc
    name: Word
    base: Word
    values: tuple[EnumValueNode, ...]
    is_open: bool = False
    is_flags: bool = False
    reserved: tuple[Number | Text, ...] = ()


@dataclass(frozen=True)
class FieldNode:
    doc: Doc
    name: Word
    type: Word
    correlate: Span | None
    life: LifeNode = NO_LIFE


@dataclass(frozen=True)
class OperationNode:
    """`left operator right`."""

    operator: str
    left: "ExpressionNode"
    right: "ExpressionNode"
    span: Span


ExpressionNode = Union[Word, Number, OperationNode]


@dataclass(frozen=True)
class KindNode:
    """What a part is made of: `rule` is the grammar's name for the form.

    named: name, word (big, little or neither), ahead. literal: text. filler: word (zero or skip), size. varint: name.
    counted: name (of the length), most. sized: size (None: the rest), most.
    array: name, size, most, room. choice: size (the tag), arms. decimal: name, text (its end).
    token: pattern, text (its end), most.
    """

    rule: str
    span: Span
    name: Word | None = None
    word: str = ""
    text: Text | None = None
    pattern: Text | None = None
    size: ExpressionNode | None = None
    most: ExpressionNode | None = None
    room: ExpressionNode | None = None  # bytes that all elements may have
    ahead: bool = False
    arms: tuple["ArmNode", ...] = ()


@dataclass(frozen=True)
class ArmNode:
    """`a | b => struct;`; without labels it is `else`."""

    labels: tuple[ExpressionNode, ...]
    name: Word


@dataclass(frozen=True)
class WhereNode:
    test: ExpressionNode
    text: Text


@dataclass(frozen=True)
class PartNode:
    """A field of a message or struct that is more than a name and a type."""

    doc: Doc
    name: Word
    kind: KindNode
    correlate: Span | None
    values: tuple[ExpressionNode, ...] = ()
    bounds: tuple[ExpressionNode, ...] = ()
    conditions: tuple[ExpressionNode, ...] = ()
    wheres: tuple[WhereNode, ...] = ()
    life: LifeNode = NO_LIFE
    deliveries: tuple[Word, ...] = ()


@dataclass(frozen=True)
class LimitNode:
    doc: Doc
    name: Word
    value: ExpressionNode


@dataclass(frozen=True)
class MessageNode:
    doc: Doc
    name: Word
    parts: tuple[PartNode, ...]
    life: LifeNode = NO_LIFE
    examples: "tuple[SampleFrame, ...]" = ()


@dataclass(frozen=True)
class StructNode:
    doc: Doc
    name: Word
    parts: tuple[PartNode, ...]


@dataclass(frozen=True)
class FrameNode:
    doc: Doc
    name: Word
    fields: tuple[FieldNode, ...]


@dataclass(frozen=True)
class UseNode:
    """`key` or `val: body` inside braces."""

    name: Word
    type: Word | None


@dataclass(frozen=True)
class OutcomeNode:
    """One alternative of a response; without a name it is the first status, `ok`."""

    name: Word | None
    uses: tuple[UseNode, ...]
    span: Span


@dataclass(frozen=True)
class SampleArg:
    name: Word
    value: "SampleValue"


@dataclass(frozen=True)
class SampleGroup:
    args: tuple[SampleArg, ...]
    span: Span


@dataclass(frozen=True)
class SampleList:
    values: "tuple[SampleValue, ...]"
    span: Span


SampleValue = Union[Number, Text, Word, SampleGroup, SampleList]


@dataclass(frozen=True)
class SampleFrame:
    name: Word
    args: tuple[SampleArg, ...]


@dataclass(frozen=True)
class ExampleNode:
    request: SampleFrame
    answers: tuple[SampleFrame, ...]
    span: Span


@dataclass(frozen=True)
class CallNode:
    """A call, or `any call` when it has neither name nor number."""

    doc: Doc
    name: Word | None
    number: Number | None
    requests: tuple[OutcomeNode, ...]
    rows: tuple[OutcomeNode, ...]
    responses: tuple[tuple[OutcomeNode, ...], ...]
    examples: tuple[ExampleNode, ...]
    span: Span
    life: LifeNode = NO_LIFE


Item = Union[ProtocolNode, ImportNode, TypeNode, LimitNode, EnumNode, StructNode, FrameNode, MessageNode,
             CallNode]
