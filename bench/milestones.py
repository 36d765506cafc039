#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The three milestones side by side: echo (net), reply (net + protocol), kv (all), and their peers.

    python3 bench/milestones.py BUILD-DIR [--quick] [--connections N …] [--keys N] [--workers N]
                                [--repeat N] [--memory-only] [--json FILE]

All servers stay up, pinned to one core (with --workers, to as many as they have threads); the generator
has another, if there is one. Every repetition visits every (connections, pipeline, server); what is
printed is the median over the repetitions, and the ratio to caudexd's own echo is the median of the
ratios inside each repetition. Memory is that of fresh servers, one after the other, with keys of 30
bytes. redis-server and memcached take part when they are installed. See bench/README.md.
"""
from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Iterator, NamedTuple

CONNECTIONS = (1, 50, 500)
PIPELINES = (1, 16, 100)
# What the project promises at 50 connections: ratios of server CPU per request to echo's.
GATES = {"reply": (1.03, 1.05, 1.15), "kv match": (1.10, 1.7, 4.5)}
READY_S = 20.0
HOT_KEYS = 1000
# What a user stores, as load.c and `keys.c --short` make it.
KEY_NBYTES, VALUE_NBYTES = 30, 32
# After filling, until what the server does behind the answers is done.
SETTLE_S = 2.0


def free_port() -> int:
    """A port that nobody has at the moment."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def wait_for(port: int) -> None:
    """Returns when somebody listens."""
    deadline = time.monotonic() + READY_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def exit_when_terminated() -> None:
    """Makes the termination signal an exit like others: servers and files are cleared away."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


class Server(NamedTuple):
    """One that is up."""

    pid: int
    port: int


class Bench:
    """The servers, the keys, and one measurement."""

    def __init__(self, build: Path, work: Path, workers: int):
        self.build = build
        self.work = work
        self.workers = workers
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        cores = sorted(os.sched_getaffinity(0))
        self.server_cores = cores[:workers]
        self.load_core = cores[min(workers, len(cores) - 1)]

    def keys(self, name: str, count: int, *options: str) -> Path:
        """A file of so many keys."""
        path = self.work / name
        with open(path, "wb") as out:
            subprocess.run([self.build / "bench/bench_keys", *options, str(count)], stdout=out, check=True)
        return path

    def start(self, *command: str | Path) -> Server:
        """Starts a server on a free port ({port} in the command)."""
        port = free_port()
        words = [str(word).replace("{port}", str(port)) for word in command]
        process = subprocess.Popen(["taskset", "-c", ",".join(map(str, self.server_cores)), *words],
                                   cwd=self.work, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.processes[process.pid] = process
        wait_for(port)
        return Server(process.pid, port)

    def start_caudexd(self, handler: str) -> Server:
        """Starts caudexd."""
        return self.start(self.build / "src/control/caudexd", f"--workers={self.workers}",
                          "--listen=127.0.0.1:{port},handler=" + handler)

    def stop(self, *pids: int) -> None:
        """Stops these servers, or all."""
        stopping = [self.processes.pop(pid) for pid in pids or list(self.processes)]
        for process in stopping:
            process.send_signal(signal.SIGTERM)
        for process in stopping:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def load_command(self, server: Server, protocol: str, keys: Path, *more: str) -> list[str]:
        """The generator's command line."""
        return ["taskset", "-c", str(self.load_core), str(self.build / "bench/bench_load"),
                "--port", str(server.port), "--pid", str(server.pid), "--protocol", protocol,
                "--keys", str(keys), *more]

    def load(self, server: Server, protocol: str, keys: Path, *more: str) -> dict[str, float]:
        """One run of the generator."""
        command = self.load_command(server, protocol, keys, *more)
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=600)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
        result: dict[str, float] = json.loads(done.stdout)
        return result

    def fill(self, server: Server, protocol: str, keys: Path) -> None:
        """Stores all keys."""
        self.load(server, protocol, keys, "--fill", "--connections", "1", "--pipeline", "100")


def cpu_ns(pid: int) -> int:
    """CPU time of all threads so far."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat"))


def rss_nbytes(pid: int) -> int:
    """Resident memory."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    return 0


def start_stores(bench: Bench, keys: int) -> Iterator[tuple[str, str, Server]]:
    """Those that store, empty, each started when it is asked for: name, protocol to fill it, server."""
    yield "caudexd", "kv-get", bench.start_caudexd("kv")
    if shutil.which("memcached"):
        yield "memcached", "memcached-mg", bench.start(
            "memcached", "-u", "root", "-l", "127.0.0.1", "-p", "{port}", "-t", str(bench.workers),
            "-R", "200", "-U", "0", "-m", str(max(1024, keys >> 12)), "-c", "2000",
            "-o", f"hashpower={max(20, keys.bit_length())}")
    if shutil.which("redis-server"):
        # its threads spin: they are no help where the generator has no core of its own
        threads = bench.workers if bench.load_core not in bench.server_cores else 1
        yield "redis", "redis-get", bench.start(
            "redis-server", "--port", "{port}", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
            "--io-threads", str(threads), "--io-threads-do-reads", "yes")


def start_servers(bench: Bench, count: int) -> dict[str, tuple[Server, str, Path]]:
    """name → (server, protocol, keys to ask for), all filled."""
    keys, hot = bench.keys("keys", count), bench.keys("hot-keys", min(count, HOT_KEYS))
    servers: dict[str, tuple[Server, str, Path]] = {
        "echo": (bench.start_caudexd("echo"), "echo", keys),
        "libuv echo": (bench.start(bench.build / "bench/bench_echo_uv", "{port}"), "echo", keys),
        "reply": (bench.start_caudexd("reply"), "kv-get", keys),
    }
    for name, protocol, server in start_stores(bench, count):
        bench.fill(server, protocol, keys)
        if name == "caudexd":
            for call in "get", "match":
                servers[f"kv {call}"] = (server, f"kv-{call}", keys)
            for call in "get", "match":
                servers[f"kv {call}, {HOT_KEYS} keys"] = (server, f"kv-{call}", hot)
        elif name == "memcached":
            servers["memcached mg"] = (server, "memcached-mg", keys)
            servers["memcached get"] = (server, "memcached-get", keys)
        else:
            servers["redis GET"] = (server, "redis-get", keys)
            servers["redis MGET"] = (server, "redis-mget", keys)
    return servers


def memory(bench: Bench, count: int) -> None:
    """Prints what each server's memory grows by with all keys."""
    keys = bench.keys("short-keys", count, "--short")
    grown: dict[str, int] = {}
    for name, protocol, server in start_stores(bench, count):
        empty = rss_nbytes(server.pid)
        bench.fill(server, protocol, keys)
        time.sleep(SETTLE_S)
        grown[name] = rss_nbytes(server.pid) - empty
        bench.stop(server.pid)
    keys.unlink()
    print(f"\n### Memory: {count:,} keys of {KEY_NBYTES} bytes, values of {VALUE_NBYTES}\n")
    print("| server | MiB | B/key | × the bytes stored | × caudexd |")
    print("|---|---|---|---|---|")
    for name, nbytes in grown.items():
        print(f"| {name} | {nbytes / 2**20:.0f} | {nbytes / count:.0f} | "
              f"{nbytes / count / (KEY_NBYTES + VALUE_NBYTES):.2f} | {nbytes / grown['caudexd']:.2f} |")


def median(rows: list[dict[str, float]], key: str) -> float:
    """The median of one figure."""
    return statistics.median(row[key] for row in rows)


def report(results: dict[tuple[int, int, str], list[dict[str, float]]], cells: list[tuple[int, int]],
           servers: dict[str, tuple[Server, str, Path]]) -> None:
    """Prints the tables."""
    for connections, pipeline in cells:
        print(f"\n### {connections} connections, pipeline {pipeline}\n")
        print("| server | requests/s | CPU µs/request | × echo (lowest to highest) | × libuv echo | "
              "p50 µs | p99 µs | p99.9 µs | busy |")
        print("|---|---|---|---|---|---|---|---|---|")
        for name in servers:
            rows = results[connections, pipeline, name]
            to_echo, to_libuv = (
                [row["cpu_us"] / other["cpu_us"]
                 for row, other in zip(rows, results[connections, pipeline, base])]
                for base in ("echo", "libuv echo"))
            print(f"| {name} | {median(rows, 'rate'):,.0f} | {median(rows, 'cpu_us'):.4f} | "
                  f"{statistics.median(to_echo):.3f} ({min(to_echo):.2f} to {max(to_echo):.2f}) | "
                  f"{statistics.median(to_libuv):.3f} | {median(rows, 'p50_us'):.0f} | "
                  f"{median(rows, 'p99_us'):.0f} | {median(rows, 'p999_us'):.0f} | "
                  f"{median(rows, 'utilisation'):.2f} |")


def gates(results: dict[tuple[int, int, str], list[dict[str, float]]]) -> bool:
    """Prints what is promised and what was measured; true when all hold."""
    fine = True
    if not any(connections == 50 for connections, _, _ in results):
        return fine
    print("\n### Promises (server CPU per request × echo, 50 connections)\n")
    for name, limits in GATES.items():
        for pipeline, limit in zip(PIPELINES, limits):
            pairs = zip(results.get((50, pipeline, name), []), results.get((50, pipeline, "echo"), []))
            ratios = [a["cpu_us"] / b["cpu_us"] for a, b in pairs]
            if ratios:
                ratio = statistics.median(ratios)
                fine = fine and ratio <= limit
                print(f"- {name}, pipeline {pipeline}: {ratio:.3f}, promised ≤ {limit}: "
                      f"{'holds' if ratio <= limit else 'DOES NOT HOLD'} "
                      f"(spread {min(ratios):.3f} to {max(ratios):.3f})")
    return fine


def main() -> int:
    """0: all promises held; 1: one did not, or a server failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path)
    parser.add_argument("--quick", action="store_true", help="50 connections only, short windows, 3 repetitions")
    parser.add_argument("--connections", type=int, nargs="+", default=CONNECTIONS)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=1, help="threads of every server")
    parser.add_argument("--memory-only", action="store_true", help="no speed")
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--json", type=Path, help="every single measurement")
    options = parser.parse_args()
    exit_when_terminated()
    cores = len(os.sched_getaffinity(0))
    if cores < max(2, options.workers):
        print("milestones: a core for every worker is needed, and two at least", file=sys.stderr)
        return 1
    repeat = 3 if options.quick else options.repeat
    cells = [(c, p) for c in ((50,) if options.quick else options.connections) for p in PIPELINES]
    results: dict[tuple[int, int, str], list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as work:
        bench = Bench(options.build.resolve(), Path(work), options.workers)
        try:
            memory(bench, options.keys)
            if options.memory_only:
                return 0
            servers = start_servers(bench, options.keys)
            for turn in range(repeat):
                for connections, pipeline in cells:
                    for name, (server, protocol, keys) in servers.items():
                        row = bench.load(server, protocol, keys, "--connections", str(connections),
                                         "--pipeline", str(pipeline), "--seconds", str(options.seconds),
                                         "--warmup", "0.15")
                        results.setdefault((connections, pipeline, name), []).append(row)
                print(f"repetition {turn + 1} of {repeat}", file=sys.stderr)
        finally:
            bench.stop()
    print(f"\n{options.keys:,} keys, {repeat} repetitions of {options.seconds} s, "
          f"{options.workers} worker(s), medians")
    if cores == options.workers:
        print("The generator has no core of its own: compare CPU per request, not requests per second.")
    report(results, cells, servers)
    if options.json:
        rows: list[dict[str, str | float]] = [{"server": key[2], **row}
                                              for key, all_rows in results.items() for row in all_rows]
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 0 if gates(results) else 1


if __name__ == "__main__":
    sys.exit(main())
