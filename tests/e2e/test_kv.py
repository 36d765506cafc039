# SPDX-License-Identifier: Apache-2.0
"""Every call of the protocol over real sockets, and the edges of its semantics."""

from __future__ import annotations

import signal
import struct

import pytest
from kv import (CALLS, MALFORMED, OCCUPIED, OUTSIDE, SLASH, TOO_MANY, UNFIT, Frame, Peer, number,
                page, request, scan_args, u64)
from server import Server, wait_until

KEY_MAX = 4096
VALUE_MAX = 16 << 20
BATCH_MAX = 1024
STAGES_MAX = 16


@pytest.fixture(scope="module", params=["tcp", "unix", "ipv6", "two workers"])
def server(request):
    """One server for all tests here: over each family, and with two loops."""
    flags = ["--workers=2"] if request.param == "two workers" else []
    listen = ["[::1]:0,handler=kv"] if request.param == "ipv6" else []
    with Server(*flags, unix=request.param == "unix", listen=listen) as running:
        yield running
        with Peer(running.connect()) as peer:
            counts = {f.key.decode(): int(f.val) for f in peer.ask("stats") if f.status == "row"}
        missed = [call for call in CALLS if counts[f"calls.{call}"] == 0]
        assert not missed, f"never exercised end to end: {missed}"


@pytest.fixture
def peer(server):
    """A connection to an empty store."""
    with Peer(server.connect()) as connected:
        connected.ask("drop")
        yield connected


def rows(frames: list[Frame]) -> list[tuple[bytes, bytes]]:
    """Keys and values of an answer's rows."""
    return [(f.key, f.val) for f in frames if f.status == "row"]


def keys(frames: list[Frame]) -> list[bytes]:
    """Keys of an answer's rows."""
    return [f.key for f in frames if f.status == "row"]


def put(peer: Peer, *names: bytes) -> None:
    """Stores each key with itself as value."""
    for name in names:
        assert peer.one("put", name, name).status == "ok"


def test_the_gate_knows_every_call_of_the_description():
    """The list of calls above is the description's."""
    from pathlib import Path

    text = (Path(__file__).parents[2] / "proto" / "kv.cdx").read_text()
    described = {line.split()[1]: int(line.split()[3], 16)
                 for line in text.splitlines() if line.startswith("call ")}
    assert described == CALLS


def test_hello_names_version_and_limits(peer):
    frame = peer.one("hello", val=struct.pack(">HH", 1, 0) + b"test")
    assert frame.status == "ok"
    major, _, key_max, value_max = struct.unpack(">HHII", frame.val[:12])
    assert (major, key_max, value_max) == (1, KEY_MAX, VALUE_MAX)
    assert frame.val[12:].startswith(b"caudexd ")
    assert peer.one("hello", val=struct.pack(">HH", 9, 0)).status == "unsupported"
    assert peer.one("ping").status == "ok"


@pytest.mark.parametrize("value", [b"", b"x", bytes(range(256)), b"a" * 70000])
def test_echo_returns_its_bytes(peer, value):
    assert peer.one("echo", val=value) == Frame("ok", peer.rid, b"", value)


@pytest.mark.parametrize(
    "stored,path,answer",
    [
        (b"/foo", b"/foo", b"/foo"),
        (b"/foo", b"/foo/", b"/foo"),
        (b"/foo", b"/foo/bar", b"/foo"),
        (b"/foo", b"/foobar", None),
        (b"/foo", b"/fo", None),
        (b"/foo", b"foo", None),
        (b"/foo/", b"/foo/bar", b"/foo/"),
        (b"/foo/", b"/foo/", b"/foo/"),
        (b"/foo/", b"/foo", None),
        (b"/foo/", b"/foo//", b"/foo/"),
        (b"/", b"/", b"/"),
        (b"/", b"/a/b", b"/"),
        (b"/", b"//", b"/"),
        (b"/", b"a", None),
        (b"/", b"", None),
        (b"//", b"//a", b"//"),
        (b"//", b"/a", None),
        (b"", b"", b""),
        (b"", b"/a", b""),
        (b"", b"a", None),
        (b"a", b"a/b", b"a"),
        (b"/a\0", b"/a\0/b", b"/a\0"),
        (b"/a", b"/a\0/b", None),
        (b"/\xff\xfe", b"/\xff\xfe/x", b"/\xff\xfe"),
        (b"/%41", b"/A", None),
        (b"/A", b"/a", None),
        (b"/a/../b", b"/b", None),
        (b"/" + b"x" * (KEY_MAX - 1), b"/" + b"x" * (KEY_MAX - 1), b"/" + b"x" * (KEY_MAX - 1)),
        (b"/" + b"x" * (KEY_MAX - 3), b"/" + b"x" * (KEY_MAX - 3) + b"/y", b"/" + b"x" * (KEY_MAX - 3)),
        (b"/" * (KEY_MAX - 1), b"/" * KEY_MAX, b"/" * (KEY_MAX - 1)),
    ],
)
def test_match_follows_the_boundary_rule(peer, stored, path, answer):
    put(peer, stored)
    frame = peer.one("match", path)
    if answer is None:
        assert frame.status == "not_found"
    else:
        assert (frame.status, frame.key, frame.val) == ("ok", answer, answer)


def test_the_longest_of_several_matches_wins_and_match_all_lists_them(peer):
    put(peer, b"", b"/", b"/a", b"/a/", b"/a/b", b"/a/bc", b"/a/b/c/d")
    assert peer.one("match", b"/a/b/c").key == b"/a/b"
    assert peer.one("match", b"/a/x").key == b"/a/"
    assert peer.one("match", b"/ab").key == b"/"
    assert keys(peer.ask("match_all", b"/a/b/c")) == [b"", b"/", b"/a", b"/a/", b"/a/b"]
    assert keys(peer.ask("match_all", b"b")) == []


def test_match_bytes_knows_no_segments(peer):
    put(peer, b"49", b"4930", b"/foo", b"/foo/b")
    assert peer.one("match_bytes", b"4930123").key == b"4930"
    assert peer.one("match_bytes", b"4931").key == b"49"
    assert peer.one("match_bytes", b"/foobar").key == b"/foo"
    assert peer.one("match_bytes", b"/foo/bar").key == b"/foo/b"
    assert peer.one("match_bytes", b"5").status == "not_found"


def test_values_up_to_their_limit_are_kept_as_they_are(peer):
    for n in (0, 1, 63, 64, 65, 65535, 65536, 1 << 20):
        value = bytes(i * 7 & 255 for i in range(256)) * (n // 256 + 1)
        assert peer.one("put", b"/v", value[:n]).status == "ok"
        assert peer.one("get", b"/v").val == value[:n]


def test_a_value_of_the_largest_size_survives(peer):
    value = b"\xa5" * VALUE_MAX
    assert peer.one("put", b"/big", value).status == "ok"
    assert peer.one("get", b"/big").val == value
    assert peer.one("gets", b"/big").val[8:] == value
    assert peer.one("match", b"/big/x").val == value
    assert peer.one("delete", b"/big").status == "ok"


def test_revisions_guard_conditional_writes(peer):
    first = number(peer.one("put", b"/r", b"1"))
    assert struct.unpack(">Q", peer.one("gets", b"/r").val[:8])[0] == first
    second = number(peer.one("put_if", b"/r", struct.pack(">Q", first) + b"2"))
    assert second > first
    frame = peer.one("put_if", b"/r", struct.pack(">Q", first) + b"3")
    assert (frame.status, number(frame)) == ("conflict", second)
    frame = peer.one("put_if", b"/none", struct.pack(">Q", 7) + b"x")
    assert (frame.status, number(frame)) == ("conflict", 0)
    assert peer.one("put_if", b"/none", struct.pack(">Q", 0) + b"x").status == "ok"
    assert peer.one("get", b"/r").val == b"2"


def test_listing_is_in_path_order_and_pages_join_without_loss(peer):
    names = [b"/a", b"/a/", b"/a/b", b"/a/b/c", b"/a-b", b"/a.b", b"/b\0", b"/\xff", b"a", b"z/y", b""]
    put(peer, *names)
    order = sorted(names, key=lambda k: bytes([0 if c == 0x2F else 1 for c in k][i // 2] if i % 2 == 0
                                              else k[i // 2] for i in range(2 * len(k))))
    assert keys(peer.ask("list", b"", page())) == order
    for limit in (1, 2, 3):
        got: list[bytes] = []
        for _ in range(20):
            frames = peer.ask("list", b"", page(limit, got[-1] if got else b""))
            got += keys(frames)
            if frames[-1].val[4] == 0:
                break
        assert got == order


def test_listing_a_subtree_takes_what_its_key_would_answer(peer):
    put(peer, b"/a", b"/a/", b"/a/b", b"/ab", b"/", b"x")
    assert keys(peer.ask("list", b"/a", page())) == [b"/a", b"/a/", b"/a/b"]
    assert keys(peer.ask("list", b"/a/", page())) == [b"/a/", b"/a/b"]
    assert keys(peer.ask("list", b"/", page())) == [b"/", b"/a", b"/a/", b"/a/b", b"/ab"]
    assert keys(peer.ask("list", b"/none", page())) == []
    assert rows(peer.ask("list", b"/a/b", page(content=1))) == [(b"/a/b", b"")]
    for key, n in ((b"/a", 3), (b"/a/", 2), (b"/", 5), (b"", 6), (b"/none", 0)):
        assert number(peer.one("count", key)) == n


def test_a_cursor_survives_changes_between_pages(peer):
    put(peer, *(b"/k%02d" % i for i in range(20)))
    first = keys(peer.ask("list", b"/", page(10)))
    assert first == [b"/k%02d" % i for i in range(10)]
    peer.one("delete", b"/k09")
    peer.one("delete", b"/k10")
    put(peer, b"/k05x", b"/k10x")
    rest = keys(peer.ask("list", b"/", page(0, b"/k09")))
    assert rest == [b"/k10x"] + [b"/k%02d" % i for i in range(11, 20)]


def test_children_are_one_level_with_counts(peer):
    put(peer, b"/a/x", b"/a/y/z", b"/a", b"/b", b"rel/x")

    def children(key: bytes, **args) -> list[tuple[bytes, int, int]]:
        frames = peer.ask("children", key, page(content=None, **args))
        return [(k, *struct.unpack(">QB", v)) for k, v in rows(frames)]

    assert children(b"") == [(b"/a", 3, 1), (b"/b", 1, 1), (b"rel", 1, 0)]
    assert children(b"/") == [(b"/a", 3, 1), (b"/b", 1, 1)]
    assert children(b"/a") == [(b"/a/x", 1, 1), (b"/a/y", 1, 0)]
    assert children(b"/a/") == [(b"/a/x", 1, 1), (b"/a/y", 1, 0)]
    assert children(b"/a", after=b"/a/x") == [(b"/a/y", 1, 0)]
    assert children(b"/a", limit=1) == [(b"/a/x", 1, 1)]
    put(peer, b"/a/")
    assert number(peer.one("count", b"/a/")) == 3
    assert children(b"/a") == [(b"/a/", 3, 1), (b"/a/x", 1, 1), (b"/a/y", 1, 0)]


def test_delete_leaves_what_is_below_and_drop_does_not(peer):
    put(peer, b"/a", b"/a/b", b"/a/b/c", b"/ab")
    assert peer.one("delete", b"/a").status == "ok"
    assert peer.one("delete", b"/a").status == "not_found"
    assert peer.one("get", b"/a/b").status == "ok"
    frame = peer.one("drop", b"/a")
    assert struct.unpack(">QQ", frame.val)[1] == 2
    assert keys(peer.ask("list", b"", page())) == [b"/ab"]
    assert struct.unpack(">QQ", peer.one("drop").val)[1] == 1


def stats(peer: Peer) -> dict[str, int]:
    """The server's counters."""
    return {f.key.decode(): int(f.val) for f in peer.ask("stats") if f.status == "row"}


def test_a_value_with_a_time_to_live_ends(peer):
    expired = stats(peer)["store.expired"]
    assert peer.one("put_ttl", b"/t", u64(200) + b"v").status == "ok"
    assert peer.one("put_ttl", b"/t/never", u64(0) + b"n").status == "ok"
    assert peer.one("put_ttl", b"/t/late", u64(2**64 - 1) + b"n").status == "ok"
    assert peer.one("get", b"/t").val == b"v"
    assert 0 < number(peer.one("ttl", b"/t")) <= 200
    assert number(peer.one("ttl", b"/t/never")) == 0
    assert (number(peer.one("ttl", b"/t/late")) - 1) % 2**64 > 2**62  # never, or nearly
    assert peer.one("ttl", b"/none").status == "not_found"
    wait_until(lambda: peer.one("get", b"/t").status == "not_found", "/t ends")
    assert peer.one("ttl", b"/t").status == "not_found"
    assert peer.one("match", b"/t/x").status == "not_found"
    wait_until(lambda: number(peer.one("count", b"/t")) == 2, "/t is removed")
    assert stats(peer)["store.expired"] == expired + 1


def test_touch_moves_the_end_and_put_takes_it_away(peer):
    revision = number(peer.one("put_ttl", b"/t", u64(60000) + b"v"))
    assert peer.one("touch", b"/t", u64(120000)) == Frame("ok", peer.rid, b"", b"")
    assert 60000 < number(peer.one("ttl", b"/t")) <= 120000
    assert number(peer.one("gets", b"/t")) == revision
    assert peer.one("touch", b"/t", u64(0)).status == "ok"
    assert number(peer.one("ttl", b"/t")) == 0
    assert peer.one("touch", b"/none", u64(1)).status == "not_found"
    revision = number(peer.one("put_ttl", b"/t", u64(60000) + b"v"))
    assert peer.one("put_if", b"/t", u64(revision) + b"w").status == "ok"
    assert number(peer.one("ttl", b"/t")) == 0
    assert peer.one("put_ttl", b"/t", u64(60000) + b"v").status == "ok"
    assert peer.one("put", b"/t", b"w").status == "ok"
    assert number(peer.one("ttl", b"/t")) == 0
    assert peer.one("touch", b"/t", u64(1)).status == "ok"
    wait_until(lambda: peer.one("get", b"/t").status == "not_found", "/t ends")


def test_a_batch_is_done_as_a_whole(peer):
    put(peer, b"/old", b"/old/x", b"/gone")
    revision = number(peer.one("put", b"/r", b"1"))
    frames = [
        request("drop", 1, b"/old"),
        request("put", 2, b"/old/y", b"y"),
        request("put_if", 3, b"/r", u64(revision) + b"2"),
        request("put_ttl", 4, b"/t", u64(60000) + b"t"),
        request("delete", 5, b"/gone"),
        request("delete", 6, b"/never"),
    ]
    frame = peer.one("batch", val=b"".join(frames))
    assert frame.status == "ok"
    after, writes = struct.unpack(">QI", frame.val)
    assert writes == len(frames) and after > revision
    assert rows(peer.ask("list", b"", page())) == [(b"/old/y", b"y"), (b"/r", b"2"), (b"/t", b"t")]
    assert number(peer.one("ttl", b"/t")) > 0
    assert number(peer.one("gets", b"/r")) <= after


def test_a_batch_that_meets_another_revision_changes_nothing(peer):
    put(peer, b"/a", b"/a/b")
    revision = number(peer.one("put", b"/r", b"1"))
    before = rows(peer.ask("list", b"", page()))
    frames = request("drop", 0) + request("put", 0, b"/c", b"c")
    for expected in (revision + 1, 0):
        frame = peer.one("batch", val=frames + request("put_if", 0, b"/r", u64(expected) + b"2"))
        if expected != 0:
            assert (frame.status, frame.val) == ("conflict", struct.pack(">IQ", 2, revision))
            assert rows(peer.ask("list", b"", page())) == before
        else:  # the drop before it took the key away
            assert frame.status == "ok"
            assert rows(peer.ask("list", b"", page())) == [(b"/c", b"c"), (b"/r", b"2")]


@pytest.mark.parametrize(
    "frames,index,reason",
    [
        (b"\x7f", 0, MALFORMED),
        (request("put", 0, b"/a", b"b")[:-1], 0, MALFORMED),
        (request("put", 0, b"/a", b"b") + request("put_if", 0, b"/a", b"short"), 1, MALFORMED),
        (request("put", 0, b"/a", b"b") + b"\x30", 1, MALFORMED),
        (request("get", 0, b"/a"), 0, UNFIT),
        (request("put", 0, b"/a", b"b") + request("batch", 0), 1, UNFIT),
        (request("put", 0, b"/a", b"b") + request("stage", 0, b"/a"), 1, UNFIT),
        (request("put", 0, b"/a", b"b") * (BATCH_MAX + 1), BATCH_MAX, TOO_MANY),
    ],
)
def test_a_batch_that_is_none_is_refused_with_its_place(peer, frames, index, reason):
    frame = peer.one("batch", val=frames)
    assert (frame.status, frame.val) == ("refused", struct.pack(">IB", index, reason))
    assert peer.one("get", b"/a").status == "not_found"


def test_batches_of_every_size_up_to_the_limit(peer):
    for n in (0, 1, 2, BATCH_MAX):
        frames = b"".join(request("put", 0, b"/n%04d" % i, b"%d" % n) for i in range(n))
        frame = peer.one("batch", val=frames)
        assert (frame.status, struct.unpack(">QI", frame.val)[1]) == ("ok", n)
    assert number(peer.one("count")) == BATCH_MAX
    big = request("put", 0, b"/v", b"v" * (VALUE_MAX - 64))
    assert peer.one("batch", val=big).status == "ok"
    assert peer.one("delete", b"/v").status == "ok"


def test_a_stage_is_unseen_until_it_is_swapped_in(peer, server):
    put(peer, b"/s", b"/s/old", b"/sx")
    frame = peer.one("stage", b"/s")
    assert frame.status == "ok"
    stage = frame.val
    for i in range(1000):
        assert peer.one("stage_put", b"/s/%d" % i, stage + u64(0) + b"new").status == "ok"
    assert peer.one("stage_put", b"/s/t", stage + u64(60000) + b"t").status == "ok"
    assert keys(peer.ask("list", b"", page())) == [b"/s", b"/s/old", b"/sx"]
    frame = peer.one("swap", val=stage)
    assert frame.status == "ok"
    added, removed, revision = struct.unpack(">QQQ", frame.val)
    assert (added, removed) == (1001, 2) and revision > 0
    assert peer.one("get", b"/s").status == "not_found"
    assert peer.one("get", b"/s/7").val == b"new"
    assert number(peer.one("ttl", b"/s/t")) > 0
    assert number(peer.one("count")) == 1002
    assert peer.one("swap", val=stage).status == "not_found"


def test_stages_are_refused_where_they_cannot_be(peer):
    stage = peer.one("stage", b"/s").val
    for key, reason in ((b"/s", OCCUPIED), (b"/s/x", OCCUPIED), (b"", OCCUPIED), (b"/x/", SLASH)):
        assert peer.one("stage", key).val == bytes([reason])
    assert peer.one("stage_put", b"/sx", stage + u64(0) + b"v").val == bytes([OUTSIDE])
    assert peer.one("unstage", val=stage).status == "ok"
    for call, val in (("stage_put", u64(0) + b"v"), ("swap", b""), ("unstage", b"")):
        assert peer.one(call, b"/s" if call == "stage_put" else b"", stage + val).status == "not_found"
    assert peer.one("get", b"/s").status == "not_found"


def test_a_stage_ends_with_its_connection(server, peer):
    with Peer(server.connect()) as other:
        stages = [other.one("stage", b"/s%d" % i).val for i in range(STAGES_MAX)]
        assert other.one("stage", b"/one-more").val == bytes([OCCUPIED])
        assert other.one("stage_put", b"/s1/x", stages[1] + u64(0) + b"v").status == "ok"
        assert peer.one("swap", val=stages[1]).status == "not_found"
        assert peer.one("unstage", val=stages[1]).status == "not_found"
        assert peer.one("stage", b"/s3").val == bytes([OCCUPIED])
    wait_until(lambda: peer.one("stage", b"/s3").status == "ok", "the stages are closed")
    assert peer.one("get", b"/s1/x").status == "not_found"


def many(peer: Peer, n: int, value: bytes) -> list[bytes]:
    """Stores `n` keys with one value, by batches."""
    names = [b"/m/%06d" % i for i in range(n)]
    for at in range(0, n, BATCH_MAX):
        frames = b"".join(request("put", 0, name, value) for name in names[at : at + BATCH_MAX])
        assert peer.one("batch", val=frames).status == "ok"
    return names


def test_a_scan_sends_a_subtree_of_any_size(peer):
    names = many(peer, 20000, b"v")
    put(peer, b"", b"/m", b"z")
    frames = peer.ask("scan", b"/m", scan_args())
    assert keys(frames) == [b"/m"] + names
    assert (frames[-1].status, number(frames[-1])) == ("ok", 20001)
    frames = peer.ask("scan", b"", scan_args(content=1))
    assert rows(frames) == [(key, b"") for key in [b"", b"/m", *names, b"z"]]
    assert keys(peer.ask("scan", b"", scan_args(after=names[-2]))) == [names[-1], b"z"]
    assert number(peer.one("scan", b"/none", scan_args())) == 0


def test_a_scan_is_of_one_version_whatever_is_written(peer, server):
    names = many(peer, 4000, b"v" * 4000)
    with Peer(server.connect()) as reader:
        reader.send(request("scan", 1, b"", scan_args()) + request("count", 2))
        assert reader.frame().key == names[0]
        assert peer.one("drop", b"/m/").status == "ok"
        put(peer, b"/m/000001", b"/new")
        got = [names[0]]
        while (frame := reader.frame()).status == "row":
            assert frame.val == b"v" * 4000
            got.append(frame.key)
        assert (frame.status, number(frame)) == ("ok", len(names))
        assert got == names
        (frame,) = reader.answer(2)
        assert number(frame) == 2


def test_scans_in_a_pipeline_and_side_by_side(server, peer):
    names = many(peer, 3000, b"v" * 100)
    peers = [Peer(server.connect()) for _ in range(5)]
    for other in peers:
        other.send(request("scan", 1, b"", scan_args()) + request("ping", 2)
                   + request("scan", 3, b"/m", scan_args(names[9])) + request("get", 4, names[0]))
    for other in peers:
        assert keys(other.answer(1)) == names
        assert other.answer(2)[0].status == "ok"
        assert keys(other.answer(3)) == names[10:]
        assert other.answer(4)[0].val == b"v" * 100
        other.sock.close()


def test_a_scan_that_is_given_up_leaves_nothing(server, peer):
    many(peer, 4000, b"v" * 4000)
    with Peer(server.connect()) as reader:
        reader.send(request("scan", 1, b"", scan_args()))
        assert reader.frame().status == "row"
        assert stats(peer)["store.snapshots"] == 1
    wait_until(lambda: stats(peer)["store.snapshots"] == 0, "the scan's version is let go")


@pytest.mark.parametrize(
    "data,offset,field",
    [
        (b"\x7f", 0, "type"),
        (b"\x00", 0, "type"),
        (b"\x02" + struct.pack(">IH", 1, 1), 5, "key"),
        (b"\x10" + struct.pack(">IH", 1, KEY_MAX + 1), 5, "key"),
        (b"\x10" + struct.pack(">IH", 1, 2) + b"/a" + struct.pack(">I", 1), 9, "val"),
        (b"\x30" + struct.pack(">IH", 1, 2) + b"/a" + struct.pack(">I", VALUE_MAX + 1), 9, "val"),
        (b"\x30" + struct.pack(">IH", 1, 2) + b"/a" + b"\xff\xff\xff\xff", 9, "val"),
        (b"\x20" + struct.pack(">IH", 1, 0) + struct.pack(">I", 4), 7, "val"),
        (b"\x20" + struct.pack(">IH", 1, 0) + struct.pack(">I", 5) + b"\0\0\0\0\x02", 15, "list_args.content"),
    ],
)
def test_bad_bytes_are_refused_with_their_place_and_the_stream_ends(server, data, offset, field):
    for split in (False, True):
        with Peer(server.connect()) as peer:
            peer.send(request("ping", 1))
            if split:
                for i in range(len(data)):
                    peer.send(data[i : i + 1])
            else:
                peer.send(data)
            frames = list(peer.rest())
            assert [f.status for f in frames] == ["ok", "malformed"]
            text = frames[1].val.decode()
            assert text.startswith(f"byte {11 + offset} of the stream: field '{field}': "), text


def test_a_pipeline_of_ten_thousand_is_answered_in_order(peer):
    put(peer, b"/p")
    data = b"".join(request("match", i, b"/p/%d" % i) for i in range(1, 10001))
    peer.send(data)
    for i in range(1, 10001):
        (frame,) = peer.answer(i)
        assert (frame.status, frame.key) == ("ok", b"/p")


def test_every_split_of_a_request_gives_the_same_answer(peer):
    put(peer, b"/s")
    data = request("match", 9, b"/s/t") + request("get", 10, b"/s")
    for cut in range(1, len(data)):
        peer.send(data[:cut])
        peer.send(data[cut:])
        assert [f.status for f in peer.answer(9) + peer.answer(10)] == ["ok", "ok"]


# ---- the memory limit ----


def fill(peer: Peer, top: bytes, count: int) -> list[str]:
    """Puts keys of a kilobyte each; how each was answered."""
    answers = []
    for first in range(0, count, 500):
        rids = range(first, min(first + 500, count))
        peer.send(b"".join(request("put", rid, b"%s/%06d" % (top, rid), b"v" * 1000)
                           for rid in rids))
        answers += [peer.answer(rid)[-1].status for rid in rids]
    return answers


def test_a_full_store_refuses_what_needs_room_and_serves_the_rest():
    with Server("--memory-max=8MiB") as server, Peer(server.connect()) as peer:
        answers = fill(peer, b"/a", 12000)
        assert set(answers) == {"ok", "no_memory"}
        assert 4000 < answers.count("ok") < 8389
        assert peer.one("get", b"/a/000000").status == "ok"
        assert peer.one("match", b"/a/000001/below").key == b"/a/000001"
        assert peer.one("drop", b"/a").status == "ok"
        wait_until(lambda: stats(peer)["store.pending"] == 0, "the dropped keys are freed")
        assert peer.one("put", b"/again", b"x" * 1000).status == "ok"


def test_a_store_that_evicts_takes_every_write_and_spares_what_lies_elsewhere():
    flags = ("--memory-max=8MiB", "--memory-policy=evict", "--memory-evict-below=/cache")
    with Server(*flags) as server, Peer(server.connect()) as peer:
        assert set(fill(peer, b"/kept", 1000)) == {"ok"}
        answers = fill(peer, b"/cache", 30000)
        assert answers.count("ok") > 29000
        counters = stats(peer)
        assert counters["store.evicted"] > 15000
        assert number(peer.one("count", b"/kept")) == 1000
        # What was evicted counts until readers have let it go.
        wait_until(lambda: stats(peer)["store.used_bytes"] <= 8 << 20, "the limit is kept")


def test_the_memory_limit_changes_while_the_server_runs():
    with Server(config="memory-max = 4MiB\n") as server, Peer(server.connect()) as peer:
        assert "no_memory" in fill(peer, b"/a", 6000)
        server.config_file.write_text("memory-max = none\n")
        server.signal(signal.SIGHUP)
        wait_until(lambda: "reloaded" in server.log(), "the configuration is read again")
        assert set(fill(peer, b"/b", 6000)) == {"ok"}
