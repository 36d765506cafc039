# SPDX-License-Identifier: Apache-2.0
"""The examples of a description: their values, encoded and held against their calls."""
from __future__ import annotations

from dataclasses import replace
from typing import Literal, Union

import model as m
import syntax as s
from diagnostics import Note, Report, did_you_mean


def with_examples(protocol: m.Protocol, items: tuple[s.Item, ...], report: Report) -> m.Protocol:
    """The protocol with every call's examples, and an error for each that does not fit."""
    if not _can_be_read(protocol):
        return protocol
    nodes: dict[str, s.CallNode] = {}
    for item in items:
        if isinstance(item, s.CallNode) and item.name is not None:
            nodes.setdefault(item.name.text, item)
    reader = _Reader(protocol, report)
    calls = tuple(
        c if f"call {c.name}" in protocol.broken else
        replace(c, examples=reader.examples(c, nodes[c.name])) for c in protocol.calls
    )
    return replace(protocol, calls=calls)


def encode_frame(frame: m.Frame, values: dict[str, Union[int, bytes]], big_endian: bool) -> bytes:
    """The frame's bytes on the wire. All fields must be in `values`, in range."""
    order: Literal["big", "little"] = "big" if big_endian else "little"
    out = bytearray()
    for field in frame.fields:
        value, width = values[field.name], field.type.width
        if isinstance(value, bytes):
            out += len(value).to_bytes(width, order) if width else b""
            out += value
        else:
            out += value.to_bytes(width, order)
    return bytes(out)


def _can_be_read(protocol: m.Protocol) -> bool:
    """Whether both frames have what examples are made of; if not, an error tells already."""
    kinds = {"request": m.Selector, "response": m.Enum}
    names = {f.name for f in protocol.frames}
    if names != set(kinds) or any(f"frame {name}" in protocol.broken for name in names):
        return False
    return all(
        any(isinstance(x.type, kinds[f.name]) for x in f.fields)
        and any(x.correlate for x in f.fields)
        and not any(isinstance(x.type, m.Bytes) and x.type.width == 0 for x in f.fields)
        for f in protocol.frames
    )


class _Reader:
    def __init__(self, protocol: m.Protocol, report: Report) -> None:
        self.protocol = protocol
        self.report = report

    def examples(self, call: m.Call, node: s.CallNode) -> tuple[m.Example, ...]:
        found = [self.example(call, example) for example in node.examples]
        return tuple(example for example in found if example is not None)

    def example(self, call: m.Call, node: s.ExampleNode) -> m.Example | None:
        if node.request.name.text != call.name:
            self.report.error("CDX0401", node.request.name.span,
                              f"an example of '{call.name}' asks '{node.request.name.text}'",
                              f"write: example {call.name}(…) -> …")
            return None
        if call.request is None:
            return None
        request = self.sample(node.request, call.request, call.number or 0)
        answers = [self.answer(call, a) for a in node.answers]
        known = tuple(a for a in answers if a is not None)
        if len(known) < len(answers):
            return None
        self.check_end(node, known)
        if request is None:
            return None
        example = m.Example(request, known, node.span)
        self.check_correlation(node, example)
        return example

    def answer(self, call: m.Call, node: s.SampleFrame) -> m.Sample | None:
        shapes = list(call.answers)
        if self.protocol.any_call is not None:
            shapes += self.protocol.any_call.answers
        for shape in shapes:
            if shape.status is not None and shape.status.name == node.name.text:
                return self.sample(node, shape, shape.status.value)
        self.report.error("CDX0401", node.name.span,
                          f"call '{call.name}' has no answer '{node.name.text}'",
                          did_you_mean(node.name.text, [x.status.name for x in shapes if x.status]))
        return None

    def sample(self, node: s.SampleFrame, shape: m.Shape, selector: int) -> m.Sample | None:
        args = self.by_name(node.args)
        values: dict[str, Union[int, bytes]] = {}
        ok = True
        for field in shape.frame.fields:
            use = shape.use(field.name)
            value: Union[int, bytes, None]
            if field is shape.frame.selector:
                value = selector
            elif field.is_bytes and use is None:
                value = b""
            else:
                arg = args.pop(field.name, None)
                value = self.given(field, use, arg, node)
            if value is None:
                ok = False
            else:
                values[field.name] = value
        for name, arg in args.items():
            self.report.error("CDX0402", arg.name.span,
                              f"'{node.name.text}' has no field '{name}' here",
                              "an example names the fields that its call uses, and no other")
            ok = False
        return m.Sample(shape.frame, shape, values) if ok else None

    def by_name(self, args: tuple[s.SampleArg, ...]) -> dict[str, s.SampleArg]:
        result: dict[str, s.SampleArg] = {}
        for arg in args:
            if arg.name.text in result:
                self.report.error("CDX0402", arg.name.span, f"'{arg.name.text}' is given twice",
                                  "remove one",
                                  Note(result[arg.name.text].name.span, "the first one"))
            result.setdefault(arg.name.text, arg)
        return result

    def given(self, field: m.Field, use: m.Use | None, arg: s.SampleArg | None,
              node: s.SampleFrame) -> Union[int, bytes, None]:
        if arg is None:
            self.report.error("CDX0402", node.name.span, f"the example gives no '{field.name}'",
                              f"add it: {node.name.text}(…, {field.name} …)")
            return None
        if use is None:
            return self.integer(field, arg)
        if isinstance(use.body, m.Struct):
            return self.body(use.body, arg)
        return self.bytes_of(use.body, arg)

    def integer(self, field: m.Field, arg: s.SampleArg) -> int | None:
        value = arg.value
        limit = 1 << (8 * field.type.width)
        if isinstance(field.type, m.Enum):
            labels = {v.name: v.value for v in field.type.values}
            word = value.text if isinstance(value, s.Word) else ""
            if word in labels:
                return labels[word] if labels[word] < limit else None  # None: told by check.py
            self.report.error("CDX0403", value.span,
                              f"'{arg.name.text}' is a value of enum {field.type.name}",
                              did_you_mean(word, labels))
        elif isinstance(value, s.Number) and 0 <= value.value < limit:
            return value.value
        else:
            bits = field.type.width * 8
            self.report.error("CDX0403", value.span,
                              f"'{arg.name.text}' is a number of {bits} bits",
                              f"give a number from 0 to {limit - 1}")
        return None

    def bytes_of(self, body: m.Bytes, arg: s.SampleArg) -> bytes | None:
        value = arg.value
        if not isinstance(value, s.Text):
            self.report.error("CDX0403", value.span, f"'{arg.name.text}' is a text",
                              'write it in quotes: "…"')
            return None
        if len(value.value) > body.max:
            self.report.error("CDX0403", value.span,
                              f"{len(value.value)} bytes, but a {body.name} has at most {body.max}",
                              "shorten it", Note(body.max_span, "the limit"))
            return None
        return value.value

    def body(self, struct: m.Struct, arg: s.SampleArg) -> bytes | None:
        if not isinstance(arg.value, s.SampleGroup):
            self.report.error("CDX0403", arg.value.span,
                              f"'{arg.name.text}' is a struct {struct.name}",
                              "write its fields in braces: { name value, … }")
            return None
        args = self.by_name(arg.value.args)
        values = {}
        for field in struct.fields:
            given = args.pop(field.name, None)
            if given is None:
                self.report.error("CDX0402", arg.name.span,
                                  f"the example gives no '{struct.name}.{field.name}'",
                                  f"add it: {{ …, {field.name} … }}")
                continue
            value = (self.bytes_of(field.type, given) if isinstance(field.type, m.Bytes)
                     else self.integer(field, given))
            if value is not None:
                values[field.name] = value
        for name, extra in args.items():
            if f"struct {struct.name}.{name}" in self.protocol.broken:
                continue
            self.report.error("CDX0402", extra.name.span,
                              f"struct {struct.name} has no field '{name}'",
                              did_you_mean(name, [f.name for f in struct.fields]))
        complete = len(values) == len(struct.fields) and not args and struct.is_sound
        return self.encode(struct, values) if complete else None

    def encode(self, struct: m.Struct, values: dict[str, Union[int, bytes]]) -> bytes:
        frame = m.Frame(struct.name, (), struct.span, struct.fields)
        return encode_frame(frame, values, self.protocol.big_endian)

    def check_end(self, node: s.ExampleNode, answers: tuple[m.Sample, ...]) -> None:
        for place, answer in enumerate(answers):
            status = answer.shape.status
            is_last = place == len(answers) - 1
            if status is not None and status.more == is_last:
                what = "cannot be the last frame" if is_last else "ends the answer"
                self.report.error("CDX0404", node.answers[place].name.span,
                                  f"'{status.name}' {what}",
                                  "an answer is frames with a 'more' status and then one without")

    def check_correlation(self, node: s.ExampleNode, example: m.Example) -> None:
        mark = example.request.frame.correlate.name
        for answer, sample in zip(example.answers, node.answers):
            if answer.values.get(answer.frame.correlate.name) != example.request.values.get(mark):
                self.report.error("CDX0405", sample.name.span,
                                  f"the answer's {mark} is not the request's",
                                  f"give every frame the request's {mark}")
