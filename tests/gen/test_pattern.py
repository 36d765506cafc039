# SPDX-License-Identifier: Apache-2.0
"""Tests of patterns: Python's re and Ragel's machine take the same texts, and none grows too large."""
from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "gen"))
from pattern import PatternError, parse, ragel, sample  # noqa: E402

PATTERNS = 60
TEXTS = 60
RL = """\
%%{{
    machine m{n};
    alphtype unsigned char;
    main := {ragel};
}}%%
%% write data noerror noentry;
static int f{n}(const unsigned char *p, const unsigned char *pe)
{{
    int cs;
    %% write init;
    %% write exec;
    return cs >= m{n}_first_final;
}}
"""


def a_pattern(rng: random.Random, depth: int = 0) -> str:
    kind = rng.randrange(9 if depth < 3 else 4)
    if kind == 0:
        return rng.choice(["[ab]", "[^a]", "[a-c\\\\-]", "."])
    if kind < 4:
        return rng.choice(["a", "b", "c", "\\\\.", "\\\\*"])
    if kind < 6:
        return a_pattern(rng, depth + 1) + a_pattern(rng, depth + 1)
    if kind < 7:
        return f"({a_pattern(rng, depth + 1)}|{rng.choice(['', a_pattern(rng, depth + 1)])})"
    return f"({a_pattern(rng, depth + 1)})" + rng.choice(["*", "+", "?", "{2}", "{1,}", "{0,3}"])


def test_ragel_and_python_take_the_same_texts(tmp_path: Path) -> None:
    rng = random.Random(7)
    patterns = [a_pattern(rng).replace("\\\\", "\\").encode() for _ in range(PATTERNS)]
    texts = [sample(parse(p)) for p in patterns]
    texts += [bytes(rng.choice(b"abc.*-\xff") for _ in range(rng.randrange(7))) for _ in range(TEXTS)]
    for pattern, text in zip(patterns, texts):
        assert re.fullmatch(pattern, text, re.S), (pattern, text)
    machines = "".join(RL.format(n=n, ragel=ragel(parse(p))) for n, p in enumerate(patterns))
    calls = "".join(f'putchar(f{n}(t, t + n) ? 49 : 48);' for n in range(len(patterns)))
    (tmp_path / "m.rl").write_text("#include <stdio.h>\n" + machines + f"""
int main(void)
{{
    int n;
    unsigned char t[64];
    while ((n = getchar()) != EOF) {{
        (void)!fread(t, 1, (size_t)n, stdin);
        {calls}
    }}
    return 0;
}}
""")
    subprocess.run(["ragel", "-C", "-G2", "-o", "m.c", "m.rl"], cwd=tmp_path, check=True, timeout=60)
    subprocess.run([os.environ.get("CC", "cc"), "-w", "-o", "m", "m.c"], cwd=tmp_path, check=True,
                   timeout=60)
    said = subprocess.run(["./m"], cwd=tmp_path, check=True, timeout=60, capture_output=True,
                          input=b"".join(bytes([len(t)]) + t for t in texts)).stdout.decode()
    expected = "".join(str(int(bool(re.fullmatch(p, t, re.S)))) for t in texts for p in patterns)
    assert said == expected
    assert 0.05 < expected.count("1") / len(expected) < 0.95


@pytest.mark.parametrize("pattern", [
    b"(a|b)*a(a|b){12}", b"((a{99}){99}){99}", b"[a-z]{1,201}", b"(((a|b)*c)*d){390}",
    b".{0,100}" * 3, b"(" * 40 + b"a" + b")" * 40,
])
def test_what_grows_too_large_is_refused_at_once(pattern: bytes) -> None:
    began = time.monotonic()
    with pytest.raises(PatternError):
        parse(pattern)
    assert time.monotonic() - began < 5


def test_noise_is_read_or_refused() -> None:
    rng = random.Random(11)
    for _ in range(3000):
        text = bytes(rng.choice(b"ab.*+?()[]{}|^$\\-,019\xff") for _ in range(rng.randrange(12)))
        try:
            made = parse(text)
        except PatternError:
            continue
        assert re.fullmatch(text, sample(made), re.S), text
