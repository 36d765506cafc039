# SPDX-License-Identifier: Apache-2.0
"""The blocking transport: one connection, driven inside the calls and never outside of them.

The happy path: send what is queued, wait, read, hand over. Failure modes: the peer closes or
resets (open requests fail, the next one connects again), sends what is not the protocol (the
same), or does not answer in time (the request fails, the connection goes on).
"""
from __future__ import annotations

import selectors
import socket
import time
from collections import deque
from types import TracebackType
from typing import Any, Callable, Deque, Generic, Optional, Tuple, Type, TypeVar

from .address import Address, parse_address
from .calls import Asked, End, Protocol, Row
from .core import NEVER, TIMEOUT_S, WINDOW, Core, Sink
from .errors import AnswerTimeout, ConnectError, ConnectionLost, Error, RowsLost, again, lost
from .link import CONNECT_S_MIN, READ_NBYTES, cause_of, pauses

# Bytes of rows that are kept for a stream while the program waits for something else.
ROWS_NBYTES_MAX = 64 << 20
# Unsent bytes above which a pipeline sends without being asked.
SEND_NBYTES = 256 << 10

_P = TypeVar("_P", bound="BlockingPipeline")
_C = TypeVar("_C", bound="BlockingClient")


class _Gathered(Sink):
    """What has come of one answer."""

    def __init__(self) -> None:
        self.rows: Deque[Tuple[Any, int]] = deque()
        self.nbytes = 0
        self.is_ended = False
        self.end: Any = None
        self.error: Optional[Error] = None
        self.on_full: Optional[Callable[[], None]] = None

    def row(self, row: Any, nbytes: int) -> None:
        self.rows.append((row, nbytes))
        self.nbytes += nbytes
        if self.nbytes > ROWS_NBYTES_MAX and self.on_full is not None:
            self.on_full()

    def done(self, end: Any) -> None:
        self.is_ended = True
        self.end = end

    def fail(self, error: Error) -> None:
        self.is_ended = True
        self.error = error

    def take_row(self) -> Any:
        row, nbytes = self.rows.popleft()
        self.nbytes -= nbytes
        return row


class _Link:
    """One connection, and how to run it."""

    def __init__(self, protocol: Protocol, address: Address, window: int, timeout: float) -> None:
        self.core = Core(protocol, window)
        self.address = address
        self.sock = _connect(address, timeout)
        self.sock.setblocking(False)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.sock, selectors.EVENT_READ)
        self.events = selectors.EVENT_READ

    def close(self, why: Error) -> None:
        self.core.end(why)
        self.selector.close()
        self.sock.close()

    def turn(self, deadline: float) -> None:
        """Sends and reads what can be without waiting; if that is nothing, waits until it is
        something or until the deadline. What is there to read is never too late."""
        core = self.core
        is_sending = self.send()
        if core.ended is None and not self.read() and not core.expire(time.monotonic()):
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if is_sending else 0)
            if events != self.events:
                self.selector.modify(self.sock, events)
                self.events = events
            until = min(deadline, core.next_deadline)
            self.selector.select(None if until == NEVER else max(until - time.monotonic(), 0))

    def send(self) -> bool:
        """True: there is more to send than the socket takes now."""
        output = self.core.output
        try:
            while output:
                sent = self.sock.send(output)
                del output[:sent]
        except (BlockingIOError, InterruptedError):
            return True
        except OSError as error:
            # What the peer said before it closed is read first.
            while self.core.ended is None and self.read():
                pass
            self.core.end(self._lost(cause_of(error)))
        return False

    def read(self) -> bool:
        """False: there is nothing to read now."""
        try:
            data = self.sock.recv(READ_NBYTES)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            self.core.end(self._lost(cause_of(error)))
            return True
        if data:
            self.core.receive(data, time.monotonic())
        if not data or self.core.is_over:
            self.core.end(self._lost("closed by the peer"))
        return True

    def _lost(self, cause: str) -> ConnectionLost:
        return lost(self.address.name, cause, self.core.notice)


def _connect(address: Address, timeout: float) -> socket.socket:
    wait = None if timeout == NEVER else timeout
    try:
        if not address.path:
            sock = socket.create_connection((address.host, address.port), wait)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(wait)
            sock.connect(address.path)
        except BaseException:
            sock.close()
            raise
        return sock
    except OSError as error:
        raise ConnectError(f"{address.name}: {cause_of(error)}") from error


class Pending(Generic[End]):
    """The answer to a request that was only sent."""

    def __init__(self, client: "BlockingClient", gathered: _Gathered) -> None:
        self._client = client
        self._gathered = gathered

    @property
    def is_done(self) -> bool:
        """Whether result() returns at once."""
        return self._gathered.is_ended

    def result(self) -> End:
        """Waits for the answer. A StatusError, or another Error, when it is no success."""
        gathered = self._gathered
        self._client._run(lambda: gathered.is_ended)
        if gathered.error is not None:
            raise again(gathered.error)
        end: End = gathered.end
        return end


class Rows(Generic[Row, End]):
    """The rows of one answer, as they come, once; then `end`.

    Whoever wants no more leaves the loop or calls close(): what still comes is dropped. Rows
    that come while the program waits for something else are kept, up to 64 MiB;
    above that this iterator raises RowsLost.
    """

    def __init__(self, client: "BlockingClient", link: _Link, gathered: _Gathered,
                 mark: int) -> None:
        self._client = client
        self._link = link
        self._gathered = gathered
        self._mark = mark
        gathered.on_full = self._overrun(link, gathered, mark)

    @staticmethod
    def _overrun(link: _Link, gathered: _Gathered, mark: int) -> Callable[[], None]:
        def overrun() -> None:
            link.core.cancel(mark, gathered)
            gathered.rows.clear()
            gathered.nbytes = 0
            gathered.fail(RowsLost(f"more than {ROWS_NBYTES_MAX} bytes of rows came while "
                                   "nobody took them; the rest was dropped"))
        return overrun

    def __iter__(self) -> "Rows[Row, End]":
        return self

    def __next__(self) -> Row:
        gathered = self._gathered
        if not gathered.rows:
            self._client._run(lambda: bool(gathered.rows) or gathered.is_ended)
        if gathered.rows:
            row: Row = gathered.take_row()
            return row
        if gathered.error is not None:
            raise again(gathered.error)
        raise StopIteration

    @property
    def end(self) -> End:
        """The answer's last frame; drops the rows that were not taken."""
        gathered = self._gathered
        while not gathered.is_ended:
            gathered.rows.clear()
            gathered.nbytes = 0
            self._client._run(lambda: bool(gathered.rows) or gathered.is_ended)
        if gathered.error is not None:
            raise again(gathered.error)
        end: End = gathered.end
        return end

    def close(self) -> None:
        """No more rows are wanted. Nothing when the answer has ended."""
        if not self._gathered.is_ended:
            self._link.core.cancel(self._mark, self._gathered)
            self._gathered.fail(Error("the rows were closed"))
        self._gathered.rows.clear()

    def __enter__(self) -> "Rows[Row, End]":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


class BlockingClient:
    """One connection. It belongs to one thread at a time.

    `address` is HOST, HOST:PORT, [IPV6]:PORT or unix:PATH. `timeout` counts seconds from a
    request, or its last row, to the next frame of its answer, and for connecting; it may be set
    at any time, for later requests, float("inf") is for ever. It connects at the first
    call, or on entering a `with`. With `reconnect`, a call after the connection was
    lost connects again, and tries for `timeout` seconds. A request is never sent twice: what was
    open when the connection was lost raises ConnectionLost. At most `window` requests are
    open at a time; a pipeline waits for room.
    """

    _protocol: Protocol

    def __init__(self, address: str, *, timeout: float = TIMEOUT_S, reconnect: bool = True,
                 window: int = WINDOW) -> None:
        self.timeout = timeout
        self._reconnect = reconnect
        self._window = window
        self._address = parse_address(address, self._protocol.port)
        self._link: Optional[_Link] = None
        self._was_connected = False
        self._is_closed = False
        Core(self._protocol, window)  # refuses a window that cannot be

    def connect(self) -> None:
        """Connects, if it is not connected. ConnectError when that cannot be."""
        self._linked()

    def close(self) -> None:
        """Closes at once, for good; open requests fail with ConnectionLost."""
        self._is_closed = True
        if self._link is not None:
            self._link.close(self._closed_error())
            self._link = None

    def __enter__(self: _C) -> _C:
        self.connect()
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.close()

    # ---- for generated code ----

    def _ask(self, asked: Asked[Any, End]) -> End:
        return self._send(asked).result()

    def _send(self, asked: Asked[Any, End]) -> Pending[End]:
        gathered = _Gathered()
        self._begin(asked, gathered)
        return Pending(self, gathered)

    def _stream(self, asked: Asked[Row, End]) -> Rows[Row, End]:
        gathered = _Gathered()
        link, mark = self._begin(asked, gathered)
        return Rows(self, link, gathered, mark)

    # ---- the connection ----

    def _begin(self, asked: Asked[Any, Any], gathered: _Gathered) -> Tuple[_Link, int]:
        link = self._linked()
        now = time.monotonic()
        deadline = now + self.timeout
        while not link.core.room:
            if now >= deadline:
                raise AnswerTimeout(f"{asked.call.name}: no room for the request in "
                                    f"{self.timeout:g} s; it was not sent")
            link.turn(deadline)
            if link.core.ended is not None:
                link = self._linked()
            now = time.monotonic()
        mark = link.core.begin(asked, gathered, self.timeout, now)
        if len(link.core.output) > SEND_NBYTES:
            link.send()
            link.read()
        return link, mark

    def _run(self, is_ready: Callable[[], bool]) -> None:
        """Runs the connection until something that is awaited on it is there."""
        while not is_ready():
            link = self._link
            assert link is not None, "what is awaited was told when the connection was given up"
            link.turn(NEVER)

    def _linked(self) -> _Link:
        """The connection, a new one if there is none."""
        if self._is_closed:
            raise self._closed_error()
        link = self._link
        if link is not None and link.core.is_idle and link.core.ended is None:
            link.read()     # the peer may have closed in the meantime
        if link is not None and link.core.ended is not None:
            link.close(link.core.ended)
            if not self._reconnect:
                raise again(link.core.ended)
            self._link = link = None
        if link is None:
            link = self._link = self._connected()
            self._was_connected = True
        return link

    def _connected(self) -> _Link:
        deadline = time.monotonic() + self.timeout
        for pause in pauses():
            left = max(deadline - time.monotonic(), CONNECT_S_MIN)
            try:
                return _Link(self._protocol, self._address, self._window, left)
            except ConnectError:
                if not self._was_connected or time.monotonic() + pause >= deadline:
                    raise
            time.sleep(pause)
        raise AssertionError("pauses never end")

    def _closed_error(self) -> ConnectionLost:
        return lost(self._address.name, "closed on this side", None)


class BlockingPipeline:
    """Sends without waiting for answers. Leaving a `with` waits for all of them but rows, which
    come as they are taken; what went wrong is raised by each one's result()."""

    def __init__(self, client: BlockingClient) -> None:
        self._client = client
        self._sent: Deque[_Gathered] = deque()

    def __enter__(self: _P) -> _P:
        return self

    def wait(self) -> None:
        """Waits until all that was sent has been answered, or has failed."""
        while self._sent:
            gathered = self._sent[0]
            self._client._run(lambda: gathered.is_ended)
            self._sent.popleft()

    def _send(self, asked: Asked[Any, End]) -> Pending[End]:
        pending = self._client._send(asked)
        while self._sent and self._sent[0].is_ended:
            self._sent.popleft()
        self._sent.append(pending._gathered)
        return pending

    def _stream(self, asked: Asked[Row, End]) -> Rows[Row, End]:
        return self._client._stream(asked)

    def __exit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        if kind is None:
            self.wait()
