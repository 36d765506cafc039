# SPDX-License-Identifier: Apache-2.0
"""Plain C: everything that a description becomes, and what that stands on, in one folder for a C compiler."""
from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from cli import Failure
from plan import Plan
from program import MessagePlan
from render import render, render_bundle
from write import MANIFEST, written_before

# The runtime stands beside the generator, in the sources and where it is installed.
ROOT = Path(__file__).resolve().parent.parent
# What a header of the runtime needs besides the headers that it names. client_uv.h is none of them: it needs libuv.
SOURCES = {
    "status.h": ("base/status.c",),
    "heap.h": ("base/heap.c",),
    "wire.h": ("wire/wire_spill.c", "wire/wire_reason.c"),
    "window.h": ("wire/wire_window.c",),
    "client.h": tuple(f"client/client_{part}" for part in (
        "core.c", "window.c", "window.h", "output.c", "output.h", "address.c", "address.h", "text.c",
        "text.h", "socket.c", "socket.h", "blocking.c")),
}
# As gen/CMakeLists.txt calls it, but without #line: there is no .rl to look at.
RAGEL = ("ragel", "-C", "-G2", "-L", "-I", ".")
RAGEL_SECONDS_MAX = 60
_INCLUDE = re.compile(r'^#include (?:<caudex/([^>]+)>|"([^"]+)")\n', re.MULTILINE)
_STATIC = re.compile(r"^(?:[A-Z]\w* )?static [^=;({]*?(\w+)(?:\[[^\]]*\])*\s*[(=;]", re.MULTILINE)
_ATTRIBUTE = re.compile(r"__attribute__\(\([^)]*\)\)")
_MACRO = re.compile(r"^#define (\w+)", re.MULTILINE)
_TAG = re.compile(r"^(enum|struct) (\w+) \{(.*?)\};", re.MULTILINE | re.DOTALL)
_ENUMERATOR = re.compile(r"\b([A-Z][A-Z0-9_]*)\b(?=\s*[,=}/]|\s*$)", re.MULTILINE)
_LINE = re.compile(r'^(#line .*|/\* #line .* \*/)\n', re.MULTILINE)  # what -L makes of them, too
# The sources of the client ask the system for more than C17 has.
_SYSTEM = "#ifndef _GNU_SOURCE\n#define _GNU_SOURCE 1\n#endif\n"


@dataclass(frozen=True)
class Parts:
    """The C of a bundle: file name → text. Headers in an order in which each finds what it includes."""

    headers: dict[str, str]   # named <caudex/…>
    privates: dict[str, str]  # named "…"
    sources: dict[str, str]
    texts: dict[str, str]     # for people: the reference


def bundle(plan: Plan | MessagePlan, is_single: bool) -> dict[str, str]:
    """All files of a bundle: path relative to its folder → text. Failure: ragel is missing, or fails."""
    parts = _parts(plan)
    shown = render_bundle(plan, is_single, bool(parts.texts))
    files = _single(plan.prefix, parts) if is_single else _several(parts)
    files[f"example/{plan.prefix}_read.c"] = shown["bundle_example.c.j2"]
    files["README.md"] = shown["bundle_readme.md.j2"]
    files.update(parts.texts)
    files["LICENSE"] = _read(ROOT / "LICENSE")
    return files


def refuse_foreign(out: Path, files: dict[str, str]) -> None:
    """Failure where the folder has a file that would be written over and is not of a bundle."""
    before = written_before(out)
    if not before and out.is_dir() and any(out.iterdir()):
        raise Failure(f"{out}: has files that are not of a bundle; choose an empty or new folder")
    for path in sorted(set(files) - before):
        if (out / path).exists():
            raise Failure(f"{out / path}: is not of the bundle and would be written over")
    if (out / MANIFEST).is_dir():
        raise Failure(f"{out / MANIFEST}: is a folder")


# ---- collecting ----

def _parts(plan: Plan | MessagePlan) -> Parts:
    made = _compiled(render(plan, of_bundle=True))
    headers: dict[str, str] = {}
    privates: dict[str, str] = {}
    sources: dict[str, str] = {}
    wanted: list[str] = []
    texts: dict[str, str] = {}
    for path, text in made.items():
        name = path.rsplit("/", 1)[-1]
        into = (headers if name != path else privates if path.endswith(".h")
                else sources if path.endswith(".c") else texts)
        into[name] = text
        wanted += _included(text)
    own = list(headers)
    while wanted:
        name = wanted.pop(0)
        if name in headers:
            continue
        headers[name] = _read(ROOT / "include" / "caudex" / name)
        wanted += _included(headers[name])
        for path in SOURCES.get(name, ()):
            text = _read(ROOT / "src" / path)
            if path.startswith("client/") and path.endswith(".c"):
                text = _SYSTEM + text
            (privates if path.endswith(".h") else sources)[Path(path).name] = text
            wanted += _included(text)
    return Parts(_sorted(headers, [*sorted(set(headers) - set(own)), *own]),
                 _sorted(privates, sorted(privates)), sources, texts)


def _included(text: str) -> list[str]:
    return [m[1] for m in _INCLUDE.finditer(text) if m[1]]


def _sorted(headers: dict[str, str], names: list[str]) -> dict[str, str]:
    """The headers, each behind those that it includes."""
    done: dict[str, str] = {}

    def visit(name: str) -> None:
        if name in done or name not in headers:
            return
        for match in _INCLUDE.finditer(headers[name]):
            visit(match[1] or match[2])
        done[name] = headers[name]

    for name in names:
        visit(name)
    return done


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}; the runtime should stand beside caudexc") from None


# ---- Ragel ----

def _compiled(texts: dict[str, str]) -> dict[str, str]:
    """The texts, machines as C instead of Ragel."""
    machines = [path for path in texts if path.endswith(".rl") and not path.endswith("_grammar.rl")]
    made = {path: _LINE.sub("", text) for path, text in texts.items() if not path.endswith(".rl")}
    if machines and shutil.which(RAGEL[0]) is None:
        raise Failure("ragel was not found on PATH; it makes the C of a bundle (apt-get install ragel)")
    with tempfile.TemporaryDirectory(prefix="caudexc-") as folder:
        for path, text in texts.items():
            if path.endswith(".rl"):
                (Path(folder) / path).write_text(text, encoding="utf-8")
        for path in machines:
            name = path[:-len(".rl")] + ".c"
            _run_ragel(folder, path, name)
            made[name] = _LINE.sub("", (Path(folder) / name).read_text(encoding="utf-8")).lstrip("\n")
    return made


def _run_ragel(folder: str, path: str, name: str) -> None:
    try:
        done = subprocess.run([*RAGEL, "-o", name, path], cwd=folder, capture_output=True, text=True,
                              timeout=RAGEL_SECONDS_MAX, check=False)
    except subprocess.TimeoutExpired:
        raise Failure(f"ragel took longer than {RAGEL_SECONDS_MAX} s for {path}") from None
    except OSError as error:
        raise Failure(f"ragel cannot be run: {error.strerror}") from None
    if done.returncode != 0:
        said = done.stderr.strip().split("\n")[0]
        raise Failure(f"ragel failed with {path}: {said or f'status {done.returncode}'}")


# ---- layouts ----

def _several(parts: Parts) -> dict[str, str]:
    return {**{f"caudex/{name}": text for name, text in parts.headers.items()},
            **parts.privates, **parts.sources}


def _single(prefix: str, parts: Parts) -> dict[str, str]:
    """One header and one source, as the compiler would put them together."""
    header = "".join(_without_includes(text) for text in parts.headers.values())
    guard = f"{prefix.upper()}_SINGLE_H"
    sources = _told_apart(parts.sources)
    body = "".join(_without_includes(text) for text in (*parts.privates.values(), *sources.values()))
    return {
        f"{prefix}.h": f"#ifndef {guard}\n#define {guard}\n\n{header}\n#endif\n",
        f"{prefix}.c": f'{_SYSTEM}#include "{prefix}.h"\n\n{body}',
    }


def _told_apart(sources: dict[str, str]) -> dict[str, str]:
    """The sources; a name that several have for something of their own gets the source's before it."""
    own = {file: _own_names(text) for file, text in sources.items()}
    seen = Counter(name for names in own.values() for name in names)
    made = {}
    for file, text in sources.items():
        names = sorted(name for name in own[file] if seen[name] > 1)
        stem = file[:-len(".c")]
        # What stands behind a dot or an arrow is a member, and belongs to nobody's file.
        pattern = re.compile(rf"(?<![.>\w])({'|'.join(names)})(?!\w)") if names else None
        made[file] = pattern.sub(lambda m: f"{stem}__{m[1]}", text) if pattern else text
    return made


def _own_names(text: str) -> set[str]:
    """What a source defines for itself: functions and objects, tags, enumerators, macros."""
    text = _ATTRIBUTE.sub("", text)
    names = {m[1] for m in _STATIC.finditer(text)} | {m[1] for m in _MACRO.finditer(text)}
    for match in _TAG.finditer(text):
        names.add(match[2])
        if match[1] == "enum":
            names |= set(_ENUMERATOR.findall(match[3]))
    return names


def _without_includes(text: str) -> str:
    return _INCLUDE.sub("", text)
