# SPDX-License-Identifier: Apache-2.0
"""Tests of gen/layout.py: line breaks, columns of comments, line numbers."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "gen"))
import layout  # noqa: E402

SHORT = "int f(int a, int b);"
LONG = "static inline enum cdx_status kv_list_request_encode(struct cdx_out *out, uint32_t rid, struct cdx_bytes key);"


@pytest.mark.parametrize("line", [SHORT, "#define X " + "y" * 120, "x" * 120, ""])
def test_lines_that_fit_or_cannot_be_broken_stay(line: str) -> None:
    assert layout.fold(line) == [line]


def test_a_long_line_breaks_behind_a_comma_under_its_parenthesis() -> None:
    assert layout.fold(LONG) == [
        "static inline enum cdx_status kv_list_request_encode(struct cdx_out *out, uint32_t rid,",
        "                                                     struct cdx_bytes key);",
    ]


def test_the_outermost_parentheses_break_first() -> None:
    call = "    x = f(" + "a" * 40 + ", g(" + "b" * 30 + ", " + "c" * 30 + "));"
    assert layout.fold(call) == ["    x = f(" + "a" * 40 + ",", "          g(" + "b" * 30 + ", " + "c" * 30 + "));"]


def test_conditions_break_behind_their_operators() -> None:
    line = "    if (" + "a" * 50 + " || " + "b" * 50 + ")"
    assert layout.fold(line) == ["    if (" + "a" * 50 + " ||", "        " + "b" * 50 + ")"]


def test_folded_lines_say_the_same() -> None:
    assert "".join("".join(layout.fold(LONG)).split()) == "".join(LONG.split())


def test_comments_of_neighbours_stand_in_one_column() -> None:
    assert layout.align(["    int a; /* x */", "    uint64_t b; /* y */", "", "    c, /* z */"]) == [
        "    int a;      /* x */", "    uint64_t b; /* y */", "", "    c, /* z */"]


def test_here_becomes_the_next_line_of_the_file() -> None:
    text = "a\n#line 7 \"proto/kv.cdx\"\nb\n#line HERE\nc\n"
    assert layout.finish(text, "x.c") == "a\n#line 7 \"proto/kv.cdx\"\nb\n#line 5 \"x.c\"\nc\n"


def test_here_counts_folded_lines() -> None:
    assert layout.finish(LONG + "\n#line HERE\nc", "x.c").split("\n")[2:] == ['#line 4 "x.c"', "c"]
