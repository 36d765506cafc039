# SPDX-License-Identifier: Apache-2.0
"""The commands on random descriptions: formatted, exported, drawn, decoded, encoded and compared.

CAUDEX_RANDOM_PROTOCOLS=N tries N more descriptions, and more mutants of the ones of messages.
"""
from __future__ import annotations

import json
import os
import random
import re
import signal
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
from cli import Failure  # noqa: E402
from decode import decode  # noqa: E402
from diagnostics import Report  # noqa: E402
from encode import encode  # noqa: E402
from examples import with_examples  # noqa: E402
from export import export  # noqa: E402
from format import format_text  # noqa: E402
from graph import graph  # noqa: E402
from load import load  # noqa: E402
from program import make_message_plan  # noqa: E402
from render import render  # noqa: E402
from resolve import resolve  # noqa: E402
from sample_parts import Sampler, TooLarge, Unlucky  # noqa: E402
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


# ---- mutants of descriptions of messages ----

MESSAGES = [ROOT / "tests/gen/lang.cdx", ROOT / "proto/resp.cdx", ROOT / "proto/memcache.cdx"]
MUTANTS = 40
SECONDS_MAX = 20   # for everything that is tried with one of them
TOKEN = re.compile(r'"(?:[^"\\\n]|\\.)*"|\w+|\s+|[^\w\s]')
NUMBERS = ["0", "1", "2", "8", "0xff", "255", "256", "65536", "4 GiB", "18446744073709551615", "18446744073709551616"]


class Hang(Exception):
    """What should have taken no time did not end."""


def _ring(*_: object) -> None:
    raise Hang


def mutated(text: str, rng: random.Random) -> str:
    """Some words gone, doubled, exchanged or replaced by others of the description."""
    tokens = TOKEN.findall(text)
    words = [at for at, t in enumerate(tokens) if not t.isspace() and not tokens[at - 1 : at] == ["///"]]
    for _ in range(rng.choice([1, 1, 1, 2, 3, 8])):
        at, other = rng.choice(words), rng.choice(words)
        kind = rng.randrange(6)
        if kind == 0:
            tokens[at] = ""
        elif kind == 1:
            tokens[at] += " " + tokens[at]
        elif kind == 2:
            tokens[at], tokens[other] = tokens[other], tokens[at]
        elif kind == 3:
            tokens[at] = rng.choice(NUMBERS)
        else:
            same = [x for x in words if tokens[x][:1].isalnum() == tokens[at][:1].isalnum()]
            tokens[at] = tokens[rng.choice(same)]
    return "".join(tokens)


def with_all_commands(text: str, base: m.Protocol, rng: random.Random) -> bool:
    """Whether the description is sound; whatever is raised besides Failure is a fault."""
    source = SourceFile("x.cdx", text)
    report = Report(source)
    try:
        loaded = load(source, report)
        p = with_examples(resolve(source, loaded, report), loaded.items, report)
        check(p, report)
        if report.found:
            assert report.text()
            return False
        if not p.messages:
            return False
        again = format_text(source, Report(source))
        assert again is not None and format_text(SourceFile("x.cdx", again), Report(source)) == again
        json.loads(export(p))
        ElementTree.fromstring(graph(p, None))
        assert render(make_message_plan(p))
        assert diff.compare(p, p) == []
        assert "unexplained" not in {c.rule.name for c in diff.compare(base, p)}
        there_and_back(p, rng)
    except Failure as failure:
        assert str(failure)
    return True


def there_and_back(p: m.Protocol, rng: random.Random) -> None:
    for message in p.messages:
        sampler = Sampler(rng, message)
        for _ in range(5):
            try:
                data = sampler.attempt()
            except (Unlucky, TooLarge):
                continue
            made = decode(p, data, "x", "binary", message.name, None, None)
            assert made.is_sound
            assert encode(p, json_of(p, made.entries, []), "x") == [(message.name, data)]


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: path.stem)
def test_no_command_stumbles_over_a_mutant_of_messages(path: Path) -> None:
    seed = int(os.environ.get("CAUDEX_SEED", "1"))
    rng = random.Random(seed)
    text = path.read_text(encoding="utf-8")
    source = SourceFile("x.cdx", text)
    report = Report(source)
    base = resolve(source, load(source, report), report)
    sound = 0
    before = signal.signal(signal.SIGALRM, _ring)
    try:
        for _ in range(MUTANTS + int(os.environ.get("CAUDEX_RANDOM_PROTOCOLS", "0"))):
            mutant = mutated(text, rng)
            signal.alarm(SECONDS_MAX)
            try:
                sound += with_all_commands(mutant, base, rng)
            except BaseException:
                Path(os.environ.get("TMPDIR", "/tmp"), f"mutant_{path.stem}_{seed}.cdx").write_text(
                    mutant, encoding="utf-8")
                raise
            finally:
                signal.alarm(0)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert sound > MUTANTS // 20
