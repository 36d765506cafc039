# SPDX-License-Identifier: Apache-2.0
"""Texts to files: only what changed is written, what is no longer generated is removed."""
from __future__ import annotations

import os
from pathlib import Path

MANIFEST = ".caudexc-files"


def write_outputs(out: Path, texts: dict[str, str]) -> None:
    """Writes every text below `out`; a reader never sees half a file."""
    manifest = out / MANIFEST
    for path in sorted(written_before(out) - set(texts)):
        (out / path).unlink(missing_ok=True)
    for path, text in texts.items():
        write_if_changed(out / path, text)
    write_if_changed(manifest, "\n".join(sorted(texts)) + "\n")


def written_before(out: Path) -> set[str]:
    """The paths that the last write_outputs() wrote; nothing outside of `out`."""
    manifest = out / MANIFEST
    lines = manifest.read_text(encoding="utf-8").split("\n") if manifest.is_file() else []
    return {path for path in lines if path and not path.startswith("/") and ".." not in path.split("/")}


def write_if_changed(path: Path, text: str) -> bool:
    """True when the file was written."""
    data = text.encode("utf-8")
    if path.exists() and path.read_bytes() == data:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + f".{os.getpid()}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return True


def write_stamp(stamp: Path, depfile: Path | None, inputs: list[Path]) -> None:
    """Touches the stamp, always, and names in `depfile` what it depends on."""
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text("", encoding="utf-8")
    if depfile is not None:
        names = " ".join(_make_name(p) for p in inputs)
        write_if_changed(depfile, f"{_make_name(stamp)}: {names}\n")


def _make_name(path: Path) -> str:
    text = str(path.resolve())
    return text.replace("\\", "\\\\").replace(" ", "\\ ").replace("#", "\\#").replace("$", "$$")
