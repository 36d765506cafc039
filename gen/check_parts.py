# SPDX-License-Identifier: Apache-2.0
"""What makes messages and their structs sound: one function per rule."""
from __future__ import annotations

from typing import Iterator, Sequence, Union

import expressions as x
import model as m
from diagnostics import Note, Report
from sizes import NUMBERS, parts_size, type_size, value_ranges

# A connection that can make its server hold more than this is a mistake in the description.
HELD_NBYTES_MAX = 256 << 20
# Places in a message are numbers of 32 bits.
MESSAGE_NBYTES_MAX = (1 << 32) - 1
# A parser's steps are numbered in 16 bits, and structs are laid out where they are used.
STEPS_MAX = 4096

Owner = Union[m.Message, m.Struct]
Item = Union[m.Bytes, m.Enum, m.Struct, m.Limit]


def owners(p: m.Protocol) -> Iterator[Owner]:
    """Everything that has parts."""
    yield from p.messages
    yield from p.structs


def messages_have_bytes(p: m.Protocol, report: Report) -> None:
    for owner in owners(p):
        what = "message" if isinstance(owner, m.Message) else "struct"
        if not owner.parts and f"{what} {owner.name}" not in p.broken:
            report.error("CDX0315", owner.span, f"{what} {owner.name} has no fields",
                         "give it at least one")
        elif what == "message" and parts_size(owner.parts)[0] == 0:
            report.error("CDX0307", owner.span, f"message {owner.name} may have no bytes at all",
                         "begin it with something that is always there")


def numbers_fit(p: m.Protocol, report: Report) -> None:
    for owner in owners(p):
        for part in owner.parts:
            if part.value is None:
                continue
            if not isinstance(part.type, NUMBERS):
                report.error("CDX0318", part.type_span, f"'{part.name}' cannot have one value",
                             "only numbers can; for bytes write the text itself as the type")
                continue
            bits = 8 * part.type.width - part.type.signed
            if part.value >= 1 << bits:
                report.error("CDX0305", part.type_span, f"{part.value} does not fit '{part.name}'",
                             f"at most {(1 << bits) - 1}")


def flags_are_bits(p: m.Protocol, report: Report) -> None:
    for e in p.enums:
        for v in e.values if e.is_flags else ():
            if bin(v.value).count("1") != 1:
                report.error("CDX0323", v.value_span, f"the flag '{v.name}' is not one bit",
                             "give it 1, 2, 4, 8, …: several flags are told by &")


def expressions_stay_in_range(p: m.Protocol, report: Report) -> None:
    for owner in owners(p):
        if not _is_sound(p, owner):
            continue
        for at, part in enumerate(owner.parts):
            for expression in _expressions(part):
                known = owner.parts[: at + 1]
                wide = x.overflow(expression, value_ranges(known))
                if wide is not None:
                    report.error("CDX0320", wide.span, "64 bits cannot hold every value of this",
                                 "use narrower numbers, or compare before you add")


def _expressions(part: m.Part) -> Iterator[m.Expression]:
    of = part.type
    found = [part.within, part.condition, *(w.test for w in part.wheres),
             of.length if isinstance(of, m.Sized) else None,
             of.count if isinstance(of, m.Array) else None,
             of.tag if isinstance(of, m.Choice) else None]
    yield from (e for e in found if e is not None)


def _is_sound(p: m.Protocol, owner: Owner) -> bool:
    what = "message" if isinstance(owner, m.Message) else "struct"
    return f"{what} {owner.name}" not in p.broken


def clauses_stand_where_they_may(p: m.Protocol, report: Report) -> None:
    for owner in owners(p):
        for part in owner.parts:
            if part.wheres and not isinstance(part.type, (*NUMBERS, m.Filler)):
                report.error("CDX0318", part.wheres[0].span, f"'{part.name}' is no number",
                             "'where' stands behind the last number that it is about")
            bounded = isinstance(part.type, (m.Array, m.Choice, m.Struct, m.Sized))
            if part.within is not None and not bounded:
                report.error("CDX0318", part.type_span, f"'{part.name}' cannot fill a bound",
                             "'within' is for structs, arrays and choices")


def what_is_looked_at_follows(p: m.Protocol, report: Report) -> None:
    for owner in owners(p):
        for at, part in enumerate(owner.parts):
            of = part.type
            if not isinstance(of, m.Integer) or not of.ahead:
                continue
            if parts_size(owner.parts[at + 1:])[0] < of.width:
                report.error("CDX0318", part.type_span,
                             f"'{part.name}' may look at bytes behind the end",
                             f"at least {of.width} bytes of the same struct or message follow it")
            if part.condition is not None:
                report.error("CDX0318", part.condition.span,
                             f"'{part.name}' takes no bytes that could be left out",
                             "remove the condition")


def pieces_can_be_delivered(p: m.Protocol, report: Report) -> None:
    for owner in owners(p):
        for part in owner.parts:
            if part.deliver != "whole" and not isinstance(part.type, (m.Counted, m.Sized)):
                report.error("CDX0328", part.type_span, f"'{part.name}' is always delivered whole",
                             "only bytes whose length is known before they come can be delivered "
                             "otherwise")
            of = part.type
            inside = _streamed(of.element.parts) if isinstance(of, m.Array) else []
            for other in inside[:1]:
                report.error("CDX0328", part.type_span,
                             f"'{part.name}' keeps its elements, and so '{other.name}' in them",
                             "an array's elements are decoded when they are asked for: deliver "
                             "them whole, or let them be messages of their own",
                             Note(other.span, "described here"))
    for message in p.messages:
        streamed = _streamed(message.parts)
        ahead = [x for x in _all_parts(message.parts)
                 if isinstance(x.type, m.Integer) and x.type.ahead]
        if streamed and ahead:
            report.error("CDX0328", streamed[0].span,
                         f"'{ahead[0].name}' may look at bytes of '{streamed[0].name}', "
                         "which are not kept",
                         "a message with a number that is looked at ahead is delivered whole",
                         Note(ahead[0].span, "looked at here"))
        if _spans(message.parts) > 1:
            spans = [x for x in streamed if x.deliver == "span"]
            report.error("CDX0328", spans[1].span, "a second field that comes in pieces",
                         "of one message only one does: discard the other, deliver it whole, or "
                         "let it be a message of its own", Note(spans[0].span, "the first one"))


def _inner(of: m.PartType) -> list[m.Struct]:
    """The structs that stand in a part, an array's element aside."""
    if isinstance(of, m.Choice):
        return [a.struct for a in (*of.arms, of.other) if a is not None and a.struct is not None]
    return [of] if isinstance(of, m.Struct) else []


def _all_parts(parts: tuple[m.Part, ...]) -> list[m.Part]:
    """The parts and those of all structs in them, arrays' elements aside."""
    return [x for part in parts
            for x in (part, *(y for s in _inner(part.type) for y in _all_parts(s.parts)))]


def _streamed(parts: tuple[m.Part, ...]) -> list[m.Part]:
    return [part for part in _all_parts(parts) if part.deliver != "whole"]


def _spans(parts: tuple[m.Part, ...]) -> int:
    """The most fields in pieces that one message can have."""
    return sum((part.deliver == "span") + max((_spans(s.parts) for s in _inner(part.type)), default=0)
               for part in parts)


def limits_say_something(p: m.Protocol, report: Report) -> None:
    for owner in owners(p):
        for part in owner.parts:
            of = part.type
            if isinstance(of, (m.Sized, m.Array, m.Counted, m.Token)) and of.max == 0:
                report.error("CDX0304", part.type_span, "bytes that are always empty",
                             "give a maximum of at least 1")
            bounded = isinstance(of, m.Array) and (of.count is None or part.within is not None)
            if isinstance(of, m.Array) and of.room is not None and bounded:
                report.error("CDX0318", part.type_span, f"'{part.name}' has a bound already",
                             "what is around it says how many bytes it has: remove 'in'")
            if isinstance(of, m.Array) and of.room == 0:
                report.error("CDX0304", part.type_span, "bytes that are always empty",
                             "give a maximum of at least 1")
            if isinstance(of, m.Filler) and of.size == 0:
                report.error("CDX0304", part.type_span, "bytes that are always empty", "remove it")


# ---- ends ----

def takes_rest(of: m.PartType | None) -> bool:
    """Whether only the bound around it says where it ends."""
    if isinstance(of, m.Sized):
        return of.length is None
    if isinstance(of, m.Array):
        return of.count is None
    if isinstance(of, m.Choice):
        return any(takes_rest(arm.struct) for arm in (*of.arms, of.other) if arm is not None)
    if isinstance(of, m.Struct) and of.parts:
        last = of.parts[-1]
        return last.within is None and takes_rest(last.type)
    return False


def everything_ends(p: m.Protocol, report: Report) -> None:
    for owner in owners(p):
        for part in owner.parts:
            is_last = isinstance(owner, m.Struct) and part is owner.parts[-1]
            of = part.type
            if part.within is None and takes_rest(of) and not is_last:
                report.error("CDX0307", part.type_span, f"nothing says where '{part.name}' ends",
                             "say how many bytes it fills: within N, or put it last in a struct "
                             "that is bounded")
            if isinstance(of, m.Array) and takes_rest(of.element):
                report.error("CDX0307", part.type_span,
                             f"nothing says where an element of '{part.name}' ends",
                             "an element takes no rest: give its last field a length",
                             Note(of.element.span, "described here"))
            elif isinstance(of, m.Array) and type_size(of.element)[0] == 0:
                report.error("CDX0307", part.type_span,
                             f"an element of '{part.name}' may have no bytes",
                             "begin it with something that is always there",
                             Note(of.element.span, "described here"))


def ends_can_be_found(p: m.Protocol, report: Report) -> None:
    for owner in owners(p):
        for part in owner.parts:
            of = part.type
            if not isinstance(of, (m.Token, m.Decimal)):
                continue
            if not of.end:
                report.error("CDX0307", part.type_span, f"nothing ends '{part.name}'",
                             'give the bytes that end it: until "\\r\\n"')
            elif isinstance(of, m.Decimal) and of.end[:1] in b"-0123456789":
                report.error("CDX0324", part.type_span, "a number cannot end in a digit",
                             "end it with another byte")


# ---- cost and use ----

def connections_hold_little(p: m.Protocol, report: Report) -> None:
    for message in p.messages:
        held = parts_size(message.parts, held=True)[1]
        if parts_size(message.parts)[1] > MESSAGE_NBYTES_MAX:
            report.error("CDX0501", message.span, f"one {message.name} can have more than 4 GiB",
                         "give its bytes smaller limits, or divide it into several messages")
        elif held > HELD_NBYTES_MAX:
            report.error("CDX0501", message.span,
                         f"one {message.name} can make its receiver hold {held} bytes",
                         f"at most {HELD_NBYTES_MAX}: give its bytes and arrays smaller limits, "
                         "or deliver them in pieces: deliver span")


def parsers_stay_small(p: m.Protocol, report: Report) -> None:
    for message in p.messages:
        steps = _steps(message.parts)
        if steps > STEPS_MAX:
            report.error("CDX0502", message.span,
                         f"the parser of {message.name} needs {steps} states",
                         f"at most {STEPS_MAX}: structs are laid out wherever they are used")


def _steps(parts: tuple[m.Part, ...]) -> int:
    total = 0
    for part in parts:
        of = part.type
        inner: list[m.Struct] = []
        if isinstance(of, m.Struct):
            inner = [of]
        elif isinstance(of, m.Array):
            inner = [of.element]
        elif isinstance(of, m.Choice):
            inner = [a.struct for a in (*of.arms, of.other) if a is not None and a.struct is not None]
        total += 4 + sum(_steps(s.parts) for s in inner)
        if total > 100 * STEPS_MAX:
            break
    return total


def everything_is_used(p: m.Protocol, report: Report) -> None:
    if p.broken:
        return  # what is broken may use it
    kinds: tuple[tuple[str, Sequence[Item]], ...] = (
        ("type", p.types), ("enum", p.enums), ("struct", p.structs), ("limit", p.limits))
    for kind, items in kinds:
        for item in items:
            if item.name not in p.used:
                report.error("CDX0314", item.span, f"{kind} '{item.name}' is used by nothing",
                             "use it or remove it")


MESSAGE_RULES = (
    messages_have_bytes, numbers_fit, flags_are_bits, expressions_stay_in_range,
    clauses_stand_where_they_may, what_is_looked_at_follows, pieces_can_be_delivered, limits_say_something,
    everything_ends, ends_can_be_found, connections_hold_little, parsers_stay_small,
    everything_is_used,
)
