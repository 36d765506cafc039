# SPDX-License-Identifier: Apache-2.0
"""Modules of messages: what random messages say at every cut, and back to the same bytes."""
from __future__ import annotations

import importlib.util
import inspect
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Dict, List, Type, Union

import caudex
import pytest
from caudex.errors import ProtocolError
from caudex.parts import MessageParser, Record

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = 150
MUTANTS = 400
DESCRIPTIONS = [ROOT / "proto/memcache.cdx", ROOT / "proto/resp.cdx", ROOT / "tests/gen/lang.cdx",
                *sorted((ROOT / "proto/examples").glob("*.cdx"))]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "gen"))
import model as m  # noqa: E402
from interpret import Incomplete  # noqa: E402
from interpret_parts import Reading, read_message  # noqa: E402
from passes import understand  # noqa: E402
from sample_parts import Sampler, TooLarge, Unlucky  # noqa: E402
from transcript import REASONS  # noqa: E402


class Described:
    """A description and the module that was made of it."""

    def __init__(self, path: Path, folder: Path) -> None:
        self.model = understand(path, path.name, "no test", of_calls=False)
        made = subprocess.run(
            [os.environ["GEN_PYTHON"], "-I", "-B", str(ROOT / "gen"), str(path), "--out", str(folder)],
            capture_output=True, text=True, timeout=60, check=False)
        assert made.returncode == 0, made.stderr
        (self.path,) = (folder / "python").glob("*.py")
        name = f"made_{self.path.stem}"
        spec = importlib.util.spec_from_file_location(name, self.path)
        assert spec is not None and spec.loader is not None
        self.module: ModuleType = importlib.util.module_from_spec(spec)
        sys.modules[name] = self.module     # dataclasses look themselves up
        spec.loader.exec_module(self.module)

    def messages(self) -> List[Any]:
        """Each message, with its class."""
        classes: Dict[str, Type[Record]] = {
            c.NAME: c for _, c in inspect.getmembers(self.module, inspect.isclass)
            if issubclass(c, Record) and c is not Record}
        assert self.model is not None
        return [(x, classes[x.name]) for x in self.model.messages]


@pytest.fixture(scope="module", params=DESCRIPTIONS, ids=lambda p: p.stem)
def described(request: Any, tmp_path_factory: Any) -> Described:
    return Described(request.param, tmp_path_factory.mktemp(request.param.stem))


def samples(message: m.Message, seed: int) -> List[bytes]:
    sampler = Sampler(random.Random(seed), message)
    made = []
    for _ in range(SAMPLES):
        try:
            made.append(sampler.attempt())
        except (Unlucky, TooLarge):
            continue
    assert len(made) > SAMPLES // 8, message.name
    return made


def parsed(of: Type[Record], pieces: List[bytes]) -> List[Union[Record, ProtocolError]]:
    """What comes out when the stream arrives so."""
    parser = MessageParser(of)
    made: List[Union[Record, ProtocolError]] = []
    for piece in pieces:
        parser.feed(piece)
        while True:
            try:
                message = parser.next()
            except ProtocolError as error:
                return [*made, error]
            if message is None:
                assert parser.need()[0] >= 1
                break
            made.append(message)
    return made


def cut(data: bytes, rng: random.Random) -> List[bytes]:
    """The bytes in pieces of any size."""
    places = sorted(rng.randrange(len(data) + 1) for _ in range(rng.randrange(6)))
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)])]


def said(record: Any) -> Any:
    """An object's fields, for comparison with the interpreter's."""
    if isinstance(record, Record):
        return {name: said(value) for name, value in vars(record).items()}
    if isinstance(record, list):
        return [said(x) for x in record]
    return int(record) if isinstance(record, int) else record


def known(value: Any, like: Any) -> Any:
    """The interpreter's fields, those only that the object has too."""
    if isinstance(like, dict):
        return {name: known(value.get(name.rstrip("_"), value.get(name)), x) for name, x in like.items()}
    if isinstance(like, list):
        return [known(v, x) for v, x in zip(value, like)]
    return value if value != {} else None


def test_random_messages_are_what_the_interpreter_says(described: Described) -> None:
    for message, of in described.messages():
        for data in samples(message, 1):
            (made,) = parsed(of, [data])
            reading = read_message(message, data)
            assert isinstance(reading, Reading) and isinstance(made, Record)
            assert said(made) == known(reading.fields, said(made)), data


def test_messages_are_the_same_at_every_cut(described: Described) -> None:
    rng = random.Random(2)
    for message, of in described.messages():
        stream = b"".join(samples(message, 2)[:20])
        whole = parsed(of, [stream])
        assert len(whole) == 20 or all(isinstance(x, Record) for x in whole)
        assert parsed(of, [bytes([byte]) for byte in stream]) == whole
        for _ in range(40):
            assert parsed(of, cut(stream, rng)) == whole


def test_encoding_cutting_and_parsing_is_the_identity(described: Described) -> None:
    rng = random.Random(3)
    for message, of in described.messages():
        is_exact = "skip" not in repr([p.PARTS for p in Record.__subclasses__()])
        for data in samples(message, 3):
            (made,) = parsed(of, [data])
            assert isinstance(made, Record)
            again = made.encode()
            assert len(again) == len(data) and is_exact
            (back,) = parsed(of, cut(again, rng))
            assert back == made and isinstance(back, Record) and back.encode() == again


def test_bad_bytes_are_refused_where_the_interpreter_does(described: Described) -> None:
    rng = random.Random(4)
    refused = 0
    for message, of in described.messages():
        good = samples(message, 4)
        for _ in range(MUTANTS):
            data = bytearray(rng.choice(good))
            for _ in range(rng.choice([1, 1, 2, 4])):
                data[rng.randrange(len(data))] = rng.choice([0, 1, 10, 13, 0x7F, 0x80, 0xFF, rng.randrange(256)])
            made = parsed(of, cut(bytes(data), rng))
            outcome = read_message(message, bytes(data))
            if isinstance(outcome, Reading):
                assert made and isinstance(made[0], Record)
                assert said(made[0]) == known(outcome.fields, said(made[0]))
            elif isinstance(outcome, Incomplete):
                assert made == []
            else:
                (error,) = made
                assert isinstance(error, ProtocolError), (data, outcome)
                reason = {"unknown": "a value that is not in the description"}.get(
                    outcome.reason, REASONS.get(outcome.reason, outcome.reason))
                assert (error.offset, error.field.rpartition(".")[2], error.reason) == (
                    outcome.offset, outcome.field, reason), data
                refused += 1
    assert refused > MUTANTS // 4


def test_everything_exported_is_documented(described: Described) -> None:
    module = described.module
    assert module.__doc__ and "Do not edit" in module.__doc__
    for name in module.__all__:
        assert inspect.getdoc(getattr(module, name)), name


@pytest.mark.skipif(shutil.which("mypy") is None, reason="mypy is not installed")
def test_types_are_strict(described: Described, tmp_path: Path) -> None:
    run = subprocess.run(
        ["mypy", "--strict", "--cache-dir", str(tmp_path), "--python-version", "3.9", str(described.path),
         str(Path(caudex.__file__).parent / "parts.py")],
        capture_output=True, text=True, timeout=200, check=False,
        env={**os.environ, "MYPYPATH": str(Path(caudex.__file__).parents[1])})
    assert run.returncode == 0, run.stdout + run.stderr


# ---- against the parser in C ----

C_MAIN = """#include <caudex/{p}.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
{functions}
int main(void)
{{
    static unsigned char data[1 << 16];
    unsigned kind, size, step;
    while (scanf("%u %u %u", &kind, &size, &step) == 3) {{
        for (unsigned i = 0; i < size; i++) {{
            unsigned byte;
            if (scanf("%2x", &byte) != 1)
                return 1;
            data[i] = (unsigned char)byte;
        }}
        switch (kind) {{
{cases}
        }}
    }}
    return 0;
}}
"""
C_FUNCTION = """
static void read_{m}(const uint8_t *next, const uint8_t *end, size_t step)
{{
    struct {p}_{m}_parser parser;
    struct cdx_spill spill;
    struct {p}_{m} message;
    unsigned count = 0;
    {p}_{m}_parser_init(&parser);
    cdx_spill_init(&spill);
    while (next < end) {{
        const uint8_t *piece = (size_t)(end - next) < step ? end : next + step;
        enum cdx_status status = {p}_{m}_feed(&parser, &spill, &next, piece, &message);
        if (status == CDX_OK) {{
            count++;
        }} else if (status != CDX_MORE) {{
            struct cdx_parse_error error;
            {p}_{m}_error(&parser, &error);
            printf("%u %" PRIu64 " %s: %s\\n", count, (uint64_t)error.offset, error.field, error.reason);
            cdx_spill_free(&spill);
            return;
        }}
    }}
    printf("%u\\n", count);
    cdx_spill_free(&spill);
}}
"""


def c_program(described: Described, folder: Path) -> Path:
    """A program that reads streams of the described messages."""
    made = described.path.parents[1]
    p = described.path.stem
    names = [x.name for x, _ in described.messages() if all(part.deliver == "whole" for part in x.parts)]
    functions = "".join(C_FUNCTION.format(p=p, m=name) for name in names)
    cases = "\n".join(f"        case {at}: read_{name}(data, data + size, step); break;" for at, name in enumerate(names))
    (folder / "main.c").write_text(C_MAIN.format(p=p, functions=functions, cases=cases), encoding="utf-8")
    subprocess.run(["ragel", "-C", "-G2", "-o", f"{p}_text.c", f"{p}_text.rl"], cwd=made, check=True, timeout=60)
    sources = [*(str(made / f"{p}_{part}.c") for part in ("parse", "encode", "text")),
               *map(str, (ROOT / "src/wire").glob("*.c")), *map(str, (ROOT / "src/base").glob("*.c"))]
    subprocess.run([os.environ.get("CC", "cc"), "-std=c17", "-D_GNU_SOURCE", "-O1", f"-I{ROOT}/include", f"-I{made}/include",
                    f"-I{made}", "-o", str(folder / "reader"), str(folder / "main.c"), *sources], check=True, timeout=200)
    return folder / "reader"


@pytest.mark.skipif(shutil.which("ragel") is None, reason="ragel is not installed")
def test_the_parser_in_c_says_the_same(described: Described, tmp_path: Path) -> None:
    program = c_program(described, tmp_path)
    rng = random.Random(5)
    lines, expected = [], []
    whole = [(x, of) for x, of in described.messages() if all(part.deliver == "whole" for part in x.parts)]
    for at, (message, of) in enumerate(whole):
        good = samples(message, 5)
        for _ in range(MUTANTS):
            data = bytearray(rng.choice(good) + rng.choice(good))
            for _ in range(rng.choice([0, 1, 2])):
                data[rng.randrange(len(data))] = rng.choice([0, 1, 10, 13, 0x7F, 0xFF, rng.randrange(256)])
            made = parsed(of, [bytes(data)])
            said_ = str(sum(isinstance(x, Record) for x in made))
            if made and isinstance(made[-1], ProtocolError):
                said_ += f" {made[-1].offset} {made[-1].field}: {made[-1].reason}"
            lines.append(f"{at} {len(data)} {rng.choice([1, 2, 7, 1000])} {data.hex(' ')}")
            expected.append(said_)
    run = subprocess.run([str(program)], input="\n".join(lines), capture_output=True, text=True, timeout=100, check=True)
    for line, there, here in zip(lines, run.stdout.splitlines(), expected):
        assert there == here, line
    assert len(run.stdout.splitlines()) == len(lines)


# ---- what cannot be written, and errors of streams ----

@pytest.fixture(scope="module")
def resp(tmp_path_factory: Any) -> Any:
    return Described(ROOT / "proto/resp.cdx", tmp_path_factory.mktemp("resp")).module


def command(resp: Any, *words: bytes) -> Any:
    return resp.Command(0x2A, resp.Words(len(words), [resp.Argument(word) for word in words]))


def test_a_command_and_its_bytes(resp: Any) -> None:
    assert command(resp, b"GET", b"k").encode() == b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"
    assert resp.Reply(resp.Kind.BULK, resp.BulkString(-1, None)).encode() == b"$-1\r\n"


@pytest.mark.parametrize(("make", "says"), [
    (lambda r: r.Command(0x2A, r.Words(2, [r.Argument(b"x")])), "args: lengths that contradict each other"),
    (lambda r: r.Command(0x2A, r.Line(b"PING")), "form: Words is expected, not Line"),
    (lambda r: r.Command(0x41, r.Line(b"PING")), "first: other bytes follow"),
    (lambda r: r.Command(0x50, r.Line(b"PI\nG")), "text: holds the bytes that end it"),
    (lambda r: r.Command(300, r.Line(b"PING")), "first: 300 is not from 0 to 255"),
    (lambda r: r.Reply(1, r.NumberLine(1)), "kind: 1 is no Kind"),
    (lambda r: r.Reply(r.Kind.INTEGER, r.NumberLine(1 << 63)), "value: .* is not from"),
    (lambda r: r.Reply(r.Kind.BULK, r.BulkString(1, None)), "data: bytes are expected, not NoneType"),
    (lambda r: r.Reply(r.Kind.BULK, r.BulkString(-1, b"")), "data: it is not there in such a message"),
    (lambda r: r.Reply(r.Kind.BULK, r.BulkString(-2, None)), "len: invalid bulk length"),
    (lambda r: r.Command(0x2A, r.Words(1, [b"x"])), "args: a list of Argument is expected"),
])
def test_what_cannot_be_written(resp: Any, make: Any, says: str) -> None:
    with pytest.raises((ValueError, TypeError), match=f"^{says}"):
        make(resp).encode()


def test_errors_tell_where_and_stay(resp: Any) -> None:
    parser = MessageParser(resp.Command)
    parser.feed(b"PING\n*1\r\n!4\r\n")
    assert parser.next() == resp.Command(0x50, resp.Line(b"PING")) and parser.offset == 5
    for _ in range(2):
        with pytest.raises(ProtocolError) as caught:
            parser.next()
        error = caught.value
        assert (error.offset, error.field, error.reason) == (
            9, "argument.mark", "not the constant that belongs here")
    assert parser.held == 0


def test_a_parser_says_what_it_waits_for(resp: Any) -> None:
    parser = MessageParser(resp.Command)
    parser.feed(b"*1\r\n$100\r\nabc")
    assert parser.next() is None
    assert parser.need() == (97, "argument.data") and parser.held == 13
