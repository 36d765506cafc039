#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long reads wait while the server does something else.

    python3 bench/tails.py BUILD-DIR [--quick] [--keys N] [--subtree N] [--workers N …] [--repeat N]
                           [--rate N] [--seconds S] [--protocol kv-match|kv-get] [--json FILE]

Servers with one and with two workers stay up, filled alike; reads fall due at a fixed rate (an open
loop, see load.c), so that whoever comes during a pause is charged for the rest of it. Each repetition
visits every (situation, workers), the quiet one first; ratios are to the quiet run of the same
repetition, and medians are printed. See bench/README.md.
"""
from __future__ import annotations

import argparse
import itertools
import json
import os
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable, Iterator

from milestones import Bench, Server, exit_when_terminated

WORKERS = (1, 2)
CONNECTIONS = 50
WARMUP_S = 0.3
# An event begins so long after the window has begun.
EVENT_S = 0.5
# The window of something that may take minutes: SIGTERM ends it.
LONG_S = 600.0
# After filling or changing much, until what the server does behind the answers is done.
SETTLE_S = 1.0
SUBTREE = "/subtree"
# Distinct requests: encoding more takes longer than the window.
ASKED_MAX = 1_000_000
VALUE = b"a value of 32 bytes, not 1 more."
# Requests to a stage that are sent before an answer is read.
BLOCK_REQUESTS = 2000
HEAD_NBYTES, REVISION_NBYTES = 11, 8
DROP, STAGE, STAGE_PUT, SWAP = 0x33, 0x38, 0x39, 0x3A
OK = 0
Row = dict[str, float]


class Peer:
    """A connection that speaks as much of kv as this needs."""

    def __init__(self, port: int):
        self.sock = socket.create_connection(("127.0.0.1", port))

    def close(self) -> None:
        """Ends the connection, and with it its stages."""
        self.sock.close()

    def ask(self, call: int, key: bytes = b"", val: bytes = b"") -> bytes:
        """One request; its answer's value."""
        self.sock.sendall(request(call, key, val))
        head = self.receive(HEAD_NBYTES)
        if head[0] != OK or head[5:7] != b"\0\0":
            raise RuntimeError(f"call {call:#x} was answered {head!r}")
        (val_len,) = struct.unpack(">I", head[7:])
        return self.receive(val_len)

    def change(self, call: int, key: bytes = b"", val: bytes = b"") -> None:
        """A request whose answer only has to come."""
        self.ask(call, key, val)

    def receive(self, nbytes: int) -> bytes:
        """So many bytes."""
        data = b""
        while len(data) < nbytes:
            piece = self.sock.recv(nbytes - len(data))
            if not piece:
                raise RuntimeError("the server closed a connection")
            data += piece
        return data

    def stage(self, key: bytes, rows: Path) -> int:
        """Opens a stage and puts all rows into it; its number."""
        (number,) = struct.unpack(">I", self.ask(STAGE, key))
        val = struct.pack(">IQ", number, 0) + VALUE
        under_way = 0
        for block, count in blocks(rows, val):
            self.sock.sendall(block)
            self.expect_written(under_way)
            under_way = count
        self.expect_written(under_way)
        return int(number)

    def expect_written(self, count: int) -> None:
        """That many revisions."""
        frame_nbytes = HEAD_NBYTES + REVISION_NBYTES
        if any(self.receive(count * frame_nbytes)[::frame_nbytes]):
            raise RuntimeError("a row could not be staged")


def request(call: int, key: bytes, val: bytes) -> bytes:
    """A request's bytes."""
    return struct.pack(">BIH", call, 0, len(key)) + key + struct.pack(">I", len(val)) + val


def blocks(rows: Path, val: bytes) -> Iterator[tuple[bytes, int]]:
    """Requests to a stage, joined, and how many."""
    parts: list[bytes] = []
    with open(rows, "rb") as lines:
        for line in lines:
            parts.append(request(STAGE_PUT, line.rstrip(b"\n"), val))
            if len(parts) == BLOCK_REQUESTS:
                yield b"".join(parts), len(parts)
                parts = []
    yield b"".join(parts), len(parts)


class Target:
    """One server, what is stored in it, and the load on it."""

    def __init__(self, bench: Bench, keys: Path, subtree: Path, options: argparse.Namespace):
        self.bench = bench
        self.asked = bench.work / "asked"
        self.subtree = subtree
        self.options = options
        with open(keys, "rb") as lines:
            self.asked.write_bytes(b"".join(itertools.islice(lines, ASKED_MAX)))
        self.server: Server = bench.start_caudexd("kv")
        bench.fill(self.server, "kv-get", keys)
        bench.fill(self.server, "kv-get", subtree)
        time.sleep(SETTLE_S)

    def read(self, event: Callable[[], None] | None = None, *more: str, seconds: float = 0) -> Row:
        """One window of reads, in which `event` takes place; one of `seconds` ends with the event."""
        command = self.bench.load_command(
            self.server, self.options.protocol, self.asked, "--connections", str(CONNECTIONS), "--pipeline", "1",
            "--rate", str(self.options.rate), "--warmup", str(WARMUP_S), "--announce",
            "--seconds", str(seconds or self.options.seconds), *more)
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as load:
            assert load.stdout is not None
            took = 0.0
            try:
                if load.stdout.readline() == "begun\n" and event:
                    time.sleep(EVENT_S)
                    begun = time.monotonic()
                    event()
                    took = time.monotonic() - begun
                if seconds:
                    load.send_signal(signal.SIGTERM)
                out, err = load.communicate(timeout=LONG_S)
            finally:
                load.kill()
        if load.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {err.strip()}")
        row: Row = json.loads(out)
        row["event_ms"] = took * 1e3
        return row

    def drop(self) -> Row:
        """While the subtree is dropped, which is then filled again."""
        peer = Peer(self.server.port)
        row = self.read(lambda: peer.change(DROP, SUBTREE.encode()))
        peer.close()
        time.sleep(SETTLE_S)
        self.bench.fill(self.server, "kv-get", self.subtree)
        time.sleep(SETTLE_S)
        return row

    def swap(self) -> Row:
        """While a stage, filled before, takes the subtree's place."""
        peer = Peer(self.server.port)
        stage = struct.pack(">I", peer.stage(SUBTREE.encode(), self.subtree))
        time.sleep(SETTLE_S)
        row = self.read(lambda: peer.change(SWAP, b"", stage))
        peer.close()
        time.sleep(SETTLE_S)
        return row

    def replace(self) -> Row:
        """While the command fills a stage at full speed and swaps it in."""
        words = ("swap", "--quiet", "--keys", "--value", VALUE.decode(), SUBTREE, str(self.subtree))
        row = self.read(lambda: self.caudex(*words), seconds=LONG_S)
        time.sleep(SETTLE_S)
        return row

    def caudex(self, *words: str) -> None:
        """The command, on the generator's core, which is the generator's first."""
        subprocess.run(["nice", "taskset", "-c", str(self.bench.load_core), str(self.bench.build / "src/cli/caudex"),
                        "--server", f"127.0.0.1:{self.server.port}", *words],
                       check=True, stdout=subprocess.DEVNULL)


SITUATIONS: dict[str, Callable[[Target], Row]] = {
    "quiet": Target.read,
    "1 % writes": lambda target: target.read(None, "--writes", "1"),
    "10 % writes": lambda target: target.read(None, "--writes", "10"),
    "a subtree is dropped": Target.drop,
    "a stage is swapped in": Target.swap,
    "`caudex swap`: staging and swap": Target.replace,
}
Results = dict[tuple[int, str], list[Row]]


def report(results: Results, workers: tuple[int, ...]) -> None:
    """Prints a table for each number of workers."""
    for count in workers:
        print(f"\n### {count} worker{'s' if count > 1 else ''}\n")
        print("| meanwhile | p50 µs | p99 µs | p99.9 µs | slowest µs | p99.9 × quiet (lowest to highest) | "
              "slowest × quiet | it took ms |")
        print("|---|---|---|---|---|---|---|---|")
        quiet = results[count, "quiet"]
        for name in SITUATIONS:
            rows = results[count, name]
            tails, slowest = ([row[key] / other[key] for row, other in zip(rows, quiet)]
                              for key in ("p999_us", "max_us"))
            figures = " | ".join(f"{statistics.median(row[key] for row in rows):.0f}"
                                 for key in ("p50_us", "p99_us", "p999_us", "max_us"))
            took = statistics.median(row["event_ms"] for row in rows)
            print(f"| {name} | {figures} | {statistics.median(tails):.2f} ({min(tails):.2f} to {max(tails):.2f}) | "
                  f"{statistics.median(slowest):.2f} | {f'{took:.1f}' if took else ''} |")


def measure(options: argparse.Namespace) -> Results:
    """All rows of all situations."""
    results: Results = {}
    with tempfile.TemporaryDirectory() as work:
        benches = [Bench(options.build.resolve(), Path(work), count) for count in options.workers]
        try:
            keys = benches[0].keys("keys", options.keys)
            subtree = benches[0].keys("subtree", options.subtree, "--below", SUBTREE)
            targets = [Target(bench, keys, subtree, options) for bench in benches]
            for turn in range(options.repeat):
                for name, situation in SITUATIONS.items():
                    for target in targets:
                        results.setdefault((target.bench.workers, name), []).append(situation(target))
                print(f"repetition {turn + 1} of {options.repeat}", file=sys.stderr)
        finally:
            for bench in benches:
                bench.stop()
    return results


def main() -> int:
    """0; an exception when a server or the generator failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path)
    parser.add_argument("--quick", action="store_true", help="a small subtree, short windows, 2 repetitions")
    parser.add_argument("--keys", type=int, default=1_000_000, help="that are asked for")
    parser.add_argument("--subtree", type=int, default=5_000_000, help="keys that are dropped or swapped")
    parser.add_argument("--workers", type=int, nargs="+", default=WORKERS)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--rate", type=int, default=10_000, help="requests per second")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--protocol", choices=("kv-match", "kv-get"), default="kv-match")
    parser.add_argument("--json", type=Path, help="every single measurement")
    options = parser.parse_args()
    if options.quick:
        options.subtree, options.seconds, options.repeat = 500_000, 1.0, 2
    exit_when_terminated()
    cores = len(os.sched_getaffinity(0))
    if cores < max(2, *options.workers):
        print("tails: a core for every worker is needed, and two at least", file=sys.stderr)
        return 1
    results = measure(options)
    print(f"{options.protocol}: {options.rate:,} requests/s due on {CONNECTIONS} connections, {options.keys:,} keys, "
          f"a subtree of {options.subtree:,}, {options.repeat} windows of {options.seconds} s, medians")
    if cores == max(options.workers):
        print(f"With {cores} workers the generator has no core of its own, and its wake-ups count as waiting.")
    report(results, options.workers)
    if options.json:
        options.json.write_text(json.dumps([{"workers": workers, "meanwhile": name, **row}
                                            for (workers, name), rows in results.items() for row in rows],
                                           indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
