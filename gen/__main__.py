# SPDX-License-Identifier: Apache-2.0
"""caudexc, the toolkit's only command: finds the command, runs it, tells how it ended."""
from __future__ import annotations

import os
import signal
import sys

if __name__ == "__main__":  # an interrupt or a closed pipe ends it without a word
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)

try:
    import jinja2  # noqa: F401
    import lark  # noqa: F401
except ImportError as missing:
    sys.exit(f"caudexc: {sys.executable} has no package '{missing.name}'; "
             "install python3-lark and python3-jinja2, or run a Python that has them")

from cli import DONE, FAILED, USAGE, Failure, UsageError, parse, unknown
from commands import COMMANDS
from manual import help_text, man_page
from passes import PASSES, compile_description
from plan import make_plan

__all__ = ["PASSES", "compile_description", "main", "make_plan"]


def main(arguments: list[str]) -> int:
    """Runs one command; its exit status."""
    try:
        return _run(arguments)
    except UsageError as error:
        print(f"caudexc: {error}", file=sys.stderr)
        return USAGE
    except Failure as error:
        print(f"caudexc: {error}", file=sys.stderr)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"caudexc: {where}{error.strerror}", file=sys.stderr)
    return FAILED


def _run(arguments: list[str]) -> int:
    if not arguments:
        raise UsageError("a command is missing; see caudexc --help")
    word, *rest = arguments
    if word in ("--help", "-h", "help"):
        print(help_text(COMMANDS), end="")
        return DONE
    if word in ("--version", "--print-man"):
        version = os.environ.get("CAUDEXC_VERSION", "(not installed)")
        print(f"caudexc {version}\n" if word == "--version" else man_page(COMMANDS, version),
              end="")
        return DONE
    command = next((c for c in COMMANDS if c.name == word), None)
    if command is None and (word.endswith(".cdx") or "/" in word):
        command, rest = COMMANDS[0], arguments  # a file in the command's place: build
    if command is None:
        raise UsageError(unknown(word, [c.name for c in COMMANDS]))
    status = command.run(parse(command, rest))
    sys.stdout.flush()
    return status


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # files that are half written go
    try:
        status = main(sys.argv[1:])
        sys.stdout.flush()
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError:
        os._exit(status)  # told already; the end of the interpreter would try again
    sys.exit(status)
