# SPDX-License-Identifier: Apache-2.0
"""The generated module as its users see it: names, documentation, types, errors."""
from __future__ import annotations

import importlib.util
import inspect
import os
import pickle
import re
import shutil
import subprocess
import sys
import typing
from enum import IntEnum
from pathlib import Path
from types import ModuleType
from typing import List, Tuple

import caudex
import pytest
import tiny
from caudex import kv
from caudex.errors import StatusError, again

MODULES = [kv, tiny]
DESCRIPTIONS = {kv: "proto/kv.cdx", tiny: "tests/gen/tiny.cdx"}
ROOT = Path(__file__).parents[2]


def calls_of(module: ModuleType) -> List[str]:
    """The names of all calls, from the description."""
    text = (ROOT / DESCRIPTIONS[module]).read_text(encoding="utf-8")
    return re.findall(r"^call (\w+)", text, re.M)


@pytest.mark.parametrize("module", MODULES)
def test_every_call_is_a_documented_method_with_the_same_parameters_everywhere(
        module: ModuleType) -> None:
    calls = calls_of(module)
    assert len(calls) >= 3
    for name in calls:
        methods = [getattr(owner, name) for owner in
                   (module.Client, module.AsyncClient, module.Pipeline)]
        parameters = [str(list(inspect.signature(m).parameters.values())) for m in methods]
        assert len(set(parameters)) == 1
        assert len({inspect.getdoc(m) for m in methods}) == 1 and inspect.getdoc(methods[0])
        assert name.upper() in module.Call.__members__
        for method in methods:
            assert "return" in typing.get_type_hints(method)


@pytest.mark.parametrize("module", MODULES)
def test_everything_exported_is_documented(module: ModuleType) -> None:
    assert module.__doc__ and "Do not edit" in module.__doc__
    for name in module.__all__:
        assert inspect.getdoc(getattr(module, name)), name


def test_documentation_is_the_descriptions() -> None:
    assert inspect.getdoc(kv.Client.get) == (
        "The value stored at exactly this key.\n\nRaises NotFound.")
    assert (inspect.getdoc(kv.NotFound) or "").startswith("No stored key answers")
    assert inspect.getdoc(kv.ListArgs) == "Which rows a page holds."


def test_numbers_are_the_descriptions() -> None:
    assert issubclass(kv.Status, IntEnum) and kv.Status(0x10) is kv.Status.NOT_FOUND
    assert kv.Call(0x11) is kv.Call.MATCH and kv.Remainder(1) is kv.Remainder.MORE
    assert tiny.Result(0xffff) is tiny.Result.BAD and tiny.Mode(0x01020304) is tiny.Mode.FAST


def errors() -> List[caudex.Error]:
    """One of each kind."""
    return [
        kv.Conflict("put_if", {"val": kv.Current(3)}), kv.NotFound("get", {}),
        kv.Busy("", {"val": b"too many"}), caudex.ProtocolError(5, "key", "longer"),
        caudex.AnswerTimeout("x"), caudex.ConnectionLost("x"), caudex.ConnectError("x"),
        caudex.RowsLost("x"),
    ]


@pytest.mark.parametrize("error", errors(), ids=lambda e: type(e).__name__)
def test_errors_are_told_apart_copied_and_pickled(error: caudex.Error) -> None:
    assert isinstance(error, caudex.Error)
    for copy in (again(error), pickle.loads(pickle.dumps(error))):
        assert type(copy) is type(error) and copy is not error
        assert str(copy) == str(error) != "" and copy.args == error.args
    if isinstance(error, StatusError):
        assert isinstance(error.status, kv.Status)


def test_errors_are_also_what_python_calls_them() -> None:
    assert issubclass(caudex.AnswerTimeout, TimeoutError)
    assert issubclass(caudex.ConnectionLost, ConnectionError)
    assert issubclass(caudex.ConnectError, OSError)


def test_errors_of_statuses_say_what_the_answer_holds() -> None:
    conflict = kv.Conflict("put_if", {"val": kv.Current(3)})
    assert str(conflict) == "put_if: conflict: Current(revision=3)"
    assert conflict.call == "put_if" and conflict.val == kv.Current(3)
    assert str(kv.Busy("get", {"val": "nö\n".encode()})) == "get: busy: nö?"


def test_arguments_are_refused_before_anything_is_sent() -> None:
    client = kv.Client("127.0.0.1:1")   # nobody is there: a call that sent would fail otherwise
    with pytest.raises(ValueError, match="^key: has 4097 bytes, the limit is 4096$"):
        client.get(bytes(4097))
    with pytest.raises(ValueError, match="^val: has 16777217 bytes, the limit is 16777216$"):
        client.put(b"/k", bytes((16 << 20) + 1))
    with pytest.raises(TypeError, match="^key: bytes are expected, not str$"):
        client.get("/k")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="^limit: -1 is not from 0 to 4294967295$"):
        client.list(b"", -1, kv.Content.KEYS, b"")
    with pytest.raises(ValueError, match="^content: 2 is no Content$"):
        client.scan(b"", 2, b"")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="^window: 0 is not from 1 to 4294967295$"):
        kv.Client("h", window=0)
    with pytest.raises(ValueError, match="^expected a port"):
        kv.AsyncClient("h:x")


# ---- names of other descriptions ----

AWKWARD = '''/// A.
protocol odd 1.0 { endian big; port 9; prefix odd; }
/// A `"""`.
type blob = bytes<u16, max 9>;
/// Says "done"
enum async_client : u8 {
    /// Done.
    ok = 0;
    /// Late.
    timeout_error = 1;
    /// Lost \\
    frame = 2;
}
/// A.
frame request {
    /// A.
    type: call;
    /// A.
    rid: u32 correlate;
    /// A.
    lambda: blob;
    /// A.
    pass: u8;
}
/// A.
frame response {
    /// A.
    status: async_client;
    /// A.
    rid: u32 correlate;
    /// A.
    args: blob;
    /// A.
    count: u16;
}
/// A.
struct pipeline {
    /// A.
    pass: u8;
    /// A.
    encode: u8;
}
/// A call that is a keyword.
call is = 1 {
    request  { lambda: pipeline }
    response { args: pipeline } | frame { args: blob } | timeout_error
}
/// A call that clients have already.
call wait = 2 {
    request  { lambda }
    response { args }
}
'''


def test_awkward_names_and_texts_become_a_sound_module(tmp_path: Path) -> None:
    (tmp_path / "odd.cdx").write_text(AWKWARD, encoding="utf-8")
    made = subprocess.run(
        [os.environ["GEN_PYTHON"], "-I", "-B", str(ROOT / "gen"), str(tmp_path / "odd.cdx"),
         "--out", str(tmp_path / "out")], capture_output=True, text=True, timeout=60, check=False)
    assert made.returncode == 0, made.stderr
    sys.path.insert(0, str(tmp_path / "out" / "python"))
    try:
        import odd  # type: ignore[import]
    finally:
        del sys.path[0]
    assert str(inspect.signature(odd.Client.is_)) == (
        "(self, pass_: 'int', encode: 'int', request_pass: 'int') -> 'IsAnswer'")
    assert str(inspect.signature(odd.Client.wait_)) == (
        "(self, lambda_: 'bytes', pass_: 'int') -> 'WaitAnswer'")
    asked = odd._ask_is(1, 2, 3)
    assert asked.values == [1, 0, b"\1\2", 3]
    assert inspect.getdoc(odd.Frame_) == "Lost \\"
    assert inspect.getdoc(odd.AsyncClient_) == 'Says "done"'
    assert odd.Frame_("is", {"args": b"x"}).args_ == b"x"
    protocol = odd.Client._protocol
    values = [odd.AsyncClient_.OK, 1, b"\3\4", 5]
    shape = odd._IS.find(0)
    assert shape.make(*protocol.accept(shape, values)) == odd.IsAnswer(odd.Pipeline_(3, 4), 5)
    assert odd.Pipeline_(1, 2).encode() == b"\1\2"


@pytest.mark.parametrize("description", sorted((ROOT / "tests" / "gen" / "good").glob("*.cdx")),
                         ids=lambda path: path.stem)
def test_every_good_description_becomes_a_sound_module(description: Path, tmp_path: Path) -> None:
    subprocess.run(
        [os.environ["GEN_PYTHON"], "-I", "-B", str(ROOT / "gen"), str(description),
         "--out", str(tmp_path)], check=True, capture_output=True, timeout=60)
    (path,) = (tmp_path / "python").glob("*.py")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module     # dataclasses look themselves up
    try:
        spec.loader.exec_module(module)
        for name in module.__all__:
            assert inspect.getdoc(getattr(module, name)), name
        calls = re.findall(r"^call (\w+)", description.read_text(encoding="utf-8"), re.M)
        assert sorted(calls) == sorted(c.name.lower() for c in module.Call)
    finally:
        del sys.modules[path.stem]


# ---- types ----

MYPY = shutil.which("mypy")
USES: "List[Tuple[str, str]]" = [
    ("client.get(b'/a')", "builtins.bytes"),
    ("client.put(b'/a', b'v')", "caudex.kv.Written"),
    ("client.ping()", "None"),
    ("client.match(b'/a').key", "builtins.bytes"),
    ("client.pipeline().get(b'/a').result()", "builtins.bytes"),
    ("[row.val.keys for row in client.children(b'', 0, b'')]", "builtins.list[builtins.int]"),
    ("client.children(b'', 0, b'').end.remainder", "caudex.kv.Remainder"),
    ("kv.Busy('', {}).val", "builtins.bytes"),
]


@pytest.mark.skipif(MYPY is None, reason="mypy is not installed")
def test_types_are_known_to_a_type_checker(tmp_path: Path) -> None:
    lines = ["from caudex import kv", "client = kv.Client('h')"]
    lines += [f"reveal_type({use})" for use, _ in USES]
    lines += ["client.get('/a')", "client.list(b'')"]
    (tmp_path / "use.py").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert MYPY is not None
    run = subprocess.run(
        [MYPY, "--strict", "--cache-dir", str(tmp_path / "cache"), "--python-version", "3.9",
         "use.py", str(Path(caudex.__file__).parent), str(tiny.__file__)],
        cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False,
        env={**os.environ, "MYPYPATH": os.environ["PYTHONPATH"]})
    said = run.stdout.splitlines()
    revealed = re.findall(r'note: Revealed type is "(.*)"', run.stdout)
    assert revealed == [known for _, known in USES], run.stdout + run.stderr
    wrong = [line for line in said if "error:" in line]
    assert len(wrong) == 2 and all(line.startswith("use.py:") for line in wrong), run.stdout
