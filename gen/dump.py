# SPDX-License-Identifier: Apache-2.0
"""What a pass made, as JSON: to look into the generator, and for its tests."""
from __future__ import annotations

import dataclasses
import json
from typing import Any

from source import SourceFile, Span


def dump(value: object) -> str:
    """Dataclasses become objects, a named one only once; places are line:column+length."""
    return json.dumps(_plain(value, set()), indent=1, ensure_ascii=False) + "\n"


def _plain(value: Any, seen: set[int]) -> Any:
    if isinstance(value, Span):
        return f"{value.line}:{value.column}+{value.length}"
    if isinstance(value, SourceFile):
        return value.name
    if isinstance(value, bytes):
        return "".join(chr(b) if 0x20 <= b < 0x7F and b != 0x5C else f"\\x{b:02x}" for b in value)
    if isinstance(value, dict):
        return {key: _plain(item, seen) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, (list, tuple)):
        return [_plain(item, seen) for item in value]
    if not dataclasses.is_dataclass(value):
        return value
    name = getattr(value, "name", None)
    if isinstance(name, str) and id(value) in seen:
        return f"{type(value).__name__} {name}"
    seen.add(id(value))
    known: dict[str, Any] = {"kind": type(value).__name__}
    for field in dataclasses.fields(value):
        known[field.name] = _plain(getattr(value, field.name), seen)
    return known
