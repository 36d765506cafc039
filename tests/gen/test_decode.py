# SPDX-License-Identifier: Apache-2.0
"""Tests of `caudexc decode` and `encode`: the interpreter against the vectors, there and back, captures."""
from __future__ import annotations

import functools
import json
import random
import re
import struct
import sys
from pathlib import Path
from typing import Callable, Iterator

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
GOOD = [*sorted((HERE / "good").glob("*.cdx")), HERE / "tiny.cdx", ROOT / "proto" / "kv.cdx"]
MUTANTS = 1500
LARGE = 70000
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "gen"))
import model as m  # noqa: E402
from cli import Failure  # noqa: E402
from decode import Decoded, decode  # noqa: E402
from encode import encode  # noqa: E402
from examples import encode_frame  # noqa: E402
from interpret import Incomplete, Message, Refusal, read_frame  # noqa: E402
from passes import understand  # noqa: E402
from transcript import json_of, layout_of, line_of  # noqa: E402
from vectors import Vector, _value, make_vectors  # noqa: E402


@functools.lru_cache(maxsize=None)
def protocol_of(path: Path) -> m.Protocol:
    protocol = understand(path, path.name, "")
    assert protocol is not None
    return protocol


KV = ROOT / "proto" / "kv.cdx"


@functools.lru_cache(maxsize=None)
def vectors_of(path: Path) -> list[tuple[m.Frame, Vector, bytes]]:
    p = protocol_of(path)
    return [(frame, v, spelled(v.lines[0])) for frame in p.frames for v in make_vectors(p, frame)]


def spelled(line: str) -> bytes:
    """The bytes of a vector's first line."""
    made = b""
    for word in line.split()[1:]:
        digits, _, count = word.partition("*")
        made += bytes.fromhex(digits) * int(count or 1)
    return made


def text_of(made: Decoded) -> str:
    return "".join(line_of(e) + "\n" for e in made.entries)


# ---- the interpreter ----

@pytest.mark.parametrize("path", GOOD, ids=lambda p: p.stem)
def test_the_interpreter_says_what_the_vectors_say(path: Path) -> None:
    p = protocol_of(path)
    for frame, vector, data in vectors_of(path):
        outcome = read_frame(p, frame, data)
        if isinstance(outcome, Refusal):
            said = f"error at {outcome.offset} in {outcome.field}: {outcome.reason}"
        else:
            assert isinstance(outcome, Message) and outcome.nbytes == len(data), vector.title
            said = "frame " + " ".join(f"{k}={_value(v)}" for k, v in outcome.values.items())
        assert said == vector.lines[-1], vector.title


@pytest.mark.parametrize("path", GOOD, ids=lambda p: p.stem)
def test_every_beginning_is_incomplete(path: Path) -> None:
    p = protocol_of(path)
    for frame, vector, data in vectors_of(path):
        for end in range(min(len(data), 60)):
            outcome = read_frame(p, frame, data[:end])
            assert isinstance(outcome, Incomplete) and end < outcome.needed, vector.title
            assert vector.lines[-1].startswith("error") or outcome.needed <= len(data)


# ---- there and back ----

@pytest.mark.parametrize("path", GOOD, ids=lambda p: p.stem)
def test_what_was_decoded_encodes_to_the_same_bytes(path: Path) -> None:
    p = protocol_of(path)
    for frame, vector, data in vectors_of(path):
        if len(data) > LARGE:
            continue
        named = vector.title.split(":")[0]
        for call in {None, named if frame is p.response and named in {c.name for c in p.calls} else None}:
            made = decode(p, data, "x", "binary", frame.name, call, None)
            for written in (text_of(made), json_of(p, made.entries, [])):
                assert encode(p, written, "x") == [(frame.name, data)], vector.title


def test_a_large_message_there_and_back() -> None:
    p = protocol_of(KV)
    for filler in (b"a", b"\xff", b'"'):
        data = b"\x30\0\0\0\1\0\1a" + (1 << 18).to_bytes(4, "big") + filler * (1 << 18)
        made = decode(p, data, "x", "binary", "request", None, None)
        for written in (text_of(made), json_of(p, made.entries, [])):
            assert encode(p, written, "x") == [("request", data)]


@pytest.mark.parametrize("path", [HERE / "good" / "mini.cdx", KV], ids=lambda p: p.stem)
def test_examples_are_shown_as_the_description_has_them(path: Path) -> None:
    p = protocol_of(path)
    for call in p.calls:
        for example in call.examples:
            for sample in example.answers:
                data = encode_frame(sample.frame, sample.values, p.big_endian)
                made = decode(p, data, "x", "binary", "response", call.name, None)
                assert made.is_sound, text_of(made)
                line = text_of(made).strip().split("  //")[0].removeprefix(f"< {call.name} ")
                assert squeezed(line) in squeezed(path.read_text(encoding="utf-8"))


def squeezed(text: str) -> str:
    return "".join(text.split())


def test_text_for_people() -> None:
    p = protocol_of(KV)
    data = bytes.fromhex("1000000004 0004 2f696d67 00000000  2000000005 0000 00000005 00000001 00  20ff")
    assert text_of(decode(p, data, "x", "binary", "request", None, None)) == (
        '> get(rid 4, key "/img")\n'
        '> list(rid 5, val { limit 1, content entries, after "" })\n'
        '> " \\xff"  // incomplete: ends in rid, 5 bytes or more were to come\n')
    data = bytes.fromhex("1000000004 0004 2f696d67 00000001 00")
    assert text_of(decode(p, data, "x", "binary", "request", None, None)) == (
        '> "\\x10\\0\\0\\0\\x04\\0\\x04/img\\0\\0\\0\\x01\\0"'
        "  // refused: byte 11, val: used although its call leaves it empty\n")


@pytest.mark.parametrize("path", GOOD, ids=lambda p: p.stem)
def test_every_byte_of_a_message_has_its_field(path: Path) -> None:
    p = protocol_of(path)
    for frame, vector, data in vectors_of(path):
        call = vector.title.split(":")[0] if frame is p.response else None
        known = call if call in {c.name for c in p.calls} else None
        for entry in decode(p, data, "x", "binary", frame.name, known, None).entries:
            rows = [re.match(r"//   ( *\d+)  ((?:[0-9a-f]{2} ?)*)(?:… (\d+) bytes)? ", line) for line in layout_of(entry)]
            assert (rows == []) == (not isinstance(entry.outcome, Message))
            at = 0
            for row in rows:
                assert row is not None and int(row[1]) == at
                shown = bytes.fromhex(row[2])
                assert data[at : at + len(shown)] == shown
                at += int(row[3] or len(shown))
            assert rows == [] or at == len(data)


def test_bytes_are_shown_below_their_message() -> None:
    p = protocol_of(KV)
    made = decode(p, b"\x20\0\0\0\1\0\0\0\0\0\x19\0\0\0\2\1" + b"a" * 20, "x", "binary", "request", None, None)
    assert layout_of(made.entries[0]) == [
        "//       0  20                                              type list",
        "//       1  00 00 00 01                                     rid 1",
        "//       5  00 00                                           length of key 0",
        "//       7  00 00 00 19                                     length of val 25",
        "//      11  00 00 00 02                                     list_args.limit 2",
        "//      15  01                                              list_args.content keys",
        '//      16  61 61 61 61 61 61 61 61 61 61 61 61 … 20 bytes  list_args.after "aaaaaaaaaaaaaaaaaaaa"']


def test_the_readme_shows_what_decode_prints() -> None:
    p = protocol_of(KV)
    lines = re.findall(r"^    ([<>] .*)\n", (ROOT / "gen" / "README.md").read_text(encoding="utf-8"), flags=re.M)
    assert len(lines) == 4
    for line in lines:
        (frame, data), = encode(p, line, "README.md")
        made = decode(p, data, "x", "binary", frame, "match_all", None)
        assert text_of(made) == line + "\n"


def test_an_answer_that_its_call_cannot_have_is_shown_with_the_reason() -> None:
    p = protocol_of(KV)
    data = bytes.fromhex("0000000004 0000 00000001 78")
    made = decode(p, data, "x", "binary", "response", "ping", None)
    assert not made.is_sound and text_of(made) == (
        '< ok(rid 4, val "x")  // no such answer: byte 7, val: used although its call leaves it empty\n')


def test_hex_has_remarks_and_its_mistakes_are_told() -> None:
    p = protocol_of(KV)
    hex_text = b"10 00000004 0004 # get\n2F696d67\t00 00 00 00\n"
    assert text_of(decode(p, hex_text, "x", None, "request", None, None)) == '> get(rid 4, key "/img")\n'
    with pytest.raises(Failure, match="this is not hex"):
        decode(p, b"10 0", "x", None, "request", None, None)
    with pytest.raises(Failure, match="no call 'gett'"):
        decode(p, hex_text, "x", None, "response", "gett", None)
    with pytest.raises(Failure, match="neither a pcap nor a pcapng"):
        decode(p, hex_text, "x", "pcap", "request", None, None)


@pytest.mark.parametrize(("text", "said"), [
    ("get(rid 1)", "x:1: a line begins with > for a request or < for an answer"),
    ("\n> get(rid 1", "x:2: no message"),
    ("> gett(rid 1)", "there is no call 'gett'"),
    ("< gett ok(rid 1)", "there is no call 'gett'"),
    ("< okay(rid 1)", "enum status has no value 'okay'"),
    ("> get(key \"a\")", "'rid' is missing"),
    ("> get(rid \"a\")", "'rid' is a number"),
    ("> get(rid 4294967296)", "'rid' is a number of 32 bits"),
    ("> get(rid 1, key 7)", "'key' is a text"),
    ("> get(rid 1, kee \"a\")", "request has no field 'kee'"),
    ("> get(rid 1, val \"a\")", "a receiver refuses this: byte 7, val: used although"),
    ("> list(rid 1, val { limit 1, content all, after \"\" })", "enum content has no value 'all'"),
    ("> list(rid 1, val { limit 1, content keys, beyond \"\" })", "struct list_args has no field 'beyond'"),
    ('> "a\\q"', "unknown escape"),
    ("> list(rid 1, val " + "{ a " * 5000, "braces nest deeper than 8"),
    ('{"messages": [{"frame": "request", "call": "get", "fields": ' + '{"a": ' * 900 + "1" + "}" * 901 + "]}",
     "objects nest deeper than 8"),
    ('{"messages": ' + "[" * 100000, "x: it has no list of messages"),
    ("{", "x: Expecting property name"),
    ("{}", "x: it has no list of messages"),
    ('{"messages": [7]}', "x: message 1: its frame is none of request, response"),
    ('{"messages": [{"frame": "request", "call": "get"}]}', "it has no fields"),
    ('{"messages": [{"frame": "request", "bytes": "0"}]}', "this is not hex"),
    ('{"messages": [{"frame": "request", "call": "get", "fields": {"rid": true}}]}', "'rid' is a number"),
], ids=lambda x: x[:20])
def test_what_cannot_be_encoded_is_told(text: str, said: str) -> None:
    with pytest.raises(Failure) as told:
        encode(protocol_of(KV), text, "x")
    assert said in str(told.value) and "\n" not in str(told.value)


# ---- captures ----

CLIENT, SERVER = (b"\x0a\0\0\x01", 40000), (b"\x0a\0\0\x02", 7117)
Wrap = Callable[[bytes], bytes]


def tcp(is_request: bool, number: int, data: bytes, flags: int = 16, client: int = 40000) -> bytes:
    source, target = (client, SERVER[1]) if is_request else (SERVER[1], client)
    return struct.pack(">HHIIBBHHH", source, target, number % (1 << 32), 0, 0x50, flags, 9, 0, 0) + data


def ipv4(segment: bytes, is_request: bool) -> bytes:
    ends = (CLIENT[0] + SERVER[0]) if is_request else (SERVER[0] + CLIENT[0])
    return struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(segment), 1, 0, 64, 6, 0) + ends + segment


def ipv6(segment: bytes, is_request: bool) -> bytes:
    ends = [bytes(15) + b"\x01", bytes(15) + b"\x02"][:: 1 if is_request else -1]
    options = bytes([6, 0, 1, 4, 0, 0, 0, 0])
    return struct.pack(">IHBB", 0x60000000, 8 + len(segment), 0, 64) + b"".join(ends) + options + segment


LINKS: dict[str, tuple[int, Wrap]] = {
    "ethernet": (1, lambda ip: bytes(12) + (b"\x08\0" if ip[0] >> 4 == 4 else b"\x86\xdd") + ip + bytes(6)),
    "vlan": (1, lambda ip: bytes(12) + b"\x81\0\0\x07" + (b"\x08\0" if ip[0] >> 4 == 4 else b"\x86\xdd") + ip),
    "cooked": (113, lambda ip: bytes(14) + (b"\x08\0" if ip[0] >> 4 == 4 else b"\x86\xdd") + ip),
    "cooked 2": (276, lambda ip: (b"\x08\0" if ip[0] >> 4 == 4 else b"\x86\xdd") + bytes(18) + ip),
    "loopback": (0, lambda ip: b"\x02\0\0\0" + ip),
    "raw": (101, lambda ip: ip),
}


def pcap(packets: list[bytes], link: int = 101, order: str = "<", magic: int = 0xA1B2C3D4) -> bytes:
    made = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, link)
    return made + b"".join(struct.pack(order + "IIII", 0, 0, len(x), len(x)) + x for x in packets)


def block(order: str, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    nbytes = struct.pack(order + "I", 12 + len(body))
    return struct.pack(order + "I", kind) + nbytes + body + nbytes


def pcapng(packets: list[bytes], link: int = 101, order: str = "<", is_simple: bool = False) -> bytes:
    made = block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))
    made += block(order, 1, struct.pack(order + "HHI", link, 0, 0)) + block(order, 5, bytes(12))
    for packet in packets:
        head = struct.pack(order + "I", len(packet)) if is_simple else (
            struct.pack(order + "IIIII", 0, 0, 0, len(packet), len(packet)))
        made += block(order, 3 if is_simple else 6, head + packet)
    return made


REQUESTS = [b"\x10\0\0\0\x01\0\x04/img\0\0\0\0", b"\x22\0\0\0\x02\0\0\0\0\0\0", b"\x13\0\0\0\x03\0\x01a\0\0\0\0"]
ANSWERS = [b"\0\0\0\0\x01\0\0\0\0\0\x02cc", b"\0\0\0\0\x02\0\0\0\0\0\x08" + bytes(7) + b"\x09",
           b"\x01\0\0\0\x03\0\x01a\0\0\0\x01b", b"\0\0\0\0\x03\0\0\0\0\0\x04\0\0\0\x01"]
SAID = ('> get(rid 1, key "/img")\n> count(rid 2)\n> match_all(rid 3, key "a")\n'
        '< get ok(rid 1, val "cc")\n< count ok(rid 2, val { keys 9 })\n'
        '< match_all row(rid 3, key "a", val "b")\n< match_all ok(rid 3, val { rows 1 })\n')
FIRST = (1 << 32) - 9  # sequence numbers turn over inside the first message


def talk(ip: Callable[[bytes, bool], bytes] = ipv4, step: int = 5) -> list[bytes]:
    """The whole conversation as IP packets: requests, then answers, in pieces of `step` bytes."""
    made = [ip(tcp(True, FIRST - 1, b"", 2), True), ip(tcp(False, FIRST - 1, b"", 18), False)]
    for is_request, messages in ((True, REQUESTS), (False, ANSWERS)):
        data = b"".join(messages)
        made += [ip(tcp(is_request, FIRST + at, data[at : at + step]), is_request) for at in range(0, len(data), step)]
    return made


def said(data: bytes, port: int | None = None) -> str:
    return text_of(decode(protocol_of(KV), data, "x", None, "request", None, port))


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("ip", [ipv4, ipv6])
def test_every_link_layer_and_both_versions_of_ip(link: str, ip: Callable[[bytes, bool], bytes]) -> None:
    number, wrap = LINKS[link]
    assert said(pcap([wrap(x) for x in talk(ip)], number)) == SAID


@pytest.mark.parametrize("order", ["<", ">"])
def test_every_form_of_capture(order: str) -> None:
    for data in (pcap(talk(), 101, order), pcap(talk(), 101, order, 0xA1B23C4D), pcapng(talk(), 101, order),
                 pcapng(talk(), 101, order, is_simple=True), pcapng(talk(), 101, order) * 1 + block(order, 99, b"x")):
        assert said(data) == SAID


def test_order_repetition_and_overlap_change_nothing() -> None:
    for seed in range(60):
        rng = random.Random(seed)
        packets = talk(step=rng.choice([1, 3, 7, 100]))
        head, ways = packets[:2], [packets[2:], []]
        ways = [[x for x in packets[2:] if x[12:16] == end[0]] for end in (CLIENT, SERVER)]
        mixed: list[bytes] = []
        for number, way in enumerate(ways):
            data = b"".join((REQUESTS, ANSWERS)[number])
            extra = [tcp(number == 0, FIRST + at, data[at : at + rng.randrange(1, 9)])
                     for at in rng.sample(range(len(data)), 4)]
            way = way + [ipv4(x, number == 0) for x in extra] + rng.sample(way, min(2, len(way)))
            rng.shuffle(way)
            mixed += way
        assert said(pcap(head + mixed)) == SAID, seed


def test_connections_are_told_apart() -> None:
    other = [ipv4(tcp(True, 7, REQUESTS[1], client=40001), True)]
    again = [ipv4(tcp(True, 99, b"", 2), True), ipv4(tcp(True, 100, REQUESTS[0]), True)]
    made = decode(protocol_of(KV), pcap([*talk(), *other, *again]), "x", None, "request", None, None)
    assert [c["client"] for c in made.connections] == ["10.0.0.1:40000", "10.0.0.1:40001", "10.0.0.1:40000"]
    assert [line_of(e) for e in made.entries if e.connection > 1] == ["> count(rid 2)", '> get(rid 1, key "/img")']
    assert made.notes == ["connection 2: the capture begins inside its requests"]


def test_a_gap_ends_its_direction_and_is_told() -> None:
    packets = talk(step=100)
    late = [ipv4(tcp(True, FIRST + 100, REQUESTS[0]), True)]
    made = decode(protocol_of(KV), pcap([*packets, *late]), "x", None, "request", None, None)
    assert text_of(made) == SAID
    assert made.notes == ["connection 1: 62 bytes of its requests are missing behind byte 38, "
                          "and 15 captured ones behind them are not read"]


def test_packets_of_other_kinds_are_passed_over() -> None:
    other = [b"", b"\x45", bytes(40), ipv4(b"\0" * 19, True), ipv6(b"", True)[:30], b"\x45" + bytes(8) + b"\x11" + bytes(30)]
    fragment = bytearray(talk()[3])
    fragment[6] = 0x20
    made = decode(protocol_of(KV), pcap([*other, *talk(), bytes(fragment)]), "x", None, "request", None, None)
    assert text_of(made) == SAID and made.notes == ["1 fragments of IP packets are not put together"]


def test_captures_without_what_is_wanted() -> None:
    for data, what in ((pcap(talk(), 147), "captures of link type 147 cannot be read"),
                       (pcap([]), "it has no TCP at all"), (pcap(talk())[:20], "the capture ends in its header")):
        with pytest.raises(Failure, match=what):
            said(data)
    with pytest.raises(Failure, match="to or from TCP port 9; ports in the capture: 7117, 40000"):
        said(pcap(talk()), port=9)


def test_a_capture_that_is_cut_off_shows_what_it_has() -> None:
    made = decode(protocol_of(KV), pcap(talk())[:-3], "x", None, "request", None, None)
    assert made.notes == ["the capture is cut off in its last packet"] and not made.is_sound


# ---- mutants ----

def changed(data: bytes, rng: random.Random) -> bytes:
    made = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 5, 20])):
        at = rng.randrange(len(made))
        kind = rng.randrange(4)
        if kind == 0:
            made[at] = rng.choice([0, 1, 0x7F, 0xFF, rng.randrange(256)])
        elif kind == 1:
            del made[at : at + rng.choice([1, 2, 9])]
        elif kind == 2:
            made[at:at] = rng.randbytes(rng.choice([1, 4]))
        else:
            made = made[: at + 1]
        made = made or bytearray(1)
    return bytes(made)


def seeds() -> Iterator[bytes]:
    yield pcap([LINKS["ethernet"][1](x) for x in talk()], 1)
    yield pcap([LINKS["vlan"][1](x) for x in talk(ipv6)], 1, ">")
    yield pcapng(talk(ipv6))
    yield b"".join(REQUESTS)


def test_damaged_captures_never_make_it_stumble() -> None:
    rng = random.Random(11)
    kinds = list(seeds())
    for number in range(MUTANTS):
        data = changed(rng.choice(kinds), rng)
        try:
            made = decode(protocol_of(KV), data, "x", None, "request", None, None)
        except Failure:
            continue
        written = text_of(made) if number % 2 else json_of(protocol_of(KV), made.entries, made.connections)
        assert [d for _, d in encode(protocol_of(KV), written, "x")] == [e.data for e in made.entries]


def test_damaged_text_never_makes_it_stumble() -> None:
    rng = random.Random(12)
    p = protocol_of(KV)
    made = decode(p, pcap(talk()), "x", None, "request", None, None)
    texts = [text_of(made).encode(), json_of(p, made.entries, made.connections).encode()]
    json.loads(texts[1])
    for _ in range(MUTANTS):
        text = changed(rng.choice(texts), rng).decode("utf-8", errors="replace")
        try:
            encode(p, text, "x")
        except Failure as failure:
            assert "\n" not in str(failure)
