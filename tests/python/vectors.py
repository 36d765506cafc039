# SPDX-License-Identifier: Apache-2.0
"""Reads test vectors: the form is described at the top of each file."""
from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Tuple


@dataclass
class More:
    """After `first` to `last` bytes more are needed, `total` in all at least."""

    first: int
    last: int
    total: int
    field: str


@dataclass
class Vector:
    """One vector: `frame` has the fields as the file spells them, or `error` says why not."""

    title: str
    data: bytes = b""
    mores: List[More] = field(default_factory=list)
    frame: Optional[Dict[str, str]] = None
    error: Optional[Tuple[int, str, str]] = None

    def more_at(self, nbytes: int) -> More:
        """What is said about so many bytes."""
        found = [more for more in self.mores if more.first <= nbytes <= more.last]
        assert len(found) == 1, f"{self.title}: {len(found)} lines about {nbytes} bytes"
        return found[0]


def read_vectors(path: Path) -> Iterator[Vector]:
    """All vectors of a file."""
    vector: Optional[Vector] = None
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            if vector is not None:
                yield vector
            vector = Vector(line[3:])
        elif line.startswith("    ") and vector is not None:
            _read_line(vector, line.strip())
    if vector is not None:
        yield vector


def _read_line(vector: Vector, line: str) -> None:
    word, _, rest = line.partition(" ")
    if word == "bytes":
        vector.data = spelled(rest)
    elif word == "more":
        parts = re.fullmatch(r" *(\d+)\.\.(\d+) until (\d+) in (\S+)", rest)
        assert parts is not None, line
        first, last, total, name = parts.groups()
        vector.mores.append(More(int(first), int(last), int(total), name))
    elif word == "frame":
        vector.frame = dict(part.split("=", 1) for part in rest.split())
    else:
        parts = re.fullmatch(r"at (\d+) in (\S+): (\S+)", rest)
        assert word == "error" and parts is not None, line
        offset, name, reason = parts.groups()
        vector.error = int(offset), name, reason


def spelled(text: str) -> bytes:
    """The bytes of "61*3 00" or "61*3.00"; "-" is none."""
    if text == "-":
        return b""
    data = bytearray()
    for word in text.replace(".", " ").split():
        byte, _, count = word.partition("*")
        data += bytes.fromhex(byte) * int(count or 1)
    return bytes(data)
