# SPDX-License-Identifier: Apache-2.0
"""Tests of `caudexc format`: it says the same, keeps comments, and formatting twice changes nothing."""
from __future__ import annotations

import random
import re
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "gen"))
from diagnostics import Report  # noqa: E402
from dump import dump  # noqa: E402
import format  # noqa: E402
from format import COLUMNS_MAX, format_text  # noqa: E402
from load import GRAMMAR, load  # noqa: E402
from resolve import resolve  # noqa: E402
from source import SourceFile  # noqa: E402

GOOD = [*sorted((HERE / "good").glob("*.cdx")), HERE / "tiny.cdx", HERE / "lang.cdx",
        *sorted((ROOT / "proto").glob("*.cdx"))]
SMALL = [HERE / "good" / "mini.cdx", HERE / "good" / "plain.cdx"]
RELAID = 200
MUTANTS = 2000
SECONDS_MAX = 5.0


def formatted(text: str) -> str | None:
    source = SourceFile("x.cdx", text)
    return format_text(source, Report(source))


def meaning(text: str) -> str:
    """The model without its places."""
    source = SourceFile("x.cdx", text)
    report = Report(source)
    made = dump(resolve(source, load(source, report), report))
    assert not report.found
    return re.sub(r'"\d+:\d+\+\d+"', '""', made)


@pytest.mark.parametrize("path", GOOD, ids=lambda p: p.stem)
def test_our_descriptions_are_in_canonical_form(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert formatted(text) == text


@pytest.mark.parametrize(("before", "after"), [
    ("type a=bytes<u8 ,max 16 KiB+3> ;", "type a = bytes<u8, max 16 KiB + 3>;\n"),
    ("enum e:u8{\n///x\na=0;\n///  y \nlonger=0x1F more;}",
     "enum e : u8 {\n    /// x\n    a      = 0;\n    ///  y\n    longer = 0x1F more;\n}\n"),
    ("call c=1{request{}response{key,val:v}|bad}",
     "call c = 1 {\n    request  { }\n    response { key, val: v } | bad\n}\n"),
    ("protocol p 1.0{endian big;port 7;}", "protocol p 1.0 {\n    endian big;\n    port   7;\n}\n"),
    ("struct s{}", "struct s {\n}\n"),
    ("type a = // why\n bytes<u8, max 1>;", "// why\ntype a = bytes<u8, max 1>;\n"),
    ("struct s { // behind\n\n\n// own\n\n\na:u8;//x\nbcd:u8;  // y\n\n// last\n\n}// end\n//free",
     "struct s {  // behind\n    // own\n\n    a: u8;    //x\n    bcd: u8;  // y\n\n    // last\n}  // end\n"
     "\n//free\n"),
    ("call c=1{request{}// one\n// two\nrow{a}}",
     "call c = 1 {\n    request  { }  // one\n    // two\n    row      { a }\n}\n"),
    ("struct request { }\nstruct row{ }", "struct request {\n}\n\nstruct row {\n}\n"),
    ("call c=1{response row|request example c(row 1)->row(row \"->, |\")}",
     'call c = 1 {\n    response row | request\n    example  c(row 1) -> row(row "->, |")\n}\n'),
])
def test_canonical_form(before: str, after: str) -> None:
    assert formatted(before) == after


def test_long_lines_are_broken_outside_parentheses_first() -> None:
    rows = ", ".join(f'row(rid 1, name "{n}" , note "aaaaaaaaaaaaaaaa")' for n in range(3))
    text = formatted(f"call c = 1 {{ example c(rid 1, name \"x\") -> {rows}, ok(rid 1) }}")
    assert text == (
        'call c = 1 {\n    example  c(rid 1, name "x")\n'
        '          -> row(rid 1, name "0", note "aaaaaaaaaaaaaaaa"),\n'
        '             row(rid 1, name "1", note "aaaaaaaaaaaaaaaa"),\n'
        '             row(rid 1, name "2", note "aaaaaaaaaaaaaaaa"), ok(rid 1)\n}\n')


def test_a_line_that_cannot_be_broken_stays() -> None:
    name = "a" * 200
    assert formatted(f"type {name} = bytes<u8, max 1>;") is not None
    assert f'c(a "{name}")\n' in (formatted(f'call c = 1 {{ example c(a "{name}") -> ok() }}') or "")


def test_what_cannot_be_parsed_is_told_and_not_formatted() -> None:
    source = SourceFile("x.cdx", "type a = bytes<u8 max 1>;")
    report = Report(source)
    assert format_text(source, report) is None and report.found


def test_a_fault_of_the_formatter_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(format, "_broken", lambda text, statement: [])
    with pytest.raises(format.FormatError, match="x.cdx: formatting would change what is said; nothing was written"):
        formatted("struct s { }")


def relaid(text: str, rng: random.Random) -> tuple[str, list[str]]:
    """The same words with other spaces and with comments between them, and those comments."""
    parts: list[str] = []
    comments: list[str] = []
    before = None
    for token in GRAMMAR.lex(text):
        gap = rng.choice(["", " ", "  ", "\t", "\n", " \n\n", "\r\n"[1:]])
        if before is None or before.type == "DOC":
            gap = "\n" * (before is not None)
        elif token.type == "DOC":
            gap += "\n"
        elif before[-1].isalnum() or before == "_" or token == "-":
            gap = gap or " "
        if (before is None or before.type != "DOC") and rng.random() < 0.15:
            comments.append(f"// {len(comments)} {rng.choice(['{', '}', ';', '->', 'row', '/// x', chr(34)])}")
            gap += f"{comments[-1]}\n"
        parts += [gap, str(token)]
        before = token
    return "".join(parts) + "\n", comments


def test_any_layout_becomes_the_canonical_one() -> None:
    rng = random.Random(7)
    texts = [path.read_text(encoding="utf-8") for path in SMALL]
    for _ in range(RELAID):
        text = rng.choice(texts)
        other, comments = relaid(text, rng)
        made = formatted(other)
        assert made is not None, other
        assert formatted(made) == made, other
        assert [c for c in comments if c not in made] == [], other
        assert meaning(made) == meaning(text)
        if not comments:
            assert re.sub(r"\n\n(?= )", "\n", made) == re.sub(r"\n\n(?= )", "\n", text)


def mutant(words: list[str], all_words: list[str], rng: random.Random) -> str:
    words = list(words)
    for _ in range(rng.choice([1, 1, 2, 6])):
        at = rng.randrange(len(words))
        kind = rng.randrange(4)
        if kind == 0:
            del words[at : at + rng.choice([1, 1, 3, 30])]
        elif kind == 1:
            words.insert(at, rng.choice(all_words))
        elif kind == 2:
            words[at] = rng.choice(["{", "}", '"', "///x\n", "//x", "\x00", "é", "0x", "\n\n", "a" * 120])
        else:
            other = rng.randrange(len(words))
            words[at:at] = words[other : other + rng.choice([1, 5, 40])]
        words = words or ["x"]
    return "".join(words)


def test_mutants_are_formatted_or_refused() -> None:
    rng = random.Random(20260101)
    texts = [re.findall(r'//[^\n]*|"[^"\n]*"|\w+|\s+|.', path.read_text(encoding="utf-8")) for path in SMALL]
    words = sorted({word for text in texts for word in text})
    accepted = 0
    for number in range(MUTANTS):
        text = mutant(rng.choice(texts), words, rng)
        start = time.monotonic()
        made = formatted(text)
        if made is not None:
            assert formatted(made) == made, f"mutant {number}:\n{text}"
            accepted += 1
        assert time.monotonic() - start < SECONDS_MAX
    assert MUTANTS // 20 < accepted < MUTANTS


def test_only_what_cannot_be_broken_makes_a_line_too_long() -> None:
    for path in GOOD:
        for line in path.read_text(encoding="utf-8").split("\n"):
            assert len(line) <= COLUMNS_MAX or line.lstrip().startswith("//"), line
