# SPDX-License-Identifier: Apache-2.0
"""Tests of `caudexc decode` and `encode` on messages: every kind of part, there and back."""
from __future__ import annotations

import functools
import json
import random
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[2]
MUTANTS = 1500
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "gen"))
import model as m  # noqa: E402
from check import check  # noqa: E402
from cli import Failure  # noqa: E402
from decode import decode  # noqa: E402
from diagnostics import Report  # noqa: E402
from encode import encode  # noqa: E402
from export import SCHEMA, export  # noqa: E402
from format import format_text  # noqa: E402
from graph import graph  # noqa: E402
from interpret import Incomplete, Refusal  # noqa: E402
from interpret_parts import Reading, read_message  # noqa: E402
from load import load  # noqa: E402
from resolve import resolve  # noqa: E402
from source import SourceFile  # noqa: E402
from transcript import json_of, layout_of, line_of, reason_of  # noqa: E402

TEXT = """\
/// One of each.
protocol odd 1.0 { endian little; port 7; }
/// What it is.
enum kind : u8 {
    /// With a point.
    point = 1;
    /// With nothing.
    none  = 2;
}
/// How; other values too.
open enum how : u8 {
    /// So.
    so = 1;
}
/// Bits.
flags bits : u8 {
    /// There is an extra.
    extra = 1;
    /// Nothing.
    other = 2;
}
/// Where.
struct point {
    /// X.
    x: varint<i32>;
    /// Y.
    y: i24 big;
}
/// One of each.
message all {
    /// Constant.
    mark: "OK";
    /// Kind.
    kind: kind;
    /// How.
    how: how;
    /// Bits.
    bits: bits;
    /// Variable.
    v: varint<u64>;
    /// Decimal.
    d: decimal<i32> until "\\r\\n";
    /// Text.
    t: text until " ", max 10;
    /// Zeros.
    z: zero[2];
    /// Anything.
    s: skip[2];
    /// How many.
    n: u8 where n != 9: "nine is too many to be true";
    /// Pairs.
    pairs: point[n, max 5];
    /// Sometimes.
    extra: u16 if bits & extra == extra;
    /// Bytes of the rest.
    size: u8;
    /// By its kind.
    where_at: match kind {
        point => point;
        else => nothing;
    } within size;
    /// Bytes.
    tail: bytes<u8, max 5>;
}
"""
GOOD = (b"OK\x01\x02\x01\x96\x01-12\r\nabc \0\0\1\2\x02\x03\xff\xff\xfe\x04\0\0\x01\x34\x12\x04\x02\0\0\x05\x03abc")
SAID = ('- all(kind point, how 2, bits 1, v 150, d -12, t "abc", s "\\x01\\x02", n 2, '
        'pairs [{ x -2, y -2 }, { x 2, y 1 }], extra 4660, size 4, where_at { x 1, y 5 }, tail "abc")')


@functools.lru_cache(maxsize=None)
def protocol() -> m.Protocol:
    source = SourceFile("x.cdx", TEXT)
    report = Report(source)
    made = resolve(source, load(source, report), report)
    check(made, report)
    assert not report.found, report.text()
    return made


def test_every_kind_of_part_is_shown() -> None:
    made = decode(protocol(), GOOD * 2, "x", "binary", None, None, None)
    assert [line_of(e) for e in made.entries] == [SAID, SAID] and made.is_sound


def test_every_beginning_is_incomplete() -> None:
    for end in range(len(GOOD)):
        outcome = read_message(protocol().messages[0], GOOD[:end])
        assert isinstance(outcome, Incomplete) and end < outcome.needed <= len(GOOD)


@pytest.mark.parametrize(("before", "after", "said"), [
    (b"OK", b"KO", "byte 0, mark: not the constant that belongs here"),
    (b"OK\x01", b"OK\x07", "byte 2, kind: not one of its values"),
    (b"\x02\x01\x96", b"\x02\x05\x96", "byte 4, bits: not one of its values"),
    (b"\x96\x01", b"\x96\x00", "byte 5, v: a byte that cannot stand here"),
    (b"\x96\x01", b"\xff" * 9 + b"\x02", "byte 5, v: a number outside its limits"),
    (b"-12", b"-012", "byte 7, d: a byte that cannot stand here"),
    (b"-12", b"2147483648", "byte 7, d: a number outside its limits"),
    (b"-12", b"1" * 30, "byte 7, d: a number outside its limits"),
    (b"abc ", b"abcdefghijk ", "byte 12, t: longer than its limit"),
    (b"abc \0\0", b"abc \0\1", "byte 16, z: not the constant that belongs here"),
    (b"\1\2\x02\x03", b"\1\2\x09\x03", "byte 20, n: nine is too many to be true"),
    (b"\1\2\x02\x03", b"\1\2\x06\x03", "byte 21, pairs: longer than its limit"),
    (b"\x04\x02\0\0\x05", b"\x05\x02\0\0\x05\x05", "byte 36, where_at: bytes behind the last field"),
    (b"\x04\x02\0\0\x05", b"\x03\x02\0\0\x05", "byte 33, y: reaches past the end of what holds it"),
    (b"\x03abc", b"\x06abcdef", "byte 36, tail: longer than its limit"),
])
def test_what_is_refused(before: bytes, after: bytes, said: str) -> None:
    assert GOOD.count(before) == 1
    outcome = read_message(protocol().messages[0], GOOD.replace(before, after))
    assert isinstance(outcome, Refusal) and reason_of(outcome) == said


def test_mutants_are_decoded_and_encoded_back() -> None:
    rng = random.Random(3)
    p = protocol()
    whole = 0
    for _ in range(MUTANTS):
        data = bytearray(GOOD * 2)
        for _ in range(rng.choice([1, 2, 5])):
            data[rng.randrange(len(data))] = rng.choice([0, 1, 2, 0x7F, 0x80, 0xFF, rng.randrange(256)])
        made = decode(p, bytes(data), "x", "binary", "all", None, None)
        written = json_of(p, made.entries, [])
        assert b"".join(b for _, b in encode(p, written, "x")) == data, written
        whole += sum(isinstance(e.outcome, Reading) for e in made.entries)
    assert whole > MUTANTS // 2


@pytest.mark.parametrize(("change", "said"), [
    ({"v": None}, "'v' is missing"), ({"n": 256}, "'n' is a number of 8 bits"), ({"n": "2"}, "'n' is a number"),
    ({"kind": "line"}, "enum kind has no value 'line'"), ({"t": 7}, "'t' is a text"), ({"pairs": {}}, "'pairs' is a list of structs"),
    ({"where_at": 1}, "'where_at' is a struct"), ({"more": 1}, "there is no field 'more'"), ({"s": "x"}, "'s' has 2 bytes"),
    ({"tail": "a" * 256}, "'tail' has 256 bytes, more than its length can say"),
    ({"kind": 3}, "a receiver refuses this: byte 2, kind: not one of its values"),
    ({"n": 1}, "a receiver refuses this"), ({"t": "A B"}, "'t' holds the bytes that end it"),
])
def test_what_cannot_be_encoded_is_told(change: dict[str, object], said: str) -> None:
    made = json.loads(json_of(protocol(), decode(protocol(), GOOD, "x", "binary", "all", None, None).entries, []))
    made["messages"][0]["fields"].update(change)
    with pytest.raises(Failure) as told:
        encode(protocol(), json.dumps(made), "x")
    assert said in str(told.value)


def test_what_is_shown_is_taken_back() -> None:
    assert encode(protocol(), f"// a remark\n{SAID}\n\n{SAID[2:]}\n", "x") == [("all", GOOD), ("all", GOOD)]
    left_out = SAID.replace(", n 2", "").replace(", size 4", "")  # what encoders work out
    assert encode(protocol(), left_out, "x") == [("all", GOOD)]


@pytest.mark.parametrize(("text", "said"), [
    (SAID.replace("all(", "al("), "x:1: there is no message 'al'; known: all"),
    (SAID.replace(", t \"abc\"", ""), "x:1: 't' is missing"),
    (SAID.replace("x -2", "x -"), "x:1: no message: name(field value, …) is one"),
    (SAID.replace("[", "[" * 9, 1), "x:1: braces nest deeper than 8"),
    ('> "abc"', "x:1: bytes that are no message need to be told whose they are"),
])
def test_text_that_is_no_message(text: str, said: str) -> None:
    with pytest.raises(Failure) as told:
        encode(protocol(), text, "x")
    assert said in str(told.value)


def test_a_message_that_is_not_there() -> None:
    with pytest.raises(Failure, match="there is no frame or message 'some'; known: all"):
        decode(protocol(), GOOD, "x", "binary", "some", None, None)


def test_every_byte_of_a_message_has_its_field() -> None:
    entry = decode(protocol(), GOOD, "x", "binary", None, None, None).entries[0]
    rows = [re.match(r"//   ( *\d+)  ((?:[0-9a-f]{2} ?)*) +([a-z_.]+) ", line) for line in layout_of(entry)]
    assert [row[3] for row in rows if row] == [
        "mark", "kind", "how", "bits", "v", "d", "t", "z", "s", "n", "pairs.x", "pairs.y", "pairs.x", "pairs.y", "extra",
        "size", "where_at.x", "where_at.y", "tail"]
    assert b"".join(bytes.fromhex(row[2]) for row in rows if row) == GOOD


def test_messages_have_a_canonical_form() -> None:
    source = SourceFile("x.cdx", "".join(TEXT.split("protocol odd")[0:1]) + "protocol odd" + " ".join(
        line if "///" not in line else "\n" + line + "\n" for line in TEXT.split("protocol odd")[1].split("\n")))
    text = format_text(source, Report(source))
    assert text is not None and format_text(SourceFile("x.cdx", text), Report(source)) == text
    for line in ('    n: u8 where n != 9: "nine is too many to be true";', "    pairs: point[n, max 5];",
                 "    extra: u16 if bits & extra == extra;", "    where_at: match kind {",
                 "        point => point;", "    } within size;", '    t: text until " ", max 10;'):
        assert line in text.split("\n"), text


def test_the_model_of_messages_follows_the_schema_and_can_be_drawn() -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="python3-jsonschema is not installed")
    made = json.loads(export(protocol()))
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).validate(made)
    assert [p["kind"] for p in made["messages"][0]["parts"]] == [
        "literal", "integer", "integer", "integer", "varint", "decimal", "text", "zero", "skip", "integer",
        "array", "integer", "integer", "choice", "counted"]
    for item in (None, "all", "point"):
        root = ElementTree.fromstring(graph(protocol(), item))
        assert "together" in "".join(root.itertext())
