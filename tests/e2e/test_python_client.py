# SPDX-License-Identifier: Apache-2.0
"""The generated Python client against the real server, and against one that misbehaves."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import caudex
import pytest
import tiny
from caudex import kv
from server import TIMEOUT_S, Server

ENTRIES = kv.Content.ENTRIES
# What a test waits for something that must not happen, and timeouts that must come.
SOON_S = 0.2
# A timeout that must not come, even on a loaded machine, and that a test can sit out.
AWHILE_S = 2.0


@pytest.fixture(scope="module")
def server():
    with Server() as running:
        yield running


@pytest.fixture(name="fresh")
def fresh_server():
    """A server of the test's own: it has given out no stages."""
    with Server() as running:
        yield running


@pytest.fixture
def client(server):
    """A client of an emptied server."""
    with kv.Client(server.address, timeout=TIMEOUT_S) as connected:
        connected.drop(b"")
        yield connected


class Fake:
    """A server of the test's own: answers every connection by `serve(peer)` in a thread."""

    def __init__(self, serve):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.serve = serve
        self.connections = 0
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            peer.settimeout(TIMEOUT_S)
            with peer:
                try:
                    self.serve(peer)
                except OSError:
                    pass    # the client has left

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(TIMEOUT_S)


def requests(peer):
    """The requests of a connection, as they come."""
    parser = caudex.Parser(kv.Request)
    while True:
        while (request := parser.next()) is not None:
            yield request
        data = peer.recv(65536)
        if not data:
            return
        parser.feed(data)


def answer(rid, status=kv.Status.OK, key=b"", val=b""):
    return kv.Response(status, rid, key, val).encode()


def run(coroutine):
    """Runs a coroutine to its end, which must come."""
    return asyncio.run(asyncio.wait_for(coroutine, TIMEOUT_S * 2))


# ---- every call, three ways ----


def talk_of_every_call():
    """(call, arguments, expected end or error, expected rows), in an order that makes sense."""
    large = bytes(range(256)) * 40000
    batch = (kv.Request(kv.Call.PUT, 0, b"/b/1", b"x").encode()
             + kv.Request(kv.Call.DELETE, 0, b"/img", b"").encode())
    wrong = kv.Request(kv.Call.GET, 0, b"/b/1", b"").encode()
    late = kv.Request(kv.Call.PUT_IF, 0, b"/b/1", kv.PutIfArgs(77, b"y").encode()).encode()
    any_of = object()   # the test looks at the type alone
    return [
        ("hello", (1, 0, b"test"), kv.HelloInfo, None),
        ("hello", (9, 0, b"test"), kv.Unsupported, None),
        ("ping", (), None, None),
        ("echo", (large,), large, None),
        ("put", (b"/img", b"cdn-a"), kv.Written, None),
        ("put", (b"/img/cats", b"cdn-b"), kv.Written, None),
        ("get", (b"/img",), b"cdn-a", None),
        ("get", (b"/im",), kv.NotFound, None),
        ("match", (b"/img/cats/1.jpg",), kv.MatchAnswer(b"/img/cats", b"cdn-b"), None),
        ("match", (b"/imgs",), kv.NotFound, None),
        ("match_bytes", (b"/imgs",), kv.MatchBytesAnswer(b"/img", b"cdn-a"), None),
        ("match_all", (b"/img/cats/1",), kv.RowsEnd(2),
         [kv.MatchAllRow(b"/img", b"cdn-a"), kv.MatchAllRow(b"/img/cats", b"cdn-b")]),
        ("gets", (b"/img",), kv.Revised, None),
        ("ttl", (b"/img",), kv.Lifetime(0), None),
        ("list", (b"/img", 1, kv.Content.KEYS, b""), kv.PageEnd(1, kv.Remainder.MORE),
         [kv.ListRow(b"/img", b"")]),
        ("list", (b"/none", 0, ENTRIES, b""), kv.PageEnd(0, kv.Remainder.NONE), []),
        ("children", (b"/", 0, b""), kv.PageEnd(1, kv.Remainder.NONE),
         [kv.ChildrenRow(b"/img", kv.Child(2, kv.Stored.YES))]),
        ("count", (b"",), kv.Total(2), None),
        ("scan", (b"", ENTRIES, b"/img"), kv.ScanEnd(1), [kv.ScanRow(b"/img/cats", b"cdn-b")]),
        ("put_if", (b"/img", 0, b"x"), kv.Conflict, None),
        ("put_if", (b"/new", 0, b"x"), kv.Written, None),
        ("delete", (b"/new",), kv.Written, None),
        ("delete", (b"/new",), kv.NotFound, None),
        ("put_ttl", (b"/s", 3600000, b"x"), kv.Written, None),
        ("ttl", (b"/s",), kv.Lifetime, None),
        ("touch", (b"/s", 0), None, None),
        ("touch", (b"/none", 0), kv.NotFound, None),
        ("batch", (batch,), kv.Batched, None),
        ("batch", (wrong,), kv.Refused, None),
        ("batch", (late,), kv.Conflict, None),
        ("stage", (b"/b",), kv.Staged(1), None),
        ("stage", (b"/b/1",), kv.Refused, None),
        ("stage_put", (b"/b/2", 1, 0, b"v"), kv.Written, None),
        ("stage_put", (b"/c", 1, 0, b"v"), kv.Refused, None),
        ("swap", (1,), kv.Swapped, None),
        ("swap", (1,), kv.NotFound, None),
        ("stage", (b"/z",), kv.Staged, None),
        ("unstage", (2,), None, None),
        ("drop", (b"/b",), kv.Dropped, None),
        ("stats", (), kv.RowsEnd, any_of),
    ]


def check_talk(call, got, rows, expected, expected_rows):
    kind = expected if isinstance(expected, type) else None
    is_right = isinstance(got, kind) if kind else got == expected
    assert is_right, (call, got, expected)
    if isinstance(expected_rows, list):
        assert rows == expected_rows, (call, rows)
    elif expected_rows is not None:
        assert rows and all(isinstance(row, kv.StatsRow) for row in rows)


def test_every_call(fresh):
    with kv.Client(fresh.address) as client:
        asked = ask_every_call(client)
    assert asked == {call.name.lower() for call in kv.Call}


def ask_every_call(client):
    asked = set()
    for call, args, expected, expected_rows in talk_of_every_call():
        asked.add(call)
        rows = None
        try:
            got = getattr(client, call)(*args)
            if expected_rows is not None:
                stream = got
                rows = list(stream)
                got = stream.end
        except caudex.StatusError as error:
            assert error.call == call
            got = error
        check_talk(call, got, rows, expected, expected_rows)
    return asked


def test_every_call_in_one_pipeline(fresh):
    with kv.Client(fresh.address) as client:
        check_pipeline_of_every_call(client)


def check_pipeline_of_every_call(client):
    talk = talk_of_every_call()
    with client.pipeline() as pipeline:
        sent = [getattr(pipeline, call)(*args) for call, args, _, _ in talk]
    for (call, _, expected, expected_rows), pending in zip(talk, sent):
        rows = None
        try:
            if expected_rows is not None:
                rows = list(pending)
                got = pending.end
            else:
                assert pending.is_done
                got = pending.result()
        except caudex.StatusError as error:
            got = error
        check_talk(call, got, rows, expected, expected_rows)


def test_every_call_with_asyncio(fresh):
    async def main():
        async with kv.AsyncClient(fresh.address) as remote:
            for call, args, expected, expected_rows in talk_of_every_call():
                rows = None
                try:
                    if expected_rows is not None:
                        stream = getattr(remote, call)(*args)
                        rows = [row async for row in stream]
                        got = await stream.end()
                    else:
                        got = await getattr(remote, call)(*args)
                except caudex.StatusError as error:
                    got = error
                check_talk(call, got, rows, expected, expected_rows)
    run(main())


def test_errors_hold_what_the_answer_held(client):
    revision = client.put(b"/k", b"v").revision
    with pytest.raises(kv.Conflict) as caught:
        client.put_if(b"/k", revision + 1, b"w")
    assert caught.value.val == kv.Current(revision)
    assert str(caught.value) == f"put_if: conflict: Current(revision={revision})"
    with pytest.raises(kv.Refused) as caught:
        client.batch(kv.Request(kv.Call.PING, 0, b"", b"").encode())
    assert caught.value.val == kv.Misfit(0, kv.Reason.UNFIT)


def test_a_unix_socket():
    with Server(unix=True) as server:
        with kv.Client(server.address) as client:
            client.put(b"/k", b"v")

        async def main():
            async with kv.AsyncClient(server.address) as remote:
                await remote.connect()  # it is already
                return await remote.get(b"/k")
        assert run(main()) == b"v"


# ---- many at a time ----


def test_a_pipeline_deeper_than_the_window(server, client):
    with kv.Client(server.address, window=7) as narrow:
        pipeline = narrow.pipeline()
        pending = [pipeline.put(b"/k/%d" % n, b"%d" % n) for n in range(1000)]
        values = [pipeline.get(b"/k/%d" % n) for n in range(1000)]
        assert [p.result() for p in values] == [b"%d" % n for n in range(1000)]
        assert all(p.is_done for p in pending)


def test_a_pipeline_of_more_bytes_than_sockets_hold(client):
    value = bytes(4 << 20)
    pipeline = client.pipeline()
    answers = [pipeline.echo(value) for _ in range(20)]
    assert all(a.result() == value for a in answers)


def test_thousands_of_tasks_on_one_connection(server, client):
    async def one(remote, n):
        key = b"/t/%d" % n
        await remote.put(key, b"%d" % n)
        found = await remote.match(key + b"/below")
        return found == kv.MatchAnswer(key, b"%d" % n)

    async def main(window):
        async with kv.AsyncClient(server.address, window=window) as remote:
            return await asyncio.gather(*(one(remote, n) for n in range(3000)))
    assert all(run(main(16384)))
    assert all(run(main(5)))


def test_large_values_of_many_tasks(server, client):
    value = bytes(3 << 20)

    async def main():
        async with kv.AsyncClient(server.address) as remote:
            return await asyncio.gather(*(remote.echo(value) for _ in range(20)))
    assert all(answer == value for answer in run(main()))


# ---- streams ----


@pytest.fixture
def many(client):
    """Rows of some 6 MB, more than a connection's buffers hold."""
    with client.pipeline() as pipeline:
        for n in range(6000):
            pipeline.put(b"/many/%05d" % n, bytes(1000))
    return [b"/many/%05d" % n for n in range(6000)]


def test_rows_come_one_by_one_and_calls_may_be_made_between_them(client, many):
    rows = client.scan(b"/many", ENTRIES, b"")
    first = next(rows)
    assert first == kv.ScanRow(many[0], bytes(1000))
    assert client.get(many[5]) == bytes(1000)
    assert [row.key for row in rows] == many[1:]
    assert rows.end == kv.ScanEnd(6000)
    assert list(rows) == []


def test_a_stream_that_is_left_early_does_not_disturb_what_follows(client, many):
    for row in client.scan(b"/many", ENTRIES, b""):
        if row.key == many[3]:
            break
    assert client.count(b"/many") == kv.Total(6000)
    with client.scan(b"/many", ENTRIES, b"") as rows:
        assert next(rows).key == many[0]
    assert client.get(many[0]) == bytes(1000)
    with pytest.raises(caudex.Error, match="^the rows were closed$"):
        next(rows)
    assert client.scan(b"/many", kv.Content.KEYS, b"").end == kv.ScanEnd(6000)


def test_rows_that_nobody_takes_are_kept_up_to_a_limit(client, many, monkeypatch):
    monkeypatch.setattr("caudex.blocking.ROWS_NBYTES_MAX", 1 << 20)
    rows = client.scan(b"/many", ENTRIES, b"")
    client.ping()
    with pytest.raises(caudex.RowsLost):
        next(rows)
    assert client.count(b"/many") == kv.Total(6000)


def test_async_rows_slow_the_server_down_instead_of_piling_up(server, many):
    async def main():
        async with kv.AsyncClient(server.address, timeout=AWHILE_S) as remote:
            rows = remote.scan(b"/many", ENTRIES, b"")
            keys = [(await rows.__anext__()).key]
            await asyncio.sleep(AWHILE_S + SOON_S)  # longer than the timeout: the reader is slow
            assert rows._stream.nbytes < 2 << 20
            keys += [row.key async for row in rows]
            return keys, await rows.end()
    keys, end = run(main())
    assert keys == many and end == kv.ScanEnd(6000)


def test_async_streams_left_early(server, many):
    async def main():
        async with kv.AsyncClient(server.address) as remote:
            async for row in remote.scan(b"/many", ENTRIES, b""):
                break
            assert await remote.count(b"/many") == kv.Total(6000)
            async with remote.scan(b"/many", ENTRIES, b"") as rows:
                assert (await rows.__anext__()).key == many[0]
            assert await remote.get(many[0]) == bytes(1000)
            with pytest.raises(caudex.Error, match="^the rows were closed$"):
                await rows.__anext__()
            await remote.scan(b"/many", ENTRIES, b"").aclose()   # never begun
            unread = remote.scan(b"/many", ENTRIES, b"")
            assert await unread.end() == kv.ScanEnd(6000)
            both = await asyncio.gather(*(gather(remote) for _ in range(3)))
            assert both == [6000] * 3

    async def gather(remote):
        return len([row async for row in remote.scan(b"/many", kv.Content.KEYS, b"")])
    run(main())


# ---- the connection ends ----


def test_no_server():
    with pytest.raises(caudex.ConnectError, match="^127.0.0.1:1: connection refused$"):
        kv.Client("127.0.0.1:1").ping()
    with pytest.raises(caudex.ConnectError, match="^unix:/nowhere: no such file or directory$"):
        kv.Client("unix:/nowhere").connect()

    async def main(address):
        await kv.AsyncClient(address).ping()
    with pytest.raises(caudex.ConnectError, match="^127.0.0.1:1: "):
        run(main("127.0.0.1:1"))
    with pytest.raises(caudex.ConnectError, match="^unix:/nowhere: "):
        run(main("unix:/nowhere"))


def restarted(tmp_path):
    """A server on an address that stays when it is started again."""
    return Server("--close-timeout=100ms", listen=[f"unix:{tmp_path}/s,handler=kv"])


def test_a_client_finds_a_restarted_server_again(tmp_path):
    with restarted(tmp_path) as server:
        with kv.Client(server.address) as client:
            client.put(b"/k", b"v")
            server.stop()
            starter = threading.Timer(SOON_S, server.start)
            starter.start()
            with pytest.raises(kv.NotFound):    # connected again, though nobody was there at first
                client.get(b"/k")
            starter.join()
            client.put(b"/k", b"w")
            server.kill()
            with pytest.raises(caudex.ConnectError):
                client.timeout = SOON_S
                client.get(b"/k")
            client.timeout = TIMEOUT_S
            server.start()
            client.ping()
        with pytest.raises(caudex.ConnectionLost, match="closed on this side$"):
            client.ping()


def test_an_async_client_finds_a_restarted_server_again(tmp_path):
    async def main(server):
        async with kv.AsyncClient(server.address) as remote:
            await remote.put(b"/k", b"v")
            await asyncio.to_thread(server.stop)
            calls = [asyncio.create_task(remote.count(b"")) for _ in range(10)]
            await asyncio.sleep(SOON_S)
            await asyncio.to_thread(server.start)
            assert await asyncio.gather(*calls) == [kv.Total(0)] * 10
            server.kill()
            await asyncio.sleep(SOON_S)
            remote.timeout = SOON_S
            with pytest.raises(caudex.ConnectError):
                await remote.ping()
            await asyncio.to_thread(server.start)
            remote.timeout = TIMEOUT_S
            await remote.ping()
        with pytest.raises(caudex.ConnectionLost, match="closed on this side$"):
            await remote.ping()

    with restarted(tmp_path) as server:
        run(main(server))


def test_without_reconnect_a_lost_connection_stays_lost(tmp_path):
    with restarted(tmp_path) as server:
        with kv.Client(server.address, reconnect=False) as client:
            client.ping()
            server.stop()
            server.start()
            for _ in range(2):
                with pytest.raises(caudex.ConnectionLost, match="closed by the peer"):
                    client.ping()

        async def main():
            async with kv.AsyncClient(server.address, reconnect=False) as remote:
                await remote.ping()
                await asyncio.to_thread(server.stop)
                await asyncio.to_thread(server.start)
                for _ in range(2):
                    with pytest.raises(caudex.ConnectionLost, match="closed by the peer"):
                        await remote.ping()
        run(main())


def half_an_answer(peer):
    for request in requests(peer):
        peer.sendall(answer(request.rid, val=b"value")[:-2])
        return


def test_a_connection_that_ends_inside_an_answer(tmp_path):
    with Fake(half_an_answer) as fake:
        with kv.Client(fake.address) as client:
            pipeline = client.pipeline()
            first, second = pipeline.get(b"/a"), pipeline.get(b"/b")
            for pending in (first, second):
                with pytest.raises(caudex.ConnectionLost) as caught:
                    pending.result()
                assert str(caught.value) == f"{fake.address}: closed by the peer"
            with pytest.raises(caudex.ConnectionLost):
                client.get(b"/a")
            assert fake.connections == 2

        async def main():
            async with kv.AsyncClient(fake.address) as remote:
                got = await asyncio.gather(remote.get(b"/a"), remote.get(b"/b"),
                                           return_exceptions=True)
                assert [type(g) for g in got] == [caudex.ConnectionLost] * 2
                assert got[0] is not got[1]
        run(main())


def resets(peer):
    """Answers nothing and leaves with a reset, which loses what was on its way."""
    peer.recv(1)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_a_connection_that_is_reset():
    with Fake(resets) as fake:
        for value in (b"v", bytes(16 << 20)):   # found out by reading, and by sending
            with kv.Client(fake.address) as client:
                with pytest.raises(caudex.ConnectionLost, match="reset by peer|closed by the peer"):
                    client.put(b"/k", value)

            async def main(value=value):
                async with kv.AsyncClient(fake.address) as remote:
                    with pytest.raises(caudex.ConnectionLost):
                        await remote.put(b"/k", value)
            run(main())


def test_what_waits_for_room_goes_to_the_next_connection():
    def one_each(peer):
        for request in requests(peer):
            peer.sendall(answer(0, kv.Status.BUSY) + answer(request.rid))
            return

    async def main(address):
        async with kv.AsyncClient(address, window=1) as remote:
            assert await asyncio.gather(*(remote.ping() for _ in range(5))) == [None] * 5

    with Fake(one_each) as fake:
        with kv.Client(fake.address, window=1) as client:
            pipeline = client.pipeline()
            sent = [pipeline.ping() for _ in range(5)]
            assert [p.result() for p in sent] == [None] * 5
            assert fake.connections == 5
        run(main(fake.address))
        assert fake.connections == 10


def rows_and_then_nothing(peer):
    for request in requests(peer):
        peer.sendall(answer(request.rid, kv.Status.ROW, b"/a", b"A"))
        return


def test_a_stream_that_ends_early_is_no_complete_one():
    with Fake(rows_and_then_nothing) as fake:
        with kv.Client(fake.address) as client:
            rows = client.scan(b"", ENTRIES, b"")
            assert next(rows) == kv.ScanRow(b"/a", b"A")
            with pytest.raises(caudex.ConnectionLost):
                next(rows)
            with pytest.raises(caudex.ConnectionLost):
                rows.end

        async def main():
            async with kv.AsyncClient(fake.address) as remote:
                found = []
                with pytest.raises(caudex.ConnectionLost):
                    async for row in remote.scan(b"", ENTRIES, b""):
                        found.append(row)
                assert found == [kv.ScanRow(b"/a", b"A")]
                with pytest.raises(caudex.ConnectionLost):
                    await remote.scan(b"", ENTRIES, b"").end()
        run(main())


def says_why(peer):
    for _ in requests(peer):
        peer.sendall(answer(0, kv.Status.STOPPING, val=b"good bye"))
        return


def test_what_the_peer_says_before_it_closes_is_told():
    with Fake(says_why) as fake, kv.Client(fake.address) as client:
        with pytest.raises(caudex.ConnectionLost) as caught:
            client.ping()
        assert str(caught.value) == f"{fake.address}: closed by the peer: stopping: good bye"


@pytest.mark.parametrize("data, field, offset", [
    (b"HTTP/1.1 400 Bad Request\r\n\r\n", "status", 0),
    (answer(99), "rid", 0),
    (answer(1, kv.Status.OK, b"/not-for-get"), "key", 5),
    (answer(1, kv.Status.ROW), "status", 0),
])
def test_wrong_bytes_end_the_connection_with_their_place(data, field, offset):
    def wrong(peer):
        for _ in requests(peer):
            peer.sendall(data)

    with Fake(wrong) as fake:
        with kv.Client(fake.address) as client:
            with pytest.raises(caudex.ProtocolError) as caught:
                client.get(b"/a")
            assert (caught.value.field, caught.value.offset) == (field, offset)

        async def main():
            async with kv.AsyncClient(fake.address) as remote:
                with pytest.raises(caudex.ProtocolError) as caught:
                    await remote.get(b"/a")
                assert (caught.value.field, caught.value.offset) == (field, offset)
        run(main())


# ---- time ----


def slowly(peer):
    """Answers `get` only when the next request has come, everything else at once."""
    late = b""
    for request in requests(peer):
        if request.type is kv.Call.GET:
            late += answer(request.rid, val=b"late")
            continue
        peer.sendall(late + answer(request.rid))
        late = b""


def test_a_timeout_fails_the_request_and_not_the_connection():
    with Fake(slowly) as fake, kv.Client(fake.address, timeout=SOON_S) as client:
        begin = time.monotonic()
        with pytest.raises(caudex.AnswerTimeout, match=r"^get: no answer in 0\.2 s$"):
            client.get(b"/a")
        assert SOON_S <= time.monotonic() - begin < TIMEOUT_S
        client.timeout = TIMEOUT_S
        client.ping()   # the late answer to get comes before this one's
        client.ping()
        assert fake.connections == 1


def test_an_async_timeout_fails_the_request_and_not_the_connection():
    async def main(address):
        async with kv.AsyncClient(address, timeout=SOON_S) as remote:
            got = await asyncio.gather(*(remote.get(b"/a") for _ in range(5)),
                                       return_exceptions=True)
            assert [type(g) for g in got] == [caudex.AnswerTimeout] * 5
            remote.timeout = TIMEOUT_S
            await remote.ping()
            await asyncio.gather(remote.ping(), remote.ping())

    with Fake(slowly) as fake:
        run(main(fake.address))
        assert fake.connections == 1


def test_a_shorter_timeout_comes_before_a_longer_one():
    async def main(address):
        async with kv.AsyncClient(address, timeout=TIMEOUT_S) as remote:
            patient = asyncio.create_task(remote.get(b"/a"))
            await asyncio.sleep(SOON_S)
            remote.timeout = SOON_S
            with pytest.raises(caudex.AnswerTimeout):
                await remote.get(b"/b")
            remote.timeout = float("inf")
            await remote.ping()
            assert await patient == b"late"

    with Fake(slowly) as fake:
        run(main(fake.address))


def test_no_room_in_time():
    async def main(address):
        async with kv.AsyncClient(address, timeout=SOON_S, window=1) as remote:
            got = await asyncio.gather(remote.get(b"/a"), remote.get(b"/b"),
                                       return_exceptions=True)
            assert str(got[0]) == "get: no answer in 0.2 s"
            assert "it was not sent" in str(got[1])

    with Fake(slowly) as fake:
        run(main(fake.address))
        with kv.Client(fake.address, timeout=SOON_S, window=1) as client:
            client.pipeline().get(b"/a")
            with pytest.raises(caudex.AnswerTimeout, match="it was not sent$"):
                client.get(b"/b")


def test_an_answer_that_is_there_is_not_too_late():
    def at_once(peer):
        for request in requests(peer):
            peer.sendall(answer(request.rid, val=b"v"))

    with Fake(at_once) as fake, kv.Client(fake.address, timeout=AWHILE_S) as client:
        pipeline = client.pipeline()
        pending = [pipeline.get(b"/a") for _ in range(5)]
        client._link.send()
        time.sleep(AWHILE_S + SOON_S)       # the program is busy elsewhere
        assert [p.result() for p in pending] == [b"v"] * 5


def test_a_connection_that_is_never_made(monkeypatch):
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        held = [socket.socket() for _ in range(4)]
        for sock in held:
            sock.setblocking(False)
            sock.connect_ex(address)
        time.sleep(SOON_S)
        name = "127.0.0.1:%d" % address[1]
        with pytest.raises(caudex.ConnectError, match=f"^{name}: timed out$"):
            kv.Client(name, timeout=SOON_S).connect()

        async def main():
            await kv.AsyncClient(name, timeout=SOON_S).connect()
        with pytest.raises(caudex.ConnectError, match=f"^{name}: timed out$"):
            run(main())
        for sock in held:
            sock.close()


# ---- cancelling ----


def test_a_cancelled_task_leaves_the_connection_as_it_was():
    async def main(address):
        async with kv.AsyncClient(address) as remote:
            tasks = [asyncio.create_task(remote.get(b"/a")) for _ in range(3)]
            await asyncio.sleep(SOON_S)
            tasks[1].cancel()
            with pytest.raises(asyncio.CancelledError):
                await tasks[1]
            await remote.ping()     # lets the answers go
            assert [await tasks[0], await tasks[2]] == [b"late"] * 2
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(remote.get(b"/a"), SOON_S)
            await remote.ping()
            assert remote._link.core.is_idle

    with Fake(slowly) as fake:
        run(main(fake.address))
        assert fake.connections == 1


def test_a_task_that_is_cancelled_while_it_waits_for_room():
    async def main(address):
        async with kv.AsyncClient(address, window=1) as remote:
            first = asyncio.create_task(remote.get(b"/a"))
            waiting = [asyncio.create_task(remote.get(b"/b")) for _ in range(3)]
            await asyncio.sleep(SOON_S)
            waiting[0].cancel()
            await asyncio.wait([waiting[0]])
            assert waiting[0].cancelled() and not first.done() and not waiting[1].done()
            remote._link.core.receive(answer(1, val=b"1"), 0)
            remote._link.wake()
            assert await first == b"1"
            for task in waiting[1:]:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    with Fake(slowly) as fake:
        run(main(fake.address))


def test_closing_fails_what_is_open():
    async def main(address):
        remote = kv.AsyncClient(address)
        task = asyncio.create_task(remote.get(b"/a"))
        await asyncio.sleep(SOON_S)
        await remote.close()
        await remote.close()
        with pytest.raises(caudex.ConnectionLost, match="closed on this side$"):
            await task

    with Fake(slowly) as fake:
        run(main(fake.address))
        client = kv.Client(fake.address)
        pending = client.pipeline().get(b"/a")
        client.close()
        client.close()
        with pytest.raises(caudex.ConnectionLost, match="closed on this side$"):
            pending.result()


def test_closing_while_it_connects():
    async def main(address):
        remote = kv.AsyncClient(address)
        task = asyncio.create_task(remote.ping())
        await asyncio.sleep(0)
        await remote.close()
        with pytest.raises(caudex.ConnectionLost, match="closed on this side$"):
            await task

    with Fake(slowly) as fake:
        run(main(fake.address))


def test_a_connect_that_is_cancelled_does_not_cancel_that_of_others(server):
    async def main():
        remote = kv.AsyncClient(server.address)
        tasks = [asyncio.create_task(remote.ping()) for _ in range(3)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        assert await asyncio.gather(*tasks[1:]) == [None, None]
        await remote.close()
    run(main())


# ---- another protocol ----


def tiny_answers(peer):
    """Rows and an end, or a refusal, for every request of the second protocol."""
    parser = caudex.Parser(tiny.Request)
    while data := peer.recv(65536):
        parser.feed(data)
        while (request := parser.next()) is not None:
            mark = request.serial
            if request.op is tiny.Call.EVERYTHING:
                frames = [tiny.Response(b"w", mark, b"%d" % n, request.data, tiny.Result.PART)
                          for n in range(3)]
                end = tiny.Tally(3).encode()
                frames.append(tiny.Response(request.name, mark, b"", end, tiny.Result.FINE))
            elif request.op is tiny.Call.MOVE:
                point = tiny.Point.decode(request.data)
                frames = [tiny.Response(b"", mark, b"%d" % point.y, b"", tiny.Result.FINE)]
                if point.mode is tiny.Mode.FAST:
                    frames = [tiny.Response(b"", mark, b"", b"", tiny.Result.BAD)]
            else:
                frames = [tiny.Response(b"", mark, b"", b"", tiny.Result.FINE)]
            for byte in b"".join(frame.encode() for frame in frames):
                peer.sendall(bytes([byte]))


def test_a_second_protocol_byte_by_byte():
    with Fake(tiny_answers) as fake:
        with tiny.Client(fake.address) as client:
            assert client.nothing(moment=1, flags=2, sum=3) is None
            rows = client.everything(1, b"name", 2, b"data", 3)
            assert list(rows) == [tiny.EverythingRow(b"w", b"%d" % n, b"data") for n in range(3)]
            assert rows.end == tiny.EverythingEnd(b"name", tiny.Tally(3))
            assert client.move(1, b"n", 2, 3, 44, tiny.Mode.SLOW, b"t", 5) == b"44"
            with pytest.raises(tiny.Bad) as caught:
                client.move(1, b"n", 2, 3, 44, tiny.Mode.FAST, b"t", 5)
            assert caught.value.note is None

        async def main():
            async with tiny.AsyncClient(fake.address) as remote:
                return await asyncio.gather(*(
                    remote.move(1, b"n", 2, 3, n, tiny.Mode.SLOW, b"t", 5) for n in range(50)))
        assert run(main()) == [b"%d" % n for n in range(50)]


# ---- as users get it ----

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def run_example(address, path):
    """Runs the README's program with the package that is in `path`."""
    (example,) = re.findall(r"^```python\n(.*?)^```$", README, re.M | re.S)
    assert '"127.0.0.1:7117"' in example
    return subprocess.run(
        [sys.executable, "-B", "-c", example.replace("127.0.0.1:7117", address)],
        env={**os.environ, "PYTHONPATH": str(path)}, cwd="/", capture_output=True, text=True,
        timeout=TIMEOUT_S * 2, check=False)


PRINTED = """\
MatchAnswer(key=b'/img', val=b'cdn-a')
b'/img' b'cdn-a'
not stored
1000
"""


def test_the_readmes_example_runs_from_the_build_tree(fresh):
    ran = run_example(fresh.address, Path(os.environ["CAUDEX_BUILD"]) / "python")
    assert (ran.stderr, ran.stdout) == ("", PRINTED)


def test_it_runs_after_cmake_install(fresh, tmp_path):
    build = Path(os.environ["CAUDEX_BUILD"])
    subprocess.run(
        [os.environ["CMAKE"], f"-DCMAKE_INSTALL_PREFIX={tmp_path}", "-P",
         str(build / "src" / "python" / "cmake_install.cmake")],
        check=True, capture_output=True, timeout=TIMEOUT_S)
    (module,) = tmp_path.rglob("kv.py")
    ran = run_example(fresh.address, module.parents[1])
    assert (ran.stderr, ran.stdout) == ("", PRINTED)
    assert (module.parent / "py.typed").exists()


PIP = Path(sys.executable).with_name("pip3")
CAN_BUILD = PIP.exists() and all(importlib.util.find_spec(m) for m in ("setuptools", "wheel"))


@pytest.mark.skipif(not CAN_BUILD, reason=f"{PIP}, setuptools or wheel is not installed")
def test_it_runs_after_pip_install_without_a_network(fresh, tmp_path):
    source = tmp_path / "source"    # pip builds inside its source
    shutil.copytree(Path(os.environ["CAUDEX_BUILD"]) / "python", source)
    made = subprocess.run(
        [str(PIP), "install", "--quiet", "--no-build-isolation", "--no-index", "--no-deps",
         "--no-cache-dir", "--disable-pip-version-check", "--target", str(tmp_path / "there"),
         str(source)],
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
        capture_output=True, text=True, timeout=120, check=False)
    assert made.returncode == 0, made.stderr
    there = sorted(p.name for p in (tmp_path / "there" / "caudex").glob("*.py*"))
    assert there == sorted(p.name for p in (source / "caudex").glob("*.py*"))
    ran = run_example(fresh.address, tmp_path / "there")
    assert (ran.stderr, ran.stdout) == ("", PRINTED)
