# SPDX-License-Identifier: Apache-2.0
"""A connection's half without I/O: gives out marks, matches answers, times out, cancels.

    Asked ─► begin ─► output bytes ─► transport ─► peer
    Sink  ◄─ receive ◄─ input bytes ◄─ transport ◄─ peer

A request's sink is told of each row and finally, exactly once, of the end: `done` or `fail`.
After a timeout or a cancel it is told nothing more; the rest of the answer is still awaited
and dropped, and takes its place in the window until then.
"""
from __future__ import annotations

from collections import OrderedDict
from typing import Any, Dict, List, Optional, Union

from .calls import Asked, CallType, Failure, Protocol
from .errors import AnswerTimeout, Error, ProtocolError, StatusError
from .wire import Fault, Parser

# Requests without an answer that one connection holds when nothing else is said.
WINDOW = 16384
# Unsent bytes above which no request is begun; an empty queue takes one of any size.
OUTPUT_NBYTES_MAX = 64 << 20
# Seconds from a request, or its last row, to the next frame of its answer, likewise.
TIMEOUT_S = 30.0
NEVER = float("inf")


class Sink:
    """Who waits for one answer."""

    def row(self, row: Any, nbytes: int) -> None:
        """One row, of a frame of so many bytes."""
        raise NotImplementedError

    def done(self, end: Any) -> None:
        """The answer's last frame."""
        raise NotImplementedError

    def fail(self, error: Error) -> None:
        """There is no (further) frame, and this is why."""
        raise NotImplementedError


class _Open:
    """A request whose answer is not complete; `sink` None: nobody waits for it any more;
    `is_held`: its rows wait for their reader, not for the peer."""

    __slots__ = ("call", "sink", "timeout", "deadline", "is_held")

    def __init__(self, call: CallType[Any, Any], sink: Sink, timeout: float, now: float) -> None:
        self.call = call
        self.sink: Optional[Sink] = sink
        self.timeout = timeout
        self.deadline = now + timeout
        self.is_held = False


class Core:
    """One connection. Times are seconds of any monotonic clock."""

    def __init__(self, protocol: Protocol, window: int = WINDOW) -> None:
        if not 1 <= window <= protocol.mark_max:
            raise ValueError(f"window: {window} is not from 1 to {protocol.mark_max}")
        self.protocol = protocol
        self.window = window
        self.output = bytearray()   # unsent; the transport removes what it has sent
        self.ended: Optional[Error] = None      # why the connection has ended
        self.notice: Optional[StatusError] = None   # what the peer said about all of it
        self._layout = protocol.response.LAYOUT
        self._parser = Parser(protocol.response)
        self._open: Dict[int, _Open] = {}
        # By timeout: requests of one timeout expire in the order of their last sign of life.
        self._waiting: Dict[float, OrderedDict[int, _Open]] = {}
        self._mark = 0

    # ---- requests ----

    @property
    def room(self) -> int:
        """How many requests begin() takes. None when the peer is about to close."""
        if self.notice is not None:
            return 0
        return self.window - len(self._open) if len(self.output) < OUTPUT_NBYTES_MAX else 0

    @property
    def is_over(self) -> bool:
        """Whether the peer is about to close and nothing more is expected of it."""
        return self.notice is not None and not self._open

    @property
    def is_idle(self) -> bool:
        """Whether no answer is awaited, not even one to drop."""
        return not self._open

    def begin(self, asked: Asked[Any, Any], sink: Sink, timeout: float, now: float) -> int:
        """Adds a request to the output and returns its mark. Only when there is room."""
        mark = self._free_mark()
        request = self.protocol.request.LAYOUT
        values = list(asked.values)
        values[request.mark] = mark
        self.output += request.pack(values)
        entry = _Open(asked.call, sink, timeout, now)
        self._open[mark] = entry
        self._queue(timeout)[mark] = entry
        return mark

    def cancel(self, mark: int, sink: Sink) -> None:
        """Nobody waits for this answer any more; nothing when it has ended."""
        entry = self._open.get(mark)
        if entry is not None and entry.sink is sink:
            self._silence(mark, entry)

    def _free_mark(self) -> int:
        while True:
            self._mark = self._mark % self.protocol.mark_max + 1
            if self._mark not in self._open:
                return self._mark

    # ---- answers ----

    def receive(self, data: Union[bytes, bytearray, memoryview], now: float) -> None:
        """Takes bytes of the peer; look at `ended` afterwards."""
        if self.ended is not None:
            return
        parser = self._parser
        parser.feed(data)
        try:
            begin = parser.offset
            values = parser.next_values()
            while values is not None:
                self._take(values, begin, parser.offset - begin, now)
                begin = parser.offset
                values = parser.next_values()
        except ProtocolError as error:
            self.end(error)

    def _take(self, values: List[Any], begin: int, nbytes: int, now: float) -> None:
        mark = values[self._layout.mark]
        status = values[self._layout.selector]
        try:
            if mark == 0:
                self._take_notice(status, values)
                return
            entry = self._open.get(mark)
            if entry is None:
                name = self._layout.fields[self._layout.mark].name
                raise ProtocolError(begin, name, f"{mark} answers no request that is open")
            self._take_answer(mark, entry, status, values, nbytes, now)
        except Fault as fault:
            raise ProtocolError(begin + fault.offset, fault.field, fault.reason) from None

    def _take_notice(self, status: int, values: List[Any]) -> None:
        shape = self.protocol.unasked.get(status)
        if shape is None:
            raise self.protocol.unknown(values)
        self.notice = self._error(shape, "", values)

    def _take_answer(self, mark: int, entry: _Open, status: int, values: List[Any], nbytes: int,
                     now: float) -> None:
        shape = entry.call.find(status) or self.protocol.unasked.get(status)
        if shape is None:
            raise self.protocol.unknown(values)
        sink = entry.sink
        if isinstance(shape, Failure):
            error = self._error(shape, entry.call.name, values)
            self._forget(mark, entry)
            if sink is not None:
                sink.fail(error)
            return
        given = self.protocol.accept(shape, values)
        made = shape.make(*[value for value in given if value is not None])
        if status in self.protocol.more:
            if sink is not None:
                entry.deadline = now + entry.timeout
                if not entry.is_held:
                    self._waiting[entry.timeout].move_to_end(mark)
                sink.row(made, nbytes)
            return
        self._forget(mark, entry)
        if sink is not None:
            sink.done(made)

    def _error(self, shape: Failure, call: str, values: List[Any]) -> StatusError:
        given = self.protocol.accept(shape, values)
        names = [self._layout.fields[i].name for i in self.protocol.given]
        return shape.error(call, {n: v for n, v in zip(names, given) if v is not None})

    # ---- time, and the end ----

    @property
    def next_deadline(self) -> float:
        """When expire() must be called; NEVER: nothing waits for the time."""
        return min((next(iter(q.values())).deadline for q in self._waiting.values() if q),
                   default=NEVER)

    def expire(self, now: float) -> bool:
        """Fails every request whose deadline has come. Whether there was one."""
        if now < self.next_deadline:
            return False
        for timeout, queue in list(self._waiting.items()):
            while queue:
                mark, entry = next(iter(queue.items()))
                if entry.deadline > now:
                    break
                sink = entry.sink
                self._silence(mark, entry)
                if sink is not None:
                    sink.fail(AnswerTimeout(f"{entry.call.name}: no answer in {timeout:g} s"))
        return True

    def hold(self, mark: int, sink: Sink) -> None:
        """This answer's rows wait for their reader: until resume() it has no deadline."""
        entry = self._open.get(mark)
        if entry is not None and entry.sink is sink:
            entry.is_held = True
            self._unqueue(mark, entry)

    def resume(self, mark: int, sink: Sink, now: float) -> None:
        """Undoes hold(): the answer's time begins anew."""
        entry = self._open.get(mark)
        if entry is not None and entry.sink is sink:
            entry.is_held = False
            entry.deadline = now + entry.timeout
            self._queue(entry.timeout)[mark] = entry

    def end(self, why: Error) -> None:
        """The connection has ended: every open request fails. Later calls change nothing."""
        if self.ended is not None:
            return
        self.ended = why
        self.output.clear()
        entries = list(self._open.values())
        self._open.clear()
        self._waiting.clear()
        for entry in entries:
            if entry.sink is not None:
                entry.sink.fail(why)

    def _queue(self, timeout: float) -> OrderedDict[int, _Open]:
        queue = self._waiting.get(timeout)
        if queue is None:
            # Those of timeouts that nobody uses any more.
            self._waiting = {t: q for t, q in self._waiting.items() if q}
            queue = self._waiting[timeout] = OrderedDict()
        return queue

    def _silence(self, mark: int, entry: _Open) -> None:
        entry.sink = None
        self._unqueue(mark, entry)

    def _forget(self, mark: int, entry: _Open) -> None:
        del self._open[mark]
        self._unqueue(mark, entry)

    def _unqueue(self, mark: int, entry: _Open) -> None:
        self._waiting.get(entry.timeout, OrderedDict()).pop(mark, None)
