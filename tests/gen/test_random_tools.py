# SPDX-License-Identifier: Apache-2.0
"""The commands on random descriptions: formatted, exported, drawn, decoded, encoded and compared.

CAUDEX_RANDOM_PROTOCOLS=N tries N more descriptions.
"""
from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SEEDS = [*range(25), *range(100, 100 + int(os.environ.get("CAUDEX_RANDOM_PROTOCOLS", "0")))]
sys.dont_write_bytecode = True
sys.path[:0] = [str(ROOT / "gen"), str(HERE)]
import diff  # noqa: E402
import model as m  # noqa: E402
from check import check  # noqa: E402
from decode import decode  # noqa: E402
from diagnostics import Report  # noqa: E402
from encode import encode  # noqa: E402
from examples import with_examples  # noqa: E402
from export import export  # noqa: E402
from format import format_text  # noqa: E402
from graph import graph  # noqa: E402
from load import load  # noqa: E402
from resolve import resolve  # noqa: E402
from source import SourceFile  # noqa: E402
from test_decode import LARGE, spelled  # noqa: E402
from test_format import meaning  # noqa: E402
from test_random_protocols import Description, without_unused  # noqa: E402
from transcript import json_of, line_of  # noqa: E402
from vectors import make_vectors  # noqa: E402


def described(seed: int) -> m.Protocol:
    """A random protocol without what is unused."""
    text = Description(seed).text
    for _ in range(8):
        source = SourceFile("x.cdx", text)
        report = Report(source)
        loaded = load(source, report)
        protocol = with_examples(resolve(source, loaded, report), loaded.items, report)
        check(protocol, report)
        if not report.found:
            return protocol
        text = without_unused(text, report.text())
    raise AssertionError(report.text())


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_description_can_be_formatted_exported_and_drawn(seed: int) -> None:
    p = described(seed)
    text = format_text(p.source, Report(p.source))
    assert text is not None and meaning(text) == meaning(p.source.text)
    assert format_text(SourceFile("x.cdx", text), Report(p.source)) == text
    assert {c["name"] for c in json.loads(export(p))["calls"]} == {c.name for c in p.calls}
    for item in [None, *(x.name for x in (*p.frames, *p.calls, *p.structs))]:
        ElementTree.fromstring(graph(p, item))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_protocol_is_decoded_and_encoded_back(seed: int) -> None:
    p = described(seed)
    for frame in p.frames:
        for vector in make_vectors(p, frame):
            data = spelled(vector.lines[0])
            if len(data) > LARGE:
                continue
            for call in [None, *(c.name for c in p.calls if frame is p.response)]:
                made = decode(p, data, "x", "binary", frame.name, call, None)
                refused = vector.lines[-1].startswith("error")
                assert refused == (not made.is_sound) or call is not None, vector
                for text in ("".join(line_of(e) + "\n" for e in made.entries), json_of(p, made.entries, [])):
                    assert encode(p, text, "x") == [(frame.name, data)], text


@pytest.mark.parametrize("seed", SEEDS)
def test_every_difference_of_two_random_protocols_has_a_rule(seed: int) -> None:
    old, new = described(seed), described(seed + 1)
    assert diff.compare(old, old) == []
    changes = diff.compare(old, new)
    assert "unexplained" not in {c.rule.name for c in changes}, diff.text_of(changes, ("old", "new"))
    assert any(c.breaks for c in changes)
