# SPDX-License-Identifier: Apache-2.0
"""TCP segments to the bytes of connections: order, repetitions, overlaps, gaps.

One direction, with what came too early:

    delivered | gap | early … | gap | early …
              ^ next
"""
from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import Iterable, Iterator

from capture import Endpoint, Segment

SEQUENCE = 1 << 32


@dataclass
class Direction:
    """What one side sent."""

    next: int | None = None  # the sequence number awaited
    position: int = 0        # bytes delivered so far
    early: list[tuple[int, bytes]] = field(default_factory=list)  # a heap, by position
    is_whole: bool = False   # the capture has its beginning

    def push(self, segment: Segment) -> bytes:
        """What can be delivered now that this segment is there."""
        number = (segment.number + segment.is_syn) % SEQUENCE
        if self.next is None:
            self.next = number
            self.is_whole = segment.is_syn
        ahead = (number - self.next + SEQUENCE // 2) % SEQUENCE - SEQUENCE // 2
        if segment.data:
            heapq.heappush(self.early, (self.position + ahead, segment.data))
        delivered = b"".join(self._ready())
        self.next = (self.next + len(delivered)) % SEQUENCE
        return delivered

    def _ready(self) -> Iterator[bytes]:
        while self.early and self.early[0][0] <= self.position:
            start, data = heapq.heappop(self.early)
            piece = data[self.position - start :]
            self.position += len(piece)
            yield piece

    @property
    def missing(self) -> tuple[int, int]:
        """Bytes missing behind what was delivered, and bytes captured behind those."""
        if not self.early:
            return 0, 0
        return self.early[0][0] - self.position, sum(len(data) for _, data in self.early)


@dataclass
class Connection:
    """Two directions; `number` counts from 1 in the order of the capture."""

    number: int
    client: Endpoint
    server: Endpoint
    first: int | None = None  # the client's first sequence number, if that was seen
    requests: Direction = field(default_factory=Direction)
    responses: Direction = field(default_factory=Direction)


@dataclass(frozen=True)
class Piece:
    """Bytes that arrived on a connection."""

    connection: Connection
    is_request: bool
    data: bytes


def pieces(captured: Iterable[Segment], port: int, ports: set[int]) -> Iterator[Piece]:
    """What was sent to and from servers on `port`, as it arrived; `ports`: all that were seen."""
    opened: dict[tuple[Endpoint, Endpoint], Connection] = {}
    count = 0
    for segment in captured:
        ports |= {segment.source.port, segment.target.port}
        is_request = segment.target.port == port
        if not is_request and segment.source.port != port:
            continue
        ends = (segment.source, segment.target)
        key = ends if is_request else (ends[1], ends[0])
        is_first = is_request and segment.is_syn and not segment.is_ack
        if key not in opened or is_first and opened[key].first != segment.number:
            count += 1
            opened[key] = Connection(count, *key, first=segment.number if is_first else None)
        connection = opened[key]
        way = connection.requests if is_request else connection.responses
        yield Piece(connection, is_request, way.push(segment))
