# SPDX-License-Identifier: Apache-2.0
"""The program caudex against the real server: every command, every exit status, every end."""

from __future__ import annotations

import base64
import json
import os
import pty
import random
import re
import resource
import select
import shutil
import signal
import socket
import subprocess
import termios
import threading
import time
from pathlib import Path

import pytest
from server import TIMEOUT_S, Server, wait_until

DONE, NO, USAGE, UNREACHABLE, REFUSED, LOCAL = range(6)
INTERRUPTED = 130


def program() -> str:
    """The caudex to test."""
    return os.path.abspath(os.environ["CAUDEX"])


@pytest.fixture(scope="module")
def server():
    with Server("--workers=1") as running:
        yield running


@pytest.fixture
def cli(server):
    """Runs caudex against an emptied server."""
    run = Cli(server.address)
    run("drop", "--yes", "")
    return run


class Cli:
    """caudex with an address; calling it runs a command to its end."""

    def __init__(self, address: str):
        self.address = address

    def environment(self) -> dict[str, str]:
        env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "CAUDEX_SERVER")}
        return env | {"CAUDEX_SERVER": self.address, "TERM": "xterm"}

    def start(self, *args, **options) -> subprocess.Popen:
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
                   "stderr": subprocess.PIPE, "env": self.environment()} | options
        return subprocess.Popen([program(), *args], **options)

    def __call__(self, *args, stdin: bytes | None = None, exit=DONE) -> "Result":
        process = self.start(*args, stdin=subprocess.PIPE if stdin is not None else
                             subprocess.DEVNULL)
        out, err = process.communicate(stdin, timeout=TIMEOUT_S * 3)
        assert process.returncode == exit, (args, process.returncode, out[-500:], err[-500:])
        return Result(out, err.decode())

    def json(self, *args, exit=DONE) -> list[dict]:
        """The objects that a command prints with --json."""
        return [json.loads(line) for line in self("--json", *args, exit=exit).out.splitlines()]


class Result:
    def __init__(self, out: bytes, err: str):
        self.out = out
        self.err = err


# ---- every command, as text and as JSON ----


def test_put_and_get(cli):
    assert cli("put", "/img", "cdn-a").out == b""
    assert cli("get", "/img").out == b"cdn-a"
    assert cli("get", "/im", exit=NO).out == b""
    assert re.fullmatch(rb"\d+\tcdn-a\n", cli("get", "--revision", "/img").out)
    put, = cli.json("put", "/img", "cdn-b")
    got, = cli.json("get", "--revision", "/img")
    assert got == {"status": "ok", "key": "/img", "value": "cdn-b", "revision": put["revision"]}
    assert cli.json("get", "/im", exit=NO) == [{"status": "not_found", "key": "/im"}]


def test_values_come_from_stdin_and_files(cli, tmp_path):
    blob = bytes(range(256)) * 4000
    cli("put", "/stdin", "-", stdin=blob)
    (tmp_path / "blob").write_bytes(blob[::-1])
    cli("put", "/file", "--file", str(tmp_path / "blob"))
    assert cli("get", "/stdin").out == blob
    assert cli("get", "/file").out == blob[::-1]
    cli("put", "/empty", "")
    assert cli("get", "/empty").out == b""


def test_conditional_puts(cli):
    revision = int(cli("put", "--if-absent", "--revision", "/k", "a").out)
    told = cli("put", "--if-absent", "/k", "b", exit=NO)
    assert told.err == f"caudex: put: '/k' has revision {revision}\n"
    told = cli("put", "--if-revision", "7", "/none", "b", exit=NO)
    assert told.err == "caudex: put: '/none' is not stored\n"
    cli("put", "--if-revision", str(revision), "/k", "b")
    answer, = cli.json("put", "--if-revision", str(revision), "/k", "c", exit=NO)
    assert answer["status"] == "conflict" and answer["revision"] > revision
    assert cli("get", "/k").out == b"b"


def test_match(cli):
    cli("put", "/img", "a")
    cli("put", "/img/cats", "b")
    assert cli("match", "/img/cats/1.jpg").out == b"/img/cats\tb\n"
    assert cli("match", "/img/dogs").out == b"/img\ta\n"
    assert cli("match", "/imgs", exit=NO).out == b""
    assert cli("match", "--bytes", "/imgs").out == b"/img\ta\n"
    assert cli("match", "--value", "/img/cats").out == b"b"
    assert cli("match-all", "/img/cats/x").out == b"/img\ta\n/img/cats\tb\n"
    assert cli("match-all", "/x", exit=NO).out == b""
    assert cli.json("match", "/img/x") == [
        {"status": "ok", "path": "/img/x", "key": "/img", "value": "a"}]
    assert cli.json("match-all", "/img/cats") == [
        {"key": "/img", "value": "a"}, {"key": "/img/cats", "value": "b"}]
    assert cli.json("match-all", "/x", exit=NO) == [{"status": "not_found", "key": "/x"}]


def test_list_children_and_count(cli):
    rows = {"/": "r", "/a": "1", "/a/b": "2", "/a/c/d": "3", "/z": "4"}
    for key, value in rows.items():
        cli("put", key, value)
    everything = b"".join(f"{k}\t{v}\n".encode() for k, v in rows.items())
    assert cli("list").out == cli("ls", "").out == everything
    assert cli("list", "--keys", "/a").out == b"/a\n/a/b\n/a/c/d\n"
    assert cli("list", "--limit", "2").out == b"/\tr\n/a\t1\n"
    assert cli("list", "--after", "/a/b", "--keys").out == b"/a/c/d\n/z\n"
    assert cli("children", "/a").out == b"/a/b\t1\tstored\n/a/c\t1\t-\n"
    assert cli("children", "--limit", "1", "--after", "/a/b", "/a").out == b"/a/c\t1\t-\n"
    assert cli("count").out == b"5\n"
    assert cli("count", "/a").out == b"3\n"
    assert cli.json("list", "--keys", "/z") == [{"key": "/z"}]
    assert cli.json("list", "/z") == [{"key": "/z", "value": "4"}]
    assert cli.json("children", "/a") == [{"key": "/a/b", "keys": 1, "stored": True},
                                          {"key": "/a/c", "keys": 1, "stored": False}]
    assert cli.json("count", "/a") == [{"status": "ok", "key": "/a", "keys": 3}]


def test_lists_longer_than_a_page_are_whole(cli):
    keys = [f"/k/{n:06}" for n in range(25000)]
    cli("load", "--quiet", "--keys", "-", stdin="\n".join(keys).encode())
    assert cli("list", "--keys").out.decode().splitlines() == keys
    assert cli("list", "--keys", "--limit", "20000").out.decode().splitlines() == keys[:20000]
    assert len(cli("children", "/k").out.splitlines()) == 25000


def test_delete_and_drop(cli):
    for key in ("/a", "/a/b", "/a/c", "/d"):
        cli("put", key, "x")
    assert cli("delete", "/a").out == b""
    assert cli("delete", "/a", exit=NO).out == b""
    assert cli("drop", "/a").out == b"2\n"
    assert cli("list", "--keys").out == b"/d\n"
    told = cli("drop", "", exit=USAGE)
    assert told.err == ("caudex: drop: the empty key means the whole store: "
                        "expected --yes with it\n")
    assert cli.json("drop", "/d")[0]["keys"] == 1
    assert cli.json("del", "/d", exit=NO) == [{"status": "not_found", "key": "/d"}]


def test_keys_that_end(cli):
    cli("put", "--ttl", "1h", "/lease", "a")
    assert re.fullmatch(rb"3(600\.000|599\.\d{3})s\n", cli("ttl", "/lease").out)
    answer, = cli.json("ttl", "/lease")
    assert answer["expires"] and 3_500_000 < answer["ttl_ms"] <= 3_600_000
    cli("touch", "/lease", "never")
    assert cli("ttl", "/lease").out == b"never\n"
    assert cli.json("ttl", "/lease") == [{"status": "ok", "key": "/lease", "expires": False}]
    before = cli("get", "--revision", "/lease").out
    cli("touch", "/lease", "200ms")
    assert cli("get", "--revision", "/lease").out == before
    wait_until(lambda: cli.start("get", "/lease").wait(TIMEOUT_S) == NO, "the key's end")
    assert cli("ttl", "/lease", exit=NO).out == b""
    assert cli("touch", "/lease", "1s", exit=NO).out == b""
    assert cli.json("ttl", "/lease", exit=NO) == [{"status": "not_found", "key": "/lease"}]
    cli("put", "--ttl", "1h", "/lease", "b")
    cli("put", "/lease", "c")
    assert cli("ttl", "/lease").out == b"never\n"


def test_loaded_keys_may_end(cli):
    cli("load", "-q", "--ttl", "1h", "--keys", "-", stdin=b"/t/1\n/t/2\n")
    assert cli("list", "--keys").out == b"/t/1\n/t/2\n"
    assert re.fullmatch(rb"3(600\.000|599\.\d{3})s\n", cli("ttl", "/t/2").out)
    told = cli("load", "--ttl", "0s", "-", exit=USAGE)
    assert told.err.startswith("caudex: load: --ttl: expected a time like 250ms, 1.5s or 2m")


def test_a_put_may_have_a_condition_and_an_end(cli):
    revision = int(cli("put", "--if-absent", "--ttl", "1h", "--revision", "/k", "a").out)
    assert cli("get", "--revision", "/k").out == b"%d\ta\n" % revision
    assert cli("ttl", "/k").out != b"never\n"
    told = cli("put", "--if-absent", "--ttl", "1m", "/k", "b", exit=NO)
    assert told.err == f"caudex: put: '/k' has revision {revision}\n"
    told = cli("delete", "--if-revision", "77", "/k", exit=NO)
    assert told.err == f"caudex: delete: '/k' has revision {revision}\n"
    cli("delete", "--if-revision", str(revision), "/k")
    cli("get", "/k", exit=NO)
    told = cli("delete", "--if-revision", str(revision), "/k", exit=NO)
    assert told.err == "caudex: delete: '/k' is not stored\n"


def test_apply_does_all_or_nothing(cli, tmp_path):
    for key in ("/a", "/b/1", "/b/2"):
        cli("put", key, "old")
    path = tmp_path / "writes"
    path.write_text("put /a 'new value'\n\n# both below it\ndrop /b\nput --ttl 1h /c 3\n"
                    "delete /nothing\nput --if-absent /d '' # the seventh line\n")
    revision = int(cli("apply", "--revision", str(path)).out)
    assert revision == int(cli("get", "--revision", "/d").out.split()[0])
    assert cli("list").out == b"/a\tnew value\n/c\t3\n/d\t\n"
    assert cli("ttl", "/c").out != b"never\n"
    told = cli("apply", str(path), exit=NO)
    assert told.err == (f"caudex: apply: {path}:7: '/d' has revision {revision}; nothing was "
                        "changed\n")
    answer, = cli.json("apply", str(path), exit=NO)
    assert answer["status"] == "conflict" and answer["line"] == 7 and answer["key"] == "/d"
    assert cli("list").out == b"/a\tnew value\n/c\t3\n/d\t\n"
    assert cli("apply", stdin=b"put /e 1\n").out == b""
    done, = [json.loads(cli("--json", "apply", "-", stdin=b"put /f 1\ndel /e\n").out)]
    assert done["status"] == "ok" and done["writes"] == 2
    assert cli("list", "--keys").out == b"/a\n/c\n/d\n/f\n"


def test_apply_names_the_line_that_is_wrong(cli, tmp_path):
    path = tmp_path / "writes"
    path.write_text("put /a 1\nput /b\n")
    told = cli("apply", str(path), exit=LOCAL)
    assert told.err == (f"caudex: apply: {path}:2: expected KEY VALUE, got 1 argument\n"
                        "try 'caudex help put'\n")
    told = cli("apply", stdin=b"put /a 1\nput /b " + b"x" * 4097 + b"\nget /a\n", exit=LOCAL)
    assert told.err == "caudex: apply: stdin:3: expected put, delete or drop\n"
    told = cli("apply", stdin=b"put " + b"x" * 4097 + b" v\n", exit=LOCAL)
    assert told.err == "caudex: apply: stdin:1: KEY: has 4097 bytes, the limit is 4096\n"
    assert cli("apply", "/nowhere", exit=LOCAL).err.endswith("No such file or directory\n")
    assert cli("count").out == b"0\n"
    many = b"".join(b"put /k/%d v\n" % n for n in range(1025))
    told = cli("apply", stdin=many, exit=REFUSED)
    assert told.err == ("caudex: apply: stdin:1025: with this write the batch has more than the "
                        "server takes; nothing was changed\n")
    assert cli("count").out == b"0\n"
    cli("apply", stdin=many[:many.rindex(b"put")])
    assert cli("count").out == b"1024\n"


def test_others_see_all_of_a_batch_or_nothing(cli):
    cli("apply", stdin=b"put /pair/a 0\nput /pair/b 0\n")
    for n in range(1, 30):
        process = cli.start("apply", stdin=subprocess.PIPE)
        process.stdin.write(b"put /pair/a %d\nput /pair/b %d\n" % (n, n))
        process.stdin.close()
        rows = cli("list", "/pair").out.split()
        assert rows[1] == rows[3] and int(rows[1]) in (n - 1, n)
        assert process.wait(TIMEOUT_S) == DONE


def test_stats_ping_hello_version(cli):
    cli("put", "/a", "x")
    counters = dict(line.split("\t") for line in cli("stats").out.decode().splitlines())
    assert counters["store.keys"] == "1"
    counters, = cli.json("stats")
    assert counters["store.keys"] == 1
    lines = cli("ping", "--count", "3", "--interval", "1ms").out.decode().splitlines()
    assert len(lines) == 4 and lines[0].startswith(f"answer 1 from {cli.address}: ")
    assert re.fullmatch(r"3 sent, 3 answered; min/avg/max [\d.]+/[\d.]+/[\d.]+ ms", lines[3])
    objects = cli.json("ping", "-c2", "-i1ms")
    assert [o["status"] for o in objects] == ["ok", "ok", "summary"]
    assert objects[2]["answered"] == 2
    hello = cli("hello").out.decode()
    assert hello.startswith("server\tcaudexd ") and "protocol\t1.0\nkey_max\t4096\n" in hello
    assert cli("info").out.decode() == hello
    assert cli.json("hello")[0]["value_max"] == 16 << 20
    assert re.fullmatch(rb"caudex \d+\.\d+\.\d+, protocol 1\.0\n", cli("version").out)
    assert cli("--version").out == cli("version").out
    assert cli.json("version")[0]["major"] == 1


def test_help(cli):
    overview = cli("--help").out
    assert overview == cli("help").out == cli("-h").out
    names = re.findall(rb"^  (\S+)  ", overview.split(b"options of every")[0], re.M)
    assert len(names) >= 18
    for name in names:
        page = cli("help", name.decode()).out
        assert page == cli(name.decode(), "--help").out
        assert page.startswith(b"caudex " + name + b": ") and b"usage: caudex" in page
    for topic in ("formats", "prompt", "exit-status", "environment"):
        assert len(cli("help", topic).out) > 100
    assert "text" in cli.json("help", "get")[0]
    assert cli("help", "gte", exit=USAGE).err.startswith(
        "caudex: help: no command or topic 'gte'; did you mean 'get'?")


# ---- bytes ----


def test_any_bytes_pass_and_are_shown_safely(cli):
    cli("put", "--escaped", r"/\x00\xFF\t", r"v\n\\\x01")
    assert cli("get", "-e", r"/\x00\xFF\t").out == b"v\n\\\x01"
    assert cli("list").out == rb"/\x00\xFF\t" + b"\t" + rb"v\n\\\x01" + b"\n"
    assert cli("list", "--raw").out == b"/\x00\xff\t\tv\n\\\x01\n"
    row, = cli.json("list")
    assert base64.b64decode(row["key_base64"]) == b"/\x00\xff\t"
    assert row["value"] == "v\n\\\x01"
    told = cli("get", "-e", r"/\q", exit=USAGE)
    assert told.err.startswith("caudex: get: KEY: wrong escape at its byte 2: expected ")


def test_json_is_utf8_whatever_the_bytes_are(cli):
    cli(stdin="".join(f'put "/\\x{n:02x}" "v\\x{n:02x}"\n' for n in range(256)).encode())
    assert cli("count").out == b"256\n"
    for line in cli("--json", "list").out.splitlines():
        row = json.loads(line.decode("utf-8"))
        key = row["key"].encode() if "key" in row else base64.b64decode(row["key_base64"])
        value = row["value"].encode() if "value" in row else base64.b64decode(row["value_base64"])
        assert key[1:] == value[1:]


# ---- mistakes of a new user ----


@pytest.mark.parametrize("args, text", [
    (["put", "/k"], "caudex: put: expected KEY VALUE, got 1 argument\ntry 'caudex help put'\n"),
    (["put", "/k", "v", "--file", "x"],
     "caudex: put: expected VALUE or --file, got both\ntry 'caudex help put'\n"),
    (["put", "/k", "v", "--if-absent", "--if-revision=1"],
     "caudex: put: expected --if-absent or --if-revision, got both\n"),
    (["get"], "caudex: get: expected KEY, got 0 arguments\ntry 'caudex help get'\n"),
    (["mtach", "/x"],
     "caudex: unknown command 'mtach'; did you mean 'match'?\ntry 'caudex help'\n"),
    (["get", "x" * 4097], "caudex: get: KEY: has 4097 bytes, the limit is 4096\n"),
    (["--server", "host:port", "ping"], "caudex: ping: --server: expected HOST, HOST:PORT, "
     "[IPV6]:PORT or unix:PATH, got 'host:port'\n"),
    (["bench", "--ratio", "drop=1"], "caudex: bench: --ratio: expected CALL=WEIGHT with a call "
     "that 'caudex help bench' lists, got 'drop=1'\n"),
    (["bench", "--requests", "5", "--duration", "1s"],
     "caudex: bench: expected --requests or --duration, got both\n"),
    (["load", "--keys", "--format", "tsv", "/dev/null"],
     "caudex: load: expected --keys or --format tsv, got both\n"),
    (["completion", "tcsh"], "caudex: completion: expected bash, zsh or fish, got 'tcsh'\n"),
    (["quit"], "caudex: quit: is for the prompt only\n"),
    (["touch", "/k"], "caudex: touch: expected KEY TIME, got 1 argument\n"
     "try 'caudex help touch'\n"),
    (["touch", "/k", "soon"], "caudex: touch: TIME: expected a time like 500ms, 30s or 2h, from "
     "1ms, or never, got 'soon'\ntry 'caudex help touch'\n"),
    (["delete", "--if-revision", "0", "/k"], "caudex: delete: --if-revision: expected a number "
     "from 1 to 18446744073709551615, got '0'\ntry 'caudex help delete'\n"),
    (["swap", "/k", "/dev/null", "--keys", "--format", "json"],
     "caudex: swap: expected --keys or --format json, got both\n"),
])
def test_mistakes_are_told_and_nothing_is_sent(cli, args, text):
    result = cli(*args, exit=USAGE)
    assert result.err == text and result.out == b""


def test_errors_are_json_with_json(cli):
    result = cli("--json", "get", exit=USAGE)
    assert json.loads(result.err) == {"status": "error", "exit": 2,
                                      "error": "expected KEY, got 0 arguments"}


def test_no_server(cli):
    told = cli("--server", "127.0.0.1:1", "get", "/x", exit=UNREACHABLE)
    assert told.err == ("caudex: get: cannot reach the server at 127.0.0.1:1: Connection refused "
                        "(--server or CAUDEX_SERVER names another)\n")
    cli("-s", "unix:/nowhere", "ping", exit=UNREACHABLE)
    cli("-s", "127.0.0.1:1", "load", "/dev/null", exit=UNREACHABLE)
    cli("-s", "127.0.0.1:1", "bench", "-n1", exit=UNREACHABLE)
    assert json.loads(cli("-s", "unix:/nowhere", "-j", "stats", exit=UNREACHABLE).err)["exit"] == 3


@pytest.fixture
def stranger():
    """A listener that accepts and answers everyone with given bytes, perhaps none."""
    listener = socket.create_server(("127.0.0.1", 0))
    answers = []

    def serve():
        try:
            while True:
                peer, _ = listener.accept()
                answers.append(peer)
                peer.recv(65536)
                peer.sendall(listener_bytes[0])
        except OSError:
            pass

    listener_bytes = [b""]
    threading.Thread(target=serve, daemon=True).start()

    def address(answer: bytes) -> str:
        listener_bytes[0] = answer
        return f"127.0.0.1:{listener.getsockname()[1]}"

    yield address
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    for peer in answers:
        peer.close()


def test_a_stranger_behind_the_port(cli, stranger):
    told = cli("-s", stranger(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "get", "/x", exit=REFUSED)
    assert "does not speak Caudex's protocol: at its byte 0, status: " in told.err
    told = cli("-s", stranger(b""), "-t", "100ms", "get", "/x", exit=UNREACHABLE)
    assert "no answer in time" in told.err
    cli("-s", stranger(b"garbage"), "bench", "-n100", exit=REFUSED)


def test_local_errors(cli, tmp_path):
    assert "cannot open: No such file" in cli("put", "/k", "-f", "/nowhere", exit=LOCAL).err
    assert "cannot open: No such file" in cli("load", "/nowhere", exit=LOCAL).err
    cli("dump", "-o", str(tmp_path / "no" / "such"), exit=LOCAL)
    cli("put", "/k", "v")
    told = cli("dump", "-o", "/dev/full", exit=LOCAL)
    assert told.err == "caudex: dump: '/dev/full': cannot write: No space left on device\n"
    with open("/dev/full", "wb") as full:
        process = cli.start("version", stdout=full)
        _, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == LOCAL
    assert err == b"caudex: version: standard output: No space left on device\n"


def test_a_reader_that_leaves_early_ends_it_silently(cli):
    cli("load", "-q", "--keys", "-", stdin=b"\n".join(b"/key/%d" % n for n in range(50000)))
    process = cli.start("list")
    assert process.stdout.readline() == b"/key/0\t\n"
    process.stdout.close()
    assert process.wait(TIMEOUT_S) == -signal.SIGPIPE
    assert process.stderr.read() == b""


# ---- load and dump ----


def binary_rows(count: int) -> dict[bytes, bytes]:
    """Rows with every byte, empty parts, and UTF-8, the same in every run."""
    draw = random.Random(7)
    rows = {b"": b"empty key", b"/empty": b"", "/größe".encode(): "naïve €".encode()}
    while len(rows) < count:
        key = bytes(draw.choices(b"/\t\n\\\r\"\x00\xff\x80abcx", k=draw.randrange(1, 30)))
        rows[key] = bytes(draw.randbytes(draw.randrange(0, 40)))
    return rows


@pytest.mark.parametrize("name", ["rows.tsv", "rows.jsonl"])
def test_what_is_dumped_loads_as_the_same_bytes(cli, tmp_path, name):
    rows = binary_rows(3000)
    first, second = tmp_path / name, tmp_path / f"second-{name}"
    lines = [json.dumps({"key_base64": base64.b64encode(k).decode(),
                         "value_base64": base64.b64encode(v).decode()}) for k, v in rows.items()]
    result = cli("load", "--format", "json", "-", stdin="\n".join(lines).encode())
    assert re.match(r"loaded 3000 keys, ", result.err)
    cli("dump", "--output", str(first))
    first.read_bytes().decode("utf-8")
    cli("drop", "--yes", "")
    cli("load", str(first))
    assert cli("count").out == b"3000\n"
    cli("dump", "-q", "-o", str(second))
    assert first.read_bytes() == second.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([name, f"second-{name}"])
    if name.endswith("jsonl"):
        back = [json.loads(line) for line in first.read_text().splitlines()]
        assert {(r["key"].encode() if "key" in r else base64.b64decode(r["key_base64"])):
                (r["value"].encode() if "value" in r else base64.b64decode(r["value_base64"]))
                for r in back} == rows


def test_dump_of_a_subtree_to_a_pipe(cli):
    for key in ("/a", "/a/b", "/c"):
        cli("put", key, "v")
    result = cli("dump", "/a")
    assert result.out == b"/a\tv\n/a/b\tv\n"
    assert result.err.startswith("dumped 2 keys, ")
    assert cli("dump", "-q", "/a").err == ""
    assert cli.json("dump", "/c") == [{"key": "/c", "value": "v"}]
    assert cli("dump", "--format", "json", "/c").out == b'{"key":"/c","value":"v"}\n'


def test_load_of_keys_and_formats(cli, tmp_path):
    cli("load", "--keys", "--value", "x", "-", stdin=b"/a\n\n/b\\t\n/c")
    assert cli("list").out == b"/a\tx\n/b\\\\t\tx\n/c\tx\n"
    (tmp_path / "rows").write_text('{"key":"/j","value":"1"}\n')
    cli("load", str(tmp_path / "rows"))
    assert cli("get", "/j").out == b"1"
    (tmp_path / "rows.tsv").write_text('{"key"\tthis is TSV by its name')
    cli("load", str(tmp_path / "rows.tsv"))
    assert cli("get", '{"key"').out == b"this is TSV by its name"
    summary, = cli.json("load", str(tmp_path / "rows.tsv"))
    assert summary["status"] == "ok" and summary["keys"] == 1 and summary["last_line"] == 1
    told = cli("load", "--value", "x", str(tmp_path / "rows.tsv"), exit=USAGE)
    assert "--value: expected with --keys only" in told.err


def test_a_bad_row_stops_the_load_with_its_place(cli, tmp_path):
    path = tmp_path / "rows.tsv"
    path.write_text("/a\t1\n/b\t2\nno tab\n/d\t4\n")
    told = cli("load", str(path), exit=LOCAL)
    lines = told.err.splitlines()
    assert lines[0] == (f"caudex: load: {path}:3: expected KEY, a tab, VALUE; found no tab in "
                        "'no tab' (plain keys: --keys)")
    assert lines[1] == ("caudex: load: stopped; all rows up to line 2 are done; "
                        "go on with --from-line 3")
    assert cli("list", "--keys").out == b"/a\n/b\n"
    cli("load", "--from-line", "4", str(path))
    assert cli("list", "--keys").out == b"/a\n/b\n/d\n"
    told = cli("load", "--from-line", "9", str(path), exit=LOCAL)
    assert "--from-line 9: the input has only 4 lines" in told.err


def test_keep_going_reports_every_bad_row(cli, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"key":"/a","value":"1"}\n[]\n{"key":"/c","value":"3"}\n{"key":"/d"}\n')
    told = cli("load", "--keep-going", str(path), exit=LOCAL)
    lines = told.err.splitlines()
    assert lines[0] == f"caudex: {path}:2: expected a JSON object"
    assert lines[1].startswith(f'caudex: {path}:4: expected one member "value"')
    assert lines[2].startswith("loaded 2 keys, ") and lines[2].endswith("; 2 bad rows")
    assert cli("count").out == b"2\n"


def test_rows_are_stored_while_the_input_waits(cli):
    process = cli.start("load", "-q", "-", stdin=subprocess.PIPE)
    process.stdin.write(b"/slow\t1\n/half")
    process.stdin.flush()
    wait_until(lambda: cli("count").out == b"1\n", "the row before the pause")
    process.stdin.write(b"\t2\n")
    process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == DONE
    assert cli("get", "/half").out == b"2"


def slow_rows(path: Path, count: int) -> None:
    """More rows than are loaded before somebody interferes."""
    with open(path, "w") as file:
        for n in range(count):
            file.write(f"/load/{n:08}\t{'v' * 40}\n")


def test_a_killed_load_goes_on_from_its_checkpoint(cli, tmp_path):
    rows, checkpoint, count = tmp_path / "rows.tsv", tmp_path / "done", 400_000
    slow_rows(rows, count)
    command = ("load", "--pipeline", "2", "--checkpoint", str(checkpoint), str(rows))
    process = cli.start(*command)
    wait_until(checkpoint.exists, "the first checkpoint")
    process.kill()
    process.communicate(timeout=TIMEOUT_S)
    line = int(re.search(r"^line (\d+)$", checkpoint.read_text(), re.M).group(1))
    assert 0 < line < count
    stored = int(cli("count").out)
    assert stored >= line
    # What lies before the checkpoint must not be touched again: make that visible.
    cli("delete", "/load/00000000")
    result = cli(*command[:1], "--checkpoint", str(checkpoint), str(rows))
    loaded = int(re.match(r"loaded (\d+) keys", result.err).group(1))
    assert loaded == count - line
    assert cli("count").out == f"{count - 1}\n".encode()
    assert not checkpoint.exists()


def test_ctrl_c_ends_a_load_in_order(cli, tmp_path):
    rows, checkpoint = tmp_path / "rows.tsv", tmp_path / "done"
    slow_rows(rows, 400_000)
    process = cli.start("load", "-p2", "--checkpoint", str(checkpoint), str(rows))
    wait_until(lambda: int(cli("count").out) > 100, "some rows")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == INTERRUPTED
    told = re.search(rb"all rows up to line (\d+) are done; the same command goes on", err)
    line = int(told.group(1))
    assert cli("count").out == b"%d\n" % line
    assert f"line {line}\n" in checkpoint.read_text()


def test_a_load_that_loses_its_server_says_where_it_was(tmp_path):
    rows = tmp_path / "rows.tsv"
    slow_rows(rows, 400_000)
    with Server() as server:
        cli = Cli(server.address)
        process = cli.start("load", "-p2", str(rows))
        wait_until(lambda: int(cli("count").out) > 100, "some rows")
        server.kill()
        _, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == UNREACHABLE
    assert re.search(rb"load: the connection to the server ended: ", err)
    assert re.search(rb"stopped; all rows up to line \d+ are done; go on with --from-line", err)


def test_checkpoints_of_other_files_are_refused(cli, tmp_path):
    (tmp_path / "rows.tsv").write_text("/a\t1\n/b\t2\n")
    other = tmp_path / "notes"
    other.write_text("my notes\n")
    told = cli("load", "--checkpoint", str(other), str(tmp_path / "rows.tsv"), exit=LOCAL)
    assert "is no checkpoint of caudex load" in told.err
    assert other.read_text() == "my notes\n"
    other.write_text(f"caudex load checkpoint\nline 1\noffset 3\ninput {tmp_path}/rows.tsv\n")
    told = cli("load", "--checkpoint", str(other), str(tmp_path / "rows.tsv"), exit=LOCAL)
    assert "has changed since its checkpoint was written" in told.err
    told = cli("load", "--checkpoint", str(other), "--from-line", "2",
               str(tmp_path / "rows.tsv"), exit=USAGE)
    assert "expected --from-line or an existing --checkpoint, got both" in told.err


def test_an_interrupted_dump_leaves_the_old_file(cli, tmp_path):
    cli("load", "-q", "--keys", "-", stdin=b"\n".join(b"/key/%d" % n for n in range(1000)))
    out = tmp_path / "dump.tsv"
    out.write_text("old")
    stranger = socket.create_server(("127.0.0.1", 0))
    process = cli.start("-s", f"127.0.0.1:{stranger.getsockname()[1]}", "dump", "-o", str(out))
    peer, _ = stranger.accept()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == INTERRUPTED
    assert out.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["dump.tsv"]
    peer.close()
    stranger.close()


# ---- swap ----


def test_swap_replaces_a_subtree(cli, tmp_path):
    for key in ("/img", "/img/a", "/img/b", "/imgs", "/other"):
        cli("put", key, "old")
    path = tmp_path / "img.tsv"
    path.write_text("/img/b\tnew\n/img/c\tnew\n")
    result = cli("swap", "/img", str(path))
    assert result.out == b"added\t2\nremoved\t3\n"
    assert result.err.startswith("swapped in 2 keys, ")
    assert cli("list").out == b"/img/b\tnew\n/img/c\tnew\n/imgs\told\n/other\told\n"
    result = cli("swap", "-q", "/img", stdin=b'{"key":"/img","value":"json"}\n')
    assert result.out == b"added\t1\nremoved\t2\n" and result.err == ""
    assert cli("get", "/img").out == b"json"
    answer, = cli.json("swap", "/img", "--ttl", "1h", str(path))
    assert answer["added"] == 2 and answer["removed"] == 1 and answer["keys"] == 2
    assert cli("ttl", "/img/b").out != b"never\n"
    cli("swap", "-q", "", "-", "--keys", "--value", "v", stdin=b"/x\nrelative\n")
    assert cli("list").out == b"/x\tv\nrelative\tv\n"


def test_a_swap_that_fails_changes_nothing(cli, tmp_path):
    for key in ("/img", "/img/a"):
        cli("put", key, "old")
    before = cli("list").out
    path = tmp_path / "img.tsv"
    path.write_text("/img/b\tnew\n/imgs\tnew\n/img/c\tnew\n")
    told = cli("swap", "/img", str(path), exit=REFUSED)
    assert told.err == (f"caudex: swap: {path}:2: the key is neither the one to be swapped nor "
                        "below it; nothing was changed\n")
    path.write_text("/img/b\tnew\nno tab\n")
    told = cli("swap", "/img", str(path), exit=LOCAL)
    assert told.err == (f"caudex: swap: {path}:2: expected KEY, a tab, VALUE; found no tab in "
                        "'no tab' (plain keys: --keys); nothing was changed\n")
    told = cli("swap", "/img", "/dev/null", exit=LOCAL)
    assert "there are no rows: expected --empty" in told.err
    told = cli("swap", "/img/", str(path), exit=REFUSED)
    assert told.err == "caudex: swap: the key of a swap must not end in '/'\n"
    cli("swap", "/img", "/nowhere", exit=LOCAL)
    assert cli("list").out == before
    assert cli("swap", "--empty", "/img", "/dev/null").out == b"added\t0\nremoved\t2\n"
    assert cli("count").out == b"0\n"


def staging(cli) -> subprocess.Popen:
    """A swap of /img that waits for more rows, one of which is staged."""
    before = cli.json("stats")[0]["calls.stage_put"]
    process = cli.start("swap", "/img", stdin=subprocess.PIPE)
    process.stdin.write(b"/img/new\t1\n")
    process.stdin.flush()
    wait_until(lambda: cli.json("stats")[0]["calls.stage_put"] > before, "a staged row")
    return process


def test_ctrl_c_ends_a_swap_with_nothing_changed(cli):
    cli("put", "/img/old", "x")
    process = staging(cli)
    told = cli("swap", "/img/new", "/dev/null", "--empty", exit=REFUSED)
    assert told.err.startswith("caudex: swap: the server is about to swap other keys")
    assert cli("list", "--keys").out == b"/img/old\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == INTERRUPTED
    assert err == b"caudex: swap: interrupted; nothing was changed\n"
    assert cli("list", "--keys").out == b"/img/old\n"
    # The stage is closed by then: another one may be opened at once.
    assert cli("swap", "-q", "/img", stdin=b"/img/2\tx\n").out == b"added\t1\nremoved\t1\n"


def test_a_killed_swap_leaves_no_stage(cli):
    cli("put", "/img/old", "x")
    process = staging(cli)
    process.kill()
    process.communicate(timeout=TIMEOUT_S)
    again = ("swap", "-q", "/img", "/dev/null", "--empty")
    wait_until(lambda: cli.start(*again).wait(TIMEOUT_S) == DONE, "the end of the stage")
    assert cli("count").out == b"0\n"


def test_a_large_swap_is_one_step(cli, tmp_path):
    rows = tmp_path / "rows.tsv"
    slow_rows(rows, 200_000)
    cli("put", "/load/old", "x")
    process = cli.start("swap", "-q", "/load", str(rows))
    counts = set()
    while process.poll() is None:
        counts.add(int(cli("count", "/load").out))
    out, _ = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == DONE and out == b"added\t200000\nremoved\t1\n"
    assert counts <= {1, 200_000}
    assert cli("count").out == b"200000\n"


def test_a_dump_is_of_one_moment(cli, tmp_path):
    count = 100_000
    old, new = tmp_path / "old.tsv", tmp_path / "new.tsv"
    old.write_text("".join(f"/s/{n:06}\told{'.' * 50}\n" for n in range(count)))
    new.write_text("".join(f"/s/{n:06}\tnew{'.' * 50}\n" for n in range(count)))
    cli("swap", "-q", "/s", str(old))
    process = cli.start("dump", "-q", "/s")
    select.select([process.stdout], [], [], TIMEOUT_S)
    cli("swap", "-q", "/s", str(new))
    assert cli("get", "/s/000000").out.startswith(b"new")
    out, _ = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == DONE
    assert out == old.read_bytes()
    assert cli("dump", "-q", "--pages", "/s").out == new.read_bytes()


# ---- bench ----


def test_bench(cli):
    text = cli("bench", "--fill", "--keyspace", "1000", "--requests", "20000", "-c4",
               "-p8").out.decode()
    assert re.search(r"^get +\d+ ", text, re.M) and "4 connections × 8 open requests" in text
    report, = cli.json("bench", "--keyspace", "1000", "-n20k", "-T2", "-c4", "--ratio",
                       "get=4,match=2,put=1,list=1,match_all=1,delete=1,put_if=1,ping=1,echo=1,"
                       "ttl=1,put_ttl=1,touch=1,scan=1")
    assert report["requests"] == 20000 and report["status"] == "ok"
    calls = {call["call"]: call for call in report["calls"]}
    assert len(calls) == 13
    for call in calls.values():
        assert sum(call["statuses"].values()) == call["requests"]
        latency = call["latency_us"]
        assert 0 < latency["min"] <= latency["p50"] <= latency["p99"] <= latency["max"]
    assert calls["match"]["statuses"].get("ok", 0) > 0
    assert sum(c["requests"] for c in calls.values()) == 20000


def test_bench_of_given_keys(cli, tmp_path):
    (tmp_path / "keys").write_text("/x\n/y\n\n/z\n")
    report, = cli.json("bench", "--keys", str(tmp_path / "keys"), "--fill", "-n1000",
                       "--ratio", "get=1")
    assert report["keys"] == 3
    assert report["calls"][0]["statuses"] == {"ok": 1000}
    assert cli("list", "--keys").out == b"/x\n/y\n/z\n"
    (tmp_path / "none").write_text("\n")
    cli("bench", "--keys", str(tmp_path / "none"), exit=LOCAL)


def test_bench_raises_its_soft_limit_of_descriptors(cli):
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    process = cli.start("--json", "bench", "-c100", "-n1000", "--keyspace", "10",
                        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (32, limit)))
    out, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == DONE, err
    assert json.loads(out)["connections"] == 100


def test_ctrl_c_ends_a_bench_with_its_report(cli):
    before = cli.json("stats")[0]["calls.get"]
    process = cli.start("--json", "bench", "--duration", "100s", "--rate", "1k")
    wait_until(lambda: cli.json("stats")[0]["calls.get"] > before, "requests")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == INTERRUPTED
    assert json.loads(out)["interrupted"] is True


# ---- commands from a pipe ----


def test_commands_from_a_pipe(cli):
    result = cli(stdin=b"put /a '1 2'\n# a comment\n\nget /a\nput /b \"\\x00\"\nquit\nx")
    assert result.out == b"1 2"
    result = cli(stdin=b"get /none\nget /a\n", exit=NO)
    assert result.out == b"1 2"
    assert cli("get", "/b").out == b"\x00"


def test_a_failing_line_ends_the_run(cli):
    result = cli(stdin=b"put /a 1\nget\nput /b 2\n", exit=USAGE)
    assert result.err == ("caudex: stdin:2: get: expected KEY, got 0 arguments\n"
                          "try 'caudex help get'\n")
    assert cli("list", "--keys").out == b"/a\n"
    result = cli(stdin=b"get 'x\n", exit=USAGE)
    assert result.err == ("caudex: stdin:1: the line ends inside quotes or after a backslash\n")
    assert cli(stdin=b"get \\q\n", exit=USAGE).err.startswith("caudex: stdin:1: at its byte 5: ")
    assert "but the commands are read from there" in cli(stdin=b"put /k -\n", exit=USAGE).err
    assert cli("--json", stdin=b"\n\ncount\n").out == b'{"status":"ok","key":"","keys":1}\n'


# ---- the terminal ----


class Terminal:
    """caudex on a terminal of its own."""

    def __init__(self, cli: Cli, *args: str, env=None):
        command, environment = [program(), *args], cli.environment() | (env or {})
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(command[0], command, environment)
        self.text = ""

    def read(self) -> bool:
        """Takes what has come; False at the end."""
        if not select.select([self.fd], [], [], 0.05)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        self.text += data.decode(errors="replace")
        return bool(data)

    def expect(self, text: str) -> str:
        """Waits until `text` has come; returns all before it and forgets it."""
        deadline = time.monotonic() + TIMEOUT_S
        while text not in self.text:
            assert self.read(), f"ended before {text!r}: {self.text[-500:]!r}"
            assert time.monotonic() < deadline, f"no {text!r} in {self.text[-500:]!r}"
        before, _, self.text = self.text.partition(text)
        return before

    def type(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def edit(self, text: str) -> None:
        """Types when the editor has the terminal: it shows its prompt a moment before that."""
        wait_until(lambda: not termios.tcgetattr(self.fd)[3] & termios.ICANON, "the editor")
        self.type(text)

    def close(self) -> int:
        """Reads on to the end; returns the exit status."""
        deadline = time.monotonic() + TIMEOUT_S
        while self.read():
            assert time.monotonic() < deadline, f"does not end: {self.text[-500:]!r}"
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.fixture
def terminal(cli, tmp_path):
    """Starts caudex on a terminal, with a state folder of its own."""
    return lambda *args, **env: Terminal(cli, *args,
                                         env={"XDG_STATE_HOME": str(tmp_path / "state"),
                                              "LC_ALL": "C.UTF-8"} | env)


def test_the_prompt_runs_commands_and_remembers_them(cli, terminal, tmp_path):
    prompt = f"{cli.address}> "
    tty = terminal()
    tty.expect("'help' lists the commands")
    tty.expect(prompt)
    tty.edit("put /img 'a b'\r")
    tty.expect(prompt)
    tty.edit("get /img\r")
    assert "a b\r\n" in tty.expect(prompt)
    tty.edit("get /none\r")
    assert "'/none': not found" in tty.expect(prompt)
    tty.edit("gte /img\r")
    assert "did you mean 'get'" in (told := tty.expect(prompt)) and "try 'help'" in told
    tty.edit("bench\r")
    assert "not the prompt" in tty.expect(prompt)
    tty.edit("get \"x\r")
    assert "inside quotes" in tty.expect(prompt)
    tty.edit("quit\r")
    assert tty.close() == DONE
    history = tmp_path / "state" / "caudex" / "history"
    assert "gte" in history.read_text() and history.stat().st_mode & 0o777 == 0o600
    assert cli("get", "/img").out == b"a b"
    tty = terminal()
    tty.expect(prompt)
    tty.edit("\x1b[A\x1b[A")  # two lines up: past quit, at the line before it
    tty.expect('get "x')
    tty.edit("\x15")
    tty.edit("\x04")
    assert tty.close() == DONE


def test_the_tab_key_completes(cli, terminal):
    for key in ("/img/cats", "/img/dogs", "/with blank"):
        cli("put", key, "v" + key)
    prompt = f"{cli.address}> "
    tty = terminal()
    tty.expect(prompt)
    tty.edit("coun\t\r")
    assert "3\r\n" in tty.expect(prompt)
    tty.edit("get /im\tc\t\r")
    assert "v/img/cats" in tty.expect(prompt)
    tty.edit("get /w\t\r")
    assert "v/with blank" in tty.expect(prompt)
    tty.edit("list --color never --ke\t/img\r")
    assert "/img/cats\r\n/img/dogs\r\n" in tty.expect(prompt)
    tty.edit("get /img/\t\t")
    listing = tty.expect("/img/dogs")
    assert "/img/cats" in listing
    tty.edit("\x03")
    tty.expect("^C")
    tty.expect(prompt)
    tty.edit("\x04")
    assert tty.close() == DONE


def test_ctrl_c_stops_a_command_not_the_prompt(cli, terminal):
    prompt = f"{cli.address}> "
    tty = terminal()
    tty.expect(prompt)
    tty.edit("ping --count 0\r")
    tty.expect("answer 2 from")
    tty.type("\x03")
    tty.expect("answered; min/avg/max")
    tty.expect(prompt)
    tty.edit("count\r")
    assert "0\r\n" in tty.expect(prompt)
    tty.edit("\x04")
    assert tty.close() == DONE


def test_the_prompt_survives_its_server(terminal, tmp_path):
    with Server(unix=True) as server:
        cli = Cli(server.address)
        prompt = f"{cli.address}> "
        tty = Terminal(cli, env={"XDG_STATE_HOME": str(tmp_path)})
        tty.expect(prompt)
        tty.edit("count\r")
        assert "0\r\n" in tty.expect(prompt)
        server.stop()
        tty.edit("count\r")
        assert "cannot reach the server" in tty.expect(prompt)
        server.start()
        tty.edit("count\r")
        assert "0\r\n" in tty.expect(prompt)
        tty.edit("quit\r")
        assert tty.close() == DONE


def test_colours_are_for_terminals_only(cli, terminal):
    cli("put", "-e", "/k", r"\x1b[31m")
    tty = terminal("list")
    assert tty.close() == DONE and "\x1b[36m/k\x1b[0m\t\\x1B[31m\r\n" in tty.text
    tty = terminal("get", "/k")
    assert tty.close() == DONE and tty.text == "\\x1B[31m\r\n"
    tty = terminal("list", NO_COLOR="1")
    assert tty.close() == DONE and tty.text == "/k\t\\x1B[31m\r\n"
    tty = terminal("list", "--color=never")
    assert tty.close() == DONE and "\x1b" not in tty.text
    tty = terminal("gte")
    assert tty.close() == USAGE and "\x1b[1;31mcaudex:\x1b[0m unknown" in tty.text
    assert b"\x1b" not in cli("list").out
    assert "\x1b" not in cli("gte", exit=USAGE).err
    assert b"\x1b[36m/k" in cli("list", "--color", "always").out


def test_drop_asks_on_a_terminal(cli, terminal):
    cli("load", "-q", "--keys", "-", stdin=b"\n".join(b"/k/%d" % n for n in range(1500)))
    cli("put", "/few", "x")
    tty = terminal("drop", "/k")
    tty.expect("drop 1500 keys at and below '/k'? [y/N] ")
    tty.type("\r")
    tty.expect("nothing was dropped")
    assert tty.close() == NO
    tty = terminal("drop", "/few")
    assert tty.close() == DONE and "1\r\n" in tty.text
    tty = terminal("drop", "")
    tty.expect("drop the whole store, 1500 keys? [y/N] ")
    tty.type("yes\r")
    tty.expect("1500\r\n")
    assert tty.close() == DONE
    assert cli("count").out == b"0\n"


def test_progress_is_shown_on_a_terminal(cli, terminal, tmp_path):
    slow_rows(tmp_path / "rows.tsv", 20_000)
    tty = terminal("load", "--pipeline", "1", str(tmp_path / "rows.tsv"))
    assert tty.close() == DONE
    assert re.search(r"\[#*\.*\] +\d+ %  [\d.]+k? keys  [\d.]+[kM]B  [\d.]+k? keys/s", tty.text)
    assert re.search(r"\r\x1b\[Kloaded 20000 keys, ", tty.text)
    tty = terminal("swap", "--pipeline", "1", "/load", str(tmp_path / "rows.tsv"))
    assert tty.close() == DONE
    assert re.search(r"\[#*\.*\] +\d+ %  [\d.]+k? keys ", tty.text)
    assert "swapped in 20000 keys, " in tty.text
    assert "added\t20000\r\nremoved\t20000\r\n" in tty.text


# ---- completion scripts and the manual page ----


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_valid(cli, tmp_path, shell):
    script = tmp_path / "script"
    script.write_bytes(cli("completion", shell).out)
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    assert subprocess.run([shell, "-n", str(script)], timeout=TIMEOUT_S).returncode == 0


BASH = r"""
source "$1"
COMP_LINE=$2; COMP_POINT=${#2}
compopt() { :; }
_caudex
printf '%s\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize("line, replies", [
    ("caudex ge", ["get"]),
    ("caudex match", ["match", "match-all"]),
    ("caudex list --ke", ["--keys"]),
    ("caudex --color n", ["never"]),
    ("caudex load --format ", ["auto", "tsv", "json", "keys"]),
    ("caudex --color never coun", ["count"]),
    ("caudex get /img/c", ["/img/cats"]),
    ("caudex get /i", ["/img/"]),
    ("caudex completion ", ["bash", "zsh", "fish"]),
    ("caudex get /a:", ["b"]),
    ("caudex swap /img/c", ["/img/cats"]),
    ("caudex -s x:1 swap -q --format tsv /img/cats /img/c", []),
    ("caudex swap /img /proc/sys/kernel/osre", ["/proc/sys/kernel/osrelease"]),
    ("caudex apply /proc/sys/kernel/osre", ["/proc/sys/kernel/osrelease"]),
    ("caudex put --ttl 5s /img/c", ["/img/cats"]),
    ("caudex put /img/cats /img/c", []),
    ("caudex swap --em", ["--empty"]),
])
def test_bash_completes(cli, tmp_path, line, replies):
    for key in ("/img/cats", "/img/dogs", "/a:b"):
        cli("put", key, "v")
    script = tmp_path / "script"
    script.write_bytes(cli("completion", "bash").out)
    env = cli.environment()
    env["PATH"] = f"{os.path.dirname(program())}:{env['PATH']}"
    done = subprocess.run(["bash", "--norc", "-c", BASH, "bash", str(script), line], env=env,
                          capture_output=True, text=True, timeout=TIMEOUT_S)
    assert done.stdout.split() == replies, done.stderr


def test_the_manual_page_is_sound(cli, tmp_path):
    page = tmp_path / "caudex.1"
    page.write_bytes(cli("--print-man").out)
    if shutil.which("man") is None:
        pytest.skip("no man here")
    done = subprocess.run(["man", "--warnings", "-l", str(page)], capture_output=True,
                          timeout=TIMEOUT_S, env=os.environ | {"LC_ALL": "C.UTF-8"})
    assert done.returncode == 0 and done.stderr == b""
    assert b"EXIT STATUS" in done.stdout
