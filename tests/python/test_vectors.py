# SPDX-License-Identifier: Apache-2.0
"""The test vectors through the Python parser and encoders, the same ones that the C parser passes.

Every vector whole, byte by byte, and at every single cut (large ones: near their ends); what was
parsed is encoded to the same bytes again. kv's vectors are the committed ones, those of
the second protocol lie in the build tree.
"""
from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Iterable, List, Tuple, Type

import pytest
import tiny
from caudex import ProtocolError, kv, wire
from caudex.calls import Failure, Protocol
from caudex.wire import Body, Counted, Frame, Parser
from vectors import Vector, read_vectors, spelled

COMMITTED = Path(__file__).parents[1] / "vectors"
GENERATED = Path(os.environ["CAUDEX_TINY_VECTORS"])
FILES: "List[Tuple[Path, Type[Frame]]]" = [
    (COMMITTED / "kv_request.md", kv.Request),
    (COMMITTED / "kv_response.md", kv.Response),
    (GENERATED / "tiny_request.md", tiny.Request),
    (GENERATED / "tiny_response.md", tiny.Response),
]
REASONS = {"unknown": wire.UNKNOWN, "unused": wire.UNUSED, "short": wire.SHORT, "long": wire.LONG}
# A vector longer than this is cut near its ends only.
EVERY_CUT_NBYTES_MAX = 5000
NEAR_ENDS_NBYTES = 24
# Pieces of a long vector where a short one is cut byte by byte.
PIECE_NBYTES = 1448


def cuts(nbytes: int) -> Iterable[int]:
    """Where a vector of so many bytes is cut in two."""
    if nbytes <= EVERY_CUT_NBYTES_MAX:
        return range(1, nbytes)
    return [*range(1, NEAR_ENDS_NBYTES), *range(nbytes - NEAR_ENDS_NBYTES, nbytes)]


def check_more(vector: Vector, parser: Parser[Frame], nbytes: int) -> None:
    more = vector.more_at(nbytes)
    assert parser.next_values() is None, (vector.title, nbytes)
    assert parser.need() == (more.total - nbytes, more.field), (vector.title, nbytes)
    assert parser.held == nbytes


def said_of(vector: Vector, frame: Type[Frame]) -> List[Any]:
    """The fields that the vector names, in the frame's order; nothing when it names an error."""
    if vector.frame is None:
        return []
    assert list(vector.frame) == [x.name for x in frame.LAYOUT.fields]
    return [spelled(vector.frame[x.name]) if isinstance(x, Counted) else int(vector.frame[x.name])
            for x in frame.LAYOUT.fields]


def check_end(vector: Vector, parser: Parser[Frame], said: List[Any]) -> None:
    if vector.error is not None:
        offset, name, reason = vector.error
        for _ in range(2):      # an error is final
            with pytest.raises(ProtocolError) as caught:
                parser.next()
            error = caught.value
            assert (error.offset, error.field, error.reason) == (offset, name, REASONS[reason])
        assert parser.held == 0
        return
    frame = parser.next()
    assert frame is not None, vector.title
    assert list(vars(frame).values()) == said, vector.title
    assert frame.encode() == vector.data
    assert parser.next() is None and parser.held == 0 and parser.offset == len(vector.data)


@pytest.mark.parametrize("path, frame", FILES, ids=lambda x: getattr(x, "stem", ""))
def test_vectors_are_parsed_however_they_are_cut_and_encoded_again(
        path: Path, frame: Type[Frame]) -> None:
    count = 0
    for vector in read_vectors(path):
        count += 1
        said = said_of(vector, frame)
        whole: Parser[Frame] = Parser(frame)
        whole.feed(vector.data)
        check_end(vector, whole, said)
        step = 1 if len(vector.data) <= EVERY_CUT_NBYTES_MAX else PIECE_NBYTES
        pieces: Parser[Frame] = Parser(frame)
        for at in range(0, len(vector.data), step):
            if at:
                check_more(vector, pieces, at)
            pieces.feed(vector.data[at : at + step])
        check_end(vector, pieces, said)
        for cut in cuts(len(vector.data)):
            parser: Parser[Frame] = Parser(frame)
            parser.feed(vector.data[:cut])
            check_more(vector, parser, cut)
            parser.feed(vector.data[cut:])
            check_end(vector, parser, said)
    assert count > 20


@pytest.mark.parametrize("path", [FILES[0][0], FILES[2][0]], ids=["kv", "tiny"])
def test_bodies_of_requests_are_decoded_and_encoded_to_the_same_bytes(path: Path) -> None:
    frame = dict(FILES)[path]
    layout = frame.LAYOUT
    seen = set()
    for vector in read_vectors(path):
        if vector.error is not None:
            continue
        parser: Parser[Frame] = Parser(frame)
        parser.feed(vector.data)
        values = parser.next_values()
        assert values is not None and layout.calls is not None
        allowed = layout.calls[values[layout.selector]]
        for place, part in zip(layout.counted_places, allowed.fields):
            if isinstance(part, int):
                assert len(values[place]) <= part
            else:
                body = part.decode(values[place])
                assert body.encode() == values[place]
                seen.add(part)
    assert layout.calls is not None
    declared = {p for a in layout.calls.values() for p in a.fields if not isinstance(p, int)}
    assert seen == declared


@pytest.mark.parametrize("path, module", [(FILES[1][0], kv), (FILES[3][0], tiny)],
                         ids=["kv", "tiny"])
def test_answers_of_examples_are_what_their_calls_expect(path: Path, module: Any) -> None:
    protocol: Protocol = module.Client._protocol
    seen = 0
    for vector in read_vectors(path):
        name, _, what = vector.title.partition(": ")
        if " of example " not in what:
            continue
        parser: Parser[Frame] = Parser(protocol.response)
        parser.feed(vector.data)
        values = parser.next_values()
        assert values is not None
        layout = protocol.response.LAYOUT
        shape = getattr(module, f"_{name.upper()}").find(values[layout.selector])
        assert shape is not None, vector.title
        given = protocol.accept(shape, values)
        for place, made in zip(protocol.given, given):
            again = made.encode() if isinstance(made, Body) else made
            assert again == values[place] or made is None and values[place] == b""
        is_success = what.split(" ")[0] in ("ok", "row", "fine", "part")
        assert isinstance(shape, Failure) != is_success
        seen += 1
    assert seen >= 3
