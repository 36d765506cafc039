# SPDX-License-Identifier: Apache-2.0
"""The list of passes: a description's file to its model, and on to the plan of its C."""
from __future__ import annotations

import sys
from pathlib import Path

import model as m
from check import check
from cli import Failure
from diagnostics import Report
from dump import dump
from examples import with_examples
from examples_parts import with_message_examples
from load import load, read
from plan import Plan, make_plan
from program import MessagePlan, make_message_plan
from resolve import resolve

PASSES = ("load", "resolve", "check", "plan")
# Stands for standard input where a command takes a file.
STDIN = "-"


def path_of(argument: str) -> tuple[Path, str]:
    """The file that an argument means, and what messages call it."""
    return (Path("/dev/stdin"), "<stdin>") if argument == STDIN else (Path(argument), argument)


def compile_description(path: Path, name: str,
                        dump_after: str | None = None) -> Plan | MessagePlan | None:
    """The plan of the description at `path`, or None after its errors were shown."""
    protocol = understand(path, name, "nothing was written", dump_after, of_calls=False)
    if protocol is None:
        return None
    plan: Plan | MessagePlan = (
        make_message_plan(protocol) if protocol.messages else make_plan(protocol))
    if dump_after == "plan":
        print(dump(plan), end="")
    return plan


def understand(path: Path, name: str, consequence: str,
               dump_after: str | None = None, of_calls: bool = True) -> m.Protocol | None:
    """The checked model, or None after errors were shown; `consequence` is what ends them.

    With `of_calls` a protocol that consists of messages is refused.
    """
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
    if not loaded.is_complete:  # every name may be one of those that are missing
        show_errors(report, consequence)
        return None
    protocol = resolve(loaded.source, loaded, report)
    passed("resolve", protocol)
    protocol = with_examples(protocol, loaded.items, report)
    check(protocol, report)
    if not report.found:
        protocol = with_message_examples(protocol, loaded.items, report)
    passed("check", protocol)
    if report.found:
        show_errors(report, consequence)
        return None
    if of_calls and protocol.messages:
        raise Failure(f"{name}: this command is for protocols of calls, not of messages")
    return protocol


def show_errors(report: Report, consequence: str) -> None:
    """All errors of a description on stderr, and how many they are."""
    count = len(report.found)
    print(report.text(), end="", file=sys.stderr)
    print(f"\n{report.source.name}: {count} error{'s' if count != 1 else ''}; {consequence}",
          file=sys.stderr)
