# SPDX-License-Identifier: Apache-2.0
"""The examples of messages: encoded, and read back as a receiver would."""
from __future__ import annotations

from dataclasses import replace
from typing import Any

import model as m
import syntax as s
from cli import Failure
from diagnostics import Note, Report, did_you_mean
from encode_parts import Misfit, encode_parts
from interpret_parts import Reading, read_message
from source import Span
from transcript import message_text, reason_of


def with_message_examples(protocol: m.Protocol, items: tuple[s.Item, ...],
                          report: Report) -> m.Protocol:
    """The protocol, which is sound, with every message's examples, and an error for each that does not fit."""
    nodes = {item.name.text: item for item in items if isinstance(item, s.MessageNode)}
    messages = tuple(
        replace(message, examples=tuple(
            example for node in nodes[message.name].examples
            if (example := _example(message, node, report)) is not None))
        for message in protocol.messages)
    return replace(protocol, messages=messages)


def plain(value: s.SampleValue) -> Any:
    """What is written, as encode_parts() takes it."""
    if isinstance(value, s.SampleGroup):
        return {arg.name.text: plain(arg.value) for arg in value.args}
    if isinstance(value, s.SampleList):
        return [plain(v) for v in value.values]
    return value.text if isinstance(value, s.Word) else value.value


def _example(message: m.Message, node: s.SampleFrame, report: Report) -> m.MessageExample | None:
    if node.name.text != message.name:
        report.error("CDX0401", node.name.span,
                     f"an example of '{message.name}' shows '{node.name.text}'",
                     f"write: example {message.name}(…)")
        return None
    if _given_twice(node.args, report):
        return None
    fields = {arg.name.text: plain(arg.value) for arg in node.args}
    try:
        data = encode_parts(message.parts, fields, message.name)
    except Misfit as misfit:
        _tell(message, node, misfit, report)
        return None
    except (Failure, OverflowError, RecursionError) as failure:
        report.error("CDX0403", node.name.span, str(failure), "give values that its fields can have")
        return None
    outcome = read_message(message, data)
    if not isinstance(outcome, Reading) or outcome.nbytes != len(data):
        why = reason_of(outcome) if not isinstance(outcome, Reading) else "it has bytes to spare"
        report.error("CDX0403", node.name.span, f"a parser would refuse this: {why}",
                     "give what its fields, lengths and conditions allow")
        return None
    return m.MessageExample(message_text(message, outcome.fields), data, node.name.span)


def _given_twice(args: tuple[s.SampleArg, ...], report: Report) -> bool:
    """Whether a name is; told, in groups as well."""
    seen: dict[str, Span] = {}
    found = False
    for arg in args:
        if arg.name.text in seen:
            report.error("CDX0402", arg.name.span, f"'{arg.name.text}' is given twice", "remove one",
                         Note(seen[arg.name.text], "the first one"))
            found = True
        seen.setdefault(arg.name.text, arg.name.span)
        waiting = [arg.value]
        while waiting:
            value = waiting.pop()
            if isinstance(value, s.SampleGroup):
                found = _given_twice(value.args, report) or found
            elif isinstance(value, s.SampleList):
                waiting += value.values
    return found


def _tell(message: m.Message, node: s.SampleFrame, misfit: Misfit, report: Report) -> None:
    name = misfit.path[0] if misfit.path else ""
    arg = next((a for a in node.args if a.name.text == name), None)
    text = str(misfit).split(": ", 1)[-1]
    if arg is None:
        report.error("CDX0402", node.name.span, f"the example gives no '{name}'"
                     if misfit.is_missing and len(misfit.path) == 1 else text,
                     f"add it: {message.name}(…, {name} …)")
    elif all(part.name != name for part in message.parts):
        report.error("CDX0402", arg.name.span, f"message {message.name} has no field '{name}'",
                     did_you_mean(name, [part.name for part in message.parts]))
    else:
        report.error("CDX0402" if misfit.is_missing else "CDX0403", arg.name.span, text,
                     "give what the field can have")
