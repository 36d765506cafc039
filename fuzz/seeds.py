# SPDX-License-Identifier: Apache-2.0
"""Seeds of the parse fuzzers from the test vectors: seeds.py OUT vectors.md …

Each vector's bytes become one input behind a plan (see fuzz_parse.c.j2): the frame's number, and
one piece length of 0, which feeds byte by byte.
"""
from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

# Longer vectors teach a fuzzer nothing that shorter ones do not.
SEED_NBYTES_MAX = 1024
ONE_LENGTH = 1 << 1
_RUN = re.compile(r"([0-9a-fA-F]{2})(?:\*(\d+))?\Z")


def vectors(text: str) -> list[bytes]:
    """The bytes of every vector: the words behind `bytes`, `XX` or `XX*N`."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["bytes"]:
            runs = [(r[1], int(r[2] or 1)) for r in map(_RUN.match, words[1:]) if r]
            if sum(count for _, count in runs) <= SEED_NBYTES_MAX:
                found.append(b"".join(bytes.fromhex(digits) * count for digits, count in runs))
    return found


def main(out: Path, files: list[Path]) -> None:
    """Writes each seed under the name of its hash."""
    out.mkdir(parents=True, exist_ok=True)
    for file in files:
        plan = ONE_LENGTH | (1 if file.stem.endswith("_response") else 0)
        for data in vectors(file.read_text(encoding="utf-8")):
            seed = bytes([plan, 0]) + data
            (out / hashlib.sha1(seed).hexdigest()).write_bytes(seed)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
