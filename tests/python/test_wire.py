# SPDX-License-Identifier: Apache-2.0
"""Parser and encoders where vectors say nothing: limits, memory, streams of frames, arguments."""
from __future__ import annotations

import random
import tracemalloc
from typing import List

import pytest
import tiny
from caudex import Parser, ProtocolError, kv, wire

PUT = kv.Request(kv.Call.PUT, 7, b"/img", b"cdn-a")
ROW = kv.Response(kv.Status.ROW, 9, b"/img", b"cdn-a")


def parsed(data: bytes, pieces: List[int]) -> List[kv.Request]:
    """All requests in `data`, fed in pieces of those sizes and then the rest."""
    parser = Parser(kv.Request)
    found = []
    at = 0
    for size in [*pieces, len(data)]:
        parser.feed(data[at : at + size])
        at += size
        while (request := parser.next()) is not None:
            found.append(request)
    return found


def test_a_stream_gives_the_same_frames_however_it_is_cut() -> None:
    draw = random.Random(3)
    sent = [kv.Request(kv.Call.PUT, rid, bytes(draw.randrange(20)), bytes(draw.randrange(300)))
            for rid in range(1, 200)]
    data = b"".join(request.encode() for request in sent)
    for _ in range(50):
        pieces = [draw.choice([0, 1, 2, 7, 100, 1000]) for _ in range(draw.randrange(1, 400))]
        assert parsed(data, pieces) == sent


def trace(data: bytes, pieces: List[int]) -> List[object]:
    """All that a parser says about `data`: its frames, and the error or the state at the end."""
    parser = Parser(kv.Request)
    told: List[object] = []
    at = 0
    try:
        for size in [*pieces, len(data)]:
            parser.feed(data[at : at + size])
            at += size
            while (request := parser.next()) is not None:
                told.append(request)
    except ProtocolError as error:
        return [*told, error.args]
    return [*told, parser.held, parser.need()]


def test_wrong_bytes_are_told_the_same_way_however_they_are_cut() -> None:
    draw = random.Random(5)
    args = kv.ListArgs(1, kv.Content.KEYS, b"x").encode()
    seeds = [PUT, kv.Request(kv.Call.LIST, 3, b"/a", args),
             kv.Request(kv.Call.PING, 1, b"", b"")]
    errors = 0
    for _ in range(3000):
        data = bytearray(b"".join(draw.choice(seeds).encode() for _ in range(3)))
        for _ in range(draw.randrange(3)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        del data[draw.randrange(len(data)) :]
        whole = trace(bytes(data), [])
        pieces = [draw.randrange(9) for _ in range(30)]
        assert trace(bytes(data), pieces) == trace(bytes(data), [1] * len(data)) == whole
        errors += bool(whole) and isinstance(whole[-1], tuple) and len(whole[-1]) == 3
    assert errors > 300


def test_frames_before_an_error_are_delivered() -> None:
    parser = Parser(kv.Request)
    parser.feed(PUT.encode() * 3 + b"\xff")
    assert [parser.next() for _ in range(3)] == [PUT] * 3
    for _ in range(2):
        with pytest.raises(ProtocolError) as caught:
            parser.next()
        assert caught.value.offset == 3 * len(PUT.encode())
        parser.feed(PUT.encode())   # nothing after an error is looked at
    assert str(caught.value) == ("the bytes do not follow the protocol, at byte 60, field type: "
                                 "a value that is not in the description")


def test_memory_grows_with_what_arrives_and_not_with_what_is_announced() -> None:
    head = kv.Response(kv.Status.OK, 1, b"", b"").encode()[:-4] + (16 << 20).to_bytes(4, "big")
    tracemalloc.start()
    parser = Parser(kv.Response)
    parser.feed(head)
    assert parser.next() is None
    assert parser.need() == (16 << 20, "val")
    for _ in range(100000):     # in pieces as small as a peer can make them
        parser.feed(b"x")
        assert parser.next_values() is None
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert parser.held == len(head) + 100000
    assert held < 3 * parser.held
    assert len(parser._data) == len(head)   # the rest is put together once, when it is complete


def test_a_length_above_its_limit_is_refused_before_its_bytes_come() -> None:
    parser = Parser(kv.Response)
    parser.feed(kv.Response(kv.Status.OK, 1, b"", b"").encode()[:5] + (4097).to_bytes(2, "big"))
    with pytest.raises(ProtocolError) as caught:
        parser.next()
    assert (caught.value.offset, caught.value.field) == (5, "key")
    assert caught.value.reason == wire.LONG


def test_parser_takes_what_sockets_give() -> None:
    for data in (bytearray(PUT.encode()), memoryview(PUT.encode()), PUT.encode()):
        parser = Parser(kv.Request)
        parser.feed(data[:5])
        assert parser.next() is None
        parser.feed(data[5:])
        assert parser.next() == PUT


@pytest.mark.parametrize("frame, error", [
    (kv.Request(kv.Call.PUT, 1 << 32, b"", b""), "rid: 4294967296 is not from 0 to 4294967295"),
    (kv.Request(kv.Call.PUT, -1, b"", b""), "rid: -1 is not from 0 to 4294967295"),
    (kv.Request(255, 1, b"", b""), "type: 255 is no Call"),  # type: ignore[arg-type]
    (kv.Request(kv.Call.PUT, 1, bytes(4097), b""), "key: has 4097 bytes, the limit is 4096"),
    (tiny.Response(b"", 1, b"", bytes(301), tiny.Result.FINE),
     "data: has 301 bytes, the limit is 300"),
])
def test_a_frame_that_cannot_be_is_not_encoded(frame: wire.Frame, error: str) -> None:
    with pytest.raises(ValueError) as caught:
        frame.encode()
    assert str(caught.value) == error


def test_text_is_no_bytes_and_says_so() -> None:
    with pytest.raises(TypeError, match="^key: bytes are expected, not str$"):
        kv.Request(kv.Call.GET, 1, "/img", b"").encode()  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="^rid: a number is expected, not str$"):
        kv.Request(kv.Call.GET, "1", b"", b"").encode()  # type: ignore[arg-type]


@pytest.mark.parametrize("data, offset, field, reason", [
    (bytes(4), 0, "list_args", wire.SHORT),
    (bytes(5 + 4097), 0, "list_args", wire.LONG),
    (b"\0\0\0\0\x02after", 4, "list_args.content", wire.UNKNOWN),
])
def test_a_body_is_refused_with_its_place(data: bytes, offset: int, field: str,
                                          reason: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        kv.ListArgs.decode(data)
    assert (caught.value.offset, caught.value.field, caught.value.reason) == (offset, field, reason)


def test_bodies_are_values() -> None:
    args = kv.ListArgs(limit=5, content=kv.Content.KEYS, after=b"/a")
    assert args.encode() == b"\0\0\0\x05\x01/a"
    assert kv.ListArgs.decode(args.encode()) == args
    assert tiny.Point(1, 2, tiny.Mode.FAST, b"t").encode() == (
        b"\x01\0\0\0" b"\x02\0\0\0\0\0\0\0" b"\x04\x03\x02\x01" b"t")
