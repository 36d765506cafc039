# SPDX-License-Identifier: Apache-2.0
"""The transport for asyncio: one connection that any number of tasks use at the same time.

Requests of one turn of the loop are sent together. While the rows of a stream are not taken,
the connection stops reading, so that a slow reader slows the server down and holds little
memory; other answers on this connection then wait behind those rows.
"""
from __future__ import annotations

import asyncio
import socket
from collections import deque
from types import TracebackType
from typing import Any, Deque, Generic, Optional, Tuple, Type, TypeVar, cast

from .address import Address, parse_address
from .calls import Asked, End, Protocol, Row
from .core import NEVER, TIMEOUT_S, WINDOW, Core, Sink
from .errors import AnswerTimeout, ConnectError, ConnectionLost, Error, again, lost
from .link import CONNECT_S_MIN, cause_of, pauses

# Bytes of rows not taken above which the connection stops reading; it goes on below half of it.
ROWS_NBYTES_HIGH = 1 << 20

_C = TypeVar("_C", bound="AsyncClient")


class _Answer(Sink):
    """One answer of one frame."""

    def __init__(self, future: "asyncio.Future[Any]") -> None:
        self.future = future

    def done(self, end: Any) -> None:
        if not self.future.done():
            self.future.set_result(end)

    def fail(self, error: Error) -> None:
        if not self.future.done():
            self.future.set_exception(again(error))


class _Stream(Sink):
    """An answer of many frames: rows that wait for their reader, who may wait for them."""

    def __init__(self, link: "_Link") -> None:
        self.link = link
        self.mark = 0
        self.rows: Deque[Tuple[Any, int]] = deque()
        self.nbytes = 0
        self.is_ended = False
        self.end: Any = None
        self.error: Optional[Error] = None
        self.waiter: Optional["asyncio.Future[None]"] = None

    def row(self, row: Any, nbytes: int) -> None:
        self.rows.append((row, nbytes))
        self.nbytes += nbytes
        if self.nbytes > ROWS_NBYTES_HIGH:
            self.link.hold(self)
        self.wake()

    def take_row(self) -> Any:
        row, nbytes = self.rows.popleft()
        self.nbytes -= nbytes
        if self.nbytes < ROWS_NBYTES_HIGH // 2:
            self.link.release(self)
        return row

    def drop(self) -> None:
        """What waits is not wanted."""
        self.rows.clear()
        self.nbytes = 0
        self.link.release(self)

    def done(self, end: Any) -> None:
        self.is_ended = True
        self.end = end
        self.wake()

    def fail(self, error: Error) -> None:
        self.is_ended = True
        self.error = error
        self.wake()

    def wake(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    async def wait(self) -> None:
        """Until there is a row, or the end."""
        while not self.rows and not self.is_ended:
            self.waiter = asyncio.get_running_loop().create_future()
            await self.waiter


class _Link(asyncio.Protocol):
    """One connection."""

    def __init__(self, protocol: Protocol, address: Address, window: int) -> None:
        self.core = Core(protocol, window)
        self.address = address
        self.loop = asyncio.get_running_loop()
        self.transport: Optional[asyncio.Transport] = None
        self.closed: "asyncio.Future[None]" = self.loop.create_future()
        self.can_write = True
        self.is_flushing = False
        self.full: "set[_Stream]" = set()
        self.waiters: Deque["asyncio.Future[None]"] = deque()
        self.timer: Optional[asyncio.TimerHandle] = None

    # ---- called by asyncio ----

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.core.receive(data, self.loop.time())
        if self.core.ended is not None:
            self.close(self.core.ended)
        elif self.core.is_over:
            self.end("closed by the peer")
        self.wake()

    def eof_received(self) -> Optional[bool]:
        self.end("closed by the peer")
        return None

    def connection_lost(self, error: Optional[Exception]) -> None:
        is_system = isinstance(error, OSError)
        self.end(cause_of(cast(OSError, error)) if is_system else "closed by the peer")
        if not self.closed.done():
            self.closed.set_result(None)

    def pause_writing(self) -> None:
        self.can_write = False

    def resume_writing(self) -> None:
        self.can_write = True
        self.wake()

    # ---- the end ----

    def end(self, cause: str) -> None:
        self.close(lost(self.address.name, cause, self.core.notice))

    def close(self, why: Error) -> None:
        self.core.end(why)
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if self.transport is not None:
            self.transport.abort()
        self.wake()

    # ---- requests ----

    @property
    def has_room(self) -> bool:
        return self.can_write and self.core.room > 0

    def begin(self, asked: Asked[Any, Any], sink: Sink, timeout: float) -> int:
        mark = self.core.begin(asked, sink, timeout, self.loop.time())
        if not self.is_flushing:
            self.is_flushing = True
            self.loop.call_soon(self.flush)
        return mark

    def flush(self) -> None:
        """Sends what was asked in this turn of the loop."""
        self.is_flushing = False
        if self.core.ended is None and self.transport is not None:
            output = bytes(self.core.output)
            self.core.output.clear()
            self.transport.write(output)
            self.arm()

    async def room(self, what: str, timeout: float) -> None:
        """Waits until a request can be begun, or the connection has ended."""
        timer: Optional[asyncio.TimerHandle] = None
        late = False

        def expire(waiter: "asyncio.Future[None]") -> None:
            nonlocal late
            late = True
            if not waiter.done():
                waiter.set_result(None)

        while not self.has_room and self.core.ended is None:
            if late:
                raise AnswerTimeout(f"{what}: no room for the request in {timeout:g} s; "
                                    "it was not sent")
            waiter = self.loop.create_future()
            self.waiters.append(waiter)
            if timeout != NEVER:
                timer = self.loop.call_later(timeout, expire, waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                self.wake()     # one that was woken and cancelled hands its turn on
                raise
            finally:
                if timer is not None:
                    timer.cancel()

    def wake(self) -> None:
        """Room, or the end, for those who wait for it."""
        count = len(self.waiters) if self.core.ended is not None else self.core.room
        if self.core.ended is None and not self.can_write:
            return
        while self.waiters and count > 0:
            waiter = self.waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                count -= 1

    # ---- rows that nobody takes ----

    def hold(self, stream: _Stream) -> None:
        if not self.full and self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()
        if stream not in self.full:
            self.full.add(stream)
            self.core.hold(stream.mark, stream)

    def release(self, stream: _Stream) -> None:
        if stream in self.full:
            self.full.discard(stream)
            self.core.resume(stream.mark, stream, self.loop.time())
            self.arm()
            if not self.full and self.transport is not None and not self.transport.is_closing():
                self.transport.resume_reading()

    # ---- time ----

    def arm(self) -> None:
        """Plans the next look at the clock."""
        deadline = self.core.next_deadline
        if self.timer is not None:
            if self.timer.when() <= deadline:
                return
            self.timer.cancel()
            self.timer = None
        if deadline != NEVER and self.core.ended is None:
            self.timer = self.loop.call_at(deadline, self.expire)

    def expire(self) -> None:
        self.timer = None
        self.core.expire(self.loop.time())
        self.arm()


class AsyncRows(Generic[Row, End]):
    """The rows of one answer, as they come, once; then `await rows.end()`.

    Whoever leaves the loop early calls aclose(), or uses `async with`: what still
    comes is dropped. The request is sent when the first row is asked for.
    """

    def __init__(self, client: "AsyncClient", asked: Asked[Row, End]) -> None:
        self._client = client
        self._asked = asked
        self._stream: Optional[_Stream] = None

    def __aiter__(self) -> "AsyncRows[Row, End]":
        return self

    async def __anext__(self) -> Row:
        stream = await self._started()
        await stream.wait()
        if stream.rows:
            row: Row = stream.take_row()
            return row
        if stream.error is not None:
            raise again(stream.error)
        raise StopAsyncIteration

    async def end(self) -> End:
        """The answer's last frame; drops the rows that were not taken."""
        stream = await self._started()
        while True:
            stream.drop()
            if stream.is_ended:
                break
            await stream.wait()
        if stream.error is not None:
            raise again(stream.error)
        end: End = stream.end
        return end

    async def aclose(self) -> None:
        """No more rows are wanted. Nothing when the answer has ended."""
        self._close()

    async def __aenter__(self) -> "AsyncRows[Row, End]":
        await self._started()
        return self

    async def __aexit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException],
                        trace: Optional[TracebackType]) -> None:
        self._close()

    def __del__(self) -> None:
        if self._stream is not None and not self._stream.link.loop.is_closed():
            self._close()

    def _close(self) -> None:
        stream = self._stream
        if stream is None:
            return
        if not stream.is_ended:
            stream.link.core.cancel(stream.mark, stream)
            stream.fail(Error("the rows were closed"))
        stream.drop()

    async def _started(self) -> _Stream:
        if self._stream is None:
            link = await self._client._room(self._asked)
            self._stream = _Stream(link)
            self._stream.mark = link.begin(self._asked, self._stream, self._client.timeout)
        return self._stream


class AsyncClient:
    """One connection for all tasks of one event loop.

    `address` is HOST, HOST:PORT, [IPV6]:PORT or unix:PATH. `timeout` counts seconds from a
    request, or its last row, to the next frame of its answer, and for connecting; it may be set
    at any time, for later requests, float("inf") is for ever. It connects at the first call, or
    on entering an `async with`. With `reconnect`, a call after the connection was lost
    connects again, and tries for `timeout` seconds. A request is never sent twice: what was
    open when the connection was lost raises ConnectionLost. At most `window` requests are open
    at a time; more wait for room. A cancelled task's answer is dropped when it comes.
    """

    _protocol: Protocol

    def __init__(self, address: str, *, timeout: float = TIMEOUT_S, reconnect: bool = True,
                 window: int = WINDOW) -> None:
        self.timeout = timeout
        self._reconnect = reconnect
        self._window = window
        self._address = parse_address(address, self._protocol.port)
        self._link: Optional[_Link] = None
        self._connecting: Optional["asyncio.Task[_Link]"] = None
        self._was_connected = False
        self._is_closed = False
        Core(self._protocol, window)  # refuses a window that cannot be

    async def connect(self) -> None:
        """Connects, if it is not connected. ConnectError when that cannot be."""
        await self._linked()

    async def close(self) -> None:
        """Closes at once, for good; open requests fail with ConnectionLost."""
        self._is_closed = True
        if self._connecting is not None:
            self._connecting.cancel()
        link, self._link = self._link, None
        if link is not None:
            link.close(self._closed_error())
            await link.closed

    async def __aenter__(self: _C) -> _C:
        await self.connect()
        return self

    async def __aexit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException],
                        trace: Optional[TracebackType]) -> None:
        await self.close()

    # ---- for generated code ----

    async def _ask(self, asked: Asked[Any, End]) -> End:
        link = await self._room(asked)
        future: "asyncio.Future[End]" = link.loop.create_future()
        sink = _Answer(future)
        mark = link.begin(asked, sink, self.timeout)
        try:
            return await future
        except asyncio.CancelledError:
            link.core.cancel(mark, sink)
            raise

    def _stream(self, asked: Asked[Row, End]) -> AsyncRows[Row, End]:
        return AsyncRows(self, asked)

    # ---- the connection ----

    async def _room(self, asked: Asked[Any, Any]) -> _Link:
        """The connection, with room for a request."""
        while True:
            link = self._link
            if link is None or link.core.ended is not None:
                link = await self._linked()
            if link.has_room and link.core.ended is None:
                return link
            await link.room(asked.call.name, self.timeout)

    async def _linked(self) -> _Link:
        """The connection, a new one if there is none; tasks that ask together share the attempt."""
        if self._is_closed:
            raise self._closed_error()
        link = self._link
        if link is not None and link.core.ended is None:
            return link
        if link is not None and not self._reconnect:
            assert link.core.ended is not None
            raise again(link.core.ended)
        if self._connecting is None:
            self._connecting = asyncio.ensure_future(self._connected())
            self._connecting.add_done_callback(self._on_connected)
        try:
            return await asyncio.shield(self._connecting)
        except asyncio.CancelledError:
            if self._is_closed:
                raise self._closed_error() from None
            raise

    def _on_connected(self, task: "asyncio.Task[_Link]") -> None:
        self._connecting = None
        if not task.cancelled() and task.exception() is None:
            self._link = task.result()
            self._was_connected = True

    async def _connected(self) -> _Link:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.timeout
        for pause in pauses():
            left = max(deadline - loop.time(), CONNECT_S_MIN)
            try:
                return await self._attempt(None if left == NEVER else left)
            except ConnectError:
                if not self._was_connected or loop.time() + pause >= deadline:
                    raise
            await asyncio.sleep(pause)
        raise AssertionError("pauses never end")

    async def _attempt(self, timeout: Optional[float]) -> _Link:
        loop = asyncio.get_running_loop()
        link = _Link(self._protocol, self._address, self._window)
        address = self._address
        try:
            if address.path:
                made = loop.create_unix_connection(lambda: link, address.path)
                await asyncio.wait_for(made, timeout)
            else:
                await asyncio.wait_for(
                    loop.create_connection(lambda: link, address.host, address.port), timeout)
                assert link.transport is not None
                sock = link.transport.get_extra_info("socket")
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except asyncio.TimeoutError as error:
            raise ConnectError(f"{address.name}: timed out") from error
        except OSError as error:
            raise ConnectError(f"{address.name}: {cause_of(error)}") from error
        return link

    def _closed_error(self) -> ConnectionLost:
        return lost(self._address.name, "closed on this side", None)
