# SPDX-License-Identifier: Apache-2.0
"""Random descriptions, generated, compiled with all warnings as errors, and run on random inputs.

What runs are the generated fuzz harnesses: both parsers by two different cuts, every encoder by
round trip. CAUDEX_RANDOM_PROTOCOLS=N runs N more descriptions than the ones that found a fault.
"""
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = os.environ.get("GEN_PYTHON", sys.executable)
CC = os.environ.get("CC", "cc")
FLAGS = (
    "-g -O1 -std=c17 -D_GNU_SOURCE -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes "
    "-Wmissing-prototypes -Wundef -Werror -fsanitize=address,undefined -fno-sanitize-recover=all"
).split()
WIDTHS = {"u8": 1, "u16": 2, "u32": 4, "u64": 8}
TAIL_MAX = 40

FAULTS = {
    3: "an enum in front of the call was taken for the call",
    6: "a limit of all that a length can say made a comparison that is always false",
    17: "without structs and without a field behind the bytes, functions and parameters were unused",
}
MORE = range(100, 100 + int(os.environ.get("CAUDEX_RANDOM_PROTOCOLS", "0")))


class Description:
    """A random description; `text` is the whole file, with things that may turn out to be unused."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.mode_width = self.random.choice(list(WIDTHS))
        self.lines: list[str] = []
        self.add("protocol", "protocol rp 1.2 {", f"endian {self.random.choice(['big', 'little'])};",
                 "port 7;", "prefix rp;", "}")
        self.types = [self.bytes_type(i) for i in range(self.random.randrange(1, 4))]
        self.add("tail", f"type tail = bytes<rest, max {TAIL_MAX}>;")
        self.enum("st", self.random.choice(list(WIDTHS)), "ok = 1;", "row = 5 more;", "bad = 200;")
        self.enum("md", self.mode_width, "aa = 1;", "bb = 77;")
        self.counted = {kind: self.frame(kind) for kind in ("request", "response")}
        self.structs = [self.struct(i) for i in range(2)]
        for i, number in enumerate(self.random.sample(range(256), 3)):
            self.add("call", f"call c{i} = {number} {{", f"request {self.shape('request')}",
                     f"row {self.shape('response')}",
                     f"response {self.shape('response')} | bad {self.shape('response')}", "}")
        self.text = "\n".join(self.lines) + "\n"

    def add(self, doc: str, *lines: str) -> None:
        self.lines += [f"/// {doc}", *lines]

    def bytes_type(self, index: int) -> tuple[str, int]:
        width = self.random.choice(["u8", "u16", "u32"])
        most = self.random.choice([1, 2, 7, 200, 255] if width == "u8" else [1, 30, 300, 3000])
        self.add("t", f"type t{index} = bytes<{width}, max {most}>;")
        return f"t{index}", most

    def enum(self, name: str, width: str, *values: str) -> None:
        self.add(name, f"enum {name} : {width} {{", *(x for v in values for x in ("/// v", v)), "}")

    def frame(self, kind: str) -> list[tuple[str, int]]:
        """The call stands before the bytes, all else anywhere."""
        scalars = [*WIDTHS, "md"] if kind == "request" else list(WIDTHS)
        numbers = [(f"n{i}", self.random.choice(scalars)) for i in range(self.random.randrange(4))]
        counted = [(f"b{i}", self.random.choice(self.types)) for i in range(self.random.randrange(1, 4))]
        first = self.random.sample(numbers, self.random.randrange(len(numbers) + 1))
        rest = [n for n in numbers if n not in first]
        rest += [("rid", "u32 correlate"), *((name, t[0]) for name, t in counted)]
        if kind == "request":
            first.append(("sel", "call"))
        else:
            rest.append(("sel", "st"))
        self.random.shuffle(first)
        self.random.shuffle(rest)
        fields = [x for name, t in [*first, *rest] for x in ("/// f", f"{name}: {t};")]
        self.add(kind, f"frame {kind} {{", *fields, "}")
        return [(name, t[1]) for name, t in counted]

    def struct(self, index: int) -> tuple[str, int]:
        fields = [(f"m{i}", self.random.choice([*WIDTHS, "md"])) for i in range(self.random.randrange(3))]
        if not fields or self.random.random() < 0.5:
            fields.append(("z", "tail"))
        self.add("s", f"struct s{index} {{", *(x for n, t in fields for x in ("/// f", f"{n}: {t};")), "}")
        sizes = {**WIDTHS, "md": WIDTHS[self.mode_width], "tail": TAIL_MAX}
        return f"s{index}", sum(sizes[t] for _, t in fields)

    def shape(self, kind: str) -> str:
        """At most one body, and only where it fits."""
        uses = []
        body = False
        for name, most in self.counted[kind]:
            struct, nbytes = self.random.choice(self.structs)
            if self.random.random() < 0.4:
                continue
            if not body and nbytes <= most and self.random.random() < 0.5:
                uses.append(f"{name}: {struct}")
                body = True
            else:
                uses.append(name)
        return "{ " + ", ".join(uses) + " }"


def run(*command: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)


def without_unused(text: str, messages: str) -> str:
    """The description without the items that the compiler calls unused."""
    for name in re.findall(r"error\[CDX0314\]: \w+ '(\w+)' is used by nothing", messages):
        text = re.sub(rf"/// \w+\ntype {name} = [^\n]*\n", "", text)
        text = re.sub(rf"/// \w+\n(?:struct|enum) {name} [^}}]*}}\n", "", text)
    return text


def generate(folder: Path, text: str) -> None:
    """Unused items go first; whatever else is refused is a fault of this test."""
    for _ in range(8):
        (folder / "rp.cdx").write_text(text)
        done = run(PYTHON, "-I", "-B", str(ROOT / "gen"), "rp.cdx", "--out", "g", cwd=folder)
        if done.returncode == 0:
            return
        shorter = without_unused(text, done.stderr)
        assert shorter != text, done.stderr
        text = shorter


def sources() -> Iterator[str]:
    yield from ("g/rp_request.c", "g/rp_response.c", "g/rp_encode.c")
    yield str(ROOT / "tests/gen/random_inputs.c")
    for name in ("wire", "base"):
        yield from (str(path) for path in sorted((ROOT / "src" / name).glob("*.c")))


@pytest.mark.skipif(shutil.which("ragel") is None, reason="ragel is not installed")
@pytest.mark.parametrize("seed", [*FAULTS, *MORE])
def test_a_random_protocol_keeps_its_promises(seed: int, tmp_path: Path) -> None:
    generate(tmp_path, Description(seed).text)
    for frame in ("request", "response"):
        done = run("ragel", "-C", "-G2", "-I.", "-o", f"rp_{frame}.c", f"rp_{frame}.rl", cwd=tmp_path / "g")
        assert done.returncode == 0, done.stderr
    includes = [f"-I{ROOT}/include", "-Ig/include", "-Ig"]
    for harness in ("parse", "roundtrip"):
        done = run(CC, *FLAGS, *includes, "-o", harness, f"g/fuzz_rp_{harness}.c", *sources(), cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        done = run(f"./{harness}", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
