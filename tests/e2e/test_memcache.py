# SPDX-License-Identifier: Apache-2.0
"""memcached's own clients against caudexd, and its answers beside those of Debian's memcached."""

from __future__ import annotations

import subprocess

import pylibmc
import pytest
from memcache import Answer, Memcached, Peer, counted, ends, request, stored
from server import TIMEOUT_S, Server

VALUE_MAX = 16 << 20


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
        connected.ask("flush")
        yield connected


@pytest.fixture
def other(reference):
    """A connection to an empty memcached."""
    with Peer(reference.connect()) as connected:
        connected.ask("flush")
        yield connected


# ---- the same answers as memcached ----

# The version of "CAS" is that of the last answer that had one; of "OLD", the one before.
CAS, OLD = -1, -2
SCRIPTS = {
    "get": [
        ("get", b"k"), ("get_q", b"k"), ("get_k", b"k"), ("get_kq", b"k"),
        ("set", b"k", b"v", stored(0xDEADBEEF)), ("get", b"k"), ("get_q", b"k"), ("get_k", b"k"), ("get_kq", b"k"),
        ("set", b"k", b"", stored()), ("get", b"k"), ("get", b"k" * 250),
    ],
    "store": [
        ("set", b"k", b"1", stored(1)), ("set_q", b"k", b"2", stored(2)), ("get", b"k"),
        ("set", b"k", b"3", stored(3), CAS), ("set", b"k", b"4", stored(4), OLD), ("set_q", b"k", b"4", stored(4), OLD),
        ("set", b"none", b"x", stored(), CAS), ("add", b"k", b"x", stored()), ("add_q", b"k", b"x", stored()),
        ("add", b"a", b"x", stored()), ("add_q", b"b", b"x", stored()), ("add", b"c", b"x", stored(), CAS),
        ("add", b"a", b"y", stored(), OLD), ("replace", b"none", b"x", stored()), ("replace_q", b"none", b"x", stored()),
        ("replace", b"a", b"y", stored(9)), ("replace_q", b"a", b"z", stored(8)), ("get", b"a"),
        ("replace", b"none", b"y", stored(9), CAS), ("get_k", b"b"),
    ],
    "extend": [
        ("append", b"k", b"x"), ("append_q", b"k", b"x"), ("prepend", b"k", b"x"), ("prepend_q", b"k", b"x"),
        ("set", b"k", b"mid", stored(5)), ("append", b"k", b"dle"), ("prepend", b"k", b"in the "), ("get", b"k"),
        ("append_q", b"k", b"!"), ("prepend_q", b"k", b"right "), ("get", b"k"), ("append", b"k", b"?", b"", CAS),
        ("append", b"k", b"?", b"", OLD), ("append", b"k", b""), ("get", b"k"),
    ],
    "delete": [
        ("delete", b"k"), ("delete_q", b"k"), ("set", b"k", b"v", stored()), ("delete", b"k"), ("get", b"k"),
        ("set", b"k", b"v", stored()), ("delete_q", b"k"), ("get", b"k"), ("set", b"k", b"v", stored()),
        ("set", b"k", b"w", stored()), ("delete", b"k", b"", b"", OLD), ("delete", b"k", b"", b"", CAS),
        ("set", b"k", b"v", stored()), ("flush",), ("get", b"k"), ("set", b"k", b"v", stored()), ("flush_q",), ("get", b"k"),
        ("flush", b"", b"", ends(0)),
    ],
    "count": [
        ("increment", b"n", b"", counted(1, 5, 0xFFFFFFFF)), ("increment_q", b"n", b"", counted(1, 5, 0xFFFFFFFF)),
        ("increment", b"n", b"", counted(1, 5)), ("increment", b"n", b"", counted(10)), ("get", b"n"),
        ("decrement", b"n", b"", counted(3)), ("get", b"n"), ("decrement_q", b"n", b"", counted(1)),
        ("increment_q", b"n", b"", counted(5)), ("get", b"n"), ("decrement", b"m", b"", counted(1, 77)), ("get", b"m"),
        ("increment", b"n", b"", counted((1 << 64) - 1)), ("increment", b"n", b"", counted((1 << 64) - 1)),
        ("set", b"n", b"12", stored(7)), ("increment", b"n", b"", counted(1)), ("get", b"n"),
        ("increment", b"n", b"", counted(1), CAS), ("increment", b"n", b"", counted(1), OLD),
        ("set", b"n", b"x", stored()), ("increment", b"n", b"", counted(1)), ("increment_q", b"n", b"", counted(1)),
        ("set", b"n", b"", stored()), ("increment", b"n", b"", counted(1)), ("set", b"n", b"-1", stored()),
        ("increment", b"n", b"", counted(1)), ("set", b"n", b" 5", stored()), ("increment", b"n", b"", counted(1)),
        ("set", b"n", b"5 x", stored()), ("increment", b"n", b"", counted(1)),
        ("set", b"n", b"18446744073709551616", stored()), ("increment", b"n", b"", counted(1)),
        ("set", b"n", b"18446744073709551615", stored()), ("increment", b"n", b"", counted(1)),
        ("decrement", b"zero", b"", counted(1, 0)), ("decrement", b"zero", b"", counted(1, 9)),
    ],
    "touch": [
        ("touch", b"k", b"", ends(10)), ("gat", b"k", b"", ends(10)), ("gat_q", b"k", b"", ends(10)),
        ("gat_k", b"k", b"", ends(10)), ("gat_kq", b"k", b"", ends(10)), ("set", b"k", b"v", stored(3)),
        ("touch", b"k", b"", ends(100)), ("gat", b"k", b"", ends(100)), ("gat_q", b"k", b"", ends(100)),
        ("gat_k", b"k", b"", ends(0)), ("gat_kq", b"k", b"", ends(100)),
        ("touch", b"k", b"", ends(60 * 60 * 24 * 30 + 1)), ("get", b"k"),
        ("set", b"k", b"v", stored(3, 60 * 60 * 24 * 30 + 1)), ("get", b"k"),
    ],
    "others": [
        ("noop",), (0x20,), (0x21, b"PLAIN", b"x"), (0x55,), (0xFF,), ("stat", b"nonsense"),
    ],
}


def play(peer: Peer, script) -> list[list[tuple]]:
    """What is answered to each request of the script."""
    seen = [0, 0]
    played = []
    for step in script:
        name, key, value, extras, cas, *_ = (*step, *(b"", b"", b"", 0)[len(step) - 1:], None)
        cas = seen[cas] if cas < 0 else cas
        answers = peer.ask(name, key, value, extras, cas)
        seen += [answer.cas for answer in answers if answer.cas]
        played.append([answer.comparable()[:2] + answer.comparable()[3:] for answer in answers])
    return played


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_answered_as_memcached_answers_it(peer, other, name):
    """Every request of the script, one after the other."""
    for step, ours, theirs in zip(SCRIPTS[name], play(peer, SCRIPTS[name]), play(other, SCRIPTS[name])):
        assert ours == theirs, step


WRONG = {
    "another magic": b"\x81" + request("noop")[1:],
    "no key": request("get"),
    "a value": request("get", b"k", b"v"),
    "extras": request("get", b"k", b"", b"xxxx"),
    "too few extras": request("set", b"k", b"v", b"xxxx"),
    "a long key": request("get", b"k" * 251),
    "a key that is longer than all": b"\x80\0\0\x09" + bytes(7) + b"\x05" + bytes(12) + b"x" * 9,
    "a noop about something": request("noop", b"k"),
    "a flush of something": request("flush", b"k"),
    "a flush with odd extras": request("flush", b"", b"", b"xx"),
    "a number without extras": request("increment", b"n"),
    "quit": request("quit"),
    "quit, quietly": request("quit_q"),
    "requests behind a quit": request("quit") + request("noop"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_ends_a_connection_ends_it_as_memcached_does(server, reference, name):
    """The same last words."""
    with Peer(server.connect()) as ours, Peer(reference.connect()) as theirs:
        assert [a.comparable() for a in ours.last(WRONG[name])] == [a.comparable() for a in theirs.last(WRONG[name])]


# Where caudexd differs on purpose: memcache.md says why.
def test_where_answers_differ(peer, other):
    """Each difference is one that is listed."""
    for one in (peer, other):
        one.ask("set", b"n", b"10", stored())
        one.ask("decrement", b"n", b"", counted(1))
    assert peer.ask("get", b"n")[0].value == b"9"
    assert other.ask("get", b"n")[0].value == b"9 "  # written over in its place
    large = bytes((1 << 20) + 1)
    assert peer.ask("set", b"large", large, stored())[0].status == 0
    assert other.ask("set", b"large", large, stored())[0].status == 3
    assert peer.ask("verbosity", b"", b"", ends(1))[0].status == 0
    assert [a.status for a in peer.ask(0x55, b"key", b"value", b"ext")] == [0x81]


# ---- limits ----

def test_the_largest_value_fits_and_a_larger_one_does_not(server):
    """It is told before its bytes are awaited; the connection ends."""
    with Peer(server.connect()) as peer:
        value = bytes(range(256)) * (VALUE_MAX // 256)
        assert [a.status for a in peer.ask("set", b"k", value, stored())] == [0]
        assert peer.ask("get", b"k")[0].value == value
        assert [a.status for a in peer.ask("append", b"k", b"x")] == [3]
        assert peer.ask("get", b"k")[0].value == value
        peer.ask("delete", b"k")
    with Peer(server.connect()) as peer:
        head = request("set", b"k", b"", stored(), 0, 9)
        head = head[:8] + (VALUE_MAX + 10).to_bytes(4, "big") + head[12:]
        assert [(a.status, a.value, a.opaque) for a in peer.last(head)] == [(3, b"Too large.", 9)]


# ---- clients ----

def place(server: Server) -> str:
    """What the tools of libmemcached take for --servers."""
    return server.address[len("unix:"):] if server.address.startswith("unix:") else f"127.0.0.1:{server.port}"


def tool(name: str, *args: str) -> str:
    """What a tool of libmemcached prints."""
    done = subprocess.run([name, *args], capture_output=True, check=False, timeout=TIMEOUT_S * 6)
    assert done.returncode == 0, (args, done.stdout, done.stderr)
    return done.stdout.decode()


def test_memccapable_finds_the_binary_protocol(server):
    """The tests of a memcached by its own authors."""
    if server.address.startswith("unix:"):
        pytest.skip("it takes a host and a port")
    said = tool("memccapable", "-h", "127.0.0.1", "-p", str(server.port), "-b")
    assert "All tests passed" in said and said.count("[pass]") >= 27, said


def test_the_tools_of_libmemcached(server, tmp_path):
    """memccp, memccat, memcexist, memctouch, memcrm, memcstat, memcflush, memcslap."""
    file = tmp_path / "file"
    file.write_bytes(b"content\n" * 1000)
    at = f"--servers={place(server)}"
    tool("memccp", "--binary", at, str(file))
    assert tool("memccat", "--binary", at, "file") == "content\n" * 1000 + "\n"
    tool("memcexist", "--binary", at, "file")
    tool("memctouch", "--binary", at, "--expire=100", "file")
    assert "pid" in tool("memcstat", "--binary", at)
    tool("memcrm", "--binary", at, "file")
    tool("memcflush", "--binary", at)
    for test in ("set", "get", "mget"):
        tool("memcslap", "--binary", at, f"--test={test}", "--concurrency=4", "--execute-number=500",
             "--initial-load=500")


def test_pylibmc(server):
    """A client in C with Python around it."""
    client = pylibmc.Client([place(server)], binary=True, behaviors={"cas": True, "tcp_nodelay": True})
    client.flush_all()
    assert client.set("k", {"a": [1, 2.5, "ü"]}) and client.get("k") == {"a": [1, 2.5, "ü"]}
    assert client.set("n", 5) and client.incr("n", 3) == 8 and client.decr("n") == 7
    assert not client.add("k", 1)
    with pytest.raises(pylibmc.NotFound):
        client.replace("none", 1)
    client.set("s", b"mid")
    assert client.append("s", b"dle") and client.prepend("s", b"a ") and client.get("s") == b"a middle"
    value, cas = client.gets("s")
    assert client.cas("s", b"changed", cas) and not client.cas("s", b"again", cas)
    many = {f"key{i}": f"value {i}" for i in range(1000)}
    assert client.set_multi(many) == []
    assert client.get_multi(list(many)) == many
    assert client.delete_multi(list(many)) and client.get_multi(list(many)) == {}
    assert client.touch("s", 100) and not client.touch("none", 100)
    assert client.delete("s") and client.get("s") is None
    assert client.get_stats()


def test_all_protocols_see_the_same_keys():
    """What one writes, the others read."""
    listen = ["127.0.0.1:0,handler=memcache", "127.0.0.1:0,handler=resp"]
    with Server(listen=listen) as server:
        with Peer(server.connect(0)) as peer, server.connect(1) as redis:
            peer.ask("set", b"/a/b", b"value", stored(7))
            redis.sendall(b"LPM /a/b/c\r\nAPPEND /a/b s\r\n")
            expected = b"*2\r\n$4\r\n/a/b\r\n$5\r\nvalue\r\n:6\r\n"
            assert redis.recv(len(expected), 0x100) == expected  # MSG_WAITALL
            answer: Answer = peer.ask("get", b"/a/b")[0]
            assert (answer.value, answer.extras) == (b"values", b"\0\0\0\7")
