# SPDX-License-Identifier: Apache-2.0
"""Messages at random, as a writer of a description could send them; with one wish about one part.

A number that says a length or a count is found after the part that it speaks of, as encoders do.
An attempt may come to nothing: chance is asked again then.
"""
from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, Iterator, Mapping, Union

import model as m
from cli import Failure
from encode_parts import put_part
from expressions import evaluate, refs, solve
from interpret_parts import Reading, arm_of, read_message
from pattern import Either, Pattern, Row, Set, parse
from sizes import NUMBERS, value_range

COUNT_MAX = 20000
NBYTES_MAX = 65 << 20
# Nothing longer comes about unless it is wished.
CHANCE_MAX = 4096
SMALL = 8
TRIES = 24
_LETTERS = b"abcdefghijklmnopqrstuvwxyz"
_CHARACTERS = bytes(range(0x20, 0x7F))
_NOBODY: Mapping[tuple[str, str], list[int]] = {}


class Unlucky(Exception):
    """This attempt came to nothing."""


class TooLarge(Exception):
    """The wish needs a message that is too large to be tried."""


@dataclass(frozen=True)
class Wish:
    """The value of a number, the length of bytes, the count of an array, of one struct or message."""

    owner: str
    part: str
    value: Union[int, None] = None   # None: the part shall be there


def structs_of(part: m.Part) -> list[m.Struct]:
    """All structs that can stand in the part."""
    of = part.type
    if isinstance(of, m.Array):
        return [of.element]
    if isinstance(of, m.Choice):
        return [a.struct for a in (*of.arms, of.other) if a is not None and a.struct is not None]
    return [of] if isinstance(of, m.Struct) else []


def owner_of(x: Union[m.Message, m.Struct]) -> str:
    return f"{'message' if isinstance(x, m.Message) else 'struct'} {x.name}"


def owners_in(x: Union[m.Message, m.Struct]) -> set[str]:
    """Everything that a message consists of, itself included."""
    made: dict[str, None] = {}
    waiting = [x]
    while waiting:
        x = waiting.pop()
        if owner_of(x) not in made:
            made[owner_of(x)] = None
            waiting += [s for part in x.parts for s in structs_of(part)]
    return set(made)


def expressions_of(part: m.Part) -> Iterator[m.Expression]:
    """Every expression of a part."""
    of = part.type
    for e in (part.within, part.condition, *(w.test for w in part.wheres)):
        if e is not None:
            yield e
    if isinstance(of, m.Sized) and of.length is not None:
        yield of.length
    if isinstance(of, m.Array) and of.count is not None:
        yield of.count
    if isinstance(of, m.Choice):
        yield of.tag


def constants_of(e: m.Expression) -> Iterator[int]:
    if isinstance(e, m.Constant):
        yield e.value
    elif isinstance(e, m.Operation):
        yield from constants_of(e.left)
        yield from constants_of(e.right)


class Sampler:
    """Random messages. `hints`: more numbers to try, by owner and part."""

    def __init__(self, rng: random.Random, message: m.Message, wish: Wish | None = None,
                 hints: Mapping[tuple[str, str], list[int]] = _NOBODY) -> None:
        self.rng = rng
        self.message = message
        self.wish = wish
        self.hints = hints
        self.is_met = wish is None
        self.leading: dict[str, bool] = {}
        self.pools: dict[tuple[str, str], list[int]] = {}

    def attempt(self) -> bytes:
        """A message that its own reader takes and that has what was wished, or Unlucky."""
        self.is_met = self.wish is None
        self.is_free = self.rng.random() < 0.85  # lengths are found after what they speak of
        try:
            data = self.parts(owner_of(self.message), self.message.parts, None)
        except (Failure, KeyError, OverflowError):
            raise Unlucky from None
        if not self.is_met:
            raise Unlucky
        reading = read_message(self.message, data)
        if not isinstance(reading, Reading) or reading.nbytes != len(data):
            raise Unlucky
        return data

    def leads(self, struct: m.Struct | None) -> bool:
        """Whether the wish can be met inside `struct`."""
        if self.wish is None or struct is None:
            return False
        if struct.name not in self.leading:
            self.leading[struct.name] = self.wish.owner in owners_in(struct)
        return self.leading[struct.name]

    # ---- parts ----

    def parts(self, owner: str, parts: tuple[m.Part, ...], fill: int | None) -> bytes:
        """The parts one after the other; `fill`: how many bytes they should have, if that is set."""
        numbers: dict[str, int] = {}
        pending: dict[str, m.Part] = {}
        made: dict[str, bytes] = {}
        ahead: list[str] = []
        for part in parts:
            made[part.name] = b""
            if part.condition is not None and not evaluate(part.condition, numbers):
                numbers[part.name] = 0
                continue
            if isinstance(part.type, NUMBERS):
                if part.derived is not None and part.value is None and self.is_free:
                    pending[part.name] = part
                    width = part.type.width if isinstance(part.type, m.Integer) else 1
                    made[part.name] = bytes(width)
                    continue
                numbers[part.name] = self.number(owner, part, parts, numbers)
                made[part.name] = put_part(part.type, numbers[part.name], {}, "")
                if isinstance(part.type, m.Integer) and part.type.ahead:
                    ahead.append(part.name)
                continue
            left = None if fill is None else fill - sum(map(len, made.values()))
            made[part.name], count = self.body(owner, part, numbers, pending, left)
            self.meet(owner, part.name, None)
            self.find(owner, part, len(made[part.name]), count, numbers, pending, made)
        if pending:
            raise Unlucky
        return self.joined(made, ahead)

    def joined(self, made: dict[str, bytes], ahead: list[str]) -> bytes:
        """All parts; what was looked at ahead stands there too."""
        data = bytearray()
        announced = []
        for name, chunk in made.items():
            if name in ahead:
                announced.append((len(data), chunk))
            else:
                data += chunk
        for at, chunk in announced:
            data[at : at + len(chunk)] = chunk
        return bytes(data)

    def meet(self, owner: str, name: str, value: int | None) -> None:
        w = self.wish
        if w is not None and (w.owner, w.part) == (owner, name) and value == w.value:
            self.is_met = True

    def find(self, owner: str, about: m.Part, size: int, count: int | None,
             numbers: dict[str, int], pending: dict[str, m.Part], made: dict[str, bytes]) -> None:
        """Works out the numbers that speak of a part which is there now."""
        for name, part in list(pending.items()):
            how = part.derived
            assert how is not None
            if how.about != about.name:
                continue
            rest = evaluate(how.rest, numbers) if how.rest is not None else 0
            value, odd = divmod((count or 0 if how.is_count else size) - rest, how.scale)
            if odd:
                raise Unlucky
            numbers[name] = value
            self.meet(owner, name, None)
            self.meet(owner, name, value)
            made[name] = put_part(part.type, value, {}, "")
            del pending[name]

    # ---- numbers ----

    def number(self, owner: str, part: m.Part, parts: tuple[m.Part, ...],
               numbers: dict[str, int]) -> int:
        w = self.wish
        is_wished = w is not None and w.owner == owner
        if part.value is not None:
            self.meet(owner, part.name, None)
            self.meet(owner, part.name, part.value)
            return part.value
        if w is not None and is_wished and w.part == part.name and w.value is not None:
            self.is_met = True
            return w.value
        self.meet(owner, part.name, None)
        if w is not None and is_wished and w.value is not None:
            solved = self.needed(part.name, next(
                (x for x in parts if x.name == w.part), None), w.value, numbers)
            if solved is not None:
                return solved
        pool = self.pool(owner, part, parts)
        if self.wish is not None and self.rng.random() < 0.85:
            pool = [v for v in pool if self.is_good(owner, part.name, parts, v)] or pool
        low, high = value_range(part)
        for _ in range(TRIES):
            value = self.rng.choice(pool)
            if self.rng.random() < 0.1:
                value = self.rng.randint(low, high)
            if all(evaluate(where.test, {**numbers, part.name: value}) for where in part.wheres):
                return value
        raise Unlucky

    def needed(self, name: str, wished: m.Part | None, value: int,
               numbers: dict[str, int]) -> int | None:
        """What number `name` must be for the wished part to have that length or count."""
        of = wished.type if wished is not None else None
        e = of.length if isinstance(of, m.Sized) else of.count if isinstance(of, m.Array) else None
        solved = solve(e, name) if e is not None else None
        if solved is None:
            return None
        scale, rest = solved
        if rest is not None and any(r.name not in numbers for r in refs(rest)):
            return None
        found, odd = divmod(value - (evaluate(rest, numbers) if rest is not None else 0), scale)
        return None if odd else found

    def is_good(self, owner: str, name: str, parts: tuple[m.Part, ...], value: int) -> bool:
        """Whether the wish can still be met when the number is this."""
        for part in parts:
            is_wished = self.wish == Wish(owner, part.name, self.wish.value if self.wish else None)
            if not is_wished and not any(self.leads(s) for s in structs_of(part)):
                continue
            e = part.condition
            if e is not None and {r.name for r in refs(e)} == {name} and not evaluate(
                    e, {name: value}):
                return False
            if isinstance(part.type, m.Choice) and not is_wished:
                tag = part.type.tag
                if {r.name for r in refs(tag)} == {name}:
                    arm = arm_of(part.type, evaluate(tag, {name: value}))
                    return arm is not None and self.leads(arm.struct)
        return True

    def pool(self, owner: str, part: m.Part, parts: tuple[m.Part, ...]) -> list[int]:
        """Values worth trying."""
        key = (owner, part.name)
        if key not in self.pools:
            self.pools[key] = _pool(part, parts, self.hints.get(key, []))
        return self.pools[key]

    # ---- bytes ----

    def body(self, owner: str, part: m.Part, numbers: dict[str, int],
             pending: dict[str, m.Part], left: int | None) -> tuple[bytes, int | None]:
        """The part's bytes; of an array how many there are, too."""
        of = part.type
        about = [p for p in pending.values() if p.derived is not None
                 and p.derived.about == part.name]
        if part.within is not None:
            known = all(r.name in numbers for r in refs(part.within))
            left = evaluate(part.within, numbers) if known and not about else None
        if isinstance(of, m.Literal):
            return of.data, None
        if isinstance(of, m.Filler):
            return bytes(of.size) if of.zero else self.rng.randbytes(of.size), None
        if isinstance(of, m.Token):
            length = self.length(owner, part, of.max)
            if of.pattern is not None:
                return self.matching(parse(of.pattern), length) + of.end, None
            return self.text(length) + of.end, None
        if isinstance(of, m.Counted):
            text = self.text(self.length(owner, part, of.max))
            return put_part(of, text, {}, ""), None
        if isinstance(of, m.Sized):
            return self.text(self.sized(owner, part, of.length, of.max, numbers, about, left)), None
        if isinstance(of, m.Array):
            return self.array(owner, part, of, numbers, about, left)
        struct: m.Struct | None
        if isinstance(of, m.Choice):
            arm = arm_of(of, evaluate(of.tag, numbers))
            if arm is None:
                raise Unlucky
            struct = arm.struct
        elif isinstance(of, m.Struct):
            struct = of
        else:
            raise Failure(f"the field '{part.name}' is a {type(of).__name__.lower()}, "
                          "which this command cannot write")
        return (self.parts(owner_of(struct), struct.parts, left) if struct is not None else b""), None

    def sized(self, owner: str, part: m.Part, e: m.Expression | None, most: int,
              numbers: dict[str, int], about: list[m.Part], left: int | None) -> int:
        """A length or count: what it has to be, or any."""
        if e is not None and not about:
            value = evaluate(e, numbers)
            return self.given(owner, part, value, most)
        if e is None and left is not None:
            return self.given(owner, part, left, most)
        value = self.length(owner, part, most)
        how = about[0].derived if about else None
        if how is not None and how.scale > 1 and not self.is_wished(owner, part.name):
            rest = evaluate(how.rest, numbers) if how.rest is not None else 0
            value = max(0, value - (value - rest) % how.scale)
        return value

    def given(self, owner: str, part: m.Part, value: int, most: int) -> int:
        """A length or count that follows from others."""
        self.meet(owner, part.name, value)
        if not 0 <= value <= most:
            raise Unlucky
        if value > CHANCE_MAX and not self.is_wished(owner, part.name):
            raise Unlucky
        return _possible(value)

    def is_wished(self, owner: str, name: str) -> bool:
        w = self.wish
        return w is not None and (w.owner, w.part) == (owner, name) and w.value is not None

    def length(self, owner: str, part: m.Part, most: int) -> int:
        """A length that is free."""
        if self.is_wished(owner, part.name):
            assert self.wish is not None and self.wish.value is not None
            self.is_met = True
            return _possible(self.wish.value)
        if self.rng.random() < 0.1:
            return min(most, self.rng.randrange(200))
        return self.rng.randrange(min(most, SMALL) + 1)

    def text(self, length: int) -> bytes:
        if length > 64:
            return b"a" * length
        letters = _LETTERS if self.rng.random() < 0.8 else _CHARACTERS
        return bytes(self.rng.choice(letters) for _ in range(length))

    def matching(self, p: Pattern, length: int) -> bytes:
        """A text that matches; of about that length."""
        if isinstance(p, Set):
            return bytes([self.rng.choice(sorted(p.values))])
        if isinstance(p, Row):
            return b"".join(self.matching(x, length) for x in p.parts)
        if isinstance(p, Either):
            return self.matching(self.rng.choice(p.parts), length)
        most = p.least + SMALL if p.most is None else p.most
        times = min(max(p.least, self.rng.randrange(length + 1)), most)
        return b"".join(self.matching(p.part, length) for _ in range(times))

    def array(self, owner: str, part: m.Part, of: m.Array, numbers: dict[str, int],
              about: list[m.Part], left: int | None) -> tuple[bytes, int]:
        struct = of.element
        if of.count is None and left is not None:
            made, count = b"", 0
            while len(made) < left and count < of.max:
                made += self.parts(owner_of(struct), struct.parts, None)
                count += 1
            self.meet(owner, part.name, count)
            return made, count
        count = self.sized(owner, part, of.count, of.max, numbers, about, None)
        if self.leads(struct) and count == 0:
            count = 1 if about or of.count is None else count
        if count > COUNT_MAX:
            raise TooLarge
        if count > SMALL:
            return self.parts(owner_of(struct), struct.parts, None) * count, count
        return b"".join(self.parts(owner_of(struct), struct.parts, None)
                        for _ in range(count)), count


def _possible(length: int) -> int:
    if length > NBYTES_MAX:
        raise TooLarge
    return length


def _pool(part: m.Part, parts: tuple[m.Part, ...], hints: list[int]) -> list[int]:
    of: Any = part.type
    low, high = value_range(part)
    enum = of.enum if isinstance(of, m.Integer) else None
    if enum is not None and enum.is_flags:
        bits = [v.value for v in enum.values]
        made = {0, enum.mask, *bits, *(a | b for a in bits for b in bits)}
        made |= {h for h in hints if enum.is_open}
    elif enum is not None and not enum.is_open:
        made = {v.value for v in enum.values}
    else:
        made = {0, 1, 2, 3, 9, 10, 127, 128, 255, 256, low, high, -1, *hints}
        made |= {v.value for v in enum.values} if enum is not None else set()
    for other in parts:
        if enum is not None and not enum.is_open:
            break
        named = [e for e in expressions_of(other) if part.name in {r.name for r in refs(e)}]
        for e in named:
            made |= {c + d for c in constants_of(e) for d in (-1, 0, 1)}
        if isinstance(other.type, m.Choice) and other.type.tag in named:
            made |= {v for arm in other.type.arms for v in arm.values}
    return sorted(v for v in made if low <= v <= high) or [low]
