# SPDX-License-Identifier: Apache-2.0
"""The help and the manual page, made from the table of commands."""
from __future__ import annotations

from cli import STATUSES, Command

ABOUT = "compiles descriptions of binary protocols, and answers questions about them"
INTRODUCTION = (
    "A description says what the bytes of a protocol are; its language is described in "
    "proto/README.md. caudexc makes C from it, and reads captures, compares versions and draws "
    "pictures with it. Where a command takes a file, - is standard input. "
    "Messages go to standard error: file, line, column, a stable code, and what to do."
)
MESSAGES = (
    ("> get(rid 4, key \"/img\")", "A request: the call, and every field that is not empty."),
    ("< get ok(rid 4, val \"cdn-a\")", "An answer to get, by its status."),
    ("< ok(rid 4, val \"cdn-a\")", "An answer to a request that was not seen; bodies are bytes."),
    ("> \"\\x10\\x00\"", "Bytes that are no message."),
    ("- point { x 1, y 2 }", "A message of a protocol without calls (> and < if it is called "
     "request or response); encode takes such messages as JSON."),
    ("// ...", "A remark."),
)
EXAMPLES = (
    ("caudexc build kv.cdx --out generated", "C, client, reference, vectors and fuzz harnesses"),
    ("caudexc format --check *.cdx", "status 3 if one of them is not in canonical form"),
    ("caudexc explain CDX0304", "what this error means, and how to mend it"),
    ("tcpdump -i lo -w kv.pcap port 7117; caudexc decode kv.cdx kv.pcap",
     "what was said on a connection"),
    ("caudexc diff released.cdx kv.cdx", "which changes break peers, with bytes that show it"),
)


def help_text(commands: list[Command]) -> str:
    """What caudexc --help prints."""
    lines = ["usage: caudexc COMMAND ...", "", f"caudexc {ABOUT}.", "", "Commands:"]
    lines += [f"  {c.name:8} {c.summary}" for c in commands]
    lines += ["", "caudexc COMMAND --help tells more; caudexc --version prints the version.", "",
              "Exit status:", *(f"  {status:<3} {text}" for status, text in STATUSES.items())]
    return "\n".join(lines) + "\n"


def man_page(commands: list[Command], version: str) -> str:
    """The manual page in man(7)."""
    page = [f'.TH CAUDEXC 1 "" "caudex {version}" "User Commands"', ".SH NAME",
            f"caudexc \\- {ABOUT}", ".SH SYNOPSIS"]
    for command in commands:
        page += [f".B caudexc {command.name}", _quoted(command.synopsis), ".br"]
    page += [".SH DESCRIPTION", _quoted(INTRODUCTION), ".SH COMMANDS"]
    for command in commands:
        page += [f".SS caudexc {command.name} {_quoted(command.synopsis)}", _quoted(command.text)]
        for argument in command.arguments:
            page += [".TP", f".B {_quoted(argument.shown)}", _quoted(argument.help)]
    page += [".SH MESSAGES AS TEXT", "What decode prints and encode reads has a line for each "
             "message. Values are written as in a description: numbers, names of an enum's values, "
             "texts in quotes, the fields of a body in braces."]
    for line, text in MESSAGES:
        page += [".TP", f".B {_quoted(line)}", _quoted(text)]
    page += [".SH EXIT STATUS"]
    for status, text in STATUSES.items():
        page += [".TP", f".B {status}", text]
    page += [".SH EXAMPLES"]
    for line, text in EXAMPLES:
        page += [".TP", f".B {_quoted(line)}", _quoted(text)]
    page += [".SH SEE ALSO", ".BR caudex (1),", ".BR caudexd (8)"]
    return "\n".join(page) + "\n"


def _quoted(text: str) -> str:
    """Plain text as man(7) takes it."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq")
    return "\\&" + text if text.startswith((".", "'")) else text
