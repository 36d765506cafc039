# SPDX-License-Identifier: Apache-2.0
"""Tests of `caudexc graph`: well-formed SVG, every field in it, nothing outside the picture."""
from __future__ import annotations

import functools
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
GOOD = [*sorted((HERE / "good").glob("*.cdx")), HERE / "tiny.cdx", HERE / "lang.cdx",
        *sorted((ROOT / "proto").glob("*.cdx"))]
SVG = "{http://www.w3.org/2000/svg}"
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "gen"))
import model as m  # noqa: E402
from cli import Failure  # noqa: E402
from graph import graph  # noqa: E402
from passes import understand  # noqa: E402
from svg import Picture  # noqa: E402


@functools.lru_cache(maxsize=None)
def protocol_of(path: Path) -> m.Protocol:
    protocol = understand(path, path.name, "", of_calls=False)
    assert protocol is not None
    return protocol


def texts(root: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in root.iter(SVG + "text")]


def items(p: m.Protocol) -> list[str | None]:
    return [None, *(x.name for x in p.frames), *(x.name for x in p.calls), *(x.name for x in p.structs),
            *(x.name for x in p.messages)]


@pytest.mark.parametrize("path", GOOD, ids=lambda p: p.stem)
def test_everything_can_be_drawn_and_nothing_is_outside(path: Path) -> None:
    p = protocol_of(path)
    for item in items(p):
        root = ElementTree.fromstring(graph(p, item).encode("utf-8"))
        assert root.tag == SVG + "svg"
        left, top, width, height = map(float, root.attrib["viewBox"].split())
        boxes = [tuple(float(r.attrib[k]) for k in ("x", "y", "width", "height")) for r in root.iter(SVG + "rect")]
        for x, y, w, h in boxes:
            assert left <= x and top <= y and x + w <= left + width and y + h <= top + height
        for n, (x, y, w, h) in enumerate(boxes[1:], 2):  # the first is the paper
            for ox, oy, ow, oh in boxes[n:]:
                assert x + w <= ox or ox + ow <= x or y + h <= oy or oy + oh <= y, item


def test_a_frame_has_its_fields_and_states() -> None:
    shown = texts(ElementTree.fromstring(graph(protocol_of(HERE / "good" / "mini.cdx"), "request")))
    assert ["type", "rid", "name length", "name"] == [x for x in shown if x in ("type", "rid", "name length", "name")][:4]
    for text in ("0…20 bytes", "together 6 to 26 bytes", "unknown: no such call", "long: more than 20", "frame is ready"):
        assert text in shown, text


def test_a_call_has_its_answers_and_bodies() -> None:
    shown = texts(ElementTree.fromstring(graph(protocol_of(HERE / "good" / "mini.cdx"), "find")))
    for text in ("find: request", "find: row", "find: ok", "find: bad", "struct point", "find 0x01", "bad 0x02",
                 "together 6 bytes", "find: how it is answered", "(rows may be none)"):
        assert text in shown, text


def test_what_is_not_there_cannot_be_drawn() -> None:
    with pytest.raises(Failure, match="there is no frame, message, call or struct 'requst'; did you mean 'request'?"):
        graph(protocol_of(HERE / "good" / "mini.cdx"), "requst")


def test_texts_are_escaped() -> None:
    picture = Picture("<&>", "\x00]]>")
    picture.text(0, 0, "<a href=\"x\">\x07&amp;")
    root = ElementTree.fromstring(picture.svg())
    assert texts(root) == ['<a href="x"> &amp;'] and root.findtext(SVG + "title") == "<&>"


@pytest.mark.skipif(shutil.which("rsvg-convert") is None, reason="rsvg-convert is not installed")
def test_a_renderer_takes_it() -> None:
    picture = graph(protocol_of(ROOT / "proto" / "kv.cdx"), "list").encode("utf-8")
    done = subprocess.run(["rsvg-convert"], input=picture, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"") and done.stdout.startswith(b"\x89PNG")
