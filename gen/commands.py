# SPDX-License-Identifier: Apache-2.0
"""The table of caudexc's commands."""
from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path

import diff
from bundle import bundle, refuse_foreign
from cli import DIFFERS, DONE, FAILED, Argument, Command, Failure, UsageError, read_input
from decode import FORMS, Decoded, decode
from diagnostics import CODES, Report
from encode import encode
from explain import explanations
from export import SCHEMA, export
from format import FormatError, format_text
from graph import graph
from load import read
from passes import PASSES, STDIN, compile_description, path_of, show_errors, understand
from plan import Plan
from program import MessagePlan
from render import output_paths, render
from resolve import PORT_MAX
from source import SourceFile
from transcript import json_of, layout_of, line_of
from write import write_if_changed, write_outputs, write_stamp

# The name stands in comments and in #line.
NAME_SHOWN = re.compile(r"(?!.*(\*/|/\*))[^\"\\\x00-\x1f\x7f]+\Z")
DESCRIPTION = Argument("description", "The .cdx file.", {"metavar": "FILE"})


# ---- build, check ----

def build(options: argparse.Namespace) -> int:
    path, shown = path_of(options.description)
    name = options.name or (path.name if options.bundle else shown)
    if options.bundle and (options.out or options.stamp):
        raise UsageError("--bundle is a folder of its own: without --out and --stamp")
    if options.list and (options.bundle or options.out):
        raise UsageError("--list writes nothing: without --out and --bundle")
    if options.single and not options.bundle:
        raise UsageError("--single is a form of --bundle")
    if options.depfile and not options.stamp:
        raise UsageError("--depfile needs --stamp: the stamp is what it is about")
    if not NAME_SHOWN.match(name):
        raise UsageError("the description's name cannot stand in a C comment; give another --name")
    plan = compile_description(path, name, options.dump_after)
    if plan is None:
        return FAILED
    if options.dump_after is not None:
        return DONE
    if options.list:
        print("\n".join([plan.prefix, *output_paths(plan)]))
        return DONE
    _tell_costs(plan)
    if options.bundle is not None:
        files = bundle(plan, options.single)
        refuse_foreign(Path(options.bundle), files)
        write_outputs(Path(options.bundle), files)
    if options.out is not None:
        _write(plan, options)
    return DONE


def check(options: argparse.Namespace) -> int:
    status = DONE
    for argument in options.descriptions:
        plan = compile_description(*path_of(argument))
        if plan is None:
            status = FAILED
        else:
            _tell_costs(plan)
    return status


def _tell_costs(plan: Plan | MessagePlan) -> None:
    if isinstance(plan, MessagePlan):
        for message in plan.messages:
            print(f"{plan.prefix}: {message.name} parser: at most {message.held} bytes of one "
                  "message are held")
        return
    for frame in plan.frames:
        held = " + ".join(f"{b.name} {b.max}" for b in frame.bytes_fields)
        print(f"{plan.prefix}: {frame.name} parser: {frame.parser_size} bytes of state; "
              f"at most {frame.spill_max} bytes of one message are held ({held})")


def _write(plan: Plan | MessagePlan, options: argparse.Namespace) -> None:
    write_outputs(Path(options.out), render(plan))
    if options.stamp:
        imported = [file.path for file in plan.model.source.imports if file.path is not None]
        inputs = [Path(options.description), *imported, *sorted(Path(__file__).parent.glob("**/*.*"))]
        write_stamp(Path(options.stamp), Path(options.depfile) if options.depfile else None,
                    [p for p in inputs if p.is_file() and "__pycache__" not in p.parts])


# ---- format ----

def format_files(options: argparse.Namespace) -> int:
    status = DONE
    for argument in options.descriptions:
        status = max(status, _format(argument, options.check))
    return status


def _format(argument: str, is_check: bool) -> int:
    path, name = path_of(argument)
    lines: list[str] = []
    source = read(path, name, lines)
    if source is None:
        print("\n".join(lines), file=sys.stderr)
        return FAILED
    report = Report(source)
    try:
        text = format_text(source, report)
    except FormatError as error:
        raise Failure(str(error)) from None
    if text is None:
        show_errors(report, "nothing was written")
        return FAILED
    if is_check:
        return _compare(path, source, text)
    if argument == STDIN:
        print(text, end="")
    else:
        mode = path.stat().st_mode
        if write_if_changed(path.resolve(), text):
            os.chmod(path, mode)
    return DONE


def _compare(path: Path, source: SourceFile, text: str) -> int:
    is_same = source.text == text if path == path_of(STDIN)[0] else (
        path.read_bytes() == text.encode("utf-8"))
    if not is_same:
        print(f"{source.name}: not in canonical form")
    return DONE if is_same else DIFFERS


# ---- json ----

def export_model(options: argparse.Namespace) -> int:
    if options.schema:
        print(SCHEMA.read_text(encoding="utf-8"), end="")
        return DONE
    if options.description is None:
        raise UsageError("json needs a FILE, or --schema")
    protocol = understand(*path_of(options.description), "nothing was printed",
                          of_calls=False)
    if protocol is None:
        return FAILED
    print(export(protocol), end="")
    return DONE


# ---- decode, encode ----

def decode_input(options: argparse.Namespace) -> int:
    protocol = understand(*path_of(options.description), "nothing was decoded",
                          of_calls=False)
    if protocol is None:
        return FAILED
    path, name = path_of(options.input)
    data = read_input(path, name)
    if not data:
        raise Failure(f"{name}: the file is empty")
    made = decode(protocol, data, name, options.form, options.frame, options.call, options.port)
    if options.json:
        print(json_of(protocol, made.entries, made.connections), end="")
    else:
        _print_text(made, options.bytes)
    for note in made.notes:
        print(f"caudexc: {name}: {note}", file=sys.stderr)
    if not made.is_sound:
        raise Failure(f"{name}: not everything in it is a message of {protocol.name}")
    return DONE


def _print_text(made: Decoded, is_with_bytes: bool) -> None:
    named = {c["connection"]: f"{c['client']} > {c['server']}" for c in made.connections}
    at = 0
    for entry in made.entries:
        if entry.connection != at:
            at = entry.connection
            print(f"// connection {at}: {named[at]}")
        print(line_of(entry))
        for line in layout_of(entry) if is_with_bytes else ():
            print(line)


def encode_input(options: argparse.Namespace) -> int:
    protocol = understand(*path_of(options.description), "nothing was encoded",
                          of_calls=False)
    if protocol is None:
        return FAILED
    path, name = path_of(options.input)
    try:
        text = read_input(path, name).decode("utf-8")
    except UnicodeDecodeError as error:
        raise Failure(f"{name}: byte {error.start} is not UTF-8") from None
    known = [*(f.name for f in protocol.frames), *(x.name for x in protocol.messages)]
    if options.frame not in (None, *known):
        raise Failure(f"there is no frame or message '{options.frame}'; known: {', '.join(known)}")
    made = encode(protocol, text, name)
    if options.frame is None and len({frame for frame, _ in made}) > 1:
        raise Failure(f"{name}: it has requests and answers; choose with --frame")
    chosen = [data for frame, data in made if options.frame in (None, frame)]
    if options.out is not None:
        Path(options.out).write_bytes(b"".join(chosen))
    else:
        print("".join(f"{data.hex(' ')}\n" for data in chosen), end="")
    return DONE


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= PORT_MAX:
        raise argparse.ArgumentTypeError(f"a port is a number from 1 to {PORT_MAX}")
    return int(text)


# ---- graph ----

def draw(options: argparse.Namespace) -> int:
    protocol = understand(*path_of(options.description), "nothing was drawn",
                          of_calls=False)
    if protocol is None:
        return FAILED
    picture = graph(protocol, options.item)
    if options.out is not None:
        Path(options.out).write_text(picture, encoding="utf-8")
    else:
        print(picture, end="")
    return DONE


# ---- diff ----

def compare(options: argparse.Namespace) -> int:
    if options.rules:
        print(diff.rules_text(), end="")
        return DONE
    if options.old is None or options.new is None:
        raise UsageError("diff needs two files, or --rules")
    sides = [understand(*path_of(f), "nothing was compared", of_calls=False)
             for f in (options.old, options.new)]
    old, new = sides
    if old is None or new is None:
        return FAILED
    changes = diff.compare(old, new)
    if options.json:
        print(diff.json_of(changes), end="")
    else:
        print(diff.text_of(changes, (options.old, options.new)), end="")
        print(f"{new.name}: {diff.verdict(old, new, changes)}")
    return DIFFERS if any(c.breaks for c in changes) else DONE


# ---- explain ----

def explain(options: argparse.Namespace) -> int:
    if options.code is None:
        print("\n".join(f"{code} {title}" for code, title in CODES.items()))
        return DONE
    explanation = explanations().get(options.code.upper())
    if explanation is None:
        raise UsageError(f"there is no error '{options.code}'; caudexc explain lists all codes")
    print(explanation.text(), end="")
    return DONE


COMMANDS = [
    Command(
        "build", "make C, client, reference, test vectors and fuzz harnesses",
        "Compiles a description. Files that would not change are not touched, files that are no "
        "longer made are removed, and nothing is written if the description has errors. Without "
        "--out and --bundle it is only checked.",
        (DESCRIPTION,
         Argument("--out", "Folder for the outputs.", {"metavar": "DIR"}),
         Argument("--bundle", "Folder for plain C instead: parsers, encoders, for calls a client, and what "
                  "they stand on, to be built by a C compiler alone. ragel must be on PATH.",
                  {"metavar": "DIR"}),
         Argument("--single", "The bundle's C as one header and one source.",
                  {"action": "store_true"}),
         Argument("--name", "The description's name in messages and outputs; its path if not "
                  "given, in a bundle its last part.", {"metavar": "SHOWN"}),
         Argument("--list", "Print the prefix and what would be written below --out, a path a line, and "
                  "write nothing: for build systems.", {"action": "store_true"}),
         Argument("--stamp", "File to touch when all outputs are up to date.",
                  {"metavar": "FILE"}),
         Argument("--depfile", "File that names what the stamp depends on, in make's format.",
                  {"metavar": "FILE"}),
         Argument("--dump-after", "Print what a pass made, as JSON for those who work on caudexc, "
                  "and write nothing: " + ", ".join(PASSES) + ".",
                  {"metavar": "PASS", "choices": PASSES})),
        build),
    Command(
        "check", "tell all errors of descriptions, and what their parsers cost",
        "Tells all errors of every file. Of a sound one it prints how large each parser's state "
        "is and how much of one message a connection can be made to hold.",
        (Argument("descriptions", "The .cdx files.", {"metavar": "FILE", "nargs": "+"}),),
        check),
    Command(
        "format", "write descriptions in their canonical form",
        "Rewrites every file that is not in canonical form: indentation, spaces, columns, line "
        "breaks at 100 characters. Words, comments and the order of items stay; a comment inside "
        "a line moves above it. Standard input is written to standard output.",
        (Argument("descriptions", "The .cdx files.", {"metavar": "FILE", "nargs": "+"}),
         Argument("--check", "Write nothing; name the files that would change.",
                  {"action": "store_true"})),
        format_files),
    Command(
        "explain", "say what an error code means, with an example and its repair",
        "Explains one error code, or lists them all.",
        (Argument("code", "A code such as CDX0304.", {"metavar": "CODE", "nargs": "?"}),),
        explain),
    Command(
        "json", "print what a description means, for other programs",
        "Prints the checked model as one JSON object: types, frames, calls, examples with their "
        "bytes. Its member caudex_model is the version of the form. Integers may need 64 bits.",
        (Argument("description", "The .cdx file.", {"metavar": "FILE", "nargs": "?"}),
         Argument("--schema", "Print the JSON Schema of that object instead.",
                  {"action": "store_true"})),
        export_model),
    Command(
        "decode", "show what bytes or captures say",
        "Turns the bytes of one direction, or a capture of connections, into one line for each "
        "message: > for a request, < for an answer, in the syntax of a description's examples. "
        "Hex may have spaces, line ends and remarks behind #. In a capture (pcap or pcapng) TCP "
        "is put together: order, repetitions and overlaps do not matter, and a gap ends its "
        "direction. An answer whose request was seen is shown with its fields. What is no "
        "message is shown as text with the place and the reason, and ends its direction.",
        (DESCRIPTION,
         Argument("input", "The bytes: hex, a binary file, pcap or pcapng.",
                  {"metavar": "INPUT"}),
         Argument("--as", "What the input is: hex, binary or pcap; found out if not given.",
                  {"metavar": "FORM", "choices": FORMS, "dest": "form"}),
         Argument("--frame", "What hex and binary files hold: request, response or a message; the "
                  "first one described if not given.", {"metavar": "FRAME"}),
         Argument("--call", "The call that all answers of such a file belong to.",
                  {"metavar": "NAME"}),
         Argument("--port", "The server's port in a capture; the description's if not given.",
                  {"metavar": "N", "type": _port}),
         Argument("--bytes", "Print below each message where its fields stand, with their bytes.",
                  {"action": "store_true"}),
         Argument("--json", "Print one JSON object instead.", {"action": "store_true"})),
        decode_input),
    Command(
        "encode", "turn what decode prints back into bytes",
        "Reads text or JSON as decode prints it and prints each message in hex, or writes all to "
        "a file. A message that a receiver would refuse is an error; bytes that are no message "
        "are given as a text. Fields of bytes may be left out when they are empty.",
        (DESCRIPTION,
         Argument("input", "Text or JSON.", {"metavar": "INPUT"}),
         Argument("--frame", "Only requests, only responses or only this message.",
                  {"metavar": "FRAME"}),
         Argument("--out", "Write the bytes to this file.", {"metavar": "FILE"})),
        encode_input),
    Command(
        "graph", "draw the layout and the states of a frame or call as SVG",
        "Draws where each field of a frame, message, call or struct stands, and how many "
        "bytes it has; of a frame also the states of its parser with what each refuses, of a call "
        "how its answers follow each other.",
        (DESCRIPTION,
         Argument("item", "A frame, message, call or struct; all frames and messages if not given.",
                  {"metavar": "ITEM", "nargs": "?"}),
         Argument("--out", "Write the picture to this file, not to standard output.",
                  {"metavar": "FILE"})),
        draw),
    Command(
        "diff", "tell which changes break peers, with bytes that show it",
        "Compares two versions of a description. A change breaks old writers when something that "
        "they send is refused or read differently by new peers, and old readers when that happens "
        "to them with what new peers send. Each is shown with a message, which both sides have "
        "read: who sends it, its bytes, what it says, and what the other makes of it.",
        (Argument("old", "The version that is in use.", {"metavar": "OLD", "nargs": "?"}),
         Argument("new", "The version to compare it with.", {"metavar": "NEW", "nargs": "?"}),
         Argument("--json", "Print one JSON object instead.", {"action": "store_true"}),
         Argument("--rules", "Print the table of changes and whom they break.",
                  {"action": "store_true"})),
        compare),
]
