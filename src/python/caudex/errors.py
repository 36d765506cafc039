# SPDX-License-Identifier: Apache-2.0
"""Everything that a client raises. All of it is an Error; mistakes in arguments are ValueErrors."""
from __future__ import annotations

import keyword
from typing import Any, ClassVar, Mapping, Optional


class Error(Exception):
    """What can go wrong between a client and its peer."""


class ConnectError(Error, ConnectionError):
    """No connection could be made; the text says to where and why not."""


class ConnectionLost(Error, ConnectionError):
    """The connection has ended: requests that were open may or may not have been carried out."""


class AnswerTimeout(Error, TimeoutError):
    """No answer in time: the request may or may not have been carried out."""


class RowsLost(Error):
    """Rows of an answer came while nobody took them, more than are kept; the rest was dropped."""


class ProtocolError(Error):
    """The peer's bytes are not the protocol.

    `offset` counts from the stream's first byte; `field` is what stands there, `reason` why
    it is refused, in words.
    """

    def __init__(self, offset: int, field: str, reason: str) -> None:
        super().__init__(offset, field, reason)
        self.offset = offset
        self.field = field
        self.reason = reason

    def __str__(self) -> str:
        return (f"the bytes do not follow the protocol, at byte {self.offset}, "
                f"field {self.field}: {self.reason}")


# What errors have besides an answer's fields: such a field gets an underscore.
_OWN = frozenset(
    "LAYOUT encode decode call fields status args with_traceback add_note bytes".split())


class StatusError(Error):
    """The peer has answered, but not with success: one subclass for each such status.

    `call` is the name of the call; "" when the peer spoke of the whole connection. What the
    answer's frame holds are attributes, None where this call's answer does not use the field.
    """

    status: ClassVar[Any]

    def __init__(self, call: str, fields: Mapping[str, Any]) -> None:
        super().__init__(call, fields)
        self.call = call
        self.fields = fields
        for name, value in fields.items():
            taken = name in _OWN or keyword.iskeyword(name)
            setattr(self, f"{name}_" if taken else name, value)

    def __str__(self) -> str:
        held = ", ".join(_shown(value) for value in self.fields.values() if value is not None)
        parts = [self.call, self.status.name.lower(), held]
        return ": ".join(part for part in parts if part)


def _shown(value: Any) -> str:
    if not isinstance(value, bytes):
        return str(value)
    text = value.decode("utf-8", "replace")
    return "".join(c if c.isprintable() else "?" for c in text)


def lost(name: str, cause: str, notice: Optional[StatusError]) -> ConnectionLost:
    """The error for a connection to `name`; `notice` is what the peer had to say about it."""
    return ConnectionLost(f"{name}: {cause}" + (f": {notice}" if notice is not None else ""))


def again(error: Error) -> Error:
    """A copy to raise: one error may end many requests, and each adds its own traceback."""
    return type(error)(*error.args)
