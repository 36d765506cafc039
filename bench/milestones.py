#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The three milestones side by side: echo (net), reply (net + protocol), kv (all), and their peers.

    python3 bench/milestones.py BUILD-DIR [--quick] [--connections N …] [--keys N] [--repeat N] [--json FILE]

All servers stay up, pinned to one core; the generator has the other. Every repetition visits every
(connections, pipeline, server); what is printed is the median over the repetitions, and the ratio to
caudexd's own echo is the median of the ratios inside each repetition. redis-server and memcached take
part when they are installed. See bench/README.md.
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

SERVER_CORE, LOAD_CORE = 0, 1
CONNECTIONS = (1, 50, 500)
PIPELINES = (1, 16, 100)
# What the project promises at 50 connections: ratios of server CPU per request to echo's.
GATES = {"reply": (1.03, 1.05, 1.15), "kv match": (1.10, 1.7, 4.5)}
READY_S = 20.0
HOT_KEYS = 1000


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


class Bench:
    """The servers, the keys, and one measurement."""

    def __init__(self, build: Path, keys: int, work: Path):
        self.build = build
        self.work = work
        self.processes: list[subprocess.Popen[bytes]] = []
        self.keys = work / "keys"
        self.hot_keys = work / "hot-keys"
        for path, count in ((self.keys, keys), (self.hot_keys, min(keys, HOT_KEYS))):
            with open(path, "wb") as out:
                subprocess.run([build / "bench/bench_keys", str(count)], stdout=out, check=True)

    def start(self, *command: str | Path) -> tuple[int, int]:
        """Starts a server on a free port ({port} in the command); its pid and port."""
        port = free_port()
        words = [str(word).replace("{port}", str(port)) for word in command]
        process = subprocess.Popen(["taskset", "-c", str(SERVER_CORE), *words], cwd=self.work,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.processes.append(process)
        wait_for(port)
        return process.pid, port

    def stop(self) -> None:
        """Stops every server."""
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def load(self, server: tuple[int, int], protocol: str, *more: str) -> dict[str, float]:
        """One run of the generator; a protocol that ends in `hot` asks for few keys."""
        pid, port = server
        protocol, _, hot = protocol.partition(" ")
        command = ["taskset", "-c", str(LOAD_CORE), str(self.build / "bench/bench_load"), "--port", str(port),
                   "--pid", str(pid), "--protocol", protocol,
                   "--keys", str(self.hot_keys if hot else self.keys), *more]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=600)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
        out = done.stdout
        result: dict[str, float] = json.loads(out)
        return result

    def fill(self, server: tuple[int, int], protocol: str) -> None:
        """Stores all keys."""
        self.load(server, protocol, "--fill", "--connections", "1", "--pipeline", "100")


def rss_mib(pid: int) -> float:
    """Resident memory."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def start_servers(bench: Bench) -> dict[str, tuple[tuple[int, int], str]]:
    """name → (server, protocol), all filled."""
    caudexd = bench.build / "src/control/caudexd"
    servers: dict[str, tuple[tuple[int, int], str]] = {}
    servers["echo"] = (bench.start(caudexd, "--workers=1", "--listen=127.0.0.1:{port},handler=echo"), "echo")
    servers["libuv echo"] = (bench.start(bench.build / "bench/bench_echo_uv", "{port}"), "echo")
    reply = bench.start(caudexd, "--workers=1", "--listen=127.0.0.1:{port},handler=reply")
    servers["reply"] = (reply, "kv-get")
    kv = bench.start(caudexd, "--workers=1", "--listen=127.0.0.1:{port},handler=kv")
    bench.fill(kv, "kv-get")
    servers["kv get"] = (kv, "kv-get")
    servers["kv match"] = (kv, "kv-match")
    servers["kv get, 1000 keys"] = (kv, "kv-get hot")
    servers["kv match, 1000 keys"] = (kv, "kv-match hot")
    if shutil.which("memcached"):
        mc = bench.start("memcached", "-u", "root", "-l", "127.0.0.1", "-p", "{port}", "-t", "1", "-R", "200",
                         "-U", "0", "-m", "1024", "-c", "2000", "-o", "hashpower=20")
        bench.fill(mc, "memcached-mg")
        servers["memcached mg"] = (mc, "memcached-mg")
        servers["memcached get"] = (mc, "memcached-get")
    if shutil.which("redis-server"):
        redis = bench.start("redis-server", "--port", "{port}", "--bind", "127.0.0.1", "--save", "",
                            "--appendonly", "no", "--io-threads", "1")
        bench.fill(redis, "redis-get")
        servers["redis GET"] = (redis, "redis-get")
        servers["redis MGET"] = (redis, "redis-mget")
    return servers


def median(rows: list[dict[str, float]], key: str) -> float:
    """The median of one figure."""
    return statistics.median(row[key] for row in rows)


def report(results: dict[tuple[int, int, str], list[dict[str, float]]], cells: list[tuple[int, int]],
           servers: dict[str, tuple[tuple[int, int], str]]) -> None:
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
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--json", type=Path, help="every single measurement")
    options = parser.parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        print("milestones: two cores are needed: one for the servers, one for the load", file=sys.stderr)
        return 1
    repeat = 3 if options.quick else options.repeat
    cells = [(c, p) for c in ((50,) if options.quick else options.connections) for p in PIPELINES]
    results: dict[tuple[int, int, str], list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as work:
        bench = Bench(options.build.resolve(), options.keys, Path(work))
        try:
            servers = start_servers(bench)
            for turn in range(repeat):
                for connections, pipeline in cells:
                    for name, (server, protocol) in servers.items():
                        row = bench.load(server, protocol, "--connections", str(connections), "--pipeline",
                                         str(pipeline), "--seconds", str(options.seconds), "--warmup", "0.15")
                        results.setdefault((connections, pipeline, name), []).append(row)
                print(f"repetition {turn + 1} of {repeat}", file=sys.stderr)
            print(f"{options.keys:,} keys, {repeat} repetitions of {options.seconds} s, one worker, medians")
            report(results, cells, servers)
            print("\n### Memory with all keys\n")
            names: dict[int, list[str]] = {}
            for name, ((pid, _), _) in servers.items():
                names.setdefault(pid, []).append(name)
            for pid, shared in names.items():
                print(f"- {' = '.join(shared)}: {rss_mib(pid):.0f} MiB")
        finally:
            bench.stop()
    if options.json:
        rows: list[dict[str, str | float]] = [{"server": key[2], **row}
                                              for key, all_rows in results.items() for row in all_rows]
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 0 if gates(results) else 1


if __name__ == "__main__":
    sys.exit(main())
