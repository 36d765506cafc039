#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""memcached's binary protocol: caudexd (handler=memcache) and memcached side by side.

    python3 bench/memcache.py BUILD-DIR [--quick] [--keys N] [--connections N] [--repeat N] [--json FILE]

Both servers stay up and hold all keys; each has one worker, pinned to one core, the generator
another. Every repetition visits every (test, pipeline, server). What is printed is the median over the
repetitions, and for the ratios the median of those inside each repetition. memcaslap, a generator of
others, is the second witness where it is installed. See bench/README.md.
"""
from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from milestones import Bench, Server, cpu_ns, exit_when_terminated

TESTS = ("get", "getkq", "set")
PIPELINES = (1, 16, 100)
# memcaslap: so many keys in a get (1: no quiet ones); a tenth of what it does is set.
SLAP_KEYS = (1, 16, 100)
SLAP_OPERATIONS = 300_000

Results = dict[tuple[str, int, str], list[dict[str, float]]]


def slap(bench: Bench, server: Server, keys: int, connections: int) -> dict[str, float]:
    """One run of memcaslap."""
    before = cpu_ns(server.pid)
    done = subprocess.run(
        ["taskset", "-c", str(bench.load_core), "memcaslap", "-s", f"127.0.0.1:{server.port}", "-B", "-T", "1",
         "-c", str(connections), "-x", str(SLAP_OPERATIONS), "-X", "32", "-d", str(keys), "-w", "1k"],
        check=True, capture_output=True, text=True, timeout=600)
    used_ns = cpu_ns(server.pid) - before
    last = re.search(r"Ops: (\d+) TPS: (\d+)", done.stdout)
    if last is None or re.search(r"get_misses: [1-9]", done.stdout):
        raise RuntimeError(f"memcaslap: {done.stdout} {done.stderr}")
    operations, rate = int(last[1]), int(last[2])
    return {"rate": rate, "cpu_us": used_ns / 1000 / operations, "utilisation": used_ns / 1e9 * rate / operations}


def measure(bench: Bench, servers: dict[str, Server], keys: Path, options: argparse.Namespace) -> Results:
    """All repetitions."""
    results: Results = {}
    window = ("--seconds", "0.4" if options.quick else "1", "--warmup", "0.1", "--connections", str(options.connections))
    for turn in range(options.repeat):
        for test in TESTS:
            for pipeline in PIPELINES:
                for name, server in servers.items():
                    results.setdefault((test, pipeline, name), []).append(
                        bench.load(server, "memcache-" + test, keys, "--pipeline", str(pipeline), *window))
        for count in SLAP_KEYS if shutil.which("memcaslap") is not None else ():
            for name, server in servers.items():
                results.setdefault(("memcaslap", count, name), []).append(
                    slap(bench, server, count, options.connections))
        print(f"repetition {turn + 1} of {options.repeat}", file=sys.stderr)
    return results


def report(results: Results) -> None:
    """Prints the table."""
    print("| test | pipeline | server | requests/s | × memcached (lowest to highest) | CPU µs/request | "
          "× memcached (lowest to highest) | p99 µs | busy |")
    print("|---|---|---|---|---|---|---|---|---|")
    for (test, pipeline, name), rows in sorted(results.items(), key=lambda one: (one[0][0], one[0][1], one[0][2])):
        others = results[test, pipeline, "memcached"]
        cells = []
        for key in ("rate", "cpu_us"):
            ratios = [row[key] / other[key] for row, other in zip(rows, others)]
            median = statistics.median(row[key] for row in rows)
            cells.append(f"{median:,.0f}" if key == "rate" else f"{median:.3f}")
            cells.append(f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
        p99 = f"{statistics.median(row['p99_us'] for row in rows):.0f}" if "p99_us" in rows[0] else ""
        busy = statistics.median(row["utilisation"] for row in rows)
        print(f"| {test} | {pipeline} | {name} | {' | '.join(cells)} | {p99} | {busy:.2f} |")


def main() -> int:
    """0, or 1: a program is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path)
    parser.add_argument("--quick", action="store_true", help="3 short repetitions")
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--json", type=Path, help="every single measurement")
    options = parser.parse_args()
    exit_when_terminated()
    if options.quick:
        options.repeat, options.keys = min(options.repeat, 3), min(options.keys, 200_000)
    missing = [name for name in ("memcached",) if shutil.which(name) is None]
    if missing or len(os.sched_getaffinity(0)) < 2:
        print(f"memcache: not here: {', '.join(missing) or 'a second core'}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as work:
        bench = Bench(options.build.resolve(), Path(work), 1)
        try:
            servers = {
                "caudexd": bench.start_caudexd("memcache"),
                "memcached": bench.start("memcached", "-l", "127.0.0.1", "-p", "{port}", "-U", "0", "-t", "1",
                                         "-m", "4096", "-R", "200", "-u", "nobody"),
            }
            keys = bench.keys("keys", options.keys)
            for server in servers.values():
                bench.fill(server, "memcache-set", keys)
            results = measure(bench, servers, keys, options)
        finally:
            bench.stop()
    print(f"{options.keys:,} keys, {options.connections} connections, {options.repeat} repetitions, one worker, medians\n")
    report(results)
    if options.json:
        rows: list[dict[str, str | int | float]] = [
            {"test": test, "pipeline": pipeline, "server": name, **row}
            for (test, pipeline, name), all_rows in results.items() for row in all_rows]
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
