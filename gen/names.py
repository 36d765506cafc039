# SPDX-License-Identifier: Apache-2.0
"""The only maker of C identifiers, and what makes a name unusable as one."""
from __future__ import annotations

import re

SNAKE_CASE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*\Z")

# C17 and C++17 keywords, and Ragel's: a name must work in all three.
RESERVED = frozenset(
    """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char class compl const
    constexpr continue decltype default do double dynamic_cast else enum explicit export extern
    false final float for friend goto if inline int long mutable namespace new noexcept not not_eq
    nullptr operator or or_eq private protected public register reinterpret_cast restrict return
    short signed sizeof static static_assert static_cast struct switch template this thread_local
    throw true try typedef typeid typename union unsigned using virtual void volatile wchar_t
    while xor xor_eq eof err lerr when to from any_c include import machine access write action
    body out message parser
    """.split()
)
# `delete` is a call of kv and a member in C; C++ users reach it through its functions.

# Names that stand beside a frame's fields in C: the parser's state, and parameters and variables of
# generated functions.
STATE = frozenset(
    """
    offset begin error_at cs acc left field reason
    core client fn arg row row_arg reply sent_rid mark sent waiter is_last
    at bounds end frame in n nbytes next outcome p pieces q r s spill start whole wire
    """.split()
)


def problem(name: str) -> str | None:
    """Why `name` cannot be a name, or None."""
    if not SNAKE_CASE.match(name):
        return "names are snake_case: lower-case letters, digits and single underscores"
    if name in RESERVED:
        return "it is a keyword of C, C++ or Ragel, or a name that generated code uses"
    return None


def upper(name: str) -> str:
    """A constant's part."""
    return name.upper()


def join(*parts: str) -> str:
    """An identifier of several parts."""
    return "_".join(part for part in parts if part)


def unsigned(width: int) -> str:
    """The C type of an unsigned integer of `width` bytes."""
    return f"uint{width * 8}_t"
