# SPDX-License-Identifier: Apache-2.0
"""What peers can do to the network layer: cut, stall, flood, reset, never read, and a stop under load."""

from __future__ import annotations

import os
import resource
import select
import signal
import socket
import struct
import threading
import time

import pytest
from kv import Peer, request
from server import TIMEOUT_S, Server, wait_until


def reset(sock: socket.socket) -> None:
    """Ends the connection with a RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def memory_kib(pid: int) -> int:
    """The server's resident memory."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def cpu_s(pid: int) -> float:
    """Processor time that the server has used."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def stats(server: Server) -> dict[str, int]:
    """The server's counters."""
    with Peer(server.connect()) as peer:
        return {f.key.decode(): int(f.val) for f in peer.ask("stats") if f.status == "row"}


def read_all(sock: socket.socket) -> bytes:
    """Everything up to the stream's end."""
    data = b""
    while piece := sock.recv(1 << 16):
        data += piece
    return data


def test_half_close_is_answered_completely():
    with Server() as server, Peer(server.connect()) as peer:
        peer.send(b"".join(request("echo", i, b"", b"x" * 100) for i in range(1, 3001)))
        peer.sock.shutdown(socket.SHUT_WR)
        frames = list(peer.rest())
        assert [f.rid for f in frames] == list(range(1, 3001))


def test_half_close_inside_a_request_ends_the_stream():
    with Server() as server, Peer(server.connect()) as peer:
        peer.send(request("ping", 1) + request("ping", 2)[:5])
        peer.sock.shutdown(socket.SHUT_WR)
        assert [f.rid for f in peer.rest()] == [1]


def test_resets_at_any_moment_harm_nobody_else():
    with Server() as server, Peer(server.connect()) as steady:
        for i in range(60):
            peer = server.connect()
            peer.sendall(request("echo", 1, b"", b"y" * 1000)[: i * 20])
            reset(peer)
            assert steady.one("ping").status == "ok"
        wait_until(lambda: stats(server)["net.connections_open"] == 2, "closed connections")


def test_a_reset_with_answers_under_way_is_survived():
    with Server() as server:
        for _ in range(10):
            peer = server.connect()
            peer.sendall(request("echo", 1, b"", b"z" * 100000) * 5)
            reset(peer)
        assert Peer(server.connect()).one("ping").status == "ok"


def flood(sock: socket.socket, data: bytes, limit_s: float = 2.0) -> int:
    """Sends without reading until the socket takes nothing for half a second; how many bytes went."""
    sock.setblocking(False)
    sent = 0
    deadline = time.monotonic() + limit_s + TIMEOUT_S
    while time.monotonic() < deadline:
        _, writable, _ = select.select([], [sock], [], 0.5)
        if not writable:
            return sent
        sent += sock.send(data[sent % len(data) :])
    raise AssertionError("the server reads on from a peer that never reads")


def test_a_peer_that_never_reads_is_held_and_then_gets_everything():
    with Server("--output-high=256KiB", "--output-low=64KiB", "--workers=1") as server:
        before = memory_kib(server.pid)
        sock = server.connect()
        frame = request("echo", 7, b"", b"v" * 1000)
        sent = flood(sock, frame)
        assert sent > 1 << 18
        assert memory_kib(server.pid) - before < 32 << 10
        assert Peer(server.connect()).one("ping").status == "ok"
        assert stats(server)["net.paused"] >= 1
        whole = sent // len(frame)
        sock.setblocking(True)
        sock.settimeout(TIMEOUT_S)
        got = 0
        while got < whole * len(frame):
            piece = sock.recv(1 << 16)
            assert piece, "the stream ended before all answers were there"
            got += len(piece)
        sock.close()


def test_too_many_connections_are_told_so():
    with Server("--connections-max=5") as server:
        peers = [Peer(server.connect()) for _ in range(5)]
        assert all(p.one("ping").status == "ok" for p in peers)
        for _ in range(3):
            with Peer(server.connect()) as extra:
                frames = list(extra.rest())
                assert [(f.status, f.rid) for f in frames] == [("busy", 0)]
        peers.pop().sock.close()
        wait_until(lambda: self_accepted(server), "a free place")
        for peer in peers:
            assert peer.one("ping").status == "ok"
            peer.sock.close()


def self_accepted(server: Server) -> bool:
    """True when a new connection is served."""
    with Peer(server.connect()) as peer:
        try:
            peer.send(request("ping", 1))
            frame = peer.frame()
        except OSError:
            return False
        return frame is not None and frame.status == "ok"


def test_an_idle_connection_is_told_and_closed():
    with Server("--idle-timeout=300ms") as server, Peer(server.connect()) as peer:
        assert peer.one("ping").status == "ok"
        assert [f.status for f in peer.rest()] == ["timeout"]
        assert stats(server)["net.connections_idle_closed"] == 1


def test_a_request_that_trickles_is_cut_off_however_busy_it_looks():
    with Server("--request-timeout=400ms", "--idle-timeout=10s") as server:
        with Peer(server.connect()) as peer:
            start = time.monotonic()
            peer.send(request("put", 1, b"/slow", b"x" * 1000)[:20])
            while not select.select([peer.sock], [], [], 0.05)[0]:
                assert time.monotonic() - start < TIMEOUT_S
                peer.send(b"x")
            assert 0.4 <= time.monotonic() - start < 5
            assert [f.status for f in peer.rest()] == ["timeout"]
        assert stats(server)["net.connections_slow_closed"] == 1


def test_many_complete_requests_are_not_one_slow_one():
    with Server("--request-timeout=400ms") as server, Peer(server.connect()) as peer:
        data = b"".join(request("ping", i) for i in range(1, 200))
        at = 0
        end = time.monotonic() + 1.2
        while time.monotonic() < end and at + 16 <= len(data):
            peer.send(data[at : at + 16])  # always ends inside a request
            at += 16
            time.sleep(0.02)
        peer.send(data[at:])
        for i in range(1, 200):
            assert peer.answer(i)[0].status == "ok"


def test_an_incomplete_request_above_the_limit_is_cut_off():
    with Server("--request-max=64KiB") as server, Peer(server.connect()) as peer:
        peer.send(request("put", 1, b"/big", b"x" * (1 << 20))[: 1 << 17])
        assert [f.status for f in peer.rest()][-1:] == ["timeout"]


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("depth", [1, 50])
def test_a_stop_under_load_loses_no_answer(workers, depth):
    """Every connection gets whole answers, in order, and then `stopping` or the end; the server ends with 0."""
    with Server(f"--workers={workers}", "--drain-timeout=10s") as server:
        results: list[str] = []
        stop_sending = threading.Event()

        def client() -> None:
            try:
                with Peer(server.connect()) as peer:
                    rid = 0
                    while not stop_sending.is_set():
                        peer.send(b"".join(request("echo", rid + i, b"", b"d" * 50)
                                           for i in range(1, depth + 1)))
                        for i in range(1, depth + 1):
                            frame = peer.frame()
                            if frame is None or frame.status == "stopping":
                                assert frame is None or list(peer.rest()) == []
                                results.append("ended")
                                return
                            assert (frame.status, frame.rid) == ("ok", rid + i)
                        rid += depth
            except (ConnectionError, BrokenPipeError) as error:
                results.append(f"lost: {error!r}")
            except AssertionError as error:
                results.append(f"wrong: {error}")

        threads = [threading.Thread(target=client) for _ in range(8)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        stop_sending.set()
        for thread in threads:
            thread.join(TIMEOUT_S)
        assert results == ["ended"] * 8


def test_connections_that_keep_sending_do_not_outlive_the_drain():
    with Server("--drain-timeout=600ms") as server:
        sock = server.connect()
        alive = threading.Event()
        alive.set()

        def send_forever() -> None:
            try:
                while alive.is_set():
                    sock.sendall(request("ping", 1) * 100)
            except OSError:
                pass

        thread = threading.Thread(target=send_forever)
        thread.start()
        time.sleep(0.2)
        start = time.monotonic()
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        assert time.monotonic() - start < 10
        alive.clear()
        sock.close()
        thread.join(TIMEOUT_S)


def test_echo_returns_a_large_stream_unchanged():
    with Server(handler="echo") as server:
        sock = server.connect()
        data = bytes(range(256)) * 20000
        got = bytearray()

        def read() -> None:
            while len(got) < len(data):
                got.extend(sock.recv(1 << 16))

        thread = threading.Thread(target=read)
        thread.start()
        sock.sendall(data)
        thread.join(TIMEOUT_S)
        assert bytes(got) == data
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b""
        sock.close()


def test_one_heavy_connection_does_not_starve_another():
    with Server("--workers=1") as server:
        heavy = server.connect()
        stop = threading.Event()

        def drown() -> None:
            heavy.setblocking(False)
            data = request("echo", 1, b"", b"h" * 60000) * 4
            while not stop.is_set():
                try:
                    heavy.send(data)
                except OSError:
                    pass
                try:
                    heavy.recv(1 << 20)
                except OSError:
                    pass

        thread = threading.Thread(target=drown)
        thread.start()
        with Peer(server.connect()) as light:
            for _ in range(200):
                assert light.one("ping").status == "ok"
        stop.set()
        thread.join(TIMEOUT_S)
        heavy.close()


def test_out_of_descriptors_is_survived():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with Server("--connections-max=20") as server:
        held = len(os.listdir(f"/proc/{server.pid}/fd"))
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (held + 10, held + 10))
        socks = []
        for _ in range(60):
            try:
                sock = server.connect()
                socks.append(sock)
            except OSError:
                break
        cpu = cpu_s(server.pid)
        time.sleep(0.5)
        assert cpu_s(server.pid) - cpu < 0.25, "the server spins while it has no descriptors"
        for sock in socks:
            sock.close()
        wait_until(lambda: self_accepted(server), "service after the shortage")
        assert stats(server)["net.accept_paused"] >= 1
    assert (soft, hard) == resource.getrlimit(resource.RLIMIT_NOFILE)
