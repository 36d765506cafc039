# SPDX-License-Identifier: Apache-2.0
"""caudexc, the generator's only command: parse → resolve → check → plan → render → write."""
from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

try:
    import jinja2  # noqa: F401
    import lark  # noqa: F401
except ImportError as missing:
    sys.exit(f"caudexc: {sys.executable} has no package '{missing.name}'; "
             "install python3-lark and python3-jinja2, or run a Python that has them")

from check import check
from diagnostics import Report
from dump import dump
from examples import with_examples
from load import load, read
from plan import Plan, make_plan
from render import render
from resolve import resolve
from write import write_outputs, write_stamp

EXIT_DESCRIPTION = 1
EXIT_USAGE = 2
PASSES = ("load", "resolve", "check", "plan")
# The name stands in comments and in #line.
NAME_SHOWN = re.compile(r"(?!.*(\*/|/\*))[^\"\\\x00-\x1f\x7f]+\Z")


def main(arguments: list[str]) -> int:
    """0: done; 1: errors in the description, nothing was written; 2: usage."""
    options = _options(arguments)
    name = options.name or options.description
    if not NAME_SHOWN.match(name):
        print("caudexc: the description's name cannot stand in a C comment; give another --name",
              file=sys.stderr)
        return EXIT_USAGE
    plan = compile_description(Path(options.description), name, options.dump_after)
    if plan is None:
        return EXIT_DESCRIPTION
    if options.dump_after is not None:
        return 0
    for frame in plan.frames:
        held = " + ".join(f"{b.name} {b.max}" for b in frame.bytes_fields)
        print(f"{plan.prefix}: {frame.name} parser: {frame.parser_size} bytes of state; "
              f"at most {frame.spill_max} bytes of one message are held ({held})")
    return _write(plan, options) if options.out is not None else 0


def compile_description(path: Path, name: str, dump_after: str | None = None) -> Plan | None:
    """The plan of the description at `path`, or None after its errors were shown."""
    lines: list[str] = []
    source = read(path, name, lines)
    if source is None:
        print("\n".join(lines), file=sys.stderr)
        return None

    def passed(pass_name: str, made: object) -> None:
        if dump_after == pass_name:
            print(dump(made), end="")

    report = Report(source)
    loaded = load(source, report)
    passed("load", loaded)
    protocol = resolve(source, loaded, report)
    passed("resolve", protocol)
    protocol = with_examples(protocol, loaded.items, report)
    check(protocol, report)
    passed("check", protocol)
    if report.found:
        count = len(report.found)
        print(report.text(), end="", file=sys.stderr)
        print(f"\n{name}: {count} error{'s' if count != 1 else ''}; nothing was written",
              file=sys.stderr)
        return None
    plan = make_plan(protocol)
    passed("plan", plan)
    return plan


def _write(plan: Plan, options: argparse.Namespace) -> int:
    try:
        write_outputs(Path(options.out), render(plan))
        if options.stamp:
            inputs = [Path(options.description), *sorted(Path(__file__).parent.glob("**/*.*"))]
            write_stamp(Path(options.stamp), Path(options.depfile) if options.depfile else None,
                        [p for p in inputs if p.is_file() and "__pycache__" not in p.parts])
    except OSError as error:
        print(f"caudexc: {error.filename}: {error.strerror}", file=sys.stderr)
        return EXIT_DESCRIPTION
    return 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="caudexc", description="Compiles the description of a binary protocol. "
        "Without --out it is only checked.",
        epilog="Exit status: 0 done; 1 the description has errors, or an output cannot be written; "
        "2 usage.")
    parser.add_argument("description", help="the .cdx file")
    parser.add_argument("--out", help="folder for the outputs")
    parser.add_argument("--name", help="the description's name in messages and outputs "
                        "(default: its path)")
    parser.add_argument("--stamp", help="file to touch when all outputs are up to date")
    parser.add_argument("--depfile",
                        help="file that names what the stamp depends on, in make's format")
    parser.add_argument("--dump-after", choices=PASSES, metavar="PASS",
                        help="print what a pass made, as JSON, and write nothing: "
                        + ", ".join(PASSES))
    options = parser.parse_args(arguments)
    if options.depfile and not options.stamp:
        parser.error("--depfile needs --stamp: the stamp is what it is about")
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
