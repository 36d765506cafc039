# SPDX-License-Identifier: Apache-2.0
"""Tests of `caudexc diff`: every rule with the peers it breaks, and witnesses that are true."""
from __future__ import annotations

import functools
import json
import random
import re
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
GOOD = [*sorted((HERE / "good").glob("*.cdx")), HERE / "tiny.cdx", ROOT / "proto" / "kv.cdx"]
MUTANTS = 300
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "gen"))
import diff  # noqa: E402
import model as m  # noqa: E402
from check import check  # noqa: E402
from diagnostics import Report  # noqa: E402
from examples import with_examples  # noqa: E402
from interpret import Message, read_answer, read_frame  # noqa: E402
from load import load  # noqa: E402
from resolve import resolve  # noqa: E402
from source import SourceFile  # noqa: E402
from vectors import make_vectors  # noqa: E402

BASE = """\
/// Looks names up.
protocol mini 1.0 { endian big; port 7; }
/// A name.
type label = bytes<u8, max 20>;
/// A value.
type content = bytes<rest, max 10>;
/// Remarks.
type remark = bytes<u16, max 50>;
/// What became of it.
enum status : u8 {
    /// Done.
    ok = 0;
    /// One of several.
    row = 1 more;
    /// Refused.
    bad = 2;
    /// Busy.
    busy = 3;
}
/// How.
enum mode : u8 {
    /// So.
    slow = 0;
    /// Or so.
    fast = 1;
}
/// What is asked.
frame request {
    /// The call.
    type: call;
    /// The mark.
    rid: u32 correlate;
    /// A number.
    turn: u32;
    /// Whom.
    name: label;
    /// More.
    more: remark;
}
/// What is answered.
frame response {
    /// What became of it.
    status: status;
    /// The mark.
    rid: u32 correlate;
    /// A number.
    turn: u32;
    /// Who.
    name: label;
    /// More.
    more: remark;
}
/// Where.
struct point {
    /// From the left.
    x: u16;
    /// From above.
    y: u16;
    /// How.
    mode: mode;
    /// Remarks.
    note: content;
}
/// Any request may be answered so.
any call { response busy { more } }
/// Finds.
call find = 0x01 {
    request  { name, more: point }
    row      { name }
    response { name: content, more: point } | bad
}
/// Forgets.
call forget = 0x02 {
    request  { name }
    response { }
}
"""
READERS, WRITERS = "old readers", "old writers"
BOTH = {READERS, WRITERS}

# rule, what is replaced by what, whom it breaks
CASES: list[tuple[str, list[tuple[str, str]], set[str]]] = [
    ("byte-order", [("endian big", "endian little")], BOTH),
    ("frame", [("    /// A number.\n    turn: u32;\n", "")], BOTH),
    ("frame", [("    turn: u32;\n", "    turn: u32;\n    /// New.\n    hop: u8;\n")], BOTH),
    ("frame", [("turn: u32;", "turn: u64;")], BOTH),
    ("frame", [("bytes<u16, max 50>", "bytes<u32, max 50>")], BOTH),
    ("frame", [("    /// The mark.\n    rid: u32 correlate;\n    /// A number.\n    turn: u32;\n",
                "    /// A number.\n    turn: u32;\n    /// The mark.\n    rid: u32 correlate;\n")], BOTH),
    ("correlate", [("rid: u32 correlate", "rid: u32"), ("turn: u32", "turn: u32 correlate")], BOTH),
    ("struct", [("    /// From above.\n    y: u16;\n", "")], BOTH),
    ("struct", [("    x: u16;", "    x: u32;")], BOTH),
    ("struct", [("    /// From the left.\n    x: u16;\n    /// From above.\n    y: u16;\n",
                 "    /// From above.\n    y: u16;\n    /// From the left.\n    x: u16;\n")], BOTH),
    ("body", [("response { name: content, more: point } | bad", "response { name: content, more } | bad")], BOTH),
    ("limit-raised", [("bytes<u8, max 20>", "bytes<u8, max 21>")], {READERS}),
    ("limit-raised", [("bytes<rest, max 10>", "bytes<rest, max 11>")], {READERS}),
    ("limit-lowered", [("bytes<u8, max 20>", "bytes<u8, max 19>")], {WRITERS}),
    ("limit-lowered", [("bytes<rest, max 10>", "bytes<rest, max 9>")], {WRITERS}),
    ("call-added", [("/// Forgets.", "/// New.\ncall ping = 3 { request { } response { } }\n/// Forgets.")], set()),
    ("call-removed", [("/// Forgets.\ncall forget = 0x02 {\n    request  { name }\n    response { }\n}\n", "")],
     {WRITERS}),
    ("call-number", [("forget = 0x02", "forget = 0x03")], BOTH),
    ("use-added", [("    request  { name }\n    response { }", "    request  { name, more }\n    response { }")],
     {READERS}),
    ("use-added", [("    request  { name }\n    response { }", "    request  { name, more: point }\n    response { }")],
     BOTH),
    ("use-added", [("    response { }\n", "    response { name }\n")], {READERS}),
    ("use-removed", [("    request  { name }\n    response { }", "    request  { }\n    response { }")], {WRITERS}),
    ("use-removed", [("    request  { name, more: point }", "    request  { name }")], BOTH),
    ("answer-added", [("    response { }\n", "    response { } | bad\n")], {READERS}),
    ("answer-added", [("    response { }\n", "    row { name }\n    response { }\n")], {READERS}),
    ("answer-added", [("any call { response busy { more } }", "any call { response busy { more } | bad }"),
                      ("more: point } | bad", "more: point }")], {READERS}),
    ("answer-removed", [("more: point } | bad", "more: point }"), ("{ }\n}", "{ } | bad\n}")], BOTH),
    ("value-added", [("    fast = 1;", "    fast = 1;\n    /// New.\n    swift = 2;")], {READERS}),
    ("value-removed", [("    /// Or so.\n    fast = 1;\n", "")], {WRITERS}),
    ("value-number", [("fast = 1;", "fast = 9;")], BOTH),
    ("value-number", [("slow = 0;", "slow = 1;"), ("fast = 1;", "fast = 0;")], BOTH),
    ("value-number", [("bad = 2;", "bad = 9;")], BOTH),
    ("more", [("row = 1 more;", "row = 1;"), ("busy = 3;", "busy = 3;\n    /// Next.\n    next = 4 more;"),
              ("    row      { name }\n    response { name: content, more: point } | bad",
               "    row { name }\n    response { name: content, more: point } | bad | row { name }")], BOTH),
    ("renamed", [("call forget", "call forgive")], set()),
    ("renamed", [("fast = 1", "quick = 1"), ("    /// A number.\n    turn:", "    /// A number.\n    hop:")], set()),
    ("reserved", [("/// Forgets.\ncall forget = 0x02 {\n    request  { name }\n    response { }\n}\n", "")], {WRITERS}),
    ("property", [("port 7;", "port 8; prefix other;")], set()),
]


@functools.lru_cache(maxsize=None)
def protocol_of(text: str) -> m.Protocol:
    source = SourceFile("x.cdx", text)
    report = Report(source)
    loaded = load(source, report)
    protocol = with_examples(resolve(source, loaded, report), loaded.items, report)
    check(protocol, report)
    assert not report.found, report.text()
    return protocol


def edited(edits: list[tuple[str, str]]) -> str:
    text = BASE
    for before, after in edits:
        assert before in text, before
        text = text.replace(before, after)
    return text


def check_witnesses(old: m.Protocol, new: m.Protocol, changes: list[diff.Change]) -> None:
    """Both interpreters say what each witness says."""
    for change in changes:
        for w in change.found:
            writer, reader = (old, new) if w.way.is_old_writer else (new, old)
            frames = [getattr(p, w.way.frame) for p in (writer, reader)]
            sent = read_frame(writer, frames[0], w.data)
            assert isinstance(sent, Message) and sent.nbytes == len(w.data)
            got = read_frame(reader, frames[1], w.data)
            if "refuses" in w.happens or "waits" in w.happens:
                calls = [c for c in reader.calls if isinstance(got, Message) and isinstance(
                    read_answer(reader, got, c), Message)]
                assert not isinstance(got, Message) or len(calls) < len(reader.calls), w
            else:
                assert isinstance(got, Message) and (got.values != sent.values or got.nbytes < sent.nbytes or
                                                     "reads it as" in w.happens)


@pytest.mark.parametrize(("rule", "edits", "breaks"), CASES, ids=[f"{n}-{c[0]}" for n, c in enumerate(CASES)])
def test_a_change_breaks_whom_its_rule_says(rule: str, edits: list[tuple[str, str]], breaks: set[str]) -> None:
    old, new = protocol_of(BASE), protocol_of(edited(edits))
    changes = diff.compare(old, new)
    assert rule in {c.rule.name for c in changes}
    assert set().union(*(c.breaks for c in changes)) == breaks, diff.text_of(changes, ("old", "new"))
    assert "unexplained" not in {c.rule.name for c in changes}
    check_witnesses(old, new, changes)


def test_every_rule_has_a_case() -> None:
    assert {rule for rule, _, _ in CASES} == {r.name for r in diff.RULES.values() if r.of != "messages"} - {"unexplained"}


@pytest.mark.parametrize("path", GOOD, ids=lambda p: p.stem)
def test_a_description_does_not_differ_from_itself(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert diff.compare(protocol_of(text), protocol_of("// Again.\n" + text)) == []


def test_a_change_has_its_own_places() -> None:
    """The set was shared between the changes of one frame, so one grew with the other."""
    edits = [("bytes<u8, max 20>", "bytes<u8, max 21>"), ("request  { name, more: point }", "request  { name }")]
    changes = diff.compare(protocol_of(BASE), protocol_of(edited(edits)))
    places = {c.rule.name: c.places for c in changes}
    assert places["use-removed"] == {("request", "find", "")}
    assert len(places["limit-raised"]) > 2


def test_a_type_that_stands_in_several_fields_is_one_change() -> None:
    """Only the field that was met first was looked at; the others' witnesses had no rule."""
    base = [("    request  { name }\n    response { }", "    request  { name, more: content }\n    response { }")]
    longer = [*base, ("bytes<rest, max 10>", "bytes<rest, max 11>")]
    changes = diff.compare(protocol_of(edited(base)), protocol_of(edited(longer)))
    assert {c.text.split(" had")[0] for c in changes} == {"type content", "struct point"}
    assert {c.rule.name for c in changes} == {"limit-raised"}


def test_a_change_is_told_with_its_witness() -> None:
    changes = diff.compare(protocol_of(BASE), protocol_of(edited([("forget = 0x02", "forget = 0x03")])))
    assert diff.text_of(changes, ("old.cdx", "new.cdx")) == (
        "new.cdx:73: call-number: call 'forget' was 0x02 and is 0x03; breaks old readers and old writers\n"
        "    old client sends 02 00 00 00 07 03 04 05 06 04 61 62 63 64 00 00\n"
        '        > forget(rid 7, turn 50595078, name "abcd")\n'
        "    new server refuses it: byte 0, type: not one of its values\n"
        "    new client sends 03 00 00 00 07 03 04 05 06 04 61 62 63 64 00 00\n"
        '        > forget(rid 7, turn 50595078, name "abcd")\n'
        "    old server refuses it: byte 0, type: not one of its values\n")
    shown = "".join("    " + line for line in diff.text_of(changes, ("old.cdx", "new.cdx")).splitlines(True)[:4])
    assert shown in (ROOT / "proto" / "README.md").read_text(encoding="utf-8")
    made = json.loads(diff.json_of(changes))["changes"]
    assert [(c["rule"], c["breaks"], len(c["witnesses"])) for c in made] == [
        ("call-number", ["old readers", "old writers"], 2)]


def test_values_that_change_places_are_read_differently() -> None:
    changes = diff.compare(protocol_of(BASE), protocol_of(edited([("slow = 0;", "slow = 1;"), ("fast = 1;", "fast = 0;")])))
    assert "reads it as > find(" in diff.text_of(changes, ("old", "new"))


@pytest.mark.parametrize(("edits", "said"), [
    ([], "1.0 and 1.0 understand each other"),
    ([CASES[15][1][0]], "1.0 and 1.0 understand each other where they ask for the version first; "
     "raise the minor version to 1"),
    ([CASES[15][1][0], ("mini 1.0", "mini 1.1")], "1.0 and 1.1 understand each other where they ask for the version first"),
    ([("forget = 0x02", "forget = 0x03")], "1.0 and 1.0 do not understand each other; raise the major version to 2"),
    ([("forget = 0x02", "forget = 0x03"), ("mini 1.0", "mini 2.0")], "1.0 and 2.0 do not understand each other"),
])
def test_the_verdict_speaks_of_the_version(edits: list[tuple[str, str]], said: str) -> None:
    old, new = protocol_of(BASE), protocol_of(edited(edits))
    assert diff.verdict(old, new, diff.compare(old, new)) == said


def check_vectors(old: m.Protocol, new: m.Protocol) -> int:
    """Whatever the old parser takes, the new one takes as the same; how many messages that were."""
    taken = 0
    for frame, other in ((old.request, new.request), (old.response, new.response)):
        for vector in make_vectors(old, frame):
            data = b"".join(bytes.fromhex(word.split("*")[0]) * int((word.split("*") + ["1"])[1])
                            for word in vector.lines[0].split()[1:])
            sent, got = read_frame(old, frame, data), read_frame(new, other, data)
            if isinstance(sent, Message):
                assert isinstance(got, Message) and [*got.values.values()] == [*sent.values.values()], vector
                taken += 1
    return taken


def mutant(rng: random.Random) -> str:
    """The base with some numbers, limits and types changed, lines gone, or things renamed."""
    text = BASE
    for _ in range(rng.choice([1, 1, 2, 3, 5])):
        kind = rng.randrange(5)
        if kind == 0:
            spots = list(re.finditer(r"(?<==) *\d+|(?<=max )\d+|0x0\d", text))
            spot = rng.choice(spots)
            text = text[: spot.start()] + f" {rng.randrange(24)}" + text[spot.end():]
        elif kind == 1:
            old, new = rng.choice([("u32", "u16"), ("u16;", "u8;"), ("u8;", "u64;"), ("big", "little")])
            text = text.replace(old, new) if "correlate" not in new else text
            text = text.replace("u16 correlate", "u32 correlate")
        elif kind == 2:
            docs = [x for x in re.finditer(r"    ///[^\n]*\n[^\n]*;\n", text)]
            spot = rng.choice(docs)
            text = text[: spot.start()] + text[spot.end():]
        elif kind == 3:
            old = rng.choice(["turn", "name", "note", "slow", "fast", "find", "forget", "point", "x:"])
            text = re.sub(rf"\b{old}\b", "qq" + old, text) if ":" not in old else text.replace("x:", "qx:")
        else:
            old, new = rng.choice([("more: point", "more"), ("{ name }", "{ }"), ("{ }", "{ name }"), (" | bad", "")])
            text = text.replace(old, new, 1)
    return text


def test_no_difference_between_random_versions_is_unexplained() -> None:
    rng = random.Random(5)
    base = protocol_of(BASE)
    compared = understood = 0
    for _ in range(MUTANTS * 10):
        text = mutant(rng)
        try:
            other = protocol_of(text)
        except AssertionError:
            continue
        compared += 1
        for old, new in ((base, other), (other, base)):
            changes = diff.compare(old, new)
            assert "unexplained" not in {c.rule.name for c in changes}, diff.text_of(changes, ("old", "new")) + text
            check_witnesses(old, new, changes)
            if not any(c.breaks for c in changes):
                understood += check_vectors(old, new)
        if compared == MUTANTS:
            break
    assert compared > MUTANTS // 2 and understood > 100
