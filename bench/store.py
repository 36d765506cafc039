#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The store beside other stores, in memory: time, space and the slowest insert, on several data sets.

    python3 bench/store.py BUILD-DIR OUT-DIR [--quick] [--sets NAME …] [--peers NAME …] [--also DIR]
                           [--rounds N] [--keys N] [--scratch DIR]

Every peer is a process of its own (BUILD-DIR/bench/bench_store_*, and those in the `--also` directories,
or NAME.so there: see bench/peers/build.sh) and keeps its store while the others are measured. Each round visits every (question, peer); all sums of
answers must agree. Writes OUT-DIR/store.md, store.svg and store.json. See bench/README.md.
"""
from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Callable

OURS, HASH_TABLE = "caudex", "xxh3"
NOT_PEERS = ("bench_store_keys",)
# name → (kind for bench_store_keys, keys, title)
SETS = {
    "real": ("real", 450_000, "paths of the files of this machine"),
    "uri": ("uri", 1_000_000, "URI paths"),
    "uri-large": ("uri", 10_000_000, "URI paths"),
    "phone": ("phone", 1_000_000, "dialling prefixes, without segments"),
}
QUESTIONS_MAX = 1_000_000
BATCH = 32
# Beyond it a set is filled once: it takes the slow peers a minute.
FILL_AGAIN_KEYS_MAX = 2_000_000
FILLS = 3

# (operation, mode, threads, column)
Read = tuple[str, str, int, str]
READS_PATHS: tuple[Read, ...] = (
    ("get", "single", 1, "get"), ("get", "dependent", 1, "get dep."), ("get", "batch", 1, f"get ×{BATCH}"),
    ("match", "single", 1, "match"), ("match", "dependent", 1, "match dep."),
    ("match", "batch", 1, f"match ×{BATCH}"), ("match_all", "single", 1, "match_all"),
    ("match_bytes", "single", 1, "match_bytes"), ("miss", "single", 1, "miss"),
    ("get", "single", 2, "get"), ("get", "batch", 2, f"get ×{BATCH}"),
    ("match", "single", 2, "match"), ("match", "batch", 2, f"match ×{BATCH}"),
)
READS_BYTES: tuple[Read, ...] = (
    ("get", "single", 1, "get"), ("get", "dependent", 1, "get dep."), ("get", "batch", 1, f"get ×{BATCH}"),
    ("match_bytes", "single", 1, "match_bytes"), ("match_bytes", "dependent", 1, "match_bytes dep."),
    ("miss", "single", 1, "miss"),
    ("get", "single", 2, "get"), ("get", "batch", 2, f"get ×{BATCH}"), ("match_bytes", "single", 2, "match_bytes"),
)
Answer = dict[str, Any]


class Disagreement(Exception):
    """Nobody knows which peer answered right, or it was not ours."""


# ---- measuring ----

class Peer:
    """A process with one store."""

    def __init__(self, program: Path, data: Path, scratch: Path, shared_object: Path | None = None):
        # malloc may use huge pages, as our own arena does: all peers get the same advantage
        environment = dict(os.environ, GLIBC_TUNABLES="glibc.malloc.hugetlb=1")
        self.process = subprocess.Popen(["taskset", "-c", "0", program, data, scratch,
                                         *([shared_object] if shared_object else [])], text=True,
                                        env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        about = self.ask("about")
        assert about is not None
        self.name, self.kind, self.about = about["name"], about["kind"], about["about"]

    def ask(self, command: str) -> Answer | None:
        """One command; None: the peer has no such function."""
        to: IO[str] | None = self.process.stdin
        back: IO[str] | None = self.process.stdout
        assert to is not None and back is not None
        to.write(command + "\n")
        to.flush()
        line = back.readline()
        if not line:
            raise RuntimeError(f"{self.process.args!r} ended at: {command}")
        answer: Answer | None = json.loads(line)
        return answer

    def stop(self) -> None:
        """Ends the process; its scratch files go with it."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass
class SetResult:
    """peer → column → one figure per round; what a peer cannot do is missing."""

    name: str
    title: str
    statistics: dict[str, float]
    peers: dict[str, dict[str, str]] = field(default_factory=dict)
    figures: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)

    def add(self, peer: str, column: str, figure: float) -> None:
        """One round's figure."""
        self.figures.setdefault(peer, {}).setdefault(column, []).append(figure)

    def median(self, peer: str, column: str) -> float | None:
        """None: the peer has no such column."""
        figures = self.figures.get(peer, {}).get(column)
        return statistics.median(figures) if figures else None

    def ratio(self, peer: str, to: str, column: str) -> float | None:
        """The median of the ratios inside each round."""
        mine, theirs = self.figures.get(peer, {}).get(column), self.figures.get(to, {}).get(column)
        if not mine or not theirs:
            return None
        return statistics.median(a / b for a, b in zip(mine, theirs) if b) if any(theirs) else None

    def best(self, kind: str, column: str) -> str | None:
        """The peer of a kind with the lowest median."""
        medians = {name: self.median(name, column) for name, about in self.peers.items() if about["kind"] == kind}
        known = {name: median for name, median in medians.items() if median is not None}
        return min(known, key=lambda name: known[name]) if known else None


class Run:
    """All peers on one set."""

    def __init__(self, peers: list[Peer], result: SetResult):
        self.peers = peers
        self.result = result
        self.turn = 0
        for peer in peers:
            result.peers[peer.name] = {"kind": peer.kind, "about": peer.about}

    def visit(self, command: str, note: Callable[[str, Answer], None]) -> None:
        """One command for all, each time another peer first."""
        self.turn += 1
        start = self.turn % len(self.peers)
        sums: dict[str, int] = {}
        for peer in self.peers[start:] + self.peers[:start]:
            answer = peer.ask(command)
            if answer is None:
                continue
            if "sum" in answer:
                sums[peer.name] = answer["sum"]
            note(peer.name, answer)
        if len(set(sums.values())) > 1:
            self.leave_out(command, sums)

    def leave_out(self, command: str, sums: dict[str, int]) -> None:
        """Goes on without the one peer that answered otherwise than at least two others, which agree."""
        right, agreeing = Counter(sums.values()).most_common(1)[0]
        wrong = [name for name, answered in sums.items() if answered != right]
        if agreeing < 2 or len(wrong) > 1 or OURS in wrong:
            raise Disagreement(f"{self.result.name}: {command}: {sums}")
        say(f"{self.result.name}: {wrong[0]} answers `{command}` otherwise than the others: left out")
        self.result.wrong[wrong[0]] = command
        self.result.peers.pop(wrong[0])
        self.result.figures.pop(wrong[0], None)
        for peer in [peer for peer in self.peers if peer.name == wrong[0]]:
            self.peers.remove(peer)
            peer.stop()

    def stamp(self) -> None:
        """One more fill for the slowest insert, whose figures are of all fills so far; then the drop."""
        figures = self.result.figures

        def stamped(name: str, answer: Answer) -> None:
            mine = figures.setdefault(name, {})
            mine["insert p99.99"] = [answer["cpu_ns"]["p99.99"]]
            mine["insert max"] = [answer["cpu_ns"]["max"]]
            mine["insert max, wall"] = [answer["wall_ns"]["max"]]

        def dropped(name: str, answer: Answer) -> None:
            self.result.add(name, "drop call", answer["call_ns"])
            self.result.add(name, "drop", answer["all_ns"] / max(1, answer["sum"]))

        self.visit("fill stamped", stamped)
        self.visit("drop", dropped)

    def fill(self) -> None:
        """The store that is read."""
        keys = self.result.statistics["keys"]
        add = self.result.add

        def filled(name: str, answer: Answer) -> None:
            add(name, "insert", answer["ns"])
            add(name, "B/key", answer["memory"] / keys)
            add(name, "peak RSS/key", max(answer["peak"], answer["memory"]) / keys)
            add(name, "huge pages", 100 * min(1, answer["huge_pages"] / max(1, answer["memory"])))

        self.visit("fill", filled)

    def read(self, reads: tuple[Read, ...], number: int, count: int) -> None:
        """One round of questions, other ones than the round before."""
        for op, mode, threads, column in reads:
            def note(name: str, answer: Answer, threads: int = threads, column: str = column) -> None:
                if threads == 1:
                    self.result.add(name, column, answer["cpu_ns"])
                else:
                    self.result.add(name, f"{column}, CPU", answer["cpu_ns"])
                    self.result.add(name, f"{column}, wall", answer["wall_ns"])

            self.visit(f"read {op} {mode} {threads} {number * count} {count}", note)

    def finish(self) -> None:
        """What the store does not survive comes last."""
        keys = self.result.statistics["keys"]

        def removed(name: str, answer: Answer) -> None:
            self.result.add(name, "remove", answer["ns"])
            self.result.add(name, "B/key after", answer["memory"] / keys)

        self.visit("list", lambda name, answer: self.result.add(name, "list", answer["ns"]))
        self.visit("remove", removed)


def programs(build: Path, also: list[Path], names: list[str]) -> list[tuple[Path, Path | None]]:
    """A program, and what it loads, for each peer; ours first."""
    found: dict[str, tuple[Path, Path | None]] = {
        path.name.removeprefix("bench_store_"): (path, None)
        for folder in (build / "bench", *also) for path in sorted(folder.glob("bench_store_*"))
        if path.is_file() and os.access(path, os.X_OK) and path.name not in NOT_PEERS}
    if OURS not in found:
        raise FileNotFoundError(f"{build}/bench/bench_store_{OURS}: build it first")
    loader = found[OURS][0]
    found |= {path.stem: (loader, path.resolve()) for folder in also for path in sorted(folder.glob("*.so"))}
    chosen = [name for name in found if not names or name in names or name == OURS]
    return [found[name] for name in sorted(chosen, key=lambda name: (name != OURS, name))]


def measure(name: str, options: argparse.Namespace, work: Path) -> SetResult:
    """One set, from its keys to the last remove."""
    kind, keys, title = SETS[name]
    data = work / f"{name}.set"
    made = subprocess.run([options.build / "bench/bench_store_keys", kind, str(min(keys, options.keys)),
                           str(min(QUESTIONS_MAX, options.keys)), data], check=True, capture_output=True, text=True)
    result = SetResult(name, title, json.loads(made.stdout))
    reads = READS_BYTES if kind == "phone" else READS_PATHS
    fills = 1 if result.statistics["keys"] > FILL_AGAIN_KEYS_MAX else min(FILLS, options.rounds)
    peers: list[Peer] = []
    try:
        for program, shared_object in programs(options.build, options.also, options.peers):
            peers.append(Peer(program, data, work, shared_object))
        run = Run(list(peers), result)
        for stamp in range(FILLS):
            say(f"{name}: fill for the slowest insert, {stamp + 1} of {FILLS}")
            run.stamp()
        for fill in range(fills):
            say(f"{name}: fill {fill + 1} of {fills}")
            run.fill()
            for number in range(fill, options.rounds, fills):
                say(f"{name}: round {number + 1} of {options.rounds}")
                run.read(reads, number, options.questions)
            run.finish()
    finally:
        for peer in peers:
            peer.stop()
        data.unlink()
    return result


def say(text: str) -> None:
    """Progress, on standard error."""
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr)


# ---- the report ----

@dataclass(frozen=True)
class Column:
    """How a figure is shown; `scale` divides it."""

    key: str
    title: str
    scale: float = 1


WRITING = (
    Column("B/key", "B/key"), Column("peak RSS/key", "peak RSS, B/key"), Column("huge pages", "huge pages, %"),
    Column("B/key after", "after remove, B/key"),
    Column("insert", "insert, ns"), Column("insert p99.99", "p99.99, µs", 1e3), Column("insert max", "slowest, µs", 1e3),
    Column("remove", "remove, ns"), Column("list", "list, ns/row"),
    Column("drop call", "drop, µs", 1e3), Column("drop", "and upkeep, ns/key"),
)

# A share, and what is left of a store that may be empty.
NO_RATIOS = ("huge pages", "B/key after")


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Markdown, the first column to the left."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows] + [""]


def number(figure: float | None, column: Column) -> str:
    """A cell; – for what a peer cannot do."""
    if figure is None:
        return "–"
    figure /= column.scale
    return f"{figure:.1f}" if figure < 10 else f"{figure:,.0f}"


def figures_table(result: SetResult, columns: tuple[Column, ...]) -> list[str]:
    """A row per peer."""
    used = [c for c in columns if any(result.median(peer, c.key) is not None for peer in result.peers)]
    rows = [[f"**{peer}**" if peer == OURS else peer, *(number(result.median(peer, c.key), c) for c in used)]
            for peer in result.peers]
    return table(["", *(c.title for c in used)], rows)


def ratio_table(result: SetResult, columns: tuple[Column, ...]) -> list[str]:
    """Ours as a multiple of the best trie and of the hash table."""
    used = [c for c in columns if result.median(OURS, c.key) is not None]
    rows = []
    bests = {c.key: result.best("trie", c.key) for c in used}
    if any(bests.values()):
        cells = []
        for c in used:
            best = bests[c.key]
            ratio = result.ratio(OURS, best, c.key) if best else None
            cells.append(f"{ratio:.2f} {best}" if ratio is not None else "–")
        rows.append(["best trie", *cells])
    if HASH_TABLE in result.peers:
        ratios = [result.ratio(OURS, HASH_TABLE, c.key) for c in used]
        rows.append([HASH_TABLE, *(f"{ratio:.2f}" if ratio is not None else "–" for ratio in ratios)])
    lines = table(["ours as a multiple of", *(c.title for c in used)], rows) if rows else []
    return lines + batch_lines(result, used)


def batch_lines(result: SetResult, columns: tuple[Column, ...] | list[Column]) -> list[str]:
    """Ours batched against the best trie, which answers one question at a time."""
    lines = []
    for c in columns:
        single = c.key.removesuffix(f" ×{BATCH}")
        best = result.best("trie", single)
        ours, trie = result.median(OURS, c.key), result.median(best, single) if best else None
        if single != c.key and ours is not None and trie:
            lines += [f"Ours, {c.title}, as a multiple of the best trie's {single} ({best}): {ours / trie:.2f}.", ""]
    return lines


def reading_columns(result: SetResult, threads: int) -> tuple[Column, ...]:
    """Those of the set, in order; both clocks with two threads."""
    reads = READS_BYTES if result.name == "phone" else READS_PATHS
    names = [column for _, _, n, column in reads if n == threads]
    if threads > 1:
        names = [f"{name}, {clock}" for name in names for clock in ("wall", "CPU")]
    return tuple(Column(name, name) for name in names)


def machine() -> str:
    """What the figures hold for."""
    cpu = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), platform.machine())
    huge = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    pages = huge.read_text().strip() if huge.exists() else "none"
    return f"{cpu}, {os.cpu_count()} cores, Linux {platform.release()}, transparent huge pages: {pages}"


def report(results: list[SetResult], rounds: int) -> str:
    """The Markdown file."""
    lines = ["# Stores side by side", "", f"{machine()}. Medians of {rounds} rounds; fills: of up to {FILLS}.",
             "Written by `bench/store.py`; `bench/README.md` says how it measures.", "", "![](store.svg)", ""]
    for result in results:
        s = result.statistics
        lines += [f"## {result.name}: {s['keys']:,.0f} {result.title}", "",
                  f"Mean length {s['key_nbytes_mean']} bytes (longest {s['key_nbytes_max']:.0f}), "
                  f"{s['segments_mean']} segments, {s['nodes_per_key']} distinct boundaries a key.", "",
                  *(f"Left out: {name}, which answered `{command}` otherwise than the others, which agree.\n"
                    for name, command in result.wrong.items()),
                  "Memory and writing:", "", *figures_table(result, WRITING),
                  "Reading, ns an answer, one thread:", "", *figures_table(result, reading_columns(result, 1)),
                  "Two threads, ns an answer: wall (time ÷ answers of both) and CPU (of one thread):", "",
                  *figures_table(result, reading_columns(result, 2)),
                  "Ratios, medians of those inside each round:", "",
                  *ratio_table(result, tuple(c for c in WRITING if c.key not in NO_RATIOS)),
                  *ratio_table(result, reading_columns(result, 1))]
    abouts = {name: about for result in results for name, about in result.peers.items()}
    lines += ["## Peers", "", *(f"- **{name}** ({about['kind']}): {about['about']}" for name, about in abouts.items())]
    return "\n".join(lines) + "\n"


# ---- the plot ----

PANEL_WIDTH, LABEL_WIDTH, BAR, GAP, HEAD = 190, 70, 13, 4, 44
INK, GRID, COLOURS = "#222", "#ddd", {"ours": "#c2410c", "trie": "#5b7db1", "hash table": "#7a9a6d"}
OTHERS = "#9a9a9a"


def panel(result: SetResult, key: str, title: str, x: float, y: float) -> list[str]:
    """Bars from zero, one a peer; without a batch of its own a peer is asked one by one."""
    medians = {peer: result.median(peer, key) or result.median(peer, key.removesuffix(f" ×{BATCH}"))
               for peer in result.peers}
    known = [median for median in medians.values() if median is not None]
    if not known:
        return []
    width = PANEL_WIDTH - 60
    out = [f'<text x="{x}" y="{y - 8}" font-weight="bold">{title}</text>']
    for i, (peer, median) in enumerate(medians.items()):
        top = y + i * (BAR + GAP)
        if median is None:
            out.append(f'<text x="{x + 3}" y="{top + BAR - 3}" fill="{OTHERS}">–</text>')
            continue
        colour = COLOURS.get(result.peers[peer]["kind"], OTHERS)
        bar = max(1.0, width * median / max(known))
        out.append(f'<rect x="{x}" y="{top}" width="{bar:.1f}" height="{BAR}" fill="{colour}"/>')
        out.append(f'<text x="{x + bar + 4:.1f}" y="{top + BAR - 3}">{median:,.0f}</text>')
    out.append(f'<line x1="{x}" x2="{x}" y1="{y - 3}" y2="{y + len(medians) * (BAR + GAP)}" stroke="{INK}"/>')
    return out


def plot(results: list[SetResult]) -> str:
    """A row of panels per set."""
    width, y, body = LABEL_WIDTH + 5 * PANEL_WIDTH, 10.0, list[str]()
    for result in results:
        bytes_only = result.name == "phone"
        panels = (("B/key", "memory, B/key"), ("insert", "insert, ns"), ("get dep.", "get, dependent, ns"),
                  (("match_bytes dep.", "match_bytes, dependent, ns") if bytes_only else
                   ("match dep.", "match, dependent, ns")),
                  ((f"get ×{BATCH}", f"get, {BATCH} at once, ns") if bytes_only else
                   (f"match ×{BATCH}", f"match, {BATCH} at once, ns")))
        body.append(f'<text x="8" y="{y + 12}" font-size="13" font-weight="bold">'
                    f'{result.name}: {result.statistics["keys"]:,.0f} {result.title}</text>')
        top = y + HEAD
        for i, peer in enumerate(result.peers):
            weight = "bold" if peer == OURS else "normal"
            body.append(f'<text x="{LABEL_WIDTH - 6}" y="{top + i * (BAR + GAP) + BAR - 3}" text-anchor="end" '
                        f'font-weight="{weight}">{peer}</text>')
        for i, (key, title) in enumerate(panels):
            body += panel(result, key, title, LABEL_WIDTH + i * PANEL_WIDTH, top)
        y = top + len(result.peers) * (BAR + GAP) + 16
        body.append(f'<line x1="8" x2="{width - 8}" y1="{y - 8}" y2="{y - 8}" stroke="{GRID}"/>')
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y:.0f}" '
            f'viewBox="0 0 {width} {y:.0f}" font-family="sans-serif" font-size="10.5" fill="{INK}">')
    return "\n".join([head, f'<rect width="{width}" height="{y:.0f}" fill="#fff"/>', *body, "</svg>"]) + "\n"


def main() -> int:
    """0: measured; 1: a peer is missing or failed, or answers differ and it is not clear who is right."""
    parser = argparse.ArgumentParser(description="the store beside other stores")
    parser.add_argument("build", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--quick", action="store_true", help="small sets, few rounds: about a minute")
    parser.add_argument("--sets", nargs="+", choices=sorted(SETS), default=["real", "uri", "uri-large", "phone"])
    parser.add_argument("--peers", nargs="+", default=[], help="only these beside ours")
    parser.add_argument("--also", type=Path, action="append", default=[], help="a directory with more bench_store_* or NAME.so")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--keys", type=int, help="at most so many in any set")
    parser.add_argument("--scratch", type=Path, help="a directory in memory",
                        default=Path("/dev/shm" if os.path.isdir("/dev/shm") else tempfile.gettempdir()))
    options = parser.parse_args()
    options.rounds = options.rounds or (3 if options.quick else 9)
    options.keys = options.keys or (150_000 if options.quick else max(keys for _, keys, _ in SETS.values()))
    options.questions = 50_000 if options.quick else 200_000
    if options.quick and "uri-large" in options.sets:
        options.sets.remove("uri-large")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the scratch files go
    work = Path(tempfile.mkdtemp(prefix="bench-store-", dir=options.scratch))
    try:
        results = [measure(name, options, work) for name in options.sets]
    except (Disagreement, FileNotFoundError, RuntimeError, subprocess.CalledProcessError) as failure:
        print(f"store: {failure}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(work, ignore_errors=True)
    options.out.mkdir(parents=True, exist_ok=True)
    text = report(results, options.rounds)
    (options.out / "store.md").write_text(text)
    (options.out / "store.svg").write_text(plot(results))
    everything = [{"set": r.name, "statistics": r.statistics, "figures": r.figures} for r in results]
    (options.out / "store.json").write_text(json.dumps(everything, indent=1) + "\n")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
