# SPDX-License-Identifier: Apache-2.0
"""memcached's own clients against caudexd, and its answers beside those of Debian's memcached."""

from __future__ import annotations

import random
import re
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

import kv
import pylibmc
import pytest
import resp
from memcache import NOOP_OPAQUE, OPCODES, Answer, Line, Memcached, Peer, message, response
from memcache_scripts import (BEFORE_PAUSE, BEHIND_PAUSE, COUNT_EXTRAS, DIFFERENT, PAUSE_S, RANDOM,
                              RANDOM_WORDS, SAME, SAME_BYTES, SET_EXTRAS)
from server import TIMEOUT_S, Server

VALUE_MAX = 16 << 20
OK, NOT_FOUND, EXISTS, TOO_LARGE = 0, 1, 2, 3


@pytest.fixture(scope="module", params=["tcp", "unix", "two workers"])
def server(request):
    """One server for all tests here: over each family, and with two loops."""
    flags = ["--workers=2"] if request.param == "two workers" else ["--workers=1"]
    with Server(*flags, handler="memcache", unix=request.param == "unix") as running:
        yield running


@pytest.fixture(scope="module")
def reference():
    """Debian's memcached."""
    with Memcached() as running:
        yield running


@pytest.fixture
def peer(server):
    """A connection to an empty store."""
    with Peer(server.connect()) as connected:
        connected.ask_all(message("flush"))
        yield connected


@pytest.fixture
def other(reference):
    """A connection to an empty memcached."""
    with Peer(reference.connect()) as connected:
        connected.ask_all(message("flush"))
        yield connected


def flags_of(number: int, expiration: int = 0) -> bytes:
    """What comes with a value that is stored."""
    return struct.pack(">II", number, expiration)


# ---- the same bytes as memcached ----


def lines_of(text: str) -> list[Line]:
    """The lines of a script."""
    return [Line(line) for line in text.strip().splitlines()]


@pytest.mark.parametrize("name", SAME)
def test_a_script_is_answered_as_memcached_answers_it(peer, other, name):
    """Every request of the script, one after the other; also that a quiet one is not answered."""
    for line in lines_of(SAME[name]):
        assert peer.play([line]) == other.play([line]), line.text


@pytest.mark.parametrize("name", SAME)
def test_a_script_as_one_pipeline_is_answered_alike(peer, other, name):
    """As many requests in one piece as do not need the answers of those before."""
    piece: list[Line] = []
    for line in lines_of(SAME[name]):
        if line.refers:
            assert peer.play(piece) == other.play(piece)
            piece = []
        piece.append(line)
    assert peer.play(piece) == other.play(piece)


def random_line(chance: random.Random, versions: int) -> Line:
    """Any request on few keys, some only over one of the versions that were seen."""
    forms = RANDOM.replace("|", "\n").strip().splitlines()
    made = re.sub(r"\b[KVNDFT]\b", lambda word: chance.choice(RANDOM_WORDS[word[0]]), chance.choice(forms))
    if versions and chance.random() < .2:
        made += f" cas=@{chance.randint(max(1, versions - 10), versions)}"
    return Line(f"{made} opaque={chance.randint(0, 1000)}")


@pytest.mark.parametrize("seed", range(8))
def test_any_requests_are_answered_alike(peer, other, seed):
    """In pipelines of any length."""
    chance = random.Random(seed)
    for _ in range(40):
        piece = [random_line(chance, len(peer.versions)) for _ in range(chance.choice((1, 10, 100)))]
        answers, expected = peer.play(piece), other.play(piece)
        assert answers == expected, [line.text for line in piece]


def test_values_end_as_in_memcached(peer, other):
    """In real time, however their end was set."""
    before, behind = lines_of(BEFORE_PAUSE), lines_of(BEHIND_PAUSE)
    assert peer.play(before) == other.play(before)
    time.sleep(PAUSE_S)
    for line in behind:
        assert peer.play([line]) == other.play([line]), line.text


def all_answers(sock: socket.socket, pieces: list[bytes]) -> list[bytes]:
    """The responses to the pieces until the server closes."""
    with Peer(sock) as one:
        try:
            for piece in pieces:
                one.send(piece)
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has closed already
        return one.rest()


@pytest.mark.parametrize("name", SAME_BYTES)
def test_bytes_are_answered_as_memcached_answers_them(server, reference, name):
    """Mistakes in the protocol, and whether the connection stays."""
    data = SAME_BYTES[name]
    expected = all_answers(reference.connect(), [data])
    assert all_answers(server.connect(), [data]) == expected
    assert all_answers(server.connect(), [data[i:i + 1] for i in range(len(data))]) == expected


@pytest.mark.parametrize("why, data, answers", DIFFERENT, ids=[row[0] for row in DIFFERENT])
def test_what_differs_differs_as_it_is_listed(peer, server, other, reference, why, data, answers):
    """A difference that is gone is to be taken from the list."""
    assert why and peer and other  # both are empty
    assert all_answers(server.connect(), [data]) == answers
    assert all_answers(reference.connect(), [data]) != answers


def test_every_opcode_is_in_a_script():
    """Nothing that is served is left out of the comparison."""
    used = {line.opcode for text in SAME.values() for line in lines_of(text)}
    used |= {data[25] for name, data in SAME_BYTES.items() if data[24:25] == b"\x80"}
    named = {OPCODES.get(opcode, opcode) for opcode in used}
    different = {data[1] for _, data, _ in DIFFERENT} | {data[25] for _, data, _ in DIFFERENT
                                                         if len(data) > 25}
    assert set(OPCODES.values()) <= named | different


# ---- bounds, time, and the store behind it ----


def test_bounds_of_values(server, peer):
    """16 MiB are stored; what is larger is refused, and what was there stays."""
    large = b"v" * VALUE_MAX
    peer.ask("set", b"old", b"v", SET_EXTRAS)
    assert peer.ask("set", b"k", large, SET_EXTRAS).status == OK
    assert peer.ask("get", b"k").value == large
    for opcode in ("append", "prepend"):
        answer = peer.ask(opcode, b"k", b"x")
        assert (answer.status, answer.value) == (TOO_LARGE, b"Too large.")
    with Peer(server.connect()) as one:
        one.send(message("set", b"old", b"", SET_EXTRAS, total=8 + 3 + VALUE_MAX + 1))
        assert one.rest() == [response("set", b"Too large.", status=TOO_LARGE)]
    assert peer.ask("get", b"old").value == b"v"


def test_a_flush_may_wait(server, peer):
    """What was stored before its time is gone then, on any connection; what comes later stays."""
    peer.ask("set", b"k", b"v", SET_EXTRAS)
    assert peer.ask("flush", b"", b"", struct.pack(">I", 1)).status == OK
    assert peer.ask("get", b"k").status == OK
    time.sleep(2)
    with Peer(server.connect()) as one:
        assert one.ask("get", b"k").status == NOT_FOUND
        one.ask("set", b"k", b"w", SET_EXTRAS)
    assert peer.ask("get", b"k").value == b"w"


def test_a_flush_that_waits_is_taken_back_by_one_that_does_not(peer):
    """The last one counts."""
    peer.ask("flush", b"", b"", struct.pack(">I", 1))
    peer.ask("flush")
    peer.ask("set", b"k", b"v", SET_EXTRAS)
    time.sleep(2)
    assert peer.ask("get", b"k").status == OK


def test_the_store_is_that_of_the_other_protocols():
    """Keys of one protocol are those of the others; flags stay where they belong."""
    listen = [f"127.0.0.1:0,handler={handler}" for handler in ("memcache", "kv", "resp")]
    with Server(listen=listen) as server, Peer(server.connect()) as peer:
        with kv.Peer(server.connect(1)) as own:
            peer.ask("set", b"/img", b"cdn-a", flags_of(7))
            match = own.one("match", b"/img/cats/1.jpg")
            assert (match.status, match.key) == ("ok", b"/img") and match.val.endswith(b"cdn-a")
            assert own.one("put", b"n", b"41").status == "ok"
        assert struct.unpack(">Q", peer.ask("incr", b"n", b"", COUNT_EXTRAS).value) == (42,)
        answer = peer.ask("get", b"n")
        assert (answer.extras, answer.value) == (flags_of(0)[:4], b"42")
        with resp.Peer(server.connect(2)) as redis:
            assert resp.value(redis.ask("LPM", "/img/cats")) == [b"/img", b"cdn-a"]
            assert resp.value(redis.ask("APPEND", "/img", "1")) == 6
        answer = peer.ask("get", b"/img")
        assert (answer.extras, answer.value) == (flags_of(7)[:4], b"cdn-a1")


# ---- many requests, many connections ----


def test_a_deep_pipeline_of_quiet_requests(peer):
    """Stored without an answer, read with one for each that is there."""
    count = 30000
    stored = b"".join(message("setq", b"k%d" % n, b"v%d" % n, flags_of(n)) for n in range(count))
    assert peer.ask_all(stored) == []
    wanted = b"".join(message("getkq", b"k%d" % (2 * n), opaque=n) for n in range(count))
    answers = [Answer(data) for data in peer.ask_all(wanted)]
    assert [(a.opaque, a.key, a.value, a.extras) for a in answers] == [
        (n, b"k%d" % (2 * n), b"v%d" % (2 * n), flags_of(2 * n)[:4]) for n in range(count // 2)]


def test_numbers_are_counted_once_for_each_request(server, peer):
    """Four connections at a time, pipelined."""
    count, threads = 5000, []

    def work() -> None:
        with Peer(server.connect()) as one:
            assert one.ask_all(message("incrq", b"n", b"", COUNT_EXTRAS) * count) == []

    peer.ask("set", b"n", b"0", SET_EXTRAS)
    for _ in range(4):
        threads.append(threading.Thread(target=work))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert peer.ask("get", b"n").value == b"%d" % (4 * count)


def test_a_version_is_won_by_one(server, peer):
    """Of many that store with the same version."""
    with Peer(server.connect()) as one:
        for n in range(200):
            cas = peer.ask("set", b"k", b"%d" % n, SET_EXTRAS).cas
            for connection in (peer, one):
                connection.send(message("set", b"k", b"x", SET_EXTRAS, cas=cas))
            statuses = {Answer(connection.reply()).status for connection in (peer, one)}
            assert statuses == {OK, EXISTS}


def test_answers_larger_than_any_buffer_wait_for_their_reader(server, peer):
    """800 MiB asked for at once: the server holds only a part of them."""
    large = b"v" * (4 << 20)
    peer.ask("set", b"k", large, SET_EXTRAS)
    peer.send(message("get", b"k") * 200 + message("noop", opaque=NOOP_OPAQUE))
    with Peer(server.connect()) as one:
        assert one.ask("noop").status == OK
        rss = int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{server.pid}/status").read_text())[1])
        assert rss < 500 * 1024  # with room for what a sanitizer keeps
    for _ in range(200):
        assert Answer(peer.reply()).value == large
    assert Answer(peer.reply()).opaque == NOOP_OPAQUE


def stats_of(peer: Peer, group: bytes = b"") -> dict[str, str]:
    """What `stat` answers."""
    answers = [Answer(data) for data in peer.ask_all(message("stat", group))]
    assert (answers[-1].key, answers[-1].value) == (b"", b"")
    return {answer.key.decode(): answer.value.decode() for answer in answers[:-1]}


def test_stat(server, peer):
    """The counts of all loops, under memcached's names."""
    before = stats_of(peer)
    with Peer(server.connect()) as one:
        one.ask_all(message("set", b"k", b"v", SET_EXTRAS) + message("get", b"k") * 3
                    + message("get", b"none") + message("touch", b"k", b"", b"\0\0\0\0")
                    + message("touch", b"none", b"", b"\0\0\0\0"))
    after = stats_of(peer)
    changed = {name: int(after[name]) - int(before[name])
               for name in ("cmd_get", "cmd_set", "cmd_touch", "get_hits", "get_misses",
                            "touch_hits", "touch_misses", "curr_items")}
    assert changed == {"cmd_get": 4, "cmd_set": 1, "cmd_touch": 2, "get_hits": 3, "get_misses": 1,
                       "touch_hits": 1, "touch_misses": 1, "curr_items": 1}
    assert (after["pid"], after["version"]) == (str(server.pid), "1.6.18")
    assert stats_of(peer, b"settings")["item_size_max"] == str(VALUE_MAX)


# ---- memcached's own tools ----


@pytest.fixture(scope="module", params=[1, 2], ids=["one worker", "two workers"])
def tcp(request):
    """A server for tools that know no unix sockets."""
    with Server(f"--workers={request.param}", handler="memcache") as running:
        yield running


def tool(name: str, server: Server, *args: str, code: int = 0, **options) -> str:
    """What a tool of libmemcached prints."""
    done = subprocess.run([name, f"--servers={server.address}", "--binary", *args],
                          capture_output=True, check=False, text=True, timeout=TIMEOUT_S * 6,
                          stdin=subprocess.DEVNULL, **options)
    assert done.returncode == code, (name, args, done.returncode, done.stdout, done.stderr)
    return done.stdout


def test_memccapable(tcp):
    """Every test of its binary suite."""
    done = subprocess.run(["memccapable", "-h", "127.0.0.1", "-p", str(tcp.port), "-b"],
                          capture_output=True, check=False, text=True, timeout=TIMEOUT_S * 6)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert done.stdout.endswith("All tests passed\n")
    assert done.stdout.count("[pass]") == 27 and "[FAIL]" not in done.stdout


@pytest.mark.parametrize("test", ["set", "get", "mget"])
def test_memcslap(tcp, test):
    """Several threads, so many requests each."""
    out = tool("memcslap", tcp, "--concurrency=4", "--execute-number=2000", f"--test={test}",
               "--flush")
    assert "Time total:" in out
    with Peer(tcp.connect()) as peer:
        assert int(stats_of(peer)["curr_items"]) >= 2000


def test_memccp_memccat_and_the_others(tcp, tmp_path):
    """Files in and out, and what the other tools do."""
    content = bytes(range(256)) * 1000
    (tmp_path / "file").write_bytes(content)
    tool("memccp", tcp, "--set", "--flags=77", "file", cwd=tmp_path)
    tool("memccat", tcp, f"--file={tmp_path}/out", "file")
    assert (tmp_path / "out").read_bytes() == content
    with Peer(tcp.connect()) as peer:
        assert peer.ask("get", b"file").extras == flags_of(77)[:4]
    assert tool("memccat", tcp, "--flags", "file", errors="replace").startswith("77\n")
    tool("memcexist", tcp, "file")
    tool("memcexist", tcp, "none", code=1)
    tool("memctouch", tcp, "--expire=1000", "file")
    tool("memcrm", tcp, "file")
    tool("memcexist", tcp, "file", code=1)
    tool("memccp", tcp, "file", cwd=tmp_path)
    tool("memcflush", tcp)
    tool("memcexist", tcp, "file", code=1)


def test_memcstat(tcp):
    """It shows what `stat` answers."""
    out = tool("memcstat", tcp)
    assert re.search(r"curr_items: \d+", out) and re.search(rf"pid: {tcp.pid}\b", out)


# ---- pylibmc ----


@pytest.fixture
def client(server, peer):
    """pylibmc in binary mode, on an empty store."""
    assert peer
    place = server.address.removeprefix("unix:")
    connected = pylibmc.Client([place], binary=True, behaviors={"cas": True, "tcp_nodelay": True})
    yield connected
    connected.disconnect_all()


def test_pylibmc(client):
    """Values, numbers, versions, their end."""
    assert client.set("k", b"v") and client.get("k") == b"v"
    assert client.get("none") is None and client.get("none", 5) == 5
    for value in ("text", 17, 1 << 70, 2.5, True, {"a": [1, None]}, b"\0\xff" * 5000):
        assert client.set("typed", value) and client.get("typed") == value
    assert client.set("packed", "long " * 10000, min_compress_len=100)
    assert client.get("packed") == "long " * 10000
    assert client.add("n", "5") and not client.add("n", "6")
    assert client.incr("n") == 6 and client.incr("n", 10) == 16 and client.decr("n", 20) == 0
    with pytest.raises(pylibmc.NotFound):
        client.incr("none")
    assert client.replace("k", b"w")
    with pytest.raises(pylibmc.NotFound):
        client.replace("none", b"w")
    assert client.append("k", b"x") and client.prepend("k", b"v") and client.get("k") == b"vwx"
    assert not client.append("none", b"x")
    assert client.touch("k", 1000) and not client.touch("none", 1000)
    assert client.delete("k") and not client.delete("k")
    assert client.set("short", b"v", time=1)
    time.sleep(2)
    assert client.get("short") is None


def test_pylibmc_versions(client):
    """A value that someone else has changed is not stored over."""
    client.set("k", b"a")
    value, cas = client.gets("k")
    assert value == b"a" and client.cas("k", b"b", cas) and not client.cas("k", b"c", cas)
    assert client.get("k") == b"b"


def test_pylibmc_many(client):
    """Many at a time, which go as quiet requests."""
    values = {f"k{n}": n for n in range(3000)}
    assert client.set_multi(values) == []
    assert client.get_multi([*values, "none"]) == values
    assert client.delete_multi([f"k{n}" for n in range(1000)])
    assert len(client.get_multi(list(values))) == 2000
    stats = client.get_stats()[0][1]
    assert int(stats["curr_items"]) == 2000
    assert client.flush_all() and client.get_multi(list(values)) == {}
