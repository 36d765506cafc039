# SPDX-License-Identifier: Apache-2.0
"""Redis's own clients against caudexd, and its answers beside those of Debian's redis-server."""

from __future__ import annotations

import os
import random
import re
import shutil
import socket
import subprocess
import threading
from pathlib import Path
from typing import Iterator

import pytest
import redis
from resp import Peer, Redis, command, value, words
from resp_scripts import (DIFFERENT, DIFFERENT_BYTES, RANDOM, RANDOM_WORDS, SAME, SAME_BYTES)
from server import TIMEOUT_S, Server

KEY_MAX = 4096
VALUE_MAX = 16 << 20
KEYS_MAX = 65536
MANY = 3000  # more than one turn answers


@pytest.fixture(scope="module", params=["tcp", "unix", "two workers"])
def server(request):
    """One server for all tests here: over each family, and with two loops."""
    flags = ["--workers=2"] if request.param == "two workers" else ["--workers=1"]
    with Server(*flags, handler="resp", unix=request.param == "unix") as running:
        yield running


@pytest.fixture(scope="module")
def reference():
    """Debian's redis-server."""
    with Redis() as running:
        yield running


@pytest.fixture
def peer(server):
    """A connection to an empty store."""
    with Peer(server.connect()) as connected:
        connected.ask("FLUSHALL")
        yield connected


def tool(name: str, server: Server, *args: str, data: bytes = b"") -> str:
    """What redis-cli or redis-benchmark prints."""
    if server.address.startswith("unix:"):
        place = ["-s", server.address[len("unix:"):]]
    else:
        place = ["-h", "127.0.0.1", "-p", str(server.port)]
    done = subprocess.run([name, *place, *args], input=data, capture_output=True, check=False,
                          timeout=TIMEOUT_S * 6)
    assert done.returncode == 0, (args, done.stdout, done.stderr)
    return done.stdout.decode()


# ---- the same bytes as redis-server ----


@pytest.mark.parametrize("name", SAME)
def test_a_script_is_answered_as_redis_server_answers_it(peer, reference, name):
    """Every command of the script, one after the other."""
    with Peer(reference.connect()) as other:
        other.ask("FLUSHALL")
        for line in SAME[name].strip().splitlines():
            parts = words(line)
            assert peer.ask(*parts) == other.ask(*parts), line


@pytest.mark.parametrize("name", SAME)
def test_a_script_as_one_pipeline_is_answered_alike(peer, reference, name):
    """All commands in one piece."""
    data = b"".join(command(*words(line)) for line in SAME[name].strip().splitlines())
    count = len(SAME[name].strip().splitlines())
    with Peer(reference.connect()) as other:
        other.ask("FLUSHALL")
        for one in (peer, other):
            one.send(data)
        assert [peer.reply() for _ in range(count)] == [other.reply() for _ in range(count)]


def random_commands(chance: random.Random) -> Iterator[list[bytes]]:
    """Any commands on few keys, some with an argument too many or too few."""
    forms = [line.split() for line in RANDOM.replace("|", "\n").strip().splitlines()]
    while True:
        made = [chance.choice(RANDOM_WORDS[word]) if word in RANDOM_WORDS else word.encode()
                for word in chance.choice(forms)]
        if chance.random() < .02:
            made.insert(chance.randint(1, len(made)), chance.choice([b"", b"odd", b"\r\n", b"a\nb"]))
        if chance.random() < .02 and len(made) > 1:
            made.pop()
        yield made


@pytest.mark.parametrize("seed", range(8))
def test_any_commands_are_answered_alike(peer, reference, seed):
    """In pipelines of any length."""
    chance = random.Random(seed)
    commands = random_commands(chance)
    with Peer(reference.connect()) as other:
        other.ask("FLUSHALL")
        for _ in range(40):
            pipeline = [next(commands) for _ in range(chance.choice((1, 10, 100)))]
            for one in (peer, other):
                one.send(b"".join(command(*words_of) for words_of in pipeline))
            for words_of in pipeline:
                assert peer.reply() == other.reply(), words_of


def test_every_command_is_compared(peer):
    """Each that Redis has is in a script, or in the list of differences."""
    lines = [line.strip() for script in SAME.values() for line in script.strip().splitlines()]
    lines += [row[0] for row in DIFFERENT]
    lines += [line for data in SAME_BYTES.values() for line in data.decode("latin-1").splitlines()]
    compared = {line.split()[0].lower().encode() for line in lines if line.split()}
    served = set(value(peer.ask("COMMAND", "LIST")))
    assert served - compared == {b"lpmall", b"children", b"drop"}


def all_answers(sock: socket.socket, pieces: list[bytes]) -> bytes:
    """What comes back for the pieces until the server closes."""
    with Peer(sock) as one:
        try:
            for piece in pieces:
                one.send(piece)
            sock.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError, OSError):
            pass  # it has closed already
        return one.rest()


@pytest.mark.parametrize("name", SAME_BYTES)
def test_bytes_are_answered_as_redis_server_answers_them(server, reference, name):
    """Inline commands, mistakes in the protocol, and whether the connection stays."""
    data = SAME_BYTES[name]
    expected = all_answers(reference.connect(), [data])
    assert all_answers(server.connect(), [data]) == expected
    if len(data) < 100:
        assert all_answers(server.connect(), [data[i:i + 1] for i in range(len(data))]) == expected


@pytest.mark.parametrize("line, begin, why", DIFFERENT, ids=[row[0] for row in DIFFERENT])
def test_what_differs_differs_as_it_is_listed(peer, reference, line, begin, why):
    """A difference that is gone is to be taken from the list."""
    assert why
    answer = peer.ask(*words(line))
    assert answer.startswith(begin)
    with Peer(reference.connect()) as other:
        other.ask("FLUSHALL")
        assert other.ask(*words(line)) != answer


@pytest.mark.parametrize("data, answer, why", DIFFERENT_BYTES,
                         ids=[row[2] for row in DIFFERENT_BYTES])
def test_bytes_that_are_answered_otherwise_are_as_they_are_listed(server, reference, data, answer,
                                                                  why):
    """A difference that is gone is to be taken from the list."""
    assert why
    assert all_answers(server.connect(), [data]) == answer
    assert all_answers(reference.connect(), [data]) != answer


def test_the_manual_lists_every_command_and_no_other(peer):
    """resp.md is the one place that lists them."""
    text = (Path(__file__).parents[2] / "src/handler/resp.md").read_text()
    listed = set(re.findall(r"^\| `([A-Z]+(?: [A-Z]+)?)\b", text, re.MULTILINE))
    served = {name.decode().upper() for name in value(peer.ask("COMMAND", "LIST"))}
    for container in (b"client", b"command", b"config"):
        entry = value(peer.ask("COMMAND", "INFO", container))[0]
        served.discard(container.decode().upper())
        served |= {sub[0].decode().upper().replace("|", " ") for sub in entry[9]}
    served |= {"COMMAND"}
    assert listed == served


# ---- ours ----


def test_paths(peer):
    """LPM, LPMALL, CHILDREN and DROP."""
    peer.ask("MSET", "/", "root", "/img", "a", "/img/cats", "b", "/img/dogs/x", "c", "rel", "d")
    assert value(peer.ask("LPM", "/img/cats/1.jpg")) == [b"/img/cats", b"b"]
    assert value(peer.ask("LPM", "/imgs")) == [b"/", b"root"]
    assert peer.ask("LPM", "none") == b"*-1\r\n"
    assert value(peer.ask("LPMALL", "/img/cats/1")) == [
        [b"/", b"root"], [b"/img", b"a"], [b"/img/cats", b"b"]]
    assert peer.ask("LPMALL", "none") == b"*0\r\n"
    assert value(peer.ask("CHILDREN", "/img")) == [[b"/img/cats", 1, 1], [b"/img/dogs", 1, 0]]
    assert peer.ask("CHILDREN", "/none") == b"*0\r\n"
    assert value(peer.ask("DROP", "/img")) == 3
    assert value(peer.ask("DROP", "/img")) == 0
    assert value(peer.ask("KEYS", "*")) == [b"/", b"rel"]
    for name in ("LPM", "LPMALL", "CHILDREN", "DROP"):
        wrong = b"-ERR wrong number of arguments for '%s' command\r\n" % name.lower().encode()
        assert peer.ask(name) == wrong
        assert peer.ask(name, "a", "b") == wrong


def test_keys_of_a_subtree_are_found_as_those_of_the_whole(peer):
    """A pattern that begins with a path is looked for below it only."""
    names = [b"/a/%d/%s" % (n, leaf) for n in range(40) for leaf in (b"x", b"y", b"")]
    names += [b"/a", b"/ab/x", b"/a/1", b"a/1/x"]
    for name in names:
        peer.ask("SET", name, "v")
    for pattern, wanted in (
            ("/a/1/*", rb"/a/1/.*"), ("/a/*/x", rb"/a/.*/x"), ("/a*", rb"/a.*"),
            ("/a/1?/x", rb"/a/1./x"), ("/a/1/", rb"/a/1/"), ("*1*", rb".*1.*"), ("/*", rb"/.*")):
        expected = sorted(n for n in names if re.fullmatch(wanted, n))
        assert sorted(value(peer.ask("KEYS", pattern))) == expected, pattern


def test_bounds_of_keys_and_values(peer):
    """A key of 4096 bytes and a value of 16 MiB are stored, longer ones refused."""
    longest, longer = b"k" * KEY_MAX, b"k" * (KEY_MAX + 1)
    refused = b"-ERR key is longer than 4096 bytes\r\n"
    assert peer.ask("SET", longest, "v") == b"+OK\r\n"
    assert peer.ask("GET", longest) == b"$1\r\nv\r\n"
    for words_of in (("SET", longer, "v"), ("APPEND", longer, "v"), ("INCR", longer),
                     ("MSET", "a", "1", longer, "2"), ("MSETNX", "a", "1", longer, "2"),
                     ("LPMALL", longer), ("CHILDREN", longer)):
        assert peer.ask(*words_of) == refused
    assert peer.ask("EXISTS", "a") == b":0\r\n"
    assert peer.ask("GET", longer) == b"$-1\r\n"
    assert peer.ask("DEL", longer) == b":0\r\n"
    assert peer.ask("LPM", longer) == b"*-1\r\n"
    large = b"v" * VALUE_MAX
    assert peer.ask("SET", "large", large) == b"+OK\r\n"
    assert peer.ask("GET", "large") == b"$%d\r\n%s\r\n" % (VALUE_MAX, large)
    assert peer.ask("STRLEN", "large") == b":%d\r\n" % VALUE_MAX
    assert peer.ask("APPEND", "large", "x") == (
        b"-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n")
    peer.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n" % (VALUE_MAX + 1))
    assert peer.rest() == b"-ERR Protocol error: invalid bulk length\r\n"


def test_a_command_has_at_most_so_many_keys(peer):
    """What is done in one turn is bounded."""
    names = [b"k%d" % n for n in range(KEYS_MAX + 1)]
    pairs = [part for name in names for part in (name, b"v")]
    refused = b"-ERR more than 65536 keys in one command\r\n"
    assert peer.ask("MSET", *pairs) == refused
    assert peer.ask("DBSIZE") == b":0\r\n"
    assert peer.ask("MSET", *pairs[:-2]) == b"+OK\r\n"
    assert peer.ask("EXISTS", *names) == refused
    assert peer.ask("EXISTS", *names[:-1]) == b":%d\r\n" % KEYS_MAX
    assert value(peer.ask("MGET", *names)) == [b"v"] * KEYS_MAX + [None]
    assert peer.ask("DEL", *names) == refused
    assert peer.ask("DEL", *names[:-1]) == b":%d\r\n" % KEYS_MAX


def test_many_keys_are_of_one_version(server):
    """Who asks for many keys while others write or delete all of them sees all, or none, of each write."""
    names = [b"k%d" % n for n in range(MANY)]
    done = threading.Event()
    answers = set()

    def write() -> None:
        with Peer(server.connect()) as writer:
            for n in range(40):
                if n % 4 == 3:
                    answers.add(writer.ask("DEL", *names))
                else:
                    answers.add(writer.ask("MSET", *[part for name in names for part in (name, b"%d" % n)]))
        done.set()

    with Peer(server.connect()) as reader:
        reader.ask("FLUSHALL")
        writing = threading.Thread(target=write)
        writing.start()
        seen = set()
        while not done.is_set():
            values = value(reader.ask("MGET", *names))
            assert len(set(values)) == 1
            seen.add(values[0])
            assert reader.ask("EXISTS", *names) in (b":0\r\n", b":%d\r\n" % MANY)
        writing.join()
    assert answers == {b"+OK\r\n", b":%d\r\n" % MANY}
    assert len(seen) > 2


def test_a_value_ends(peer):
    """In milliseconds, and what ends in the past is gone at once."""
    peer.ask("SET", "k", "v", "PX", "50")
    assert 0 < value(peer.ask("PTTL", "k")) <= 50
    deadline = 400
    while value(peer.ask("EXISTS", "k")) == 1 and deadline:
        deadline -= 1
        subprocess.run(["sleep", "0.01"], check=True)
    assert value(peer.ask("TTL", "k")) == -2


# ---- long answers ----


def fill(peer: Peer, count: int, name: bytes = b"/many/%07d") -> list[bytes]:
    """Stores so many keys and returns them in their order."""
    names = [name % n for n in range(count)]
    for at in range(0, count, 10000):
        peer.ask("MSET", *[part for n in names[at:at + 10000] for part in (n, b"v")])
    return names


def test_answers_of_any_length_are_whole_while_others_are_served(server, peer):
    """KEYS, CHILDREN and MGET over many turns, with commands behind them in the pipeline."""
    names = fill(peer, 50000)
    with Peer(server.connect()) as other:
        peer.send(command("KEYS", "*") + command("PING"))
        assert other.ask("PING") == b"+PONG\r\n"
        other.ask("DEL", *names[:20000])
        assert len(value(peer.reply())) in (30000, 50000)  # one version, before or after
        assert peer.reply() == b"+PONG\r\n"
        peer.send(command("CHILDREN", "/many") + command("ECHO", "x"))
        assert value(peer.reply()) == [[name, 1, 1] for name in names[20000:]]
        assert peer.reply() == b"$1\r\nx\r\n"
        peer.send(command("MGET", *names) + command("ECHO", "y"))
        other.ask("FLUSHALL")
        answer = value(peer.reply())
        assert answer in ([None] * 20000 + [b"v"] * 30000, [None] * 50000)
        assert peer.reply() == b"$1\r\ny\r\n"


def test_an_answer_larger_than_any_buffer_waits_for_its_reader(server, peer):
    """MGET of one large value, again and again, 600 MiB: the server holds only a part of it."""
    large = b"v" * (4 << 20)
    peer.ask("SET", "k", large)
    peer.send(command("MGET", *["k"] * 150) + command("PING"))
    with Peer(server.connect()) as other:
        assert other.ask("PING") == b"+PONG\r\n"
        rss = int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{server.pid}/status").read_text())[1])
        assert rss < 500 * 1024  # with room for what a sanitizer keeps
    assert peer.take(6) == b"*150\r\n"
    item = b"$%d\r\n%s\r\n" % (len(large), large)
    for _ in range(150):
        assert peer.take(len(item)) == item
    assert peer.reply() == b"+PONG\r\n"


def test_clients_that_leave_in_the_middle_of_an_answer(server, peer):
    """Nothing stays behind."""
    fill(peer, 20000)
    for _ in range(100):
        with Peer(server.connect()) as other:
            other.send(command("KEYS", "*") * 3)
    assert len(value(peer.ask("KEYS", "*"))) == 20000


def scan_all(peer: Peer, *options: str) -> list[bytes]:
    """All keys that a full iteration gives."""
    found, position = [], b"0"
    while True:
        position, items = value(peer.ask("SCAN", position, *options))
        found += items
        if position == b"0":
            return found


def test_scan_gives_every_key_that_stays(server, peer):
    """While others come and go."""
    names = fill(peer, 5000)
    found, position, turn = [], b"0", 0
    with Peer(server.connect()) as other:
        while True:
            position, items = value(peer.ask("SCAN", position, "COUNT", "37"))
            found += items
            if position == b"0":
                break
            turn += 1
            other.ask("SET", b"new%d" % turn, "v")
            other.ask("DEL", b"new%d" % (turn - 5))
    assert set(names) <= set(found)
    peer.ask("FLUSHALL")
    fill(peer, 3000)
    for options in ((), ("COUNT", "1"), ("COUNT", "100000"), ("MATCH", "*")):
        assert sorted(set(scan_all(peer, *options))) == names[:3000]
    assert scan_all(peer, "MATCH", "/many/000000[1-3]") and not scan_all(peer, "TYPE", "list")
    for _ in range(20):
        assert value(peer.ask("RANDOMKEY")) in names


# ---- redis-cli, redis-benchmark ----


def test_redis_cli(server, peer):
    """One command, a file of them, a pipe, an iteration."""
    assert tool("redis-cli", server, "SET", "/img", "cdn-a") == "OK\n"
    assert tool("redis-cli", server, "LPM", "/img/cats") == "/img\ncdn-a\n"
    assert tool("redis-cli", server, "-x", "SET", "file", data=b"from stdin") == "OK\n"
    assert tool("redis-cli", server, data=b"GET file\nINCR n\nINCR n\nGET none\nfoo\n") == (
        "from stdin\n1\n2\n\nERR unknown command 'foo', with args beginning with: \n\n")
    pipe = b"".join(command("SET", b"p%d" % n, b"v%d" % n) for n in range(20000))
    answer = tool("redis-cli", server, "--pipe", data=pipe)
    assert "errors: 0, replies: 20000" in answer
    pipe = b"".join(b"SET q%d v%d\r\n" % (n, n) for n in range(1000))
    assert "errors: 0, replies: 1000" in tool("redis-cli", server, "--pipe", data=pipe)
    assert len(set(tool("redis-cli", server, "--scan", "--pattern", "p*").split())) == 20000
    keys = tool("redis-cli", server, "--bigkeys")
    assert "Sampled 21003 keys in the keyspace!" in keys and "Biggest string found" in keys
    assert "redis_version:7.0.15" in tool("redis-cli", server, "INFO")
    assert "get" in tool("redis-cli", server, "COMMAND", "DOCS", "get").split()
    assert tool("redis-cli", server, "-3", "PING") == "PONG\n"
    assert value(peer.ask("GET", "p17")) == b"v17"


def test_redis_benchmark(server, peer):
    """All its tests whose commands there are."""
    tests = "ping_inline,ping_mbulk,set,get,incr,mset"
    for options in (("-P", "16"), ("-P", "1", "-c", "3"), ("-P", "100", "-r", "1000"),
                    ("-P", "16", "-d", "3000")):
        out = tool("redis-benchmark", server, "-n", "2000", "--csv", "-t", tests, *options)
        rates = [line.split(",")[1].strip('"') for line in out.splitlines()[1:]]
        assert len(rates) == 6 and all(float(rate) > 0 for rate in rates), out
    assert value(peer.ask("DBSIZE")) > 1000


# ---- python3-redis, hiredis ----


@pytest.fixture
def client(server, peer):
    """A python3-redis client of an empty store."""
    if server.address.startswith("unix:"):
        made = redis.Redis(unix_socket_path=server.address[len("unix:"):], client_name="pytest")
    else:
        made = redis.Redis(port=server.port, client_name="pytest")
    yield made
    made.close()


def test_python_redis(client):
    """Typed calls, as an application makes them."""
    assert client.ping()
    assert client.set("k", "v") and client.get("k") == b"v"
    assert client.set("k", "w", nx=True) is None
    assert client.set("k", "w", px=100000, get=True) == b"v"
    assert 99 <= client.ttl("k") <= 100
    assert client.setex("s", 100, "v") and client.persist("s") and client.ttl("s") == -1
    assert client.mset({"a": 1, "b": 2}) and client.mget("a", "none", "b") == [b"1", None, b"2"]
    assert client.incr("n", 5) == 5 and client.decr("n") == 4
    assert client.append("k", "!") == 2 and client.strlen("k") == 2
    assert client.getdel("a") == b"1" and client.exists("a", "b") == 1
    assert client.type("b") == b"string" and client.dbsize() == 4
    assert sorted(client.scan_iter()) == [b"b", b"k", b"n", b"s"]
    assert sorted(client.keys()) == [b"b", b"k", b"n", b"s"]
    assert client.delete("b", "k") == 2 and client.randomkey() in (b"n", b"s")
    assert client.info()["redis_version"] == "7.0.15"
    assert client.info("keyspace")["db0"]["keys"] == 2
    assert client.config_get("save") == {"save": ""}
    assert client.client_getname() == "pytest"
    assert client.client_id() in [int(row["id"]) for row in client.client_list()]
    assert client.command_count() == len(client.command())
    assert client.time()[0] > 1_000_000_000
    assert client.execute_command("LPM", "n/below") == [b"n", b"4"]
    with pytest.raises(redis.ResponseError, match="unknown command"):
        client.lpush("list", 1)
    assert client.flushall() and client.dbsize() == 0


def test_python_redis_pipeline(client):
    """Many commands in one piece."""
    with client.pipeline(transaction=False) as pipeline:
        for n in range(5000):
            pipeline.set(f"k{n}", n)
            pipeline.get(f"k{n}")
        answers = pipeline.execute()
    assert answers[0::2] == [True] * 5000
    assert answers[1::2] == [b"%d" % n for n in range(5000)]


def test_hiredis(server, peer):
    """A C program with libhiredis: pipelined, formatted, binary."""
    program = os.environ["HIREDIS_CLIENT"]
    place = server.address.removeprefix("unix:").removeprefix("127.0.0.1:")
    done = subprocess.run([program, place], capture_output=True, text=True, timeout=TIMEOUT_S,
                          check=False)
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr
    assert value(peer.ask("GET", "hiredis")) == b"a\0b"


def test_the_tools_are_there():
    """The tests above are not passed over."""
    assert shutil.which("redis-cli") and shutil.which("redis-benchmark")
