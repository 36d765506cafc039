# SPDX-License-Identifier: Apache-2.0
"""The core without I/O: marks, matching, time, cancelling, the end."""
from __future__ import annotations

from typing import Any, List, Tuple

import pytest
import tiny
from caudex import AnswerTimeout, ConnectionLost, ProtocolError, kv
from caudex.core import NEVER, OUTPUT_NBYTES_MAX, Core, Sink
from caudex.errors import Error

PROTOCOL = kv.Client._protocol


class Log(Sink):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: List[Tuple[str, Any]] = []

    def row(self, row: Any, nbytes: int) -> None:
        self.told.append(("row", row))

    def done(self, end: Any) -> None:
        self.told.append(("done", end))

    def fail(self, error: Error) -> None:
        self.told.append(("fail", error))

    @property
    def error(self) -> Error:
        """What it was told at last, which must be an error."""
        kind, error = self.told[-1]
        assert kind == "fail"
        assert isinstance(error, Error)
        return error


def ask(core: Core, asked: Any, timeout: float = 10, now: float = 0) -> Tuple[int, Log]:
    log = Log()
    return core.begin(asked, log, timeout, now), log


def answer(rid: int, status: kv.Status = kv.Status.OK, key: bytes = b"", val: bytes = b"") -> bytes:
    return kv.Response(status, rid, key, val).encode()


def ping() -> Any:
    return kv._ask_ping()


def scan() -> Any:
    return kv._ask_scan(b"", kv.Content.ENTRIES, b"")


def test_answers_are_matched_in_any_order() -> None:
    core = Core(PROTOCOL)
    first, a = ask(core, kv._ask_get(b"/a"))
    second, b = ask(core, kv._ask_get(b"/b"))
    assert (first, second) == (1, 2)
    core.receive(answer(2, val=b"B") + answer(1, kv.Status.NOT_FOUND), 1)
    assert b.told == [("done", b"B")]
    assert isinstance(a.error, kv.NotFound) and str(a.error) == "get: not_found"
    assert core.is_idle and core.ended is None and core.next_deadline == NEVER


def test_a_mark_is_given_out_again_only_when_its_answer_has_come() -> None:
    core = Core(PROTOCOL)
    core._mark = PROTOCOL.mark_max - 1
    marks = [ask(core, ping())[0] for _ in range(3)]
    assert marks == [PROTOCOL.mark_max, 1, 2]
    core._mark = PROTOCOL.mark_max
    assert ask(core, ping())[0] == 3
    core.receive(answer(1), 0)
    core._mark = PROTOCOL.mark_max
    assert ask(core, ping())[0] == 1


def test_there_is_room_for_a_window_of_requests_and_a_bound_on_unsent_bytes() -> None:
    core = Core(PROTOCOL, window=2)
    ask(core, ping())
    assert core.room == 1
    ask(core, ping())
    assert core.room == 0
    core.receive(answer(1), 0)
    assert core.room == 1
    core.output += bytes(OUTPUT_NBYTES_MAX)
    assert core.room == 0
    for window in (0, PROTOCOL.mark_max + 1):
        with pytest.raises(ValueError, match="^window: "):
            Core(PROTOCOL, window)


def test_a_request_expires_at_its_deadline_and_its_answer_is_dropped() -> None:
    core = Core(PROTOCOL)
    _, early = ask(core, ping(), timeout=1, now=0)
    _, late = ask(core, kv._ask_get(b"/b"), timeout=5, now=0)
    assert core.next_deadline == 1
    assert not core.expire(0.99) and early.told == []
    assert core.expire(1)
    assert isinstance(early.error, AnswerTimeout)
    assert str(early.error) == "ping: no answer in 1 s" and late.told == []
    assert core.room == core.window - 2     # its answer may still come
    core.receive(answer(1) + answer(2, val=b"B"), 2)
    assert len(early.told) == 1 and late.told == [("done", b"B")] and core.is_idle


def test_each_row_gives_its_answer_new_time() -> None:
    core = Core(PROTOCOL)
    mark, rows = ask(core, scan(), timeout=10, now=0)
    _, other = ask(core, ping(), timeout=10, now=1)
    core.receive(answer(mark, kv.Status.ROW, b"/a", b"A"), 8)
    assert core.next_deadline == 11
    core.expire(12)
    assert isinstance(other.error, AnswerTimeout)
    assert rows.told == [("row", kv.ScanRow(b"/a", b"A"))]
    core.expire(18)
    assert isinstance(rows.error, AnswerTimeout)


def test_rows_that_wait_for_their_reader_do_not_expire() -> None:
    core = Core(PROTOCOL)
    mark, rows = ask(core, scan(), timeout=10, now=0)
    core.hold(mark, rows)
    assert core.next_deadline == NEVER and not core.expire(1000)
    core.receive(answer(mark, kv.Status.ROW, b"/a", b"A"), 1000)
    core.resume(mark, rows, 1000)
    assert core.next_deadline == 1010
    core.receive(answer(mark, val=bytes(8)), 1001)
    assert rows.told[-1] == ("done", kv.ScanEnd(0)) and core.next_deadline == NEVER


def test_a_cancelled_request_is_silent_and_takes_its_place_until_its_last_frame() -> None:
    core = Core(PROTOCOL, window=1)
    mark, rows = ask(core, scan())
    core.cancel(mark, rows)
    core.cancel(mark, rows)
    core.receive(answer(mark, kv.Status.ROW, b"/a", b"A"), 0)
    assert rows.told == [] and core.room == 0
    core.receive(answer(mark, val=bytes(8)), 0)
    assert rows.told == [] and core.room == 1
    again, other = ask(core, ping())
    core.cancel(again, rows)    # not its sink: nothing
    core.receive(answer(again), 0)
    assert other.told == [("done", None)]


@pytest.mark.parametrize("data, offset, field", [
    (answer(5), 0, "rid"),                                      # nobody asked
    (answer(1, kv.Status.CONFLICT, val=bytes(8)), 0, "status"),  # not an answer to get
    (answer(1, key=b"/k"), 5, "key"),                           # get's answer has no key
    (answer(0), 0, "status"),                                   # ok answers some request
    (b"\xff", 0, "status"),
])
def test_what_fits_no_request_ends_the_connection(data: bytes, offset: int, field: str) -> None:
    core = Core(PROTOCOL)
    _, log = ask(core, kv._ask_get(b"/a"))
    core.receive(data, 0)
    error = log.error
    assert isinstance(error, ProtocolError) and core.ended is error
    assert (error.offset, error.field) == (offset, field)
    core.receive(answer(1, val=b"late"), 0)
    assert len(log.told) == 1


def test_the_place_of_a_wrong_body_counts_from_the_streams_begin() -> None:
    core = Core(PROTOCOL)
    ask(core, ping())
    _, log = ask(core, kv._ask_children(b"", 0, b""))
    core.receive(answer(1) + answer(2, kv.Status.ROW, b"/a", bytes(8) + b"\x09"), 0)
    error = log.error
    assert isinstance(error, ProtocolError)
    assert (error.offset, error.field) == (11 + 7 + 2 + 4 + 8, "child.stored")


def test_what_the_peer_says_about_the_connection_is_kept() -> None:
    core = Core(PROTOCOL)
    core.receive(answer(0, kv.Status.STOPPING, val=b"bye\n"), 0)
    assert core.ended is None and core.is_over and core.room == 0
    assert isinstance(core.notice, kv.Stopping) and core.notice.val == b"bye\n"
    assert str(core.notice) == "stopping: bye?"


def test_the_end_is_told_once_to_everyone() -> None:
    core = Core(PROTOCOL)
    logs = [ask(core, ping())[1] for _ in range(3)]
    core.end(ConnectionLost("first"))
    core.end(ConnectionLost("second"))
    assert all(str(log.error) == "first" and len(log.told) == 1 for log in logs)
    assert core.is_idle and core.output == b""


def test_a_protocol_whose_mark_stands_in_the_middle() -> None:
    core = Core(tiny.Client._protocol)
    mark, log = ask(core, tiny._ask_everything(5, b"n", 2, b"d", 3))
    sent = tiny.Request(mark, tiny.Call.EVERYTHING, 5, b"n", 2, b"d", 3)
    assert bytes(core.output) == sent.encode()
    core.receive(tiny.Response(b"w", mark, b"no", b"d", tiny.Result.PART).encode(), 0)
    core.receive(tiny.Response(b"", mark, b"no", b"", tiny.Result.BAD).encode(), 0)
    assert log.told[0] == ("row", tiny.EverythingRow(b"w", b"no", b"d"))
    error = log.error
    assert isinstance(error, tiny.Bad) and error.note == b"no"


def test_the_fields_of_a_body_are_parameters() -> None:
    asked = tiny._ask_move(5, b"n", 2, 10, 20, tiny.Mode.SLOW, b"t", 3)
    assert asked.values[5] == tiny.Point(10, 20, tiny.Mode.SLOW, b"t").encode()
