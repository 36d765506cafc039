# SPDX-License-Identifier: Apache-2.0
"""Captures to TCP segments: pcap and pcapng, the usual link layers, IPv4 and IPv6.

Nothing here trusts the file: a packet that is no TCP segment is counted and passed over, a record
that is cut off ends the capture.
"""
from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Iterator, Literal

from cli import Failure

Order = Literal["big", "little"]

# Magic numbers of pcap in either byte order, with times in micro- and nanoseconds.
PCAP_BIG = (bytes.fromhex("a1b2c3d4"), bytes.fromhex("a1b23c4d"))
PCAP_LITTLE = (bytes.fromhex("d4c3b2a1"), bytes.fromhex("4d3cb2a1"))
PCAPNG = bytes.fromhex("0a0d0d0a")
PCAPNG_BIG = bytes.fromhex("1a2b3c4d")
PCAPNG_LITTLE = bytes.fromhex("4d3c2b1a")

# Link types.
ETHERNET = 1
LINUX_COOKED = 113
LINUX_COOKED_2 = 276
LOOPBACK = (0, 108)
RAW_IP = (12, 14, 101, 228, 229)
# Types of Ethernet.
VLANS = (0x8100, 0x88A8, 0x9100)
IPV4 = 0x0800
IPV6 = 0x86DD
TCP = 6
# IPv6 headers between the first and TCP: hop-by-hop, routing, destination options.
IPV6_OPTIONS = (0, 43, 60)
IPV6_HEADERS_MAX = 8


@dataclass(frozen=True)
class Endpoint:
    """One end of a connection."""

    address: str
    port: int

    def __str__(self) -> str:
        address = f"[{self.address}]" if ":" in self.address else self.address
        return f"{address}:{self.port}"


@dataclass(frozen=True)
class Segment:
    """One TCP segment as captured; `data` may be shorter than what was sent."""

    source: Endpoint
    target: Endpoint
    number: int
    is_syn: bool
    is_ack: bool
    data: bytes


@dataclass
class Skipped:
    """What a capture holds besides whole TCP segments."""

    other: int = 0         # packets of another kind, or damaged ones
    fragments: int = 0     # pieces of IP packets
    is_cut_off: bool = False


def is_capture(data: bytes) -> bool:
    """Whether these bytes begin as a capture does."""
    return data[:4] in (*PCAP_BIG, *PCAP_LITTLE, PCAPNG)


def segments(data: bytes, name: str, skipped: Skipped) -> Iterator[Segment]:
    """All TCP segments in the order of the capture."""
    for link, packet in _packets(data, name, skipped):
        segment = _segment(link, packet, skipped)
        if segment is not None:
            yield segment


# ---- files to packets ----

def _packets(data: bytes, name: str, skipped: Skipped) -> Iterator[tuple[int, bytes]]:
    if data[:4] == PCAPNG:
        yield from _pcapng(data, name, skipped)
        return
    order: Order = "big" if data[:4] in PCAP_BIG else "little"
    if len(data) < 24:
        raise Failure(f"{name}: the capture ends in its header")
    link = int.from_bytes(data[20:24], order) & 0xFFFF
    at = 24
    while at < len(data):
        end = at + 16 + int.from_bytes(data[at + 8 : at + 12], order)
        if at + 16 > len(data) or end > len(data):
            skipped.is_cut_off = True
            return
        yield link, data[at + 16 : end]
        at = end


def _pcapng(data: bytes, name: str, skipped: Skipped) -> Iterator[tuple[int, bytes]]:
    order: Order = "big"
    links: list[int] = []
    at = 0
    while at < len(data):
        kind = data[at : at + 4]
        if kind == PCAPNG:
            if data[at + 8 : at + 12] not in (PCAPNG_BIG, PCAPNG_LITTLE):
                raise Failure(f"{name}: a section of the capture has no byte order")
            order = "big" if data[at + 8 : at + 12] == PCAPNG_BIG else "little"
            links = []
        nbytes = int.from_bytes(data[at + 4 : at + 8], order)
        if nbytes < 12 or at + nbytes > len(data):
            skipped.is_cut_off = True
            return
        body = data[at + 8 : at + nbytes - 4]
        number = int.from_bytes(kind, order)
        if number == 1:  # interface
            links.append(int.from_bytes(body[:2], order))
        elif number == 6 and int.from_bytes(body[:4], order) < len(links):  # enhanced packet
            captured = int.from_bytes(body[12:16], order)
            yield links[int.from_bytes(body[:4], order)], body[20 : 20 + captured]
        elif number == 3 and links:  # simple packet
            yield links[0], body[4 : 4 + int.from_bytes(body[:4], order)]
        at += nbytes


# ---- packets to segments ----

def _segment(link: int, packet: bytes, skipped: Skipped) -> Segment | None:
    network = _network(link, packet)
    if network[:1] and network[0] >> 4 == 4:
        found = _ipv4(network)
    elif network[:1] and network[0] >> 4 == 6:
        found = _ipv6(network)
    else:
        found = None
    if found is None:
        skipped.other += 1
        return None
    source, target, is_fragment, data = found
    if is_fragment:
        skipped.fragments += 1
        return None
    if len(data) < 20 or not 20 <= (data[12] >> 4) * 4 <= len(data):
        skipped.other += 1
        return None
    return Segment(Endpoint(source, _u16(data, 0)), Endpoint(target, _u16(data, 2)),
                   int.from_bytes(data[4:8], "big"), bool(data[13] & 2), bool(data[13] & 16),
                   data[(data[12] >> 4) * 4 :])


def _network(link: int, packet: bytes) -> bytes:
    """The IP packet inside, or nothing."""
    if link in RAW_IP:
        return packet
    if link in LOOPBACK:
        return packet[4:]
    if link == LINUX_COOKED:
        return packet[16:] if _u16(packet, 14) in (IPV4, IPV6) else b""
    if link == LINUX_COOKED_2:
        return packet[20:] if _u16(packet, 0) in (IPV4, IPV6) else b""
    if link != ETHERNET:
        raise Failure(f"captures of link type {link} cannot be read: Ethernet, Linux cooked, "
                      "loopback and raw IP can")
    at = 12
    while _u16(packet, at) in VLANS:
        at += 4
    return packet[at + 2 :] if _u16(packet, at) in (IPV4, IPV6) else b""


_Found = tuple[str, str, bool, bytes]


def _ipv4(packet: bytes) -> _Found | None:
    """Addresses, whether it is a fragment, and what is inside; None when that is not TCP."""
    head = (packet[0] & 15) * 4
    if head < 20 or len(packet) < head or packet[9] != TCP:
        return None
    total = _u16(packet, 2) or len(packet)  # 0: the network card would have filled it in
    is_fragment = bool(_u16(packet, 6) & 0x3FFF)
    return (str(ipaddress.IPv4Address(packet[12:16])), str(ipaddress.IPv4Address(packet[16:20])),
            is_fragment, packet[head:total])


def _ipv6(packet: bytes) -> _Found | None:
    """Like _ipv4()."""
    if len(packet) < 40:
        return None
    total = 40 + _u16(packet, 4) if _u16(packet, 4) else len(packet)
    kind, at = packet[6], 40
    for _ in range(IPV6_HEADERS_MAX):
        if kind not in IPV6_OPTIONS or at + 8 > len(packet):
            break
        kind, at = packet[at], at + 8 + packet[at + 1] * 8
    is_fragment = kind == 44
    if kind != TCP and not is_fragment:
        return None
    return (str(ipaddress.IPv6Address(packet[8:24])), str(ipaddress.IPv6Address(packet[24:40])),
            is_fragment, packet[at:total])


def _u16(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "big")
