# SPDX-License-Identifier: Apache-2.0
"""Tests of `caudexc explain`: every code has its text, its example is wrong and its repair right."""
from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "gen"))
from check import check  # noqa: E402
from diagnostics import CODES, Report  # noqa: E402
from examples import with_examples  # noqa: E402
from explain import Explanation, explanations  # noqa: E402
from format import format_text  # noqa: E402
from load import load  # noqa: E402
from resolve import resolve  # noqa: E402
from source import SourceFile  # noqa: E402

KEY = re.compile(r"^(protocol|type \w+|enum \w+|struct \w+|frame \w+|any call|call \w+)\b", re.M)
EXPLANATIONS = explanations()
# What an example does not show.
AROUND = """\
/// Looks names up.
protocol mini 1.0 {
    endian big;
    port   7;
}

/// A name.
type label = bytes<u8, max 20>;

/// What became of a request.
enum status : u8 {
    /// Done.
    ok = 0;
}

/// What is asked.
frame request {
    /// The call.
    type: call;
    /// The request's mark.
    rid: u32 correlate;
    /// Whom.
    name: label;
}

/// What is answered.
frame response {
    /// What became of it.
    status: status;
    /// The request's mark.
    rid: u32 correlate;
    /// Who.
    name: label;
}

/// Finds.
call find = 0x01 {
    request  { name }
    response { name }
}
"""


def whole(example: str) -> str:
    """The example with the items that it does not show."""
    if example.startswith("// The whole file"):
        return example
    example = example.replace("    // … and a thousand fields more\n", "".join(
        f"    /// One.\n    f{n}: u64;\n" for n in range(1000)))
    shown = set(KEY.findall(example))
    if re.search(r"^message ", example, re.M):  # such a protocol has neither frames nor calls
        return example if "protocol" in shown else AROUND.split("\n\n")[0] + "\n\n" + example
    around = re.split(r"(?<=\n)\n(?=///)", AROUND)
    return "\n".join([item for item in around if KEY.search(item)[0] not in shown] + [example])


def codes_of(text: str) -> set[str]:
    source = SourceFile("example.cdx", text)
    report = Report(source)
    loaded = load(source, report)
    protocol = with_examples(resolve(source, loaded, report), loaded.items, report)
    check(protocol, report)
    return {d.code for d in report.found}


def test_every_code_is_explained_under_its_own_title() -> None:
    assert {e.code: e.title for e in EXPLANATIONS.values()} == CODES


@pytest.mark.parametrize("explanation", EXPLANATIONS.values(), ids=EXPLANATIONS)
def test_the_example_has_the_error_and_the_repair_none(explanation: Explanation) -> None:
    assert explanation.code in codes_of(whole(explanation.wrong))
    assert codes_of(whole(explanation.right)) == set()


@pytest.mark.parametrize("explanation", EXPLANATIONS.values(), ids=EXPLANATIONS)
def test_repairs_are_in_canonical_form(explanation: Explanation) -> None:
    source = SourceFile("right.cdx", explanation.right)
    if "//" not in explanation.right.split("\n")[0].replace("///", ""):
        assert format_text(source, Report(source)) == explanation.right
