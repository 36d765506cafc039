#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""redis-benchmark against caudexd (handler=resp) and redis-server, side by side.

    python3 bench/resp.py BUILD-DIR [--quick] [--keys N] [--connections N] [--requests N] [--repeat N]
                          [--json FILE]

Both servers stay up and hold all keys; each has one worker, pinned to one core, redis-benchmark
another. Every repetition visits every (test, pipeline, server). What is printed is the median over the
repetitions, and for the ratios the median of those inside each repetition. See bench/README.md.
"""
from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from milestones import Bench, Server, cpu_ns, exit_when_terminated

TESTS = ("get", "set")
# What the project promises: × the requests per second of redis-server, by pipeline.
GATES = {16: 1.5, 100: 2.0}
VALUE = b"xxx"
FILLED_AT_ONCE = 1000
OK = b"+OK\r\n"


def fill(server: Server, keys: int) -> None:
    """Stores every key that redis-benchmark may ask for."""
    with socket.create_connection(("127.0.0.1", server.port)) as s, s.makefile("rb") as answers:
        for first in range(0, keys, FILLED_AT_ONCE):
            batch = range(first, min(keys, first + FILLED_AT_ONCE))
            s.sendall(b"".join(b"*3\r\n$3\r\nSET\r\n$16\r\nkey:%012d\r\n$3\r\n%s\r\n" % (key, VALUE)
                               for key in batch))
            if answers.read(len(OK) * len(batch)) != OK * len(batch):
                raise RuntimeError(f"port {server.port} does not store")


def measure(bench: Bench, server: Server, test: str, pipeline: int,
            options: argparse.Namespace) -> dict[str, float]:
    """One run of redis-benchmark."""
    command = ["taskset", "-c", str(bench.load_core), "redis-benchmark", "-h", "127.0.0.1", "-p", str(server.port),
               "-t", test, "-P", str(pipeline), "-c", str(options.connections), "-n", str(options.requests),
               "-r", str(options.keys), "--csv"]
    before = cpu_ns(server.pid)
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
    used_ns = cpu_ns(server.pid) - before
    row = next(csv.DictReader(done.stdout.splitlines()))
    rate = float(row["rps"])
    return {"rate": rate, "cpu_us": used_ns / 1000 / options.requests, "p99_us": float(row["p99_latency_ms"]) * 1000,
            "utilisation": used_ns / 1e9 * rate / options.requests}


def report(results: dict[tuple[str, int, str], list[dict[str, float]]], names: list[str]) -> bool:
    """Prints the table; true when all promises hold."""
    fine = True
    print("| test | pipeline | server | requests/s | × redis (lowest to highest) | CPU µs/request | × redis | "
          "p99 µs | busy | promised |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for test in TESTS:
        for pipeline, gate in GATES.items():
            for name in names:
                rows, others = results[test, pipeline, name], results[test, pipeline, "redis"]
                rates = [row["rate"] / other["rate"] for row, other in zip(rows, others)]
                costs = [row["cpu_us"] / other["cpu_us"] for row, other in zip(rows, others)]
                medians = {key: statistics.median(row[key] for row in rows) for key in rows[0]}
                ratio = statistics.median(rates)
                verdict = ""
                if name != "redis":
                    fine = fine and ratio >= gate
                    verdict = f"≥ {gate}: {'holds' if ratio >= gate else 'DOES NOT HOLD'}"
                print(f"| {test} | {pipeline} | {name} | {medians['rate']:,.0f} | {ratio:.2f} "
                      f"({min(rates):.2f} to {max(rates):.2f}) | {medians['cpu_us']:.3f} | "
                      f"{statistics.median(costs):.2f} | {medians['p99_us']:.0f} | "
                      f"{medians['utilisation']:.2f} | {verdict} |")
    return fine


def main() -> int:
    """0: all promises held; 1: one did not, or a program is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path)
    parser.add_argument("--quick", action="store_true", help="3 short repetitions")
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--requests", type=int, default=2_000_000, help="in each run")
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--json", type=Path, help="every single measurement")
    options = parser.parse_args()
    exit_when_terminated()
    if options.quick:
        options.repeat, options.requests = 3, min(options.requests, 500_000)
    missing = [name for name in ("redis-server", "redis-benchmark") if shutil.which(name) is None]
    if missing or len(os.sched_getaffinity(0)) < 2:
        print(f"resp: not here: {', '.join(missing) or 'a second core'}", file=sys.stderr)
        return 1
    results: dict[tuple[str, int, str], list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as work:
        bench = Bench(options.build.resolve(), Path(work), 1)
        try:
            servers = {
                "caudexd": bench.start_caudexd("resp"),
                "redis": bench.start("redis-server", "--port", "{port}", "--bind", "127.0.0.1",
                                     "--save", "", "--appendonly", "no"),
            }
            for server in servers.values():
                fill(server, options.keys)
            for turn in range(options.repeat):
                for test in TESTS:
                    for pipeline in GATES:
                        for name, server in servers.items():
                            results.setdefault((test, pipeline, name), []).append(
                                measure(bench, server, test, pipeline, options))
                print(f"repetition {turn + 1} of {options.repeat}", file=sys.stderr)
        finally:
            bench.stop()
    print(f"{options.keys:,} keys, {options.connections} connections, {options.repeat} repetitions of "
          f"{options.requests:,} requests, one worker, medians\n")
    fine = report(results, list(servers))
    if options.json:
        rows: list[dict[str, str | int | float]] = [
            {"test": test, "pipeline": pipeline, "server": name, **row}
            for (test, pipeline, name), all_rows in results.items() for row in all_rows]
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
