# SPDX-License-Identifier: Apache-2.0
"""Expressions over the numbers of a message: their values, their ranges, their C."""
from __future__ import annotations

from typing import Callable, Iterator, Mapping

import model as m

Range = tuple[int, int]

INT64 = (-(1 << 63), (1 << 63) - 1)
UINT64 = (0, (1 << 64) - 1)
COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b,
    ">": lambda a, b: a > b, "<=": lambda a, b: a <= b, ">=": lambda a, b: a >= b,
}


def refs(e: m.Expression) -> Iterator[m.Ref]:
    """Every part that the expression names."""
    if isinstance(e, m.Ref):
        yield e
    elif isinstance(e, m.Operation):
        yield from refs(e.left)
        yield from refs(e.right)


def is_test(e: m.Expression) -> bool:
    """Whether it is a comparison, or several joined."""
    return isinstance(e, m.Operation) and (e.operator in COMPARISONS or e.operator in ("&&", "||"))


def evaluate(e: m.Expression, values: Mapping[str, int]) -> int:
    """The value, of any size."""
    if isinstance(e, m.Constant):
        return e.value
    if isinstance(e, m.Ref):
        return values[e.name]
    left = evaluate(e.left, values)
    if e.operator == "&&":
        return int(bool(left) and bool(evaluate(e.right, values)))
    if e.operator == "||":
        return int(bool(left) or bool(evaluate(e.right, values)))
    right = evaluate(e.right, values)
    if e.operator in COMPARISONS:
        return int(COMPARISONS[e.operator](left, right))
    if e.operator == "+":
        return left + right
    if e.operator == "-":
        return left - right
    return left * right if e.operator == "*" else left & right


def range_of(e: m.Expression, ranges: Mapping[str, Range]) -> Range:
    """The smallest and the largest value."""
    if isinstance(e, m.Constant):
        return e.value, e.value
    if isinstance(e, m.Ref):
        return ranges[e.name]
    if is_test(e):
        return 0, 1
    (a, b), (c, d) = range_of(e.left, ranges), range_of(e.right, ranges)
    if e.operator == "+":
        return a + c, b + d
    if e.operator == "-":
        return a - d, b - c
    if e.operator == "*":
        products = (a * c, a * d, b * c, b * d)
        return min(products), max(products)
    bounds = [high for low, high in ((a, b), (c, d)) if low >= 0]
    return (0, min(bounds)) if bounds else (min(a, c), max(b, d))


def overflow(e: m.Expression, ranges: Mapping[str, Range]) -> m.Expression | None:
    """The innermost operation that 64 bits cannot hold, or None."""
    if not isinstance(e, m.Operation):
        return None
    found = overflow(e.left, ranges) or overflow(e.right, ranges)
    if found is not None or e.operator in ("&&", "||"):
        return found
    both = [range_of(e.left, ranges), range_of(e.right, ranges)]
    if e.operator not in COMPARISONS:
        both.append(range_of(e, ranges))
    return None if _c_type(both) else e


def _c_type(ranges: list[Range]) -> str:
    low, high = min(r[0] for r in ranges), max(r[1] for r in ranges)
    for c_type, (least, most) in (("int64_t", INT64), ("uint64_t", UINT64)):
        if least <= low and high <= most:
            return c_type
    return ""


def c_text(e: m.Expression, ranges: Mapping[str, Range], place: str) -> str:
    """The expression in C; `place` stands before each part's name, such as `v->`."""
    if isinstance(e, m.Constant):
        return f"{e.value}" if e.value <= INT64[1] else f"UINT64_C({e.value})"
    if isinstance(e, m.Ref):
        return place + e.name
    left, right = (c_text(x, ranges, place) for x in (e.left, e.right))
    if e.operator in ("&&", "||"):
        return f"({left} {e.operator} {right})"
    both = [range_of(e.left, ranges), range_of(e.right, ranges)]
    if e.operator not in COMPARISONS:
        both.append(range_of(e, ranges))
    cast = f"({_c_type(both)})"
    return f"({_cast(left, e.left, cast)} {e.operator} {_cast(right, e.right, cast)})"


def _cast(text: str, e: m.Expression, cast: str) -> str:
    return text if isinstance(e, m.Constant) else cast + text


def linear(e: m.Expression) -> dict[str, int] | None:
    """The factor of every part in a sum, "" for the constant; None: it is no sum."""
    if isinstance(e, m.Constant):
        return {"": e.value}
    if isinstance(e, m.Ref):
        return {e.name: 1}
    if e.operator not in ("+", "-", "*"):
        return None
    left, right = linear(e.left), linear(e.right)
    if left is None or right is None:
        return None
    if e.operator == "*":
        if set(left) != {""}:
            left, right = right, left
        if set(left) != {""}:
            return None
        return {name: left.get("", 0) * factor for name, factor in right.items()}
    sign = 1 if e.operator == "+" else -1
    total = dict(left)
    for name, factor in right.items():
        total[name] = total.get(name, 0) + sign * factor
    return total


def solve(e: m.Expression, name: str) -> tuple[int, m.Expression | None] | None:
    """`e` as scale * name + rest: the scale, and the rest without `name` (None: 0)."""
    factors = linear(e)
    if factors is None or not factors.get(name):
        return None
    rest: m.Expression | None = None
    for other, factor in factors.items():
        if other == name or factor == 0:
            continue
        term: m.Expression = m.Constant(abs(factor), e.span)
        if other:
            ref = m.Ref(other, e.span)
            term = ref if abs(factor) == 1 else m.Operation("*", ref, term, e.span)
        if rest is None:
            zero = m.Constant(0, e.span)
            rest = term if factor > 0 else m.Operation("-", zero, term, e.span)
        else:
            rest = m.Operation("+" if factor > 0 else "-", rest, term, e.span)
    return factors[name], rest
