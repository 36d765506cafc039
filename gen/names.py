# SPDX-License-Identifier: Apache-2.0
"""The only maker of C identifiers, and what makes a name unusable as one."""
from __future__ import annotations

import re
from typing import Iterator

import model as m
from source import Span

SNAKE_CASE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*\Z")

# Keywords of C17, C23, C++20 and Ragel, macros of the C library and names of the generated
# code: a name must work among all of them.
RESERVED = frozenset(
    """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char class co_await
    co_return co_yield compl concept const const_cast consteval constexpr constinit continue
    decltype default delete do double dynamic_cast else enum explicit export extern false
    final float for friend goto if inline int long mutable namespace new noexcept not not_eq nullptr operator
    or or_eq
    private protected public register reinterpret_cast requires restrict return short signed sizeof
    static static_assert static_cast struct switch template this thread_local throw true try typedef
    typeid typename typeof union unsigned using virtual void volatile while xor xor_eq
    fbreak fbuf fblen fc fcall fcurs fentry fexec fgoto fhold fnext fpc fret ftargs
    eof err lerr when to from any_c include import machine access write action
    assert errno i386 linux offsetof stderr stdin stdout unix
    body out message parser
    """.split()
)
# Types of the C library, and our own names.
TAKEN = re.compile(r"[a-z0-9_]+_t\Z|cdx(_[a-z0-9_]*)?\Z")
# Calls that C takes as members of a struct; C++ sees them with an underscore: see member().
CALLS_ALLOWED = frozenset(["delete"])

# Names that stand beside a frame's fields in C: the parser's state, and parameters and variables of
# generated functions.
STATE = frozenset(
    """
    offset begin error_at cs acc left field reason
    core client encoder fn arg row row_arg reply sent_rid mark sent waiter is_last
    at bounds end frame in n nbytes next outcome p pieces q r s spill start whole wire
    any_shapes call fail find_in find_shape found i shapes shapes_of_any shapes_of_call take_reply
    wait_begin wait_end abort free malloc memcmp memcpy memset take_bytes take_number
    """.split()
)


def problem(name: str) -> str | None:
    """Why `name` cannot be a name, or None."""
    if not SNAKE_CASE.match(name):
        return "names are snake_case: lower-case letters, digits and single underscores"
    if name in RESERVED or TAKEN.match(name):
        return "it is a keyword of C, C++ or Ragel, or a name that C or generated code uses"
    return None


def upper(name: str) -> str:
    """A constant's part."""
    return name.upper()


def member(name: str) -> str:
    """A name of a struct's member: what is a keyword of C++ alone gets an underscore."""
    return name + "_" if name in CALLS_ALLOWED else name


def join(*parts: str) -> str:
    """An identifier of several parts."""
    return "_".join(part for part in parts if part)


def unsigned(width: int) -> str:
    """The C type of an unsigned integer of `width` bytes."""
    return f"uint{width * 8}_t"


# ---- names of file scope: what templates declare, for the check that no two are the same ----

# Functions of every frame, as {prefix}_{frame}_{name}.
FRAME_FUNCTIONS = (
    "parser_init parser_restart feed error need is_between offset parser_check size encode "
    "encode_start encode_next encoder parser"
).split()
# Limits of every frame.
FRAME_LIMITS = "nbytes_min nbytes_max spill_nbytes_max head_nbytes parser_nbytes".split()
# What the client declares once.
CLIENT_NAMES = (
    "client client_protocol connect client_adopt close client_blocking client_core "
    "client_error_text client_on_unasked reply reply_fn row_fn"
).split()


def of_file_scope(p: m.Protocol) -> Iterator[tuple[str, str, Span]]:
    """Every name of file scope in generated C, as (what it is, the name, what it comes from)."""
    if p.messages:
        yield from _of_messages(p)
        return
    for name in ("version_major", "version_minor", "port", "parser_stamp", "calls_count"):
        yield f"a constant of {p.name}", upper(join(p.prefix, name)), p.span
    for name in ("calls", "call", "call_name", "handlers", "dispatch"):
        yield f"'{name}' of {p.name}", join(p.prefix, name), p.span
    for name in CLIENT_NAMES:
        yield f"'{name}' of the client", join(p.prefix, name), p.span
    for t in p.types:
        yield f"type '{t.name}'", upper(join(p.prefix, t.name, "nbytes_max")), t.span
    for e in p.enums:
        yield f"enum '{e.name}'", join(p.prefix, e.name), e.span
        yield f"enum '{e.name}'", join(p.prefix, e.name, "name"), e.span
        for v in e.values:
            yield f"value '{v.name}'", upper(join(p.prefix, e.name, v.name)), v.span
    for s in p.structs:
        yield f"struct '{s.name}'", join(p.prefix, s.name), s.span
        for name in ("size", "decode", "encode"):
            yield f"struct '{s.name}'", join(p.prefix, s.name, name), s.span
        for x in s.fields:
            yield f"field '{x.name}'", upper(f"{p.prefix}__field_{s.name}_{x.name}"), x.span
    yield from _of_frames(p)
    yield from _of_calls(p)


def _of_messages(p: m.Protocol) -> Iterator[tuple[str, str, Span]]:
    for name in ("version_major", "version_minor", "port", "parser_stamp"):
        yield f"a constant of {p.name}", upper(join(p.prefix, name)), p.span
    for limit in p.limits:
        yield f"limit '{limit.name}'", upper(join(p.prefix, limit.name)), limit.span
    for e in p.enums:
        yield f"enum '{e.name}'", join(p.prefix, e.name), e.span
        yield f"enum '{e.name}'", join(p.prefix, e.name, "name"), e.span
        for v in e.values:
            yield f"value '{v.name}'", upper(join(p.prefix, e.name, v.name)), v.span
    for s in p.structs:
        for name in ("", "size", "encode", "encode_start", "encode_next", "encoder", "next", "nbytes",
                     "fill", "put", "pour", "view"):
            yield f"struct '{s.name}'", join(p.prefix, s.name, name), s.span
        for x in s.parts:
            yield f"field '{x.name}'", upper(f"{p.prefix}__field_{s.name}_{x.name}"), x.span
    for f in p.messages:
        yield f"message '{f.name}'", join(p.prefix, f.name), f.span
        for name in [*FRAME_FUNCTIONS, "numbers"]:
            yield f"message '{f.name}'", join(p.prefix, f.name, name), f.span
        for name in FRAME_LIMITS:
            yield f"message '{f.name}'", upper(join(p.prefix, f.name, name)), f.span
        for x in f.parts:
            yield f"field '{x.name}'", upper(f"{p.prefix}__field_{f.name}_{x.name}"), x.span


def integer(width: int, signed: bool) -> str:
    """The smallest C type for an integer of `width` bytes."""
    held = next(n for n in (1, 2, 4, 8) if n >= width)
    return f"{'' if signed else 'u'}int{held * 8}_t"


def _of_frames(p: m.Protocol) -> Iterator[tuple[str, str, Span]]:
    for f in p.frames:
        yield f"frame '{f.name}'", join(p.prefix, f.name), f.span
        for name in FRAME_FUNCTIONS:
            yield f"frame '{f.name}'", join(p.prefix, f.name, name), f.span
        for name in FRAME_LIMITS:
            yield f"frame '{f.name}'", upper(join(p.prefix, f.name, name)), f.span
        for x in f.fields:
            yield f"field '{x.name}'", upper(f"{p.prefix}__field_{f.name}_{x.name}"), x.span
            if x.correlate is not None:
                yield f"field '{x.name}'", join(p.prefix, f.name, x.name), x.span


def _of_calls(p: m.Protocol) -> Iterator[tuple[str, str, Span]]:
    for c in [*p.calls, *([p.any_call] if p.any_call else [])]:
        what = f"call '{c.name}'"
        yield what, join(c.name, "shapes"), c.span  # in the client's source
        if c.number is not None:
            yield what, upper(join(p.prefix, "call", c.name)), c.span
            yield what, join(p.prefix, c.name), c.span
            yield what, join(p.prefix, c.name, "send"), c.span
        shapes = {s.status.name: s for s in c.answers if s.status is not None}
        if c.request is not None:
            yield from _of_shape(p, c, "request", c.request)
        for status, shape in shapes.items():
            yield from _of_shape(p, c, status, shape)


def _of_shape(p: m.Protocol, c: m.Call, status: str, s: m.Shape) -> Iterator[tuple[str, str, Span]]:
    for name in ("size", "encode"):
        yield f"call '{c.name}'", join(p.prefix, c.name, status, name), s.span
