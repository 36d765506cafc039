#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""redis-benchmark against caudexd (handler=resp, one worker) and redis-server, interleaved.

    python3 bench/redis_benchmark.py BUILD-DIR [--quick] [--repeat N] [--keys N] [--pipeline N …]
                                     [--tests NAME …]

Servers are pinned to one core, redis-benchmark to another, if there is one. Both servers have all keys
before the first run. A ratio is the median of the ratios inside each repetition, above 1 where caudexd is
better. Where the last column is far from 1, redis-benchmark was the limit and not the server: then
only the ratio of server CPU per request says something.
"""
from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from milestones import Bench, Server, exit_when_terminated

PIPELINES = (1, 16, 100)
CONNECTIONS = 50
# A run is about so long, after a first short one that finds out how many requests that are.
RUN_S, TRIAL_REQUESTS = 1.5, 100_000


class Run(NamedTuple):
    """What one run has shown."""

    rate: float
    cpu_us: float
    busy: float


def cpu_s(pid: int) -> float:
    """Processor time of all threads of a process."""
    return sum(int(task.joinpath("schedstat").read_text().split()[0])
               for task in Path(f"/proc/{pid}/task").iterdir()) / 1e9


def ask(bench: Bench, server: Server, *options: str) -> str:
    """One redis-benchmark; its rows."""
    command = ["taskset", "-c", str(bench.load_core), "redis-benchmark", "-p", str(server.port), "--csv",
               "-c", str(CONNECTIONS), *options]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=600).stdout


def run(bench: Bench, server: Server, test: str, pipeline: int, keys: int, count: int) -> Run:
    """So many requests of one test."""
    before, began = cpu_s(server.pid), time.monotonic()
    rows = ask(bench, server, "-t", test, "-P", str(pipeline), "-r", str(keys), "-n", str(count))
    used, took = cpu_s(server.pid) - before, time.monotonic() - began
    rate = float(rows.splitlines()[-1].split(",")[1].strip('"'))
    return Run(rate, used / count * 1e6, used / took)


def fill(bench: Bench, server: Server, keys: int) -> None:
    """Nearly all keys: each is drawn five times on average."""
    ask(bench, server, "-t", "set", "-P", "100", "-r", str(keys), "-n", str(keys * 5))


def measure(bench: Bench, servers: dict[str, Server], options: argparse.Namespace, test: str,
            pipeline: int) -> dict[str, list[Run]]:
    """All repetitions of one cell."""
    results: dict[str, list[Run]] = {name: [] for name in servers}
    trial = run(bench, servers["redis"], test, pipeline, options.keys, TRIAL_REQUESTS)
    count = max(TRIAL_REQUESTS, int(trial.rate * (0.3 if options.quick else RUN_S)))
    for _ in range(options.repeat):
        for name, server in servers.items():
            results[name].append(run(bench, server, test, pipeline, options.keys, count))
    return results


def ratio(better: list[float], base: list[float]) -> str:
    """The median of the ratios, and their spread."""
    ratios = [a / b for a, b in zip(better, base)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def report(test: str, pipeline: int, results: dict[str, list[Run]]) -> None:
    """Prints one row."""
    ours, theirs = results["caudexd"], results["redis"]
    print(f"| {test} | {pipeline} | {statistics.median(r.rate for r in ours):,.0f} | "
          f"{statistics.median(r.rate for r in theirs):,.0f} | "
          f"{ratio([r.rate for r in ours], [r.rate for r in theirs])} | "
          f"{statistics.median(r.cpu_us for r in ours):.3f} | "
          f"{statistics.median(r.cpu_us for r in theirs):.3f} | "
          f"{ratio([r.cpu_us for r in theirs], [r.cpu_us for r in ours])} | "
          f"{statistics.median(r.busy for r in ours):.2f} |", flush=True)


def main() -> int:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--keys", type=int, default=100_000)
    parser.add_argument("--pipeline", type=int, nargs="+", default=list(PIPELINES))
    parser.add_argument("--tests", nargs="+", default=["get", "set"])
    options = parser.parse_args()
    exit_when_terminated()
    with tempfile.TemporaryDirectory() as work:
        bench = Bench(options.build.resolve(), Path(work), 1)
        try:
            servers = {"caudexd": bench.start_caudexd("resp"),
                       "redis": bench.start("redis-server", "--port", "{port}", "--bind", "127.0.0.1",
                                            "--save", "", "--appendonly", "no")}
            for server in servers.values():
                fill(bench, server, options.keys)
            print("| test | pipeline | caudexd requests/s | redis requests/s | ratio | caudexd CPU µs/request "
                  "| redis CPU µs/request | ratio | caudexd busy |")
            print("|---|---|---|---|---|---|---|---|---|")
            for test in options.tests:
                for pipeline in options.pipeline:
                    report(test, pipeline, measure(bench, servers, options, test, pipeline))
        finally:
            bench.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
