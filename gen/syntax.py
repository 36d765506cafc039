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
class ProtocolNode:
    doc: Doc
    name: Word
    major: int
    minor: int
    properties: tuple[tuple[Word, Word | Number], ...]


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


@dataclass(frozen=True)
class EnumNode:
    doc: Doc
    name: Word
    base: Word
    values: tuple[EnumValueNode, ...]


@dataclass(frozen=True)
class FieldNode:
    doc: Doc
    name: Word
    type: Word
    correlate: Span | None


@dataclass(frozen=True)
class StructNode:
    doc: Doc
    name: Word
    fields: tuple[FieldNode, ...]


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
    value: "Number | Text | Word | SampleGroup"


@dataclass(frozen=True)
class SampleGroup:
    args: tuple[SampleArg, ...]
    span: Span


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


Item = Union[ProtocolNode, TypeNode, EnumNode, StructNode, FrameNode, CallNode]
