# SPDX-License-Identifier: Apache-2.0
"""Tests of caudexc as a program: commands, exit statuses, one line for each failure, no traceback."""
from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
MINI = HERE / "good" / "mini.cdx"
# The wrapper of the build tree; without one, what it calls.
CAUDEXC = os.environ.get("CAUDEXC", "").split() or [sys.executable, "-I", "-B", str(ROOT / "gen")]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "gen"))
from cli import STATUSES  # noqa: E402
from commands import COMMANDS  # noqa: E402


def run(*arguments: str, stdin: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run([*CAUDEXC, *arguments], input=stdin, capture_output=True, timeout=60, check=False)


def refused(*arguments: str, status: int, said: str, stdin: bytes = b"") -> None:
    """Ends with this status, one line on stderr that says so, and nothing else."""
    done = run(*arguments, stdin=stdin)
    told = done.stderr.decode()
    assert (done.returncode, done.stdout) == (status, b""), told
    assert said in told and told.count("\n") == 1 and "Traceback" not in told, told


@pytest.mark.parametrize(("arguments", "said"), [
    ([], "a command is missing"),
    (["chek"], "there is no command 'chek'; did you mean 'check'?"),
    (["zzz"], "there is no command 'zzz'; see caudexc --help"),
    (["check"], "required: FILE; see caudexc check --help"),
    (["check", "--loud", "a.cdx"], "unrecognized arguments: --loud"),
    (["explain", "CDX9999"], "there is no error 'CDX9999'"),
    (["build", "a.cdx", "--depfile", "d"], "--depfile needs --stamp"),
    (["build", "a.cdx", "--name", "a*/b"], "cannot stand in a C comment"),
])
def test_wrong_usage_is_one_line_and_status_2(arguments: list[str], said: str) -> None:
    refused(*arguments, status=2, said=said)


@pytest.mark.parametrize("command", ["build", "check", "format"])
def test_files_that_cannot_be_read(command: str, tmp_path: Path) -> None:
    large = tmp_path / "large.cdx"
    large.write_bytes(b"x" * (1 << 19))
    refused(command, str(tmp_path / "none.cdx"), status=1, said="No such file or directory")
    refused(command, str(tmp_path), status=1, said="Is a directory")
    refused(command, str(large), status=1, said="more than 262144 bytes")
    done = run(command, "-", stdin=b"a\xff")
    assert done.returncode == 1 and b"<stdin>:1:2: error[CDX0101]: byte 0xff is not UTF-8" in done.stderr
    done = run(command, "-")
    assert done.returncode == 1 and b"the description is empty" in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    shutil.copy(MINI, tmp_path / "m.cdx")
    (tmp_path / "m.cdx").chmod(0)
    refused("check", str(tmp_path / "m.cdx"), status=1, said="Permission denied")


def test_outputs_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("build", str(MINI), "--out", str(tmp_path / "file" / "out"))
    assert done.returncode == 1 and done.stderr.startswith(b"caudexc: ") and done.stderr.count(b"\n") == 1
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*CAUDEXC, "explain"], stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (1, b"caudexc: No space left on device\n")


def test_a_reader_that_goes_away_is_no_error() -> None:
    with subprocess.Popen([*CAUDEXC, "explain"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stderr is not None
        child.stdout.close()
        assert child.stderr.read() == b""


def test_an_interrupt_ends_without_a_word() -> None:
    with subprocess.Popen([*CAUDEXC, "format", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as child:
        time.sleep(1.0)
        child.send_signal(signal.SIGINT)
        out, told = child.communicate(timeout=30)
        assert (out, told) == (b"", b"") and child.returncode in (130, -signal.SIGINT)


def test_check_tells_of_every_file(tmp_path: Path) -> None:
    bad = tmp_path / "bad.cdx"
    bad.write_text("type a = bytes<u8, max 1>;")
    done = run("check", str(bad), str(MINI))
    assert done.returncode == 1 and b"CDX0303" in done.stderr
    assert b"mini: request parser: " in done.stdout


def test_format_rewrites_only_what_is_not_canonical(tmp_path: Path) -> None:
    text = MINI.read_text(encoding="utf-8")
    path = tmp_path / "m.cdx"
    path.write_text(text.replace("    ", "\t"), encoding="utf-8")
    path.chmod(0o640)
    link = tmp_path / "link.cdx"
    link.symlink_to(path)
    done = run("format", "--check", str(link), str(MINI))
    assert (done.returncode, done.stdout) == (3, f"{link}: not in canonical form\n".encode())
    assert run("format", str(link)).returncode == 0
    assert link.is_symlink() and path.read_text(encoding="utf-8") == text
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    os.utime(path, (1, 1))
    assert run("format", str(path)).returncode == 0 and path.stat().st_mtime == 1
    assert run("format", "-", stdin=text.replace("\n", "\r\n").encode()).stdout.decode() == text


def test_a_description_with_errors_is_not_formatted(tmp_path: Path) -> None:
    path = tmp_path / "m.cdx"
    path.write_text("struct a {")
    done = run("format", str(path))
    assert done.returncode == 1 and b"CDX0104" in done.stderr and path.read_text() == "struct a {"


def test_explain_knows_codes_in_any_case() -> None:
    assert run("explain", "cdx0304").stdout == run("explain", "CDX0304").stdout != b""
    assert run("explain").stdout.count(b"CDX") == run("explain").stdout.count(b"\n") > 30


def test_a_file_in_the_place_of_a_command_is_built(tmp_path: Path) -> None:
    assert run(str(MINI), "--out", str(tmp_path / "a")).returncode == 0
    assert run("build", str(MINI), "--out", str(tmp_path / "b")).returncode == 0
    names = [{p.name for p in (tmp_path / x).rglob("*")} for x in "ab"]
    assert names[0] == names[1] and "mini.md" in names[0]


def test_help_and_manual_tell_of_every_command_and_status() -> None:
    told, manual = run("--help").stdout.decode(), run("--print-man").stdout.decode()
    for command in COMMANDS:
        assert f"  {command.name} " in told and f".SS caudexc {command.name} " in manual
        shown = run(command.name, "--help").stdout.decode()
        for argument in command.arguments:
            assert argument.name in shown or argument.more["metavar"] in shown
    for status in STATUSES:
        assert f"\n  {status} " in told and f"\n.B {status}\n" in manual
    assert run("--version").stdout.startswith(b"caudexc ")


@pytest.mark.skipif(shutil.which("man") is None, reason="man is not installed")
def test_the_manual_page_is_sound(tmp_path: Path) -> None:
    page = tmp_path / "caudexc.1"
    page.write_bytes(run("--print-man").stdout)
    done = subprocess.run(["man", "-l", "--warnings", str(page)], capture_output=True, check=False,
                          env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "100"}, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"") and b'> get(rid 4, key "/img")' in done.stdout


def test_decode_and_encode_are_there_and_back(tmp_path: Path) -> None:
    data = bytes.fromhex("01000000010161 01000000020162")
    done = run("decode", str(MINI), "-", "--as", "binary", stdin=data)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b'> find(rid 1, name "a")\n> find(rid 2, name "b")\n'
    text = done.stdout
    done = run("encode", str(MINI), "-", stdin=text)
    assert done.stdout == b"01 00 00 00 01 01 61\n01 00 00 00 02 01 62\n"
    assert run("decode", str(MINI), "-", stdin=done.stdout).stdout == text
    out = tmp_path / "out"
    written = run("decode", str(MINI), "-", "--json", stdin=done.stdout).stdout
    done = run("encode", str(MINI), "-", "--out", str(out), stdin=written)
    assert (done.returncode, done.stderr, out.read_bytes()) == (0, b"", data)
    with_bytes = run("decode", str(MINI), "-", "--bytes", stdin=b"01000000010161").stdout
    assert with_bytes.count(b"\n") == 5 and b'//       6  61           name "a"\n' in with_bytes
    assert run("encode", str(MINI), "-", stdin=with_bytes).stdout == b"01 00 00 00 01 01 61\n"
    done = run("decode", str(MINI), "-", "--frame", "response", "--call", "find", stdin=b"00000000010300016e")
    assert done.stdout == b'< find ok(rid 1, name { x 1, note "n" })\n'


def test_decode_says_when_something_is_no_message() -> None:
    done = run("decode", str(MINI), "-", stdin=b"02")
    assert done.returncode == 1 and done.stdout.startswith(b'> "\\x02"  // refused: byte 0, type: ')
    assert done.stderr == b"caudexc: <stdin>: not everything in it is a message of mini\n"


def test_failures_of_decode_and_encode(tmp_path: Path) -> None:
    mini, none = str(MINI), str(tmp_path / "none")
    both = b'> find(rid 1, name "a")\n< bad(rid 1)\n'
    refused("decode", mini, none, status=1, said="none: No such file or directory")
    refused("decode", mini, str(tmp_path), status=1, said="Is a directory")
    refused("decode", mini, "-", status=1, said="<stdin>: the file is empty")
    refused("decode", mini, "-", "--as", "hex", status=1, said="this is not hex", stdin=b"0")
    refused("decode", mini, none, "--port", "0", status=2, said="a port is a number from 1 to 65535")
    refused("decode", mini, none, "--as", "tape", status=2, said="invalid choice: 'tape'")
    refused("encode", mini, "-", status=1, said="<stdin>: byte 0 is not UTF-8", stdin=b"\xff")
    refused("encode", mini, "-", status=1, said="choose with --frame", stdin=both)
    refused("encode", mini, "-", "--frame", "zz", status=1, said="no frame or message 'zz'; known: request, response")
    assert run("encode", mini, "-", "--frame", "response", stdin=both).stdout == b"02 00 00 00 01 00\n"
    refused("encode", mini, "-", "--out", str(tmp_path), status=1, said="Is a directory", stdin=b"> \"a\"")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate((256 << 20) + 1)
    refused("decode", str(MINI), str(large), status=1, said="more than 268435456 bytes, the most that is read")


def test_graph_is_printed_or_written(tmp_path: Path) -> None:
    out = tmp_path / "find.svg"
    assert run("graph", str(MINI), "find", "--out", str(out)).returncode == 0
    assert run("graph", str(MINI), "find").stdout == out.read_bytes() != b""
    refused("graph", str(MINI), "fynd", status=1, said="no frame, message, call or struct 'fynd'; did you mean 'find'?")


def test_diff_ends_with_what_it_found(tmp_path: Path) -> None:
    text = MINI.read_text(encoding="utf-8")
    new = tmp_path / "new.cdx"
    new.write_text(text.replace("find = 0x01", "find = 0x02"), encoding="utf-8")
    done = run("diff", str(MINI), str(new))
    assert done.returncode == 3 and done.stderr == b""
    assert done.stdout.endswith(b"mini: 1.0 and 1.0 do not understand each other; raise the major version to 2\n")
    assert run("diff", str(MINI), str(new), "--json").stdout.startswith(b'{\n  "caudex_changes": 1,')
    done = run("diff", str(MINI), "-", stdin=text.encode())
    assert (done.returncode, done.stdout) == (0, b"mini: 1.0 and 1.0 understand each other\n")
    assert run("diff", "--rules").stdout.startswith(b"change ")
    refused("diff", str(MINI), status=2, said="diff needs two files, or --rules")
    refused("diff", str(MINI), str(tmp_path / "none"), status=1, said="No such file or directory")


def test_json_is_a_model_or_its_schema() -> None:
    assert run("json", str(MINI)).stdout.startswith(b'{\n  "caudex_model": 1,')
    assert run("json", "--schema").stdout == (ROOT / "gen" / "model.schema.json").read_bytes()
    refused("json", status=2, said="json needs a FILE, or --schema")


def test_messages_are_not_compared_with_calls() -> None:
    memcache = str(ROOT / "proto" / "memcache.cdx")
    refused("diff", memcache, str(MINI), status=1,
            said="one of the two is a protocol of calls, the other one of messages")
