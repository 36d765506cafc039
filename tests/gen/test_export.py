# SPDX-License-Identifier: Apache-2.0
"""Tests of `caudexc json`: it follows its schema, and says all that the description says."""
from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
GOOD = [*sorted((HERE / "good").glob("*.cdx")), HERE / "tiny.cdx", HERE / "lang.cdx",
        *sorted((ROOT / "proto").glob("*.cdx"))]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "gen"))
from export import SCHEMA, VERSION, export  # noqa: E402
from passes import understand  # noqa: E402

jsonschema = pytest.importorskip("jsonschema", reason="python3-jsonschema is not installed")
RULES = json.loads(SCHEMA.read_text(encoding="utf-8"))


def exported(path: Path) -> Any:
    protocol = understand(path, path.name, "", of_calls=False)
    assert protocol is not None
    return json.loads(export(protocol))


def objects(value: Any, at: str = "") -> Any:
    """Every object inside `value`, with its place."""
    if isinstance(value, dict):
        yield at, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from objects(item, f"{at}.{key}")


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(RULES)
    assert RULES["properties"]["caudex_model"] == {"const": VERSION, "description": "Version of this form."}


@pytest.mark.parametrize("path", GOOD, ids=lambda p: p.stem)
def test_the_model_follows_the_schema(path: Path) -> None:
    jsonschema.Draft202012Validator(RULES).validate(exported(path))


@pytest.mark.parametrize("path", GOOD, ids=lambda p: p.stem)
def test_the_schema_knows_every_member(path: Path) -> None:
    text = SCHEMA.read_text(encoding="utf-8")
    members = {key for _, item in objects(exported(path)) for key in item}
    assert [key for key in members if f'"{key}": ' not in text] == []


def test_no_member_can_be_left_out() -> None:
    validator = jsonschema.Draft202012Validator(RULES)
    model = exported(HERE / "good" / "mini.cdx")
    for _, item in list(objects(model)):
        for key in list(item):
            value = item.pop(key)
            assert not validator.is_valid(model), key
            item[key] = value
    assert validator.is_valid(model)


def test_every_name_of_the_description_is_in_the_model() -> None:
    text = (ROOT / "proto" / "kv.cdx").read_text(encoding="utf-8")
    made = json.dumps(exported(ROOT / "proto" / "kv.cdx"))
    for name in re.findall(r"^ *(?:type|enum|struct|frame|call)? *(\w+) *[:=]", text, flags=re.M):
        assert f'"{name}"' in made, name


def test_examples_are_bytes() -> None:
    model = exported(HERE / "good" / "mini.cdx")
    assert model["calls"][0]["examples"] == [{
        "line": 57, "request": {"status": None, "bytes": "01000000010161"},
        "answers": [{"status": "row", "bytes": "01000000010162"},
                    {"status": "ok", "bytes": "00000000010300016e"}]}]
