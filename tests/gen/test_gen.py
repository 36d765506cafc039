# SPDX-License-Identifier: Apache-2.0
"""Tests of the generator: its diagnostics, its outputs, and that nothing makes it stumble.

bad/<code>_<mistake>.cdx has the exact messages beside it in .err; good/<case>.cdx has what the
checks passed on in .json. `python3 tests/gen/test_gen.py` writes both anew, to be reviewed.
"""
from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
GEN = ROOT / "gen"
BAD = sorted((HERE / "bad").glob("*.cdx"))
GOOD = sorted((HERE / "good").glob("*.cdx"))
MESSAGES = [HERE / "lang.cdx", ROOT / "proto" / "memcache.cdx"]
DESCRIPTIONS = [*GOOD, HERE / "tiny.cdx", ROOT / "proto" / "kv.cdx", *MESSAGES]
MUTANTS = 2000
MUTANT_SECONDS_MAX = 5.0

sys.dont_write_bytecode = True
sys.path.insert(0, str(GEN))
import model  # noqa: E402
import names  # noqa: E402
from diagnostics import CODES, Report  # noqa: E402
from load import load  # noqa: E402
from render import render  # noqa: E402
from resolve import resolve  # noqa: E402
from source import SourceFile  # noqa: E402


def _main_module():
    spec = importlib.util.spec_from_file_location("caudexc", GEN / "__main__.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CAUDEXC = _main_module()


def run(*arguments: str) -> subprocess.CompletedProcess:
    """The generator as the build calls it."""
    return subprocess.run([sys.executable, "-I", "-B", str(GEN), *arguments],
                          capture_output=True, text=True, timeout=60, check=False)


def call(*arguments: str) -> tuple[int, str, str]:
    """Like run(), but in this process: for tests that need it often."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = CAUDEXC.main(list(arguments))
    return status, out.getvalue(), err.getvalue()


def messages_of(path: Path) -> str:
    return call(str(path), "--name", path.name)[2]


def model_of(path: Path) -> str:
    return call(str(path), "--name", path.name, "--dump-after", "check")[1]


# ---- diagnostics ----

@pytest.mark.parametrize("path", BAD, ids=lambda p: p.stem)
def test_a_mistake_is_told_exactly_so(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    status, told, errors = call(str(path), "--name", path.name, "--out", str(out),
                                "--stamp", str(tmp_path / "stamp"))
    assert errors == path.with_suffix(".err").read_text(encoding="utf-8")
    assert (status, told) == (1, "")
    assert list(tmp_path.iterdir()) == [], "nothing is written when there is an error"


@pytest.mark.parametrize("path", BAD, ids=lambda p: p.stem)
def test_a_case_shows_the_code_that_it_is_named_for(path: Path) -> None:
    found = set(re.findall(r"error\[(\w+)\]", path.with_suffix(".err").read_text(encoding="utf-8")))
    assert path.stem.split("_")[0].upper() in found
    assert found <= set(CODES)


def test_every_code_has_a_case() -> None:
    assert {path.stem.split("_")[0].upper() for path in BAD} == set(CODES)


def test_every_code_is_in_the_language_reference() -> None:
    text = (ROOT / "proto" / "README.md").read_text(encoding="utf-8")
    assert [code for code in CODES if code not in text] == []


def test_the_language_reference_shows_messages_that_are_told() -> None:
    text = (ROOT / "proto" / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\| (CDX\d+) \| (.*) \| (.*) \|$", text, flags=re.M)
    assert {code: what for code, what, _ in shown} == CODES
    told = "".join(path.with_suffix(".err").read_text(encoding="utf-8") for path in BAD)
    assert [e for code, _, e in shown if f"error[{code}]: {e}\n" not in told] == []


@pytest.mark.parametrize("path", BAD, ids=lambda p: p.stem)
def test_every_error_says_where_and_what_to_do(path: Path) -> None:
    text = path.with_suffix(".err").read_text(encoding="utf-8")
    blocks = re.split(r"^(?=\S+: error\[)", text, flags=re.M)[1:]
    assert blocks
    for block in blocks:
        assert re.match(rf"{re.escape(path.name)}:\d+:\d+: error", block), block
        assert re.search(r"^  help: \S", block, flags=re.M), block
        if "is not UTF-8" not in block:  # such a line cannot be shown
            assert re.search(r"^ +\d+ \|.*\n +\| +\^+$", block, flags=re.M), block


@pytest.mark.parametrize("path", BAD, ids=lambda p: p.stem)
def test_the_caret_stands_under_the_place(path: Path) -> None:
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    text = path.with_suffix(".err").read_text(encoding="utf-8")
    found = re.findall(r":(\d+):(\d+): (?:error|note).*\n.*\n +\|( +\^+)\n", text)
    for line, column, caret in found:
        if len(lines[int(line) - 1]) <= 100:
            assert caret.index("^") == int(column)
    assert found or "CDX0101" in text


def test_line_ends_of_windows_and_a_byte_order_mark_change_nothing(tmp_path: Path) -> None:
    plain = (HERE / "good" / "mini.cdx").read_text(encoding="utf-8")
    path = tmp_path / "mini.cdx"
    path.write_bytes(b"\xef\xbb\xbf" + plain.replace("\n", "\r\n").encode())
    assert model_of(path) == (HERE / "good" / "mini.json").read_text(encoding="utf-8")


def test_files_that_are_no_description(tmp_path: Path) -> None:
    large = tmp_path / "large.cdx"
    large.write_bytes(random.Random(1).randbytes(10_000_000))
    for path, said in ((tmp_path / "none.cdx", "No such file"), (tmp_path, "Is a directory"),
                       (large, "more than 262144 bytes"), (Path("/dev/zero"), "more than 262144")):
        status, told, errors = call(str(path))
        assert (status, told) == (1, "") and said in errors and "error[CDX0101]" in errors


@pytest.mark.parametrize("text", [
    "struct a {\n" * 20000, "@\n" * 100000, "{" * 250000, "a;" * 100000, '"' * 250000,
    "/// x\n" * 40000, "call c = 1 { example c(a " + "{a " * 80000, "9" * 250000, "\x01" * 250000,
    "/// x\ntype a = bytes<u8, max 1>;\n" * 8000, "call x = 1 {}" * 19000,
], ids=range(11))
def test_long_files_of_one_kind_end_soon(text: str, tmp_path: Path) -> None:
    path = tmp_path / "long.cdx"
    path.write_text(text, encoding="utf-8")
    start = time.monotonic()
    status, _, errors = call(str(path))
    assert status == 1 and errors.count("error[") <= 50
    assert time.monotonic() - start < 30


def test_mutants_never_make_it_stumble(tmp_path: Path) -> None:
    rng = random.Random(20240229)
    small = [_tokens(path) for path in GOOD]
    words = sorted({word for tokens in small for word in tokens if not word.isspace()})
    path = tmp_path / "mutant.cdx"
    accepted = 0
    for number in range(MUTANTS):
        text = "".join(_mutant(rng.choice(small), words, rng))
        path.write_text(text, encoding="utf-8", newline="")
        start = time.monotonic()
        status, _, errors = call(str(path), "--name", "mutant.cdx")
        assert status in (0, 1) and (status == 0) == (errors == ""), f"mutant {number}:\n{text}"
        assert time.monotonic() - start < MUTANT_SECONDS_MAX
        accepted += status == 0
    assert 0 < accepted < MUTANTS


def _tokens(path: Path) -> list[str]:
    return re.findall(r'///[^\n]*|"[^"\n]*"|\w+|\s+|.', path.read_text(encoding="utf-8"))


def _mutant(tokens: list[str], words: list[str], rng: random.Random) -> list[str]:
    odd = ["0", "99999999999999999999", "u64", "rest", "any", '"', "\\", "é", "0x", "\x00", "int"]
    tokens = list(tokens)
    for _ in range(rng.choice([1, 1, 1, 2, 3, 8])):
        at, other = rng.randrange(len(tokens)), rng.randrange(len(tokens))
        kind = rng.randrange(5)
        if kind == 0:
            del tokens[at : at + rng.choice([1, 1, 2, 20])]
        elif kind == 1:
            tokens.insert(at, rng.choice(words))
        elif kind == 2:
            tokens[at] = rng.choice(odd)
        elif kind == 3:
            tokens[at], tokens[other] = tokens[other], tokens[at]
        else:
            tokens[at:at] = tokens[other : other + rng.choice([1, 5, 40])]
        tokens = tokens or ["x"]
    return tokens


# ---- passes ----

@pytest.mark.parametrize("path", GOOD, ids=lambda p: p.stem)
def test_a_description_means_what_it_meant(path: Path) -> None:
    assert model_of(path) == path.with_suffix(".json").read_text(encoding="utf-8")


@pytest.mark.parametrize("pass_name", CAUDEXC.PASSES)
def test_every_pass_can_be_looked_into(pass_name: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run(str(ROOT / "proto" / "kv.cdx"), "--dump-after", pass_name, "--out", str(out))
    assert done.returncode == 0 and json.loads(done.stdout)
    assert not out.exists()


def test_the_worst_case_of_a_connection_is_told() -> None:
    out = call(str(HERE / "good" / "mini.cdx"))[1]
    assert "at most 20 bytes of one message are held (name 20)" in out


@pytest.mark.parametrize("arguments", [
    [], ["a.cdx", "b.cdx"], ["a.cdx", "--unknown"], ["a.cdx", "--dump-after", "dinner"],
    ["a.cdx", "--depfile", "d"], ["a.cdx", "--name", 'a"b'], ["a.cdx", "--name", "a*/b"],
])
def test_wrong_usage_is_status_2(arguments: list[str]) -> None:
    assert run(*arguments).returncode == 2


# ---- outputs ----

def test_outputs_depend_on_nothing_but_the_description(tmp_path: Path) -> None:
    shutil.copy(HERE / "tiny.cdx", tmp_path / "elsewhere.cdx")
    for out, path in (("a", HERE / "tiny.cdx"), ("b", tmp_path / "elsewhere.cdx")):
        done = run(str(path), "--name", "tiny.cdx", "--out", str(tmp_path / out))
        assert done.returncode == 0, done.stderr
    a, b = _files(tmp_path / "a"), _files(tmp_path / "b")
    assert a == b and len(a) > 10
    assert not any(str(tmp_path).encode() in text for text in a.values())


def _files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_only_what_changed_is_written_and_the_stamp_always(tmp_path: Path) -> None:
    out, stamp, depfile = tmp_path / "out", tmp_path / "s t", tmp_path / "d"
    arguments = [str(HERE / "tiny.cdx"), "--out", str(out), "--stamp", str(stamp),
                 "--depfile", str(depfile)]
    assert call(*arguments)[0] == 0
    for path in [*out.rglob("*"), stamp]:
        os.utime(path, (1, 1))
    changed = out / "tiny.dict"
    changed.write_text("an edit", encoding="utf-8")
    assert call(*arguments)[0] == 0
    newer = {p.name for p in out.rglob("*") if p.is_file() and p.stat().st_mtime > 1}
    assert newer == {"tiny.dict"} and changed.read_text(encoding="utf-8") != "an edit"
    assert stamp.stat().st_mtime > 1
    rule = depfile.read_text(encoding="utf-8")
    assert rule.startswith(str(stamp).replace(" ", "\\ ") + ": ")
    for needed in ("tiny.cdx", "check.py", "cdx.lark", "header.h.j2"):
        assert needed in rule


def test_what_is_no_longer_generated_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "p.cdx"
    text = (HERE / "good" / "mini.cdx").read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    assert call(str(path), "--out", str(tmp_path / "out"))[0] == 0
    own = tmp_path / "out" / "mine.txt"
    own.write_text("not generated", encoding="utf-8")
    path.write_text(text.replace("prefix mini", "prefix other"), encoding="utf-8")
    assert call(str(path), "--out", str(tmp_path / "out"))[0] == 0
    left = {p.name for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert not any("mini" in name for name in left) and {"other.h", "mine.txt"} <= left


def test_a_mistake_leaves_the_outputs_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "p.cdx"
    text = (HERE / "good" / "mini.cdx").read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    assert call(str(path), "--out", str(tmp_path / "out"))[0] == 0
    before = _files(tmp_path / "out")
    path.write_text(text.replace("prefix mini", "prefix Mini"), encoding="utf-8")
    assert call(str(path), "--out", str(tmp_path / "out"))[0] == 1
    assert _files(tmp_path / "out") == before


def test_a_full_disk_leaves_no_half_written_file(tmp_path: Path, monkeypatch) -> None:
    def fail(self: Path, data: bytes) -> int:
        self.touch()
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_bytes", fail)
    status, _, errors = call(str(HERE / "tiny.cdx"), "--out", str(tmp_path / "out"))
    assert status == 1 and "No space left on device" in errors
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    status, _, errors = call(str(HERE / "tiny.cdx"), "--out", str(tmp_path / "file" / "out"))
    assert status == 1 and errors.startswith("caudexc: ")


# ---- generated C ----

WARNINGS = ("-Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla "
            "-Wundef -Wformat=2 -Werror").split()


@pytest.fixture(scope="module", params=DESCRIPTIONS, ids=lambda p: p.stem)
def generated(request, tmp_path_factory):
    """A description, and the folder of its outputs with its parsers made by Ragel."""
    out = tmp_path_factory.mktemp(request.param.stem)
    status, _, errors = call(str(request.param), "--name", request.param.name, "--out", str(out))
    assert status == 0, errors
    return request.param, out


@pytest.mark.skipif(shutil.which("ragel") is None, reason="ragel is not installed")
def test_generated_c_compiles_without_warnings(generated) -> None:
    path, out = generated
    for grammar in [p for p in out.glob("*.rl") if not p.stem.endswith("_grammar")]:
        subprocess.run(["timeout", "60", "ragel", "-C", "-G2", "-I", ".", "-o", grammar.stem + ".c",
                        grammar.name], cwd=out, check=True)
    sources = [str(p) for p in out.glob("*.c") if not p.name.startswith("fuzz_")]
    assert len(sources) >= (2 if path in MESSAGES else 4)
    done = subprocess.run(["cc", "-std=c17", "-O1", "-fsyntax-only", *WARNINGS, f"-I{ROOT}/include",
                           f"-I{out}/include", f"-I{out}", *sources],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler is installed")
def test_generated_headers_are_c_plus_plus_too(generated, tmp_path: Path) -> None:
    _, out = generated
    headers = sorted((out / "include" / "caudex").glob("*.h"))
    assert headers
    unit = tmp_path / "all.cpp"
    unit.write_text("".join(f"#include <caudex/{h.name}>\n" for h in headers), encoding="utf-8")
    done = subprocess.run(["c++", "-std=c++17", "-fsyntax-only", "-Wall", "-Wextra", "-Werror",
                           f"-I{ROOT}/include", f"-I{out}/include", str(unit)],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_declared_name_is_among_those_that_are_compared(generated) -> None:
    path, out = generated
    protocol = _resolved(path)
    compared = {name for _, name, _ in names.of_file_scope(protocol)}
    declared: set[str] = set()
    for header in (out / "include" / "caudex").glob("*.h"):
        declared |= _declared(header.read_text(encoding="utf-8"), protocol.prefix)
    assert len(declared) > 50
    assert declared - compared == set()


def _resolved(path: Path) -> model.Protocol:
    source = SourceFile(path.name, path.read_text(encoding="utf-8"))
    report = Report(source)
    return resolve(source, load(source, report), report)


def _declared(text: str, prefix: str) -> set[str]:
    """Names of file scope in a header of ours, but for the private ones with two underscores."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    found = set(re.findall(r"^#define (\w+)", text, flags=re.M))
    found |= set(re.findall(rf"^    ({prefix.upper()}_\w+) = ", text, flags=re.M))
    found |= set(re.findall(rf"^(?:struct|enum) ({prefix}_\w+) \{{", text, flags=re.M))
    found |= set(re.findall(rf"^[a-zA-Z].*?\b({prefix}_\w+)[(\[;]", text, flags=re.M))
    return {n for n in found if "__" not in n and not n.startswith("CAUDEX_")}


def test_every_output_is_rendered_from_a_template() -> None:
    plan = CAUDEXC.compile_description(HERE / "tiny.cdx", "tiny.cdx")
    templates = {p.name for p in (GEN / "templates").glob("*.j2") if not p.name.startswith("_")}
    import render as module
    assert {o.template for o in (*module.OUTPUTS, *module.MESSAGE_OUTPUTS)} | {*module.BUNDLE_OUTPUTS} == templates
    assert all(text.endswith("\n") for text in render(plan).values())


@pytest.mark.parametrize("word", sorted(names.STATE | names.RESERVED))
def test_a_frame_has_no_field_that_generated_code_needs_the_name_of(word: str, tmp_path: Path) -> None:
    path = tmp_path / "p.cdx"
    text = (HERE / "good" / "mini.cdx").read_text(encoding="utf-8")
    path.write_text(text.replace("    type: call;", f"    {word}: call;"), encoding="utf-8")
    status, _, errors = call(str(path))
    assert status == 1 and f"the field '{word}' cannot have this name" in errors


def test_a_bar_in_documentation_does_not_end_a_cell_of_the_reference() -> None:
    text = (HERE / "good" / "mini.cdx").read_text(encoding="utf-8")
    for doc in ("Whom.", "Refused.", "Finds."):
        text = text.replace(f"/// {doc}", f"/// a | zz {doc}")
    source = SourceFile("mini.cdx", text)
    report = Report(source)
    protocol = resolve(source, load(source, report), report)
    reference = render(CAUDEXC.make_plan(protocol))["mini.md"]
    rows = [line for line in reference.split("\n") if line.startswith("|") and "zz" in line]
    assert len(rows) >= 3 and all("| zz" not in line.replace("\\|", "") for line in rows)


def _renew() -> None:
    for path in BAD:
        path.with_suffix(".err").write_text(messages_of(path), encoding="utf-8")
    for path in GOOD:
        path.with_suffix(".json").write_text(model_of(path), encoding="utf-8")


if __name__ == "__main__":
    _renew()
