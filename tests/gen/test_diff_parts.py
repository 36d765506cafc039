# SPDX-License-Identifier: Apache-2.0
"""Tests of `caudexc diff` on messages: every rule with the peers it breaks, and witnesses that are true."""
from __future__ import annotations

import functools
import json
import os
import random
import re
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
MUTANTS = int(os.environ.get("CAUDEX_RANDOM_PROTOCOLS", "0")) or 50
SAMPLES = 60
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "gen"))
import diff  # noqa: E402
import model as m  # noqa: E402
from changes import RULES  # noqa: E402
from check import check  # noqa: E402
from diagnostics import Report  # noqa: E402
from interpret_parts import Reading, read_message  # noqa: E402
from load import load  # noqa: E402
from passes import understand  # noqa: E402
from resolve import resolve  # noqa: E402
from sample_parts import Sampler, TooLarge, Unlucky  # noqa: E402
from source import SourceFile  # noqa: E402

PROTOCOLS = [ROOT / "proto/memcache.cdx", ROOT / "proto/resp.cdx", HERE / "lang.cdx"]
BASE = """\
/// One of each.
protocol odd 1.0 { endian big; port 7; }
/// What it is.
enum kind : u8 {
    /// With a point.
    point = 1;
    /// With a text.
    text  = 2;
    /// With nothing.
    none  = 3;
}
/// How; other values too.
open enum how : u8 {
    /// So.
    so = 1;
    /// Or so.
    or = 2;
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
    y: i24;
}
/// Words.
struct words {
    /// Them.
    text: bytes<u8, max 12>;
}
/// One of each.
message all {
    /// Constant.
    mark: "OK";
    /// Version.
    version: u8 = 4;
    /// Kind.
    kind: kind;
    /// How.
    how: how;
    /// Bits.
    bits: bits;
    /// Number.
    num: u16;
    /// Small.
    small: u8 where small <= 99: "at most 99";
    /// Decimal.
    dec: decimal<u32> until " ";
    /// Text.
    word: text until "\\r", max 10;
    /// Zeros.
    gap: zero[2];
    /// Anything.
    pad: skip[2];
    /// How many.
    count: u8;
    /// Points.
    points: point[count, max 4];
    /// Sometimes.
    extra: u16 if bits & extra;
    /// Bytes of it.
    size: u8;
    /// By its kind.
    held: match kind {
        point => point;
        text => words;
        none => nothing;
    } within size;
    /// All bytes behind this.
    total: u16;
    /// Bytes of the first.
    first_len: u8;
    /// The first.
    first: bytes[first_len, max 20];
    /// The second.
    second: bytes[total - first_len - 1, max 30];
}
/// Another.
message ping {
    /// What follows begins with it.
    next: u8 ahead;
    /// By it.
    form: match next {
        0x2a => starred;
        else => words;
    };
}
/// With a star.
struct starred {
    /// It.
    star: "*";
    /// A number.
    n: u32 little;
}
/// The last.
message last {
    /// A.
    a: u8;
    /// B.
    b: u8;
}
"""
READERS, WRITERS = "old readers", "old writers"
BOTH = {READERS, WRITERS}
# rule, what is replaced by what, whom it breaks
CASES: list[tuple[str, list[tuple[str, str]], set[str]]] = [
    ("byte-order", [("num: u16;", "num: u16 little;")], BOTH),
    ("byte-order", [("n: u32 little;", "n: u32;")], BOTH),
    ("limit-raised", [("bytes[first_len, max 20]", "bytes[first_len, max 21]")], {READERS}),
    ("limit-lowered", [("bytes[first_len, max 20]", "bytes[first_len, max 19]")], {WRITERS}),
    ("limit-raised", [("bytes[total - first_len - 1, max 30]", "bytes[total - first_len - 1, max 31]")], {READERS}),
    ("limit-raised", [("bytes<u8, max 12>", "bytes<u8, max 13>")], {READERS}),
    ("limit-lowered", [("\\r\", max 10", "\\r\", max 9")], {WRITERS}),
    ("limit-raised", [("point[count, max 4]", "point[count, max 5]")], {READERS}),
    ("limit-lowered", [("point[count, max 4]", "point[count, max 4 in 9]")], {WRITERS}),
    ("value-added", [("none  = 3;", "none  = 3;\n    /// New.\n    more = 4;"), ("none => nothing;", "none | more => nothing;")],
     {READERS}),
    ("value-added", [("or = 2;", "or = 2;\n    /// New.\n    more = 4;")], set()),
    ("value-added", [("other = 2;", "other = 2;\n    /// New.\n    more = 4;")], {READERS}),
    ("value-removed", [("    /// Nothing.\n    other = 2;\n", "")], {WRITERS}),
    ("value-removed", [("    /// Or so.\n    or = 2;\n", "")], set()),
    ("value-number", [("or = 2", "or = 9")], set()),
    ("value-number", [("so = 1", "so = 2"), ("or = 2", "or = 1")], BOTH),
    ("value-number", [("point = 1", "point = 9")], BOTH),
    ("enum-opened", [("flags bits", "open flags bits")], {READERS}),
    ("enum-closed", [("open enum how", "enum how")], {WRITERS}),
    ("message-added", [("/// The last.", "/// New.\nmessage extra_one {\n    /// A.\n    a: u8;\n}\n/// The last.")], set()),
    ("message-removed", [("/// The last.\nmessage last {\n    /// A.\n    a: u8;\n    /// B.\n    b: u8;\n}\n", "")], BOTH),
    ("field-added", [("    b: u8;\n", "    b: u8;\n    /// C.\n    c: u8;\n")], BOTH),
    ("field-added", [("    /// Anything.\n    pad: skip[2];\n", "    /// New.\n    fresh: u16;\n")], set()),
    ("field-added", [("    /// Zeros.\n    gap: zero[2];\n", "    /// New.\n    fresh: u16;\n")], {READERS}),
    ("field-added", [("other = 2;", "other = 2;\n    /// New.\n    more = 4;"),
                     ("    size: u8;", "    size: u8;\n    /// New.\n    fresh: u16 if bits & more;")], {READERS}),
    ("field-removed", [("    /// Sometimes.\n    extra: u16 if bits & extra;\n", "")], BOTH),
    ("field-removed", [("    num: u16;\n", "    num_gap: skip[2];\n")], set()),
    ("field-order", [("    /// A.\n    a: u8;\n    /// B.\n    b: u8;\n", "    /// B.\n    b: u8;\n    /// A.\n    a: u8;\n")], BOTH),
    ("kind", [("num: u16;", "num: varint<u32>;")], BOTH),
    ("kind", [("dec: decimal<u32> until \" \"", "dec: text until \" \", max 10")], BOTH),
    ("width", [("num: u16;", "num: u24;")], BOTH),
    ("width", [("decimal<u32>", "decimal<u64>")], {READERS}),
    ("width", [("text: bytes<u8, max 12>", "text: bytes<u16, max 12>")], BOTH),
    ("sign", [("num: u16;", "num: i16;")], BOTH),
    ("sign", [("decimal<u32>", "decimal<i32>")], BOTH),
    ("ahead", [("next: u8 ahead;", "next: u8;")], BOTH),
    ("constant", [("version: u8 = 4", "version: u8 = 5")], BOTH),
    ("constant", [("version: u8 = 4", "version: u8")], {READERS}),
    ("constant", [("mark: \"OK\"", "mark: \"KO\"")], BOTH),
    ("padding", [("zero[2]", "zero[3]")], BOTH),
    ("padding", [("zero[2]", "skip[2]")], {READERS}),
    ("padding", [("skip[2]", "zero[2]")], {WRITERS}),
    ("delimiter", [("until \" \"", "until \",\"")], BOTH),
    ("pattern", [("word: text", "word: text \"[a-z]*\"")], {WRITERS}),
    ("delimiter", [("until \"\\r\"", "until \"\\r\\n\"")], BOTH),
    ("length", [("total - first_len - 1", "total - first_len")], BOTH),
    ("length", [("within size", "within size + 1")], BOTH),
    ("length", [("point[count,", "point[count + 1,")], BOTH),
    ("condition", [("if bits & extra", "if bits & other")], BOTH),
    ("condition", [("extra: u16 if bits & extra", "extra: u16")], BOTH),
    ("where-added", [("    num: u16;", "    num: u16 where num != 77: \"no\";")], {WRITERS}),
    ("where-added", [("small <= 99:", "small <= 90:")], {WRITERS}),
    ("where-removed", [("small <= 99:", "small <= 100:")], {READERS}),
    ("where-removed", [(" where small <= 99: \"at most 99\"", "")], {READERS}),
    ("tag", [("match next {", "match next + 1 {")], {WRITERS}),
    ("arm-added", [("none => nothing;", "else => nothing;"), ("none  = 3;", "none  = 3;\n    /// New.\n    more = 4;")],
     {READERS}),
    ("arm-removed", [("        else => words;\n", "        0x61 => words;\n")], {WRITERS}),
    ("arm-changed", [("none => nothing;", "none => words;")], BOTH),
    ("renamed", [("num: u16;", "number: u16;"), ("point = 1", "dot = 1"), ("point => point", "dot => point")], set()),
    ("reserved", [("    or = 2;", "    or = 2;\n    reserved 9;")], set()),
    ("reserved", [("    /// Or so.\n    or = 2;\n", "")], set()),
    ("property", [("port 7;", "port 8; prefix other;")], set()),
]


@functools.lru_cache(maxsize=None)
def protocol_of(text: str) -> m.Protocol:
    source = SourceFile("x.cdx", text)
    report = Report(source)
    protocol = resolve(source, load(source, report), report)
    check(protocol, report)
    assert not report.found, report.text()
    return protocol


def edited(edits: list[tuple[str, str]]) -> str:
    text = BASE
    for before, after in edits:
        assert before in text, before
        text = text.replace(before, after)
    return text


def shown(changes: list[diff.Change]) -> str:
    return diff.text_of(changes, ("old", "new"))


def check_witnesses(old: m.Protocol, new: m.Protocol, changes: list[diff.Change]) -> None:
    """Both sides' readers say what each witness says."""
    for change in changes:
        assert change.rule.of != "calls"
        assert change.breaks <= ({READERS} if change.rule.old_readers != "no" else set()) | (
            {WRITERS} if change.rule.old_writers != "no" else set())
        for w in change.found:
            sides = [next(x for x in p.messages if x.name == w.way.frame) for p in (old, new)]
            writer, reader = sides if w.way.is_old_writer else sides[::-1]
            sent, got = read_message(writer, w.data), read_message(reader, w.data)
            assert isinstance(sent, Reading) and sent.nbytes == len(w.data)
            if "refuses it" in w.happens or "waits for more" in w.happens:
                assert not isinstance(got, Reading)
            else:
                assert isinstance(got, Reading)
                assert got.nbytes < sent.nbytes if "takes" in w.happens else "reads it as" in w.happens


def plain(value: object) -> object:
    """What can be compared without knowing names."""
    if isinstance(value, dict):
        return [plain(v) for v in value.values()]
    return [plain(v) for v in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("rule", "edits", "breaks"), CASES, ids=[f"{n}-{c[0]}" for n, c in enumerate(CASES)])
def test_a_change_breaks_whom_its_rule_says(rule: str, edits: list[tuple[str, str]], breaks: set[str]) -> None:
    old, new = protocol_of(BASE), protocol_of(edited(edits))
    if "reserved" in edited(edits):     # it is no change to reserve something, but to cease to
        assert diff.compare(old, new) == []
        old, new = new, old
    changes = diff.compare(old, new)
    assert rule in {c.rule.name for c in changes}, shown(changes)
    assert set().union(*(c.breaks for c in changes)) == breaks, shown(changes)
    assert "unexplained" not in {c.rule.name for c in changes}, shown(changes)
    check_witnesses(old, new, changes)


def test_every_rule_has_a_case() -> None:
    assert {rule for rule, _, _ in CASES} == {r.name for r in RULES.values() if r.of != "calls"} - {"unexplained"}


@pytest.mark.parametrize("path", PROTOCOLS, ids=lambda p: p.stem)
def test_a_description_does_not_differ_from_itself(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert diff.compare(protocol_of(text), protocol_of("// Again.\n" + text)) == []


def test_a_change_in_an_imported_file_is_told_there(tmp_path: Path) -> None:
    for name, number in (("old", 1), ("new", 2)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "main.cdx").write_text(
            "/// A.\nprotocol x 1.0 { endian big; port 7; }\nimport \"more.cdx\";\n"
            "/// A.\nmessage a {\n    /// A.\n    n: kind;\n}\n", encoding="utf-8")
        (tmp_path / name / "more.cdx").write_text(
            f"/// A.\nenum kind : u8 {{\n    /// One.\n    one = {number};\n}}\n", encoding="utf-8")
    old, new = (understand(tmp_path / name / "main.cdx", "main.cdx", "", of_calls=False) for name in ("old", "new"))
    assert old is not None and new is not None
    changes = diff.compare(old, new)
    assert {(c.rule.name, c.line) for c in changes} == {("value-number", 4)}
    assert "more.cdx:4: value-number" in shown(changes)


def test_a_change_is_told_with_its_witness() -> None:
    old, new = protocol_of(BASE), protocol_of(edited([("    a: u8;", "    a: u8 where a < 9: \"too much\";")]))
    changes = diff.compare(old, new)
    text = shown(changes)
    assert re.fullmatch(
        r"new:\d+: where-added: message last: 'a' must be \(a < 9\); breaks old writers\n"
        r"    old writer sends ([0-9a-f]{2}) [0-9a-f]{2}\n"
        r"        - last\(a \d+, b \d+\)\n"
        r"    new reader refuses it: byte 0, a: too much\n", text), text
    assert diff.verdict(old, new, changes).endswith("raise the major version to 2")
    made = json.loads(diff.json_of(changes))["changes"]
    assert [(c["rule"], c["breaks"], len(c["witnesses"])) for c in made] == [("where-added", ["old writers"], 1)]


def test_what_is_too_large_to_be_tried_is_told_without_bytes() -> None:
    text = "\n".join([
        "/// A.", "protocol big 1.0 { endian big; port 7; }", "/// A.", "message m {", "    /// A.", "    n: u32;",
        "    /// A.", "    data: bytes[n, max 100 MiB];", "}", ""])
    changes = diff.compare(protocol_of(text), protocol_of(text.replace("100 MiB", "101 MiB")))
    assert [(c.rule.name, c.breaks, bool(c.note), c.found) for c in changes] == [
        ("limit-raised", {READERS}, True, [])]
    assert "too large" in shown(changes)


# ---- at random ----

NUMBER = re.compile(r"(?<== )\d+(?=;)|(?<=max )\d+|(?<=<= )\d+|(?<=[a-z]\[)\d|0x2a|(?<=- )1")
SWAPS = [
    ("u16;", "u8;"), ("u16;", "i16;"), ("u8;", "u16;"), ("u16", "u16 little"), ("u24", "u32"), ("i24", "i24 little"),
    ("varint<i32>", "varint<u32>"), ("varint<i32>", "i32"), ("decimal<u32>", "decimal<u16>"), ("zero[", "skip["),
    ("skip[", "zero["), ("open enum", "enum"), ("enum how", "open enum how"), ("flags bits", "open flags bits"),
    (" & extra", " & other"), ("point => point", "point => words"), ("none => nothing", "else => nothing"),
    ("else => words", "0x61 => words"), ("\"OK\"", "\"KO\""), ("until \" \"", "until \";\""), ("big;", "little;"),
    ("total - first_len - 1", "total"), (" where small <= 99: \"at most 99\"", ""), (" little;", ";"),
    ("point[count, max 4]", "point[count, max 4 in 12]"), ("bytes<u8, max 12>", "bytes<u16, max 12>"),
    ("num: u16;", "num: u16 where num != 3: \"3\";"), ("num: u16;", "num: u16 if bits & other;"),
    ("b: u8;", "b: u8;\n    /// C.\n    c: u8;"), ("pad: skip[2]", "fresh: u16"), ("other = 2;", "other = 4;"),
]


def mutant(rng: random.Random) -> str:
    """The base with numbers, kinds or clauses changed, fields gone, doubled or renamed."""
    text = BASE
    for _ in range(rng.choice([1, 1, 1, 2, 3, 6])):
        kind = rng.randrange(5)
        if kind == 0:
            spot = rng.choice(list(NUMBER.finditer(text)))
            text = text[: spot.start()] + str(rng.randrange(24)) + text[spot.end():]
        elif kind == 1:
            spot = rng.choice(list(re.finditer(r"    ///[^\n]*\n    [^\n]*;\n", text)))
            text = text[: spot.start()] + text[spot.end():]
        elif kind == 2:
            old = rng.choice(["num", "small", "text", "extra", "words", "first", "x", "so", "ping", "star"])
            text = re.sub(rf"(?<![\w\"]){old}\b(?=[:; =\[\]{{&)])", "q" + old, text)
        else:
            text = text.replace(*rng.choice(SWAPS))
    return text


def samples(message: m.Message, rng: random.Random) -> list[bytes]:
    made = []
    sampler = Sampler(rng, message)
    for _ in range(SAMPLES):
        try:
            made.append(sampler.attempt())
        except (Unlucky, TooLarge):
            continue
    return made


def check_compatible(old: m.Protocol, new: m.Protocol, breaks: set[str], rng: random.Random) -> int:
    """Whoever is not broken is understood: how many messages that were."""
    understood = 0
    for a in old.messages:
        b = next((x for x in new.messages if x.name == a.name), None)
        if b is None:
            continue
        for writer, reader, whom in ((a, b, WRITERS), (b, a, READERS)):
            for data in samples(writer, rng) if whom not in breaks else ():
                sent, got = read_message(writer, data), read_message(reader, data)
                assert isinstance(sent, Reading) and isinstance(got, Reading), (data, got)
                assert sent.nbytes == got.nbytes
                for name in set(sent.fields) & set(got.fields):
                    assert plain(sent.fields[name]) == plain(got.fields[name]), (name, data)
                understood += 1
    return understood


def test_what_is_said_of_random_versions_is_true() -> None:
    rng = random.Random(int(os.environ.get("CAUDEX_SEED", "5")))
    base = protocol_of(BASE)
    compared = understood = broken = 0
    for _ in range(MUTANTS * 10):
        text = mutant(rng)
        try:
            other = protocol_of(text)
        except AssertionError:
            continue
        compared += 1
        for old, new in ((base, other), (other, base)):
            changes = diff.compare(old, new)
            assert "unexplained" not in {c.rule.name for c in changes}, shown(changes) + text
            check_witnesses(old, new, changes)
            breaks: set[str] = set().union(*(c.breaks for c in changes))
            broken += len(breaks)
            understood += check_compatible(old, new, breaks, rng)
        if compared == MUTANTS:
            break
    assert compared > MUTANTS // 2 and understood > 10 * MUTANTS and broken > MUTANTS
